"""A chat completion as the chunks that would have streamed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from ..models._chat_chunk import ChatCompletionChunk, ChoiceDelta, ChunkChoice
from ..models._logprobs import ChoiceLogprobs
from ..models._results import FILTER_OFFSETS, ChatChoice, ChatCompletion
from ._cut import Cut, shares
from ._deltas import closing, opening, reasoning, tools
from ._endings import endings

_Step = tuple[ChoiceDelta, ChoiceLogprobs | None]


def to_chat_chunks(completion: ChatCompletion, cut: Cut) -> Iterator[ChatCompletionChunk]:
    """
    Yield the chunks of a chat completion.

    Args:
        completion: The completion.
        cut: Cuts each text.
    """
    for choice in completion.choices:
        for part in _parts(choice, cut):
            yield _chunk(completion, choices=[part])
    last = {"usage": completion.usage, "moderation": completion.moderation}
    extra = {**completion.extra}
    if any(value is not None for value in last.values()) or extra or not completion.choices:
        yield _chunk(completion, choices=[], **last, extra=extra)


def _chunk(completion: ChatCompletion, **fields: Any) -> ChatCompletionChunk:
    return ChatCompletionChunk(
        id=completion.id,
        object="chat.completion.chunk",
        created=completion.created,
        model=completion.model,
        system_fingerprint=completion.system_fingerprint,
        service_tier=completion.service_tier,
        **fields,
    )


def _parts(choice: ChatChoice, cut: Cut) -> Iterator[ChunkChoice]:
    index, extra = choice.index, {**choice.extra}
    for delta, logprobs in _steps(choice, cut):
        yield ChunkChoice(index=index, delta=delta, logprobs=logprobs)
    for said in choice.content_filters:
        yield ChunkChoice(index=index, delta=ChoiceDelta(), extra={**said})
        extra.pop(FILTER_OFFSETS, None)
    for reason, fields in endings(choice, extra):
        yield ChunkChoice(index=index, delta=ChoiceDelta(), finish_reason=reason, extra=fields)


def _steps(choice: ChatChoice, cut: Cut) -> Iterator[_Step]:
    """Yield what comes before the finish reason, one after the other."""
    message, logprobs = choice.message, choice.logprobs
    yield opening(message), None
    for delta in reasoning(message, cut):
        yield delta, None
    for name in ("content", "refusal"):
        yield from _with_logprobs(choice, name, cut)
    for delta in (*tools(message, cut), *closing(message)):
        yield delta, None
    if logprobs is not None and (
        logprobs.extra or (logprobs.content is None and logprobs.refusal is None)
    ):
        yield ChoiceDelta(), ChoiceLogprobs(extra={**logprobs.extra})


def _with_logprobs(
    choice: ChatChoice, name: Literal["content", "refusal"], cut: Cut
) -> Iterator[_Step]:
    """Yield the pieces of a text, each with the log-probabilities of its tokens."""
    text, logprobs = getattr(choice.message, name), choice.logprobs
    tokens = None if logprobs is None else getattr(logprobs, name)
    pieces = cut(text or "")
    if tokens is None:
        for piece in pieces:
            yield _delta(name, piece), None
        return
    pieces = pieces or [""]  # tokens of another text, such as that of tool calls
    lengths = [len(token.token or "") for token in tokens]
    for piece, share in zip(pieces, shares(pieces, lengths), strict=True):
        fields: dict[str, Any] = {name: tokens[share]}
        yield _delta(name, piece), ChoiceLogprobs(**fields)


def _delta(name: str, piece: str) -> ChoiceDelta:
    fields: dict[str, Any] = {name: piece or None}
    return ChoiceDelta(**fields)
