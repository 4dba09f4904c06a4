"""No parser, decoder, stream, gate or counter is copied: a copy would share its state."""

import copy
import importlib
import inspect
import pickle
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

import sseparse
from sseparse import ChunkParser, Event, adapters
from sseparse._stage import Uncopyable
from sseparse.adapters._http1 import HTTPBody
from sseparse.moderation import Gate
from sseparse.reconnect import AsyncEventSource, EventSource
from sseparse.testing import ReplayServer
from sseparse.timing import Timeline
from sseparse.tokens import TokenCounter
from test_public_api import MODULES, public

STATEFUL = {"feed", "add", "close", "aclose", "__next__", "__anext__"}
COPIES: list[Callable[[Any], object]] = [
    copy.copy,
    copy.deepcopy,
    *(lambda made, protocol=protocol: pickle.dumps(made, protocol) for protocol in range(6)),
]


class Pieces:
    """A source of both kinds that holds nothing."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __aiter__(self) -> Any:
        return self


def response() -> httpx.Response:
    return httpx.Response(200, content=b"data: x\n\n", request=httpx.Request("POST", "http://a"))


MAKERS: dict[str, Callable[[], Any]] = {
    **{
        name: getattr(sseparse, name)
        for name in ("Parser", "ChunkParser", "ChunkDecoder", "Accumulator")
    },
    "PartialJSON": sseparse.chunks.PartialJSON,
    **{
        name: partial(getattr(sseparse, name), Pieces())
        for name in ("EventStream", "Stream", "AsyncEventStream", "AsyncStream")
    },
    "Stream.text_deltas": lambda: sseparse.Stream(Pieces()).text_deltas(),
    "Stream.updates": lambda: sseparse.Stream(Pieces()).updates(),
    "AsyncStream.text_deltas": lambda: sseparse.AsyncStream(Pieces()).text_deltas(),
    "AsyncStream.updates": lambda: sseparse.AsyncStream(Pieces()).updates(),
    "EventSource": lambda: EventSource("http://localhost"),
    "AsyncEventSource": lambda: AsyncEventSource("http://localhost"),
    "Gate": Gate,
    "Gate.releases": lambda: Gate(bool).releases([]),
    "Gate.text_deltas": lambda: Gate(bool).text_deltas([]),
    "Gate.areleases": lambda: Gate(bool).areleases(Pieces()),
    "Gate.atext_deltas": lambda: Gate(bool).atext_deltas(Pieces()),
    "TokenCounter": lambda: TokenCounter("o200k_base"),
    "Timeline": Timeline,
    "HTTPBody": HTTPBody,
    "ReplayServer": lambda: ReplayServer(b""),
    "sockets": lambda: importlib.import_module("sseparse.adapters.sockets").source(socket.socket()),
    "httpx": lambda: adapters.source(response()),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("name", MAKERS)
def test_what_follows_one_stream_is_not_copied(name: str) -> None:
    """copy, deepcopy and pickle raise TypeError, and say what to do."""
    made = MAKERS[name]()
    for copied in COPIES:
        with pytest.raises(TypeError, match=r"can't be copied or pickled.*make a new one"):
            copied(made)


def public_classes() -> set[type]:
    """Find the public classes, and those of the adapters, that have a state."""
    found = {value for module in MODULES for _, value in public(module) if inspect.isclass(value)}
    for adapter in MODULES:
        if adapter.startswith(adapters.__name__):
            found |= set(filter(inspect.isclass, vars(importlib.import_module(adapter)).values()))
    return {
        kind
        for kind in found
        if kind.__module__.startswith("sseparse")
        and not getattr(kind, "_is_protocol", False)
        and STATEFUL & set(dir(kind))
    }


def test_every_class_with_a_state_is_looked_at() -> None:
    """None that feeds, adds, iterates or closes can be copied by accident."""
    found = public_classes()

    assert {"Parser", "Gate", "SocketSource", "StreamSource"} <= {kind.__name__ for kind in found}
    assert [kind for kind in found if not issubclass(kind, Uncopyable)] == []


def test_a_subclass_is_not_copied_either() -> None:
    """It is named in the message."""

    class Mine(ChunkParser):
        pass

    with pytest.raises(TypeError, match="Mine can't be copied"):
        copy.copy(Mine())


def test_events_of_a_parser_are_copied() -> None:
    """What a parser returned is a value."""
    event = Event("x", id="1")
    for twin in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert twin == event
