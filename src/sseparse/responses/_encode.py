"""Encoding of responses as events, and of events as server-sent events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from ..payloads._encode import check_pieces, cut, describe_error, encode_object, encode_typed
from ._events import (
    UNFINISHED,
    ContentPartEvent,
    DeltaEvent,
    DoneEvent,
    LifecycleEvent,
    OutputItemEvent,
    ResponseEvent,
)
from ._items import fits
from ._results import ContentPart, OutputItem, Response
from ._targets import DELTA_TYPES, PARTS, Target

# The statuses of items that no event ends yet.
_OPEN: Final = ("in_progress", "searching", "generating", "interpreting")
_ENDS: Final = {"failed": "response.failed", "completed": "response.completed"}


def encode_event(event: ResponseEvent) -> bytes:
    """
    Encode an event of a response as one server-sent event whose data is the event's JSON.

    A decoded event is restored exactly: unknown fields are written at the level where they were
    received, and absent fields stay absent. The JSON is a single line.

    Args:
        event: The event.

    Returns:
        The `event` and `data` lines in UTF-8, and the blank line that dispatches the event.

    Raises:
        TypeError: `event` isn't an event of a response.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream"; RFC 8259, 7 "Strings".
    """
    if not isinstance(event, ResponseEvent):
        raise TypeError(
            f"encode_event() takes a ResponseEvent, not {type(event).__name__}: use to_events() "
            "for a response, sseparse.encode() for an event of the standard"
        )
    return encode_typed(event, event.type)


def encode_error(error: Exception) -> bytes:
    """
    Encode an error as the events that end the stream of a response.

    These are an `error` event and, if `error.partial` is a response with an id, `response.failed`,
    as OpenAI sends them. The failed response has no output, because `error.partial` can have text
    that a moderation gate didn't release.

    Args:
        error: The error; see `sseparse.encode_error`.

    Returns:
        The events in UTF-8.

    Raises:
        TypeError: `error` isn't an exception.

    Source: OpenAI API reference, "Streaming events" of the Responses API; recorded streams.
    """
    fields = describe_error(error)
    encoded = encode_object({"type": "error", "error": fields}, "error")
    partial = getattr(error, "partial", None)
    if not isinstance(partial, Response) or partial.id is None:
        return encoded
    failed = Response(object="response", status="failed", output=[], error=fields)
    failed = replace(failed.with_head(partial), usage=partial.usage)
    return encoded + encode_event(LifecycleEvent(type="response.failed", response=failed))


def to_events(response: Response, *, pieces: int | None = None) -> Iterator[ResponseEvent]:
    """
    Return the events that would have streamed a response, in the shape of OpenAI's streams.

    A `ResponseAccumulator` turns them back into an equal response. The events of a response that is
    still in progress, or has no status, have no terminal event, so that it doesn't look complete.

    Args:
        response: The response.
        pieces: The number of characters of each delta; None, the default, for one delta for each
            text. A text with log-probabilities isn't split.

    Returns:
        The events, created as the iterator advances. Their innermost values are shared with the
        response.

    Raises:
        ValueError: `pieces` is less than 1.
        TypeError: `response` isn't a response.
    """
    if not isinstance(response, Response):
        raise TypeError(
            f"to_events() takes a Response, not {type(response).__name__}: "
            "ResponseAccumulator.snapshot() returns one"
        )
    check_pieces(pieces)
    return _numbered(_events(replace(response, notes=()), pieces))


def _numbered(events: Iterator[ResponseEvent]) -> Iterator[ResponseEvent]:
    for number, event in enumerate(events):
        event.sequence_number = number
        yield event


def _events(response: Response, pieces: int | None) -> Iterator[ResponseEvent]:
    is_partial = response.status in UNFINISHED
    head = replace(response, output=[])
    if not is_partial:
        head = replace(head, status="in_progress", usage=None, error=None, incomplete_details=None)
    yield LifecycleEvent(type="response.created", response=head)
    for index, item in enumerate(response.output):
        yield from item_events(index, item, pieces)
    if not is_partial:
        end = _ENDS.get(response.status or "completed", "response.incomplete")
        yield LifecycleEvent(type=end, response=response)


def item_events(index: int, item: OutputItem, pieces: int | None = None) -> Iterator[ResponseEvent]:
    """Return the events that would have streamed an item, without numbers."""
    is_open = item.status in _OPEN
    for event in _item_events(index, item, pieces):
        if not is_open or not event.type.endswith(".done"):
            yield event


def _item_events(index: int, item: OutputItem, pieces: int | None) -> Iterator[ResponseEvent]:
    kind, at = "response.output_item", {"item_id": item.id, "output_index": index}
    yield OutputItemEvent(type=f"{kind}.added", output_index=index, item=_emptied(item))
    for name in ("content", "summary"):
        for place, part in enumerate(getattr(item, name) or ()):
            yield from _part_events(item, name, part, {**at, f"{name}_index": place}, pieces)
    for target in DELTA_TYPES:
        if target.item_type == item.type and not target.parts:
            yield from _text_events(target, getattr(item, target.field, None), at, pieces)
    yield OutputItemEvent(type=f"{kind}.done", output_index=index, item=item)


def _part_events(
    item: OutputItem, name: str, part: ContentPart, at: dict[str, Any], pieces: int | None
) -> Iterator[ResponseEvent]:
    kind = f"response.{'reasoning_summary_part' if name == 'summary' else 'content_part'}"
    target = PARTS.get((name, part.type))
    if target is None or not fits(item.type, target.item_type):
        yield ContentPartEvent(type=f"{kind}.added", part=part, **at)
    else:
        empty = _without_text(part, target.field)
        yield ContentPartEvent(type=f"{kind}.added", part=empty, **at)
        yield from _text_events(target, getattr(part, target.field), at, pieces, part.logprobs)
    yield ContentPartEvent(type=f"{kind}.done", part=part, **at)


def _text_events(
    target: Target,
    text: Any,
    at: dict[str, Any],
    pieces: int | None,
    logprobs: list[dict[str, Any]] | None = None,
) -> Iterator[ResponseEvent]:
    if not isinstance(text, str):
        return
    kind = DELTA_TYPES[target]
    # The API has the field in each event about the text of an answer.
    tokens = logprobs or ([] if kind == "response.output_text.delta" else None)
    for piece in cut(text, None if logprobs else pieces):
        yield DeltaEvent(type=kind, delta=piece, logprobs=tokens, **at)
    done = kind.replace(".delta", ".done")
    yield DoneEvent(type=done, logprobs=tokens, extra={target.field: text}, **at)


def _emptied(item: OutputItem) -> OutputItem:
    """Return an item as it begins: without the texts that deltas bring."""
    changes: dict[str, Any] = {}
    for target in DELTA_TYPES:
        if target.item_type == item.type:
            name = target.parts or target.field
            if getattr(item, name, None):
                changes[name] = [] if target.parts else ""
    if item.status is not None and item.status not in _OPEN:
        changes["status"] = "in_progress"
    return replace(item, **changes)


def _without_text(part: ContentPart, field: str) -> ContentPart:
    if not getattr(part, field):
        return part
    changes: dict[str, Any] = {field: ""}
    if part.logprobs:
        changes["logprobs"] = []
    return replace(part, **changes)
