"""Estimated usage of a completion for which the server reported none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from .._errors import SSEError
from ..payloads._model import Model, TokenCounts
from ..payloads._results import Note
from ..tokens._counter import CountTokens, TextCounter, Tokenizer, find_text_counter
from ..tokens._prompt import Prompt, PromptCounter, check_prompt, check_tools
from ..tokens._vocabularies import base_model, check_installed
from ._models import ENCRYPTED, CompletionTokensDetails, CompletionUsage
from ._results import (
    ChatChoice,
    ChatMessage,
    CompletionChoice,
    NoteKind,
    Result,
    call_views,
)
from ._texts import reasoning_texts
from ._usage import is_zero

if TYPE_CHECKING:
    from tiktoken import Encoding


_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


class ChoiceTokens(Model, kw_only=True):
    """
    Token counts of a choice.

    Attributes:
        index: Index of the choice.
        content: Tokens of the text.
        refusal: Tokens of the refusal.
        reasoning: Tokens of the reasoning that the server sent.
        tool_names: Tokens of the names of called tools and functions.
        tool_arguments: Tokens of the arguments of called tools and functions, and of the input of
            custom tools.
        transcript: Tokens of the transcript of an audio response; its audio can't be counted.
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
        """The sum of the counts."""
        return sum(getattr(self, name) for name in self.wire_fields() if name != "index")


class EstimatedUsage(CompletionUsage, kw_only=True):
    """
    Estimated token counts of a request and its response.

    It replaces a server's `CompletionUsage` and has the same fields; `to_dict()` also includes
    `estimated`. Only visible tokens are counted. Servers also count reasoning that they don't send,
    audio, and the framing of tool calls. `reasoning_tokens` is None if the model reasons without
    sending it, or if the reasoning is encrypted: `completion_tokens` is then a lower bound.

    Attributes:
        estimated: Always True.
        estimated_fields: The names of the counts that are estimated. In the result of a stream with
            `usage="estimate"`, the server reported the other counts.
        encoding: The name of the encoding, tokenizer or function used for counting.
        choices: The token counts of each choice.
        prompt_listed: Whether OpenAI published the number of tokens that this model adds to each
            message; False if the numbers of another model are used; None if the count includes no
            such tokens.
        prompt_partial: Whether the prompt has parts that can't be counted, such as images, or for
            which no rule is published. The server's count then differs, and is usually higher.
        notes: Sentences about what the counts leave out or assume.
    """

    estimated: bool
    estimated_fields: list[str] = msgspec.field(default_factory=list[str])
    encoding: str
    choices: list[ChoiceTokens]
    prompt_listed: bool | None = None
    prompt_partial: bool = False
    notes: list[str]

    def token_counts(self) -> TokenCounts:
        """Return the counts under names that all APIs share, marked as estimated."""
        return super().token_counts()._replace(estimated=self.estimated)


def _count_choice(choice: ChatChoice | CompletionChoice, count: CountTokens) -> ChoiceTokens:
    if isinstance(choice, CompletionChoice):
        return ChoiceTokens(index=choice.index, content=count(choice.text))
    message = choice.message
    calls = call_views(message)
    reasoning = reasoning_texts(
        message.reasoning_content or "", message.reasoning or "", message.reasoning_details
    )
    return ChoiceTokens(
        index=choice.index,
        content=count(message.content or ""),
        refusal=count(message.refusal or ""),
        reasoning=sum(map(count, reasoning)),
        tool_names=sum(count(call.name) for call in calls),
        tool_arguments=sum(count(call.arguments) for call in calls),
        transcript=count((message.audio and message.audio.transcript) or ""),
    )


# The models for which OpenAI published overheads, with the tokens at the beginning of each tool.
_TOOL_OVERHEADS: Final[Mapping[str, int]] = {
    "gpt-3.5-turbo-0125": 10,
    "gpt-4-0314": 10,
    "gpt-4-32k-0314": 10,
    "gpt-4-0613": 10,
    "gpt-4-32k-0613": 10,
    "gpt-4o-mini-2024-07-18": 7,
    "gpt-4o-2024-08-06": 7,
}


def _find_reference(model: str, encoding: str) -> str:
    """Return the model whose published overheads are used for another model."""
    if model in _TOOL_OVERHEADS:
        return model
    return "gpt-4-0613" if encoding == "cl100k_base" else "gpt-4o-2024-08-06"


def estimate_usage(
    result: Result,
    *,
    messages: Prompt | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    encoding: str | Encoding | Tokenizer | None = None,
    count: CountTokens | None = None,
    fallback: str | None = None,
) -> EstimatedUsage:
    """
    Count the tokens of a completion, complete or not.

    All generated text of all choices counts, once if it was received under several names.

    Args:
        result: The completion, which isn't changed.
        messages: The request's messages, in the API's form or as `ChatMessage`, or the text, texts
            or tokens of a legacy prompt. Without them the prompt's tokens and the total are None.
        tools: The tools or legacy functions of the request, in the API's form. They are counted
            only if `messages` is given.
        encoding: The encoding, its name, a model that uses it, or a tokenizer; None, the default,
            for the encoding of the completion's model. As for `sseparse.tokens.TokenCounter`.
        count: A function that returns the number of tokens of a text, instead of an encoding.
        fallback: The name of the encoding for a model that tiktoken doesn't know.

    Raises:
        ImportError: tiktoken isn't installed.
        UnknownEncoding: tiktoken knows no encoding of that name, or of the completion's model.
        VocabularyMissing: The vocabulary isn't in tiktoken's cache.
        Uncountable: A text has a run of more than 500,000 blanks.
        TypeError: The result isn't a completion, or the messages or the tools don't have the API's
            form.

    Source: OpenAI Cookbook, "How to count tokens with tiktoken".
    """
    if not isinstance(cast("object", result), Result):
        raise TypeError(
            f"estimate_usage() takes a ChatCompletion or Completion, not {type(result).__name__}; "
            "count the text of others with a TokenCounter"
        )
    which = result.model if encoding is None else encoding
    found = find_text_counter(which, count, fallback=fallback)
    return _estimate(result, found, messages, tools)


def _estimate(
    result: Result,
    found: TextCounter,
    messages: Prompt | None,
    tools: Sequence[Mapping[str, Any]] | None,
) -> EstimatedUsage:
    choices = [_count_choice(choice, found.count) for choice in result.choices]
    completion_tokens = sum(choice.total for choice in choices)
    model = base_model(result.model or "")
    reference = _find_reference(model, found.name)
    prompt = PromptCounter(found.count, model)
    prompt.add_request(messages, tools, _TOOL_OVERHEADS[reference])
    is_hidden = _hides_reasoning(result)
    notes = [*_describe_choices(result, is_hidden), *_describe_prompt(prompt, model, reference)]
    reasoning_tokens = None if is_hidden else sum(choice.reasoning for choice in choices)
    names = ["completion_tokens"] if messages is None else [*_COUNTS]
    if not is_hidden:
        names.append("reasoning_tokens")
    return EstimatedUsage(
        prompt_tokens=None if messages is None else prompt.tokens,
        completion_tokens=completion_tokens,
        total_tokens=None if messages is None else prompt.tokens + completion_tokens,
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=reasoning_tokens),
        estimated=True,
        estimated_fields=names,
        encoding=found.name,
        choices=choices,
        prompt_listed=reference == model if prompt.has_overheads else None,
        prompt_partial=bool(prompt.uncounted or prompt.unpublished),
        notes=notes,
    )


# Models of OpenAI whose reasoning isn't sent, but counts.
_REASONING_MODEL: Final = re.compile(r"o[1-9]\b|gpt-5(?!.*chat)|codex|computer-use")


def _hides_reasoning(result: Result) -> bool:
    """Return whether tokens of reasoning count that aren't in the completion."""
    if _REASONING_MODEL.match(base_model(result.model or "")):
        return True
    details = [each for message in _messages(result) for each in message.reasoning_details or ()]
    return any(each.get("type") == ENCRYPTED for each in details)


def _messages(result: Result) -> list[ChatMessage]:
    return [choice.message for choice in result.choices if isinstance(choice, ChatChoice)]


def _describe_choices(result: Result, is_hidden: bool) -> Iterator[str]:
    if is_hidden:
        yield "the reasoning isn't sent: its tokens are unknown, and the count is a lower bound"
    messages = _messages(result)
    if any(message.tool_calls or message.function_call for message in messages):
        yield "calls are counted by name and arguments, without the unknown tokens around them"
    if any(message.audio for message in messages):
        yield "the audio can't be counted, only its transcript is"


def _describe_prompt(prompt: PromptCounter, model: str | None, reference: str) -> Iterator[str]:
    if prompt.has_ignored_tools:
        yield "the tools aren't counted without the messages"
    if prompt.uncounted:
        names = ", ".join(dict.fromkeys(prompt.uncounted))
        yield f"the prompt has parts that can't be counted ({names}): its tokens are a lower bound"
    if prompt.unpublished:
        names = ", ".join(dict.fromkeys(prompt.unpublished))
        yield f"the prompt has parts without a published rule ({names}): their texts are counted"
    if prompt.has_overheads and model == reference:
        yield f"the prompt's overheads are those that OpenAI published for {model}"
    elif prompt.has_overheads:
        yield (
            f"OpenAI published no overheads for {model or 'a model without a name'}: "
            f"those of {reference} are used"
        )


class UsageEstimate:
    """The options of a usage estimate, checked before the stream is read."""

    def __init__(
        self,
        messages: Prompt | None,
        tools: Sequence[Mapping[str, Any]] | None,
        encoding: str | Tokenizer | None,
        count: CountTokens | None,
        fallback: str | None,
    ) -> None:
        if messages is not None:
            check_prompt(messages)
        if tools is not None:
            check_tools(tools)
        if encoding is None and count is None:
            check_installed()
        else:
            find_text_counter(encoding, count)
        if fallback is not None:
            find_text_counter(fallback)
        self._estimate = partial(
            estimate_usage,
            messages=messages,
            tools=tools,
            encoding=encoding,
            count=count,
            fallback=fallback,
        )

    def complete(self, result: Result) -> Result:
        """
        Return the completion with estimates of the token counts that the server didn't report.

        Counts that are all 0 although there is an answer aren't reported ones. If the tokens can't
        be counted, the usage stays as it is, and a note says why: the answer is complete.
        """
        usage = result.usage or CompletionUsage()
        if is_zero(usage) and any(_count_choice(choice, len).total for choice in result.choices):
            usage = CompletionUsage(extra=usage.extra)
        if any(getattr(usage, name) is None for name in _COUNTS):
            try:
                result.usage = _complete(usage, self._estimate(result))
            except SSEError as error:
                result.notes = (*result.notes, Note(NoteKind.NOT_COUNTED, detail=str(error)))
        return result


def _complete(usage: CompletionUsage, estimate: EstimatedUsage) -> EstimatedUsage:
    """Replace the estimates of the counts that the server reported."""
    for name in _COUNTS:
        if getattr(usage, name) is not None:
            setattr(estimate, name, getattr(usage, name))
    prompt, completion = estimate.prompt_tokens, estimate.completion_tokens
    if usage.total_tokens is None and prompt is not None and completion is not None:
        estimate.total_tokens = prompt + completion
    missing = [name for name in _COUNTS if getattr(usage, name) is None]
    names = [name for name in missing if getattr(estimate, name) is not None]
    details = usage.completion_tokens_details or CompletionTokensDetails()
    estimated = estimate.completion_tokens_details
    if details.reasoning_tokens is None and estimated and estimated.reasoning_tokens is not None:
        details = msgspec.structs.replace(details, reasoning_tokens=estimated.reasoning_tokens)
        names.append("reasoning_tokens")
    estimate.estimated_fields = names
    estimate.completion_tokens_details = details
    estimate.prompt_tokens_details = usage.prompt_tokens_details
    estimate.extra = usage.extra
    return estimate
