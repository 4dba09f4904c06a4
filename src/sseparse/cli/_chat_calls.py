"""Tool calls as they form, one at a time."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from ..chunks import ArgumentsDelta, ToolCallDone, ToolCallStarted


@define
class _Call:
    place: int | None
    name: str
    pending: str = ""
    opened: bool = False
    done: bool = False

    def take(self) -> Iterator[str]:
        """Iterate what can be shown now and was not yet."""
        if not self.opened:
            self.opened = True
            yield f"{self.name}("
        if self.pending:
            yield self.pending
            self.pending = ""
        if self.done:
            yield ")\n"


class Calls:
    """
    Put tool calls into an order in which they can be shown while they grow.

    A call that begins before another one is whole is shown after that, and a call without a name
    once it has one.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def see(self, update: ToolCallStarted | ArgumentsDelta | ToolCallDone) -> Iterator[str]:
        """Take what is new of a call; iterate what can be shown."""
        match update:
            case ToolCallStarted():
                self._calls.append(_Call(update.call, update.name))
            case ArgumentsDelta():
                for call in self._at(update.call):
                    call.pending += update.text
            case _:
                for call in self._at(update.call):
                    call.name, call.done = update.name, True
        return self._advance()

    def _at(self, place: int | None) -> list[_Call]:
        return [call for call in self._calls if call.place == place]

    def _advance(self) -> Iterator[str]:
        while self._calls and (self._calls[0].name or self._calls[0].done):
            yield from self._calls[0].take()
            if not self._calls[0].done:
                return
            del self._calls[0]

    def rest(self) -> Iterator[str]:
        """Iterate what is left of calls that were cut."""
        for number, call in enumerate(self._calls):
            if number:
                yield "\n"
            yield from call.take()
        self._calls.clear()
