"""Live display of a completion."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Literal, TextIO

from attrs import define

from ..chunks import (
    ArgumentsDelta,
    ContentDelta,
    ReasoningDelta,
    RefusalDelta,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    Update,
)
from ._output import DIM, RESET, is_terminal, visible, write_error
from ._record import Redactor


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


_Part = Literal["text", "reasoning", "calls"]


class Live:
    """
    Show the first choice of an answer: its text and its tool calls on standard output; what the
    model thinks on standard error, if that is a terminal.

    Args:
        key: What is not to be shown.
        colour: Whether a terminal may be sent colours.
    """

    def __init__(self, key: str, *, colour: bool) -> None:
        self._out: TextIO = sys.stdout
        self._to_terminal = is_terminal(sys.stdout)
        self._shows_reasoning = is_terminal(sys.stderr)
        self._colour = colour
        self._redactors = {True: Redactor(key), False: Redactor(key)}
        self._calls = Calls()
        self._part: _Part | None = None
        # What the last line of standard output is part of.
        self._line: _Part | None = None
        # Whether the last line is not ended yet, on standard output and on standard error.
        self._open = False
        self._error_open = False

    def see(self, update: Update) -> None:
        """Show what is new, if it is of the first choice."""
        match update:
            case ContentDelta(0, text) | RefusalDelta(0, text) | TranscriptDelta(0, text):
                self._turn_to("text")
                self._print(text)
            case ReasoningDelta(0, text):
                self._reason(text)
            case ToolCallStarted() | ArgumentsDelta() | ToolCallDone() if update.choice == 0:
                self._turn_to("calls")
                for text in self._calls.see(update):
                    self._print(text)
            case _:
                pass

    def end(self) -> None:
        """Show what is left, and end the line."""
        for text in self._calls.rest():
            self._turn_to("calls")
            self._print(text)
        self._turn_to(None)

    def _reason(self, text: str) -> None:
        if not self._shows_reasoning:
            return
        if self._part != "reasoning":
            self._turn_to("reasoning")
            self._print_error("" if self._colour else "[reasoning] ")
        self._print_error(self._redactors[False].feed(text))

    def _turn_to(self, part: _Part | None) -> None:
        if part == self._part:
            return
        if self._part == "reasoning":
            self._print_error(self._redactors[False].rest())
            self._end_reasoning(more=part is not None)
        # In a pipe, reasoning that goes elsewhere does not break the text.
        if part != "reasoning" or self._to_terminal:
            self._end_line(part)
        self._part = part

    def _end_line(self, part: _Part | None) -> None:
        if part == self._line:
            return
        self._write(self._redactors[True].rest())
        if self._open:
            self._write("\n")
        self._line = part

    def _end_reasoning(self, *, more: bool) -> None:
        if self._error_open:
            write_error("\n")
            self._error_open = False
        if more and self._to_terminal:
            # A blank line between what was thought and what is answered.
            write_error("\n")

    def _print(self, text: str) -> None:
        self._write(self._redactors[True].feed(text))

    def _write(self, text: str) -> None:
        if not text:
            return
        self._out.write(visible(text) if self._to_terminal else text)
        self._out.flush()
        self._open = not text.endswith("\n")

    def _print_error(self, text: str) -> None:
        if not text:
            return
        shown = visible(text)
        # Each piece for itself: an interrupt leaves no colour behind.
        write_error(f"{DIM}{shown}{RESET}" if self._colour else shown)
        self._error_open = not text.endswith("\n")
