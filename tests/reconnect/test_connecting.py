"""Callbacks, fresh headers and restarts of an EventSource, and connections of any library."""

import http.client
import socket
import threading
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest
import requests
import urllib3

import sseparse.adapters.anyio
import sseparse.adapters.trio
from adapters.scripted_server import SAFETY, Exchange, serving
from sseparse import (
    BrokenStage,
    Event,
    LimitExceeded,
    NotEventStream,
    SSEError,
    StreamTimeout,
    TransportError,
)
from sseparse.adapters import sockets
from sseparse.reconnect import AsyncEventSource, EventSource, Kind, ReconnectPolicy
from sseparse.testing import Replay, ReplayServer

Headers = Mapping[str, str]
POLICY = ReconnectPolicy(jitter=0)
NO_CONTENT = Replay(b"", status=204, content_type=None)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Script:
    """The responses to requests in order; then status 204."""

    def __init__(self, *replays: Replay) -> None:
        self._replays = list(replays)

    def __call__(self, _: object) -> Replay:
        return self._replays.pop(0) if self._replays else NO_CONTENT


def run_sync(url: str | None = None, **options: Any) -> list[Any]:
    """Return the data of all events, and the error at the end."""
    options = {"policy": POLICY, "sleep": lambda _: None, **options}
    got: list[Any] = []
    with EventSource(url, **options) as events:
        try:
            got.extend(event.data for event in events)
        except SSEError as error:
            got.append(error)
    return got


async def run_async(url: str | None, options: Any) -> list[Any]:
    async def sleep(_: float) -> None:
        pass

    options = {"policy": POLICY, "sleep": sleep, **options}
    got: list[Any] = []
    async with AsyncEventSource(url, **options) as events:
        try:
            async for event in events:
                got.append(event.data)  # noqa: PERF401 - an error leaves the events before it
        except SSEError as error:
            got.append(error)
    return got


@pytest.fixture(params=["sync", "asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Read all events, blocking and on each event loop."""
    if request.param == "sync":
        return run_sync
    return lambda url=None, **options: anyio.run(run_async, url, options, backend=request.param)


Run = Callable[..., list[Any]]


class TestCallbacks:
    """on_open and on_error."""

    def test_order(self, run: Run) -> None:
        """Each connection is reported before its events, and its end after them."""
        seen: list[Any] = []
        first = Replay(b"data: x\n\n", headers={"X-Region": "eu"})
        cut = Replay(b"data: y\n\n", fault="reset")
        with ReplayServer(Script(first, cut)) as server:
            got = run(
                server.url,
                on_open=lambda headers: seen.append(headers.get("x-region")),
                on_error=lambda error: seen.append(type(error)),
            )
        assert got == ["x", "y"]
        assert seen == ["eu", type(None), None, TransportError]

    def test_failures(self, run: Run) -> None:
        """A failed attempt is reported, and so is the error that ends the stream."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        seen: list[Any] = []
        policy = ReconnectPolicy(max_attempts=1)
        got = run(f"http://127.0.0.1:{port}", policy=policy, on_error=seen.append)
        assert [type(error) for error in seen] == [TransportError] * 2
        assert got == [seen[-1]]

    @pytest.mark.parametrize(
        ("replay", "kind"),
        [
            (Replay(b"<h1>", status=500), NotEventStream),
            (Replay(b"data: " + b"x" * 99 + b"\n\n"), LimitExceeded),
        ],
        ids=["status", "limit"],
    )
    def test_errors(self, run: Run, replay: Replay, kind: type[SSEError]) -> None:
        """An error that ends the stream is reported once, before it is raised."""
        seen: list[Any] = []
        with ReplayServer(replay) as server:
            got = run(server.url, on_error=seen.append, max_line_bytes=50)
        assert got == seen
        assert isinstance(seen[0], kind)

    def test_exceptions(self) -> None:
        """An exception of a callback is raised, and the next read continues."""

        def fail(_: object) -> None:
            raise KeyError("mine")

        with (
            ReplayServer(Script(Replay(b"data: x\n\n"), Replay(b"data: y\n\n"))) as server,
            EventSource(server.url, on_open=fail, on_error=fail, sleep=lambda _: None) as events,
        ):
            for data in ("x", "y"):
                with pytest.raises(KeyError, match="mine"):
                    next(events)
                assert next(events).data == data
                with pytest.raises(KeyError, match="mine"):
                    next(events)
            assert list(events) == []
        assert not isinstance(events.error, BrokenStage)

    def test_closing(self) -> None:
        """A callback can close the stream; nothing is reported after that."""
        seen: list[Any] = []
        with ReplayServer(Replay(b"data: x\n\n")) as server:
            events: EventSource[Event] = EventSource(
                server.url, on_open=lambda _: events.close(), on_error=seen.append
            )
            assert list(events) == []
        assert seen == []


class TestHeaders:
    """`headers` as a callable."""

    def test_fresh(self, run: Run) -> None:
        """The callable is called for each connection, and not for a redirect."""
        tokens = iter("abcdef")
        moved = Replay(b"", status=307, headers={"Location": "/b"}, content_type=None)
        with ReplayServer(Script(Replay(b"data: x\n\n"), moved, Replay(b"data: y\n\n"))) as server:
            got = run(server.url, headers=lambda: {"Authorization": next(tokens)})
        assert got == ["x", "y"]
        assert [request.headers["authorization"] for request in server.requests] == list("abbc")

    @pytest.mark.anyio
    async def test_asynchronous(self) -> None:
        """The callable of an AsyncEventSource can be asynchronous."""

        async def make_headers() -> Headers:
            await anyio.lowlevel.checkpoint()
            return {"Authorization": "a"}

        with ReplayServer(NO_CONTENT) as server:
            assert await run_async(server.url, {"headers": make_headers}) == []
        assert server.requests[0].headers["authorization"] == "a"

    def test_exceptions(self) -> None:
        """An exception of the callable is raised; the next read calls it again."""
        made = iter([ConnectionError("no token"), {"X-Key": "a\n"}, {"Last-Event-ID": "1"}, {}])

        def make_headers() -> Any:
            result = next(made)
            if isinstance(result, Exception):
                raise result
            return result

        with ReplayServer(Replay(b"data: x\n\n")) as server:
            with EventSource(server.url, headers=make_headers) as events:
                with pytest.raises(ConnectionError, match="no token"):
                    next(events)
                with pytest.raises(ValueError, match="X-Key has a value with a line break"):
                    next(events)
                with pytest.raises(ValueError, match="last_event_id="):
                    next(events)
                assert next(events).data == "x"


class TestRestart:
    """restart() at any moment."""

    def test_from_another_thread(self) -> None:
        """A restart ends a read that waits in another thread."""
        got = threading.Event()

        def answer(exchange: Exchange) -> None:
            exchange.send(HEAD + b"data: x\n\n")
            exchange.hold()

        with serving(answer) as server:
            seen: list[Any] = []

            def read() -> None:
                with EventSource(server.url, on_error=seen.append) as events:
                    sources.append(events)
                    for event in events:
                        seen.append(event.data)
                        got.set()
                        if len(seen) == 2:
                            return

            sources: list[EventSource[Event]] = []
            thread = threading.Thread(target=read)
            thread.start()
            assert got.wait(SAFETY)
            sources[0].restart()
            thread.join(SAFETY)
            assert (seen, server.connections) == (["x", "x"], 2)

    def test_during_a_wait(self) -> None:
        """A restart ends the wait between connections; the delays begin anew."""
        waiting = threading.Event()

        def rnd() -> float:
            waiting.set()  # called just before the wait
            return 0.0

        with ReplayServer(Script(Replay(b"retry: 3000000\n\n"), Replay(b"data: x\n\n"))) as server:
            with EventSource(server.url, rnd=rnd) as events:

                def restart() -> None:
                    assert waiting.wait(SAFETY)
                    events.restart()

                thread = threading.Thread(target=restart)
                thread.start()
                assert next(events).data == "x"
                thread.join()

    @pytest.mark.anyio
    async def test_from_another_task(self) -> None:
        """A restart ends a read, an attempt to connect and a wait of another task."""
        phases = iter(["connect", "read", "wait", "done"])
        phase = ""

        def answer(exchange: Exchange) -> None:
            nonlocal phase
            phase = next(phases)
            if phase != "connect":
                exchange.send(HEAD)
            if phase == "done":
                exchange.send(b"retry: 3000000\ndata: x\n\n")
            if phase == "wait":
                exchange.send(b"retry: 3000000\n\n")
                exchange.hang_up()
            else:
                exchange.hold()

        with serving(answer) as server, anyio.fail_after(SAFETY):
            async with AsyncEventSource(server.url) as events, anyio.create_task_group() as tasks:

                def is_reached(wanted: str) -> bool:
                    if wanted == "read" and events.ready_state != "open":
                        return False
                    return phase == wanted and (wanted != "wait" or events.retry is not None)

                async def restart() -> None:
                    for wanted in ("connect", "read", "wait"):
                        while not is_reached(wanted):
                            await anyio.lowlevel.checkpoint()
                        await anyio.wait_all_tasks_blocked()
                        events.restart()

                tasks.start_soon(restart)
                assert (await anext(events)).data == "x"
            assert server.connections == 4

    @pytest.mark.anyio
    async def test_between_reads(self) -> None:
        """A restart between two reads, of which the first was interrupted, drops its connection."""
        with ReplayServer(Replay(b"data: x\n\ndata: y\n\n", delays=[0, 120])) as server:
            async with AsyncEventSource(server.url) as events:
                for _ in range(2):
                    assert (await anext(events)).data == "x"
                    with anyio.move_on_after(0):
                        await anext(events)
                    events.restart()
                assert (await anext(events)).data == "x"
            assert len(server.requests) == 3

    def test_what_cannot_be_resumed(self) -> None:
        """A restart of a stream that can't be resumed raises an error; closed stays closed."""
        body = Replay(b"data: x\n\ndata: y\n\n", delays=[0, 120])
        with ReplayServer(body) as server:
            with EventSource(server.url, policy=ReconnectPolicy(Kind.NEVER)) as events:
                assert next(events).data == "x"
                events.restart()
                with pytest.raises(TransportError, match="mid_stream"):
                    next(events)
            events.restart()
            assert events.ready_state == "closed"


CLIENTS: list[Any] = []


@pytest.fixture(scope="module", autouse=True)
def clients() -> Iterator[None]:
    """Make clients of httpx and httpx2 that all tests of the module use."""
    with httpx.Client() as one, httpx2.Client() as other:
        CLIENTS[:] = [one, other]
        yield


def by_requests(url: str, headers: Headers) -> Any:
    return requests.get(url, headers=headers, stream=True, timeout=SAFETY)


def by_urllib3(url: str, headers: Headers) -> Any:
    return urllib3.request("GET", url, headers=headers, preload_content=False)


def by_urllib(url: str, headers: Headers) -> Any:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - on loopback
    return urllib.request.urlopen(request)  # noqa: S310 - on loopback


def by_http_client(url: str, headers: Headers) -> Any:
    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"))
    connection.request("GET", "/", headers={**headers, "Connection": "close"})
    return connection.getresponse()


def by_httpx(url: str, headers: Headers) -> Any:
    client = CLIENTS[0]
    return client.send(client.build_request("GET", url, headers=headers), stream=True)


def by_httpx2(url: str, headers: Headers) -> Any:
    client = CLIENTS[1]
    return client.send(client.build_request("GET", url, headers=headers), stream=True)


def by_sockets(url: str, headers: Headers) -> Any:
    return sockets.request("GET", url, headers=headers)


BLOCKING = (by_requests, by_urllib3, by_urllib, by_http_client, by_httpx, by_httpx2, by_sockets)


async def by_trio(url: str, headers: Headers) -> Any:
    return await sseparse.adapters.trio.request("GET", url, headers=headers)


async def by_anyio(url: str, headers: Headers) -> Any:
    return await sseparse.adapters.anyio.request("GET", url, headers=headers)


RESUMED = (Replay(b"id: 1\ndata: x\n\n"), Replay(b"data: y\n\n", framing="close"))


def check_requests(server: ReplayServer) -> None:
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "1", "1"]
    for request in server.requests:
        assert request.headers["accept"] == "text/event-stream"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["x-own"] == "1"


class TestConnect:
    """`connect=`, with each library on loopback."""

    @pytest.mark.parametrize("library", BLOCKING, ids=lambda each: each.__name__)
    def test_blocking(self, library: Callable[[str, Headers], Any]) -> None:
        """A blocking library drives EventSource, which sends the last event ID."""
        with ReplayServer(Script(*RESUMED)) as server:
            got = run_sync(connect=lambda sent: library(server.url, sent), headers={"X-Own": "1"})
        assert got == ["x", "y"]
        check_requests(server)

    @pytest.mark.parametrize(
        ("anyio_backend", "library"),
        [
            *(("trio", by_trio), ("trio", by_anyio), ("asyncio", by_anyio)),
        ],
        ids=lambda each: getattr(each, "__name__", each),
    )
    @pytest.mark.anyio
    async def test_asynchronous(self, library: Callable[[str, Headers], Awaitable[Any]]) -> None:
        """An asynchronous library drives AsyncEventSource."""
        with ReplayServer(Script(*RESUMED)) as server:
            options = {
                "connect": lambda sent: library(server.url, sent),
                "headers": {"X-Own": "1"},
            }
            assert await run_async(None, options) == ["x", "y"]
        check_requests(server)

    @pytest.mark.parametrize("kind", [httpx.AsyncClient, httpx2.AsyncClient])
    @pytest.mark.anyio
    async def test_asynchronous_httpx(self, kind: Any) -> None:
        """A client of httpx or httpx2 drives AsyncEventSource, too."""
        with ReplayServer(Script(*RESUMED)) as server:
            async with kind(verify=False) as client:

                async def connect(sent: Headers) -> Any:
                    request = client.build_request("GET", server.url, headers=sent)
                    return await client.send(request, stream=True)

                options = {"connect": connect, "headers": {"X-Own": "1"}}
                assert await run_async(None, options) == ["x", "y"]
        check_requests(server)

    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    @pytest.mark.anyio
    async def test_aiohttp(self) -> None:
        """The session of aiohttp drives AsyncEventSource; an interrupted wait continues."""
        with ReplayServer(Script(*RESUMED)) as server:
            async with aiohttp.ClientSession() as session:

                async def connect(sent: Headers) -> aiohttp.ClientResponse:
                    return await session.get(server.url, headers=sent)

                async with AsyncEventSource(
                    connect=connect, headers={"X-Own": "1"}, policy=ReconnectPolicy(base=0)
                ) as events:
                    with anyio.move_on_after(0):
                        await anext(events)
                    assert [event.data async for event in events] == ["x", "y"]
        check_requests(server)

    @pytest.mark.parametrize("status", [404, 503])
    def test_statuses(self, run: Run, status: int) -> None:
        """The status of a source counts as that of httpx2."""

        async def connect_async(sent: Headers) -> Any:
            return await sseparse.adapters.anyio.request("GET", server.url, headers=sent)

        def connect(sent: Headers) -> Any:
            is_sync = run is run_sync
            return by_sockets(server.url, sent) if is_sync else connect_async(sent)

        policy = ReconnectPolicy(retry_statuses=frozenset({503}))
        failing = Replay(b"<h1>", status=status, content_type="text/html")
        with ReplayServer(Script(failing, Replay(b"data: x\n\n"))) as server:
            got = run(connect=connect, policy=policy)
        if status == 503:
            assert got == ["x"]
        else:
            assert isinstance(got[0], NotEventStream)
            assert (got[0].status, got[0].body_start) == (404, b"<h1>")

    def test_failures(self) -> None:
        """Refused connections of each blocking library lead to another attempt."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for library in BLOCKING:
            if library is by_urllib3:  # which has retries of its own
                continue
            sleeps: list[float] = []
            policy = ReconnectPolicy(max_attempts=2, jitter=0)
            (error,) = run_sync(
                connect=lambda sent, library=library: library(url, sent),
                policy=policy,
                sleep=sleeps.append,
            )
            assert (type(error), sleeps) == (TransportError, [1, 2])

    def test_failures_of_aiohttp(self) -> None:
        """A refused connection of aiohttp leads to another attempt."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        async def connect(sent: Headers) -> Any:
            async with aiohttp.ClientSession() as session:
                return await session.get(url, headers=sent)

        options = {"connect": connect, "policy": ReconnectPolicy(max_attempts=1)}
        (error,) = anyio.run(run_async, None, options)
        assert isinstance(error.__cause__, aiohttp.ClientError)

    @pytest.mark.parametrize("mine", [KeyError("mine"), requests.exceptions.InvalidURL("mine")])
    def test_other_exceptions(self, run: Run, mine: Exception) -> None:
        """Exceptions that another attempt would repeat are raised."""

        def connect(_: Headers) -> Any:
            raise mine

        with pytest.raises(type(mine), match="mine"):
            run(connect=connect)

    def test_any_source(self) -> None:
        """Any iterable of bytes is read as an event stream."""
        pieces = iter([[b"data: x\n\n"], iter([b"data: ", b"y\n\n"])])

        def connect(_: Headers) -> Any:
            return next(pieces)

        with EventSource(connect=connect, sleep=lambda _: None) as events:
            assert [next(events).data for _ in range(2)] == ["x", "y"]

    @pytest.mark.anyio
    async def test_any_asynchronous_source(self) -> None:
        """An interruption doesn't reach even an asynchronous generator."""
        go = anyio.Event()

        async def generate() -> AsyncIterator[bytes]:
            yield b"data: x\n\n"
            await go.wait()
            yield b"data: y\n\n"

        async def connect(_: Headers) -> Any:
            return generate()

        async with AsyncEventSource(connect=connect) as events:
            assert (await anext(events)).data == "x"
            with anyio.move_on_after(0.01):
                await anext(events)
            go.set()
            assert (await anext(events)).data == "y"

    @pytest.mark.parametrize("library", [by_requests, by_sockets])
    def test_read_timeout(self, library: Callable[[str, Headers], Any]) -> None:
        """`read_timeout` limits the reads of a library that supports it."""
        replay = Replay(b"data: a\n\ndata: b\n\n", delays=[0.0, 120.0])
        with ReplayServer(replay) as server:
            with EventSource(
                connect=lambda sent: library(server.url, sent),
                read_timeout=0.2,
                sleep=lambda _: None,
            ) as events:
                assert [next(events).data for _ in range(2)] == ["a", "a"]
                assert isinstance(events.last_error, StreamTimeout)

    @pytest.mark.anyio
    async def test_read_timeout_asynchronous(self) -> None:
        """`read_timeout` limits the reads of every asynchronous library."""
        replay = Replay(b"retry: 0\ndata: a\n\ndata: b\n\n", delays=[0.0, 120.0])
        with ReplayServer(replay) as server:
            async with AsyncEventSource(
                connect=lambda sent: by_anyio(server.url, sent), read_timeout=0.2
            ) as events:
                assert [(await anext(events)).data for _ in range(2)] == ["a", "a"]
                assert isinstance(events.last_error, StreamTimeout)

    def test_read_timeout_without_support(self) -> None:
        """A read timeout that a source can't apply raises an error."""
        with EventSource(connect=lambda _: [b""], read_timeout=1) as events:
            with pytest.raises(TypeError, match="read_timeout can't be applied to a list"):
                next(events)

    def test_sources_without_a_response(self) -> None:
        """A socket whose response wasn't read raises an error that says what to return."""
        with ReplayServer(Replay(b"data: x\n\n")) as server:
            address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
            with EventSource(connect=lambda _: socket.create_connection(address)) as events:
                with pytest.raises(TypeError, match=r"sockets\.request\(\)"):
                    next(events)

    @pytest.mark.anyio
    async def test_asynchronous_sources_without_a_response(self) -> None:
        """A stream whose response wasn't read raises the same error."""
        with ReplayServer(Replay(b"data: x\n\n")) as server:
            port = int(server.url.rpartition(":")[2])
            async with AsyncEventSource(
                connect=lambda _: anyio.connect_tcp("127.0.0.1", port)
            ) as events:
                with pytest.raises(TypeError, match=r"sockets\.request\(\)"):
                    await anext(events)

    def test_sources_that_cannot_be_read(self) -> None:
        """What is no source raises an error at the first read."""
        made: Any = object()
        with EventSource(connect=lambda _: made) as events:
            with pytest.raises(TypeError, match="EventSource cannot read object"):
                next(events)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"url": "http://a/"}, TypeError, "leave out url, client, method and content"),
            ({"method": "POST"}, TypeError, "leave out url"),
            ({"content": b""}, TypeError, "leave out url"),
            ({"client": httpx2.Client(verify=False)}, TypeError, "leave out url"),
            ({"policy": ReconnectPolicy(Kind.RESPONSES)}, ValueError, "receives only headers"),
            ({"policy": ReconnectPolicy(Kind.MCP_2025_11)}, ValueError, "receives only headers"),
            ({"connect": "http://a/"}, TypeError, "connect is str; give a callable"),
        ],
    )
    @pytest.mark.parametrize("make", [EventSource, AsyncEventSource])
    def test_options(
        self, make: Any, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        """Options that the callable replaces, or that it can't follow, raise an error."""
        with pytest.raises(error, match=message):
            make(**{"connect": by_requests, **options})
