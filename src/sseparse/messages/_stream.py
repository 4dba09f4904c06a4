"""Reader and blocking stream of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

from .._options import check_choice
from ..adapters._registry import SyncReadable
from ..payloads._growing import MAX_ACCUMULATED, MAX_ITEMS
from ..payloads._results import Note
from ..streams._protocols import Recorder
from ..streams._reader import Reader
from ..streams._sync import ItemStream
from ._accumulator import MessageAccumulator
from ._decoder import MessageOptions, MessageParser
from ._errors import incomplete
from ._events import MessageEvent
from ._results import Message, MessageUsage, NoteKind

if TYPE_CHECKING:
    from .._deadlines import Deadlines
    from ._updates import Update
else:
    Update: TypeAlias = Any  # most programs do without updates


class ReaderOptions(MessageOptions, total=False):
    """Options of a reader; see `MessageReader`."""

    on_incomplete: Literal["raise", "accept"]
    max_items: int | None
    max_accumulated_bytes: int | None
    timeline: Recorder | None


class StreamOptions(ReaderOptions, total=False):
    """Options of a stream; see `MessageStream`."""

    deadlines: Deadlines | None
    drain: float


class MessageReader(Reader[MessageEvent, Message]):
    """
    Reader of a streamed message, without I/O: parser, accumulator and completeness check.

        reader = MessageReader()
        for data in pieces:
            for event in reader.feed(data):
                forward(event)
        reader.close()
        message = reader.result()

    Push bytes with `feed()` and finish with `close()`, or with `fail()` if the connection failed.
    Then `end` says how the stream ended, and `error` is set unless it's complete. A message that
    the model cut or refused is a result: look at its `stop_reason`.

    Args:
        response: An object with the `status` and `headers` of the HTTP response, which errors
            report; or None.
        on_incomplete: What to do if the stream ends without a stop reason or `message_stop`:
            "raise", the default, sets `error` to an `IncompleteStream`; "accept" accepts the end.
        max_items: Maximum number of blocks; None for no limit. Default: 16,384.
        max_accumulated_bytes: Maximum size of the accumulated message, approximately in bytes of
            memory; None for no limit. Default: 512 MiB.
        timeline: Recorder of arrival times, such as a `sseparse.timing.Timeline`. Default: None.
        options: The options of `MessageParser`.

    Attributes:
        accumulator: The accumulator of the events returned so far.

    Raises:
        ValueError: An option has an invalid value.
    """

    _split_note = Note(NoteKind.EVENT_SPLIT)

    __slots__ = ()

    accumulator: MessageAccumulator

    def __init__(
        self,
        response: object = None,
        *,
        on_incomplete: Literal["raise", "accept"] = "raise",
        max_items: int | None = MAX_ITEMS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
        timeline: Recorder | None = None,
        **options: Unpack[MessageOptions],
    ) -> None:
        check_choice("on_incomplete", on_incomplete, "raise", "accept")
        super().__init__(
            MessageParser(**options),
            MessageAccumulator(max_items=max_items, max_accumulated_bytes=max_accumulated_bytes),
            response=response,
            timeline=timeline,
            incomplete=incomplete if on_incomplete == "raise" else None,
        )

    @property
    def usage(self) -> MessageUsage | None:
        """The token counts that the server reported, or None."""
        return self.accumulator.usage


class MessageStream(ItemStream[MessageEvent, Message, Update]):
    """
    Iterator over the events of a streamed message.

        with MessageStream(response) as stream:
            for event in stream:
                print(event.text, end="")
        message = stream.result()

    A second loop continues where the first one stopped. As a context manager, the stream closes the
    source at the end of the block. Every `SSEError` has the message so far as `partial`.

    Args:
        source: An iterable of bytes, a streamed response of requests, urllib3, httpx, httpx2 or
            http.client, or a socket on which a request was sent.
        deadlines: Limits on the wait for the source; None, the default, for no limit. See
            `sseparse.ChatStream`.
        drain: Maximum time to read on after `message_stop`, in seconds, so that the connection can
            return to its pool; 0 closes it at once. Default: 0.1.
        options: The options of `MessageReader`.

    Attributes:
        accumulator: The accumulator of the events returned so far.

    Raises:
        TypeError: The source can't be read.
        ValueError: An option has an invalid value.
    """

    accumulator: MessageAccumulator

    def __init__(self, source: SyncReadable, **options: Unpack[StreamOptions]) -> None:
        super().__init__(source, MessageReader, **options)
