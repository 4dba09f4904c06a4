"""Replays: what a replay server sends."""

from __future__ import annotations

import importlib
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any, Literal, get_args

from attrs import field, frozen

from .._options import check_choice

CONTENT_ENCODINGS = {"gzip": "gzip", "gzip-unflushed": "gzip", "br": "br", "zstd": "zstd"}
"""The Content-Encoding of each framing that compresses."""

_GZIP = 16 + zlib.MAX_WBITS
_LIBRARIES = {"br": "brotli", "zstd": "zstandard"}
# The default, the best one, takes seconds for a body that others take milliseconds for.
_BROTLI_QUALITY = 5


@frozen
class Coding:
    """
    Compress one body.

    Attributes:
        compress: Takes a piece; returns what is ready.
        flush: Returns all that was held back so far, so that the pieces can be read.
        finish: Returns what ends the body.
    """

    compress: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    finish: Callable[[], bytes]


def make_coding(framing: str) -> Coding:
    """
    Make the coding of a framing, fresh; one that does nothing where it has none.

    Raises:
        ModuleNotFoundError: The library that compresses is not installed.
    """
    match framing:
        case "gzip":
            gzip = zlib.compressobj(wbits=_GZIP)
            return Coding(gzip.compress, partial(gzip.flush, zlib.Z_SYNC_FLUSH), gzip.flush)
        case "gzip-unflushed":
            gzip = zlib.compressobj(wbits=_GZIP)
            return Coding(gzip.compress, bytes, gzip.flush)
        case "br":
            brotli = need_library(framing).Compressor(quality=_BROTLI_QUALITY)
            return Coding(brotli.process, brotli.flush, brotli.finish)
        case "zstd":
            library = need_library(framing)
            zstd = library.ZstdCompressor().compressobj()
            flush = partial(zstd.flush, library.COMPRESSOBJ_FLUSH_BLOCK)
            return Coding(zstd.compress, flush, zstd.flush)
        case _:
            return Coding(bytes, bytes, bytes)


def need_library(framing: str) -> Any:
    """
    Import the library that a framing compresses with; None where it needs none.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    name = _LIBRARIES.get(framing)
    if name is None:
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"framing={framing!r} needs {name}: pip install {name}"
        raise ModuleNotFoundError(message, name=error.name) from error


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


_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Sign in</body></html>\n"
_DRIP = 0.001


@frozen
class _Wish:
    body: bytes
    after: int
    location: str

    def broken(self, fault: Fault, framing: Framing = "chunked") -> Replay:
        return Replay(self.body, framing=framing, fault=fault, fault_after=self.after)


def _error(
    status: int, message: str, kind: str, code: str | None, headers: dict[str, str] | None = None
) -> Replay:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return _whole(status, json.dumps({"error": error}).encode(), "application/json", headers)


def _whole(
    status: int, body: bytes, content_type: str | None, headers: dict[str, str] | None = None
) -> Replay:
    return Replay(
        body,
        pieces="whole",
        framing="content-length",
        status=status,
        headers=headers or {},
        content_type=content_type,
    )


def bomb(
    body: bytes = b"",
    *,
    after: int = 0,
    size: int = 32 * 2**20,
    line: Literal["comment", "data"] = "comment",
    framing: Framing = "gzip",
) -> Replay:
    """
    Make an answer with a line that is large, but small on the wire.

    Args:
        body: The events around it.
        after: How many events come before it.
        size: The size of the line, in bytes.
        line: What the line is: "comment", which clients pass over, or "data", which makes an
            event of its own.
        framing: How it is compressed; see `Framing`.

    Returns:
        The answer, for a `ReplayServer`.

    Raises:
        ValueError: An option has no such value, or the body has fewer events.
        ModuleNotFoundError: The framing needs a package that is not installed.
    """
    check_choice("line", line, "comment", "data")
    events = Replay(body).cut()
    if not 0 <= after <= len(events):
        raise ValueError(f"after is {after}; number of events: {len(events)}")
    start = b": " if line == "comment" else b"data: "
    events.insert(after, start.ljust(size, b"0") + b"\n\n")
    return Replay(b"".join(events), pieces=[len(event) for event in events], framing=framing)


_KNOWN: dict[str, tuple[str, Callable[[_Wish], Replay]]] = {
    "close": (
        "closed after a piece, the body without its end",
        lambda wish: wish.broken("close"),
    ),
    "close-inside": (
        "closed in the middle of a chunk",
        lambda wish: wish.broken("close-inside"),
    ),
    "close-before-body": (
        "closed after the headers",
        lambda wish: Replay(wish.body, fault="close", fault_after=0),
    ),
    "no-answer": (
        "closed before the status line",
        lambda wish: Replay(wish.body, fault="no-answer"),
    ),
    "reset": (
        "reset (RST) after a piece",
        lambda wish: wish.broken("reset"),
    ),
    "stall": (
        "silent after a piece, the connection open",
        lambda wish: wish.broken("stall"),
    ),
    "comments": (
        "nothing but comments after a piece, without an end",
        lambda wish: wish.broken("comments"),
    ),
    "left-open": (
        "the whole body, and then the connection open",
        lambda wish: Replay(wish.body, fault="stall"),
    ),
    "drip": (
        "one byte at a time",
        lambda wish: Replay(wish.body, pieces="bytes", delays=_DRIP),
    ),
    "bad-chunk": (
        "an invalid chunk header after a piece, the connection open",
        lambda wish: wish.broken("bad-chunk"),
    ),
    "short-length": (
        "closed before the announced length was sent",
        lambda wish: wish.broken("close", "content-length"),
    ),
    "truncated-gzip": (
        "gzip that stops after a piece, in HTTP framing that ends properly",
        lambda wish: wish.broken("truncate", "gzip"),
    ),
    "corrupt-gzip": (
        "gzip that is damaged after a piece, in sound HTTP framing",
        lambda wish: wish.broken("corrupt", "gzip"),
    ),
    "bomb": (
        "a comment of 32 MiB after a piece, in a few KiB of gzip",
        lambda wish: bomb(wish.body, after=wish.after),
    ),
    "wrong-content-type": (
        "the body as text/plain",
        lambda wish: Replay(wish.body, content_type="text/plain; charset=utf-8"),
    ),
    "html": (
        "200 with an HTML page",
        lambda _: _whole(200, _PAGE, "text/html; charset=utf-8"),
    ),
    "json-error": (
        "200 with an error as JSON",
        lambda _: _error(200, "The model is overloaded.", "server_error", "overloaded"),
    ),
    "no-content": (
        "204, no body",
        lambda _: Replay(b"", status=204, content_type=None),
    ),
    "moved": (
        "301 to another location",
        lambda wish: _whole(301, b"", None, {"Location": wish.location}),
    ),
    "redirect": (
        "307 to another location",
        lambda wish: _whole(307, b"", None, {"Location": wish.location}),
    ),
    "unauthorized": (
        "401 with an error as JSON",
        lambda _: _error(401, "Incorrect API key.", "invalid_request_error", "invalid_api_key"),
    ),
    "rate-limited": (
        "429 with an error as JSON and Retry-After: 7",
        lambda _: _error(
            429, "Too many requests.", "requests", "rate_limit_exceeded", {"Retry-After": "7"}
        ),
    ),
    "server-error": (
        "500 with an error as JSON",
        lambda _: _error(500, "The server had an error.", "server_error", None),
    ),
}

FAULTS = MappingProxyType({name: description for name, (description, _) in _KNOWN.items()})
"""The names that `faulty` knows, each with what the answer does."""


def faulty(name: str, body: bytes, *, after: int = 1, location: str = "/elsewhere") -> Replay:
    """
    Make the answer in which something is wrong with a stream.

    Args:
        name: What is wrong; see `FAULTS`.
        body: The stream as it should be. An answer that has none of it leaves it out.
        after: How many events are sent whole before it goes wrong, where it does so in the
            middle.
        location: Where a redirect points to.

    Returns:
        The answer, for a `ReplayServer`.

    Raises:
        ValueError: There is no such name, or the body has fewer events.
    """
    check_choice("name", name, *FAULTS)
    _, make = _KNOWN[name]
    return make(_Wish(body, after, location))
