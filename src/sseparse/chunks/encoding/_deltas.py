"""A chat message as the deltas that would have streamed it, one kind of content at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._json import is_list
from ..models._chat_chunk import (
    AudioDelta,
    ChoiceDelta,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from ..models._details import ENCRYPTED, KEY, TEXTS
from ..models._parts import other_parts, text_of, thinking_of
from ..models._results import Audio, ChatMessage, CustomTool, Function, ToolCall
from ._cut import Cut, in_groups


def opening(message: ChatMessage) -> ChoiceDelta:
    """Return the first delta: the role, and the texts that there are, still empty."""
    return ChoiceDelta(
        role=message.role,
        content=_begun(message.content),
        refusal=_begun(message.refusal),
        reasoning_content=_begun(message.reasoning_content),
        reasoning=_begun(message.reasoning),
    )


def _begun(text: str | None) -> str | None:
    """Tell an empty text from none."""
    return None if text is None else ""


def reasoning(message: ChatMessage, cut: Cut) -> Iterator[ChoiceDelta]:
    """Yield the reasoning, in each form that it has."""
    for piece in cut(message.reasoning_content or ""):
        yield ChoiceDelta(reasoning_content=piece)
    for piece in cut(message.reasoning or ""):
        yield ChoiceDelta(reasoning=piece)
    for entry in message.reasoning_details or []:
        for detail in _details(entry, cut):
            yield ChoiceDelta(reasoning_details=[detail])


def _details(entry: dict[str, Any], cut: Cut) -> Iterator[dict[str, Any]]:
    """
    Yield the pieces of one entry of `reasoning_details`.

    The signature comes alone, after the entry that it belongs to: with an entry that has no text
    it would be taken for that of the entry before. What is encrypted comes whole.
    """
    key: dict[str, Any] = {name: entry[name] for name in KEY if name in entry}
    signature = entry.get("signature")
    first = {name: value for name, value in entry.items() if name != "signature" or not value}
    later: list[dict[str, Any]] = []
    for name in TEXTS if entry.get("type") != ENCRYPTED else ():
        if isinstance(entry.get(name), str):
            first[name], *others = cut(entry[name]) or [""]
            later += [{**key, name: piece} for piece in others]
    yield first
    yield from later
    if signature:
        yield {**key, "signature": signature}


def tools(message: ChatMessage, cut: Cut) -> Iterator[ChoiceDelta]:
    """Yield the spoken answer and the calls."""
    if message.audio is not None:
        for audio in _audio(message.audio, cut):
            yield ChoiceDelta(audio=audio)
    for index, call in enumerate(message.tool_calls or []):
        for piece in _call(index, call, cut):
            yield ChoiceDelta(tool_calls=[piece])
    if message.function_call is not None:
        for function in _function(message.function_call, cut):
            yield ChoiceDelta(function_call=function)


def _audio(audio: Audio, cut: Cut) -> Iterator[AudioDelta]:
    yield AudioDelta(
        id=audio.id,
        data=_begun(audio.data),
        transcript=_begun(audio.transcript),
        extra={**audio.extra},
    )
    for piece in cut(audio.transcript or ""):
        yield AudioDelta(transcript=piece)
    for piece in in_groups(cut(audio.data or "")):
        yield AudioDelta(data=piece)
    if audio.expires_at is not None:
        yield AudioDelta(expires_at=audio.expires_at)


def _call(index: int, call: ToolCall, cut: Cut) -> Iterator[ToolCallDelta]:
    """Yield the pieces of a tool call: what is called, and then with what."""
    head: dict[str, Any] = {"id": call.id, "type": call.type, "extra": {**call.extra}}
    for piece in _callee(call, cut):
        yield ToolCallDelta(index=index, **head, **piece)
        head = {}


def _callee(call: ToolCall, cut: Cut) -> Iterator[dict[str, Any]]:
    if call.function is not None:
        for function in _function(call.function, cut):
            yield {"function": function}
    if call.custom is not None:
        for custom in _custom(call.custom, cut):
            yield {"custom": custom}


def _function(function: Function, cut: Cut) -> Iterator[FunctionDelta]:
    yield FunctionDelta(name=function.name or None, arguments="", extra={**function.extra})
    for piece in cut(function.arguments):
        yield FunctionDelta(arguments=piece)


def _custom(custom: CustomTool, cut: Cut) -> Iterator[CustomToolDelta]:
    yield CustomToolDelta(name=custom.name or None, input="", extra={**custom.extra})
    for piece in cut(custom.input):
        yield CustomToolDelta(input=piece)


def _texts_of(parts: list[Any]) -> str:
    return text_of(parts) + thinking_of(parts)


def closing(message: ChatMessage) -> Iterator[ChoiceDelta]:
    """Yield what belongs to the message and has no pieces."""
    extra = {**message.extra}
    parts = extra.get("content_parts")
    # Other parts than these would be more text, or came in a field of that name.
    if is_list(parts) and parts and other_parts(parts) == parts and not _texts_of(parts):
        yield ChoiceDelta(content=extra.pop("content_parts"))
    if message.annotations is not None:
        yield ChoiceDelta(annotations=[*message.annotations])
    if extra:
        yield ChoiceDelta(extra=extra)
