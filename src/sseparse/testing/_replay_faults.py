"""Answers in which something is wrong, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Literal

from attrs import frozen

from .._options import check_choice
from ._replay import Fault, Framing, Replay

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
