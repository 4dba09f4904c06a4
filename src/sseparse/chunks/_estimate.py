"""Estimated usage of a completion whose server reported none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .._errors import SSEError
from ..payloads._model import Model
from ..tokens._counter import count_tokens
from ..tokens._prompt import Prompt, PromptTokens, add_prompt, add_tools, check_prompt, check_tools
from ..tokens._vocabularies import check_installed, find_encoding
from ._models import CompletionTokensDetails, CompletionUsage, reasoning_texts
from ._results import ChatChoice, ChatMessage, CompletionChoice, Function, Result, ToolCall

if TYPE_CHECKING:
    from tiktoken import Encoding


class ChoiceTokens(Model, kw_only=True):
    """
    Count the tokens of one choice, by what they are.

    Attributes:
        index: The choice's place among the choices.
        content: Those of the text.
        refusal: Those of the refusal.
        reasoning: Those of the reasoning that came. Some servers reason and do not send it.
        tool_names: Those of the names of the tools and functions called.
        tool_arguments: Those of their arguments, and of custom tools' input.
        transcript: Those of the words of a spoken answer; its sound cannot be counted.
    """

    index: int
    content: int = 0
    refusal: int = 0
    reasoning: int = 0
    tool_names: int = 0
    tool_arguments: int = 0
    transcript: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        said = self.content + self.refusal + self.reasoning + self.transcript
        return said + self.tool_names + self.tool_arguments


class EstimatedUsage(CompletionUsage, kw_only=True):
    """
    Count the tokens of a request and its answer, where the server did not.

    It stands where a server's CompletionUsage would, with the same names, and `to_dict()` has
    its mark too. It holds what can be seen. Servers also count what cannot: reasoning that is not
    sent, sound, images, and the frame around tool calls.

    Attributes:
        estimated: True, always.
        encoding: The encoding that it was counted with.
        choices: The answer's tokens, choice by choice.
        prompt_listed: Whether OpenAI published the overheads for the model, so that the count of
            the prompt follows a rule; False where they are another model's; None where none are
            part of the count.
        prompt_partial: Whether the prompt has what cannot be counted, as images, or what the
            published rule does not speak of; the server then counts more, or otherwise.
        notes: What is to be known of the counts, in words.
    """

    estimated: bool
    encoding: str
    choices: list[ChoiceTokens]
    prompt_listed: bool | None = None
    prompt_partial: bool = False
    notes: list[str]


Count = Callable[[str], int]


def count_choices(result: Result, count: Count) -> list[ChoiceTokens]:
    """Return the counts of each choice."""
    return [_count_choice(choice, count) for choice in result.choices]


def has_sound(result: Result) -> bool:
    """Tell whether an answer is spoken."""
    return any(isinstance(choice, ChatChoice) and choice.message.audio for choice in result.choices)


def has_calls(result: Result) -> bool:
    """Tell whether an answer calls tools or functions."""
    return any(
        isinstance(choice, ChatChoice)
        and (choice.message.tool_calls or choice.message.function_call)
        for choice in result.choices
    )


def _count_choice(choice: ChatChoice | CompletionChoice, count: Count) -> ChoiceTokens:
    if isinstance(choice, CompletionChoice):
        return ChoiceTokens(index=choice.index, content=count(choice.text))
    message = choice.message
    names, arguments = _calls(message)
    transcript = message.audio.transcript if message.audio else None
    reasoning = reasoning_texts(
        message.reasoning_content or "", message.reasoning or "", message.reasoning_details
    )
    return ChoiceTokens(
        index=choice.index,
        content=count(message.content or ""),
        refusal=count(message.refusal or ""),
        reasoning=sum(map(count, reasoning)),
        tool_names=sum(map(count, names)),
        tool_arguments=sum(map(count, arguments)),
        transcript=count(transcript or ""),
    )


def _calls(message: ChatMessage) -> tuple[list[str], list[str]]:
    calls = [_called(call) for call in message.tool_calls or ()]
    if message.function_call:
        calls.append(_function(message.function_call))
    return [name for name, _ in calls], [arguments for _, arguments in calls]


def _called(call: ToolCall) -> tuple[str, str]:
    if call.custom:
        return call.custom.name, call.custom.input
    return _function(call.function) if call.function else ("", "")


def _function(function: Function) -> tuple[str, str]:
    return function.name, function.arguments


_OLDER: Final = "gpt-4-0613"
_NEWER: Final = "gpt-4o-2024-08-06"
_LISTED: Final[Mapping[str, str]] = {
    "gpt-3.5-turbo-0125": _OLDER,
    "gpt-4-0314": _OLDER,
    "gpt-4-32k-0314": _OLDER,
    "gpt-4-0613": _OLDER,
    "gpt-4-32k-0613": _OLDER,
    "gpt-4o-mini-2024-07-18": _NEWER,
    "gpt-4o-2024-08-06": _NEWER,
}
"""The models of which OpenAI published overheads, and the one that stands for its kind."""
_TOOL_BEGINS: Final[Mapping[str, int]] = {_OLDER: 10, _NEWER: 7}


def estimate_usage(
    result: Result,
    *,
    messages: Prompt | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    encoding: str | Encoding | None = None,
) -> EstimatedUsage:
    """
    Count the tokens of a completion, whole or as far as it came.

    The answer's tokens are those of all that came in every choice: text, refusal, reasoning,
    the names and arguments of tool and function calls, the transcript of speech. Reasoning that
    came under several names is counted once.

    Args:
        result: The completion. It is not changed.
        messages: The request's messages, in the API's form, or the text, texts or tokens that a
            legacy completion continues. Without them the prompt's tokens and the total are None.
        tools: The request's tools, in the API's form; counted with the messages only.
        encoding: The encoding, or a model that has it; None for that of the completion's model.

    Returns:
        The counts, marked as estimated.

    Raises:
        ImportError: tiktoken is not installed.
        UnknownEncoding: No encoding is known by that name, or of the completion's model.
        VocabularyMissing: The vocabulary is not in tiktoken's cache.
        Uncountable: A text has a run of more than 500,000 blanks.
        TypeError: The messages or the tools are of another form.

    Source: OpenAI Cookbook, "How to count tokens with tiktoken".
    """
    counting = find_encoding(result.model if encoding is None else encoding)
    count = partial(count_tokens, counting)
    choices = count_choices(result, count)
    completion_tokens = sum(choice.total for choice in choices)
    prompt = PromptTokens(count)
    kind = _LISTED.get(result.model or "", _OLDER if counting.name == "cl100k_base" else _NEWER)
    counted = messages is not None
    if messages is not None:
        add_prompt(prompt, messages)
        add_tools(prompt, tools or (), _TOOL_BEGINS[kind])
    listed = result.model in _LISTED if prompt.overheads else None
    overheads = _overhead_notes(result.model, kind, listed=listed)
    reasoning = sum(choice.reasoning for choice in choices)
    return EstimatedUsage(
        prompt_tokens=prompt.tokens if counted else None,
        completion_tokens=completion_tokens,
        total_tokens=prompt.tokens + completion_tokens if counted else None,
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=reasoning),
        estimated=True,
        encoding=counting.name,
        choices=choices,
        prompt_listed=listed,
        prompt_partial=bool(prompt.uncounted or prompt.beyond),
        notes=[*_answer_notes(result), *_prompt_notes(prompt, tools, counted), *overheads],
    )


def _answer_notes(result: Result) -> Iterator[str]:
    if has_calls(result):
        yield "calls are counted by their names and arguments; what frames them is not known"
    if has_sound(result):
        yield "the answer's sound cannot be counted; its transcript is"


def _prompt_notes(
    prompt: PromptTokens, tools: Sequence[Mapping[str, Any]] | None, counted: bool
) -> Iterator[str]:
    if tools and not counted:
        yield "the tools are not counted without the messages"
    if prompt.uncounted:
        yield (
            f"the prompt has what cannot be counted ({_names(prompt.uncounted)}): "
            "its tokens are a lower bound"
        )
    if prompt.beyond:
        yield (
            f"the prompt has what the published rule does not speak of ({_names(prompt.beyond)}): "
            "its texts are counted"
        )


def _overhead_notes(model: str | None, kind: str, *, listed: bool | None) -> Iterator[str]:
    if listed:
        yield f"the prompt's overheads are those that OpenAI published for {model}"
    elif listed is not None:
        yield (
            f"OpenAI published no overheads for {model or 'a model without a name'}: "
            f"those of {kind} are used"
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


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
        check_installed()
        if messages is not None:
            check_prompt(messages)
        if tools is not None:
            check_tools(tools)
        self._estimate = estimate_usage
        self._messages = messages
        self._tools = tools
        self._encoding = None if encoding is None else find_encoding(encoding)

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
