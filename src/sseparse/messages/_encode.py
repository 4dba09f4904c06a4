"""Encoding of messages as events, and of events as server-sent events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from .._errors import ServerSentError, SSEError
from ..payloads._encode import check_pieces, cut, describe_error, encode_object, encode_typed
from ._events import (
    GENERATED,
    INPUT_DELTA,
    TEXT_DELTA,
    BlockDelta,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    ContentBlockStopEvent,
    MessageDelta,
    MessageDeltaEvent,
    MessageEvent,
    MessageStartEvent,
    MessageStopEvent,
)
from ._results import ContentBlock, Message


def encode_event(event: MessageEvent) -> bytes:
    """
    Encode an event of a message as one server-sent event whose data is the event's JSON.

    A decoded event is restored exactly: unknown fields are written at the level where they were
    received, and absent fields stay absent, except the type and the role of a message. The JSON is
    a single line.

    Args:
        event: The event.

    Returns:
        The `event` and `data` lines in UTF-8, and the blank line that dispatches the event.

    Raises:
        TypeError: `event` isn't an event of a message.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream"; RFC 8259, 7 "Strings".
    """
    if not isinstance(event, MessageEvent):
        raise TypeError(
            f"encode_event() takes a MessageEvent, not {type(event).__name__}: use to_events() "
            "for a message, sseparse.encode() for an event of the standard"
        )
    return encode_typed(event, event.type)


def encode_error(error: Exception) -> bytes:
    """
    Encode an error as the `error` event that ends the stream of a message.

    Args:
        error: The error; see `sseparse.encode_error`. An error without a type gets "api_error".

    Returns:
        The event in UTF-8.

    Raises:
        TypeError: `error` isn't an exception.

    Source: Anthropic documentation, "Streaming messages", "Error events".
    """
    known = {name: value for name, value in describe_error(error).items() if value is not None}
    is_own = isinstance(error, ServerSentError) and error.type
    body = {"type": "error", "error": known if is_own else {**known, "type": "api_error"}}
    if isinstance(error, SSEError) and error.request_id is not None:
        body["request_id"] = error.request_id
    return encode_object(body, "error")


def to_events(message: Message, *, pieces: int | None = None) -> Iterator[MessageEvent]:
    """
    Return the events that would have streamed a message, in the shape of Anthropic's streams.

    A `MessageAccumulator` turns them back into an equal message. The events of a message without a
    stop reason have no end, so that it doesn't look complete.

    Args:
        message: The message.
        pieces: The number of characters of each delta; None, the default, for one delta for each
            text.

    Returns:
        The events, created as the iterator advances. Their innermost values are shared with the
        message.

    Raises:
        ValueError: `pieces` is less than 1.
        TypeError: `message` isn't a message.
    """
    if not isinstance(message, Message):
        raise TypeError(
            f"to_events() takes a Message, not {type(message).__name__}: "
            "MessageAccumulator.snapshot() returns one"
        )
    check_pieces(pieces)
    return _events(message, pieces)


def _events(message: Message, pieces: int | None) -> Iterator[MessageEvent]:
    last = {name: getattr(message, name) for name in MessageDelta.wire_fields()}
    context = message.context_management
    nothing: dict[str, Any] = dict.fromkeys((*last, "context_management"))
    start = replace(message, content=[], notes=(), **nothing)
    yield MessageStartEvent(type="message_start", message=start)
    is_finished = message.stop_reason is not None
    for index, block in enumerate(message.content):
        yield from _block(index, block, pieces)
        if is_finished or index < len(message.content) - 1:
            yield ContentBlockStopEvent(type="content_block_stop", index=index)
    if context is not None or any(value is not None for value in last.values()):
        yield MessageDeltaEvent(
            type="message_delta",
            delta=MessageDelta(**last),
            usage=message.usage,
            context_management=context,
        )
    if is_finished:
        yield MessageStopEvent(type="message_stop")


def _block(index: int, block: ContentBlock, pieces: int | None) -> Iterator[MessageEvent]:
    start, deltas = _split(block, pieces)
    yield ContentBlockStartEvent(type="content_block_start", index=index, content_block=start)
    for delta in deltas:
        yield ContentBlockDeltaEvent(type="content_block_delta", index=index, delta=delta)


def _split(block: ContentBlock, pieces: int | None) -> tuple[ContentBlock, list[BlockDelta]]:
    """Return a block as it begins, and its deltas."""
    if block.input_json:
        # An input that isn't complete JSON is what the block began with.
        first: Any = {} if block.input_fault is None else block.input
        start = replace(block, input_json="", input=first)
        return start, _deltas(INPUT_DELTA, block.input_json, pieces)
    deltas: list[BlockDelta] = []
    if block.type == "text":
        citations = block.citations or []
        deltas += [BlockDelta(type="citations_delta", citation=each) for each in citations]
        deltas += _deltas(TEXT_DELTA, block.text, pieces)
        block = _emptied(block, "text", "citations")
    elif block.type == "thinking":
        deltas += _deltas("thinking_delta", block.thinking, pieces)
        if block.signature:
            deltas.append(BlockDelta(type="signature_delta", signature=block.signature))
        block = _emptied(block, "thinking", "signature")
    return block, deltas


def _deltas(kind: str, text: str | None, pieces: int | None) -> list[BlockDelta]:
    """Return the deltas that would have brought a text."""
    _, field = GENERATED[kind]
    fields: list[dict[str, Any]] = [{field: piece} for piece in cut(text or "", pieces)]
    return [BlockDelta(type=kind, **each) for each in fields]


def _emptied(block: ContentBlock, *names: str) -> ContentBlock:
    changes: dict[str, Any] = {}
    for name in names:
        if value := getattr(block, name):
            changes[name] = "" if isinstance(value, str) else []
    return replace(block, **changes)
