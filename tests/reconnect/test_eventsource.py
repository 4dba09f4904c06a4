"""EventSource over httpx2, by the standard, web-platform-tests and LaunchDarkly's tests."""

import importlib
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

import anyio
import anyio.lowlevel
import httpx2
import pytest
import trustme

from sseparse import (
    EncodingError,
    Event,
    LimitExceeded,
    NotEventStream,
    SSEError,
    StreamTimeout,
    TransportError,
)
from sseparse.reconnect import AsyncEventSource, EventSource, Kind, ReconnectPolicy
from sseparse.testing import Replay, ReplayServer

URL = "http://events.test/"
STANDARD = ReconnectPolicy(jitter=0)


class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in pieces; exceptions among these are raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def make_response(*pieces: bytes | Exception, status: int = 200, **headers: str) -> httpx2.Response:
    named = {"content-type": "text/event-stream"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=named, stream=Body(*pieces))


def make_no_content() -> httpx2.Response:
    return httpx2.Response(204, stream=Body())


class Server:
    """A server that sends responses in order, and then status 204."""

    def __init__(self, *responses: httpx2.Response | Exception) -> None:
        self._pending = list(responses)
        self.responses: list[httpx2.Response] = []
        self.requests: list[httpx2.Request] = []
        self.transport = httpx2.MockTransport(self._handle)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        response = self._pending.pop(0) if self._pending else make_no_content()
        if isinstance(response, Exception):
            raise response
        self.responses.append(response)
        return response

    @property
    def ids(self) -> list[bytes | None]:
        """The `Last-Event-ID` of each request."""
        return [
            dict(request.headers.raw).get(b"Last-Event-ID")
            or dict(request.headers.raw).get(b"last-event-id")
            for request in self.requests
        ]


class Outcome:
    """The results of a complete iteration."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.sleeps: list[float] = []
        self.last_event_id = ""
        self.retry: int | None = None
        self.last_error: Exception | None = None
        self.raised: Exception | None = None

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.events]

    def finish(self, source: EventSource[Any] | AsyncEventSource[Any]) -> None:
        self.last_event_id = source.last_event_id
        self.retry = source.retry
        self.last_error = source.last_error
        assert source.ready_state == "closed"


Run = Callable[..., Outcome]


def run_sync(server: Server, url: str = URL, **options: Any) -> Outcome:
    outcome = Outcome()
    options = {"policy": STANDARD, "sleep": outcome.sleeps.append, **options}
    with httpx2.Client(transport=server.transport) as client:
        with EventSource(url, client=client, **options) as source:
            try:
                for event in source:
                    outcome.events.append(event)
            except SSEError as error:
                outcome.raised = error
        assert not client.is_closed
    outcome.finish(source)
    return outcome


def run_async(backend: str, server: Server, url: str = URL, **options: Any) -> Outcome:
    outcome = Outcome()

    async def sleep(seconds: float) -> None:
        outcome.sleeps.append(seconds)

    async def main() -> None:
        with_sleep = {"policy": STANDARD, "sleep": sleep, **options}
        async with httpx2.AsyncClient(transport=server.transport) as client:
            async with AsyncEventSource(url, client=client, **with_sleep) as source:
                try:
                    async for event in source:
                        outcome.events.append(event)
                except SSEError as error:
                    outcome.raised = error
            assert not client.is_closed
        outcome.finish(source)

    anyio.run(main, backend=backend)
    return outcome


@pytest.fixture(params=["sync", "asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a complete iteration, synchronously and on each event loop."""
    if request.param == "sync":
        return run_sync
    return lambda *args, **options: run_async(request.param, *args, **options)


class TestRequests:
    """The requests that are sent."""

    def test_headers(self, run: Run) -> None:
        """The first request accepts an uncached event stream and has no Last-Event-ID."""
        server = Server()
        run(server, headers={"X-Own": "1", "accept": "text/event-stream, */*"})
        (request,) = server.requests
        assert (request.method, request.headers["cache-control"]) == ("GET", "no-cache")
        assert request.headers["pragma"] == "no-cache"
        assert request.headers["accept"] == "text/event-stream, */*"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["x-own"] == "1"
        assert server.ids == [None]

    def test_accept(self, run: Run) -> None:
        """By default, Accept has only text/event-stream."""
        server = Server()
        run(server)
        assert server.requests[0].headers.get_list("accept") == ["text/event-stream"]

    def test_first_id(self, run: Run) -> None:
        """The first ID is sent with each request until another one is received."""
        server = Server(
            make_response(), httpx2.ConnectError("refused"), make_response(b"id: 2\n\n")
        )
        outcome = run(server, last_event_id="1")
        assert server.ids == [b"1", b"1", b"1", b"2"]
        assert outcome.last_event_id == "2"

    def test_id_in_headers(self) -> None:
        """Last-Event-ID in `headers` raises ValueError."""
        with pytest.raises(ValueError, match="last_event_id="):
            EventSource(URL, headers={"Last-Event-Id": "1"})

    def test_method_and_body(self, run: Run) -> None:
        """The method and the body are sent with each request."""
        server = Server(make_response(b"id: 1\n\n"))
        run(server, method="POST", content=b"{}")
        assert [(request.method, request.content) for request in server.requests] == [
            ("POST", b"{}")
        ] * 2

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects(self, run: Run, status: int) -> None:
        """Redirects are followed; each connection begins at the original URL."""
        moved = httpx2.Response(status, headers={"location": "/moved"})
        again = httpx2.Response(status, headers={"location": "/moved"})
        server = Server(moved, make_response(b"data: x\n\n"), again)
        assert run(server).data == ["x"]
        assert [request.url.path for request in server.requests] == ["/", "/moved"] * 2

    def test_redirect_of_a_post(self, run: Run) -> None:
        """A redirect of a POST isn't followed, because it can become a GET."""
        server = Server(httpx2.Response(302, headers={"location": "/moved"}))
        outcome = run(server, method="POST")
        assert isinstance(outcome.raised, NotEventStream)
        assert (outcome.raised.status, len(server.requests)) == (302, 1)

    def test_max_redirects(self, run: Run) -> None:
        """The client's limit of redirects applies: 20 by default."""
        moved = [httpx2.Response(302, headers={"location": "/moved"}) for _ in range(21)]
        server = Server(*moved[:20], make_response(b"data: x\n\n"))
        assert run(server).data == ["x"]
        server = Server(*moved)
        outcome = run(server)
        assert isinstance(outcome.raised, TransportError)
        assert isinstance(outcome.raised.__cause__, httpx2.TooManyRedirects)
        assert (len(server.requests), outcome.sleeps) == (21, [])

    @pytest.mark.parametrize(
        "headers",
        [{}, *({"location": to} for to in ("", "http://a b/", "http://[::1]b/", "ftp://a/"))],
    )
    def test_redirects_without_a_valid_target(self, run: Run, headers: dict[str, str]) -> None:
        """A redirect without a valid target raises an error."""
        outcome = run(Server(*(httpx2.Response(301, headers=headers) for _ in range(50))))
        assert isinstance(outcome.raised, SSEError)
        assert outcome.sleeps == []

    def test_mcp(self, run: Run) -> None:
        """MCP resumes by GET, without the body."""
        server = Server(make_response(b"id: 1\nretry: 5\n\n"))
        policy = ReconnectPolicy(Kind.MCP_2025_11)
        outcome = run(server, method="POST", content=b"{}", policy=policy)
        sent = [(request.method, request.content) for request in server.requests]
        assert sent == [("POST", b"{}"), ("GET", b"")]
        assert (server.ids, outcome.sleeps) == ([None, b"1"], [0.05])

    def test_responses(self, run: Run) -> None:
        """The Responses API resumes after a sequence number; replayed events are dropped."""
        first = b'data: {"sequence_number": 1}\n\n'
        second = b'data: {"sequence_number": 2, "type": "response.completed"}\n\n'
        server = Server(make_response(first), make_response(first, second, b"data: late\n\n"))
        policy = ReconnectPolicy(Kind.RESPONSES)
        outcome = run(server, f"{URL}responses/r?stream=true", policy=policy)
        assert [event.json()["sequence_number"] for event in outcome.events] == [1, 2]
        assert dict(server.requests[1].url.params) == {"stream": "true", "starting_after": "1"}
        assert len(server.requests) == 2


SECRETS = {
    "Authorization": "Bearer k",
    "Cookie": "session=k",
    "X-Api-Key": "k",
    "X-Session": "k",
    "User-Agent": "k",
    "Accept": "text/event-stream, x/k",
    "Accept-Encoding": "identity, k",
    "Cache-Control": "max-age=0, k",
    "Pragma": "k",
    "Host": "k",
    "Referer": "k",
    "Content-Type": "x/k",
}


def make_redirect(location: str, status: int = 307) -> Replay:
    return Replay(b"", status=status, headers={"Location": location}, content_type=None)


def received_headers(server: ReplayServer) -> list[dict[str, str]]:
    return [dict(request.headers) for request in server.requests]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def read(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Read two events over real connections, one event over each."""

    def read_sync(url: str, *, client: Any = None, **options: Any) -> None:
        with httpx2.Client(**client or {}) as made:
            with EventSource(url, client=made, sleep=lambda _: None, **options) as source:
                assert [next(source).data for _ in range(2)] == ["x", "x"]

    async def read_async(url: str, client: Any, options: Any) -> None:
        async def sleep(_: float) -> None:
            pass

        async with httpx2.AsyncClient(**client or {}) as made:
            async with AsyncEventSource(url, client=made, sleep=sleep, **options) as source:
                assert [(await anext(source)).data for _ in range(2)] == ["x", "x"]

    if request.param == "sync":
        return read_sync
    return lambda url, client=None, **options: anyio.run(
        read_async, url, client, options, backend=request.param
    )


class TestOrigins:
    """What another origin receives after a redirect."""

    body = Replay(b"id: 1\ndata: x\n\n", framing="close")

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_another_origin(self, read: Callable[..., None], status: int) -> None:
        """Another origin gets the headers of the standard, but none of the caller's."""
        with (
            ReplayServer(self.body) as other,
            ReplayServer(make_redirect(other.url, status)) as server,
        ):
            read(server.url, headers=SECRETS, content=b"k")
        assert [headers["x-api-key"] for headers in received_headers(server)] == ["k", "k"]
        for headers in received_headers(other):
            assert headers.pop("user-agent").startswith("python-httpx2/")
            assert headers.pop("host") == other.url.removeprefix("http://")
            headers.pop("last-event-id", None)
            assert headers == {
                "accept": "text/event-stream",
                "accept-encoding": "identity",
                "cache-control": "no-cache",
                "pragma": "no-cache",
                "connection": "keep-alive",
            }
        assert [headers.get("last-event-id") for headers in received_headers(other)] == [None, "1"]
        assert [request.body for request in other.requests] == [b"", b""]

    def test_the_same_origin(self, read: Callable[..., None]) -> None:
        """The same origin gets all headers and the body."""
        with ReplayServer({"/": make_redirect("/b"), "/b": self.body}) as server:
            read(f"{server.url}/", headers=SECRETS, content=b"k")
        for headers in received_headers(server):
            assert (
                headers.items() >= {name.lower(): value for name, value in SECRETS.items()}.items()
            )
        assert [request.body for request in server.requests] == [b"k"] * 4

    def test_spellings_of_an_origin(self, run: Run) -> None:
        """The default port and the case of the host don't change the origin."""
        same = httpx2.Response(302, headers={"location": "HTTP://Events.Test:80/b"})
        server = Server(same, make_response(b"data: x\n\n"))
        assert run(server, headers={"X-Api-Key": "k"}).data == ["x"]
        assert [request.headers.get("x-api-key") for request in server.requests] == ["k"] * 3

    @pytest.mark.parametrize(
        "location",
        [
            *("http://events.test:8080/", "http://sub.events.test/", "//events.test.evil/"),
            *("https://events.test/", "http://events.test.:80/"),
        ],
    )
    def test_other_origins(self, run: Run, location: str) -> None:
        """Another scheme, host or port is another origin."""
        server = Server(httpx2.Response(302, headers={"location": location}), make_response())
        run(server, headers={"X-Api-Key": "k", "Authorization": "k", "Cookie": "k"})
        leaked = {"x-api-key", "authorization", "cookie"} & set(server.requests[1].headers)
        assert not leaked

    def test_there_and_back(self, read: Callable[..., None]) -> None:
        """Dropped headers aren't sent back at the first origin, only with the next connection."""
        replays: dict[str, Replay] = {"/b": self.body}
        with ReplayServer(lambda request: replays[request.path]) as server:
            with ReplayServer(make_redirect(f"{server.url}/b")) as other:
                replays["/"] = make_redirect(other.url)
                read(f"{server.url}/", headers={"X-Api-Key": "k", "Authorization": "k"})
        sent = [(request.path, request.headers.get("x-api-key")) for request in server.requests]
        assert sent == [("/", "k"), ("/b", None)] * 2
        assert all("authorization" not in headers for headers in received_headers(server)[1::2])

    def test_within_the_other_origin(self, read: Callable[..., None]) -> None:
        """Dropped headers aren't sent after a redirect within the other origin."""
        with ReplayServer({"/": make_redirect("/b"), "/b": self.body}) as other:
            with ReplayServer(make_redirect(f"{other.url}/")) as server:
                read(server.url, headers={"X-Api-Key": "k"})
        assert len(other.requests) == 4
        assert all("x-api-key" not in headers for headers in received_headers(other))

    def test_data_of_the_client(self, read: Callable[..., None]) -> None:
        """Another origin gets only the client's User-Agent and cookies with a domain."""
        cookies = httpx2.Cookies()
        cookies.set("everywhere", "k")
        cookies.set("of_a_domain", "k", domain="127.0.0.1")
        client = {
            "headers": {"X-Own": "1", "Authorization": "k", "User-Agent": "me"},
            "auth": ("user", "k"),
            "params": {"key": "k"},
            "cookies": cookies,
        }
        with (
            ReplayServer(self.body) as other,
            ReplayServer(make_redirect(f"{other.url}/b?c=d")) as server,
        ):
            read(server.url, client=client)
        assert [request.target for request in other.requests] == ["/b?c=d"] * 2
        for headers in received_headers(other):
            assert headers["user-agent"] == "me"
            assert headers["cookie"] == "of_a_domain=k"
            assert not {"authorization", "x-own"} & set(headers)
        for headers in received_headers(server):
            assert headers["x-own"] == "1"
            assert "everywhere=k" in headers["cookie"]
            assert "authorization" in headers

    def test_user_and_password(self, read: Callable[..., None]) -> None:
        """User and password of the URL are sent only to their origin."""
        replays: dict[str, Replay] = {"/a": make_redirect("/b"), "/d": self.body}
        with ReplayServer(self.body) as other:
            with ReplayServer(lambda request: replays[request.path]) as server:
                replays["/b"] = make_redirect(f"{server.url}/c")
                replays["/c"] = make_redirect(f"{other.url}/d")
                read(server.url.replace("//", "//user:k@") + "/a")
        assert [request.path for request in server.requests] == ["/a", "/b", "/c"] * 2
        assert all(
            headers["authorization"].startswith("Basic ") for headers in received_headers(server)
        )
        assert all("authorization" not in headers for headers in received_headers(other))

    def test_https_to_http(self, run: Run) -> None:
        """A redirect from https to http raises an error that names the target without secrets."""
        location = "http://user:secret@events.test/b?token=secret"
        server = Server(httpx2.Response(301, headers={"location": location}), make_response())
        outcome = run(server, "https://events.test/")
        assert isinstance(outcome.raised, NotEventStream)
        assert "a redirect to http://events.test/b;" in str(outcome.raised)
        assert "secret" not in str(outcome.raised)
        assert (len(server.requests), outcome.sleeps) == (1, [])

    def test_https_to_http_by_tls(self, read: Callable[..., None]) -> None:
        """After a redirect from https to http nothing is sent to the other server."""
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        with ReplayServer(self.body) as other:
            with ReplayServer(make_redirect(other.url), ssl_context=context) as server:
                with pytest.raises(NotEventStream, match=f"a redirect to {other.url}"):
                    read(server.url, client={"verify": trusting})
        assert not other.connections


class TestResponses:
    """The responses that are received."""

    @pytest.mark.parametrize("status", [205, 210, 299, 404, 410, 503])
    def test_statuses(self, run: Run, status: int) -> None:
        """Any status but 200 and 204 raises an error without another attempt."""
        server = Server(make_response(b"<h1>", b"rest", status=status, content_type="text/html"))
        outcome = run(server)
        assert isinstance(outcome.raised, NotEventStream)
        assert (outcome.raised.status, outcome.raised.content_type) == (status, "text/html")
        assert outcome.raised.body_start == b"<h1>"
        assert (len(server.requests), outcome.sleeps) == (1, [])
        assert all(response.is_closed for response in server.responses)

    def test_unreadable_body_of_an_error(self, run: Run) -> None:
        """A rejected response whose body can't be read is reported without it."""
        outcome = run(Server(make_response(httpx2.ReadError("cut"), status=500)))
        assert isinstance(outcome.raised, NotEventStream)
        assert outcome.raised.body_start == b""

    def test_no_content(self, run: Run) -> None:
        """Status 204 ends the iteration."""
        server = Server()
        outcome = run(server)
        assert (outcome.events, outcome.raised, len(server.requests)) == ([], None, 1)

    @pytest.mark.parametrize(
        "content_type",
        ["text/event-stream;charset=windows-1251", "text/event-stream;", "TEXT/EVENT-STREAM"],
    )
    def test_content_types(self, run: Run, content_type: str) -> None:
        """Parameters of the type don't matter: the text is UTF-8."""
        server = Server(make_response("data: ok…\n\n".encode(), content_type=content_type))
        assert run(server).data == ["ok…"]

    @pytest.mark.parametrize("content_type", ["text/event-streamx", "x bogus", "text/html", ""])
    def test_other_content_types(self, run: Run, content_type: str) -> None:
        """Another content type raises an error."""
        outcome = run(Server(make_response(b"data: x\n\n", content_type=content_type)))
        assert isinstance(outcome.raised, NotEventStream)
        assert (outcome.raised.status, outcome.events) == (200, [])

    def test_retry_statuses(self, run: Run) -> None:
        """A policy can retry statuses after the delay of Retry-After."""
        policy = ReconnectPolicy(jitter=0, max_attempts=1, retry_statuses=frozenset({503}))
        date = "Thu, 01 Jan 1970 00:00:09 GMT"
        server = Server(
            make_response(status=503, retry_after=date),
            make_response(b"data: x\n\n"),
            make_response(status=503, retry_after="2"),
            make_response(b"<h1>", status=503),
        )
        outcome = run(server, policy=policy, clock=lambda: 5.0)
        assert (outcome.data, outcome.sleeps) == (["x"], [4.0, 1.0])
        assert isinstance(outcome.raised, NotEventStream)


class TestReconnecting:
    """Reconnections after the end of a connection."""

    def test_sends_the_last_id(self, run: Run) -> None:
        """The last ID is sent as UTF-8, even if later events have none."""
        server = Server(make_response("id: …é\ndata: a\n\ndata: b\n\n".encode()))
        outcome = run(server)
        assert [(event.data, event.id) for event in outcome.events] == [("a", "…é"), ("b", "…é")]
        assert server.ids == [None, "…é".encode()]

    def test_id_without_data(self, run: Run) -> None:
        """A block with only an id isn't an event, but its id counts."""
        server = Server(make_response(b"id: 1\n\n"), make_response(b"data: x\n\n"))
        outcome = run(server)
        assert outcome.events == [Event("x", id="1")]
        assert server.ids == [None, b"1", b"1"]

    def test_empty_id(self, run: Run) -> None:
        """An empty id resets the ID, so that no header is sent."""
        server = Server(make_response(b"id: 1\ndata: a\n\n"), make_response(b"id:\ndata: b\n\n"))
        outcome = run(server)
        assert server.ids == [None, b"1", None]
        assert outcome.last_event_id == ""

    def test_ids_with_control_characters(self, run: Run) -> None:
        """The parser ignores an ID with NUL; IDs with other control characters aren't sent."""
        server = Server(make_response(b"id: 1\n\nid: 2\0\n\n"), make_response(b"id: 3\x0b\n\n"))
        run(server)
        assert server.ids == [None, b"1", None]

    @pytest.mark.parametrize(
        ("last_event_id", "sent"),
        [("1" * 8192, True), ("1" * 8193, False), ("é" * 4096, True), ("é" * 4097, False)],
        ids=["8192", "8193", "8192 in UTF-8", "8194 in UTF-8"],
    )
    @pytest.mark.parametrize("cut", [[], [httpx2.ReadError("reset")]], ids=["end", "reset"])
    def test_large_ids(
        self, run: Run, cut: list[Exception], last_event_id: str, sent: bool
    ) -> None:
        """An ID of more than 8 KiB isn't sent; `last_error` reports it until a shorter one."""
        large = f"id: {last_event_id}\ndata: x\n\n".encode()
        server = Server(make_response(large, *cut), make_response(b"data: y\n\n"))
        outcome = run(server)
        value = last_event_id.encode() if sent else None
        assert (outcome.data, server.ids) == (["x", "y"], [None, value, value])
        assert outcome.last_event_id == last_event_id
        assert isinstance(outcome.last_error, LimitExceeded) is not sent
        if not sent:
            error = outcome.last_error
            assert isinstance(error, LimitExceeded)
            assert (error.limit, error.maximum) == ("last_event_id", 8192)
        assert (
            run(
                Server(make_response(large), make_response(b"id: 2\n\n"), make_response())
            ).last_error
            is None
        )

    def test_large_ids_over_connections(self) -> None:
        """The stream continues without the header while the ID is too large."""
        replay = Replay(b"id: " + b"1" * 70_000 + b"\ndata: x\n\n", framing="close")
        with ReplayServer(replay) as server:
            with EventSource(server.url, sleep=lambda _: None) as source:
                assert [next(source).data for _ in range(3)] == ["x"] * 3
                assert isinstance(source.last_error, LimitExceeded)
        assert all("last-event-id" not in request.headers for request in server.requests)

    def test_large_ids_of_mcp(self, run: Run) -> None:
        """A protocol that can only resume after an ID ends with an error if it's too large."""
        large = b"id: " + b"1" * 8193 + b"\ndata: x\n\n"
        outcome = run(Server(make_response(large)), policy=ReconnectPolicy(Kind.MCP_2025_11))
        assert isinstance(outcome.raised, LimitExceeded)
        assert outcome.raised is outcome.last_error
        assert outcome.raised.__notes__ == ["not reconnected: no_cursor"]
        assert outcome.sleeps == []

    @pytest.mark.parametrize("cut", [httpx2.ReadError("reset"), httpx2.ReadTimeout("late"), None])
    def test_incomplete_event(self, run: Run, cut: Exception | None) -> None:
        """An incomplete event is dropped with its id, and the stream reconnects."""
        pieces: list[bytes | Exception] = [
            b"id: 1\ndata: a\n\nid: 2\ndata: b\n",
            *([] if cut is None else [cut]),
        ]
        server = Server(make_response(*pieces), make_response(b"data: c\n\n"))
        outcome = run(server)
        assert outcome.events == [Event("a", id="1"), Event("c", id="1")]
        assert server.ids == [None, b"1", b"1"]
        assert all(response.is_closed for response in server.responses)

    def test_first_delay(self, run: Run) -> None:
        """Without `retry` from the server the first delay is the base."""
        assert run(Server(make_response()), policy=ReconnectPolicy(base=0.5, jitter=0)).sleeps == [
            0.5
        ]

    def test_retry(self, run: Run) -> None:
        """`retry` sets the delay, even in a block without data, for all connections."""
        server = Server(
            make_response(b"retry: 250\n\n"),
            make_response(b"data: x\n\n"),
            make_response(b"retry: x\n\n"),
        )
        outcome = run(server, policy=ReconnectPolicy(base=0.1, jitter=0))
        assert outcome.sleeps == [0.25, 0.25, 0.5]
        assert outcome.retry == 250

    def test_initial_retry(self, run: Run) -> None:
        """The option `retry` sets the first delay."""
        assert run(Server(make_response()), retry=70).sleeps == [0.07]

    def test_max_delay_and_jitter(self, run: Run) -> None:
        """Delays grow up to a maximum, and jitter shortens them."""
        refused = [httpx2.ConnectError("refused") for _ in range(4)]
        policy = ReconnectPolicy(base=1, factor=2, cap=3, jitter=0.5)
        outcome = run(Server(*refused), policy=policy, rnd=lambda: 0.5)
        assert outcome.sleeps == [0.75, 1.5, 2.25, 2.25]

    def test_refused_then_success(self, run: Run) -> None:
        """A failed attempt to connect is repeated; an event resets the delays."""
        server = Server(
            httpx2.ConnectError("refused"),
            httpx2.ConnectTimeout("late"),
            OSError("as TLS has leaked"),
            make_response(b"data: x\n\n", ConnectionResetError("leaked too")),
        )
        outcome = run(server)
        assert (outcome.data, outcome.sleeps) == (["x"], [1, 2, 4, 1])
        assert isinstance(outcome.last_error, TransportError)
        assert isinstance(outcome.last_error.__cause__, ConnectionResetError)

    def test_last_error(self, run: Run) -> None:
        """A timeout is a StreamTimeout; an end without an error resets `last_error`."""
        assert run(Server(httpx2.ConnectTimeout("late"), make_response())).last_error is None
        outcome = run(Server(httpx2.ConnectTimeout("late")), policy=ReconnectPolicy(max_attempts=0))
        assert isinstance(outcome.raised, StreamTimeout)
        assert outcome.raised is outcome.last_error
        assert isinstance(outcome.raised.__cause__, httpx2.ConnectTimeout)
        assert outcome.raised.__notes__ == ["not reconnected: attempts"]

    def test_gives_up(self, run: Run) -> None:
        """A policy that gives up raises a TransportError that names the reason."""
        policy = ReconnectPolicy(max_attempts=1)
        outcome = run(Server(make_response(), make_response(), make_response()), policy=policy)
        assert isinstance(outcome.raised, TransportError)
        assert "attempts" in str(outcome.raised)
        assert len(outcome.sleeps) == 1

    @pytest.mark.parametrize(
        "error", [httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, UnicodeError]
    )
    def test_permanent_errors(self, run: Run, error: type[Exception]) -> None:
        """A request that can never be sent isn't repeated."""
        outcome = run(Server(error("no")))
        assert isinstance(outcome.raised, TransportError)
        assert (type(outcome.raised.__cause__), outcome.sleeps) == (error, [])

    def test_terminator(self, run: Run) -> None:
        """After the terminal event nothing is read or returned."""
        server = Server(make_response(b"data: x\n\ndata: [DONE]\n\ndata: y\n\n", RuntimeError()))
        outcome = run(server, policy=ReconnectPolicy(terminator="[DONE]"))
        assert (outcome.data, len(server.requests)) == (["x", "[DONE]"], 1)
        assert server.responses[0].is_closed

    def test_parser_errors(self, run: Run) -> None:
        """An error of the parser is raised after the events before it, without reconnecting."""
        server = Server(make_response(b"data: x\n\ndata: " + b"y" * 50))
        outcome = run(server, max_line_bytes=20)
        assert (outcome.data, outcome.sleeps) == (["x"], [])
        assert isinstance(outcome.raised, LimitExceeded)
        outcome = run(Server(make_response(b"data: \xff\n\n")), errors="strict")
        assert isinstance(outcome.raised, EncodingError)


class TestErrors:
    """Errors that aren't failures of a connection."""

    def test_misuse(self) -> None:
        """Errors of the program are raised, and the next call continues with a new connection."""
        server = Server(
            make_response(b"data: x\n\n", TypeError("mine")), make_response(b"data: y\n\n")
        )
        client = httpx2.Client(transport=server.transport)
        with EventSource(URL, client=client, sleep=lambda _: None) as source:
            assert next(source).data == "x"
            with pytest.raises(TypeError, match="mine"):
                next(source)
            assert next(source).data == "y"

    @pytest.mark.anyio
    async def test_misuse_async(self) -> None:
        """AsyncEventSource raises errors of the program, too."""
        server = Server(make_response(b"data: x\n\n", TypeError("mine")))
        async with httpx2.AsyncClient(transport=server.transport) as client:
            async with AsyncEventSource(URL, client=client) as source:
                assert (await anext(source)).data == "x"
                with pytest.raises(TypeError, match="mine"):
                    await anext(source)

    def test_errors_of_the_adapter(self, run: Run) -> None:
        """A body that the adapter rejects raises its error, without reconnecting."""
        refusal = NotEventStream(body_start=b"\x1f\x8b", status=200)
        outcome = run(Server(make_response(refusal)))
        assert (outcome.raised, outcome.sleeps) == (refusal, [])

    def test_errors_repeat(self) -> None:
        """Each call after an error raises it again."""
        client = httpx2.Client(transport=Server(make_response(status=500)).transport)
        source = EventSource(URL, client=client)
        for _ in range(2):
            with pytest.raises(NotEventStream):
                next(source)

    def test_without_httpx2(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without httpx2 the error names the extra to install."""
        for name in list(sys.modules):
            if name.startswith("sseparse.reconnect"):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "httpx2", None)
        with pytest.raises(ModuleNotFoundError, match=r"sseparse\[httpx2\]"):
            importlib.import_module("sseparse.reconnect").EventSource(URL)


class TestClosing:
    """Closing the stream."""

    def test_states(self) -> None:
        """`ready_state` follows the connection; the ID is that of the last returned event."""
        server = Server(make_response(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"))
        client = httpx2.Client(transport=server.transport)
        source = EventSource(URL, client=client)
        assert source.ready_state == "connecting"
        assert next(source).data == "a"
        assert (source.ready_state, source.last_event_id) == ("open", "1")
        source.close()
        source.close()
        assert list(source) == []
        assert (source.ready_state, source.last_event_id) == ("closed", "1")
        assert server.responses[0].is_closed

    def test_closing_ends_a_wait(self) -> None:
        """A wait ends when another thread closes the stream."""
        server = Server(make_response(b"retry: 3000000\n\n"))
        client = httpx2.Client(transport=server.transport)
        waiting = threading.Event()

        def rnd() -> float:
            waiting.set()  # called just before the wait
            return 0.0

        source = EventSource(URL, client=client, rnd=rnd)
        thread = threading.Thread(target=lambda: list(source))
        thread.start()
        assert waiting.wait(30)
        source.close()
        thread.join(30)
        assert not thread.is_alive()
        assert source.ready_state == "closed"

    def test_closing_during_a_read(self) -> None:
        """close() in another thread interrupts a read if the connection supports it."""
        woken = threading.Event()
        reading = threading.Event()
        closed = []

        class Source:
            def __iter__(self) -> Self:
                return self

            def __next__(self) -> bytes:
                reading.set()
                assert woken.wait(30)
                raise TransportError("woken")

            def wake(self) -> None:
                woken.set()

            def close(self) -> None:
                closed.append(threading.current_thread())

        source = EventSource(connect=lambda _headers: Source())
        thread = threading.Thread(target=lambda: list(source))
        thread.start()
        assert reading.wait(30)
        source.close()
        thread.join(30)
        assert closed == [thread]

    def test_closing_during_a_connect(self) -> None:
        """A connection that succeeds after close() is closed."""
        body = Body(b"data: x\n\n")

        def handle(_request: httpx2.Request) -> httpx2.Response:
            source.close()
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)

        client = httpx2.Client(transport=httpx2.MockTransport(handle))
        source = EventSource(URL, client=client)
        assert list(source) == []
        assert body.closed

    @pytest.mark.anyio
    async def test_closing_ends_a_wait_async(self) -> None:
        """Another task can end a wait, but not read at the same time."""
        server = Server(make_response(b"retry: 3000000\n\n"))
        async with httpx2.AsyncClient(transport=server.transport) as client:
            source = AsyncEventSource(URL, client=client)

            async def read() -> None:
                assert [event async for event in source] == []

            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    while not server.responses or not server.responses[0].is_closed:
                        await anyio.lowlevel.checkpoint()
                    await anyio.wait_all_tasks_blocked()
                    with pytest.raises(RuntimeError, match="another task"):
                        await anext(source)
                    await source.aclose()
            await source.aclose()
        assert source.ready_state == "closed"

    @pytest.mark.anyio
    async def test_default_sleep_async(self) -> None:
        """The default sleep waits on the running event loop."""
        server = Server(make_response(b"retry: 1\ndata: x\n\n"))
        async with httpx2.AsyncClient(transport=server.transport) as client:
            async with AsyncEventSource(URL, client=client) as source:
                assert [event.data async for event in source] == ["x"]
        assert len(server.requests) == 2

    @pytest.mark.anyio
    async def test_cancelling(self) -> None:
        """After a cancelled read, closing the stream closes the response."""
        reading = anyio.Event()

        class Silent(Body):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                reading.set()
                await anyio.sleep_forever()
                yield b""

        body = Silent()
        headers = {"content-type": "text/event-stream"}
        server = Server(httpx2.Response(200, headers=headers, stream=body))
        async with httpx2.AsyncClient(transport=server.transport) as client:
            async with AsyncEventSource(URL, client=client) as source:
                async with anyio.create_task_group() as tasks:

                    async def stop() -> None:
                        await reading.wait()
                        tasks.cancel_scope.cancel()

                    tasks.start_soon(stop)
                    await anext(source)
            assert body.closed


class TestConnections:
    """EventSource over real connections."""

    def test_own_client(self) -> None:
        """The stream's own client reconnects with the ID."""
        with ReplayServer(Replay(b"id: 1\ndata: x\n\n")) as server:
            with EventSource(server.url, sleep=lambda _: None) as source:
                assert [next(source).data for _ in range(3)] == ["x"] * 3
        seen = [dict(request.headers).get("last-event-id") for request in server.requests]
        assert seen == [None, "1", "1"]

    @pytest.mark.anyio
    async def test_own_client_async(self) -> None:
        """The stream's own asynchronous client reconnects."""
        with ReplayServer(Replay(b"retry: 0\nid: 1\ndata: x\n\n", framing="close")) as server:
            async with AsyncEventSource(server.url) as source:
                assert [(await anext(source)).data for _ in range(3)] == ["x"] * 3
            assert len(server.requests) == 3

    def test_closing_from_another_thread(self) -> None:
        """A read from a silent connection ends when another thread closes the stream."""
        silent = Replay(b"data: a\n\ndata: b\n\n", delays=[0.0, 120.0])
        got = threading.Event()
        data = []
        with ReplayServer(silent) as server, EventSource(server.url) as source:

            def read() -> None:
                for event in source:
                    data.append(event.data)
                    got.set()

            thread = threading.Thread(target=read)
            thread.start()
            assert got.wait(30)
            source.close()
            thread.join(60)
            assert not thread.is_alive()
        assert data == ["a"]

    def test_refused_connections(self) -> None:
        """A refused connection is repeated as often as the policy allows."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        sleeps: list[float] = []
        policy = ReconnectPolicy(max_attempts=2, jitter=0)
        source = EventSource(f"http://127.0.0.1:{port}", policy=policy, sleep=sleeps.append)
        with source, pytest.raises(TransportError) as raised:
            next(source)
        assert isinstance(raised.value.__cause__, httpx2.ConnectError)
        assert sleeps == [1, 2]

    def test_read_timeout_of_the_client(self) -> None:
        """The client's read timeout doesn't end a silent stream."""
        replay = Replay(b"data: a\n\ndata: b\n\n", delays=[0.0, 0.6])
        with ReplayServer(replay) as server, httpx2.Client(timeout=0.3) as client:
            with EventSource(server.url, client=client, sleep=lambda _: None) as source:
                assert [next(source).data for _ in range(2)] == ["a", "b"]

    def test_read_timeout(self) -> None:
        """`read_timeout` ends a silent connection, and the stream reconnects."""
        replay = Replay(b"data: a\n\ndata: b\n\n", delays=[0.0, 120.0])
        with ReplayServer(replay) as server:
            with EventSource(server.url, read_timeout=0.2, sleep=lambda _: None) as source:
                assert [next(source).data for _ in range(2)] == ["a", "a"]
                assert isinstance(source.last_error, StreamTimeout)


@pytest.mark.parametrize(
    "url",
    [
        *("http://this is invalid/", "http://a%20b/", "http://a..b/", f"http://{'a' * 64}/"),
        *("http://[::1]evil.com/", "http://[::1", "http://[::g]/", "http://a\\.b/", "http://a|b/"),
        *("http://256.256.256.256/", "http://:80/", "http:///a", "http:a", "http://", "", "/a"),
        *("ftp://a/", "ws://a/", "a:80", "http://a:99999/", "http://a:-1/", "http://a:x/"),
        *("http://a:+8/", "http://user@b@c/", "http://b\\@c/", " http://a/", "http://a/\n"),
        *(f"http://{'é' * 64}/", "http://\u00ad/", f"http://a/{'a' * 65536}"),
        *("http://a:0/", "http://a/\ud800", "http://[fe80::1%25lo]/", f"http://{'a.' * 127}a/"),
    ],
)
@pytest.mark.parametrize("make", [EventSource, AsyncEventSource])
def test_urls_that_cannot_be_requested(make: Callable[[str], object], url: str) -> None:
    """A URL that can't be requested raises ValueError at once."""
    with pytest.raises(ValueError, match="url"):
        make(url)


@pytest.mark.parametrize("url", ["http://user:a@s3cret@a/", "http://user:s3cret/@a/"])
def test_a_password_is_not_shown(url: str) -> None:
    """The error of a misread URL shows no part of it."""
    with pytest.raises(ValueError, match="url has an invalid") as raised:
        EventSource(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a/", "HTTPS://A.b:443/é f?g", "http://[::1]:8000/", "http://127.0.0.1:80"),
        *("http://münchen.example/", "http://user:p%40ss@a_b.c./", "http://127.1/#f"),
    ],
)
def test_valid_urls(url: str) -> None:
    """Other URLs are accepted; httpx2 quotes and encodes them."""
    EventSource(url).close()


@pytest.mark.parametrize(
    ("headers", "error", "message"),
    [
        ({"X-Key": b"secret"}, TypeError, "X-Key has a value of type bytes; decode"),
        ({"X-Key": 5}, TypeError, "X-Key has a value of type int; give str"),
        ({"X-Key": None}, TypeError, "X-Key has a value of type NoneType"),
        ({b"X-Key": "secret"}, TypeError, "a name of type bytes; give str"),
        ({"X-Key": "secret\n"}, ValueError, "X-Key has a value with a line break"),
        ({"X-Key\r\nA": "secret"}, ValueError, "isn't the name of a header"),
        ({"Content-Length": "1"}, ValueError, "headers contains Content-Length; leave it out"),
        ({"transfer-encoding": "chunked"}, ValueError, "headers contains transfer-encoding"),
        ([("X-Key", "secret")], TypeError, "headers is list; give a mapping"),
    ],
)
@pytest.mark.parametrize("make", [EventSource, AsyncEventSource])
def test_headers_that_cannot_be_sent(
    make: Any, headers: Any, error: type[Exception], message: str
) -> None:
    """Headers that can't be sent raise an error at once, without their values."""
    with pytest.raises(error, match=message) as raised:
        make(URL, headers=headers)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"url": b"http://a/"}, TypeError, "url is bytes; give str"),
        ({"url": None}, TypeError, "url is NoneType; give str"),
        ({"method": "GE T"}, ValueError, "method is 'GE T'"),
        ({"method": 7}, TypeError, "method is int; give str"),
        ({"content": "text"}, TypeError, "content is str; give bytes"),
        ({"read_timeout": -1}, ValueError, "read_timeout is -1; give seconds above 0"),
        ({"read_timeout": "1"}, ValueError, "read_timeout is '1'; give seconds above 0"),
        ({"policy": 5}, TypeError, r"policy is int; give a ReconnectPolicy\(\)"),
        ({"policy": ReconnectPolicy}, TypeError, "policy is the class ReconnectPolicy; give a"),
    ],
)
@pytest.mark.parametrize("make", [EventSource, AsyncEventSource])
def test_invalid_options(
    make: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Invalid options of the request raise an error at once, as in `request()`."""
    with pytest.raises(error, match=message):
        make(**{"url": URL, **options})


def test_clients_of_another_type() -> None:
    """A client of another kind or library raises TypeError at once."""
    other: Any = httpx2.AsyncClient()
    with pytest.raises(TypeError, match=r"client is httpx2.AsyncClient; give EventSource an"):
        EventSource(URL, client=other)
    another: Any = object()
    with pytest.raises(TypeError, match=r"client is builtins.object; .*AsyncEventSource an httpx2"):
        AsyncEventSource(URL, client=another)
