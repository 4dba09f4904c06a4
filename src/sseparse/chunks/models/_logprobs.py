"""Log-probabilities of tokens, in the chat API's form and in the legacy one."""

from __future__ import annotations

from ._model import Model


class TopLogprob(Model, kw_only=True):
    """
    Give one of the likeliest tokens at a position.

    Attributes:
        token: The token.
        logprob: Its natural logarithmic probability.
        bytes: Its UTF-8 bytes.
    """

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None


class TokenLogprob(Model, kw_only=True):
    """
    Give the log-probability of one token.

    Attributes:
        token: The token.
        logprob: Its natural logarithmic probability; -9999.0 stands for very unlikely.
        bytes: Its UTF-8 bytes: one character may be spread over several tokens.
        top_logprobs: The likeliest tokens at this position.
    """

    token: str | None = None
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[TopLogprob] | None = None


class ChoiceLogprobs(Model, kw_only=True):
    """
    Hold the log-probabilities of a choice's tokens.

    Attributes:
        content: Those of its content.
        refusal: Those of its refusal.
    """

    content: list[TokenLogprob] | None = None
    refusal: list[TokenLogprob] | None = None


class CompletionLogprobs(Model, kw_only=True):
    """
    Hold the log-probabilities of a legacy completion, in four lists of one length.

    Attributes:
        tokens: The tokens.
        token_logprobs: The natural logarithmic probability of each.
        top_logprobs: The likeliest tokens at the position of each, and their probabilities.
        text_offset: Where each begins in the text.
    """

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] | None = None
