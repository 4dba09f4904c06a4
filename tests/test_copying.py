"""Values can be copied and pickled; objects that follow one stream can't be."""

import copy
import importlib
import inspect
import json
import pickle
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs
import httpx
import msgspec
import pytest

import sseparse
from sseparse import ChunkDecoder, ChunkParser, Event, adapters
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


CHUNK: dict[str, Any] = {
    "index": 0,
    "delta": {
        "content": "a",
        "reasoning": "b",
        "refusal": "c",
        "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": "{}"}},
            {"id": "2", "type": "custom", "custom": {"name": "f", "input": "x"}},
        ],
        "audio": {"id": "3", "transcript": "d"},
        "mood": {"x": [1]},
    },
    "finish_reason": "stop",
    "logprobs": {"content": [{"token": "a", "top_logprobs": [{"token": "b"}]}]},
    "content_filter_offsets": {"start": 0},
}
USAGE = {"prompt_tokens_details": {}, "completion_tokens_details": {"x": 1}, "x": 1}
LEGACY = {"text": "a", "logprobs": {"tokens": ["a"]}, "finish_reason": "length"}
STREAMS: list[list[dict[str, Any]]] = [
    [{"choices": [CHUNK], "x_groq": {"id": "4"}}, {"usage": USAGE, "model": "m"}],
    [{"object": "text_completion", "choices": [LEGACY], "usage": USAGE, "x": [{}]}],
]


def values_of(events: list[dict[str, Any]]) -> list[Any]:
    """Return the chunks, updates, result and notes of a stream."""
    decoder, accumulator = ChunkDecoder(), sseparse.Accumulator()
    values: list[Any] = [c for e in events for c in decoder.feed(Event(json.dumps(e)))]
    values += [update for chunk in values for update in accumulator.updates(chunk)]
    result = accumulator.result()
    assert result.notes
    return [*values, *accumulator.last_updates(), result, *result.notes]


def parts_of(value: Any) -> Iterator[Any]:
    """Return a value, and the values in its fields."""
    yield value
    parts: Any = ()
    if isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, msgspec.Struct) or attrs.has(type(value)):
        parts = [getattr(value, name) for name in type(value).__match_args__]
        if isinstance(value, msgspec.Struct):
            parts = [getattr(value, name) for name in value.__struct_fields__]
    for part in parts:
        yield from parts_of(part)


VALUES: list[Any] = [
    Event("a", "x", "1", 5),
    Event("a", named=True),
    sseparse.Comment("a"),
    sseparse.End(cause=sseparse.EndCause.DONE, finish_reasons={0: "stop", 1: None}),
    sseparse.Deadlines(total=5),
    sseparse.chunks.TextUpdate(0, "a"),
    sseparse.chunks.ToolCallView("1", "f", "{}"),
    sseparse.chunks.JSONFault(3, "expected a value"),
    sseparse.chunks.EstimatedUsage(
        estimated=True, encoding="e", choices=[sseparse.chunks.ChoiceTokens(index=0)], notes=["a"]
    ),
    *(value for events in STREAMS for value in values_of(events)),
]
ALL_PARTS = {
    type(part).__name__: part
    for value in VALUES
    for part in parts_of(value)
    if type(part).__module__.startswith("sseparse")
}
WAYS: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(
        lambda v, protocol=protocol: pickle.loads(pickle.dumps(v, protocol))
        for protocol in range(6)
    ),
]


@pytest.mark.parametrize("name", ALL_PARTS)
def test_values_are_copied(name: str) -> None:
    """A copied or pickled value is equal to the original, with the same repr and type."""
    value = ALL_PARTS[name]
    for way in WAYS:
        copied = way(value)
        assert type(copied) is type(value)
        assert copied == value
        assert repr(copied) == repr(value)
        assert (copied != value) is False


def test_all_values_are_covered() -> None:
    """Every public class of values is in the test above."""
    found = [value for module in ("sseparse", "sseparse.chunks") for value in public(module)]
    values = {
        name
        for name, kind in found
        if inspect.isclass(kind) and (attrs.has(kind) or issubclass(kind, msgspec.Struct))
    }
    assert values <= set(ALL_PARTS)
