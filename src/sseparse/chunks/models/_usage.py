"""Token counts, as both kinds of completion report them."""

from __future__ import annotations

from ._model import Model


class PromptTokensDetails(Model, kw_only=True):
    """
    Break down the prompt's tokens.

    Attributes:
        cached_tokens: Those read from the server's cache.
        audio_tokens: Those of sound.
        cache_write_tokens: Those written to the server's cache.
        image_tokens: Those of images.
        text_tokens: Those of text.
    """

    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionTokensDetails(Model, kw_only=True):
    """
    Break down the completion's tokens.

    Attributes:
        reasoning_tokens: Those of reasoning.
        audio_tokens: Those of sound.
        accepted_prediction_tokens: Those of the predicted output that came true.
        rejected_prediction_tokens: Those of the predicted output that did not.
        image_tokens: Those of images.
        text_tokens: Those of text.
    """

    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionUsage(Model, kw_only=True):
    """
    Count the tokens of a request and its answer.

    Attributes:
        prompt_tokens: Those of the request.
        completion_tokens: Those of the answer.
        total_tokens: The total, which need not be the sum of the two: some servers count more.
        prompt_tokens_details: What the request's tokens were.
        completion_tokens_details: What the answer's tokens were.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
