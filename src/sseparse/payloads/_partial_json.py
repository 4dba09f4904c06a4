"""Parser of JSON text that is still arriving."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from attrs import frozen

from .._json import JSON_BLANKS
from .._stage import Breakable, breaking
from ._json_tokens import StringToken, Unexpected, has_halves, join_halves, split_half

_NOT_BLANK = re.compile(f"[^{JSON_BLANKS}]")
# The literals and their values, by their first letter (RFC 8259, section 3).
_LITERALS = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}
_DIGITS = "0123456789"
_FIRST_DIGIT = {"0": "zero", **dict.fromkeys("123456789", "integer")}
_EXPONENT = {"e": "e", "E": "e"}
# How a number goes on: for each state, the characters it allows and the states they lead to
# (RFC 8259, section 6).
_NUMBER_STATES: dict[str, dict[str, str]] = {
    "start": {"-": "minus", **_FIRST_DIGIT},
    "minus": _FIRST_DIGIT,
    "zero": {".": "point", **_EXPONENT},
    "integer": {**dict.fromkeys(_DIGITS, "integer"), ".": "point", **_EXPONENT},
    "point": dict.fromkeys(_DIGITS, "fraction"),
    "fraction": {**dict.fromkeys(_DIGITS, "fraction"), **_EXPONENT},
    "e": {"+": "sign", "-": "sign", **dict.fromkeys(_DIGITS, "exponent")},
    "sign": dict.fromkeys(_DIGITS, "exponent"),
    "exponent": dict.fromkeys(_DIGITS, "exponent"),
}
# The states in which a number can end, and its type.
_NUMBER_ENDS = {"zero": int, "integer": int, "fraction": float, "exponent": float}


@frozen
class JSONFault:
    """
    Where a text stops being JSON, and why.

    Attributes:
        offset: The position, in characters from the start of the text.
        reason: What was expected and what was found.
    """

    offset: int
    reason: str


class PartialJSON(Breakable):
    """
    Incremental parser of JSON text that gives the value so far at any time.

    Unfinished strings are part of the value. A key appears with the first character of its value, a
    number with the character after it, and a literal with its last letter. The time is linear in
    the length of the text, however it's split and however often you read the value.

    Args:
        max_depth: Maximum depth of nested arrays and objects; deeper nesting is a fault. Default:
            500.

    Attributes:
        fault: Why the text isn't JSON, or None. The value is that of the text before the fault.

    Raises:
        ValueError: `max_depth` is below 1.

    Source: RFC 8259, sections 2 to 7. Where it leaves a choice, such as for duplicate keys, the
    result is that of `json.loads`.
    """

    def __init__(self, *, max_depth: int = 500) -> None:
        super().__init__()
        if max_depth < 1:
            raise ValueError(f"max_depth is {max_depth}; give a number above 0")
        self._max_depth = max_depth
        self._value: Any = None
        self.fault: JSONFault | None = None
        self._closed = False
        self._state = PartialJSON._before_value
        self._open: list[dict[str, Any] | list[Any]] = []
        self._key = ""
        self._string = StringToken()
        self._number: list[str] = []  # its pieces
        self._number_state = "start"
        self._number_offset = 0
        self._literal = ""  # the letters read so far
        self._shown = ""  # what the value has of the string that is being read
        self._offset = 0  # of the current piece in the text
        self._held = ""  # the first half of a surrogate pair at the end of the last piece

    @property
    def value(self) -> Any:
        """
        The value so far, as `json.loads` would return it; None before it begins.

        This is the live object that later pieces extend: don't modify it, and copy what you keep.
        Reading this property updates an unfinished string in the object. The string grows in place,
        unless you keep a reference to it: then each read copies it.
        """
        if self._string.pieces and self._state is PartialJSON._in_string:
            self._update_string()
        return self._value

    @property
    def complete(self) -> bool:
        """Whether the value is complete. The next character or `close()` completes a number."""
        return self._state is PartialJSON._after_document and not self.stopped

    def feed(self, text: str) -> None:
        """
        Parse a piece of the text. After a fault, pieces are ignored.

        Args:
            text: A piece, split anywhere, even between the halves of a surrogate pair.

        Raises:
            RuntimeError: The parser was closed.
            TypeError: The piece isn't a str.
            BrokenStage: An exception interrupted an earlier call.
        """
        if not isinstance(text, str):
            raise TypeError(f"feed() takes str, not {type(text).__name__}")
        if self.stopped:
            self._raise_error()
        if self._closed:
            raise RuntimeError("feed() after close(): the text has ended; use a new parser")
        try:
            if self._held or not text.isascii():
                text = self._held + text
                if has_halves(text):
                    text, self._held = split_half(join_halves(text))
            self._parse(text)
        except BaseException:
            self.stopped = True
            raise

    @breaking
    def close(self) -> None:
        """Process the end of the text. It completes a number; inside other values, it's a fault."""
        self._raise_error()
        if not self._closed:
            self._closed = True
            self._parse(self._held, last=True)

    def _parse(self, text: str, *, last: bool = False) -> None:
        if self.fault is not None:
            return
        at = 0
        try:
            while at < len(text):
                if text[at] in JSON_BLANKS and self._state not in self._TOKENS:
                    found = _NOT_BLANK.search(text, at)
                    at = len(text) if found is None else found.start()
                else:
                    at = self._state(self, text, at)
            self._offset += len(text)
            if last:
                self._end()
        except Unexpected as error:
            self.fault = JSONFault(self._offset + error.at, error.reason)

    def _end(self) -> None:
        if self._state is PartialJSON._in_number and self._number_state in _NUMBER_ENDS:
            self._end_number()
        if self._state is PartialJSON._after_document:
            return
        where = self._TOKENS.get(self._state)
        if where is None and self._open:
            where = "an object" if isinstance(self._open[-1], dict) else "an array"
        raise Unexpected(0, f"ends inside {where}" if where else "ends before a value")

    # States. Each parses from offset `at`, where a character is, and returns where it stopped.

    def _before_value(self, text: str, at: int) -> int:
        char = text[at]
        if char == '"':
            self._string = StringToken()
            self._shown = ""
            self._place("")
            self._state = PartialJSON._in_string
        elif char in "{[":
            if len(self._open) == self._max_depth:
                raise Unexpected(at, f"nested deeper than {self._max_depth}")
            container: dict[str, Any] | list[Any] = {} if char == "{" else []
            self._place(container)
            self._open.append(container)
            self._state = PartialJSON._after_bracket
        elif char in _NUMBER_STATES["start"]:
            self._number.clear()
            self._number_state = "start"
            self._number_offset = self._offset + at
            self._state = PartialJSON._in_number
            return at
        elif char in _LITERALS:
            self._literal = char
            self._state = PartialJSON._in_literal
        else:
            raise Unexpected(at, f"expected a value, got {char!a}")
        return at + 1

    def _after_bracket(self, text: str, at: int) -> int:
        in_object = isinstance(self._open[-1], dict)
        if text[at] == ("}" if in_object else "]"):
            return self._after_value(text, at)
        return self._before_key(text, at) if in_object else self._before_value(text, at)

    def _before_key(self, text: str, at: int) -> int:
        if text[at] != '"':
            raise Unexpected(at, f"expected a key, got {text[at]!a}")
        self._string = StringToken()
        self._state = PartialJSON._in_key
        return at + 1

    def _in_key(self, text: str, at: int) -> int:
        at = self._string.read(text, at)
        if self._string.complete:
            self._key = self._string.pop_text()
            self._state = PartialJSON._after_key
        return at

    def _after_key(self, text: str, at: int) -> int:
        if text[at] != ":":
            raise Unexpected(at, f"expected ':', got {text[at]!a}")
        self._state = PartialJSON._before_value
        return at + 1

    def _in_string(self, text: str, at: int) -> int:
        at = self._string.read(text, at)
        if self._string.complete:
            self._update_string()
            self._end_value()
        return at

    def _in_number(self, text: str, at: int) -> int:
        start, state = at, self._number_state
        while at < len(text) and (following := _NUMBER_STATES[state].get(text[at])) is not None:
            state = following
            at += 1
        self._number.append(text[start:at])
        self._number_state = state
        if at < len(text):
            if state not in _NUMBER_ENDS:
                raise Unexpected(at, f"expected a digit, got {text[at]!a}")
            if state == "zero" and text[at] in _DIGITS:
                raise Unexpected(at, f"expected no digit after a leading zero, got {text[at]!a}")
            self._end_number()
        return at

    def _in_literal(self, text: str, at: int) -> int:
        literal, value = _LITERALS[self._literal[0]]
        self._literal += text[at]
        if not literal.startswith(self._literal):
            raise Unexpected(at, f"expected {literal}, got {text[at]!a}")
        if self._literal == literal:
            self._place(value)
            self._end_value()
        return at + 1

    def _after_value(self, text: str, at: int) -> int:
        in_object = isinstance(self._open[-1], dict)
        bracket = "}" if in_object else "]"
        if text[at] == bracket:
            self._open.pop()
            self._end_value()
        elif text[at] == ",":
            self._state = PartialJSON._before_key if in_object else PartialJSON._before_value
        else:
            raise Unexpected(at, f"expected ',' or '{bracket}', got {text[at]!a}")
        return at + 1

    def _after_document(self, text: str, at: int) -> int:
        raise Unexpected(at, f"expected the end, got {text[at]!a}")

    # The states inside a token, where blanks aren't skipped.
    _TOKENS: ClassVar = {
        _in_key: "a key",
        _in_string: "a string",
        _in_number: "a number",
        _in_literal: "a literal",
    }

    def _end_number(self) -> None:
        try:
            number = _NUMBER_ENDS[self._number_state]("".join(self._number))
        except ValueError:
            start = self._number_offset - self._offset
            raise Unexpected(start, "an integer of more digits than Python converts") from None
        self._place(number)
        self._end_value()

    def _end_value(self) -> None:
        self._state = PartialJSON._after_value if self._open else PartialJSON._after_document

    @breaking
    def _update_string(self) -> None:
        new = self._string.pop_text()
        # CPython appends in place if a local variable has the only reference to the text.
        text = self._shown
        self._shown = ""
        self._place("", replaces=True)
        text += new
        self._shown = text
        self._place(text, replaces=True)

    # A reader can change the live object in any way; writing to it must not raise.

    def _place(self, value: Any, *, replaces: bool = False) -> None:
        if not self._open:
            self._value = value
        elif isinstance(container := self._open[-1], dict):
            container[self._key] = value
        elif replaces:
            container[-1:] = [value]
        else:
            container.append(value)
