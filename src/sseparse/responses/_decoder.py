"""Decoder and parser for the events of a streamed response."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, Unpack

import msgspec
from attrs import evolve

from .._end import End, EndCause
from .._errors import ServerSentError
from .._json import is_list, is_object
from .._options import ItemOptions, ParserOptions, check_number
from ..payloads._decoder import MAX_OBJECTS
from ..payloads._model import build
from ..payloads._parser import ItemParser
from ..payloads._typed_decoder import UNNAMED, TypedDecoder
from ..sse._event import Event
from ._encode import to_events
from ._errors import explain, find_error
from ._events import (
    ERROR_TYPE,
    KINDS,
    AnnotationEvent,
    ContentPartEvent,
    DeltaEvent,
    LifecycleEvent,
    OtherEvent,
    OutputItemEvent,
    PartialImageEvent,
    ProgressEvent,
    ResponseEvent,
    is_terminal,
    status_of,
)
from ._results import Response
from ._targets import DELTAS

DONE_MARK: Final = "[DONE]"
_RESPONSE: Final = "response"
# The classes whose events usually have known fields only.
_FAST: Final = (
    AnnotationEvent,
    ContentPartEvent,
    DeltaEvent,
    OutputItemEvent,
    PartialImageEvent,
    ProgressEvent,
)


@cache
def _decode_functions() -> dict[str, Callable[[str | bytes], Any]]:
    # A decoder keeps nothing from one call to the next, so one serves all streams.
    decoders = {kind: msgspec.json.Decoder(kind).decode for kind in _FAST}
    by_type = {name: decoders[kind] for name, kind in KINDS.items() if kind in decoders}
    # Nearly all events without a name are deltas; the other shapes are rejected.
    return {**by_type, UNNAMED: decoders[DeltaEvent]}


class ResponseDecoder(TypedDecoder[ResponseEvent]):
    """
    Decoder for the events of a streamed response, without I/O.

    Events without data are ignored. Events after the terminal one are counted, not decoded.

    Args:
        on_bad_json: What to do with an event whose data isn't a JSON object: "raise", the default,
            stops with `DecodeError`; "skip" drops the event and counts it in `skipped`.
        max_objects: Maximum number of JSON objects and arrays in one event; None for no limit.
            Default: 524,288.
        starting_after: The `sequence_number` after which a resumed stream continues: events with
            this number or a lower one are dropped. Default: None.

    Attributes:
        status: The status of the response that the terminal event ended; None before it.

    Raises:
        ValueError: An option has an invalid value.
    """

    __slots__ = ("_starting_after", "status")

    # `+=` below would leave their types to be inferred, which type checkers do differently.
    events_seen: int
    skipped: int
    done: bool
    stopped: bool

    def __init__(
        self,
        *,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_objects: int | None = MAX_OBJECTS,
        starting_after: int | None = None,
    ) -> None:
        decoders = _decode_functions()
        super().__init__(
            decoders,
            DELTAS,
            () if starting_after is None else decoders,
            on_bad_json=on_bad_json,
            max_objects=max_objects,
        )
        check_number("starting_after", starting_after)
        self._starting_after = starting_after
        self.status: str | None = None

    def feed_frame(self, data: str | bytes) -> list[ResponseEvent]:
        """
        Decode a frame of a WebSocket connection, which is one event.

        Several responses can follow each other: after the terminal event of one, or after an error
        of the server, the next begins with its first event about a response.

        Args:
            data: The frame's text.

        Raises:
            SSEError: As for `feed()`. An error of the server is raised until a frame begins another
                response.
            RuntimeError: The decoder is closed.
            TypeError: The frame is neither text nor bytes.
        """
        if not isinstance(data, str | bytes):
            raise TypeError(f"feed_frame() takes text, not {type(data).__name__}")
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        failure, stopped = self._error, self.stopped
        if isinstance(failure, ServerSentError):
            self._error, self.stopped = None, False
        was_done, self.done = self.done, False
        events: list[ResponseEvent] = []
        try:
            events = self.feed(Event(text))
        finally:
            is_done, self.done = self.done, self.done or was_done
        # What else follows the terminal event, or an error, doesn't change the end.
        about = [event for event in events if isinstance(event, LifecycleEvent)]
        if about:
            self.done = is_done
            self.status = self.status if is_done else None
        if isinstance(failure, ServerSentError) and all(map(is_terminal, about)):
            self._error, self.stopped = failure, stopped
            self._raise_error()
        return events

    def _note(self, item: ResponseEvent) -> bool:
        return not self._is_old(item)

    def _is_old(self, event: ResponseEvent) -> bool:
        number, last = event.sequence_number, self._starting_after
        return number is not None and last is not None and number <= last

    def _decode_object(self, event_type: str, body: dict[str, Any]) -> list[ResponseEvent]:
        if not body.get("type") and event_type in KINDS and event_type != ERROR_TYPE:
            is_bare = KINDS[event_type] is LifecycleEvent and _is_response(body)
            body = {"response": body} if is_bare else body
            body = {**body, "type": event_type}
        if not self._has_item(body) and self._find_error(event_type, body) is None:
            self.skipped += 1
            return []
        return super()._decode_object(event_type, body)

    def _build(self, body: dict[str, Any]) -> list[ResponseEvent]:
        kind = body.get("type")
        if not isinstance(kind, str) or not kind:
            # A server that doesn't stream: the events that would have streamed the response.
            bodies = [event.to_dict() for event in to_events(build(Response, body))]
            return [event for each in bodies for event in self._build(each)]
        self._miss(kind)
        event = build(_class_of(kind, body), body)
        if isinstance(event, LifecycleEvent) and is_terminal(event):
            self._finish(event)
        elif self._is_old(event):
            return []
        return [event]

    def _finish(self, event: LifecycleEvent) -> None:
        self.status = status_of(event)
        # Azure sends the reason of a failure after it.
        error = self._error
        self.done = not isinstance(error, ServerSentError) or bool(error.message)

    def _build_late(self, body: dict[str, Any]) -> list[ResponseEvent]:
        error = self._error
        if not isinstance(error, ServerSentError):
            return []  # nothing after the terminal event belongs to the response
        late = self._find_error("", body)
        if late is not None and late.message and not error.message:
            explain(error, late)
            self.done = self.status is not None
        return super()._build_late(body)

    def is_terminal(self, data: str) -> bool:
        """Return whether data is the [DONE] mark, which the API doesn't need."""
        return data == DONE_MARK

    def _is_ignored(self, event: Event) -> bool:
        # A proxy sends its upstream's comments as data.
        is_other = event.event not in KINDS and event.event != UNNAMED
        return is_other or event.data.startswith(":")

    @property
    def is_finished(self) -> bool:
        """Always False: only the terminal event says that the response is finished."""
        return False

    def end_now(self) -> End:
        """Return how the input would have ended if this were its end."""
        end = super().end_now()
        if self.status is not None:
            return evolve(end, finish_reasons={0: self.status})
        # [DONE] without a terminal event completes nothing.
        is_done = end.cause is EndCause.DONE
        return evolve(end, cause=EndCause.INCOMPLETE) if is_done else end

    def _find_error(self, event_type: str, body: dict[str, Any]) -> ServerSentError | None:
        return find_error(event_type, body)

    def _is_result(self, body: dict[str, Any]) -> bool:
        return _is_response(body) or KINDS.get(str(body.get("type"))) is LifecycleEvent

    def _has_item(self, body: dict[str, Any]) -> bool:
        kind = body.get("type")
        return bool(isinstance(kind, str) and kind) or _is_response(body)


def _is_response(body: dict[str, Any]) -> bool:
    kind = body.get("object")
    return kind == _RESPONSE or (kind is None and is_list(body.get("output")))


def _class_of(kind: str, body: dict[str, Any]) -> type[ResponseEvent]:
    response = body.get("response")
    is_lifecycle = is_object(response) and response.get("object") == _RESPONSE
    return KINDS.get(kind, LifecycleEvent if is_lifecycle else OtherEvent)


class ResponseOptions(ItemOptions, total=False):
    """Options of a parser of the events of a response; see `ResponseParser`."""

    starting_after: int | None


class ResponseParser(ItemParser[ResponseEvent]):
    """
    Parser for the events of a streamed response: bytes to typed events, without I/O.

    It combines a `Parser` and a `ResponseDecoder`. Comments are counted in `end`. A last event that
    no blank line ended is used if its data is a complete JSON object.

    A body that is one JSON object instead of a stream is decoded at its end: a response becomes the
    events that would have streamed it, an error a `ServerSentError`. Any other body without an
    event is a `NotEventStream`; JSON Lines are recognised at the second line.

    Args:
        last_event_id: Initial last event ID, if the stream resumes another one.
        retry: Initial reconnection time in milliseconds; None, the default, if there is none.
        errors: How to handle malformed UTF-8: "replace", the default, or "strict"; see `Parser`.
        max_line_bytes: Maximum length of a line in bytes, without its line end; None for no limit.
            Default: 32 MiB.
        max_event_bytes: Maximum size of an event's data in bytes of UTF-8; None for no limit.
            Default: 32 MiB.
        options: The options of `ResponseDecoder`.

    Raises:
        ValueError: An option has an invalid value.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_objects: int | None = MAX_OBJECTS,
        starting_after: int | None = None,
        **options: Unpack[ParserOptions],
    ) -> None:
        decoder = ResponseDecoder(
            on_bad_json=on_bad_json, max_objects=max_objects, starting_after=starting_after
        )
        super().__init__(decoder, **options)
