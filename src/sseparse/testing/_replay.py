"""What a replay server answers: a body, and how it goes onto the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Literal, get_args

from attrs import field, frozen

from .._options import check_choice

Framing = Literal["chunked", "one-chunk", "close", "content-length", "gzip", "gzip-unflushed"]
"""
How HTTP says where the body ends.

"chunked"
    One HTTP chunk for each piece.
"one-chunk"
    One HTTP chunk for the whole body; its bytes come piece by piece.
"close"
    No length at all: the body ends when the server closes the connection.
"content-length"
    The length is announced first.
"gzip"
    Compressed, and flushed after each piece: one HTTP chunk for each.
"gzip-unflushed"
    Compressed and never flushed before the end, so that pieces wait in the server.
"""

Cutting = Literal["events", "bytes", "whole"]
"""How a body is cut into pieces: after each event, after each byte, or not at all."""

# An event ends after the blank line; more blank lines stay with it. A CRLF is one line end, never
# a CR and then an LF, which is what the atomic group sees to.
_EVENT_END = re.compile(rb"(?>\r\n|\r|\n){2,}")

_DECIDED_ELSEWHERE = {
    "content-length": "framing",
    "content-type": "content_type",
    "transfer-encoding": "framing",
}


@frozen
class Replay:
    r"""
    Describe one answer of a `ReplayServer`.

    Args:
        body: The bytes to send, whatever they are.
        pieces: How to cut the body: "events" cuts after each blank line, be it LF, CR or CRLF;
            "bytes" after each byte; "whole" not at all. Or the recorded sizes of the pieces, in
            bytes, which together are the body.
        delays: How long to wait before each piece, in seconds: one time for all of them, or the
            recorded times, one for each piece, counted from the piece before (for the first one,
            from the end of the headers).
        framing: How HTTP says where the body ends: "chunked", "one-chunk", "close",
            "content-length", "gzip" or "gzip-unflushed". See `Framing`.
        status: The HTTP status, from 200 to 599.
        headers: Headers to send besides those that the framing needs.
        content_type: The Content-Type header; None sends none.

    Raises:
        ValueError: An option has no such value, or the sizes, the delays and the body do not fit
            together.
    """

    body: bytes
    pieces: Cutting | Sequence[int] = field(default="events", kw_only=True)
    delays: float | Sequence[float] = field(default=0.0, kw_only=True)
    framing: Framing = field(default="chunked", kw_only=True)
    status: int = field(default=200, kw_only=True)
    headers: Mapping[str, str] = field(factory=dict[str, str], kw_only=True)
    content_type: str | None = field(default="text/event-stream; charset=utf-8", kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._check_pieces()
        self._check_delays()
        check_choice("framing", self.framing, *get_args(Framing))
        if not 200 <= self.status <= 599:
            raise ValueError(f"status is {self.status}; give one from 200 to 599")
        for name in self.headers:
            option = _DECIDED_ELSEWHERE.get(name.lower())
            if option is not None:
                raise ValueError(f"headers holds {name}; {option}= decides that")

    def _check_pieces(self) -> None:
        if isinstance(self.pieces, str):
            check_choice("pieces", self.pieces, *get_args(Cutting))
            return
        if any(size < 1 for size in self.pieces):
            raise ValueError("pieces holds a size below 1; each piece has at least one byte")
        if sum(self.pieces) != len(self.body):
            raise ValueError(
                f"pieces add up to {sum(self.pieces)} bytes, but the body has {len(self.body)}"
            )

    def _check_delays(self) -> None:
        waits = self.waits()
        if any(wait < 0 for wait in waits):
            raise ValueError("delays holds a time below 0; give seconds, 0 or more")
        pieces = len(self.cut())
        if len(waits) != pieces:
            raise ValueError(f"number of delays: {len(waits)}; number of pieces: {pieces}")

    def cut(self) -> list[bytes]:
        """Return the body's pieces, as they are sent one after the other."""
        ends = self._ends()
        return [self.body[start:end] for start, end in pairwise([0, *ends])]

    def _ends(self) -> list[int]:
        if not isinstance(self.pieces, str):
            return list(accumulate(self.pieces))
        size = len(self.body)
        if self.pieces == "bytes":
            return list(range(1, size + 1))
        ends = []
        if self.pieces == "events":
            ends = [match.end() for match in _EVENT_END.finditer(self.body)]
        return ends if not size or ends[-1:] == [size] else [*ends, size]

    def waits(self) -> list[float]:
        """Return the seconds to wait before each piece."""
        if isinstance(self.delays, Sequence):
            return list(self.delays)
        return [self.delays] * len(self.cut())


def plain_text(status: int, text: str) -> Replay:
    """Make an answer for people to read."""
    return Replay(
        f"{text}\n".encode(),
        pieces="whole",
        framing="content-length",
        status=status,
        content_type="text/plain; charset=utf-8",
    )
