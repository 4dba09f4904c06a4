"""Accumulator of the events of a streamed response, which builds the response."""

from __future__ import annotations

from operator import is_
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from .._end import End
from .._errors import IncompleteStream, ServerSentError
from .._options import check_number
from .._stage import breaking
from ..payloads._accumulator import ResultAccumulator, unfinished
from ..payloads._growing import MAX_ACCUMULATED, MAX_ITEMS, Budget, GrowingText, check_count
from ..payloads._results import Note, NoteRecorder
from ._errors import find_error, incomplete
from ._events import (
    UNFINISHED,
    DeltaEvent,
    ErrorEvent,
    LifecycleEvent,
    ResponseEvent,
    is_terminal,
    status_of,
)
from ._output_state import OutputState
from ._results import NoteKind, OutputItem, Response, ResponseUsage
from ._targets import DELTAS, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..payloads._partial_json import PartialJSON
    from ._updates import Update, UpdateTracker


_FAILED: Final = "failed"
_NO_DELTA: Final = DeltaEvent(type="", delta="")


class ResponseAccumulator(ResultAccumulator[ResponseEvent, Response, "Update"]):
    """
    Accumulator of events: builds the response that the non-streaming API would have returned.

    The response of the terminal event is the result. Where its output is missing, or before that
    event, the items are built from the events: complete items and texts replace what deltas
    brought. An event about another response begins again. The time is linear in the size of the
    events.

    Args:
        max_items: Maximum number of output items, and of the parts of an item; every index must be
            below it. None for no limit. Default: 16,384.
        max_accumulated_bytes: Maximum size of the accumulated data, approximately in bytes of
            memory. None for no limit. Default: 512 MiB.

    Attributes:
        last_sequence_number: The `sequence_number` of the last event that has one; None before it.
            A request with it as `starting_after` resumes the stream.

    Raises:
        ValueError: A limit isn't a valid number.
    """

    _active_tracker: UpdateTracker | None

    # Most accumulators never get a `__dict__`: only those with attributes that a user sets.
    __slots__ = (
        *("__dict__", "__weakref__", "_audio", "_failure", "_head", "_is_finished", "_last"),
        *("_make_update", "_max_items", "_notes", "_streamed", "_text", "last_sequence_number"),
    )

    def __init__(
        self,
        *,
        max_items: int | None = MAX_ITEMS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
    ) -> None:
        super().__init__(max_accumulated_bytes)
        check_number("max_items", max_items)
        self._max_items = max_items
        self.last_sequence_number: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._budget = Budget(self._max_bytes)
        self._notes = NoteRecorder(NoteKind.VALUE_IGNORED)
        self._streamed: OutputState | None = None  # an idle accumulator needs none
        self._head: Response | None = None  # of the last event that had one
        self._is_finished = False
        self._failure: ServerSentError | None = None
        self._audio: dict[str, GrowingText] | None = None
        # The text that the last delta was added to, and that delta.
        self._text: GrowingText | None = None
        self._last = _NO_DELTA
        # Makes the update of a delta that the fast path adds.
        self._make_update: Callable[[str], Update] | None = None

    def add(self, event: ResponseEvent) -> None:
        """
        Add an event.

        Args:
            event: The next event of the stream.

        Raises:
            TypeError: `event` isn't an event.
            LimitExceeded: The event exceeds a limit; `partial` has the response so far. Later calls
                raise the same error.
        """
        if self.stopped:
            self._raise_error()
        if type(event) is not DeltaEvent:
            self._check(event)
        text, last = self._text, self._last
        try:
            # Fast path: a delta of the same text as the one before it. All other events take the
            # slow path.
            if (
                text is not None
                and type(event) is DeltaEvent
                and event.item_id == last.item_id
                and event.type == last.type
                and event.output_index == last.output_index
                and event.content_index == last.content_index
                and event.summary_index == last.summary_index
                and event.command_index == last.command_index
                and not event.logprobs
                and not event.extra  # where a delta of another type is
            ):
                text.add(event.delta)
            else:
                self._text = self._make_update = None
                self._add(event)
            if event.sequence_number is not None:
                self.last_sequence_number = event.sequence_number
            if self._budget.left < 0:
                self._budget.raise_overrun()
        except BaseException as error:
            self._break_off(error)
            raise

    def _check(self, item: ResponseEvent, /) -> None:
        if not isinstance(item, ResponseEvent):
            raise TypeError(
                f"add() takes a ResponseEvent, not {type(item).__name__}: ResponseParser parses "
                "bytes into events"
            )

    def _make_tracker(self) -> UpdateTracker:
        from ._updates import UpdateTracker  # noqa: PLC0415 - most programs need none

        return UpdateTracker()

    def _add_tracked(self, item: ResponseEvent, tracker: UpdateTracker, /) -> list[Update]:
        # The fast path of add() doesn't report its changes; the slow path makes another update.
        make, self._make_update = self._make_update, None
        if make is None:
            self._text = None
        self.add(item)
        if make is None or self._text is None or self._make_update is not None:
            return tracker.pop_updates()
        self._make_update = make
        return [make(item.delta)] if isinstance(item, DeltaEvent) and item.delta else []

    def _add(self, event: ResponseEvent) -> None:
        self._notes.add_ignored_values(event)
        if type(event) is DeltaEvent:
            self._add_delta(event)
        elif type(event) is LifecycleEvent:
            self._add_response(event)
        elif type(event) is ErrorEvent:
            self._failure = find_error(event.type, event.to_dict())
        elif not self._is_finished:
            # What follows the terminal event doesn't belong to the response.
            self._output.add(event, self._active_tracker)

    @property
    def _output(self) -> OutputState:
        if self._streamed is None:
            self._streamed = OutputState(self._budget, self._max_items, self._notes)
        return self._streamed

    def _add_delta(self, event: DeltaEvent) -> None:
        target, tracker = DELTAS.get(event.type), self._active_tracker
        if target is None or self._is_finished:
            return
        if not target.item_type:
            self._add_audio(target, event.delta)
            return
        added = self._output.add_delta(event, target, tracker)
        if added is None or event.logprobs:
            return
        state, text = added
        if tracker is not None:
            self._make_update = tracker.find_delta(state, target)
        if tracker is None or self._make_update is not None:
            self._text, self._last = text, event

    def _add_audio(self, target: Target, delta: str) -> None:
        self._audio = self._audio or {}
        text = self._audio.setdefault(target.field, GrowingText(self._budget))
        text.add(delta)
        if self._active_tracker is not None and target.kind is not None:
            self._active_tracker.add_transcript(text, delta)

    def _add_response(self, event: LifecycleEvent) -> None:
        head, response, is_end = self._head, event.response, is_terminal(event)
        if response is None:
            if self._is_finished:
                return
            status = status_of(event)
            if head is not None and not is_end:
                self._budget.replace(head.status, status)
                self._head = replace(head, status=status)
                return
            response = replace(head or Response(output=[]), status=status)
        if head is not None and self._is_another(event, response, head):
            self._restart(head)
        elif self._is_finished and not is_end:
            return
        elif head is not None:
            response = response.with_head(head)
        last = len(response.output) - 1
        check_count("items", "output items", self._max_items, last, last)
        if is_end and response.status in UNFINISHED:
            # The type of the event says that the response ended.
            if response.status is not None:
                self._notes.add(NoteKind.VALUE_IGNORED, "status")
            response = replace(response, status=status_of(event))
        self._budget.replace(self._head, response)
        self._head = response
        if is_end:
            self._finish(event, response)
        elif response.output and not self._output.states:
            for index, item in enumerate(response.output):
                self._output.announce(index, item, self._active_tracker)

    def _is_another(self, event: LifecycleEvent, response: Response, head: Response) -> bool:
        """Return whether a response isn't the one before it; some servers change its id."""
        is_start = event.type == "response.created"
        if response.id is None:
            return is_start and self._is_finished
        return response.id != head.id and (is_start or self._is_finished)

    def _restart(self, head: Response) -> None:
        self._begin()
        self._notes.add(NoteKind.RESTARTED, head.id or "")
        if self._active_tracker is not None:
            self._active_tracker.restart()

    def _finish(self, event: LifecycleEvent, response: Response) -> None:
        self._is_finished = True
        if response.status == _FAILED or event.type.endswith(_FAILED):
            self._failure = find_error(event.type, event.to_dict())
        if response.output:
            response = self._finish_output(response)
        if self._active_tracker is not None and self._failure is None:
            self._active_tracker.finish(response)

    def _finish_output(self, response: Response) -> Response:
        """Complete the output of the terminal event by what was streamed before it."""
        output = self._output.complete(response.output, self._active_tracker)
        if len(output) > len(response.output) or not all(map(is_, output, response.output)):
            self._notes.add(NoteKind.VALUE_KEPT, "output")
            self._head = response = replace(response, output=output)
        # The response has all items: those streamed before it are no longer needed.
        self._budget = Budget(self._max_bytes)
        self._budget.charge(response)
        self._streamed = None
        return response

    @property
    def id(self) -> str | None:
        """The id of the response, or None."""
        return None if self._head is None else self._head.id

    @property
    def model(self) -> str | None:
        """The model of the response, or None."""
        return None if self._head is None else self._head.model

    @property
    def usage(self) -> ResponseUsage | None:
        """The token counts that the server sent; None if it sent none so far."""
        return None if self._head is None else self._head.usage

    @property
    def finished(self) -> bool:
        """Whether the terminal event was added."""
        return self._is_finished

    @property
    @breaking
    def text(self) -> str:
        """The text of all messages so far, joined; "" if there is none."""
        return "".join(item.text for item in self._items() if item.type == "message")

    @breaking
    def json_arguments(self, call: int = 0) -> PartialJSON:
        """
        Return the parser of a tool call's arguments as partial JSON.

        The first call parses the arguments received so far; new ones are parsed as they are added.

        Args:
            call: The position in `tool_calls`.

        Returns:
            The parser of the arguments; a new one if there is no such call yet.
        """
        if self._streamed is None and self._is_finished:
            output = OutputState(Budget(None), None, self._notes)
            for item in self._items():
                output.begin(None, item)
            self._streamed = output
        return self._output.json_arguments(call)

    def _items(self) -> list[OutputItem]:
        if self._is_finished and self._head is not None and self._head.output:
            return self._head.output
        return [state.result() for state in self._output.states]

    @breaking
    def snapshot(self) -> Response:
        """
        Return the response so far.

        Adding events doesn't change the snapshot. Don't modify its innermost values: they can be
        shared with the events.
        """
        response = self._head or Response(output=[])
        output, notes = self._items(), [*self._notes]
        if self._is_finished and output and not response.output:
            notes.append(Note(NoteKind.OUTPUT_ASSEMBLED))
        extra = response.extra
        if output is not response.output:
            extra = {name: value for name, value in extra.items() if name != "output"}
        if self._audio is not None:
            extra = {"audio": {name: each.value for name, each in self._audio.items()}, **extra}
        return replace(response, output=output, extra=extra, notes=tuple(notes))

    def result(self, end: End | None = None) -> Response:
        """
        Return the response if its terminal event was added.

        Args:
            end: How the stream ended: the `end` of its parser, for the error.

        Raises:
            ServerSentError: The response failed. `partial` is the response.
            IncompleteStream: There was no terminal event. `partial` has the response so far, as
                returned by `snapshot()`.
            SSEError: An earlier call raised it, or was interrupted (`BrokenStage`).
        """
        error = self.error or self._failure
        if error is None and self._is_finished:
            return self.snapshot()
        error = error or self._missing(end)
        error.partial = self.snapshot()
        raise error.with_traceback(None)

    @property
    def _is_empty(self) -> bool:
        return self._head is None and self._audio is None and not self._items()

    def _missing(self, end: End | None) -> IncompleteStream:
        return (
            unfinished("No terminal event was added")
            if end is None
            else incomplete(end, is_other=self._is_empty)
        )
