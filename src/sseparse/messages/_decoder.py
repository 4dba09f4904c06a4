"""Decoder and parser of the events of a streamed message."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, Unpack

import msgspec
from attrs import evolve

from .._end import End, EndCause
from .._errors import ServerSentError
from .._json import is_list
from .._options import ItemOptions, ParserOptions
from ..payloads._decoder import MAX_OBJECTS
from ..payloads._model import build
from ..payloads._parser import ItemParser
from ..payloads._typed_decoder import UNNAMED, TypedDecoder
from ..sse._event import Event
from ._errors import find_error
from ._events import (
    KINDS,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    MessageDeltaEvent,
    MessageEvent,
    MessageStartEvent,
    MessageStopEvent,
    OtherEvent,
    is_other,
)

# The API doesn't send it; some gateways do.
_DONE_MARKS: Final = ("[DONE]", '"[DONE]"')
_DELTA: Final = "content_block_delta"
# The types of events that say something about the end of the message.
_NOTED: Final = frozenset(("message_start", "content_block_start", "message_delta", "message_stop"))
# Until there is content, a delta without a block says that, too.
_NOTED_IF_EMPTY: Final = _NOTED | {_DELTA, UNNAMED}
# In characters. No server has longer ones; this bounds what a hostile one can make us keep.
_LONGEST_REASON: Final = 256


@cache
def _decode_functions() -> dict[str, Callable[[str | bytes], MessageEvent]]:
    # A decoder keeps nothing from one call to the next, so one serves all streams.
    by_type = {name: msgspec.json.Decoder(kind).decode for name, kind in KINDS.items()}
    # Nearly all events without a name are deltas; the other shapes are rejected.
    return {**by_type, UNNAMED: by_type[_DELTA]}


class MessageDecoder(TypedDecoder[MessageEvent]):
    """
    Decoder of the events of a streamed message, without I/O.

    The type in an event's JSON decides, so that events without a name are decoded too. Events of
    unknown types are returned as `OtherEvent`. Events without data are ignored; events after
    `message_stop` are counted, not decoded. An error of the server isn't an event: it sets `error`.

    Args:
        on_bad_json: What to do with an event whose data isn't a JSON object: "raise", the default,
            stops with `DecodeError`; "skip" drops the event and counts it in `skipped`.
        max_objects: Maximum number of JSON objects and arrays in one event; None for no limit.
            Default: 524,288.

    Raises:
        ValueError: An option has an invalid value.
    """

    __slots__ = ("_has_content", "_has_message", "_id", "_reason", "_stop_seen")

    # `+=` below would leave their types to be inferred, which type checkers do differently.
    events_seen: int
    skipped: int

    def __init__(
        self,
        *,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_objects: int | None = MAX_OBJECTS,
    ) -> None:
        super().__init__(
            _decode_functions(),
            (_DELTA,),
            _NOTED_IF_EMPTY,
            on_bad_json=on_bad_json,
            max_objects=max_objects,
        )
        self._has_message = False
        self._has_content = False
        self._id: str | None = None
        self._reason: str | None = None
        self._stop_seen = False

    def _note(self, item: MessageEvent) -> bool:
        if isinstance(item, MessageStartEvent):
            message = item.message
            # The same message can begin again; another one replaces it.
            if not self._has_message or is_other(message.id, self._id):
                self._has_message = True
                self._set_content(has_content=bool(message.content))
                self._reason = None
                self._set_reason(message.stop_reason)
                self._id = message.id
            self._id = self._id or message.id
        elif isinstance(item, MessageDeltaEvent) and self._has_message:
            self._set_reason(item.delta.stop_reason)
        elif isinstance(item, ContentBlockStartEvent):
            # Content after a stop reason: the message goes on.
            self._reason = None
            self._set_content(has_content=True)
        elif isinstance(item, ContentBlockDeltaEvent) and self._has_message:
            # Some gateways don't announce blocks.
            self._set_content(has_content=True)
        elif isinstance(item, MessageStopEvent):
            self.done = self._stop_seen = True
        return True

    def _set_content(self, *, has_content: bool) -> None:
        self._has_content = has_content
        self._noted = _NOTED if has_content else _NOTED_IF_EMPTY

    def _set_reason(self, reason: str | None) -> None:
        self._reason = reason[:_LONGEST_REASON] if reason else self._reason

    def _decode_object(self, event_type: str, body: dict[str, Any]) -> list[MessageEvent]:
        if not isinstance(body.get("type"), str) and self._find_error(event_type, body) is None:
            if event_type in (UNNAMED, ""):
                # It's an object of another API.
                self.skipped += 1
                return []
            body = {**body, "type": event_type}
        return super()._decode_object(event_type, body)

    def _build(self, body: dict[str, Any]) -> list[MessageEvent]:
        if self._is_result(body):
            # A server that doesn't stream, or one behind a proxy that says it does.
            events: list[dict[str, Any]] = [{"type": "message_start", "message": body}]
            if body.get("stop_reason"):
                events.append({"type": "message_stop"})
            return [item for each in events for item in self._build(each)]
        self._miss(body["type"])
        item = build(KINDS.get(body["type"], OtherEvent), body)
        self._note(item)
        return [item]

    def _build_late(self, body: dict[str, Any]) -> list[MessageEvent]:
        # After the end, only pings, or events of another message, follow.
        return [] if self.done else super()._build_late(body)

    def is_terminal(self, data: str) -> bool:
        """Return whether data is a [DONE] mark, after which nothing follows."""
        return data in _DONE_MARKS

    def _is_ignored(self, event: Event) -> bool:
        # A proxy sends its upstream's comments as data; a ping needs no JSON.
        kind = event.event
        is_known = kind == UNNAMED or (kind in KINDS and kind != "ping")
        return not is_known or event.data.startswith(":")

    @property
    def is_finished(self) -> bool:
        """Whether the message has its stop reason."""
        return self._reason is not None

    def end_now(self) -> End:
        """Return how the input would have ended if this were its end."""
        end = super().end_now()
        # A gateway ends the stream of a request that failed with an empty message
        # (BerriAI/litellm#20347).
        is_empty = not self._has_message or (
            self._stop_seen and not self._has_content and not self.is_finished
        )
        reasons = {} if is_empty else {0: self._reason}
        end = evolve(end, done_seen=self._stop_seen, finish_reasons=reasons)
        if end.cause is not EndCause.DONE or (self._stop_seen and not is_empty):
            return end
        # Nor does [DONE] mean that the message is complete.
        cause = EndCause.FINISHED if self.is_finished else EndCause.INCOMPLETE
        return evolve(end, cause=cause)

    def _find_error(self, event_type: str, body: dict[str, Any]) -> ServerSentError | None:
        return find_error(event_type, body)

    def _is_result(self, body: dict[str, Any]) -> bool:
        # Inside a stream, it only repeats what was streamed: MiniMax sends it.
        is_message = body.get("type") == "message" and is_list(body.get("content"))
        return is_message and not self._has_message

    def _has_item(self, body: dict[str, Any]) -> bool:
        kind = body.get("type")
        return (isinstance(kind, str) and kind in KINDS) or self._is_result(body)


class MessageOptions(ItemOptions, total=False):
    """Options of a parser of the events of a message; see `MessageParser`."""


class MessageParser(ItemParser[MessageEvent]):
    """
    Parser of a streamed message: bytes to its events, without I/O.

    It combines a `Parser` and a `MessageDecoder`. Comments are counted in `end`. A last event that
    no blank line ended is used if its data is a complete JSON object.

    A body that is one JSON object instead of a stream is decoded at its end: a message becomes a
    `message_start` with all its content and a `message_stop`, an error a `ServerSentError`. Any
    other body without an event is a `NotEventStream`.

    Args:
        last_event_id: Initial last event ID, if the stream resumes another one.
        retry: Initial reconnection time in milliseconds; None, the default, if there is none.
        errors: How to handle malformed UTF-8: "replace", the default, or "strict"; see `Parser`.
        max_line_bytes: Maximum length of a line in bytes, without its line end; None for no limit.
            Default: 32 MiB.
        max_event_bytes: Maximum size of an event's data in bytes of UTF-8; None for no limit.
            Default: 32 MiB.
        options: The options of `MessageDecoder`.

    Raises:
        ValueError: An option has an invalid value.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_objects: int | None = MAX_OBJECTS,
        **options: Unpack[ParserOptions],
    ) -> None:
        decoder = MessageDecoder(on_bad_json=on_bad_json, max_objects=max_objects)
        super().__init__(decoder, **options)
