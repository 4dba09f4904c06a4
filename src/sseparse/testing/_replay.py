"""Responses of a replay server."""

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


@frozen
class Coding:
    """A compressor of one body. After `flush` all pieces so far can be decompressed."""

    compress: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    finish: Callable[[], bytes]


def make_coding(framing: str) -> Coding:
    """Return a new compressor for a framing, which changes nothing for most framings."""
    match framing:
        case "gzip" | "gzip-unflushed":
            gzip = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)  # + 16: not zlib's own format
            flush = partial(gzip.flush, zlib.Z_SYNC_FLUSH) if framing == "gzip" else bytes
            return Coding(gzip.compress, flush, gzip.flush)
        case "br":
            # The best quality, the default, takes seconds where this one takes milliseconds.
            brotli = _import("brotli", framing).Compressor(quality=5)
            return Coding(brotli.process, brotli.flush, brotli.finish)
        case "zstd":
            library = _import("zstandard", framing)
            zstd = library.ZstdCompressor().compressobj()
            flush = partial(zstd.flush, library.COMPRESSOBJ_FLUSH_BLOCK)
            return Coding(zstd.compress, flush, zstd.flush)
        case _:
            return Coding(bytes, bytes, bytes)


def _import(library: str, framing: str) -> Any:
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        message = f"framing={framing!r} needs {library}: pip install {library}"
        raise ModuleNotFoundError(message, name=error.name) from error


Framing = Literal[
    "chunked", "one-chunk", "close", "content-length", "gzip", "gzip-unflushed", "br", "zstd"
]
"""
How HTTP marks the end of the body.

- "chunked": one HTTP chunk for each piece.
- "one-chunk": one HTTP chunk for the complete body, whose bytes are sent piece by piece.
- "close": no length; the body ends when the server closes the connection.
- "content-length": the headers announce the length.
- "gzip": compressed, and flushed after each piece, which is one HTTP chunk.
- "gzip-unflushed": compressed, and flushed only at the end: the server holds pieces back.
- "br", "zstd": as "gzip", but with Brotli or Zstandard, by the packages brotli and zstandard.
"""

Cutting = Literal["events", "bytes", "whole"]
"""How a body is split: after each blank line (LF, CR or CRLF), after each byte, or not at all."""

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
What goes wrong on the connection, after `fault_after` pieces of the body or after all of them.

- "close": the server closes the connection (FIN) without the end of the body. With the framing
  "close" that looks like a complete body, as it does with "content-length" after all pieces.
- "close-inside": the server closes the connection after half of what follows: the next piece with
  its framing, or the end of the body.
- "no-answer": the server reads the request and closes the connection.
- "reset": the server resets the connection (RST). On Linux the client can still read the data
  sent before, if it fitted into the client's receive buffer.
- "stall": the server sends nothing more.
- "comments": the server sends only comments, one every `keep_alive` seconds. Not possible with
  the framings "content-length" and "one-chunk", which announce the length.
- "bad-chunk": the next chunk has an invalid header. With the framing "chunked" only.
- "truncate": the compressed body stops, and HTTP's framing ends properly.
- "corrupt": the compressed bytes that follow are damaged, and HTTP's framing is correct.

"truncate" and "corrupt" work only with a framing that compresses.
After "stall", "comments" and "bad-chunk" the connection stays open until the client closes it or
the server stops.
"""

# An event ends after a blank line; further blank lines belong to it. A CRLF is one line end, never
# a CR and an LF: the atomic group ensures that.
_EVENT_END = re.compile(rb"(?>\r\n|\r|\n){2,}")
_RESERVED_HEADERS = ("content-length", "content-type", "transfer-encoding")
_FAULT_FRAMINGS = {
    "comments": ("chunked", "close", *CONTENT_ENCODINGS),
    "bad-chunk": ("chunked",),
    "truncate": tuple(CONTENT_ENCODINGS),
    "corrupt": tuple(CONTENT_ENCODINGS),
}


@frozen
class Replay:
    """
    A response of a `ReplayServer`.

    Args:
        body: The bytes of the body, without framing or compression.
        pieces: How to split the body, by default after each event; see `Cutting`. Or the sizes of
            the pieces in bytes, which add up to the size of the body.
        delays: Seconds to wait before each piece: one number for all pieces, or one for each.
            Default: 0.
        framing: How HTTP marks the end of the body; see `Framing`.
        status: The HTTP status, from 200 to 599.
        headers: Additional headers: by name, or as pairs of name and value, to repeat a name.
        content_type: The Content-Type header; None sends none.
        gated: Whether each piece waits for a call of `ReplayServer.release()`. The delay of the
            piece then begins at that call. The headers and the end of the body don't wait. Default:
            False.
        fault: What goes wrong on the connection; None, the default, for nothing. See `Fault`. A
            response without a body (to HEAD, or with the status 204 or 304) can only have
            "no-answer".
        fault_after: How many pieces are sent before the fault; None for all.
        keep_alive: Seconds between the comments of the fault "comments".

    Raises:
        TypeError: The body isn't bytes.
        ValueError: An option has an invalid value, or two options don't fit together.
        ModuleNotFoundError: The framing needs a package that isn't installed.
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
        if isinstance(self.pieces, str):
            check_choice("pieces", self.pieces, *get_args(Cutting))
        elif any(size < 1 for size in self.pieces):
            raise ValueError("pieces has a size below 1; each piece has at least one byte")
        elif (total := sum(self.pieces)) != len(self.body):
            raise ValueError(f"pieces add up to {total} bytes, but the body has {len(self.body)}")
        self._check_times_and_fault(len(self.cut()))
        if not 200 <= self.status <= 599:
            raise ValueError(f"status is {self.status}; give one from 200 to 599")
        for name, _ in self.header_pairs():
            if name.lower() in _RESERVED_HEADERS:
                option = "content_type" if name.lower() == "content-type" else "framing"
                raise ValueError(f"headers has {name}, which {option}= sets")

    def _check_times_and_fault(self, pieces: int) -> None:
        delays = self.waits()
        if any(seconds < 0 for seconds in delays):
            raise ValueError("delays has a time below 0; give seconds, 0 or more")
        if len(delays) != pieces:
            raise ValueError(f"delays has {len(delays)} times; give {pieces}, one for each piece")
        check_choice("framing", self.framing, *get_args(Framing))
        make_coding(self.framing)
        if self.fault_after is not None and not 0 <= self.fault_after <= pieces:
            raise ValueError(f"fault_after is {self.fault_after}; the body has {pieces} pieces")
        if self.keep_alive <= 0:
            raise ValueError(f"keep_alive is {self.keep_alive!r}; give seconds above 0")
        if self.fault is None:
            if self.fault_after is not None:
                raise ValueError("fault_after is given without a fault")
            return
        check_choice("fault", self.fault, *get_args(Fault))
        framings = _FAULT_FRAMINGS.get(self.fault, get_args(Framing))
        if self.framing not in framings:
            names = ", ".join(map(repr, framings))
            pair = f"fault={self.fault!r} doesn't work with framing={self.framing!r}"
            raise ValueError(f"{pair}; give one of {names}")

    def header_pairs(self) -> list[tuple[str, str]]:
        """Return the additional headers as pairs of name and value."""
        return list(self.headers.items() if isinstance(self.headers, Mapping) else self.headers)

    def cut(self) -> list[bytes]:
        """Return the pieces of the body, in order."""
        size = len(self.body)
        match self.pieces:
            case "events":
                ends = [match.end() for match in _EVENT_END.finditer(self.body)]
            case "bytes":
                ends = list(range(1, size + 1))
            case "whole":
                ends = []
            case sizes:
                ends = list(accumulate(sizes))
        if size and ends[-1:] != [size]:
            ends.append(size)
        return [self.body[start:end] for start, end in pairwise([0, *ends])]

    def waits(self) -> list[float]:
        """Return the seconds to wait before each piece."""
        if isinstance(self.delays, Sequence):
            return list(self.delays)
        return [self.delays] * len(self.cut())


_with_length = partial(Replay, framing="content-length")


def plain_text(status: int, text: str) -> Replay:
    """Return a response with a line of text."""
    body = f"{text}\n".encode()
    return _with_length(body, status=status, content_type="text/plain; charset=utf-8")


def _error(status: int, message: str, kind: str, code: str | None, **options: Any) -> Replay:
    error = {"message": message, "type": kind, "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    return _with_length(body, status=status, content_type="application/json", **options)


def bomb(
    body: bytes = b"",
    *,
    after: int = 0,
    size: int = 32 * 2**20,
    line: Literal["comment", "data"] = "comment",
    framing: Framing = "gzip",
) -> Replay:
    """
    Make a `ReplayServer` response with a large line that is small when compressed.

    Args:
        body: The events before and after the line.
        after: How many of the events are before it.
        size: The size of the line in bytes.
        line: What the line is: "comment", which clients ignore, or "data", which is an event.
        framing: How the body is compressed; see `Framing`. Default: "gzip".

    Raises:
        ValueError: An option has an invalid value, or the body has fewer events.
        ModuleNotFoundError: The framing needs a package that isn't installed.
    """
    check_choice("line", line, "comment", "data")
    events = Replay(body).cut()
    if not 0 <= after <= len(events):
        raise ValueError(f"after is {after}; the body has {len(events)} events")
    start = b": " if line == "comment" else b"data: "
    events.insert(after, start.ljust(size, b"0") + b"\n\n")
    return Replay(b"".join(events), pieces=[len(event) for event in events], framing=framing)


FAULTS = MappingProxyType(
    {
        "close": "closed after a piece, without the end of the body",
        "close-inside": "closed in the middle of a chunk",
        "close-before-body": "closed after the headers",
        "no-answer": "closed before the status line",
        "reset": "reset (RST) after a piece",
        "stall": "silent after a piece, the connection open",
        "comments": "only comments after a piece, without an end",
        "left-open": "the complete body, and then the connection open",
        "drip": "one byte at a time",
        "bad-chunk": "an invalid chunk header after a piece, the connection open",
        "short-length": "closed before the announced length was sent",
        "truncated-gzip": "gzip that stops after a piece, in HTTP framing that ends properly",
        "corrupt-gzip": "gzip that is damaged after a piece, in correct HTTP framing",
        "bomb": "a comment of 32 MiB after a piece, in a few KiB of gzip",
        "wrong-content-type": "the body as text/plain",
        "html": "200 with an HTML page",
        "json-error": "200 with an error as JSON",
        "no-content": "204, no body",
        "moved": "301 to another location",
        "redirect": "307 to another location",
        "unauthorized": "401 with an error as JSON",
        "rate-limited": "429 with an error as JSON and Retry-After: 7",
        "server-error": "500 with an error as JSON",
    }
)
"""The names that `faulty` accepts, each with a description of the response."""

_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Sign in</body></html>\n"
_FIXED_RESPONSES = {
    "html": _with_length(_PAGE, content_type="text/html; charset=utf-8"),
    "json-error": _error(200, "The model is overloaded.", "server_error", "overloaded"),
    "no-content": Replay(b"", status=204, content_type=None),
    "unauthorized": _error(401, "Incorrect API key.", "invalid_request_error", "invalid_api_key"),
    "rate-limited": _error(
        429, "Too many requests.", "requests", "rate_limit_exceeded", headers={"Retry-After": "7"}
    ),
    "server-error": _error(500, "The server had an error.", "server_error", None),
}
# Options of `Replay`. The other faults have the name of the option `fault`.
_OPTIONS: dict[str, dict[str, Any]] = {
    "close-before-body": {"fault": "close", "fault_after": 0},
    "no-answer": {"fault": "no-answer", "fault_after": None},
    "left-open": {"fault": "stall", "fault_after": None},
    "drip": {"pieces": "bytes", "delays": 0.001, "fault_after": None},
    "short-length": {"fault": "close", "framing": "content-length"},
    "truncated-gzip": {"fault": "truncate", "framing": "gzip"},
    "corrupt-gzip": {"fault": "corrupt", "framing": "gzip"},
    "wrong-content-type": {"content_type": "text/plain; charset=utf-8", "fault_after": None},
}


def faulty(name: str, body: bytes, *, after: int = 1, location: str = "/elsewhere") -> Replay:
    """
    Make a `ReplayServer` response that has an error.

    Args:
        name: The name of the error; see `FAULTS`.
        body: The correct stream. Some of the responses don't contain any of it.
        after: How many events are sent before the error, if it occurs within the body.
        location: The URL that a redirect points to.

    Raises:
        ValueError: There's no such name, or the body has fewer than `after` events.
    """
    check_choice("name", name, *FAULTS)
    if name == "bomb":
        return bomb(body, after=after)
    if name in ("moved", "redirect"):
        status = 301 if name == "moved" else 307
        return _with_length(b"", status=status, content_type=None, headers={"Location": location})
    if name in _FIXED_RESPONSES:
        return _FIXED_RESPONSES[name]
    options: dict[str, Any] = {"fault_after": after, **_OPTIONS.get(name, {"fault": name})}
    return Replay(body, **options)
