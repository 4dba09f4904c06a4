"""Reader and blocking stream of responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

from .._end import End
from .._errors import IncompleteStream, SSEError
from .._options import check_choice
from ..adapters._registry import SyncReadable
from ..payloads._growing import MAX_ACCUMULATED, MAX_ITEMS
from ..payloads._results import Note
from ..streams._protocols import Recorder
from ..streams._reader import Reader
from ..streams._sync import ItemStream, StreamIterator
from ._accumulator import ResponseAccumulator
from ._decoder import ResponseOptions, ResponseParser
from ._errors import incomplete
from ._events import OtherEvent, ResponseEvent
from ._results import NoteKind, Response, ResponseUsage

if TYPE_CHECKING:
    from .._deadlines import Deadlines
    from ._updates import Update
else:
    Update: TypeAlias = Any  # most programs do without updates


class ReaderOptions(ResponseOptions, total=False):
    """Options of a reader; see `ResponseReader`."""

    on_incomplete: Literal["raise", "accept"]
    max_items: int | None
    max_accumulated_bytes: int | None
    timeline: Recorder | None
    resumes: ResponseAccumulator | None


class StreamOptions(ReaderOptions, total=False):
    """Options of a stream; see `ResponseStream`."""

    deadlines: Deadlines | None
    drain: float


class ResponseReader(Reader[ResponseEvent, Response]):
    """
    Reader of a streamed response, without I/O: parser, accumulator and completeness check.

        reader = ResponseReader()
        for data in pieces:
            for event in reader.feed(data):
                forward(event)
        reader.close()
        result = reader.result()

    Push bytes with `feed()` and finish with `close()`, or with `fail()` if the connection failed.
    Then `end` says how the stream ended, and `error` is set unless it's complete. A response that
    failed is a `ServerSentError`; an incomplete one, such as one that reached its maximum length,
    is a result with the status "incomplete".

    Args:
        response: An object with the `status` and `headers` of the HTTP response, which errors
            report; or None.
        on_incomplete: What to do if the stream ends without a terminal event: "raise", the default,
            sets `error` to an `IncompleteStream`; "accept" accepts the end.
        max_items: Maximum number of output items, and of the parts of an item; None for no limit.
            Default: 16,384.
        max_accumulated_bytes: Maximum size of the accumulated response, approximately in bytes of
            memory; None for no limit. Default: 512 MiB.
        timeline: Recorder of arrival times, such as a `sseparse.timing.Timeline`. Default: None.
        resumes: The accumulator of a stream that broke off and that this one continues: its events
            are completed, and those that it has already, by their `sequence_number`, are dropped.
            It keeps its limits. Default: None.
        options: The options of `ResponseParser`.

    Attributes:
        accumulator: The accumulator of the events returned so far.

    Raises:
        ValueError: An option has an invalid value, or there are limits in addition to `resumes`.
    """

    _split_note = Note(NoteKind.EVENT_SPLIT)

    __slots__ = ()

    accumulator: ResponseAccumulator

    def __init__(
        self,
        response: object = None,
        *,
        on_incomplete: Literal["raise", "accept"] = "raise",
        max_items: int | None = MAX_ITEMS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
        timeline: Recorder | None = None,
        resumes: ResponseAccumulator | None = None,
        **options: Unpack[ResponseOptions],
    ) -> None:
        check_choice("on_incomplete", on_incomplete, "raise", "accept")
        if resumes is None:
            resumes = ResponseAccumulator(
                max_items=max_items, max_accumulated_bytes=max_accumulated_bytes
            )
        elif (max_items, max_accumulated_bytes) != (MAX_ITEMS, MAX_ACCUMULATED):
            raise ValueError(
                "resumes has limits of its own: leave out max_items and max_accumulated_bytes, and "
                "give them to the ResponseAccumulator or the stream that is resumed"
            )
        else:
            options = {"starting_after": resumes.last_sequence_number, **options}
        super().__init__(
            ResponseParser(**options),
            resumes,
            response=response,
            timeline=timeline,
            incomplete=incomplete if on_incomplete == "raise" else None,
        )

    def _judge(self, end: End) -> SSEError | None:
        error = super()._judge(end)
        if isinstance(error, IncompleteStream):
            # Events that weren't returned yet are still to be added.
            has_ready = any(not isinstance(event, OtherEvent) for event in self._ready or ())
            is_empty = self.accumulator.snapshot() == Response(output=[])
            return incomplete(end, is_other=is_empty and not has_ready)
        return error

    @property
    def usage(self) -> ResponseUsage | None:
        """The token counts that the server reported, or None."""
        return self.accumulator.usage


class ResponseStream(ItemStream[ResponseEvent, Response, Update]):
    """
    Iterator over the events of a streamed response.

        with ResponseStream(http_response) as stream:
            for event in stream:
                print(event.text, end="")
        response = stream.result()

    A second loop continues where the first one stopped. As a context manager, the stream closes the
    source at the end of the block. Every `SSEError` has the response so far as `partial`.

    Args:
        source: An iterable of bytes, a streamed response of requests, urllib3, httpx, httpx2 or
            http.client, or a socket on which a request was sent.
        deadlines: Limits on the wait for the source; None, the default, for no limit. See
            `sseparse.ChatStream`.
        drain: Maximum time to read on after the terminal event, in seconds, so that the connection
            can return to its pool; 0 closes it at once. Default: 0.1.
        options: The options of `ResponseReader`.

    Attributes:
        accumulator: The accumulator of the events returned so far.

    Raises:
        TypeError: The source can't be read.
        ValueError: An option has an invalid value.
    """

    accumulator: ResponseAccumulator

    def __init__(self, source: SyncReadable, **options: Unpack[StreamOptions]) -> None:
        super().__init__(source, ResponseReader, **options)

    def text_deltas(self) -> Iterator[str]:
        """
        Iterate over the new text of the answer.

        Text that the server sends only in complete form, at the end of a part, is included.
        """
        from ..payloads._updates import ContentDelta  # noqa: PLC0415 - as updates are loaded

        updates = self.updates()

        def next_text() -> str:
            for update in updates:
                if type(update) is ContentDelta:
                    return update.text
            raise StopIteration

        return StreamIterator(next_text)
