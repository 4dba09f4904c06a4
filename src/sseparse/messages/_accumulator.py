"""Accumulator of events, which builds the message that they stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec.structs import replace

from .._end import End, EndCause
from .._errors import IncompleteStream, count
from .._json import is_object
from .._options import check_number
from .._stage import breaking
from ..payloads._accumulator import ResultAccumulator
from ..payloads._growing import (
    MAX_ACCUMULATED,
    MAX_ITEMS,
    Budget,
    GrowingText,
    check_count,
    no_json,
    unknown_fields,
)
from ..payloads._results import Note, NoteRecorder
from ._blocks import INPUT, BlockState, assumed_block
from ._errors import incomplete
from ._events import (
    INPUT_DELTA,
    TEXT_DELTA,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    ContentBlockStopEvent,
    MessageDeltaEvent,
    MessageEvent,
    MessageStartEvent,
    MessageStopEvent,
    is_other,
)
from ._results import CALLS, TOOL_USE, ContentBlock, Message, MessageUsage, NoteKind, empty_message
from ._usage import UsageState, keep_field

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON
    from ._updates import Update, UpdateTracker
else:
    Update: TypeAlias = Any  # most programs do without updates

# The fields of a message that the events after its start can change.
_CHANGING: Final = ("stop_reason", "stop_sequence", "stop_details", "container")


class MessageAccumulator(ResultAccumulator[MessageEvent, Message, Update]):
    """
    Accumulator of events: builds the message that the non-streaming API would have returned.

    Blocks are identified by their index. Token counts are replaced, never added up; a stop reason
    is never invented. A tool's `input` is set from complete JSON only. The time is linear in the
    size of the events.

    Args:
        max_items: Maximum number of blocks; None for no limit. Default: 16,384.
        max_accumulated_bytes: Maximum size of the accumulated data, approximately in bytes of
            memory; None for no limit. Default: 512 MiB.

    Raises:
        ValueError: A limit isn't a valid number.
    """

    _active_tracker: UpdateTracker | None

    def __init__(
        self,
        *,
        max_items: int | None = MAX_ITEMS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
    ) -> None:
        super().__init__(max_accumulated_bytes)
        check_number("max_items", max_items)
        self._max_items = max_items
        self._events_seen = 0
        self._is_stopped = False  # whether the server sent the end of the message
        self._notes = NoteRecorder(NoteKind.VALUE_IGNORED)
        self._clear()

    def _clear(self) -> None:
        self._budget = Budget(self._max_bytes)
        self._head: Message | None = None
        self._extra: dict[str, Any] = {}
        self._usage: UsageState | None = None
        # By index, of which several blocks can have the same one: the latest.
        self._blocks: dict[int, BlockState] = {}
        # All, in the order of the result: by index, and behind them those that share an index.
        self._order: dict[tuple[int, int], BlockState] = {}
        self._round = 0
        self._next_index = 0
        self._calls = 0
        self._last: BlockState | None = None
        # The open blocks that the fast path of add() can append to, by index: the type of their
        # deltas, the block, and the text or input that grows.
        self._growing: dict[int, tuple[str, BlockState, GrowingText]] = {}

    def add(self, event: MessageEvent) -> None:
        """
        Add an event.

        Args:
            event: The next event of the stream. An accumulator serves one stream.

        Raises:
            TypeError: `event` isn't an event of a message.
            LimitExceeded: The event exceeds a limit; `partial` has the message so far. Later calls
                raise the same error.
        """
        if self.stopped:
            self._raise_error()
        # The class first: isinstance() goes through msgspec's metaclass.
        if type(event) is not ContentBlockDeltaEvent:
            self._check(event)
        try:
            self._events_seen += 1
            if type(event) is not ContentBlockDeltaEvent:
                self._add_event(event)
            else:
                # Fast path: only text, or a piece of an input, for an open block.
                delta, grown = event.delta, self._growing.get(event.index)
                if grown is None or delta.type != grown[0] or delta.extra or event.absent:
                    self._add_delta(event)
                else:
                    kind, state, text = grown
                    text.add((delta.text if kind == TEXT_DELTA else delta.partial_json) or "")
                    if self._active_tracker is not None:
                        self._active_tracker.add(state, delta)
            if self._budget.left < 0:
                self._budget.raise_overrun()
        except BaseException as error:
            self._break_off(error)
            raise

    def _check(self, item: MessageEvent, /) -> None:
        if not isinstance(item, MessageEvent):
            raise TypeError(
                f"add() takes a MessageEvent, not {type(item).__name__}: MessageParser parses "
                "bytes into events"
            )

    def _make_tracker(self) -> UpdateTracker:
        from ._updates import UpdateTracker  # noqa: PLC0415 - most programs need none

        return UpdateTracker()

    def _add_event(self, event: MessageEvent) -> None:
        match event:
            case MessageStartEvent():
                self._start(event)
            case ContentBlockStartEvent():
                self._start_block(event)
            case ContentBlockStopEvent():
                self._stop_block(event)
            case MessageDeltaEvent():
                self._change(event)
            case MessageStopEvent():
                self._stop_message(event)
            case _:
                pass  # pings, and events of types that are new
        self._notes.add_ignored_values(event)

    def _start(self, event: MessageStartEvent) -> None:
        message, head = event.message, self._head
        if head is not None and not is_other(head.id, message.id):
            self._notes.add(NoteKind.MESSAGE_REPEATED)
            head.id = head.id or message.id
            return
        if head is not None:
            self._clear()
            self._is_stopped = False
            self._notes = NoteRecorder(NoteKind.VALUE_IGNORED)
            self._notes.add(NoteKind.RESTARTED, head.id or "")
            if self._active_tracker is not None:
                self._active_tracker.restart()
        self._budget.charge(message)
        self._notes.add_ignored_values(message)
        self._head = replace(message, content=[], usage=None, absent=(), extra={})
        self._extra = {**unknown_fields(message)}
        for index, block in enumerate(message.content):
            self._end_block(self._begin(block, index))
        if message.usage is not None:
            self._add_usage(message.usage)
        if message.stop_reason and self._active_tracker is not None:
            self._active_tracker.finish(message.stop_reason)

    def _start_block(self, event: ContentBlockStartEvent) -> None:
        if not self._has_begun(event):
            return
        if "content_block" in event.absent:
            self._notes.add(NoteKind.VALUE_IGNORED, "content_block")
            return
        index = self._next_index if "index" in event.absent else event.index
        known = self._blocks.get(index)
        if known is not None and not known.stopped and known.start == event.content_block:
            known.notes.add(NoteKind.BLOCK_REPEATED)
            return
        state = self._begin(event.content_block, index)
        if "index" in event.absent:
            state.notes.add(NoteKind.INDEX_ASSUMED)
        if known is not None:
            state.notes.add(NoteKind.INDEX_SHARED)

    def _begin(self, block: ContentBlock, index: int) -> BlockState:
        """Begin a block, behind all others if its index is in use."""
        place = len(self._order)
        check_count("items", "blocks", self._max_items, place)
        self._round += (self._round, index) in self._order
        call = None
        if block.type == TOOL_USE:
            call, self._calls = self._calls, self._calls + 1
        state = BlockState(block, index, place, call, self._budget)
        self._order[self._round, index] = self._blocks[index] = self._last = state
        self._next_index = max(self._next_index, index + 1)
        self._growing.pop(index, None)
        if block.type == "fallback" and self._head is not None:
            self._change_model(self._head, block)
        if self._active_tracker is not None:
            self._active_tracker.begin(state)
        if block.type == "text":
            self._growing[index] = TEXT_DELTA, state, state.text("text")
        elif block.type in CALLS:
            self._growing[index] = INPUT_DELTA, state, state.text(INPUT)
        return state

    def _change_model(self, head: Message, block: ContentBlock) -> None:
        """Record that another model continues the message."""
        target = block.extra.get("to")
        model = target.get("model") if is_object(target) else target
        if isinstance(model, str) and model != head.model:
            self._notes.add(NoteKind.MODEL_CHANGED, head.model or "")
            head.model = model

    def _add_delta(self, event: ContentBlockDeltaEvent) -> None:
        if not self._has_begun(event):
            return
        self._notes.add_ignored_values(event)
        known = self._find(event)
        state = known and known.find(event.delta)
        if state is None:
            if not event.delta.type:
                return
            # Without a block, or text between the pieces of a call.
            state = self._assume(event, known)
        state.add(event.delta)
        if self._active_tracker is not None:
            self._active_tracker.add(state, event.delta)

    def _assume(self, event: ContentBlockDeltaEvent, outer: BlockState | None) -> BlockState:
        """Begin the block of a delta that has none, or that belongs to a block of another type."""
        index = event.index if outer is None else outer.index
        state = self._begin(assumed_block(event.delta), index)
        state.notes.add(NoteKind.BLOCK_ASSUMED)
        if outer is not None:
            outer.others.append(state)
            self._blocks[index] = self._last = outer
        return state

    def _find(self, event: ContentBlockDeltaEvent | ContentBlockStopEvent) -> BlockState | None:
        """Return the block that an event belongs to; None if it never began."""
        if "index" not in event.absent or self._last is None:
            return self._blocks.get(event.index)
        self._last.notes.add(NoteKind.INDEX_ASSUMED)
        return self._last

    def _stop_block(self, event: ContentBlockStopEvent) -> None:
        state = self._find(event) if self._has_begun(event) else None
        if state is not None:
            self._end_block(state)

    def _end_block(self, state: BlockState) -> None:
        self._growing.pop(state.index, None)
        for each in (state, *state.others):
            each.stopped = True
            if self._active_tracker is not None:
                self._active_tracker.end(each)

    def _has_begun(self, event: MessageEvent) -> bool:
        """Return whether the message began; else the event isn't part of it."""
        if self._head is None:
            self._notes.add(NoteKind.BEFORE_MESSAGE, event.type)
        return self._head is not None

    def _change(self, event: MessageDeltaEvent) -> None:
        if not self._has_begun(event):
            return
        delta = event.delta
        for name in _CHANGING:
            self._change_head(name, getattr(delta, name))
        self._change_head("context_management", event.context_management)
        self._notes.add_ignored_values(delta)
        for model in (delta, event):
            self._keep(unknown_fields(model))
        if event.usage is not None:
            self._add_usage(event.usage)
        if delta.stop_reason and self._active_tracker is not None:
            self._active_tracker.finish(delta.stop_reason)

    def _change_head(self, name: str, value: Any) -> None:
        if value is not None:
            self._budget.replace(getattr(self._head, name), value)
            setattr(self._head, name, value)

    def _keep(self, fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            if name in Message.wire_fields():
                self._notes.add(NoteKind.VALUE_IGNORED, name)
                continue
            keep_field(self._extra, name, value, self._budget)

    def _add_usage(self, usage: MessageUsage) -> None:
        self._notes.add_ignored_values(usage)
        self._usage = self._usage or UsageState(self._budget)
        self._usage.add(usage)

    def _stop_message(self, event: MessageStopEvent) -> None:
        if self._has_begun(event):
            self._is_stopped = True
            # Bedrock sends its measurements here.
            self._keep(unknown_fields(event))

    @property
    def id(self) -> str | None:
        """The id of the message, or None."""
        return None if self._head is None else self._head.id

    @property
    def model(self) -> str | None:
        """The model of the message, or None."""
        return None if self._head is None else self._head.model

    @property
    @breaking
    def text(self) -> str:
        """The text of all text blocks so far, joined; "" if there is none."""
        states = (self._order[key] for key in sorted(self._order))
        return "".join([each.full_text("text") for each in states if each.start.type == "text"])

    @property
    def finished(self) -> bool:
        """Whether the message has its stop reason, or the server sent its end."""
        return self._head is not None and (self._is_stopped or bool(self._head.stop_reason))

    @property
    def usage(self) -> MessageUsage | None:
        """The latest value of each token count that the server sent; None if it sent none."""
        return None if self._usage is None else self._usage.result()

    @breaking
    def json_input(self, block: int) -> PartialJSON:
        """
        Return the parser of a tool's input as partial JSON.

        The first call parses the input received so far; new pieces are parsed as they are added.

        Args:
            block: The index of the block, as its events have it.

        Returns:
            The parser of the input; a new one if there is no such block, or it has no input.
        """
        state = self._blocks.get(block)
        return state.text(INPUT).json if state is not None and state.has_input else no_json()

    @breaking
    def snapshot(self) -> Message:
        """
        Return the message so far.

        Adding events doesn't change the snapshot. Don't modify its innermost values (inputs, token
        counts, unknown fields): they can be shared with the events and with later snapshots.
        """
        states = [self._order[key] for key in sorted(self._order)]
        return replace(
            self._head or empty_message(),
            content=[state.result() for state in states],
            usage=self.usage,
            extra={**self._extra},
            notes=tuple(self._all_notes(states)),
        )

    def _all_notes(self, states: list[BlockState]) -> Iterator[Note]:
        yield from self._notes
        if self._usage is not None and self._usage.is_truncated:
            yield Note(NoteKind.VALUE_IGNORED, detail="usage")
        reason = None if self._head is None else self._head.stop_reason
        if reason == "end_turn" and any(each.start.type == TOOL_USE for each in states):
            yield Note(NoteKind.CALLS_UNANNOUNCED, detail=reason)
        for item, state in enumerate(states):
            yield from state.all_notes(item)

    @property
    def _is_empty(self) -> bool:
        return self._head is None

    def _missing(self, end: End | None) -> IncompleteStream:
        if end is not None:
            return incomplete(end)
        events = count(self._events_seen, "event")
        missing = "a stop_reason or message_stop" if self._head is not None else "message_start"
        return IncompleteStream(
            f"No {missing.replace(' or ', ' and no ').removeprefix('a ')} in {events}: pass the "
            "parser's `end` to result() to learn how the stream ended. What was accumulated is in "
            ".partial.",
            end=End(EndCause.INCOMPLETE, events_seen=self._events_seen),
        )
