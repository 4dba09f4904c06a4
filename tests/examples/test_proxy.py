"""Tests of the examples `proxy.py` and `rename_model.py`."""

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
COMPLETION = json.dumps(
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
    The ASGI server's side of one request, and a client that can disconnect.

    `on_piece` is awaited for each piece of the response body, before `send()` returns. The
    client disconnects when the data received ends with `disconnect_after`.
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
        disconnect_after: bytes | None = None,
    ) -> None:
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": headers,
        }
        self.disconnected = anyio.Event()
        self.sent: list[dict[str, Any]] = []
        self.records: list[Any] = []
        self._requests = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        self._on_piece = on_piece
        self._disconnect_after = disconnect_after

    async def receive(self) -> dict[str, Any]:
        if self._requests:
            return self._requests.pop(0)
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message.get("body"):
            if self._disconnect_after is not None and self.body.endswith(self._disconnect_after):
                self.disconnected.set()
            if self._on_piece is not None:
                await self._on_piece(message["body"])

    async def run(self, url: str, transport: httpx2.AsyncBaseTransport | None = None) -> Any:
        """Pass the request to the proxy; return the record."""
        async with httpx2.AsyncClient(trust_env=False, transport=transport) as client:
            app = proxy.Proxy(httpx2.URL(url), client, self.records.append)
            with anyio.fail_after(60):  # fail instead of hanging
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
        """Whether exactly the last message ended the body."""
        mores = [message["more_body"] for message in self.sent[1:]]
        return mores.count(False) == 1 and mores[-1] is False


class Pieces(httpx2.AsyncByteStream):
    """A response body of pieces and exceptions that records whether it was closed."""

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
        # Without a shield, a cancellation ends it here.
        await anyio.lowlevel.checkpoint()
        self.closed = True


def mock_upstream(
    *pieces: bytes | Exception, content_type: str = "text/event-stream", **headers: str
) -> tuple[Pieces, httpx2.MockTransport]:
    """Return a response body, and a transport that responds with it without a connection."""
    stream = Pieces(*pieces)
    head = {"content-type": content_type, **headers}
    return stream, httpx2.MockTransport(lambda _: httpx2.Response(200, headers=head, stream=stream))


@asynccontextmanager
async def upstream(answer: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve on loopback: read each request and let a function send the HTTP response."""

    async def serve(connection: SocketStream) -> None:
        async with connection:
            request = b""
            while not request.endswith(b"\r\n\r\n{}"):
                request += await connection.receive()
            await answer(connection)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, serve)
            port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django
            yield f"http://127.0.0.1:{port}"
            tasks.cancel_scope.cancel()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@pytest.mark.anyio
class TestRequests:
    """Tests of the requests to the upstream."""

    async def test_method_path_query_body(self) -> None:
        """Method, path, query and body are relayed; the path of the upstream URL comes first."""
        with ReplayServer(TEXT) as server:
            exchange = Exchange(
                method="PUT", path="/chat%2Fa/b", query=b"x=1&y=%20", pieces=[b'{"a"', b": 1}"]
            )
            await exchange.run(f"{server.url}/v1/")

        [request] = server.requests
        assert (request.method, request.target) == ("PUT", "/v1/chat%2Fa/b?x=1&y=%20")
        assert request.json() == {"a": 1}

    async def test_request_headers(self) -> None:
        """Headers are relayed, except hop-by-hop headers and those that the proxy sets."""
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
    async def test_paths_with_another_host(self, path: str) -> None:
        """A request goes to the upstream even if its path looks like another URL."""
        hosts = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            hosts.append(request.url.host)
            return httpx2.Response(404, stream=Pieces())

        await Exchange(path=path).run(URL, httpx2.MockTransport(answer))

        assert hosts == ["upstream"]

    async def test_cookies(self) -> None:
        """A cookie that one client received isn't sent with the requests of another."""
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
        """Protocols other than HTTP raise ValueError, as ASGI requires."""
        exchange = Exchange()
        exchange.scope["type"] = kind
        with pytest.raises(ValueError, match=kind):
            await exchange.run(URL)


@pytest.mark.anyio
class TestResponses:
    """Tests of the responses to the client and of their records."""

    @pytest.mark.parametrize(
        "body",
        [
            TEXT,
            CALL,
            b"\xef\xbb\xbf: hello\n" + TEXT.replace(b"\n", b"\r\n").replace(b"data", b": \r\ndata"),
            TEXT.replace(b"Hel", "Hé\u2028l".encode()),
            b"",
        ],
        ids=["text", "tool call", "CRLF and comments", "non-ASCII", "empty"],
    )
    @pytest.mark.parametrize(
        ("pieces", "framing"),
        [("events", "chunked"), ("bytes", "content-length"), ("events", "close")],
    )
    async def test_bytes_are_unchanged(self, body: bytes, pieces: Any, framing: Any) -> None:
        """The client receives the bytes that the upstream sent, with each framing."""
        with ReplayServer(Replay(body, pieces=pieces, framing=framing)) as server:
            exchange = Exchange()
            await exchange.run(server.url)

        assert exchange.status == 200
        assert exchange.body == body
        assert exchange.ended

    async def test_pieces_are_relayed_at_once(self) -> None:
        """The client receives each piece before the upstream sends the next one."""
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

    async def test_record_of_text(self) -> None:
        """The record has the completion, usage, finish reasons and end."""
        with ReplayServer(TEXT) as server:
            record = await Exchange().run(server.url)

        assert (record.status, record.completion.text) == (200, "Hello")
        assert record.usage.total_tokens == 17
        assert record.finish_reasons == {0: "stop"}
        assert (record.end.cause, record.end.bytes_seen) == (EndCause.DONE, len(TEXT))
        assert (record.tool_calls, record.error) == ([], None)

    async def test_record_of_tool_call(self) -> None:
        """The record has each tool call with its decoded arguments."""
        with ReplayServer(CALL) as server:
            record = await Exchange().run(server.url)

        [made] = record.tool_calls
        assert (made.id, made.name, made.value, made.fault) == ("call_1", "add", {"a": 1}, None)
        assert record.completion.choices[0].message.tool_calls[0].function.arguments == '{"a": 1}'

    async def test_tool_call_completed_by_the_end(self) -> None:
        """A call is recorded at the end of a stream whose finish reason precedes the arguments."""
        body = chunk("tool_calls", tool_calls=call(name="add", arguments='{"a"')) + DONE
        with ReplayServer(body) as server:
            record = await Exchange().run(server.url)

        [made] = record.tool_calls
        assert (made.arguments, made.fault is None) == ('{"a"', False)

    async def test_completion_that_is_not_streamed(self) -> None:
        """A completion in one JSON body is relayed with its length, and recorded."""
        replay = Replay(COMPLETION, framing="content-length", content_type="application/json")
        with ReplayServer(replay) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert exchange.body == COMPLETION
        assert (b"content-length", b"%d" % len(COMPLETION)) in exchange.headers
        assert [made.name for made in record.tool_calls] == ["add"]
        assert record.usage.total_tokens == 17
        assert (record.end.cause, record.error) == (EndCause.FINISHED, None)

    async def test_error_response(self) -> None:
        """Status, headers and body of an error response are relayed, and the error is recorded."""
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

    async def test_html_page(self) -> None:
        """An HTML page is relayed and recorded as NotEventStream."""
        with ReplayServer(Replay(HTML, status=502, content_type="text/html")) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert (exchange.status, exchange.body) == (502, HTML)
        assert record.end.cause is EndCause.NOT_A_STREAM
        assert isinstance(record.error, NotEventStream)

    async def test_unrequested_compression(self) -> None:
        """A compressed response is relayed, and recorded as NotEventStream."""
        with ReplayServer(Replay(TEXT, framing="gzip")) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert (b"content-encoding", b"gzip") in exchange.headers
        assert exchange.body.startswith(b"\x1f\x8b")
        assert isinstance(record.error, NotEventStream)

    async def test_response_headers(self) -> None:
        """Headers are relayed, also repeated ones, except hop-by-hop headers."""
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
        ("event", "kind", "cause"),
        [
            (data("{no JSON"), DecodeError, EndCause.INCOMPLETE),
            (data({"error": {"message": "busy"}}), ServerSentError, EndCause.SERVER_ERROR),
        ],
        ids=["bad JSON", "server error"],
    )
    async def test_error_in_stream(
        self, event: bytes, kind: type[Exception], cause: EndCause
    ) -> None:
        """An error in a stream is recorded, and the rest of the stream is relayed."""
        body = chunk(content="Hel") + event + TEXT
        with ReplayServer(body) as server:
            exchange = Exchange()
            record = await exchange.run(server.url)

        assert (exchange.body, exchange.ended) == (body, True)
        assert record.completion.text == "Hel"
        assert isinstance(record.error, kind)
        assert record.end.cause is cause


@pytest.mark.anyio
class TestDisconnectedClients:
    """Tests of clients that disconnect early."""

    @pytest.mark.parametrize(
        "head",
        [HEAD + framed(chunk(content="Hel")), b""],
        ids=["during the response", "before the response"],
    )
    async def test_upstream_connection_is_closed(self, head: bytes) -> None:
        """The proxy closes the upstream connection before or during the response."""
        closed = anyio.Event()
        exchange = Exchange(disconnect_after=b"\n\n")

        async def answer(connection: SocketStream) -> None:
            await connection.send(head)
            if not head:
                exchange.disconnected.set()
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

    async def test_disconnect_during_send(self) -> None:
        """A `send()` that blocks after the client disconnected is cancelled."""
        stream, transport = mock_upstream(chunk(content="Hel"), TEXT)

        async def never(_: bytes) -> None:
            await anyio.sleep_forever()

        exchange = Exchange(on_piece=never, disconnect_after=b"\n\n")
        record = await exchange.run(URL, transport)

        assert stream.closed
        assert record.end.cause is EndCause.CANCELLED

    async def test_disconnect_before_the_first_piece(self) -> None:
        """A response of which nothing was read is closed."""

        class DisconnectedExchange(Exchange):
            async def send(self, _: dict[str, Any]) -> None:
                self.disconnected.set()
                await anyio.sleep_forever()

        stream, transport = mock_upstream(TEXT)
        record = await DisconnectedExchange().run(URL, transport)

        assert stream.closed
        assert (record.status, record.end.cause) == (200, EndCause.CANCELLED)

    async def test_send_raises(self) -> None:
        """An OSError from `send()` means that the client disconnected."""
        stream, transport = mock_upstream(TEXT, TEXT)

        async def fail(_: bytes) -> None:
            raise BrokenPipeError

        exchange = Exchange(on_piece=fail)
        record = await exchange.run(URL, transport)

        assert stream.closed
        assert (exchange.pieces, exchange.ended) == ([TEXT], False)
        assert record.end.cause is EndCause.CANCELLED

    async def test_disconnect_after_done(self) -> None:
        """A stream is complete if the client disconnects after [DONE]."""

        async def answer(connection: SocketStream) -> None:
            await connection.send(HEAD + framed(TEXT))
            await anyio.sleep_forever()

        exchange = Exchange(disconnect_after=DONE)
        async with upstream(answer) as url:
            record = await exchange.run(url)

        assert (record.end.cause, record.usage.total_tokens) == (EndCause.DONE, 17)

    async def test_disconnect_during_the_request(self) -> None:
        """An incomplete request is neither relayed nor recorded."""
        exchange = Exchange(pieces=[])
        exchange.disconnected.set()
        app = proxy.Proxy(httpx2.URL(URL), None, exchange.records.append)
        await app(exchange.scope, exchange.receive, exchange.send)

        assert (exchange.sent, exchange.records) == ([], [])


@pytest.mark.anyio
class TestUpstreamFailures:
    """Tests of errors of the upstream."""

    async def test_truncated_event(self) -> None:
        """If the upstream fails inside an event, the client receives an error event."""
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
    async def test_causes(self, failure: Exception, cause: EndCause) -> None:
        """A timeout and other failures have different causes; a complete last event is kept."""
        stream, transport = mock_upstream(chunk(content="Hel")[:-1], failure)
        exchange = Exchange()
        record = await exchange.run(URL, transport)

        assert stream.closed
        assert (record.end.cause, record.error) == (cause, failure)
        assert record.completion.text == "Hel"

    async def test_first_error_is_recorded(self) -> None:
        """The record has the first error if the upstream fails after malformed JSON."""
        _, transport = mock_upstream(data("{no JSON"), httpx2.ReadError("reset"))
        record = await Exchange().run(URL, transport)

        assert record.end.cause is EndCause.TRANSPORT
        assert isinstance(record.error, DecodeError)

    async def test_failure_after_done(self) -> None:
        """A failure after [DONE] is ignored."""
        _, transport = mock_upstream(TEXT, httpx2.ReadError("reset"))
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
    async def test_failure_of_other_bodies(self, head: dict[str, str]) -> None:
        """If an error event can't be added, the exception makes the server close the connection."""
        stream, transport = mock_upstream(COMPLETION[:20], httpx2.ReadError("reset"), **head)
        exchange = Exchange()
        with pytest.raises(ExceptionGroup) as raised:
            await exchange.run(URL, transport)

        assert raised.group_contains(httpx2.ReadError, depth=1)
        assert stream.closed
        assert (exchange.body, exchange.ended) == (COMPLETION[:20], False)
        [record] = exchange.records
        assert record.end.cause is EndCause.TRANSPORT
        assert isinstance(record.error, httpx2.ReadError)

    async def test_connection_refused(self) -> None:
        """If the upstream can't be reached, the client receives status 502 and a JSON error."""
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
    """Tests of records without a proxy."""

    def test_limit_exceeded(self) -> None:
        """A completion that exceeds a limit stops the recording without an exception."""
        record = proxy.Record(accumulator=Accumulator(max_tool_calls=0))
        record.feed(chunk(content="Hel"))
        record.feed(CALL)
        record.feed(TEXT)
        record.close()

        assert isinstance(record.error, LimitExceeded)
        assert record.completion.text == "Hel"
        assert record.end.cause is EndCause.INCOMPLETE

    def test_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """`log_record` writes one line."""
        record = proxy.Record(status=200)
        record.feed(CALL)
        record.close()
        with caplog.at_level(logging.INFO, "proxy"):
            proxy.log_record(record)

        assert caplog.messages == ["status 200, done, tokens: None, calls: ['add'], error: None"]


class TestCommand:
    """Tests of the command line."""

    def test_without_uvicorn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without uvicorn, the command names the package to install."""
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        monkeypatch.setattr(sys, "argv", ["proxy.py", "--upstream", URL])
        with pytest.raises(SystemExit, match="pip install uvicorn"):
            proxy.main()

    def test_with_uvicorn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The command serves a proxy for the given upstream."""
        served = []
        uvicorn = SimpleNamespace(run=lambda app, **_: served.append(app))
        monkeypatch.setitem(sys.modules, "uvicorn", uvicorn)
        monkeypatch.setattr(sys, "argv", ["proxy.py", "--upstream", URL])
        proxy.main()

        assert [app.upstream for app in served] == [httpx2.URL(URL)]


class TestRenamer:
    """Tests of `rename_model.py`."""

    @pytest.mark.parametrize("size", [1, 7, 10_000])
    def test_only_chunks_are_changed(self, size: int) -> None:
        """The model of each chunk is replaced; comments and other events don't change."""
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
