"""What a stream of chunks knows: the completion that they amount to, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

from .._deadlines import Deadlines
from .._ends import End
from .._errors import IncompleteStream, SSEError
from .._options import ChunkOptions, check_choice, check_seconds
from .._stage import breaking, raise_stored
from ..chunks import Accumulator, Chunk, ChunkParser, Result
from ..chunks._limits import MAX_ACCUMULATED, MAX_TOOL_CALLS
from ._options import Recorder
from ._state import StreamState
from ._usage import estimate

if TYPE_CHECKING:
    from ..chunks import Update


class ChunkState(StreamState[Chunk]):
    """
    Keep what a stream of chunks has read, and the completion that they amount to.

    Args:
        source: Where the bytes come from.
        on_incomplete: What an end does that neither [DONE] nor a finish reason announced:
            "raise" or "accept".
        deadlines: For how long the source may be waited for.
        drain: For how long to read on after [DONE], in seconds.
        max_tool_calls: How many tool calls there may be; None for no limit.
        max_accumulated_bytes: How much may be kept of the completion; None for no limit.
        timeline: What is told of all that comes, when it comes, and of the end.
        usage: What a completion without token counts gets: "server", none, or "estimate".
        messages: What of the request is counted; None for none.
        tools: The tools of the request; None for none.
        encoding: How to count; None for the encoding of the completion's model.
        options: The options of `ChunkParser`.

    Attributes:
        parser: What turns bytes into chunks.
        accumulator: What the chunks handed out amount to.
        watched: Whether updates are told of the chunks that are handed out.
    """

    __slots__ = (
        "_accept_incomplete",
        "_drain",
        "_estimate",
        "_left_open",
        "_updates",
        "accumulator",
        "parser",
        "watched",
    )

    def __init__(
        self,
        source: object,
        *,
        on_incomplete: Literal["raise", "accept"] = "raise",
        deadlines: Deadlines | None = None,
        drain: float = 0.1,
        max_tool_calls: int | None = MAX_TOOL_CALLS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
        timeline: Recorder | None = None,
        usage: Literal["server", "estimate"] = "server",
        messages: Sequence[Mapping[str, Any] | str | int | Sequence[int]] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        encoding: str | None = None,
        **options: Unpack[ChunkOptions],
    ) -> None:
        check_choice("on_incomplete", on_incomplete, "raise", "accept")
        check_seconds("drain", drain)
        self._estimate = estimate(usage, messages, tools, encoding)
        self.parser = ChunkParser(**options)
        super().__init__(self.parser, source, deadlines, timeline)
        self._drain = drain
        self._left_open = False
        self._accept_incomplete = on_incomplete == "accept"
        self.accumulator = Accumulator(
            max_choices=None,  # the parser counts them
            max_tool_calls=max_tool_calls,
            max_accumulated_bytes=max_accumulated_bytes,
        )
        self.watched = False
        # The next one last, as of what is ready.
        self._updates: list[Update] | None = None

    @property
    def partial(self) -> Result:
        """The completion so far."""
        return self.accumulator.snapshot()

    @property
    def end(self) -> End | None:
        """How the stream ended, or None while there is more to hand out."""
        return None if self._updates else super().end

    def cancel(self) -> None:
        """Take the reader's word that nothing more is wanted."""
        self._updates = None
        super().cancel()

    def pop(self) -> Chunk | None:
        """Take the next chunk that is ready, and accumulate it."""
        ready = self._ready
        if not ready:
            return None
        try:
            chunk = ready.pop()
            if self.watched:
                self._make_told(self.accumulator.updates(chunk))
            else:
                self.accumulator.add(chunk)
            return chunk  # noqa: TRY300 - until it is returned, an exception loses it
        except SSEError as error:
            self._drop_rest(error)
            return None
        except BaseException:
            self.stopped = True
            raise

    def pop_update(self) -> Update | None:
        """Take the next update that was told, or None."""
        return self._updates.pop() if self._updates else None

    def _make_told(self, updates: list[Update]) -> None:
        updates.reverse()
        self._updates = updates + self._updates if self._updates else updates

    @breaking
    def tell_end(self) -> bool:
        """Tell what is done by the end, if that was a good one and nothing told it before."""
        if self.end is not None and self.end.complete:
            self._make_told(self.accumulator.last_updates())
        return bool(self._updates)

    def _drop_rest(self, error: SSEError) -> None:
        """Stop where a chunk could not be kept; those after it are dropped."""
        self._ready = None
        self._finish(error)

    def take(self, piece: bytes) -> None:
        """Take bytes from the source; after the [DONE] mark there is no need for more."""
        super().take(piece)
        if self.parser.done and self._end is None:
            self.take_end()
            self._left_open = True

    def drain_seconds(self) -> float:
        """Return for how long to read on, once, for the end of the body that [DONE] announced."""
        seconds = self._drain if self._left_open else 0.0
        self._left_open = False
        return seconds

    def result(self) -> Result:
        """Return the completion of a stream that was read to its end."""
        self.raise_error()
        raise_stored(self.accumulator.error)
        result = self.accumulator.snapshot()
        return result if self._estimate is None else self._estimate.complete(result)

    def _verdict(self, end: End) -> SSEError | None:
        # A body that was one JSON object had choices, and no events.
        came = end.events_seen or end.comments_seen or end.finish_reasons
        error = None if came else self._verdict_on_nothing()
        if error is None and not end.complete and not self._accept_incomplete:
            return IncompleteStream(end=end)
        return error
