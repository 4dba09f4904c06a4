"""The proxy among the examples relays bytes as they are and as they come, and reads along."""

import importlib.util
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream

from sseparse import (
    Accumulator,
    ChunkParser,
    Comment,
    DecodeError,
    EndCause,
    Event,
    LimitExceeded,
    NotEventStream,
    Parser,
    ServerSentError,
)
from sseparse.testing import Replay, ReplayServer


def load(name: str) -> Any:
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"examples_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


proxy = load("proxy")
rename_model = load("rename_model")


def data(value: dict[str, Any] | str) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return b"data: %b\n\n" % text.encode()


def chunk(finish_reason: str | None = None, **delta: Any) -> bytes:
    return data({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def call(**function: str) -> list[dict[str, Any]]:
    return [{"index": 0, "id": "call_1", "type": "function", "function": function}]


COUNTS = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
USAGE = data({"choices": [], "usage": COUNTS})
DONE = data("[DONE]")
TEXT = chunk(content="Hel") + chunk(content="lo") + chunk("stop") + USAGE + DONE
CALL = (
    chunk(tool_calls=call(name="add", arguments=""))
    + chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"a": '}}])
    + chunk(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}])
    + chunk("tool_calls")
    + DONE
)
WHOLE = json.dumps(
    {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "tool_calls": call(name="add", arguments="{}")},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": COUNTS,
    }
).encode()
HTML = b"<!DOCTYPE html><title>Bad gateway</title>"

URL = "http://upstream"


class Exchange:
    """
    What a server gives an ASGI application: one request, and a client that may go away.

    `on_piece` is awaited for each piece of the answer's body, before `send()` returns. The
    client goes away when what it has ends with `leaves_after`.
    """

    def __init__(
        self,
        *,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        query: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        pieces: Sequence[bytes] = (b"{}",),
        on_piece: Callable[[bytes], Awaitable[None]] | None = None,
        leaves_after: bytes | None = None,
    ) -> None:
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": headers,
        }
        self.gone = anyio.Event()
        self.sent: list[dict[str, Any]] = []
        self.records: list[Any] = []
        self._requests = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        self._on_piece = on_piece
        self._leaves_after = leaves_after

    async def receive(self) -> dict[str, Any]:
        if self._requests:
            return self._requests.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message.get("body"):
            if self._leaves_after is not None and self.body.endswith(self._leaves_after):
                self.gone.set()
            if self._on_piece is not None:
                await self._on_piece(message["body"])

    async def run(self, url: str, transport: httpx2.AsyncBaseTransport | None = None) -> Any:
        """Have the request relayed; return the record."""
        async with httpx2.AsyncClient(trust_env=False, transport=transport) as client:
            app = proxy.Proxy(httpx2.URL(url), client, self.records.append)
            with anyio.fail_after(60):  # what hangs fails
                await app(self.scope, self.receive, self.send)
        assert len(self.records) == 1
        return self.records[0]

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.sent[0]["headers"])

    @property
    def pieces(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:] if message["body"]]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def ended(self) -> bool:
        """Whether the application said that this was all, once, and last."""
        mores = [message["more_body"] for message in self.sent[1:]]
        return mores.count(False) == 1 and mores[-1] is False


class Pieces(httpx2.AsyncByteStream):
    """A body that comes in pieces, until an exception or the end; it knows when it was closed."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.closed = False
        self._pieces = iter(pieces)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> bytes:
        piece = next(self._pieces, None)
        if piece is None:
            raise StopAsyncIteration
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def aclose(self) -> None:
        # Where this is not shielded, a cancellation ends it here.
        await anyio.lowlevel.checkpoint()
        self.closed = True


def answering(
    *pieces: bytes | Exception, content_type: str = "text/event-stream", **headers: str
) -> tuple[Pieces, httpx2.MockTransport]:
    """Make an upstream without a connection, which cannot be cut in the wrong moment."""
    stream = Pieces(*pieces)
    head = {"content-type": content_type, **headers}
    return stream, httpx2.MockTransport(lambda _: httpx2.Response(200, headers=head, stream=stream))


@asynccontextmanager
async def upstream(answer: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve on this machine: read a request, and leave the answer, HTTP and all, to a function."""

    async def serve(connection: SocketStream) -> None:
        async with connection:
            request = b""
            while not request.endswith(b"\r\n\r\n{}"):
                request += await connection.receive()
            await answer(connection)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django here
            yield f"http://127.0.0.1:{port}"
            tasks.cancel_scope.cancel()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@pytest.mark.anyio
class TestRequests:
    """What goes up."""

    async def test_method_path_query_body(self) -> None:
        """As they came; the upstream's own path goes before."""
        with ReplayServer(TEXT) as server:
            exchange = Exchange(
                method="PUT", path="/chat%2Fa/b", query=b"x=1&y=%20", pieces=[b'{"a"', b": 1}"]
            )
            await exchange.run(f"{server.url}/v1/")

        [request] = server.requests
        assert (request.method, request.target) == ("PUT", "/v1/chat%2Fa/b?x=1&y=%20")
        assert request.json() == {"a": 1}

    async def test_headers(self) -> None:
        """All but those of the connection and those that this proxy sets."""
        with ReplayServer(TEXT) as server:
            exchange = Exchange(
                headers=[
                    (b"host", b"proxy"),
                    (b"authorization", b"Bearer key"),
                    (b"content-type", b"application/json"),
                    (b"content-length", b"99"),
                    (b"transfer-encoding", b"chunked"),
                    (b"accept-encoding", b"gzip, br"),
                    (b"connection", b"close, X-Mine"),
                    (b"x-mine", b"1"),
                    (b"expect", b"100-continue"),
                    (b"x-ours", b"1"),
                    (b"x-ours", b"2"),
                ]
            )
            await exchange.run(server.url)
            host = server.url.removeprefix("http://")

        assert server.requests[0].headers == {
            "host": host,
            "authorization": "Bearer key",
            "content-type": "application/json",
            "content-length": "2",
            "accept-encoding": "identity",
            "x-ours": "1, 2",
        }

    @pytest.mark.parametrize("path", ["//elsewhere/v1", "http://elsewhere/v1"])
    async def test_no_path_leads_elsewhere(self, path: str) -> None:
        """The key goes to the upstream alone."""
        hosts = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            hosts.append(request.url.host)
            return httpx2.Response(404, stream=Pieces())

        await Exchange(path=path).run(URL, httpx2.MockTransport(answer))

        assert hosts == ["upstream"]

    async def test_cookies_are_the_clients_own(self) -> None:
        """What one client was given is not sent for another."""
        cookies = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            cookies.append(request.headers.get("cookie"))
            head = {"set-cookie": "who=first; Path=/"}
            return httpx2.Response(200, headers=head, stream=Pieces())

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
            app = proxy.Proxy(httpx2.URL(URL), client)
            for headers in [[], [], [(b"cookie", b"who=third")]]:
                exchange = Exchange(headers=headers)
                await app(exchange.scope, exchange.receive, exchange.send)

        assert cookies == [None, None, "who=third"]

    @pytest.mark.parametrize("kind", ["websocket", "lifespan"])
    async def test_other_protocols(self, kind: str) -> None:
        """They are refused, as ASGI asks for."""
        exchange = Exchange()
        exchange.scope["type"] = kind
        with pytest.raises(ValueError, match=kind):
            await exchange.run(URL)


@pytest.mark.anyio
class TestAnswers:
    """What comes down, and what is learned from it."""

    @pytest.mark.parametrize(
        "body",
        [
            TEXT,
            CALL,
            b"\xef\xbb\xbf: hello\n" + TEXT.replace(b"\n", b"\r\n").replace(b"data", b": \r\ndata"),
            TEXT.replace(b"Hel", "Hé\u2028l".encode()),
            b"",
        ],
        ids=["text", "tool call", "CRLF and comments", "beyond ASCII", "empty"],
    )
    @pytest.mark.parametrize(
        ("pieces", "framing"),
        [("events", "chunked"), ("bytes", "content-length"), ("events", "close")],
    )
    async def test_no_byte_is_changed(self, body: bytes, pieces: Any, framing: Any) -> None:
        """Whatever they are, and however they come."""
        with ReplayServer(Replay(body, pieces=pieces, framing=framing)) as server:
            exchange = Exchange()
            await exchange.run(server.url)

        assert exchange.status == 200
        assert exchange.body == body
        assert exchange.ended

    async def test_each_piece_before_the_next(self) -> None:
        """The upstream sends a piece only when the client has the one before."""
        pieces = [TEXT[:7], TEXT[7:50], TEXT[50:51], TEXT[51:]]
        arrived = [anyio.Event() for _ in pieces]

        async def answer(connection: SocketStream) -> None:
            await connection.send(HEAD)
            for piece, event in zip(pieces, arrived, strict=True):
                await connection.send(framed(piece))
                await event.wait()
            await connection.send(framed(b""))

        async def on_piece(_: bytes) -> None:
            for event, size in zip(arrived, accumulate(map(len, pieces)), strict=True):
                if len(exchange.body) >= size:
                    event.set()

        async with upstream(answer) as url:
            exchange = Exchange(on_piece=on_piece)
            record = await exchange.run(url)

        assert exchange.body == TEXT
        assert record.end.cause is EndCause.DONE

    async def test_the_record_of_a_text(self) -> None:
        """Its completion, usage, finish reason and end."""
        with ReplayServer(TEXT) as server:
            record = await Exchange().run(server.url)

        assert (record.status, record.completion.text) == (200, "Hello")
        assert record.usage.total_tokens == 17
        assert record.finish_reasons == {0: "stop"}
        assert (record.end.cause, record.end.bytes_seen) == (EndCause.DONE, len(TEXT))
        assert (record.tool_calls, record.error) == ([], None)

    async def test_the_record_of_a_tool_call(self) -> None:
        """The call, decoded."""
        with ReplayServer(CALL) as server:
            record = await Exchange().run(server.url)

        [made] = record.tool_calls
        assert (made.id, made.name, made.value, made.fault) == ("call_1", "add", {"a": 1}, None)
        assert record.completion.choices[0].message.tool_calls[0].function.arguments == '{"a": 1}'

    async def test_a_call_that_the_end_alone_ends(self) -> None:
        """Some servers announce the finish before the arguments."""
        body = chunk("tool_calls", tool_calls=call(name="add", arguments='{"a"')) + DONE
        with ReplayServer(body) as server:
            record = await Exchange().run(server.url)

        [made] = record.tool_calls
        assert (made.arguments, made.fault is None) == ('{"a"', False)

    async def test_a_whole_completion(self) -> None:
        """Which was not streamed, with its length."""
        replay = Replay(WHOLE, framing="content-length", content_type="application/json")
        with ReplayServer(replay) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert exchange.body == WHOLE
        assert (b"content-length", b"%d" % len(WHOLE)) in exchange.headers
        assert [made.name for made in record.tool_calls] == ["add"]
        assert record.usage.total_tokens == 17
        assert (record.end.cause, record.error) == (EndCause.FINISHED, None)

    async def test_an_error_instead_of_an_answer(self) -> None:
        """Its status and its headers come down, too."""
        body = b'{"error": {"message": "slow down", "type": "requests", "code": "rate_limit"}}'
        replay = Replay(
            body, status=429, content_type="application/json", headers={"Retry-After": "7"}
        )
        with ReplayServer(replay) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert (exchange.status, exchange.body, exchange.ended) == (429, body, True)
        assert exchange.headers == [
            (b"retry-after", b"7"),
            (b"content-type", b"application/json"),
        ]
        assert (record.status, record.end.cause) == (429, EndCause.SERVER_ERROR)
        assert isinstance(record.error, ServerSentError)
        assert record.error.code == "rate_limit"

    async def test_a_page(self) -> None:
        """No stream, no JSON."""
        with ReplayServer(Replay(HTML, status=502, content_type="text/html")) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert (exchange.status, exchange.body) == (502, HTML)
        assert record.end.cause is EndCause.NOT_A_STREAM
        assert isinstance(record.error, NotEventStream)

    async def test_compressed_though_not_asked_for(self) -> None:
        """It is relayed as it is; there is nothing in it to read."""
        with ReplayServer(Replay(TEXT, framing="gzip")) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert (b"content-encoding", b"gzip") in exchange.headers
        assert exchange.body.startswith(b"\x1f\x8b")
        assert isinstance(record.error, NotEventStream)

    async def test_headers(self) -> None:
        """Those of the connection stay; one sent twice comes twice."""
        head = [
            ("Connection", "keep-alive, X-Theirs"),
            ("Keep-Alive", "timeout=5"),
            ("X-Theirs", "1"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Content-Type", "text/event-stream"),
            ("Content-Length", "99"),
        ]
        transport = httpx2.MockTransport(
            lambda _: httpx2.Response(200, headers=head, stream=Pieces(TEXT))
        )
        exchange = Exchange()
        await exchange.run(URL, transport)

        assert exchange.headers == [
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"content-type", b"text/event-stream"),
        ]

    @pytest.mark.parametrize(
        ("fault", "kind", "cause"),
        [
            (data("{no JSON"), DecodeError, EndCause.INCOMPLETE),
            (data({"error": {"message": "busy"}}), ServerSentError, EndCause.SERVER_ERROR),
        ],
        ids=["bad JSON", "server error"],
    )
    async def test_a_fault_in_the_stream(
        self, fault: bytes, kind: type[Exception], cause: EndCause
    ) -> None:
        """It is recorded, and disturbs nothing: all that follows is relayed."""
        body = chunk(content="Hel") + fault + TEXT
        with ReplayServer(body) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert (exchange.body, exchange.ended) == (body, True)
        assert record.completion.text == "Hel"
        assert isinstance(record.error, kind)
        assert record.end.cause is cause


@pytest.mark.anyio
class TestClientsThatGoAway:
    """The upstream is not asked for more than the client takes."""

    @pytest.mark.parametrize(
        "head", [HEAD + framed(chunk(content="Hel")), b""], ids=["in it", "before it"]
    )
    async def test_the_connection_to_the_upstream_is_closed(self, head: bytes) -> None:
        """While the proxy waits for the answer, or for more of it."""
        closed = anyio.Event()
        exchange = Exchange(leaves_after=b"\n\n")

        async def answer(connection: SocketStream) -> None:
            await connection.send(head)
            if not head:
                exchange.gone.set()
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await connection.receive()
            closed.set()

        async with upstream(answer) as url:
            record = await exchange.run(url)
            with anyio.fail_after(60):
                await closed.wait()

        assert not exchange.ended
        assert record.status == (200 if head else None)
        assert (record.end.cause, record.error) == (EndCause.CANCELLED, None)
        assert record.completion.text == ("Hel" if head else "")

    async def test_while_it_does_not_take_what_is_sent(self) -> None:
        """A client that went away takes nothing, and says nothing."""
        stream, transport = answering(chunk(content="Hel"), TEXT)

        async def never(_: bytes) -> None:
            await anyio.sleep_forever()

        exchange = Exchange(on_piece=never, leaves_after=b"\n\n")
        record = await exchange.run(URL, transport)

        assert stream.closed
        assert record.end.cause is EndCause.CANCELLED

    async def test_before_the_first_piece(self) -> None:
        """Also an answer of which nothing was read is closed."""

        class NotEvenTheHead(Exchange):
            async def send(self, _: dict[str, Any]) -> None:
                self.gone.set()
                await anyio.sleep_forever()

        stream, transport = answering(TEXT)
        record = await NotEvenTheHead().run(URL, transport)

        assert stream.closed
        assert (record.status, record.end.cause) == (200, EndCause.CANCELLED)

    async def test_send_says_so(self) -> None:
        """Servers may raise OSError from it."""
        stream, transport = answering(TEXT, TEXT)

        async def fail(_: bytes) -> None:
            raise BrokenPipeError

        exchange = Exchange(on_piece=fail)
        record = await exchange.run(URL, transport)

        assert stream.closed
        assert (exchange.pieces, exchange.ended) == ([TEXT], False)
        assert record.end.cause is EndCause.CANCELLED

    async def test_after_the_done_mark(self) -> None:
        """Nothing was left to come: many clients do not wait for the end of the body."""

        async def answer(connection: SocketStream) -> None:
            await connection.send(HEAD + framed(TEXT))
            await anyio.sleep_forever()

        exchange = Exchange(leaves_after=DONE)
        async with upstream(answer) as url:
            record = await exchange.run(url)

        assert (record.end.cause, record.usage.total_tokens) == (EndCause.DONE, 17)

    async def test_before_its_request_is_whole(self) -> None:
        """Nothing is asked, and nothing recorded."""
        exchange = Exchange(pieces=[])
        exchange.gone.set()
        app = proxy.Proxy(httpx2.URL(URL), None, exchange.records.append)
        await app(exchange.scope, exchange.receive, exchange.send)

        assert (exchange.sent, exchange.records) == ([], [])


@pytest.mark.anyio
class TestUpstreamsThatFail:
    """Clients are told."""

    async def test_cut_in_an_event(self) -> None:
        """The stream ends with an event that says so."""
        begun = chunk(content="Hel") + chunk(content="lo")[:20]

        async def answer(connection: SocketStream) -> None:
            await connection.send(HEAD + framed(begun))

        async with upstream(answer) as url:
            exchange = Exchange()
            record = await exchange.run(url)

        assert exchange.ended
        assert exchange.body.startswith(begun + b"\n\ndata: {")
        last = Parser().feed(exchange.body)[-1]
        assert last.json()["error"]["type"] == "upstream_error"
        assert "RemoteProtocolError" in last.json()["error"]["message"]
        seen = ChunkParser(on_bad_json="skip")
        seen.feed(exchange.body)
        assert isinstance(seen.error, ServerSentError)
        assert (record.end.cause, record.end.mid_event) == (EndCause.TRANSPORT, True)
        assert isinstance(record.error, httpx2.RemoteProtocolError)
        assert record.completion.text == "Hel"

    @pytest.mark.parametrize(
        ("failure", "cause"),
        [
            (httpx2.ReadError("reset"), EndCause.TRANSPORT),
            (httpx2.ReadTimeout("late"), EndCause.TIMEOUT),
        ],
    )
    async def test_how_it_failed(self, failure: Exception, cause: EndCause) -> None:
        """A timeout is told apart; what came whole is kept, be its last blank line cut."""
        stream, transport = answering(chunk(content="Hel")[:-1], failure)
        exchange = Exchange()
        record = await exchange.run(URL, transport)

        assert stream.closed
        assert (record.end.cause, record.error) == (cause, failure)
        assert record.completion.text == "Hel"

    async def test_a_fault_before_it(self) -> None:
        """What went wrong first explains more."""
        _, transport = answering(data("{no JSON"), httpx2.ReadError("reset"))
        record = await Exchange().run(URL, transport)

        assert record.end.cause is EndCause.TRANSPORT
        assert isinstance(record.error, DecodeError)

    async def test_after_the_done_mark(self) -> None:
        """There is nothing to tell."""
        _, transport = answering(TEXT, httpx2.ReadError("reset"))
        exchange = Exchange()
        record = await exchange.run(URL, transport)

        assert (exchange.body, exchange.ended) == (TEXT, True)
        assert (record.end.cause, record.error) == (EndCause.DONE, None)

    @pytest.mark.parametrize(
        "head",
        [
            {"content_type": "application/json"},
            {"content_type": "text/event-stream", "content-encoding": "gzip"},
        ],
        ids=["JSON", "compressed"],
    )
    async def test_what_takes_no_event(self, head: dict[str, str]) -> None:
        """The application fails, by which the server knows that it must not end the body well."""
        stream, transport = answering(WHOLE[:20], httpx2.ReadError("reset"), **head)
        exchange = Exchange()
        with pytest.raises(ExceptionGroup) as raised:
            await exchange.run(URL, transport)

        assert raised.group_contains(httpx2.ReadError, depth=1)
        assert stream.closed
        assert (exchange.body, exchange.ended) == (WHOLE[:20], False)
        [record] = exchange.records
        assert record.end.cause is EndCause.TRANSPORT
        assert isinstance(record.error, httpx2.ReadError)

    async def test_out_of_reach(self) -> None:
        """502, and an error in JSON."""
        with ReplayServer(b"") as server:
            url = server.url
        exchange = Exchange()
        record = await exchange.run(url)

        assert (exchange.status, exchange.ended) == (502, True)
        assert exchange.headers == [(b"content-type", b"application/json")]
        assert "ConnectError" in json.loads(exchange.body)["error"]["message"]
        assert (record.status, record.end.cause) == (None, EndCause.TRANSPORT)
        assert isinstance(record.error, httpx2.ConnectError)


class TestRecords:
    """Reading along, by itself."""

    def test_a_completion_beyond_its_limits(self) -> None:
        """Reading ends there; nothing is raised."""
        record = proxy.Record(accumulator=Accumulator(max_tool_calls=0))
        record.feed(chunk(content="Hel"))
        record.feed(CALL)
        record.feed(TEXT)
        record.close()

        assert isinstance(record.error, LimitExceeded)
        assert record.completion.text == "Hel"
        assert record.end.cause is EndCause.INCOMPLETE

    def test_one_line_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """It is what becomes of a record, unless there is another use for it."""
        record = proxy.Record(status=200)
        record.feed(CALL)
        record.close()
        with caplog.at_level(logging.INFO, "proxy"):
            proxy.log_record(record)

        assert caplog.messages == ["status 200, done, tokens: None, calls: ['add'], error: None"]


class TestTheCommand:
    """It needs a server for ASGI."""

    def test_without_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It says what to install."""
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        monkeypatch.setattr(sys, "argv", ["proxy.py", "--upstream", URL])
        with pytest.raises(SystemExit, match="pip install uvicorn"):
            proxy.main()

    def test_with_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It serves the proxy."""
        served = []
        uvicorn = SimpleNamespace(run=lambda app, **_: served.append(app))
        monkeypatch.setitem(sys.modules, "uvicorn", uvicorn)
        monkeypatch.setattr(sys, "argv", ["proxy.py", "--upstream", URL])
        proxy.main()

        assert [app.upstream for app in served] == [httpx2.URL(URL)]


class TestRenaming:
    """The way of a gateway that must change what it relays."""

    @pytest.mark.parametrize("size", [1, 7, 10_000])
    def test_chunks_alone_are_changed(self, size: int) -> None:
        """Wherever the bytes are cut; what is no chunk stays what it is."""
        named = data({"model": "theirs", "choices": [], "extra": {"kept": True}})
        error = data({"error": {"message": "busy"}})
        body = b": ping\n\n" + named + TEXT.removesuffix(DONE) + data("no JSON") + DONE + error
        renamer = rename_model.Renamer("ours")
        changed = b"".join(
            renamer.feed(body[start : start + size]) for start in range(0, len(body), size)
        )

        items = Parser(comments=True).feed(changed)
        assert items[0] == Comment(" ping")
        events = [item for item in items if isinstance(item, Event)]
        assert events[0].json() == {"model": "ours", "choices": [], "extra": {"kept": True}}
        assert {event.json()["model"] for event in events[:-3]} == {"ours"}
        assert [event.data for event in events[-3:-1]] == ["no JSON", "[DONE]"]
        assert events[-1].json() == {"error": {"message": "busy"}}
