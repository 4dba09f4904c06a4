"""An unexpected exception breaks a stage, so that no item is lost silently."""

import _thread
import asyncio
import importlib.util
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import httpx2
import pytest

import sseparse
from sseparse import (
    ACCELERATED,
    Accumulator,
    AsyncStream,
    BrokenStage,
    ChatCompletionChunk,
    Chunk,
    ChunkDecoder,
    ChunkParser,
    Deadlines,
    EndCause,
    Event,
    EventStream,
    Parser,
    SSEError,
    Stream,
    ThinkTags,
)
from sseparse.adapters import sockets
from sseparse.adapters._http1 import HTTPBody
from sseparse.chunks import PartialJSON
from sseparse.moderation import Gate
from sseparse.reconnect import EventSource
from sseparse.timing import Timeline
from sseparse.tokens import TokenCounter

# Between the lines of these, an interruption would lose the current item or piece; Python handles
# no signal there.
DRIVERS = {
    "SyncDriver.__next__",
    "SyncDriver._read",
    "EventReader.pop",
    "_TextDeltas.__next__",
    "ReleaseIterator.__next__",
    "TextIterator.__next__",
    "ReleaseIterator._read_item",
}
SRC = str(Path(sseparse.__file__).parent)


def chunk_data(text: str, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "1", "created": 1, "model": "m", "choices": [choice]})


DATA = [chunk_data("one. "), chunk_data("two. "), chunk_data("three.", "stop")]
TEXT = "one. two. three."
BODY = "".join(f"id: {number}\ndata: {data}\n\n" for number, data in enumerate(DATA)).encode()
PIECES = [b": hello\n\n", BODY[:40], BODY[40:], b"data: [DO", b"NE]\n\n"]
CHUNKS = [ChunkDecoder().feed(Event(data))[0] for data in DATA]
(CHUNK_WITH_TAGS,) = ChunkDecoder().feed(Event(chunk_data("a</think>b<think>c</")))


class Interruption(BaseException):
    """A BaseException, like KeyboardInterrupt."""


def raises(*_: object, **__: object) -> Any:
    raise Interruption


class HostileBytes(bytes):
    """Bytes that raise when they are converted."""

    __bytes__ = raises


class HostileText(str):
    """Text that raises when it's inspected."""

    __slots__ = ()
    __len__ = isascii = raises


class HostileChunk(ChatCompletionChunk):
    """A chunk that raises when its choices are read."""

    def __getattribute__(self, name: str) -> Any:
        return raises() if name in {"choices", "usage"} else super().__getattribute__(name)


def hostile_chunk() -> Any:
    return HostileChunk(id="1", choices=[])


def hostile_text_chunk() -> Any:
    (chunk,) = ChunkDecoder().feed(Event(DATA[0]))
    chunk.choices[0].delta.content = HostileText("x")  # type: ignore[union-attr] # a chat chunk
    return chunk


def accumulator_with_chunk() -> Accumulator:
    accumulator = Accumulator()
    accumulator.add(CHUNKS[0])
    return accumulator


HOSTILE: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], list[Callable[[Any], Any]]]] = {
    "Parser": (
        Parser,
        lambda stage: stage.feed(HostileBytes(b"data: x\n\n")),
        [
            lambda stage: stage.feed(b"\n"),
            lambda stage: stage.close(),
            lambda stage: stage.reset(),
            lambda stage: stage.feed(bytearray()),
        ],
    ),
    "ChunkParser": (
        ChunkParser,
        lambda stage: stage.feed(HostileBytes(b"data: {}\n\n")),
        [lambda stage: stage.feed(b"\n"), lambda stage: stage.close()],
    ),
    "ChunkDecoder": (
        ChunkDecoder,
        lambda stage: stage.feed(Event(HostileText(DATA[0]))),
        [lambda stage: stage.feed(Event(DATA[0])), lambda stage: stage.close()],
    ),
    "Accumulator": (
        accumulator_with_chunk,
        lambda stage: stage.add(hostile_chunk()),
        [
            lambda stage: stage.add(CHUNKS[1]),
            lambda stage: stage.updates(CHUNKS[1]),
            lambda stage: stage.last_updates(),
            lambda stage: stage.result(),
        ],
    ),
    "ThinkTags": (
        lambda: ThinkTags(opened=True),
        lambda stage: stage.feed(hostile_chunk()),
        [lambda stage: stage.feed(CHUNKS[0]), lambda stage: stage.close()],
    ),
    "PartialJSON": (
        PartialJSON,
        lambda stage: stage.feed(HostileText("{}")),
        [lambda stage: stage.feed("1"), lambda stage: stage.close()],
    ),
    "TokenCounter": (
        lambda: TokenCounter("o200k_base"),
        lambda stage: stage.add(HostileText("x")),
        [lambda stage: stage.add("x"), lambda stage: stage.count],
    ),
    "Gate": (
        Gate,
        lambda stage: stage.feed(hostile_text_chunk()),
        [
            lambda stage: stage.feed(CHUNKS[0]),
            lambda stage: stage.feed_text("x"),
            lambda stage: stage.close(),
        ],
    ),
    "HTTPBody": (
        HTTPBody,
        lambda stage: stage.feed(HostileBytes(b"HTTP/1.1 200 OK\r\n\r\n")),
        [lambda stage: stage.feed(b"x"), lambda stage: stage.close()],
    ),
}


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("name", HOSTILE)
def test_exception_breaks_the_stage(name: str) -> None:
    """After an unexpected exception, `error` is a BrokenStage that every later call raises."""
    make, interrupted, later = HOSTILE[name]
    stage = make()
    with pytest.raises(Interruption):
        interrupted(stage)

    assert isinstance(stage.error, BrokenStage)
    for call in later:
        with pytest.raises(BrokenStage, match="items may be missing") as caught:
            call(stage)
        assert caught.value is stage.error


class HostileLimit(int):
    """A limit that raises when it's compared, once it is armed."""

    armed = False

    def __lt__(self, other: int) -> bool:
        return raises() if self.armed else super().__lt__(other)

    def __ge__(self, other: int) -> bool:
        return raises() if self.armed else super().__ge__(other)


@pytest.mark.skipif(ACCELERATED, reason="the compiled core reads a limit only once")
@pytest.mark.parametrize("method", ["feed", "plain_events"])
def test_exception_inside_the_core(method: str) -> None:
    """An exception in feed() or plain_events() breaks the parser."""
    limit = HostileLimit(100)
    parser = Parser(max_line_bytes=limit)
    parser.feed(b"\n\n\n")
    limit.armed = True
    with pytest.raises(Interruption):
        getattr(parser, method)(b"data: x\n\n")

    assert isinstance(parser.error, BrokenStage)
    assert parser.plain_events(b"data: x\n\n") is None


def test_exception_in_close() -> None:
    """An exception in close() breaks the stage."""
    parser = Parser()
    parser.feed(b"data: {}")
    with pytest.raises(Interruption):
        parser.close_if(raises)

    limit = HostileLimit(100)
    chunks = ChunkParser(max_objects=limit)
    chunks.feed(b"data: {}")
    limit.armed = True
    with pytest.raises(Interruption):
        chunks.close()

    for stage in (parser, chunks):
        assert isinstance(stage.error, BrokenStage)
        with pytest.raises(BrokenStage):
            stage.close()


class HostileSocket(socket.socket):
    """A socket that returns hostile bytes."""

    def recv(self, *_: int) -> bytes:
        return HostileBytes(b"HTTP/1.1 200 OK\r\n\r\n")


def test_exception_after_a_read_from_a_socket() -> None:
    """A source raises if it lost bytes between the socket and its reader."""
    with HostileSocket() as sock:
        source = sockets.source(sock)
        with pytest.raises(Interruption):
            next(source)
        with pytest.raises(BrokenStage):
            next(source)


@pytest.mark.parametrize("callback", ["clock", "rnd"])
def test_exception_in_an_event_source(callback: str) -> None:
    """An exception in a callback breaks the EventSource, which doesn't reconnect."""
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=b"data: x\n\n"))
    options: Any = {callback: raises}
    with httpx2.Client(transport=transport) as client:
        events = EventSource("http://localhost", client=client, **options)
        with pytest.raises(Interruption):
            list(events)
        for _ in range(2):
            with pytest.raises(BrokenStage):
                next(events)


@pytest.mark.parametrize("make", [Parser, ChunkParser, ChunkDecoder, HTTPBody])
def test_end_of_a_broken_stage(make: Callable[[], Any]) -> None:
    """The end of a broken stage isn't complete."""
    stage = make()
    with pytest.raises(Interruption):
        stage.feed(Event(HostileText("x")) if make is ChunkDecoder else HostileBytes(b"x"))

    assert stage.end is not None
    assert not stage.end.complete


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("name", ["Parser", "ChunkParser", "ChunkDecoder", "HTTPBody", "Gate"])
def test_misuse_changes_nothing(name: str) -> None:
    """A wrong type raises TypeError, a feed after close() RuntimeError; neither sets `error`."""
    make, _, later = HOSTILE[name]
    stage = make()
    with pytest.raises(TypeError):
        stage.feed("text")
    assert stage.error is None
    stage.close()
    error = stage.error  # an empty HTTP response is an error
    if error is None:
        with pytest.raises(RuntimeError, match="close"):
            later[0](stage)
    assert stage.error is error


def test_released_view_changes_nothing() -> None:
    """Feeding a released memoryview raises ValueError and doesn't set `error`."""
    view = memoryview(b"data: x\n\n")
    view.release()
    for stage in (Parser(), ChunkParser()):
        with pytest.raises(ValueError, match="released"):
            stage.feed(view)
        assert stage.error is None


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
INPUTS: dict[str, list[Any]] = {
    "Parser": [*PIECES, bytearray(BODY), b"data: {}"],
    "ChunkParser": [*PIECES, bytearray(BODY), b"data: {}"],
    "ChunkDecoder": [Event(data) for data in [*DATA, '{"choices": [], "x": 1}', "[DONE]"]],
    "ThinkTags": [*CHUNKS, CHUNK_WITH_TAGS, CHUNKS[0], CHUNK_WITH_TAGS],
    "PartialJSON": ['{"a": ["b', 'c", 1', "2], \ud83d", "", " }"],
    "Gate": CHUNKS,
    "HTTPBody": [HEAD + b"abc", b"def"],
}


def calls_of(stage: Any) -> list[Callable[[], Any]]:
    """Return the calls that use a stage, in order."""
    if isinstance(stage, Accumulator):
        calls = [lambda chunk=chunk: stage.updates(chunk) for chunk in CHUNKS[:2]]
        return [*calls, lambda: stage.add(CHUNKS[2]), stage.last_updates, stage.result]
    if isinstance(stage, TokenCounter):
        return [lambda: stage.add("word " * 1000), lambda: stage.add("x"), lambda: stage.count]
    pieces = INPUTS[type(stage).__name__]
    return [*(lambda piece=piece: stage.feed(piece) for piece in pieces), stage.close]


def describe(stage: Any, returned: list[Any]) -> list[Any]:
    """Return the items, the end and the value of a stage."""
    value = getattr(stage, "value", None)
    return [*map(repr, returned), repr(getattr(stage, "end", None)), repr(value)]


def interrupting(at: int, places: list[str]) -> Callable[[FrameType, str, Any], Any]:
    """Return a trace function that raises at the given count of executed lines of the library."""

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(SRC):
            return None
        if event == "line" and frame.f_code.co_qualname not in DRIVERS:
            places.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            if len(places) == at:
                raise Interruption
        return trace

    return trace


STAGES: dict[str, Callable[[], Any]] = {
    **{name: make for name, (make, _, _) in HOSTILE.items()},
    "Accumulator": Accumulator,
    "strict": lambda: Parser(errors="strict", comments=True, incomplete="dispatch"),
}


def run_until(stage: Any, at: int) -> tuple[list[Any], str]:
    """
    Make the calls of a stage and interrupt them at one line.

    If the stage isn't broken then, the interrupted call is repeated. Returns the results of the
    calls, and the place of the interruption or "".
    """
    returned: list[Any] = []
    places: list[str] = []
    before = sys.gettrace()
    for call in calls_of(stage):
        sys.settrace(interrupting(at, places))
        try:
            returned.append(call())
        except Interruption:
            sys.settrace(before)
            if stage.error is not None:
                break
            returned.append(call())
        finally:
            sys.settrace(before)
    return returned, places[at - 1] if len(places) >= at else ""


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("name", STAGES)
def test_interruption_at_any_line(name: str) -> None:
    """An interruption breaks the stage, or changed nothing, so that the call can be repeated."""
    healthy = STAGES[name]()
    expected = describe(healthy, [call() for call in calls_of(healthy)])
    for at in itertools.count(1):
        stage = STAGES[name]()
        returned, place = run_until(stage, at)
        if stage.error is None:
            assert describe(stage, returned) == expected, place
        else:
            assert isinstance(stage.error, BrokenStage), place
            assert getattr(stage, "end", None) is None or not stage.end.complete, place
            for call in calls_of(stage):
                with pytest.raises(BrokenStage):
                    call()
        if not place:
            break
    assert at > 10


class Trickle:
    """An iterator of bytes that can be continued after an exception."""

    def __init__(self) -> None:
        self._pieces = iter(PIECES)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def read_twice(stream: Any, at: int) -> tuple[list[Any], str]:
    """Iterate a stream, interrupt that at one line, and iterate again to its end."""
    items: list[Any] = []
    places: list[str] = []
    before = sys.gettrace()
    sys.settrace(interrupting(at, places))
    try:
        for item in stream:
            items.append(item)  # noqa: PERF402 - keeps the items before an exception
    except Interruption:
        sys.settrace(before)
        for item in stream:
            items.append(item)  # noqa: PERF402 - keeps the items before an exception
    finally:
        sys.settrace(before)
    return items, places[at - 1] if len(places) >= at else ""


def rewriting_stream(source: Any, **options: Any) -> Stream:
    return Stream(source, think_tags=True, deltas="cumulative", **options)


@pytest.mark.parametrize(
    ("kind", "timed"),
    [
        *((kind, timed) for kind in (EventStream, Stream) for timed in (False, True)),
        (rewriting_stream, False),
    ],
)
def test_stream_interrupted_at_any_line(kind: Any, *, timed: bool) -> None:
    """Iterating again returns all other items or raises, so no loss is silent."""
    deadlines = Deadlines(total=1e6) if timed else None
    expected = list(kind(Trickle()))
    for at in itertools.count(1):
        stream = kind(Trickle(), deadlines=deadlines)
        try:
            items, place = read_twice(stream, at)
        except (SSEError, RuntimeError):
            assert not stream.end.complete
            if kind is not EventStream:
                with pytest.raises((SSEError, RuntimeError)):
                    stream.result()
            continue
        assert items == expected
        assert stream.end.complete
        assert kind is EventStream or stream.result().choices[0].message.content == TEXT
        if not place:
            break
    assert at > 100


READERS: dict[str, Callable[[Accumulator], object]] = {
    "text": lambda accumulator: accumulator.text,
    "snapshot": lambda accumulator: accumulator.snapshot(),
    "json_content": lambda accumulator: accumulator.json_content(),
    "result": lambda accumulator: accumulator.result(),
}


@pytest.mark.parametrize("reader", READERS)
def test_reader_interrupted_at_any_line(reader: str) -> None:
    """Afterwards the text is complete or the accumulator is broken; it's never truncated."""
    at, place, broken = 0, "x", 0
    while place:
        at += 1
        accumulator = Accumulator()
        for chunk in CHUNKS:
            accumulator.add(chunk)
        places: list[str] = []
        before = sys.gettrace()
        sys.settrace(interrupting(at, places))
        try:
            READERS[reader](accumulator)
        except Interruption:
            broken += accumulator.error is not None
        finally:
            sys.settrace(before)
        if accumulator.error is None:
            assert accumulator.result().text == TEXT, places[-1]
        else:
            with pytest.raises(BrokenStage):
                accumulator.result()
        place = places[at - 1] if len(places) >= at else ""
    assert broken > 5


def test_interrupted_result() -> None:
    """result() of a stream raises if its accumulator is broken."""
    broken = 0
    for at in itertools.count(1):
        stream = Stream(Trickle())
        list(stream)
        places: list[str] = []
        before = sys.gettrace()
        sys.settrace(interrupting(at, places))
        try:
            stream.result()
            break
        except Interruption:
            pass
        finally:
            sys.settrace(before)
        if stream.accumulator.error is not None:
            broken += 1
            with pytest.raises(BrokenStage):
                stream.result()
    assert broken


def test_texts_interrupted_at_any_line() -> None:
    """Iterating text deltas again returns all other texts or raises."""
    at, place = 0, "x"
    while place:
        at += 1
        stream = Stream(Trickle())
        try:
            texts, place = read_twice(stream.text_deltas(), at)
        except SSEError:
            continue
        assert "".join(texts) == TEXT, place
    assert at > 50


class HostileTimeline(Timeline):
    """A timeline that raises at one call of one hook."""

    def __init__(self, hook: str, call: int) -> None:
        super().__init__()
        self.hook, self.left = hook, call

    def _count(self, hook: str) -> None:
        self.left -= hook == self.hook
        if self.left == 0:
            self.left = -1
            raise MemoryError

    def on_bytes(self, *_: object, **__: object) -> None:
        self._count("on_bytes")

    def on_item(self, _: object) -> None:
        self._count("on_item")

    def on_end(self, *_: object) -> None:
        self._count("on_end")


HOOKS = [("on_bytes", 1), ("on_bytes", 3), ("on_item", 1), ("on_item", 3), ("on_end", 1)]


@pytest.mark.parametrize(("hook", "call"), HOOKS)
def test_exception_in_a_timeline(hook: str, call: int) -> None:
    """An exception in a hook breaks the stream, because the items of that piece are lost."""
    stream = Stream(Trickle(), timeline=HostileTimeline(hook, call))
    with pytest.raises(MemoryError):
        list(stream)

    for _ in range(2):
        with pytest.raises(BrokenStage) as caught:
            list(stream)
        with pytest.raises(BrokenStage):
            stream.result()
    assert caught.value.partial == stream.snapshot()
    assert stream.end is not None
    assert stream.end.cause is EndCause.INCOMPLETE


def test_exception_in_on_end() -> None:
    """on_end() isn't called again: the stream returns the items before it and is then broken."""
    timeline = HostileTimeline("on_end", 1)
    stream = Stream([b"".join(PIECES)], timeline=timeline)
    with pytest.raises(MemoryError):
        next(stream)
    timeline.left = 1  # so that another call would raise, too

    with pytest.raises(BrokenStage):
        for _ in range(100):
            next(stream)
    with pytest.raises(BrokenStage):
        stream.result()


@pytest.mark.parametrize(("hook", "call"), HOOKS)
def test_exception_in_an_asynchronous_stream(hook: str, call: int) -> None:
    """An exception in a hook breaks an asynchronous stream, in each way to iterate it."""

    async def check(view: str) -> None:
        stream = AsyncStream(Trickle(), timeline=HostileTimeline(hook, call))
        with pytest.raises(MemoryError):
            [item async for item in getattr(stream, view)()]
        with pytest.raises(BrokenStage):
            [item async for item in getattr(stream, view)()]
        with pytest.raises(BrokenStage):
            await stream.result()

    for view in ("__aiter__", "text_deltas", "updates"):
        asyncio.run(check(view))


def test_text_deltas_of_a_broken_stream() -> None:
    """The iterator of text deltas raises again and doesn't just end."""
    deltas = Stream(Trickle(), timeline=HostileTimeline("on_item", 2)).text_deltas()
    with pytest.raises(MemoryError):
        list(deltas)
    with pytest.raises(BrokenStage):
        next(deltas)


def test_closing_a_broken_stream() -> None:
    """A broken stream stays broken after it's closed."""
    stream = Stream(Trickle(), timeline=HostileTimeline("on_item", 2))
    with pytest.raises(MemoryError), stream:
        list(stream)
    with pytest.raises(BrokenStage):
        stream.result()


def test_chunk_that_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """result() raises if any chunk wasn't added, also the last one."""
    add = Accumulator.add
    for fails_at in range(1, len(CHUNKS) + 1):
        calls = itertools.count(1)

        def hostile_add(
            self: Accumulator, chunk: Chunk, at: int = fails_at, calls: Iterator[int] = calls
        ) -> None:
            add(self, hostile_chunk() if next(calls) == at else chunk)

        monkeypatch.setattr(Accumulator, "add", hostile_add)
        stream = Stream(Trickle())
        with pytest.raises(Interruption):
            list(stream)
        with pytest.raises(BrokenStage):
            stream.result()


def test_exception_in_a_text_delta(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception while a text is read breaks the stream, because the text is lost."""

    async def check() -> None:
        stream = AsyncStream(Trickle())
        deltas = stream.text_deltas()
        with monkeypatch.context() as patch, pytest.raises(Interruption):
            patch.setattr(ChatCompletionChunk, "text", property(raises))
            await anext(deltas)
        with pytest.raises(BrokenStage):
            [text async for text in deltas]

    deltas = Stream(Trickle()).text_deltas()
    with monkeypatch.context() as patch, pytest.raises(Interruption):
        patch.setattr(ChatCompletionChunk, "text", property(raises))
        next(deltas)
    with pytest.raises(BrokenStage):
        list(deltas)
    asyncio.run(check())


def test_interrupt_between_the_chunks_of_a_gate() -> None:
    """An interrupt of an iterator in C, which can lose a chunk, breaks the gate."""

    def interrupt(chunk: Chunk) -> Chunk:
        if chunk is CHUNKS[1]:
            _thread.interrupt_main(signal.SIGINT)
        return chunk

    releases = Gate(lambda _: True).releases(map(interrupt, CHUNKS))
    with pytest.raises(KeyboardInterrupt):
        list(releases)
    with pytest.raises(BrokenStage):
        list(releases)


@pytest.mark.parametrize(("read", "concurrent"), [(Gate.text_deltas, 1), (Gate.chunks, 2)])
def test_gate_interrupted_at_any_line(read: Any, concurrent: int) -> None:
    """Iterating again returns all other text or raises, so no loss is silent."""
    at, place, intact = 0, "x", 0
    while place:
        at += 1
        gate = Gate(lambda _: True, hold=2, concurrent=concurrent)
        try:
            items, place = read_twice(read(gate, iter(CHUNKS)), at)
        except SSEError:
            continue
        assert "".join(getattr(item, "text", item) for item in items) == TEXT, place
        intact += 1
    assert at > 50
    assert intact > 10


def test_exception_between_the_chunks_of_a_gate() -> None:
    """A gate's iterator raises if it lost a chunk."""
    chunks = iter([CHUNKS[0], hostile_text_chunk(), CHUNKS[2]])
    releases = Gate(lambda _: True).releases(chunks)
    with pytest.raises(Interruption):
        list(releases)
    with pytest.raises(BrokenStage):
        list(releases)


# Only events, because msgspec crashes if an allocation fails. So do constructors of attrs in
# CPython 3.13.
NO_MEMORY = """
import _testcapi, sys
from sseparse import ACCELERATED, BrokenStage, Parser

BODY = {body!r}
short = broken = 0

def run(make, pieces, step, start, stop):
    # Returns the items, or None if memory was short at that step and the stage broke.
    global short, broken
    stage, items = make(), []
    calls = [*(lambda piece=piece: stage.feed(piece) for piece in pieces), stage.close]
    for number, call in enumerate(calls):
        if number == step:
            _testcapi.set_nomemory(start, stop)
        try:
            new = call()
        except MemoryError:
            _testcapi.remove_mem_hooks()
            short += 1
            if stage.error is None:
                # The call failed before it began.
                items += call()
                continue
            broken += 1
            assert isinstance(stage.error, BrokenStage), (step, start)
            for later in (lambda: stage.feed(b"x"), stage.close, stage.reset):
                try:
                    later()
                except BrokenStage:
                    continue
                sys.exit(f"the next call does not raise: {{step}}, {{start}}")
            return None
        finally:
            _testcapi.remove_mem_hooks()
        items += new
    return items

for make in (Parser, lambda: Parser(comments=True, errors="strict", incomplete="dispatch")):
    for size in (len(BODY), 60):
        pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
        expected = run(make, pieces, -1, 0, 0)
        for step in sorted({{0, min(1, len(pieces) - 1), len(pieces) - 1}}):
            for start in range(1000):
                before = short
                # Either this allocation fails, or this and all later ones.
                for stop in (start + 1, 0):
                    items = run(make, pieces, step, start, stop)
                    assert items in (None, expected), (make, size, step, start)
                if short == before:
                    break
            else:
                sys.exit("memory is always short")
print(ACCELERATED, short, broken)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None, reason="this Python has no _testcapi"
)
def test_short_memory() -> None:
    """If an allocation fails, all items are returned, or this call and all later ones raise."""
    body = b": hello\nid: 1\nretry: 5\nevent: message\n" + BODY + b"data: [DONE]\n\ndata: {}"
    # Without coverage, which would be short of memory too.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", NO_MEMORY.format(body=body)]
    run = subprocess.run(command, env=env, check=False, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr[-2000:]
    accelerated, short, broken = run.stdout.split()
    assert accelerated == str(ACCELERATED)
    assert int(broken) > 50
    assert int(broken) > 0.9 * int(short)
