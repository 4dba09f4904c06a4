"""Incremental parser for server-sent events."""

from __future__ import annotations

import os
from codecs import BOM_UTF8, utf_8_decode
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Unpack, cast, overload

from .._end import End, EndCause
from .._errors import BrokenStage, EncodingError, LimitExceeded, SSEError
from .._options import EventOptions, check_bytes, check_choice, check_id, check_retry
from .._stage import SLICE, IterableStage, Uncopyable, check_piece, feed_slices, raise_stored
from ._core import FIELDS, LINE_END, Interpreter, ItemT
from ._event import Comment, Event

ACCELERATED: bool = False
"""Whether the compiled core is in use. The Python core does the same, more slowly."""

if not TYPE_CHECKING and os.environ.get("SSEPARSE_PURE", "") in {"", "0"}:
    # A compiled core that exists but can't be loaded raises another ImportError.
    with suppress(ModuleNotFoundError):
        from ._core_c import Interpreter

        ACCELERATED = True

# Default limit of a line and of an event, in bytes. An image or a tool's result fits inline.
# Fixed limits of 1 MiB broke users of other parsers.
DEFAULT_MAXIMUM = 32 * 1024 * 1024
BODY_START = 512  # how many first bytes of a body are kept, to report what the body is


def looks_like_events(start: bytes) -> bool:
    """Return whether a body with this prefix can be an event stream. An empty prefix can."""
    text = start.removeprefix(BOM_UTF8).lstrip(b"\r\n")
    line = LINE_END.split(text, maxsplit=1)[0]
    name, colon, _ = line.partition(b":")
    if colon:
        return not name or name in FIELDS
    return any(field.startswith(line) for field in FIELDS)


class Parser(Interpreter[ItemT], IterableStage, Uncopyable):
    """
    Incremental parser for server-sent events.

    Use one parser for one stream at a time, in one thread.

    Args:
        last_event_id: Initial last event ID, if the stream resumes another one.
        retry: Initial reconnection time in milliseconds; None, the default, if there is none.
        comments: Whether to return comments too, as `Comment`. Default: False.
        errors: How to handle malformed UTF-8: "replace", the default, decodes it as U+FFFD, as the
            standard says; "strict" stops with `EncodingError`.
        incomplete: How `close()` handles an event that no blank line ended: "discard", the default,
            drops it, as the standard says; "dispatch" returns it.
        max_line_bytes: Maximum length of a line in bytes, without its line end; None for no limit.
            Default: 32 MiB. Unknown fields, and comments unless requested, are discarded while they
            arrive and have no limit.
        max_event_bytes: Maximum size of an event's data in bytes of UTF-8; None for no limit.
            Default: 32 MiB.

    Raises:
        ValueError: An option has an invalid value.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".
    """

    # The dictionary is created only for users who set their own attributes.
    __slots__ = (
        "__dict__", "__weakref__", "_bom", "_end", "_error", "_incomplete", "_max_event",
        "_max_line", "_partial_character", "_strict",
    )  # fmt: skip

    @overload
    def __init__(
        self: Parser[Event], *, comments: Literal[False] = ..., **options: Unpack[EventOptions]
    ) -> None: ...

    @overload
    def __init__(
        self: Parser[Event | Comment], *, comments: bool, **options: Unpack[EventOptions]
    ) -> None: ...

    def __init__(
        self,
        *,
        last_event_id: str = "",
        retry: int | None = None,
        comments: bool = False,
        errors: Literal["replace", "strict"] = "replace",
        incomplete: Literal["discard", "dispatch"] = "discard",
        max_line_bytes: int | None = DEFAULT_MAXIMUM,
        max_event_bytes: int | None = DEFAULT_MAXIMUM,
    ) -> None:
        check_id("last_event_id", last_event_id)
        check_retry("retry", retry)
        check_choice("errors", errors, "replace", "strict")
        check_choice("incomplete", incomplete, "discard", "dispatch")
        check_bytes("max_line_bytes", max_line_bytes)
        check_bytes("max_event_bytes", max_event_bytes)
        super().__init__(
            last_event_id=last_event_id,
            retry=retry,
            comments=comments,
            max_line=max_line_bytes,
            max_event=max_event_bytes,
        )
        self._strict = errors == "strict"
        self._incomplete = incomplete
        self._max_line = max_line_bytes
        self._max_event = max_event_bytes
        self._init_state()

    def _init_state(self) -> None:
        self._error: SSEError | None = None
        self._end: End | None = None
        self._partial_character = b""  # of a strict parser
        # The first bytes of the stream while they can be a byte-order mark, then None.
        self._bom: bytes | None = b""

    @property
    def last_event_id(self) -> str:
        """The last event ID, which a reconnection sends as `Last-Event-ID`."""
        return self._last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time in milliseconds, or None if the stream never set one."""
        return self._retry

    @property
    def bytes_seen(self) -> int:
        """The number of bytes received."""
        return self._bytes_parsed + len(self._bom or b"") + len(self._partial_character)

    @property
    def events_seen(self) -> int:
        """The number of events dispatched."""
        return self._events_seen

    @property
    def comments_seen(self) -> int:
        """The number of comment lines received."""
        return self._comments_seen

    @property
    def error(self) -> SSEError | None:
        """The error that stopped the parser, or None."""
        if self._broken and self._error is None:
            self._stop(BrokenStage())
        return self._error

    @property
    def end(self) -> End | None:
        """How the input ended, or None before its end."""
        _ = self.error  # of a broken parser, this sets the end
        return self._end

    def reset(self) -> None:
        """
        Prepare for the next connection: only the last event ID and the reconnection time stay.

        Raises:
            BrokenStage: An exception interrupted an earlier call, so the last event ID can be that
                of a lost event.
        """
        if self._broken:
            raise_stored(self.error)
        self._broken = True  # in case an exception interrupts this call
        self._init_state()
        self._begin_stream()

    def _feed_slow_path(self, data: object) -> list[ItemT]:
        # At the start of a stream, for strict decoding, after the end or an error, and for data
        # that is large or not of type bytes.
        check_piece(data)
        raise_stored(self.error)
        if self._end is not None:
            raise RuntimeError("feed() after close(): call reset() before the next stream")
        try:
            piece = bytes(cast("bytes", data))
            return feed_slices(self, piece) if len(piece) > SLICE else self._feed_slice(piece)
        except BaseException:
            self._broken = self._uses_slow_path = True
            raise

    def _feed_slice(self, data: bytes) -> list[ItemT]:
        error = None
        if self._strict:
            data, error = self._check_utf8(data)
        if self._bom is not None:
            data = self._strip_bom(self._bom + data)
        items = self._parse(data)
        if error is not None:
            self._stop(error)
        return items

    def _check_utf8(self, data: bytes, final: bool = False) -> tuple[bytes, EncodingError | None]:
        """Return the complete characters received, and the error in the bytes after them."""
        data = self._partial_character + data
        offset = self.bytes_seen - len(self._partial_character)
        error = None
        try:
            _, length = utf_8_decode(data, "strict", final)
        except UnicodeDecodeError as failure:
            length = failure.start
            error = EncodingError(offset=offset + length, reason=failure.reason)
        self._partial_character = data[length:]
        return data[:length], error

    def _strip_bom(self, data: bytes) -> bytes:
        if len(data) < len(BOM_UTF8) and BOM_UTF8.startswith(data):
            self._bom = data
            return b""
        self._bom = None
        self._uses_slow_path = self._strict
        if data.startswith(BOM_UTF8):
            self._skip_bytes(len(BOM_UTF8))
        return data.removeprefix(BOM_UTF8)

    def close(self) -> list[ItemT]:
        """
        Process the end of the stream. Calling it again does nothing.

        Returns:
            The incomplete last event if `incomplete` is "dispatch", otherwise nothing.

        Raises:
            SSEError: An earlier feed set `error`, or an exception interrupted an earlier call
                (`BrokenStage`).
        """
        keep = bool if self._incomplete == "dispatch" else None  # bool() accepts every event
        return cast("list[ItemT]", self.close_if(keep))

    def close_if(self, keep: Callable[[Event], bool] | None) -> list[Event]:
        """
        Process the end of the stream; return the incomplete last event if `keep` accepts it.

        Text outside fields is returned as well, if `keeps_stray` is set.
        """
        raise_stored(self.error)
        if self._end is not None:
            return []
        try:
            return self._close_if(keep)
        except BaseException:
            self._broken = self._uses_slow_path = True
            raise

    def _close_if(self, keep: Callable[[Event], bool] | None) -> list[Event]:
        self._uses_slow_path = True
        if self._strict:
            _, error = self._check_utf8(b"", final=True)
            if error is not None:
                self._stop(error)
                return []
        if self._bom:
            self._parse(self._bom)
        self._bom = None
        mid_event = self._is_mid_event()
        events: list[Event] = []
        if keep is not None:
            for event in self._build_incomplete_events():
                if not event.event:  # text outside fields
                    events.append(event)
                elif keep(event):
                    self._accept_incomplete_event()
                    events.append(event)
        if self._error is None:
            self._end = self._make_end(mid_event)
        self._discard_pending()
        return events

    def _make_end(self, mid_event: bool) -> End:
        return End(
            cause=EndCause.INCOMPLETE if mid_event else EndCause.FINISHED,
            mid_event=mid_event,
            bytes_seen=self.bytes_seen,
            events_seen=self._events_seen,
            comments_seen=self._comments_seen,
        )

    def _stop_at_limit(self, limit: Literal["line", "event"], offset: int) -> None:
        maximum = cast(int, self._max_event if limit == "event" else self._max_line)
        self._stop(
            LimitExceeded(
                limit=limit,
                maximum=maximum,
                offset=offset,
                what=f"{limit.capitalize()} larger than {maximum:,} bytes",
                advice=f"raise max_{limit}_bytes if you trust the server",
            )
        )

    def _stop(self, error: SSEError) -> None:
        # The first of two errors in one feed counts.
        if self._error is not None:
            return
        self._uses_slow_path = True
        self._end = self._make_end(mid_event=True)
        self._error = error
        self._discard_pending()
