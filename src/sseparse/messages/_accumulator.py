"""Accumulator of events, which builds the message that they stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec.structs import replace

from .._end import End
from .._errors import IncompleteStream, count
from .._json import is_object
from .._options import check_number
from .._stage import breaking
from ..payloads._accumulator import ResultAccumulator, unfinished
from ..payloads._growing import (
    MAX_ACCUMULATED,
    MAX_ITEMS,
    Budget,
    GrowingText,
    check_count,
    no_json,
    unknown_fields,
)
from ..payloads._model import Model
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
    OtherEvent,
    is_other,
)
from ._results import CALLS, TOOL_USE, ContentBlock, Message, MessageUsage, NoteKind, empty_message

if TYPE_CHECKING:
    from ..payloads._partial_json import PartialJSON
    from ._updates import Update, UpdateTracker
else:
    Update: TypeAlias = Any  # most programs do without updates


# The number of unknown fields of the token counts. They are copied for each event that has counts:
# without a limit, that would be quadratic.
_MAX_UNKNOWN: Final = 256


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
        self._begin()

    def _begin(self) -> None:
        self._budget = Budget(self._max_bytes)
        self._notes = NoteRecorder(NoteKind.VALUE_IGNORED)
        self._is_stopped = False  # whether the server sent the end of the message
        self._goes_on = False  # whether a block began after the last stop reason
        self._head: Message | None = None
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
        head = self._head
        match event:
            case MessageStartEvent():
                self._start(event, head)
            case _ if head is None:
                if not isinstance(event, OtherEvent):
                    self._notes.add(NoteKind.BEFORE_MESSAGE, event.type)
            case ContentBlockStartEvent():
                self._goes_on = True
                self._start_block(event)
            case ContentBlockStopEvent():
                state = self._find(event)
                if state is not None:
                    self._end_block(state)
            case MessageDeltaEvent():
                self._change(event, head)
            case MessageStopEvent():
                self._is_stopped = True
                # Bedrock sends its measurements here.
                self._keep(event, head)
            case _:
                pass  # pings, and events of types that are new
        self._notes.add_ignored_values(event)

    def _start(self, event: MessageStartEvent, head: Message | None) -> None:
        message = event.message
        if head is not None and not is_other(head.id, message.id):
            self._notes.add(NoteKind.MESSAGE_REPEATED)
            head.id = head.id or message.id
            return
        if head is not None:
            self._begin()
            self._notes.add(NoteKind.RESTARTED, head.id or "")
            if self._active_tracker is not None:
                self._active_tracker.restart()
        self._budget.charge(message)
        self._notes.add_ignored_values(message)
        extra = {**unknown_fields(message)}
        self._head = head = replace(message, content=[], usage=None, absent=(), extra=extra)
        for index, block in enumerate(message.content):
            self._end_block(self._begin_block(block, index))
        self._add_usage(message.usage, head)
        if message.stop_reason and self._active_tracker is not None:
            self._active_tracker.finish(message.stop_reason)

    def _start_block(self, event: ContentBlockStartEvent) -> None:
        if "content_block" in event.absent:
            self._notes.add(NoteKind.VALUE_IGNORED, "content_block")
            return
        index = self._next_index if "index" in event.absent else event.index
        known = self._blocks.get(index)
        if known is not None and not known.stopped and known.start == event.content_block:
            known.notes.add(NoteKind.BLOCK_REPEATED)
            return
        state = self._begin_block(event.content_block, index)
        if "index" in event.absent:
            state.notes.add(NoteKind.INDEX_ASSUMED)
        if known is not None:
            state.notes.add(NoteKind.INDEX_SHARED)

    def _begin_block(self, block: ContentBlock, index: int) -> BlockState:
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
        if self._head is None:
            self._notes.add(NoteKind.BEFORE_MESSAGE, event.type)
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
        state = self._begin_block(assumed_block(event.delta), index)
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

    def _end_block(self, state: BlockState) -> None:
        self._growing.pop(state.index, None)
        for each in (state, *state.others):
            each.stopped = True
            if self._active_tracker is not None:
                self._active_tracker.end(each)

    def _change(self, event: MessageDeltaEvent, head: Message) -> None:
        delta = event.delta
        fields = {name: getattr(delta, name) for name in delta.wire_fields()}
        fields["context_management"] = event.context_management
        for name, value in fields.items():
            if value is not None:
                self._budget.replace(getattr(head, name), value)
                setattr(head, name, value)
        self._notes.add_ignored_values(delta)
        self._keep(delta, head)
        self._keep(event, head)
        self._add_usage(event.usage, head)
        if delta.stop_reason:
            self._goes_on = False
            if self._active_tracker is not None:
                self._active_tracker.finish(delta.stop_reason)

    def _keep(self, model: Model, head: Message) -> None:
        """Keep the unknown fields of a model as those of the message."""
        for name, value in unknown_fields(model).items():
            if name in head.wire_fields():
                self._notes.add(NoteKind.VALUE_IGNORED, name)
            else:
                self._keep_field(head.extra, name, value)

    def _keep_field(self, fields: dict[str, Any], name: str, value: Any) -> None:
        """Keep the last value of an unknown field; null doesn't replace one."""
        if name not in fields:
            self._budget.charge(name)
        elif value is None:
            return
        self._budget.replace(fields.get(name), value)
        fields[name] = value

    def _add_usage(self, usage: MessageUsage | None, head: Message) -> None:
        """Replace the counts that an event has: they are cumulative."""
        if usage is None:
            return
        self._notes.add_ignored_values(usage)
        known = head.usage or MessageUsage()
        extra = {**known.extra}
        for name, value in unknown_fields(usage).items():
            if name in extra or len(extra) < _MAX_UNKNOWN:
                self._keep_field(extra, name, value)
            else:
                self._notes.add(NoteKind.VALUE_IGNORED, "usage")
        counts = {name: getattr(usage, name) for name in usage.wire_fields()}
        if known.input_tokens and _lacks_input(usage):
            self._notes.add(NoteKind.VALUE_IGNORED, "input_tokens")
            counts["input_tokens"] = None
        counts = {name: value for name, value in counts.items() if value is not None}
        for name, value in counts.items():
            self._budget.replace(getattr(known, name), value)
        # A new object, because snapshots share the one before it.
        head.usage = replace(known, **counts, extra=extra)

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
        texts = [each.full_text("text") for each in self._ordered() if each.start.type == "text"]
        return "".join(texts)

    @property
    def finished(self) -> bool:
        """
        Whether the message has its stop reason, or the server sent its end.

        A block after the stop reason means that the message goes on; an end without any content or
        stop reason completes nothing.
        """
        has_reason = self._head is not None and bool(self._head.stop_reason)
        is_stopped = self._is_stopped and bool(self._order)
        return is_stopped or (has_reason and not self._goes_on)

    @property
    def usage(self) -> MessageUsage | None:
        """The latest value of each token count that the server sent; None if it sent none."""
        return None if self._head is None else self._head.usage

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
        states, head = self._ordered(), self._head or empty_message()
        return replace(
            head,
            content=[state.result() for state in states],
            extra={**head.extra},
            notes=tuple(self._all_notes(states)),
        )

    def _ordered(self) -> list[BlockState]:
        return [self._order[key] for key in sorted(self._order)]

    def _all_notes(self, states: list[BlockState]) -> Iterator[Note]:
        yield from self._notes
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
        missing = "No message_start" if self._is_empty else "No stop_reason and no message_stop"
        events = count(self._events_seen, "event")
        return unfinished(f"{missing} in {events}", events_seen=self._events_seen)


def _lacks_input(usage: MessageUsage) -> bool:
    """
    Return whether an input count is 0 though no prompt is empty.

    Some gateways end a message so (envoyproxy/ai-gateway#1631). It can be 0 if all was cached.
    """
    cached = usage.cache_read_input_tokens or usage.cache_creation_input_tokens
    return usage.input_tokens == 0 and not cached
