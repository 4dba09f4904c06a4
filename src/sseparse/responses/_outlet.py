"""Events of a response as a moderation gate returns them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec.structs import replace

from ..payloads._gated import Outlet, Withheld
from ..payloads._model import Kind
from ._accumulator import ResponseAccumulator
from ._encode import item_events
from ._events import (
    ContentPartEvent,
    DoneEvent,
    ItemEvent,
    LifecycleEvent,
    OutputItemEvent,
    PartEvent,
    ResponseEvent,
    is_terminal,
)
from ._gated import item_kind, part_kind
from ._results import OutputItem, Response, ResponseUsage


class ResponseOutlet(Outlet):
    """
    Outlet that leaves no gap where an item was withheld, and ends a stopped response as incomplete.

    A stopped response has what was released. It gets its end when the server sends it, with the
    token counts.
    """

    def __init__(self, kinds: Container[Kind]) -> None:
        super().__init__(kinds)
        # What is released was received within the limits of the stream.
        self._accumulator = ResponseAccumulator(max_items=None, max_accumulated_bytes=None)
        self._open: dict[int, set[object]] = {}  # the ends that were sent of each open item
        self._seen: set[int] = set()  # received indexes
        self._withheld = Withheld()
        self._parts: dict[int, Withheld] = {}  # of each item, those of its content
        self._stopped: Response | None = None
        self._number: int | None = None
        self._has_end = True  # whether a stopped response has its terminal event

    def add(self, item: ResponseEvent, /) -> Sequence[ResponseEvent]:
        if self._stopped is not None:
            is_end = isinstance(item, LifecycleEvent) and is_terminal(item)
            return [self._end(item.usage) if is_end else item]
        if isinstance(item, OutputItemEvent | ItemEvent):
            index = item.output_index or 0
            if index in self._withheld and index not in self._open:
                return []
            item = self._placed(item, index)
            self._track(item, index)
        elif isinstance(item, LifecycleEvent):
            item = self._without_withheld(item)
            if item.type == "response.created":
                self._open.clear()
                self._seen.clear()
                self._withheld.clear()
                self._parts.clear()
        self._accumulator.add(item)
        return [item]

    def withhold(self, item: ResponseEvent, /) -> None:
        if isinstance(item, OutputItemEvent):
            self._withheld.add(item.output_index or 0)
        elif isinstance(item, ContentPartEvent) and item.parts == "content":
            parts = self._parts.setdefault(item.output_index or 0, Withheld())
            parts.add(item.content_index or 0)

    def stop(self, _choice: int, _template: ResponseEvent, /) -> Sequence[ResponseEvent]:
        response = self._accumulator.snapshot()
        self._number = self._accumulator.last_sequence_number
        output = [*response.output]
        events: list[ResponseEvent] = []
        for at, (index, item) in enumerate(zip(sorted(self._seen), response.output, strict=False)):
            sent = self._open.get(index)
            if sent is not None:
                output[at] = ended = replace(item, status=item.status and "incomplete")
                place = self._withheld.place(index)
                ends = [each for each in item_events(place, ended) if each.type.endswith(".done")]
                events += [self._numbered(each) for each in ends if _end_of(each) not in sent]
        details = {"reason": "content_filter"}
        self._stopped = replace(
            response, status="incomplete", output=output, incomplete_details=details, notes=()
        )
        self._has_end = False
        return events

    def close(self) -> Sequence[ResponseEvent]:
        return [] if self._has_end else [self._end(None)]

    def _end(self, usage: ResponseUsage | None) -> ResponseEvent:
        self._has_end = True
        response = self._stopped
        if response is not None and usage is not None:
            response = replace(response, usage=usage)
        return self._numbered(LifecycleEvent(type="response.incomplete", response=response))

    def _numbered(self, event: ResponseEvent) -> ResponseEvent:
        if self._number is not None:
            self._number += 1
        return replace(event, sequence_number=self._number)

    def _track(self, item: OutputItemEvent | ItemEvent, index: int) -> None:
        self._seen.add(index)
        if isinstance(item, OutputItemEvent):
            if item.type.endswith(".added"):
                self._open[index] = set()
            else:
                self._open.pop(index, None)
        elif index in self._open and item.type.endswith(".done"):
            self._open[index].add(_end_of(item))

    def _placed(self, item: OutputItemEvent | ItemEvent, index: int) -> OutputItemEvent | ItemEvent:
        """Return an event without withheld parts and the gaps that they leave."""
        place = self._withheld.place(index)
        if isinstance(item, OutputItemEvent) and item.item is not None:
            item = replace(item, item=self._without_parts(item.item))
        if isinstance(item, PartEvent) and item.content_index and index in self._parts:
            item = replace(item, content_index=self._parts[index].place(item.content_index))
        return item if place == index else replace(item, output_index=place)

    def _without_parts(self, item: OutputItem) -> OutputItem:
        parts = item.content
        kept = [part for part in parts or () if (kind := part_kind(part)) and kind in self._kinds]
        return item if parts is None or len(kept) == len(parts) else replace(item, content=kept)

    def _is_released(self, item: OutputItem) -> bool:
        kind = item_kind(item)
        return kind is None or kind in self._kinds

    def _without_withheld(self, event: LifecycleEvent) -> LifecycleEvent:
        response = event.response
        if response is None or not response.output:
            return event
        kept = [
            self._without_parts(item)
            for at, item in enumerate(response.output)
            if at not in self._withheld and self._is_released(item)
        ]
        return replace(event, response=replace(response, output=kept))


def _end_of(event: ResponseEvent) -> object:
    """Return what identifies the end of a text or a part among those of its item."""
    if isinstance(event, DoneEvent | ContentPartEvent):
        return event.type, event.content_index, event.summary_index, event.command_index
    return None
