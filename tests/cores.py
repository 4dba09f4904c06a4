"""A copy of the library with the Python core, and the comparison of both cores."""

import importlib.util
import os
import sys
from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import sseparse
from sseparse._stage import SLICE

# Parts of streams, including malformed and large ones.
WORDS = [
    *(b"data", b"data:", b"data: ", b"dat", b"database: x", b":", b": ping", b"event", b"event: e"),
    b"event: message",
    *(b"event:", b"events: x", b"id", b"id: ", b"id: 1", b"id: 2\0", b"idx", b"retry", b"retry: "),
    *(b"retry: 0012", b"retry: 1x", b"retry: " + b"9" * 640, b"retry: 1" + b"0" * 640, b"x", b"xy"),
    *(b"\n", b"\n", b"\n", b"\n\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b" ", b"  ", b"\0"),
    *(b"\xef\xbb\xbf", b"\xef\xbb", b"\xbf", b"\xe2\x98", b"\x83", b"\xff", "é€😀".encode()),
    *(
        b'data: {"a":1}\n\n',
        b'data: {"a":1}\n\ndata: {"b":2}\n\n',
        b"data: a\r\n\r\ndata: b\r\n\r\n",
        b"event: e\ndata: a\n\nevent: e\ndata: b\n\ndata: c\n\n",
        "event: é\ndata: a\n\n".encode(),
    ),
    *(b"error", b"error:", b"error: e", b"err", b"{", b"[", b'{"a":1}', b"{" + b"y" * 1030),
    *(b"data: [DONE]\n\n", b"<html>", b"y" * 1030, b"data: " + b"z" * 5000),
]
LARGE = [b"v" * 65536, b"data:" + b"w" * 70000 + b"\n\n"]
_NAME = "sseparse_pure"


def load_pure_library() -> ModuleType:
    """Return a copy of the library with the Python core."""
    if _NAME not in sys.modules:
        folder = Path(sseparse.__file__).parent
        spec = importlib.util.spec_from_file_location(
            _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with mock.patch.dict(os.environ, {"SSEPARSE_PURE": "1"}):
            sys.modules[_NAME] = module
            spec.loader.exec_module(module)
            core = importlib.import_module(f"{_NAME}.sse._parser")
        assert not core.ACCELERATED
    return sys.modules[_NAME]


def describe(parser: Any, items: list[Any]) -> list[Any]:
    """Return the items and the state of a parser, in a form that doesn't depend on its core."""
    state = (parser.last_event_id, parser.retry, parser.bytes_seen, parser.events_seen)
    error = None if parser.error is None else (type(parser.error).__name__, str(parser.error))
    return [list(map(repr, items)), *state, parser.comments_seen, error, repr(parser.end)]


def feed_piece(parser: Any, piece: bytes, way: str) -> list[Any]:
    """Feed a piece, in bulk as ChunkParser does if the way is "bulk"."""
    if way != "bulk":
        return list(parser.feed(piece))
    runs = parser.plain_events(piece) if len(piece) <= SLICE else None
    if runs is None:
        # In bulk, a type "message" that was sent looks like one that wasn't.
        return [_without_named(item) for item in parser.feed(piece)]
    return [
        sseparse.Event(value.decode("utf-8", "replace"), kind, parser.last_event_id)
        for kind, values in runs
        for value in values
    ]


def _without_named(item: Any) -> Any:
    if not hasattr(item, "named"):
        return item
    return sseparse.Event(item.data, item.event, item.id, item.retry)


def record_steps(
    parser: Any, pieces: Iterable[bytes], ways: Iterable[str] = (), *, keeps_stray: bool = False
) -> list[Any]:
    """
    Feed pieces and close, and return the items and the state after each step.

    Each piece has its way: "feed", "bulk", or "reset", which resets the parser first. After an
    error, pieces are ignored until a reset. Pieces without a way are fed.
    """
    parser.keeps_stray = keeps_stray
    steps = [describe(parser, [])]
    for piece, way in zip(pieces, chain(ways, repeat("feed")), strict=False):
        if way == "reset":
            parser.reset()
        if parser.error is None:
            steps.append(describe(parser, feed_piece(parser, piece, way)))
    if parser.error is None:
        steps.append(describe(parser, parser.close()))
    return steps
