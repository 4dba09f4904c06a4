"""What a replay server answers: a body, and how it goes onto the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Literal, get_args

from attrs import field, frozen

from .._options import check_choice
from ._replay_codings import CONTENT_ENCODINGS, need_library

Framing = Literal[
    "chunked", "one-chunk", "close", "content-length", "gzip", "gzip-unflushed", "br", "zstd"
]
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
"br", "zstd"
    Compressed and flushed as "gzip" is, but by Brotli or Zstandard, which need the packages
    brotli and zstandard.
"""

Cutting = Literal["events", "bytes", "whole"]
"""How a body is cut into pieces: after each event, after each byte, or not at all."""

Fault = Literal[
    "close",
    "close-inside",
    "no-answer",
    "reset",
    "stall",
    "comments",
    "bad-chunk",
    "truncate",
    "corrupt",
]
"""
What goes wrong on the wire, after `fault_after` pieces of the body or after all of them.

"close"
    The server closes the connection (FIN) and leaves the body without its end. With the framing
    "close" that looks like a proper end, and so it does with "content-length" after all pieces.
"close-inside"
    The server closes the connection after half of what follows: the next piece with its framing,
    or what ends the body.
"no-answer"
    The server reads the request and closes the connection.
"reset"
    The server resets the connection (RST). What was sent before can still be read by a client
    on Linux, if it had room for it.
"stall"
    Nothing comes any more, and the connection stays open.
"comments"
    Nothing but a comment comes any more, every `keep_alive` seconds. Not with the framings
    "content-length" and "one-chunk", which announce how much will come.
"bad-chunk"
    The next chunk begins with a header that is none, and the connection stays open. With the
    framing "chunked" alone.
"truncate"
    The compressed body stops there, and HTTP's framing ends as if it were whole. With a framing
    that compresses.
"corrupt"
    From there on the compressed bytes are damaged; HTTP's framing is sound. With a framing that
    compresses.

A connection that stays open does so until the client closes it or the server stops.
"""

# An event ends after the blank line; more blank lines stay with it. A CRLF is one line end, never
# a CR and then an LF, which is what the atomic group sees to.
_EVENT_END = re.compile(rb"(?>\r\n|\r|\n){2,}")

_DECIDED_ELSEWHERE = {
    "content-length": "framing",
    "content-type": "content_type",
    "transfer-encoding": "framing",
}
_FAULT_FRAMINGS = {
    "comments": ("chunked", "close", *CONTENT_ENCODINGS),
    "bad-chunk": ("chunked",),
    "truncate": tuple(CONTENT_ENCODINGS),
    "corrupt": tuple(CONTENT_ENCODINGS),
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
            "content-length", "gzip", "gzip-unflushed", "br" or "zstd". See `Framing`.
        status: The HTTP status, from 200 to 599.
        headers: Headers to send besides those that the framing needs: by name, or as pairs of
            name and value, where a name may come twice.
        content_type: The Content-Type header; None sends none.
        gated: Whether each piece waits for a permit, which `ReplayServer.release` gives. Its
            delay counts from the permit. The headers need none, nor does what follows the last
            piece.
        fault: What goes wrong on the wire; None for nothing. See `Fault`. An answer that has no
            body, to HEAD or with the status 204 or 304, knows no other than "no-answer".
        fault_after: How many pieces are sent whole before that; None for all. "no-answer" sends
            none anyhow.
        keep_alive: How long to wait before each comment of the fault "comments", in seconds.

    Raises:
        ValueError: An option has no such value, or options do not fit together.
        ModuleNotFoundError: The framing needs a package that is not installed.
    """

    body: bytes
    pieces: Cutting | Sequence[int] = field(default="events", kw_only=True)
    delays: float | Sequence[float] = field(default=0.0, kw_only=True)
    framing: Framing = field(default="chunked", kw_only=True)
    status: int = field(default=200, kw_only=True)
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = field(default=(), kw_only=True)
    content_type: str | None = field(default="text/event-stream; charset=utf-8", kw_only=True)
    gated: bool = field(default=False, kw_only=True)
    fault: Fault | None = field(default=None, kw_only=True)
    fault_after: int | None = field(default=None, kw_only=True)
    keep_alive: float = field(default=0.05, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.body, bytes):
            raise TypeError(f"body is {type(self.body).__name__}; give bytes")
        self._check_pieces()
        self._check_delays()
        check_choice("framing", self.framing, *get_args(Framing))
        need_library(self.framing)
        self._check_fault()
        if not 200 <= self.status <= 599:
            raise ValueError(f"status is {self.status}; give one from 200 to 599")
        for name, _ in self.header_pairs():
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

    def _check_fault(self) -> None:
        pieces = len(self.cut())
        if self.fault_after is not None and not 0 <= self.fault_after <= pieces:
            raise ValueError(f"fault_after is {self.fault_after}; number of pieces: {pieces}")
        if self.keep_alive <= 0:
            raise ValueError(f"keep_alive is {self.keep_alive!r}; give seconds above 0")
        if self.fault is None:
            if self.fault_after is not None:
                raise ValueError("fault_after is given without a fault")
            return
        check_choice("fault", self.fault, *get_args(Fault))
        known = _FAULT_FRAMINGS.get(self.fault)
        if known is not None and self.framing not in known:
            raise ValueError(
                f"fault={self.fault!r} does not go with framing={self.framing!r}; "
                f"give one of {', '.join(map(repr, known))}"
            )

    def header_pairs(self) -> list[tuple[str, str]]:
        """Return the further headers as pairs of name and value."""
        if isinstance(self.headers, Mapping):
            return list(self.headers.items())
        return list(self.headers)

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
