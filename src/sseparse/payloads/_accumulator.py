"""Base class of accumulators: their updates, the completeness check, and what a limit leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from .._end import End, EndCause
from .._errors import IncompleteStream, LimitExceeded
from .._options import check_bytes
from .._stage import Breakable, breaking
from ._growing import Budget

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
UpdateT = TypeVar("UpdateT")


def unfinished(missing: str, **seen: Any) -> IncompleteStream:
    """
    Return the error for a result that its items don't complete, if its end isn't known.

    Args:
        missing: What is missing, the beginning of the message.
        seen: What was seen, as for `End`.
    """
    return IncompleteStream(
        f"{missing}: pass the parser's `end` to result() to learn how the stream ended. What was "
        "accumulated is in .partial.",
        end=End(EndCause.INCOMPLETE, **seen),
    )


class ResultAccumulator(Breakable, ABC, Generic[ItemT, ResultT, UpdateT]):
    """
    Base class of accumulators.

    Args:
        max_bytes: Maximum size of the accumulated data, approximately in bytes of memory; None for
            no limit.
    """

    __slots__ = ("_active_tracker", "_budget", "_max_bytes", "_tracker")

    def __init__(self, max_bytes: int | None) -> None:
        super().__init__()
        check_bytes("max_accumulated_bytes", max_bytes)
        self._max_bytes = max_bytes
        self._budget = Budget(max_bytes)
        self._tracker: Any = None
        self._active_tracker: Any = None  # set while updates() runs

    def updates(self, item: ItemT, /) -> list[UpdateT]:
        """
        Add an item of the stream and return what it changed.

        `last_updates()` returns the updates that the end of the stream completes. Items added with
        `add()` have no updates.

        Args:
            item: The next item, as for `add()`.

        Returns:
            The updates, in order: texts, tool calls and log-probabilities; what the item completes;
            the reason of the end; token counts. Empty if no update reports what the item changed.

        Raises:
            TypeError, SSEError: As for `add()`.
        """
        if self.stopped:
            self._raise_error()
        self._check(item)
        try:
            if self._tracker is None:
                self._tracker = self._make_tracker()
            self._active_tracker = self._tracker
            updates = self._add_tracked(item, self._tracker)
            self._active_tracker = None
            return updates  # noqa: TRY300 - an exception before the return loses them
        except BaseException as error:
            # The updates of an interrupted call are discarded.
            self._tracker = self._active_tracker = None
            super()._break_off(error)
            raise

    @breaking
    def last_updates(self) -> list[UpdateT]:
        """
        Process the end of the stream and return the updates that it completes.

        Call it only if the stream is complete: the texts and calls of a truncated stream aren't
        done.

        Returns:
            The `...Done` updates of the texts and tool calls that were still open.
        """
        if self.stopped and not isinstance(self._error, LimitExceeded):
            self._raise_error()
        if self._tracker is None:
            return []
        self._tracker.close()
        updates: list[UpdateT] = self._tracker.pop_updates()
        return updates

    def result(self, end: End | None = None) -> ResultT:
        """
        Return the result if it is complete.

        Args:
            end: How the stream ended: the `end` of its parser. With it, the API's terminal event
                also makes a result complete, because some responses, such as audio, have no finish
                reason; an error makes it incomplete. Without it, only the items count.

        Raises:
            IncompleteStream: The items have no finish reason for every choice and no terminal
                event, or `end` isn't complete. `partial` has the result so far, as returned by
                `snapshot()`.
            SSEError: An earlier call raised it, or was interrupted (`BrokenStage`).
        """
        if self.error is not None:
            self.error.partial = self.snapshot()
            self._raise_error()
        if end is not None and not end.finish_reasons:
            # This can be the end of an event parser. It doesn't know the API, so that it reports
            # FINISHED whenever the input ends between two events.
            is_incomplete = end.cause is EndCause.INCOMPLETE
            if end.cause is EndCause.FINISHED or (is_incomplete and not self._is_empty):
                end = None
        if self.finished if end is None else end.complete:
            return self.snapshot()
        error = self._missing(end)
        error.partial = self.snapshot()
        raise error

    def _break_off(self, error: BaseException) -> None:
        super()._break_off(error)
        if isinstance(error, LimitExceeded):
            error.partial = self.snapshot()

    def _add_tracked(self, item: ItemT, tracker: Any, /) -> list[UpdateT]:
        """Add an item while the tracker is active, and return its updates."""
        self.add(item)
        tracker.add_usage(self.usage)
        updates: list[UpdateT] = tracker.pop_updates()
        return updates

    # What an API decides.

    @abstractmethod
    def add(self, item: ItemT, /) -> None:
        """Add an item."""

    @abstractmethod
    def snapshot(self) -> ResultT:
        """Return the result so far."""

    @property
    @abstractmethod
    def usage(self) -> object:
        """The token counts so far, or None."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the items themselves show that the result is complete."""

    @property
    @abstractmethod
    def _is_empty(self) -> bool:
        """Whether no part of a result was added."""

    @abstractmethod
    def _check(self, item: ItemT, /) -> None:
        """Raise TypeError if an item isn't one of the API."""

    @abstractmethod
    def _make_tracker(self) -> Any:
        """Return the recorder of the updates."""

    @abstractmethod
    def _missing(self, end: End | None) -> IncompleteStream:
        """Return the error for a result that isn't complete at an end, if that is known."""
