"""Token counts for those completions whose server sent none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._errors import SSEError
from .._options import check_choice
from ..chunks import CompletionUsage, Result

_SAYS_NOTHING = CompletionUsage()


class UsageEstimate:
    """
    Count the tokens of a finished completion where its server did not.

    What is missing for that is told at once, not at the end of the stream.

    Args:
        messages: The request's messages, or its prompt; None leaves them uncounted.
        tools: The request's tools.
        encoding: The encoding, or a model that has it; None for that of the completion's model.

    Raises:
        ImportError: tiktoken is not installed.
        SSEError: The encoding is not known, or not on this machine.
        TypeError: The messages or the tools are of another form than the request's.
    """

    def __init__(
        self,
        messages: Sequence[Mapping[str, Any] | str | int | Sequence[int]] | None,
        tools: Sequence[Mapping[str, Any]] | None,
        encoding: str | None,
    ) -> None:
        # Most streams do without.
        from ..tokens import _prompt, _prompt_tools, _vocabularies, estimate_usage  # noqa: PLC0415

        _vocabularies.check_installed()
        if messages is not None:
            _prompt.check_prompt(messages)
        if tools is not None:
            _prompt_tools.check_tools(tools)
        self._estimate = estimate_usage
        self._messages = messages
        self._tools = tools
        self._encoding = None if encoding is None else _vocabularies.find_encoding(encoding)

    def complete(self, result: Result) -> Result:
        """Return the completion, with counts; the server's own win."""
        if result.usage not in (None, _SAYS_NOTHING):
            return result
        try:
            result.usage = self._estimate(
                result, messages=self._messages, tools=self._tools, encoding=self._encoding
            )
        except SSEError as error:
            error.partial = result
            raise
        return result


def estimate(
    usage: str,
    messages: Sequence[Mapping[str, Any] | str | int | Sequence[int]] | None,
    tools: Sequence[Mapping[str, Any]] | None,
    encoding: str | None,
) -> UsageEstimate | None:
    """Return what counts, where that is asked for; refuse options that it alone would take."""
    check_choice("usage", usage, "server", "estimate")
    if usage == "estimate":
        return UsageEstimate(messages, tools, encoding)
    if (messages, tools, encoding) != (None, None, None):
        raise ValueError('messages, tools and encoding are for usage="estimate"; give that too')
    return None
