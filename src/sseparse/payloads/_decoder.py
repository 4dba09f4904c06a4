"""Base class of decoders: events to the items of an API."""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Generic, Literal, TypeVar

from .._end import End, EndCause
from .._errors import LimitExceeded, ServerSentError, SSEError, cause_of
from .._json import (
    JSON_BLANKS,
    MAX_DEPTH,
    UNREADABLE,
    count_objects,
    is_object,
    load_object,
)
from .._options import check_choice, check_number
from .._stage import Breakable, IterableStage, breaking
from ..sse._event import Event
from ._server_errors import make_error

MAX_OBJECTS = 1 << 19
# Values of a field `error` that don't report an error.
_NO_ERRORS: Final = ("", "null", "false", "none", "None", "{}", "[]")
# In characters: a longer text outside fields is one value, not one for each line.
_MAX_STRAY_LINES: Final = 65536
# Each object has two brackets: shorter data has neither too many nor too deep ones. One number for
# all decoders saves the memory of one for each.
_SMALL: Final = 2 * MAX_DEPTH
_LINE: Final = re.compile(r"[^\n]+")
_REPEATED_NAME: Final = re.compile(r"\A(?:data:[ \t]*)+")

DataT = TypeVar("DataT", str, bytes)
ItemT = TypeVar("ItemT")


class DecodeError(SSEError):
    """
    Raised for an event whose data isn't a JSON object.

    Attributes:
        event: The event.
        reason: What is wrong with its data.
    """

    def __init__(self, *, event: Event, reason: str) -> None:
        super().__init__(
            f"Event data isn't a JSON object ({reason}); it begins {event.data[:80]!r}: "
            'on_bad_json="skip" drops such events and counts them.'
        )
        self.event = event
        self.reason = reason


class Decoder(IterableStage, Breakable, ABC, Generic[ItemT]):
    """
    Base class of the decoders of an API.

    A subclass says what the API's fast path, terminal event, errors and items are. The base has
    what all share: limits, malformed JSON, events after the terminal one, and the end.

    Args:
        on_bad_json: What to do with an event whose data isn't a JSON object: "raise" stops with
            `DecodeError`, "skip" drops the event and counts it in `skipped`.
        max_objects: The most JSON objects and arrays in one event; None for no limit.

    Raises:
        ValueError: An option has an invalid value.
    """

    # Most decoders never get a `__dict__`: only those with attributes that a user sets.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_end",
        "_late",
        "_max_objects",
        "_skip_bad_json",
        "_small",
        "after_done",
        "done",
        "events_seen",
        "keeps_late",
        "skipped",
        "was_split",
    )

    def __init__(self, *, on_bad_json: Literal["raise", "skip"], max_objects: int | None) -> None:
        super().__init__()
        check_choice("on_bad_json", on_bad_json, "raise", "skip")
        check_number("max_objects", max_objects)
        self.done: bool = False
        """Whether the API's terminal event was received."""
        self.skipped: int = 0
        """The number of events dropped because their data isn't an item's JSON object."""
        self.was_split: bool = False
        """Whether an event had several values, or repeated field names; each value was read."""
        self.after_done: int = 0
        """The number of events after the terminal one. They aren't decoded."""
        self.events_seen: int = 0
        """The number of events received."""
        self.keeps_late: bool = False
        """Whether data after an error of the server or the terminal event is kept."""
        self._late: list[str | bytes | dict[str, Any]] | None = None
        self._skip_bad_json = on_bad_json == "skip"
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        self._small = min(self._max_objects, _SMALL)
        self._end: End | None = None

    @property
    def end(self) -> End | None:
        """How the input ended, or None before its end."""
        return self.end_now() if self.stopped else self._end

    def feed(self, event: Event) -> list[ItemT]:
        """
        Decode an event and return its items.

        Args:
            event: The event. An event without data is ignored: servers send such events to keep a
                connection open.

        Returns:
            The items, usually one. If the event has both an item and an error, the item is returned
            and `error` is set.

        Raises:
            SSEError: An earlier event had an error, which is raised again; or an exception
                interrupted an earlier call: `BrokenStage`.
            RuntimeError: The decoder is closed.
            TypeError: The argument isn't an `Event`.
        """
        if not isinstance(event, Event):
            raise TypeError(f"feed() takes an Event, not {type(event).__name__}")
        self._raise_error()
        if self._end is not None:
            raise RuntimeError("feed() after close(): the stream has ended; use a new decoder")
        return self._feed(event)

    @breaking
    def _feed(self, event: Event) -> list[ItemT]:
        items: list[ItemT] = []
        self.decode_event(event, items)
        return items

    def decode_event(self, event: Event, items: list[ItemT]) -> None:
        """Decode an event."""
        if self.decode_run(event.event, iter((event.data,)), items) is not None:
            self.decode_other(event, items)

    def decode_other(self, event: Event, items: list[ItemT]) -> None:
        """Decode an event in the general case."""
        self.events_seen += 1
        if self.done:
            self.after_done += 1
            self.add_late([event.data])
        elif len(event.data) > self._small and not self.fits(event.data):
            self.stop_at_objects()
        else:
            items += self._decode_data(event)

    def add_late(self, values: Iterable[str | bytes | dict[str, Any]]) -> None:
        """Keep data after an error of the server or the terminal event for `decode_late()`."""
        if self.keeps_late and (self.done or isinstance(self._error, ServerSentError)):
            self._late = self._late or []
            self._late += values

    def decode_late(self) -> list[ItemT]:
        """Decode the data kept by `add_late()`, up to the terminal event, without its errors."""
        items: list[ItemT] = []
        values, self._late = self._late or (), None
        first_error, stopped = self._error, self.stopped
        for value in values:
            if stopped and self.done:
                break
            with suppress(*UNREADABLE):
                items += self._build_values(self._load_late(value))
        # The first error counts, not one of a late item.
        self._error, self.stopped = first_error, stopped
        return items

    def _load_late(self, value: str | bytes | dict[str, Any]) -> list[dict[str, Any] | None]:
        if is_object(value):
            return [value]
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return self.load(text.strip(JSON_BLANKS)) if self.fits(text) else []

    def _build_values(self, values: list[dict[str, Any] | None]) -> list[ItemT]:
        items: list[ItemT] = []
        for body in values:
            if body is None:
                self.done = True
            else:
                items += self._build_late(body)
        return items

    def _build_late(self, body: dict[str, Any]) -> list[ItemT]:
        return self._build(body) if self._has_item(body) else []

    def _decode_data(self, event: Event) -> list[ItemT]:
        data = event.data.strip(JSON_BLANKS)
        if event.event == "error" and (not data or self.is_terminal(data)):
            self.stop(make_error(data, data))
        if not data or self.stopped:
            return []
        try:
            values = self.load(data)
        except UNREADABLE as failure:
            self._handle_bad_json(event, str(failure))
            return []
        items: list[ItemT] = []
        for body in values:
            if body is None:
                self.done = True
            elif self.done or self.error is not None:
                self.add_late([body])
            else:
                items += self._decode_object(event.event, body)
        return items

    def load(self, data: str) -> list[dict[str, Any] | None]:
        """
        Return the values in the data of an event; None stands for the terminal one.

        Raises:
            ValueError, RecursionError: The data isn't a JSON object.
        """
        try:
            return [self._load_value(data)]
        except UNREADABLE:
            # A server that forgets the blank lines, or a proxy that repeats the field's name.
            lines = map(_without_name, _LINE.findall(data))
            first = next(lines, data)
            if first == data:
                raise
            values = [self._load_value(first)]
            values += [self._load_value(line) for line in lines if line]
            self.was_split = True
            return values

    def _load_value(self, data: str) -> dict[str, Any] | None:
        if self.is_terminal(data):
            return None
        # Gemini sends its errors in a list of one.
        return load_object(data[1:-1] if data.startswith("[{") and data.endswith("}]") else data)

    def _handle_bad_json(self, event: Event, reason: str) -> None:
        error = self.find_last_error(event)
        if error is not None:
            self.stop(error)
        elif event.event == "error":
            self.stop(make_error(event.data, event.data))
        elif self._skip_bad_json or self._is_ignored(event):
            self.skipped += 1
        else:
            self.stop(DecodeError(event=event, reason=reason))

    def find_last_error(self, event: Event) -> ServerSentError | None:
        """Return the error in the last line of malformed data, or None."""
        # A gateway whose upstream fails inside an event appends its own error to the half of it
        # (Wei-Shaw/sub2api#1471).
        _, line_end, last = event.data.rpartition("\n")
        with suppress(*UNREADABLE):
            body = self._load_value(_without_name(last)) if line_end else None
            return None if body is None else self._find_error(event.event, body)
        return None

    @breaking
    def feed_stray(self, text: str) -> list[ItemT]:
        """
        Decode text outside fields, which the standard ignores.

        Servers send errors like that, and complete results after a comment.
        """
        lines = text.split("\n") if len(text) <= _MAX_STRAY_LINES else []
        for part in (text, *lines) if len(lines) != 1 else lines:
            items = [] if self.done else self._decode_stray(part.strip(JSON_BLANKS))
            if items or self.stopped:
                return items
        return []

    def _decode_stray(self, text: str) -> list[ItemT]:
        is_error = text.startswith("error:")
        text = text.removeprefix("error:").strip(JSON_BLANKS)
        if text in _NO_ERRORS:
            return []
        body: dict[str, Any] = {}
        if text[-1] in "}]" and self.fits(text):
            with suppress(*UNREADABLE):
                body = self._load_value(text) or {}
        error = self._find_error("error" if is_error else "", body)
        if error is not None and body:
            return self._decode_object("error" if is_error else "", body)
        if is_error:
            self.stop(make_error(text, text))
        elif not self.events_seen and self._is_result(body) and self._has_item(body):
            return self._decode_object("", body)
        return []

    def decode_body(self, body: dict[str, Any]) -> list[ItemT] | None:
        """Decode a body that is one JSON object; None if it's neither a result nor an error."""
        if not self._is_result(body) and self._find_error("", body) is None:
            return None
        return self._decode_object("", body)

    def _decode_object(self, event_type: str, body: dict[str, Any]) -> list[ItemT]:
        error = self._find_error(event_type, body)
        if error is None:
            return self._build(body)
        self.stop(error)
        return self._build(body) if self._has_item(body) else []

    def fits(self, data: str | bytes) -> bool:
        """Return whether JSON has few enough objects and arrays to be decoded."""
        return count_objects(data) <= self._max_objects

    def stop_at_objects(self) -> None:
        """Stop at JSON with too many objects and arrays."""
        maximum = self._max_objects
        self.stop(
            LimitExceeded(
                limit="objects",
                maximum=maximum,
                what=f"Event with more than {maximum:,} JSON objects and arrays",
                advice="raise max_objects if you trust the server",
            )
        )

    @breaking
    def close(self) -> list[ItemT]:
        """
        Process the end of the input. Closing again does nothing.

        Returns:
            An empty list, because each event is decoded when it's fed.

        Raises:
            SSEError: An event had an error, which is raised again.
        """
        self._raise_error()
        if self._end is None:
            self._end = self.end_now()
        return []

    def stop(self, error: SSEError) -> None:
        """Stop at an error; the first one counts."""
        if self._error is None:
            self._stop(error)

    def interrupt(self) -> None:
        """Stop, unless closed, because an exception interrupts a call of the decoder's owner."""
        if self._end is None:
            self.stopped: bool = True

    def end_now(self) -> End:
        """Return how the input would have ended if this were its end."""
        cause = cause_of(self.error) or (
            EndCause.DONE
            if self.done
            else EndCause.FINISHED
            if self.is_finished
            else EndCause.INCOMPLETE
        )
        return End(
            cause=cause,
            done_seen=self.done,
            finish_seen=self.is_finished,
            events_seen=self.events_seen,
        )

    # What an API decides.

    @property
    @abstractmethod
    def is_finished(self) -> bool:
        """Whether the result is finished, apart from the terminal event."""

    @abstractmethod
    def is_terminal(self, data: str) -> bool:
        """Return whether an event with this data is the API's terminal one."""

    @abstractmethod
    def _is_ignored(self, event: Event) -> bool:
        """Return whether an event without a JSON object is ignored, not an error."""

    @abstractmethod
    def decode_run(
        self, event_type: str, values: Iterator[DataT], items: list[ItemT]
    ) -> DataT | None:
        """
        Decode the data of events of one type as long as it has the most common shape.

        Return the first other data, for `decode_other()`; None at the end, or if the decoder
        stopped.
        """

    @abstractmethod
    def _find_error(self, event_type: str, body: dict[str, Any]) -> ServerSentError | None:
        """Return the error in an event's JSON object, or None."""

    @abstractmethod
    def _is_result(self, body: dict[str, Any]) -> bool:
        """Return whether a JSON body is a result of the API."""

    @abstractmethod
    def _has_item(self, body: dict[str, Any]) -> bool:
        """Return whether there is an item next to an error."""

    @abstractmethod
    def _build(self, body: dict[str, Any]) -> list[ItemT]:
        """Build the item of an event in the general case."""


def _without_name(line: str) -> str:
    return _REPEATED_NAME.sub("", line.strip(JSON_BLANKS))
