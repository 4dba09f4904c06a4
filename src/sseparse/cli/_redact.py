"""Keeps a secret out of what is shown and saved."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen

from ..chunks._json import is_list, is_object

_SHORTEST: Final = 8
"""Shorter keys, such as "none", are no secrets but words, which an answer may well hold."""

_MARK: Final = "[key]"

_JSON_DEPTH: Final = 3
"""Levels of JSON in JSON: a body, the arguments of a tool call in it, a text in those."""

_RESCAN: Final = 16
"""What is held back is searched again once it has grown by one part in so many: linear cost."""

# Python's repr(), in an error message, escapes quotes and backslashes as JSON does. "cut" is an
# escape that the end of the text cuts.
_JSON_ESCAPE: Final = re.compile(
    r"""\\(?:u(?P<hex>[0-9a-fA-F]{4})|(?P<char>["'\\/])|(?P<control>[bfnrt])"""
    r"""|(?P<cut>(?:u[0-9a-fA-F]{0,3})?\Z))"""
)
_URL_ESCAPE: Final = re.compile(r"%(?:(?P<hex>[0-9a-fA-F]{2})|(?P<cut>[0-9a-fA-F]?\Z))")

_Span = tuple[int, int]


@frozen
class _Reading:
    """
    A text after its escapes were decoded.

    Attributes:
        text: The decoded text, up to an escape that is cut.
        starts: The position in the original text of each character, and of the end.
    """

    text: str
    starts: Sequence[int]

    def decoded(self, escape: re.Pattern[str]) -> _Reading:
        """Decode one more level of escapes."""
        parts: list[str] = []
        starts = array("q")
        at = 0
        for match in escape.finditer(self.text):
            begin, end = match.span()
            parts.append(self.text[at:begin])
            starts.extend(self.starts[at : begin + 1])
            at = end
            if match.lastgroup == "cut":
                break
            parts.append(_decode(match))
        else:
            parts.append(self.text[at:])
            starts.extend(self.starts[at:])
        return _Reading("".join(parts), starts)

    def find(self, secret: str) -> tuple[list[_Span], int]:
        """Return where the secret is, and where its beginning may be: the end if nowhere."""
        spans: list[_Span] = []
        at = 0
        while (begin := self.text.find(secret, at)) >= 0:
            at = begin + len(secret)
            spans.append((self.starts[begin], self.starts[at]))
        at = self.text.find(secret[0], max(at, len(self.text) - len(secret) + 1))
        while at >= 0 and not secret.startswith(self.text[at:]):
            at = self.text.find(secret[0], at + 1)
        return spans, self.starts[at]

    def floor(self, position: int) -> int:
        """Return where the character begins that a position of the original text is in."""
        return self.starts[bisect_right(self.starts, position) - 1]

    def ceil(self, position: int) -> int:
        """Return where the character ends that a position is in; the position after the last."""
        after = bisect_left(self.starts, position)
        return self.starts[after] if after < len(self.starts) else position


def _decode(match: re.Match[str]) -> str:
    match match.lastgroup:
        case "hex":
            return chr(int(match["hex"], 16))
        case "char":
            return match["char"]
        case _:
            return "\n"  # no key has a control character


class Redactor:
    r"""
    Put "[key]" in place of a secret, in what comes piece by piece.

    The secret is found as it is, with JSON's escapes (`\"`, `\u0022`), also where that JSON is a
    string in other JSON, and with those of URLs (`%22`). What may be the beginning of it is held
    back until the next piece decides.

    Args:
        secret: The secret, which is ASCII; one of less than 8 characters is none.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret if len(secret) >= _SHORTEST else ""
        self._held = ""
        self._new = 0

    def whole(self, text: str) -> str:
        """Return a complete text without the secret."""
        if not self._secret:
            return text
        spans, _ = self._find(text)
        return _replace(text, spans)

    def value(self, value: Any) -> Any:
        """Return a JSON value without the secret in its strings and names."""
        if isinstance(value, str):
            return self.whole(value)
        # No comprehensions, whose frames would count: values are nested up to 500 deep.
        if is_list(value):
            return list(map(self.value, value))
        if is_object(value):
            return dict(zip(map(self.whole, value), map(self.value, value.values()), strict=True))
        return value

    def feed(self, piece: str) -> str:
        """Return what can be shown of a piece and of what was held back."""
        if not self._secret:
            return piece
        text = self._held = self._held + piece
        self._new += len(piece)
        if self._new * _RESCAN < len(text):
            return ""
        spans, safe = self._find(text)
        self._held, self._new = text[safe:], 0
        return _replace(text[:safe], [span for span in spans if span[1] <= safe])

    def rest(self) -> str:
        """Return what is held back: nothing more comes."""
        rest, self._held, self._new = self._held, "", 0
        return self.whole(rest)

    def _find(self, text: str) -> tuple[list[_Span], int]:
        """Return where the secret is in a text, and up to where more text changes nothing."""
        readings = [_Reading(text, range(len(text) + 1))]
        while "\\" in readings[-1].text and len(readings) <= _JSON_DEPTH:
            readings.append(readings[-1].decoded(_JSON_ESCAPE))
        found = [reading.find(self._secret) for reading in readings]
        if "%" in text:
            found.append(readings[0].decoded(_URL_ESCAPE).find(self._secret))
        # An escape is replaced completely: JSON without the secret still is JSON.
        escapes = readings[:2][-1]
        plain = [(escapes.floor(begin), escapes.ceil(end)) for begin, end in found[0][0]]
        spans = sorted(plain + [span for more, _ in found[1:] for span in more])
        return spans, _cut(spans, min(begin for _, begin in found), readings[-1])


def _cut(spans: list[_Span], position: int, escapes: _Reading) -> int:
    """Return the last position up to the given one that is inside no escape and no span."""
    while True:
        begin = escapes.floor(position)
        begin = min((first for first, last in spans if first < begin < last), default=begin)
        if begin == position:
            return position
        position = begin


def _replace(text: str, spans: list[_Span]) -> str:
    parts: list[str] = []
    at = 0
    for begin, end in spans:
        if begin >= at:
            parts += text[at:begin], _MARK
        at = max(at, end)
    return "".join([*parts, text[at:]])


class BodyRedactor:
    """
    Do so in the bytes of a body.

    Args:
        secret: The secret, which is ASCII.
    """

    def __init__(self, secret: str) -> None:
        self._redactor = Redactor(secret)

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on of a piece and of what was held back."""
        # In Latin-1, each byte is a character.
        return self._redactor.feed(piece.decode("latin-1")).encode("latin-1")

    def rest(self) -> bytes:
        """Return what is held back: nothing more comes."""
        return self._redactor.rest().encode("latin-1")
