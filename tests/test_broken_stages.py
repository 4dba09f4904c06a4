"""An exception that leaves a call of a stage stops the stage: nothing is missing silently."""

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
)
from sseparse.adapters import sockets
from sseparse.adapters._http1 import HTTPBody
from sseparse.chunks import PartialJSON
from sseparse.moderation import Gate
from sseparse.reconnect import EventSource
from sseparse.timing import Timeline
from sseparse.tokens import TokenCounter

# No signal is handled between the lines of these, where they have an item or a piece in hand.
DRIVERS = {
    "SyncDriver.__next__",
    "SyncDriver._read_piece",
    "EventReader.pop",
    "_TextDeltas.__next__",
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


class Interruption(BaseException):
    """Like a KeyboardInterrupt, it is no Exception."""


def raises(*_: object, **__: object) -> Any:
    raise Interruption


class HostileBytes(bytes):
    """Bytes that can't be read."""

    __bytes__ = raises


class HostileText(str):
    """Text that can't be looked at."""

    __slots__ = ()
    __len__ = isascii = raises


class HostileChunk(ChatCompletionChunk):
    """A chunk whose choices can't be read."""

    def __getattribute__(self, name: str) -> Any:
        return raises() if name in {"choices", "usage"} else super().__getattribute__(name)


def hostile_chunk() -> Any:
    return HostileChunk(id="1", choices=[])


def hostile_text_chunk() -> Any:
    (chunk,) = ChunkDecoder().feed(Event(DATA[0]))
    chunk.choices[0].delta.content = HostileText("x")  # type: ignore[union-attr] # a chat chunk
    return chunk


def settled_accumulator() -> Accumulator:
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
        settled_accumulator,
        lambda stage: stage.add(hostile_chunk()),
        [
            lambda stage: stage.add(CHUNKS[1]),
            lambda stage: stage.updates(CHUNKS[1]),
            lambda stage: stage.last_updates(),
            lambda stage: stage.result(),
        ],
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
def test_an_exception_stops_the_stage(name: str) -> None:
    """The exception leaves the call, `error` is a BrokenStage, and every later call raises it."""
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
    """A limit that can't be compared, once it is armed."""

    armed = False

    def __lt__(self, other: int) -> bool:
        return raises() if self.armed else super().__lt__(other)

    def __ge__(self, other: int) -> bool:
        return raises() if self.armed else super().__ge__(other)


@pytest.mark.skipif(ACCELERATED, reason="the compiled core looks at a limit once, when it is made")
@pytest.mark.parametrize("method", ["feed", "plain_events"])
def test_an_exception_inside_the_core(method: str) -> None:
    """The parser is broken, whichever way the bytes came in."""
    limit = HostileLimit(100)
    parser = Parser(max_line_bytes=limit)
    parser.feed(b"\n\n\n")
    limit.armed = True
    with pytest.raises(Interruption):
        getattr(parser, method)(b"data: x\n\n")

    assert isinstance(parser.error, BrokenStage)
    assert parser.plain_events(b"data: x\n\n") is None


def test_an_exception_at_the_end() -> None:
    """close() stops a stage in the same way as feed() does."""
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
    """A socket that reads what can't be read."""

    def recv(self, *_: int) -> bytes:
        return HostileBytes(b"HTTP/1.1 200 OK\r\n\r\n")


def test_an_exception_between_a_socket_and_its_reader() -> None:
    """What was read from the connection and not handed out is missing: the source raises."""
    with HostileSocket() as sock:
        source = sockets.source(sock)
        with pytest.raises(Interruption):
            next(source)
        with pytest.raises(BrokenStage):
            next(source)


@pytest.mark.parametrize("callback", ["clock", "rnd"])
def test_an_exception_in_an_event_source(callback: str) -> None:
    """A callback that raises ends the EventSource, which doesn't reconnect."""
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
def test_the_end_of_a_broken_stage(make: Callable[[], Any]) -> None:
    """It isn't complete."""
    stage = make()
    with pytest.raises(Interruption):
        stage.feed(Event(HostileText("x")) if make is ChunkDecoder else HostileBytes(b"x"))

    assert stage.end is not None
    assert not stage.end.complete


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("name", ["Parser", "ChunkParser", "ChunkDecoder", "HTTPBody", "Gate"])
def test_misuse_changes_nothing(name: str) -> None:
    """Input of a wrong type, or after close(), raises TypeError or RuntimeError and no more."""
    make, _, later = HOSTILE[name]
    stage = make()
    with pytest.raises(TypeError):
        stage.feed("text")
    assert stage.error is None
    stage.close()
    error = stage.error  # of HTTP, nothing at all is one
    if error is None:
        with pytest.raises(RuntimeError, match="close"):
            later[0](stage)
    assert stage.error is error


def test_a_released_view_changes_nothing() -> None:
    """Feeding it is misuse."""
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
    "PartialJSON": ['{"a": ["b', 'c", 1', "2], \ud83d", "", " }"],
    "Gate": CHUNKS,
    "HTTPBody": [HEAD + b"abc", b"def"],
}


def calls_of(stage: Any) -> list[Callable[[], Any]]:
    """Return what is done with a stage, one call after the other."""
    if isinstance(stage, Accumulator):
        told = [lambda chunk=chunk: stage.updates(chunk) for chunk in CHUNKS[:2]]
        return [*told, lambda: stage.add(CHUNKS[2]), stage.last_updates, stage.result]
    if isinstance(stage, TokenCounter):
        return [lambda: stage.add("word " * 1000), lambda: stage.add("x"), lambda: stage.count]
    pieces = INPUTS[type(stage).__name__]
    return [*(lambda piece=piece: stage.feed(piece) for piece in pieces), stage.close]


def shown(stage: Any, returned: list[Any]) -> list[Any]:
    """Return all there is to see of a stage, in the end."""
    value = getattr(stage, "value", None)
    return [*map(repr, returned), repr(getattr(stage, "end", None)), repr(value)]


def interrupting(at: int, places: list[str]) -> Callable[[FrameType, str, Any], Any]:
    """Return a trace function that raises at the line of that number in the library's files."""

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
    Make the calls of a stage, interrupted at one line.

    A call that did nothing yet is made again. Returns what the calls returned, and where they
    were interrupted: "" for nowhere.
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
def test_an_interruption_at_any_line(name: str) -> None:
    """The stage is broken then; or the call did nothing yet, and again does everything."""
    healthy = STAGES[name]()
    expected = shown(healthy, [call() for call in calls_of(healthy)])
    for at in itertools.count(1):
        stage = STAGES[name]()
        returned, place = run_until(stage, at)
        if stage.error is None:
            assert shown(stage, returned) == expected, place
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
    """An iterator of bytes that goes on after an exception."""

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
    """Iterate a stream, interrupted at one line, and then again to its end."""
    items: list[Any] = []
    places: list[str] = []
    before = sys.gettrace()
    sys.settrace(interrupting(at, places))
    try:
        for item in stream:
            items.append(item)  # noqa: PERF402 - what came before an exception is kept
    except Interruption:
        sys.settrace(before)
        for item in stream:
            items.append(item)  # noqa: PERF402 - what came before an exception is kept
    finally:
        sys.settrace(before)
    return items, places[at - 1] if len(places) >= at else ""


@pytest.mark.parametrize("timed", [False, True], ids=["", "timed"])
@pytest.mark.parametrize("kind", [EventStream, Stream])
def test_a_stream_interrupted_at_any_line(kind: Any, *, timed: bool) -> None:
    """Iterating again gives all the rest, or raises: it never looks complete and isn't."""
    deadlines = Deadlines(total=1e6) if timed else None
    expected = list(kind(Trickle()))
    for at in itertools.count(1):
        stream = kind(Trickle(), deadlines=deadlines)
        try:
            items, place = read_twice(stream, at)
        except (SSEError, RuntimeError):
            assert not stream.end.complete
            if kind is Stream:
                with pytest.raises((SSEError, RuntimeError)):
                    stream.result()
            continue
        assert items == expected
        assert stream.end.complete
        assert kind is EventStream or stream.result().choices[0].message.content == TEXT
        if not place:
            break
    assert at > 100


LOOKS: dict[str, Callable[[Accumulator], object]] = {
    "text": lambda accumulator: accumulator.text,
    "snapshot": lambda accumulator: accumulator.snapshot(),
    "json_content": lambda accumulator: accumulator.json_content(),
    "result": lambda accumulator: accumulator.result(),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_interrupted_at_any_line(look: str) -> None:
    """The text is complete afterwards, or the accumulator is broken: it is never silently cut."""
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
            LOOKS[look](accumulator)
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


def test_a_result_that_was_interrupted() -> None:
    """A stream returns no result of an accumulator that is broken."""
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
    """Iterating the texts again gives all the rest, or raises."""
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
    """A timeline one of whose hooks raises at one call."""

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
def test_a_timeline_that_raises(hook: str, call: int) -> None:
    """The stream is broken: what came with that piece is missing, and no result is made of it."""
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


def test_a_timeline_that_raises_at_the_end() -> None:
    """It isn't called again: the items before it come, and then the stream is broken."""
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
def test_an_asynchronous_stream_breaks_alike(hook: str, call: int) -> None:
    """Also where the updates and the texts are iterated."""

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


def test_the_texts_of_a_broken_stream() -> None:
    """The same iterator raises again; it isn't just over."""
    deltas = Stream(Trickle(), timeline=HostileTimeline("on_item", 2)).text_deltas()
    with pytest.raises(MemoryError):
        list(deltas)
    with pytest.raises(BrokenStage):
        next(deltas)


def test_closing_a_broken_stream() -> None:
    """It stays broken."""
    stream = Stream(Trickle(), timeline=HostileTimeline("on_item", 2))
    with pytest.raises(MemoryError), stream:
        list(stream)
    with pytest.raises(BrokenStage):
        stream.result()


def test_a_chunk_that_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result lacks it, so there is none: also where it was the last chunk."""
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


def test_a_text_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunk was taken, so that its text would be missing: the stream is broken."""

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


def test_an_interrupt_between_the_chunks_of_a_gate() -> None:
    """An iterator in C may have taken a chunk before it: the gate doesn't go on without that."""

    def interrupt(chunk: Chunk) -> Chunk:
        if chunk is CHUNKS[1]:
            _thread.interrupt_main(signal.SIGINT)
        return chunk

    releases = Gate(lambda _: True).releases(map(interrupt, CHUNKS))
    with pytest.raises(KeyboardInterrupt):
        list(releases)
    with pytest.raises(BrokenStage):
        list(releases)


def test_broken_between_the_pieces_of_a_gate() -> None:
    """What a gate's iterator read and did not judge is missing: the iterator raises."""
    chunks = iter([CHUNKS[0], hostile_text_chunk(), CHUNKS[2]])
    releases = Gate(lambda _: True).releases(chunks)
    with pytest.raises(Interruption):
        list(releases)
    with pytest.raises(BrokenStage):
        list(releases)


# Only feeds of events: msgspec crashes where an allocation of it fails, and CPython 3.13 does in
# the constructors of attrs.
NO_MEMORY = """
import _testcapi, sys
from sseparse import ACCELERATED, BrokenStage, Parser

BODY = {body!r}
short = broken = 0

def tried(make, pieces, step, start, stop):
    # Returns the items, or None where memory was short at that step and so the stage broke.
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
                # The call did not even begin.
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
        expected = tried(make, pieces, -1, 0, 0)
        for step in sorted({{0, min(1, len(pieces) - 1), len(pieces) - 1}}):
            for start in range(1000):
                before = short
                # That allocation fails alone, or all from it on.
                for stop in (start + 1, 0):
                    items = tried(make, pieces, step, start, stop)
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
def test_memory_that_is_short() -> None:
    """Wherever an allocation fails, all items come, or the call and every later one raise."""
    body = b": hello\nid: 1\nretry: 5\nevent: message\n" + BODY + b"data: [DONE]\n\ndata: {}"
    # Coverage in the process would be short of memory, too.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", NO_MEMORY.format(body=body)]
    run = subprocess.run(command, env=env, check=False, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr[-2000:]
    accelerated, short, broken = run.stdout.split()
    assert accelerated == str(ACCELERATED)
    assert int(broken) > 50
    assert int(broken) > 0.9 * int(short)
