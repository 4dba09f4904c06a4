"""Events of a message as a moderation gate returns them."""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec.structs import replace

from ..payloads._gated import Outlet, Withheld
from ..payloads._model import Kind
from ._events import (
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    ContentBlockStopEvent,
    MessageDelta,
    MessageDeltaEvent,
    MessageEvent,
    MessageStartEvent,
    MessageStopEvent,
)
from ._results import MessageUsage


class MessageOutlet(Outlet):
    """
    Outlet that leaves no gap where a block was withheld, and ends a stopped message as a refusal.

    A stopped message gets its end when the server sends it, with the token counts.
    """

    def __init__(self, kinds: Container[Kind]) -> None:
        super().__init__(kinds)
        self._open: set[int] = set()  # received indexes
        self._withheld = Withheld()
        self._usage: MessageUsage | None = None
        self._has_end = True  # whether a stopped message has its stop reason
        self._is_stopped = False

    def add(self, item: MessageEvent, /) -> Sequence[MessageEvent]:
        match item:
            case MessageStartEvent():
                self._open.clear()
                self._withheld.clear()
                self._usage = item.usage
            case ContentBlockStartEvent() | ContentBlockDeltaEvent():
                self._open.add(item.index)
                return [self._numbered(item)]
            case ContentBlockStopEvent():
                return self._stop_block(item)
            case MessageDeltaEvent() if self._is_stopped:
                return [self._end(item.usage)]
            case MessageStopEvent():
                return [*self.close(), item]
            case _:
                pass
        return [item]

    def withhold(self, item: MessageEvent, /) -> None:
        if isinstance(item, ContentBlockStartEvent):
            self._withheld.add(item.index)

    def stop(self, _choice: int, _template: MessageEvent, /) -> Sequence[MessageEvent]:
        self._is_stopped, self._has_end = True, False
        kind = "content_block_stop"
        stops = [ContentBlockStopEvent(type=kind, index=index) for index in sorted(self._open)]
        return [stop for each in stops for stop in self._stop_block(each)]

    def close(self) -> Sequence[MessageEvent]:
        return [] if self._has_end else [self._end(None)]

    def _end(self, usage: MessageUsage | None) -> MessageDeltaEvent:
        self._has_end = True
        end = MessageDelta(stop_reason="refusal")
        return MessageDeltaEvent(type="message_delta", delta=end, usage=usage or self._usage)

    def _stop_block(self, item: ContentBlockStopEvent) -> list[MessageEvent]:
        if item.index not in self._open and item.index in self._withheld:
            return []
        self._open.discard(item.index)
        return [self._numbered(item)]

    def _numbered(
        self, item: ContentBlockStartEvent | ContentBlockDeltaEvent | ContentBlockStopEvent
    ) -> MessageEvent:
        index = self._withheld.place(item.index)
        return item if index == item.index else replace(item, index=index)
