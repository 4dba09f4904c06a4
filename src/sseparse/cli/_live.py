"""Display of an answer while it's received."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Literal

from attrs import define

from ..payloads._updates import (
    ArgumentsDelta,
    ContentDelta,
    ReasoningDelta,
    RefusalDelta,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
)
from ._output import DIM, RESET, VISIBLE, is_terminal, make_writer, write_error
from ._record import Redactor


@define
class _PendingCall:
    index: int | None
    name: str
    arguments: str = ""
    is_open: bool = False
    is_done: bool = False

    def format(self) -> str:
        """Return the text that is new since the last call."""
        start = "" if self.is_open else f"{self.name}("
        text = start + self.arguments + (")\n" if self.is_done else "")
        self.is_open, self.arguments = True, ""
        return text


class CallFormatter:
    """Formatter of tool calls, which may grow in parallel, as one line after another."""

    def __init__(self) -> None:
        self._calls: list[_PendingCall] = []

    def feed(self, update: ToolCallStarted | ArgumentsDelta | ToolCallDone) -> str:
        """Return the text that can be printed after an update."""
        if isinstance(update, ToolCallStarted):
            self._calls.append(_PendingCall(update.call, update.name))
        for call in self._calls:
            if call.index == update.call and isinstance(update, ArgumentsDelta):
                call.arguments += update.text
            elif call.index == update.call and isinstance(update, ToolCallDone):
                call.name, call.is_done = update.name, True
        text = ""
        while self._calls and self._calls[0].is_done:
            text += self._calls.pop(0).format()
        if self._calls and self._calls[0].name:
            text += self._calls[0].format()
        return text

    def flush(self) -> str:
        """Return the rest of the calls that aren't complete, at the end of the answer."""
        text = "\n".join(call.format() for call in self._calls)
        self._calls.clear()
        return text

    def has_open(self, call: int | None) -> bool:
        """Return whether a call at a position isn't complete."""
        return any(pending.index == call for pending in self._calls)


class _LineWriter:
    """Writer of text without the API key that tracks whether its last line is open."""

    def __init__(self, key: str, write: Callable[[str], None]) -> None:
        self._redactor = Redactor(key)
        self._write = write
        self._is_line_open = False

    def feed(self, text: str) -> None:
        self.write(self._redactor.feed(text))

    def write(self, text: str) -> None:
        if text:
            self._write(text)
            self._is_line_open = not text.endswith("\n")

    def end_line(self) -> None:
        self.write(self._redactor.flush())
        if self._is_line_open:
            self._write("\n")
            self._is_line_open = False


def _write_reasoning(text: str, *, dim: bool) -> None:
    text = text.translate(VISIBLE)
    # Each text resets its style, so that an interrupt leaves none behind.
    write_error(f"{DIM}{text}{RESET}" if dim and text != "\n" else text)


_Part = Literal["text", "reasoning", "calls"]


class AnswerPrinter:
    """Printer of the first choice; its reasoning goes to standard error, if that's a terminal."""

    def __init__(self, key: str, *, colour: bool) -> None:
        self._to_terminal = is_terminal(sys.stdout)
        self._shows_reasoning = is_terminal(sys.stderr)
        self._label = "" if colour else "[reasoning] "
        self._out = _LineWriter(key, make_writer(VISIBLE))
        self._err = _LineWriter(key, partial(_write_reasoning, dim=colour))
        self._calls = CallFormatter()
        self._part: _Part | None = None
        # The part that the last line of standard output belongs to.
        self._line_part: _Part | None = None

    def feed(self, update: object) -> None:
        match update:
            case ContentDelta(0, text) | RefusalDelta(0, text) | TranscriptDelta(0, text):
                self._switch_to("text")
                self._out.feed(text)
            case ReasoningDelta(0, text) if self._shows_reasoning:
                if self._part != "reasoning":
                    self._switch_to("reasoning")
                    self._err.write(self._label)
                self._err.feed(text)
            case ToolCallStarted() | ArgumentsDelta() | ToolCallDone() if update.choice == 0:
                self._switch_to("calls")
                if isinstance(update, ToolCallStarted) and self._calls.has_open(update.call):
                    # The server began another answer: the calls of the first stay incomplete.
                    self._out.feed(self._calls.flush())
                    self._out.end_line()
                self._out.feed(self._calls.feed(update))
            case _:
                pass

    def close(self) -> None:
        if rest := self._calls.flush():
            self._switch_to("calls")
            self._out.feed(rest)
        self._switch_to(None)

    def _switch_to(self, part: _Part | None) -> None:
        if part == self._part:
            return
        if self._part == "reasoning":
            self._err.end_line()
            if part is not None and self._to_terminal:
                write_error("\n")  # a blank line between reasoning and answer
        # In a pipe, reasoning that goes elsewhere doesn't interrupt the text.
        if (part != "reasoning" or self._to_terminal) and part != self._line_part:
            self._out.end_line()
            self._line_part = part
        self._part = part
