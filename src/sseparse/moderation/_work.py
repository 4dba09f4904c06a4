"""What the faces of a gate share: nothing here waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .._stage import Breakable, breaking, raise_stored
from ..chunks import Chunk
from ._core import GateCore
from ._flagged import Flagged
from ._windows import Release, Window


class Work(Breakable):
    """
    Keep what of one stream was read and not yet judged or handed out.

    A face enters it, as a context, for as long as it works.

    Args:
        gate: Where the text waits.
        stream: Where the chunks come from.
        decide: What takes verdicts, and tells nobody.
        fail: What takes failures, and tells nobody.
        tell: What is told of releases. It may raise: so it comes after all else.

    Attributes:
        stream: The same.
        chunks: Its iterator, once there is one.
        windows: Those that want a verdict. One that is being judged stays until that is done, so
            that an interrupt in the middle loses nothing.
        ready: What passed.
        over: Whether the stream came to its end.
    """

    def __init__(
        self,
        gate: GateCore,
        stream: object,
        *,
        decide: Callable[[Window, Any], list[Release]],
        fail: Callable[[Window, Exception], list[Release]],
        tell: Callable[[list[Release]], object],
    ) -> None:
        super().__init__()
        self.gate = gate
        self._decide = decide
        self._fail = fail
        self._tell = tell
        self.stream: Any = stream
        self.chunks: Any = None
        self.windows: deque[Window] = deque()
        self.ready: deque[Release] = deque()
        self.over = False
        self._fault: Exception | None = None
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise RuntimeError(
                "the gate is at work: its check, another task or another thread cannot iterate it, "
                "too; make one for each answer"
            )
        self._busy = True

    def __exit__(self, *_: object) -> None:
        self._busy = False

    def raise_error(self) -> None:
        """Raise the error that stopped the gate, if one did."""
        raise_stored(self.gate.error or self.error)

    @breaking
    def take_chunk(self, chunk: Chunk) -> None:
        """Take a chunk of the stream."""
        self.windows += self.gate.feed(chunk)

    @breaking
    def take_end(self, fault: Exception | None = None) -> None:
        """Take the end of the stream, and the fault that ended it: what came before is judged."""
        self.windows += self.gate.close()
        self._fault = fault
        self.over = True

    def take_verdict(self, verdict: Any) -> None:
        """Take the verdict on the first window."""
        self._take(self._decide(self.windows[0], verdict))

    def take_failure(self, error: Exception) -> None:
        """Take that the first window's check failed."""
        self._take(self._fail(self.windows[0], error))

    def raise_fault(self) -> None:
        """Raise the fault that ended the stream, if one did."""
        if self._fault is not None:
            raise self._fault

    def add_partial(self, flagged: Flagged) -> None:
        """Add to an error what the stream's chunks amount to, where the stream knows that."""
        # That there is no snapshot is no news beside what was flagged.
        with suppress(Exception):
            snapshot = getattr(self.stream, "snapshot", None)
            if snapshot is not None:
                flagged.partial = snapshot()

    def _take(self, releases: list[Release]) -> None:
        self._make_ready(releases)
        self._tell(releases)

    @breaking
    def _make_ready(self, releases: list[Release]) -> None:
        self.windows.popleft()
        self.ready += releases
