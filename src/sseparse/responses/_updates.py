"""Updates that describe what each event changed in a response."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, Final

from ..payloads._growing import GrowingText
from ..payloads._model import Kind
from ..payloads._partial_json import JSONFault
from ..payloads._updates import (
    TEXT_UPDATES,
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    UpdateRecorder,
    UsageReported,
    decode_arguments,
)
from ._items import ItemState, rest_of
from ._results import OutputItem, Response, ResponseUsage
from ._targets import Target

Update = (
    ContentDelta
    | ContentDone
    | ReasoningDelta
    | ReasoningDone
    | RefusalDelta
    | RefusalDone
    | TranscriptDelta
    | TranscriptDone
    | LogprobsDelta[list[dict[str, Any]]]
    | ToolCallStarted
    | ArgumentsDelta
    | ToolCallDone
    | ChoiceFinished
    | UsageReported[ResponseUsage]
)
"""Any of the updates above: what `updates()` returns."""

_ITEM_TEXTS: Final[tuple[Kind, ...]] = ("content", "reasoning", "refusal")


class ItemTracker:
    """
    What was reported of an item.

    Attributes:
        state: The item.
        open: The kinds of text of which pieces were reported, but not the end.
        reasoning: The list of parts of which the reasoning is reported: the one that had text
            first.
        call: Position among the tool calls; None for other items, and before the call is reported.
        is_call_done: Whether the end of the call was reported.
    """

    __slots__ = ("call", "is_call_done", "open", "reasoning", "state")

    def __init__(self, state: ItemState) -> None:
        self.state = state
        self.open: dict[Kind, None] = {}
        self.reasoning = ""
        self.call: int | None = None
        self.is_call_done = False

    def text_of(self, item: OutputItem | None, kind: Kind) -> str:
        """Return the text of a kind in this item as it was or is."""
        if item is None:
            return ""
        if kind == "reasoning":
            if item.type != "reasoning":
                return ""
            name = self.reasoning or ("content" if item.content else "summary")
            text = "".join(part.text or "" for part in getattr(item, name) or ())
            self.reasoning = name if text else self.reasoning
            return text
        return item.text if kind == "content" else item.refusal


class UpdateTracker(UpdateRecorder[Update, ResponseUsage]):
    """Updates of a response that weren't returned yet."""

    def __init__(self) -> None:
        super().__init__()
        self.restart()

    def restart(self) -> None:
        """Forget the response: another one begins."""
        self._trackers: dict[ItemState, ItemTracker] = {}
        self._calls = 0
        self._is_finished = False
        self._transcript: GrowingText | None = None  # unless its end was reported

    def _track(self, state: ItemState) -> ItemTracker:
        tracker = self._trackers.get(state)
        if tracker is None:
            tracker = self._trackers[state] = ItemTracker(state)
        return tracker

    def add_text(self, state: ItemState, target: Target, text: str) -> None:
        """Record new text of an item."""
        tracker, kind = self._track(state), target.kind or "content"
        if kind == "arguments":
            self._add_arguments(tracker, text)
            return
        if kind == "reasoning":
            tracker.reasoning = tracker.reasoning or target.parts
            if tracker.reasoning != target.parts:
                return  # the same reasoning under another name
        self._add_piece(tracker, kind, text)

    def find_delta(self, state: ItemState, target: Target) -> Callable[[str], Update] | None:
        """Return what makes the update of a delta of an open text; None if more is to be done."""
        tracker, kind = self._track(state), target.kind
        if kind == "arguments" and tracker.call is not None and state.item.tool_call() is not None:
            return partial(_arguments_delta, state, tracker.call)
        is_other = kind == "reasoning" and tracker.reasoning != target.parts
        if kind is None or kind not in tracker.open or is_other:
            return None
        kind_of_update, place = TEXT_UPDATES[kind][0], state.place
        return lambda text: kind_of_update(0, text, place)

    def add_logprobs(self, logprobs: list[dict[str, Any]]) -> None:
        self._updates.append(LogprobsDelta(0, logprobs))

    def add_transcript(self, transcript: GrowingText, text: str) -> None:
        """Record new text of the transcript."""
        if text:
            self._transcript = transcript
            self._updates.append(TranscriptDelta(0, text))

    def _add_piece(self, tracker: ItemTracker, kind: Kind, text: str) -> None:
        if text:
            tracker.open[kind] = None
            self._updates.append(TEXT_UPDATES[kind][0](0, text, tracker.state.place))

    def add_item(self, state: ItemState, before: OutputItem | None) -> None:
        """Record an item as an event has it; what deltas didn't bring is new text."""
        tracker, item = self._track(state), state.result()
        began_again = not state.is_done and before is not None and item.tool_call() is None
        if tracker.call is not None and before is not None and began_again:
            self._end_call(tracker, before)
        for kind in _ITEM_TEXTS:
            old = tracker.text_of(before, kind)
            self._add_piece(tracker, kind, rest_of(old, tracker.text_of(item, kind)))
        if item.tool_call() is not None:
            self._add_arguments(tracker, rest_of(_arguments_of(before), _arguments_of(item)))
        if state.is_done:
            self._end(tracker, item, before)

    def _add_arguments(self, tracker: ItemTracker, text: str) -> None:
        call = tracker.state.item.tool_call()
        if call is None or (tracker.call is None and not call.name):
            return  # the arguments are reported once the name is known
        if tracker.call is None:
            self._start(tracker, tracker.state.result())
        elif text:
            self._updates.append(_arguments_delta(tracker.state, tracker.call, text))

    def _start(self, tracker: ItemTracker, item: OutputItem) -> None:
        """Report a call, with the arguments received so far."""
        call = tracker.call = self._calls
        self._calls += 1
        self._updates.append(ToolCallStarted(*_identify(tracker, item), tracker.state.place))
        if text := _arguments_of(item):
            self._updates.append(_arguments_delta(tracker.state, call, text))

    def _end(
        self, tracker: ItemTracker, item: OutputItem, before: OutputItem | None = None
    ) -> None:
        """Report the end of an item's texts, and of its call."""
        for kind in tracker.open:
            # A complete item without the text that was streamed doesn't take it back.
            text = tracker.text_of(item, kind) or tracker.text_of(before, kind)
            self._updates.append(TEXT_UPDATES[kind][1](0, text, tracker.state.place))
        tracker.open.clear()
        self._end_call(tracker, item)

    def _end_call(self, tracker: ItemTracker, item: OutputItem) -> None:
        call = item.tool_call()
        if call is None or tracker.is_call_done:
            return
        if tracker.call is None:
            self._start(tracker, item)
        tracker.is_call_done = True
        value, fault = _decode(item, call.arguments)
        self._updates.append(
            ToolCallDone(
                *_identify(tracker, item), call.arguments, value, fault, tracker.state.place
            )
        )

    def finish(self, response: Response) -> None:
        """Record the terminal event, after the items that it has."""
        if self._is_finished:
            return
        self.close()
        self._is_finished = True
        reason = response.incomplete_reason or response.status or "completed"
        self._updates.append(ChoiceFinished(0, reason))
        if response.usage is not None:
            self._updates.append(UsageReported(response.usage))

    def close(self) -> None:
        """End all items, and the transcript."""
        for tracker in sorted(self._trackers.values(), key=attrgetter("state.place")):
            self._end(tracker, tracker.state.result())
        if self._transcript is not None:
            self._updates.append(TranscriptDone(0, self._transcript.value or ""))
            self._transcript = None


def _arguments_delta(state: ItemState, call: int, text: str) -> ArgumentsDelta:
    # The value is decoded as the text grows; a complete one is decoded at its end.
    value = None if state.item.type == "custom_tool_call" else state.arguments.value
    return ArgumentsDelta(0, call, text, value, state.place)


def _arguments_of(item: OutputItem | None) -> str:
    call = None if item is None else item.tool_call()
    return "" if call is None else call.arguments


def _identify(tracker: ItemTracker, item: OutputItem) -> tuple[int, int | None, Any, str, str]:
    kind = "custom" if item.type == "custom_tool_call" else "function"
    return 0, tracker.call, item.call_id, item.name or "", kind


def _decode(item: OutputItem, text: str) -> tuple[Any, JSONFault | None]:
    if item.type == "custom_tool_call":
        is_truncated = item.status == "incomplete"
        return None, JSONFault(len(text), "the input is truncated") if is_truncated else None
    return decode_arguments(text)
