"""JSON that is still arriving: the value so far."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from attrs import frozen

from .._json import JSON_BLANKS
from .._stage import Breakable, breaking
from ._json_tokens import (
    NUMBER,
    WORDS,
    NumberToken,
    StringToken,
    Unexpected,
    WordToken,
    has_halves,
    join_halves,
    split_half,
)

_NOT_BLANK = re.compile(f"[^{JSON_BLANKS}]")


@frozen
class JSONFault:
    """
    Say where a text stops being JSON, and why.

    Attributes:
        offset: Where, in characters from the start of the text.
        reason: What was seen, and what was expected.
    """

    offset: int
    reason: str


class PartialJSON(Breakable):
    """
    Parse JSON text that is still arriving; tell the value so far at every moment.

    Unfinished strings are part of it. A key appears with the first sign of its value; a number
    with the character after it; a literal with its last letter. Work is linear in the text,
    however it is cut and however often the value is looked at.

    Args:
        max_depth: How many arrays and objects may be open inside each other; more are a fault.

    Raises:
        ValueError: `max_depth` is below 1.

    Source: RFC 8259, 2 to 7. What it leaves open, such as a key that comes twice, is as in
    `json.loads`.
    """

    __slots__ = (
        "_base",
        "_closed",
        "_complete",
        "_fault",
        "_held",
        "_key",
        "_max_depth",
        "_number",
        "_open",
        "_shown",
        "_state",
        "_string",
        "_value",
        "_word",
    )

    def __init__(self, *, max_depth: int = 500) -> None:
        super().__init__()
        if max_depth < 1:
            raise ValueError(f"max_depth is {max_depth}; give a number above 0")
        self._max_depth = max_depth
        self._value: Any = None
        self._complete = False
        self._fault: JSONFault | None = None
        self._closed = False
        self._state = PartialJSON._before_value
        self._open: list[dict[str, Any] | list[Any]] = []
        self._key = ""
        self._string = StringToken()
        self._number = NumberToken(0)
        self._word = WordToken("n")
        # What the value holds of the string that is being read.
        self._shown = ""
        # How many characters were worked on before the piece at hand.
        self._base = 0
        # The first half of a surrogate pair that ended the last piece.
        self._held = ""

    @property
    def value(self) -> Any:
        """
        The value so far, as `json.loads` would give it; None before anything.

        It is the live object, which later pieces go on building: read it, copy what you keep.
        An unfinished string in it is brought up to date by this look. It grows in place, unless
        you keep the string itself: then each look copies it.
        """
        if self._string.pieces and self._state is PartialJSON._in_string:
            self._grow()
        return self._value

    @property
    def complete(self) -> bool:
        """Whether the value is whole; a number is when what follows it, or `close()`, ends it."""
        return self._complete and not self.stopped

    @property
    def fault(self) -> JSONFault | None:
        """Why the text is not JSON, or None. The value is what came before."""
        return self._fault

    def feed(self, text: str) -> None:
        """
        Take a piece of the text; after a fault it is ignored.

        Args:
            text: A piece, cut anywhere, also between the halves of a surrogate pair.

        Raises:
            RuntimeError: The parser was closed.
            TypeError: The piece is not text.
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
                text = self._join_pairs(text)
            self._take(text)
        except BaseException:
            self.stopped = True
            raise

    @breaking
    def close(self) -> None:
        """Take the end of the text: it ends a number, and is a fault where more has to come."""
        self._raise_error()
        if not self._closed:
            self._closed = True
            self._take(self._held, last=True)

    def _join_pairs(self, text: str) -> str:
        text = self._held + text
        if has_halves(text):
            text, self._held = split_half(join_halves(text))
        return text

    def _take(self, text: str, *, last: bool = False) -> None:
        if self._fault is not None:
            return
        at = 0
        try:
            while at < len(text):
                at = self._state(self, text, at)
            self._base += len(text)
            if last:
                self._end()
        except Unexpected as error:
            self._fault = JSONFault(self._base + error.at, error.reason)

    def _end(self) -> None:
        if self._state is PartialJSON._in_number and self._number.can_end:
            self._end_number()
        if self._complete:
            return
        where = self._INSIDE.get(self._state)
        if where is None and self._open:
            where = "an object" if isinstance(self._open[-1], dict) else "an array"
        raise Unexpected(0, f"ends inside {where}" if where else "nothing came")

    # States. Each looks at the character at `at`, takes what it can, and returns where it stopped.

    def _before_value(self, text: str, at: int) -> int:
        char = text[at]
        if char in JSON_BLANKS:
            return _past_blanks(text, at)
        if char == '"':
            self._begin_string()
        elif char in "{[":
            self._begin_container(char, at)
        elif char in NUMBER["start"]:
            self._number = NumberToken(self._base + at)
            self._state = PartialJSON._in_number
            return at
        elif char in WORDS:
            self._word = WordToken(char)
            self._state = PartialJSON._in_word
            return at
        else:
            raise Unexpected(at, f"expected a value, saw {char!a}")
        return at + 1

    def _after_bracket(self, text: str, at: int) -> int:
        in_object = isinstance(self._open[-1], dict)
        if text[at] == ("}" if in_object else "]"):
            return self._end_container(at)
        return self._before_key(text, at) if in_object else self._before_value(text, at)

    def _before_key(self, text: str, at: int) -> int:
        char = text[at]
        if char in JSON_BLANKS:
            return _past_blanks(text, at)
        if char != '"':
            raise Unexpected(at, f"expected a key, saw {char!a}")
        self._string = StringToken()
        self._state = PartialJSON._in_key
        return at + 1

    def _in_key(self, text: str, at: int) -> int:
        at = self._string.read(text, at)
        if self._string.whole:
            self._key = self._string.take()
            self._state = PartialJSON._after_key
        return at

    def _after_key(self, text: str, at: int) -> int:
        char = text[at]
        if char in JSON_BLANKS:
            return _past_blanks(text, at)
        if char != ":":
            raise Unexpected(at, f"expected ':', saw {char!a}")
        self._state = PartialJSON._before_value
        return at + 1

    def _in_string(self, text: str, at: int) -> int:
        at = self._string.read(text, at)
        if self._string.whole:
            self._grow()
            self._end_value()
        return at

    def _in_number(self, text: str, at: int) -> int:
        at = self._number.read(text, at)
        if at < len(text):
            self._end_number()
        return at

    def _in_word(self, text: str, at: int) -> int:
        at = self._word.read(text, at)
        if self._word.whole:
            self._place(self._word.value)
            self._end_value()
        return at

    def _after_value(self, text: str, at: int) -> int:
        char = text[at]
        if char in JSON_BLANKS:
            return _past_blanks(text, at)
        in_object = isinstance(self._open[-1], dict)
        bracket = "}" if in_object else "]"
        if char == bracket:
            return self._end_container(at)
        if char != ",":
            raise Unexpected(at, f"expected ',' or '{bracket}', saw {char!a}")
        self._state = PartialJSON._before_key if in_object else PartialJSON._before_value
        return at + 1

    def _after_all(self, text: str, at: int) -> int:
        char = text[at]
        if char in JSON_BLANKS:
            return _past_blanks(text, at)
        raise Unexpected(at, f"expected the end, saw {char!a}")

    _INSIDE: ClassVar = {
        _in_key: "a key",
        _in_string: "a string",
        _in_number: "a number",
        _in_word: "a literal",
    }

    # What the states do to the value.

    def _begin_string(self) -> None:
        self._string = StringToken()
        self._shown = ""
        self._place("")
        self._state = PartialJSON._in_string

    def _begin_container(self, bracket: str, at: int) -> None:
        if len(self._open) == self._max_depth:
            raise Unexpected(at, f"nested deeper than {self._max_depth}")
        container: dict[str, Any] | list[Any] = {} if bracket == "{" else []
        self._place(container)
        self._open.append(container)
        self._state = PartialJSON._after_bracket

    def _end_container(self, at: int) -> int:
        self._open.pop()
        self._end_value()
        return at + 1

    def _end_number(self) -> None:
        try:
            number = self._number.value()
        except ValueError:
            start = self._number.offset - self._base
            raise Unexpected(start, "an integer of more digits than Python converts") from None
        self._place(number)
        self._end_value()

    def _end_value(self) -> None:
        self._complete = not self._open
        self._state = PartialJSON._after_value if self._open else PartialJSON._after_all

    @breaking
    def _grow(self) -> None:
        new = self._string.take()
        # CPython appends in place to a text that a local variable alone holds.
        text = self._shown
        self._shown = ""
        self._replace("")
        text += new
        self._shown = text
        self._replace(text)

    # Whatever a reader did to the live object, writing to it must not raise.

    def _place(self, value: Any) -> None:
        if not self._open:
            self._value = value
        elif isinstance(container := self._open[-1], dict):
            container[self._key] = value
        else:
            container.append(value)

    def _replace(self, text: str) -> None:
        if self._open and isinstance(container := self._open[-1], list):
            container[-1:] = [text]
        else:
            self._place(text)


def _past_blanks(text: str, at: int) -> int:
    found = _NOT_BLANK.search(text, at)
    return len(text) if found is None else found.start()
