"""
The cases of LaunchDarkly's contract tests and of web-platform-tests, over real connections.

Inputs and results are theirs (launchdarkly/sse-contract-tests; web-platform-tests, eventsource/);
the code is ours. `test_eventsource.py` has the cases about URLs and content types.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import anyio
import httpx2
import pytest
from attrs import frozen

from sseparse import Comment, Event, NotEventStream, SSEError
from sseparse.reconnect import AsyncEventSource, EventSource, ReconnectPolicy
from sseparse.testing import ReceivedRequest as Request
from sseparse.testing import Replay, ReplayServer

POLICY = ReconnectPolicy(jitter=0)


@frozen
class Result:
    """What an event source returned until it stopped, and how long it waited before connections."""

    items: list[Event | Comment]
    delays: list[float]
    error: SSEError | None
    last_event_id: str
    retry: int | None


Face = Callable[..., Result]


def read_sync(url: str, restart_after: int = -1, **options: Any) -> Result:
    delays: list[float] = []
    items: list[Event | Comment] = []
    error = None
    with httpx2.Client(verify=False) as client:
        source: EventSource[Any] = EventSource(
            url, client=client, policy=POLICY, sleep=delays.append, **options
        )
        with source:
            try:
                for item in source:
                    items.append(item)
                    if len(items) == restart_after:
                        source.restart()
            except SSEError as raised:
                error = raised
    return Result(items, delays, error, source.last_event_id, source.retry)


async def read_async(url: str, restart_after: int, options: Any) -> Result:
    delays: list[float] = []
    items: list[Event | Comment] = []
    error = None

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    async with httpx2.AsyncClient(verify=False) as client:
        source: AsyncEventSource[Any] = AsyncEventSource(
            url, client=client, policy=POLICY, sleep=sleep, **options
        )
        async with source:
            try:
                async for item in source:
                    items.append(item)
                    if len(items) == restart_after:
                        source.restart()
            except SSEError as raised:
                error = raised
    return Result(items, delays, error, source.last_event_id, source.retry)


@pytest.fixture(params=["sync", "asyncio", "trio"])
def read(request: pytest.FixtureRequest) -> Face:
    """Read an event source until it stops, blocking and on each event loop."""
    if request.param == "sync":
        return read_sync
    return lambda url, restart_after=-1, **options: anyio.run(
        read_async, url, restart_after, options, backend=request.param
    )


def stream(*pieces: bytes, **options: Any) -> Replay:
    return Replay(b"".join(pieces), pieces=[len(each) for each in pieces], **options)


NO_CONTENT = Replay(b"", status=204, content_type=None)


class Script:
    """The responses to requests in order; then status 204."""

    def __init__(self, *replays: Replay) -> None:
        self._replays = list(replays)

    def __call__(self, _: Request) -> Replay:
        return self._replays.pop(0) if self._replays else NO_CONTENT


E = Event


# By name: pieces as they arrive, and the events.
FORMAT: dict[str, tuple[Sequence[bytes], Sequence[Event]]] = {
    # LaunchDarkly: basic parsing
    "one-line message in one chunk": ([b"data: Hello\n\n"], [E("Hello")]),
    "one-line message in two chunks": ([b"data: Hel", b"lo\n\n"], [E("Hello")]),
    "one-line message with the end alone": ([b"data: Hello\n", b"\n"], [E("Hello")]),
    "message with a name": ([b"event: greeting\ndata: Hello\n\n"], [E("Hello", "greeting")]),
    "name after data": ([b"data: Hello\nevent: greeting\n\n"], [E("Hello", "greeting")]),
    "name of one event only": ([b"event: a\ndata: 1\n\ndata: 2\n\n"], [E("1", "a"), E("2")]),
    "message with an id": ([b"data: Hello\nid: abc\n\n"], [E("Hello", id="abc")]),
    "all fields": (
        [b"event: greeting\nid: abc\nretry: 5\ndata: Hello\n\n"],
        [E("Hello", "greeting", "abc", 5)],
    ),
    "id of earlier events": (
        [b"data: 1\nid: abc\n\n", b"data: 2\n\n"],
        [E("1", id="abc"), E("2", id="abc")],
    ),
    "empty id": ([b"data: 1\nid: abc\n\nid:\ndata: 2\n\n"], [E("1", id="abc"), E("2")]),
    "id with NUL": (
        [b"id: abc\ndata: 1\n\nid: x\0y\ndata: 2\n\n"],
        [E("1", id="abc"), E("2", id="abc")],
    ),
    "multi-line message in one chunk": ([b"data: a\ndata: b\ndata: c\n\n"], [E("a\nb\nc")]),
    "multi-line message in pieces": (
        [b"data: a\nda", b"ta: b\ndata:", b" c\n", b"\n"],
        [E("a\nb\nc")],
    ),
    "empty lines of data": ([b"data: a\ndata:\ndata\ndata: b\n\n"], [E("a\n\n\nb")]),
    "empty data": ([b"data:\n\n", b"data\n\n"], [E(""), E("")]),
    "no data": ([b"event: a\nid: 1\n\n", b"data: x\n\n"], [E("x", id="1")]),
    "no space after the colon": ([b"data:Hello\n\n"], [E("Hello")]),
    "two spaces after the colon": ([b"data:  Hello\n\n"], [E(" Hello")]),
    "colons in data": ([b"data: a:b\n\n"], [E("a:b")]),
    "unknown field": ([b"fake: x\ndata: Hello\nfake\n\n"], [E("Hello")]),
    "field with a space before it": ([b" data: x\ndata: y\n\n"], [E("y")]),
    "many messages in one chunk": (
        [b"data: 1\n\ndata: 2\n\n\n\ndata: 3\n\n"],
        [E(d) for d in "123"],
    ),
    "empty lines before the first message": ([b"\n\n\ndata: 1\n\n"], [E("1")]),
    "unfinished message": ([b"data: 1\n\ndata: 2\n"], [E("1")]),
    "character in two chunks": (["data: é".encode()[:-1], "é\n\n".encode()[1:]], [E("é")]),
    "character of four bytes": ([bytes([each]) for each in "data: 🤖\n\n".encode()], [E("🤖")]),
    # byte order marks
    "BOM": ([b"\xef\xbb\xbfdata: 1\n\n"], [E("1")]),
    "BOM in two chunks": ([b"\xef\xbb", b"\xbfdata: 1\n\n"], [E("1")]),
    "BOM in three chunks": ([b"\xef", b"\xbb", b"\xbfdata: 1\n\n"], [E("1")]),
    "BOM alone in its chunk": ([b"\xef\xbb\xbf", b"data: 1\n\n"], [E("1")]),
    "BOM before an id": ([b"\xef\xbb\xbfid: 1\ndata: 1\n\n"], [E("1", id="1")]),
    "BOM before an empty line": ([b"\xef\xbb\xbf\ndata: 1\n\n"], [E("1")]),
    "two BOMs": ([b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n"], [E("2")]),
    "BOM before the second message": (
        [b"data: 1\n\n\xef\xbb\xbfdata: 2\n\ndata: 3\n\n"],
        [E("1"), E("3")],
    ),
    "BOM within data": ([b"data: \xef\xbb\xbf1\n\n"], [E("\ufeff1")]),
    "part of a BOM": ([b"\xef\xbbdata: 1\n\ndata: 2\n\n"], [E("2")]),
    "BOM of UTF-16": ([b"\xfe\xffdata: 1\n\ndata: 2\n\n"], [E("2")]),
    # web-platform-tests: format-*.any.js
    "format-bom": ([b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n"], [E("1"), E("3")]),
    "format-bom-2": ([b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n"], [E("2"), E("3")]),
    "format-comments": (
        [
            b"data:1\r:\0\n:\r\ndata:2\n:" + b"x" * 2048 + b"\rdata:3\n:data:fail\r:" + b"x" * 2048,
            b"\ndata:4\n\n",
        ],
        [E("1\n2\n3\n4")],
    ),
    "format-data-before-final-empty-line": (
        [b"retry:1000\ndata:test1\n\nid:test\ndata:test2"],
        [E("test1", retry=1000)],
    ),
    "format-field-data": ([b"data:\n\ndata\ndata\n\ndata:test\n\n"], [E(""), E("\n"), E("test")]),
    "format-field-event": ([b"event:test\ndata:x\n\ndata:x\n\n"], [E("x", "test"), E("x")]),
    "format-field-event-empty": ([b"event: \ndata:data\n\n"], [E("data")]),
    "format-field-parsing": (
        [
            b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\n",
            b"da-ta:3\rdata_5\ndata:3\rdata:\r\n",
            b" data:32\ndata:4\n\n",
        ],
        [E("\0\n 2\n1\n3\n\n4")],
    ),
    "format-field-unknown": (
        [
            b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n",
            b":thisisacommentyay\ndata:test\n\n",
        ],
        [E("test\n\ntest")],
    ),
    "format-leading-space": ([b"data:\ttest\rdata: \ndata:test\n\n"], [E("\ttest\n\ntest")]),
    "format-newlines": ([b"data:test\r\ndata\ndata:test\r\n\r\n"], [E("test\n\ntest")]),
    "format-null-character": ([b"data:\0\n\n\n\n"], [E("\0")]),
    "format-utf-8": (["data:ok…\n\n".encode()], [E("ok…")]),
    "invalid UTF-8": ([b"data: \xff\xc3\n\n"], [E("\ufffd\ufffd")]),
}

# LaunchDarkly: line feeds, each in three ways to cut the stream.
LINES = {
    "one message": ("data: Hello||", [E("Hello")]),
    "two messages": ("data: 1||data: 2||", [E("1"), E("2")]),
    "two lines": ("data: a|data: b||", [E("a\nb")]),
    "name and data": ("event: greeting|data: Hello||", [E("Hello", "greeting")]),
    "empty line of data": ("data: a|data:|data: b||", [E("a\n\nb")]),
    "comment and message": (":x|data: 1|:y||data: 2||", [E("1"), E("2")]),
}
ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}


def cut(data: bytes, end: bytes, way: str) -> list[bytes]:
    if way == "bytes":
        return [bytes([each]) for each in data]
    if way == "lines":
        return [line + end for line in data.split(end)[:-1]]
    return [data]


for (name, (text, events)), (terminator, end), way in product(
    LINES.items(), ENDS.items(), ("one chunk", "lines", "bytes")
):
    data = text.encode().replace(b"|", end)
    FORMAT[f"{name}, {terminator}, {way}"] = (cut(data, end, way), events)
FORMAT["CRLF in two chunks"] = ([b"data: 1\r", b"\n\r", b"\ndata: 2\r\n\r\n"], [E("1"), E("2")])


def test_format(read: Face) -> None:
    """Every stream gives its events, however the server cuts it."""
    for name, (pieces, expected) in FORMAT.items():
        with ReplayServer(Script(stream(*pieces))) as server:
            assert (read(server.url).items, name) == (list(expected), name)


RETRIES = {
    "format-field-retry": (b"retry:03000\n\ndata:x\n\n", 3000),
    "format-field-retry-bogus": (b"retry:3000\nretry:1000x\ndata:x\n\n", 3000),
    "format-field-retry-empty": (b"retry\ndata:test\n\n", None),
    "negative": (b"retry: -5\ndata: x\n\n", None),
    "fraction": (b"retry: 1.5\ndata: x\n\n", None),
    "without a message": (b"retry: 40\n\n", 40),
}


def test_retry(read: Face) -> None:
    """`retry` sets the delay of the next connection, if it's a number."""
    for name, (body, retry) in RETRIES.items():
        with ReplayServer(Script(Replay(body))) as server:
            result = read(server.url)
        assert (result.retry, name) == (retry, name)
        assert result.delays == [1.0 if retry is None else max(retry / 1000, 0.05)]


COMMENTS: dict[str, tuple[list[bytes], list[Event | Comment]]] = {
    "one comment": ([b": hi\n\n"], [Comment(" hi")]),
    "two comments in a row": ([b":a\n:b\n"], [Comment("a"), Comment("b")]),
    "comment before a message": ([b":a\ndata: 1\n\n"], [Comment("a"), E("1")]),
    "comment within a message": ([b"data: 1\n:a\ndata: 2\n\n"], [Comment("a"), E("1\n2")]),
    "comment in two chunks": ([b":a", b"b\n"], [Comment("ab")]),
    "empty comment": ([b":\n"], [Comment("")]),
}


def test_comments(read: Face) -> None:
    """Comments are returned on request, and otherwise not."""
    for name, (pieces, expected) in COMMENTS.items():
        with ReplayServer(Script(stream(*pieces), stream(*pieces))) as server:
            assert (read(server.url, comments=True).items, name) == (expected * 2, name)
        with ReplayServer(Script(stream(*pieces))) as server:
            assert read(server.url).items == [each for each in expected if isinstance(each, Event)]


def test_comments_are_no_progress(read: Face) -> None:
    """Delays grow although each connection brings a comment, but not if it brings an event."""
    comment, event = Replay(b":\n\n"), Replay(b"data: x\n\n")
    with ReplayServer(Script(comment, comment, event, comment)) as server:
        assert read(server.url, comments=True).delays == [1, 2, 1, 2]


# By name: responses, options, and for each request: method, Last-Event-ID and body.
FIRST = (b"id: 1\ndata: x\n\n",)
Sent = tuple[str, str | None, bytes]
RECONNECTIONS: dict[str, tuple[list[Replay], dict[str, Any], list[Sent]]] = {
    "after the end": ([stream(*FIRST)], {}, [("GET", None, b""), ("GET", "1", b"")]),
    "after a reset": ([stream(*FIRST, fault="reset")], {}, [("GET", None, b""), ("GET", "1", b"")]),
    "at once after a connection without a response": (
        [stream(fault="no-answer")],
        {},
        [("GET", None, b"")] * 2,
    ),
    "with the first id": (
        [stream(b"data: x\n\n")],
        {"last_event_id": "0"},
        [("GET", "0", b"")] * 2,
    ),
    "with the id of a block without data": (
        [stream(b"id: 7\n\n")],
        {},
        [("GET", None, b""), ("GET", "7", b"")],
    ),
    "without the id of an unfinished event": (
        [stream(*FIRST, b"id: 2\ndata: y\n")],
        {},
        [("GET", None, b""), ("GET", "1", b"")],
    ),
    "without an id that was reset": (
        [stream(*FIRST, b"id\ndata: y\n\n")],
        {},
        [("GET", None, b""), ("GET", None, b"")],
    ),
    "with an id before one with NUL": (
        [stream(*FIRST, b"id: \0\ndata: y\n\n")],
        {},
        [("GET", None, b""), ("GET", "1", b"")],
    ),
    "POST with its body": (
        [stream(*FIRST)],
        {"method": "POST", "content": b"{}"},
        [("POST", None, b"{}"), ("POST", "1", b"{}")],
    ),
    "REPORT with its body": (
        [stream(*FIRST)],
        {"method": "REPORT", "content": b"{}"},
        [("REPORT", None, b"{}"), ("REPORT", "1", b"{}")],
    ),
}


@pytest.mark.parametrize("name", RECONNECTIONS)
def test_reconnections(read: Face, name: str) -> None:
    """The stream reconnects with the same request, its headers and the last event ID."""
    replays, options, expected = RECONNECTIONS[name]
    with ReplayServer(Script(*replays)) as server:
        assert read(server.url, headers={"X-Own": "1"}, **options).error is None
    sent = [
        (request.method, request.headers.get("last-event-id"), request.body)
        for request in server.requests
    ]
    assert sent == expected
    for request in server.requests:
        assert request.headers["accept"] == "text/event-stream"
        assert request.headers["cache-control"] == "no-cache"
        assert request.headers["x-own"] == "1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(read: Face, status: int) -> None:
    """Redirects are followed with the caller's headers, and again at the next connection."""
    moved = Replay(b"", status=status, headers={"Location": "/moved"}, content_type=None)
    with ReplayServer(Script(moved, stream(*FIRST), moved, stream(*FIRST))) as server:
        assert read(server.url, headers={"X-Own": "1"}).items == [E("x", id="1")] * 2
    assert [request.path for request in server.requests] == ["/", "/moved", "/", "/moved", "/"]
    assert [request.headers.get("last-event-id") for request in server.requests] == [
        *(None, None, "1", "1", "1")
    ]
    assert all(request.headers["x-own"] == "1" for request in server.requests)


@pytest.mark.parametrize("status", [205, 210, 299, 404, 410, 500, 502, 503, 504])
def test_statuses(read: Face, status: int) -> None:
    """Any status but 200 and 204 ends the stream with an error."""
    with ReplayServer(Script(Replay(b"", status=status))) as server:
        error = read(server.url).error
    assert isinstance(error, NotEventStream)
    assert (error.status, len(server.requests)) == (status, 1)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_statuses_to_retry(read: Face, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy can repeat the request after statuses of a proxy."""
    policy = ReconnectPolicy(jitter=0, retry_statuses=frozenset({502, 503, 504}))
    monkeypatch.setattr(f"{__name__}.POLICY", policy)
    with ReplayServer(Script(Replay(b"", status=status), stream(*FIRST))) as server:
        result = read(server.url)
    assert (result.items, result.error, result.delays) == ([E("x", id="1")], None, [1, 1])


def test_no_content(read: Face) -> None:
    """Status 204 ends the stream without an error, also after a connection."""
    with ReplayServer(Script(stream(*FIRST))) as server:
        result = read(server.url)
    assert (result.items, result.error, len(server.requests)) == ([E("x", id="1")], None, 2)


def test_restart(read: Face) -> None:
    """restart() connects again at once, with the last event ID."""
    held = stream(*FIRST, b"data: never\n\n", delays=[0, 120])
    with ReplayServer(Script(held, stream(b"data: y\n\n"))) as server:
        result = read(server.url, restart_after=1)
    assert [(event.data, event.id) for event in result.items if isinstance(event, Event)] == [
        ("x", "1"),
        ("y", "1"),
    ]
    assert (result.delays, result.error) == ([1], None)
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "1", "1"]
