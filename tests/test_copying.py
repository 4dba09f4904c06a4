"""Objects that follow one stream can't be copied, because a copy would share their state."""

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
    """An empty source, synchronous and asynchronous."""

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
def test_stateful_objects_are_not_copied(name: str) -> None:
    """copy, deepcopy and pickle raise a TypeError that says what to do."""
    made = MAKERS[name]()
    for copied in COPIES:
        with pytest.raises(TypeError, match=r"can't be copied or pickled.*make a new one"):
            copied(made)


def public_classes() -> set[type]:
    """Return the stateful classes that are public or in an adapter."""
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


def test_every_stateful_class_is_uncopyable() -> None:
    """Every class with a method that feeds, adds, iterates or closes is uncopyable."""
    found = public_classes()

    assert {"Parser", "Gate", "SocketSource", "StreamSource"} <= {kind.__name__ for kind in found}
    assert [kind for kind in found if not issubclass(kind, Uncopyable)] == []


def test_subclass_is_not_copied() -> None:
    """The message names the subclass."""

    class Mine(ChunkParser):
        pass

    with pytest.raises(TypeError, match="Mine can't be copied"):
        copy.copy(Mine())


def test_events_are_copied() -> None:
    """Events are values, which can be copied and pickled."""
    event = Event("x", id="1")
    for copied in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert copied == event
