"""Chunks out of bytes: the parser and the decoder, joined."""

from __future__ import annotations

from typing import Literal

from attrs import evolve

from .._end import End, EndCause
from .._errors import EncodingError, NotEventStream, SSEError
from .._json import JSON_BLANKS, UNREADABLE, load_object
from .._stage import SLICE, Uncopyable, check_piece, feed_slices, raise_stored
from ..payloads._parser import Opening
from ..sse._core import LF
from ..sse._event import Event
from ..sse._parser import DEFAULT_MAXIMUM, Parser, looks_like_events
from ._accumulator import MAX_CHOICES, MAX_OBJECTS
from ._decoder import DONE_MARK, ChunkDecoder
from ._models import Chunk


class ChunkParser(Uncopyable):
    """
    Parse bytes into chunks of chat or legacy completions, without I/O.

    Takes the options of `Parser` and `ChunkDecoder`, but for `comments`, which are counted in
    `end`, and for `incomplete`: an event at the very end of the stream that no blank line ended
    is used if its data is a whole JSON object or the [DONE] mark, never in part.

    A body that is one JSON object instead of a stream is taken for what it is, at its end: a
    whole completion gives the chunk that would have streamed it, an error is a `ServerSentError`.
    Any other body without an event is a fault, `NotEventStream`; JSON lines as soon as the
    second line begins.

    Args:
        last_event_id: The last event ID to begin with.
        retry: The reconnection time to begin with, in milliseconds, or None.
        errors: What ill-formed UTF-8 does: "replace" or "strict".
        max_line_bytes: The longest line, in bytes without its end; None for no limit.
        max_event_bytes: The largest data of an event, in bytes; None for no limit.
        on_bad_json: What an event does whose data is not a JSON object: "raise" or "skip".
        max_choices: How many choices there may be; None for no limit.
        max_objects: How many JSON objects and arrays one event may hold; None for no limit.

    Raises:
        ValueError: An option has no such value.
    """

    # A dictionary of their own is made for those alone who set attributes of their own.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_body_bytes",
        "_decoder",
        "_errors",
        "_faulty_id",
        "_one_object",
        "_opening",
        "_parser",
    )

    def __init__(
        self,
        *,
        last_event_id: str = "",
        retry: int | None = None,
        errors: Literal["replace", "strict"] = "replace",
        max_line_bytes: int | None = DEFAULT_MAXIMUM,
        max_event_bytes: int | None = DEFAULT_MAXIMUM,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_choices: int | None = MAX_CHOICES,
        max_objects: int | None = MAX_OBJECTS,
    ) -> None:
        self._parser = Parser(
            last_event_id=last_event_id,
            retry=retry,
            errors=errors,
            max_line_bytes=max_line_bytes,
            max_event_bytes=max_event_bytes,
        )
        self._decoder = ChunkDecoder(
            on_bad_json=on_bad_json, max_choices=max_choices, max_objects=max_objects
        )
        self._opening: Opening | None = Opening(max_event_bytes, self._decoder.fits)
        self._errors = errors
        self._body_bytes = 0
        self._one_object = False
        self._faulty_id: str | None = None

    @property
    def done(self) -> bool:
        """Whether the [DONE] mark was seen."""
        return self._decoder.done

    @property
    def error(self) -> SSEError | None:
        """The fault that stopped the parser, or None."""
        return self._decoder.error if self._decoder.stopped else self._parser.error

    @property
    def last_event_id(self) -> str:
        """The last event ID: what a reconnection would send as `Last-Event-ID`."""
        return self._parser.last_event_id if self._faulty_id is None else self._faulty_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None where the stream never set one."""
        return self._parser.retry

    @property
    def skipped(self) -> int:
        """How many events were dropped because their data was not a JSON object."""
        return self._decoder.skipped

    @property
    def events_seen(self) -> int:
        """How many events were dispatched."""
        return self._decoder.events_seen

    @property
    def comments_seen(self) -> int:
        """How many comment lines came."""
        return self._parser.comments_seen

    @property
    def after_done(self) -> int:
        """How many events came after the [DONE] mark."""
        return self._decoder.after_done

    @property
    def end(self) -> End | None:
        """How the input ended, or None while it goes on."""
        parsed = self._parser.end
        if self._decoder.end is None and self._parser.error is None:
            return None
        end = self._decoder.end_now()
        if self._decoder.error is None and self._parser.error is not None:
            end = evolve(end, cause=EndCause.INCOMPLETE)
        # Of what came in one piece the decoder's fault is the earlier one.
        inside = self._decoder.error is None and not self._body_bytes
        return evolve(
            end,
            mid_event=inside and parsed is not None and parsed.mid_event,
            one_object=self._one_object,
            bytes_seen=self._parser.bytes_seen + self._body_bytes,
            comments_seen=self._parser.comments_seen,
        )

    def feed(self, data: bytes | bytearray | memoryview) -> list[Chunk]:
        """
        Take a piece of the stream; return the chunks that it completes.

        Args:
            data: Bytes, cut anywhere.

        Returns:
            The chunks in order. Where the piece holds a fault, those before it; `error` is set
            then.

        Raises:
            SSEError: The parser met a fault in an earlier feed: that fault; or an exception
                interrupted an earlier call: `BrokenStage`.
            RuntimeError: The parser was closed.
            TypeError: The piece is not bytes.
        """
        if self._decoder.stopped:
            raise_stored(self.error)
        if type(data) is not bytes:
            check_piece(data)
        try:
            if type(data) is not bytes or self._opening is not None or len(data) > SLICE:
                return self._feed_with_care(data)
            if LF in data:
                values = self._parser.plain_events(data)
                if values is not None:
                    return self._decoder.feed_values(values, self._parser)
            events = self._parser.feed(data)
            return self._decode(events) if events else []
        except SSEError:
            # The parser stopped earlier.
            raise
        except BaseException:
            self._decoder.interrupt()
            raise

    def _feed_with_care(self, data: bytes | bytearray | memoryview) -> list[Chunk]:
        data = bytes(data)
        if len(data) > SLICE:
            return feed_slices(self, data)
        if self._opening is not None:
            return self._feed_opening(self._opening, data)
        return self.feed(data)

    def _feed_opening(self, opening: Opening, data: bytes) -> list[Chunk]:
        """Feed what the opening lets through: what it held back may be larger than a slice."""
        self._opening = None
        chunks = feed_slices(self, opening.feed(data))
        if not opening.settled or not self._anything_came:
            self._opening = opening
        if opening.error is not None and self.error is None:
            self._body_bytes = len(opening.let_through())
            self._decoder.stop(opening.error)
        return chunks

    def _decode(self, events: list[Event]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event in events:
            chunks += self._decoder.feed(event)
            if self._decoder.stopped:
                # Later events may have come with it; nobody has had anything of them.
                self._faulty_id = event.id
                break
        return chunks

    def close(self) -> list[Chunk]:
        """
        Take the end of the stream. Closing again does nothing.

        Returns:
            The chunk of the incomplete last event, where its data is whole.

        Raises:
            SSEError: The parser met a fault in an earlier feed: that fault.
        """
        raise_stored(self.error)
        if self._decoder.end is not None:
            return []
        try:
            return self._close()
        except BaseException:
            self._decoder.stopped = True
            raise

    def _close(self) -> list[Chunk]:
        opening, self._opening = self._opening, None
        chunks = [] if opening is None else self._close_body(opening)
        if self.error is None:
            chunks += self._decode(self._parser.close_if(self._is_whole))
        if self.error is None:
            self._judge(opening)
        if self.error is None:
            self._decoder.close()
        return chunks

    def _close_body(self, opening: Opening) -> list[Chunk]:
        """Take what is held back for the JSON object that it is, or else feed it."""
        if not opening.size:
            return []
        body = opening.let_through()
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
            # Gemini's errors are in a list of one.
            text = text[1:-1]
        try:
            value = load_object(text)
        except UNREADABLE:
            self._body_bytes = 0
            return feed_slices(self, body)
        chunks = self._decoder.take_body(value)
        self._one_object = chunks is not None
        if chunks is None:
            self._decoder.stop(NotEventStream(body_start=opening.start))
        return chunks or []

    @property
    def _anything_came(self) -> bool:
        return bool(self._decoder.events_seen or self._parser.comments_seen)

    def _judge(self, opening: Opening | None) -> None:
        """Find fault with a body that held nothing of an event stream."""
        if opening is None or self._body_bytes or self._anything_came:
            return
        if not looks_like_events(opening.start):
            self._decoder.stop(NotEventStream(body_start=opening.start))

    def _is_whole(self, event: Event) -> bool:
        data = event.data.strip(JSON_BLANKS)
        if data == DONE_MARK:
            return True
        if not self._decoder.fits(data):
            return True  # enough of it for the decoder to refuse
        try:
            load_object(data)
        except UNREADABLE:
            return False
        return True
