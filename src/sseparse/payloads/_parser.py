"""Base class of item parsers: bytes to the items of an API."""

from __future__ import annotations

from codecs import BOM_UTF8
from contextlib import suppress
from typing import Generic, Literal

from attrs import evolve

from .._end import End, EndCause
from .._errors import EncodingError, NotEventStream, ServerSentError, SSEError
from .._json import JSON_BLANKS, UNREADABLE, load_object
from .._stage import SLICE, IterableStage, Uncopyable, check_piece, raise_stored
from ..sse._core import LF
from ..sse._event import Event
from ..sse._parser import DEFAULT_MAXIMUM, Parser, looks_like_events
from ._body_prefix import BodyPrefix
from ._decoder import Decoder, ItemT

_MARK = len(BOM_UTF8)


class ItemParser(IterableStage, Uncopyable, Generic[ItemT]):
    """
    A parser and a decoder, joined: bytes to the items of an API.

    It also recognises bodies that aren't event streams: one JSON object is decoded as a result or
    an error, and any other body without an event is a `NotEventStream`.

    Args:
        decoder: The decoder for the API's items.
        last_event_id, retry, max_line_bytes: As for `Parser`.
        errors: As for `Parser`, also for a JSON body.
        max_event_bytes: As for `Parser`, also for a JSON body.
    """

    # Most parsers never get a `__dict__`: only those with attributes that a user sets.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_body_bytes",
        "_decoder",
        "_errors",
        "_last_event_id",
        "_one_object",
        "_parser",
        "_prefix",
    )

    def __init__(
        self,
        decoder: Decoder[ItemT],
        *,
        last_event_id: str = "",
        retry: int | None = None,
        errors: Literal["replace", "strict"] = "replace",
        max_line_bytes: int | None = DEFAULT_MAXIMUM,
        max_event_bytes: int | None = DEFAULT_MAXIMUM,
    ) -> None:
        self._parser = Parser(
            last_event_id=last_event_id,
            retry=retry,
            errors=errors,
            max_line_bytes=max_line_bytes,
            max_event_bytes=max_event_bytes,
        )
        self._parser.keeps_stray = True
        self._decoder = decoder
        self._prefix: BodyPrefix | None = BodyPrefix(max_event_bytes, decoder.fits)
        self._errors = errors
        self._body_bytes = 0
        self._one_object = False
        self._last_event_id: str | None = None

    @property
    def done(self) -> bool:
        """Whether the API's terminal event was received."""
        return self._decoder.done

    @property
    def error(self) -> SSEError | None:
        """The error that stopped the parser, or None."""
        return self._decoder.error if self._decoder.stopped else self._parser.error

    @property
    def last_event_id(self) -> str:
        """The last event ID, which a reconnection sends as `Last-Event-ID`."""
        return self._parser.last_event_id if self._last_event_id is None else self._last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None if the stream never set one."""
        return self._parser.retry

    @property
    def skipped(self) -> int:
        """The number of events dropped because their data isn't a JSON object."""
        return self._decoder.skipped

    @property
    def was_split(self) -> bool:
        """Whether an event had several values, or repeated field names; each value was read."""
        return self._decoder.was_split

    @property
    def events_seen(self) -> int:
        """The number of events dispatched."""
        return self._decoder.events_seen

    @property
    def comments_seen(self) -> int:
        """The number of comment lines received."""
        return self._parser.comments_seen

    @property
    def after_done(self) -> int:
        """The number of events after the terminal one."""
        return self._decoder.after_done

    @property
    def end(self) -> End | None:
        """How the input ended, or None before its end."""
        parsed = self._parser.end
        if self._decoder.end is None and self._parser.error is None:
            return None
        end = self._decoder.end_now()
        if self._decoder.error is None and self._parser.error is not None:
            end = evolve(end, cause=EndCause.INCOMPLETE)
        # Within one piece, an error of the decoder is earlier than the parser's end.
        inside = self._decoder.error is None and not self._body_bytes
        return evolve(
            end,
            mid_event=inside and parsed is not None and parsed.mid_event,
            one_object=self._one_object,
            bytes_seen=self._parser.bytes_seen + self._body_bytes,
            comments_seen=self._parser.comments_seen,
        )

    def feed(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        """
        Feed bytes and return the items that they complete.

        Args:
            data: Bytes, split anywhere.

        Returns:
            The items, in order. If the data has an error, the items before it; `error` is then set.

        Raises:
            SSEError: An earlier feed set `error`, or an exception interrupted an earlier call
                (`BrokenStage`).
            RuntimeError: The parser is closed.
            TypeError: The data isn't bytes.
        """
        if self._decoder.stopped:
            raise_stored(self.error)
        if type(data) is not bytes:
            check_piece(data)
        try:
            if type(data) is not bytes or self._prefix is not None or len(data) > SLICE:
                return self._feed_slowly(data)
            # Most events have a type and a data line at most: their values need no Event.
            if LF in data:
                runs = self._parser.plain_events(data)
                if runs is not None:
                    return self._decode_runs(runs)
            events = self._parser.feed(data)
            return self._decode(events) if events else []
        except SSEError:
            # The parser stopped earlier.
            raise
        except BaseException:
            self._decoder.interrupt()
            raise

    def _feed_slowly(self, data: bytes | bytearray | memoryview) -> list[ItemT]:
        data = bytes(data)
        if len(data) > SLICE:
            return self._feed_slices(data)
        if self._prefix is not None:
            return self._feed_prefix(self._prefix, data)
        return self.feed(data)

    def _feed_slices(self, data: bytes) -> list[ItemT]:
        items: list[ItemT] = []
        is_late = False
        # The first bytes are fed apart: `Parser` looks for a byte-order mark in them, and parses in
        # bulk only after that.
        for at in range(_MARK - SLICE, len(data), SLICE):
            piece = data[max(at, 0) : at + SLICE]
            if is_late:
                self.feed_late(piece)
                continue
            items += self.feed(piece)
            is_late = self._decoder.keeps_late and isinstance(self.error, ServerSentError)
            if self.error is not None and not is_late:
                break
        return items

    def _feed_prefix(self, prefix: BodyPrefix, data: bytes) -> list[ItemT]:
        raise_stored(self._parser.error)
        self._prefix = None
        # What was held back can be larger than a slice.
        items = self._feed_slices(prefix.feed(data))
        if not prefix.settled or not self._anything_seen:
            self._prefix = prefix
        if prefix.error is not None and self.error is None:
            self._body_bytes = len(prefix.release())
            self._decoder.stop(prefix.error)
        return items

    def _decode_runs(self, runs: list[tuple[str, list[bytes]]]) -> list[ItemT]:
        items: list[ItemT] = []
        decoder = self._decoder
        for event_type, values in runs:
            rest = iter(values)
            while not decoder.stopped:
                value = decoder.decode_run(event_type, rest, items)
                if value is None:
                    break
                data = value.decode("utf-8", "replace")
                decoder.decode_other(Event(data, event_type, self._parser.last_event_id), items)
            if decoder.stopped:
                decoder.add_late(rest)
        return items

    def _decode(self, events: list[Event]) -> list[ItemT]:
        items: list[ItemT] = []
        decoder, rest = self._decoder, iter(events)
        for event in rest:
            if event.event:
                decoder.decode_event(event, items)
            else:
                items += decoder.feed_stray(event.data)
            if decoder.stopped:
                # Later events of the same piece weren't used: a reconnection asks for them again.
                self._last_event_id = event.id
                decoder.add_late(late.data for late in rest)
                break
        return items

    def keep_late(self) -> None:
        """Keep data after an error of the server or the terminal event, for `decode_late()`."""
        self._decoder.keeps_late = True

    def feed_late(self, data: bytes | bytearray | memoryview) -> None:
        """Feed bytes after an error of the server or the terminal event."""
        if self._last_event_id is None:
            self._last_event_id = self._parser.last_event_id
        with suppress(SSEError):
            self._decoder.add_late(event.data for event in self._parser.feed(data))

    def decode_late(self) -> list[ItemT]:
        """Return the items after an error of the server or the terminal event."""
        return self._decoder.decode_late()

    def end_at_terminal(self) -> None:
        """End the input at the terminal event; `feed_late()` still accepts bytes."""
        self._decoder.close()

    def close(self) -> list[ItemT]:
        """
        Process the end of the input. Closing again does nothing.

        Returns:
            The item of the last event, if no blank line ended it but its data is complete.

        Raises:
            SSEError: An earlier feed set `error`, which is raised again.
        """
        raise_stored(self.error)
        if self._decoder.end is not None:
            return []
        try:
            return self._close()
        except BaseException:
            self._decoder.stopped = True
            raise

    def _close(self) -> list[ItemT]:
        prefix, self._prefix = self._prefix, None
        items = [] if prefix is None else self._close_body(prefix)
        if self.error is None:
            items += self._decode(self._parser.close_if(self._is_complete))
        if self.error is None and prefix is not None and not self._is_stream(prefix):
            self._decoder.stop(NotEventStream(body_start=prefix.start))
        if self.error is None:
            self._decoder.close()
        return items

    def _close_body(self, prefix: BodyPrefix) -> list[ItemT]:
        """Decode the bytes held back as one JSON object, or else feed them."""
        if not prefix.size:
            return []
        body = prefix.release()
        self._body_bytes = len(body)
        if not self._decoder.fits(body):
            self._decoder.stop_at_objects()
            return []
        try:
            text = body.decode("utf-8", self._errors).strip(JSON_BLANKS)
        except UnicodeDecodeError as error:
            offset = self._parser.bytes_seen + error.start
            self._decoder.stop(EncodingError(offset=offset, reason=error.reason))
            return []
        if text.startswith("[") and text.endswith("]"):
            # Gemini sends its errors in a list of one.
            text = text[1:-1]
        try:
            value = load_object(text)
        except UNREADABLE:
            self._body_bytes = 0
            return self._feed_slices(body)
        items = self._decoder.decode_body(value)
        self._one_object = items is not None
        if items is None:
            self._decoder.stop(NotEventStream(body_start=prefix.start))
        return items or []

    def _is_stream(self, prefix: BodyPrefix) -> bool:
        return bool(self._body_bytes) or self._anything_seen or looks_like_events(prefix.start)

    @property
    def _anything_seen(self) -> bool:
        return bool(self._decoder.events_seen or self._parser.comments_seen)

    def _is_complete(self, event: Event) -> bool:
        """Return whether the data of the last event is complete, or ends with an error."""
        data = event.data.strip(JSON_BLANKS)
        if not self._decoder.fits(data):
            return True  # the decoder rejects it
        try:
            self._decoder.load(data)
        except UNREADABLE:
            return self._decoder.find_last_error(event) is not None
        return True
