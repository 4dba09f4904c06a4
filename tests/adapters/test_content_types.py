"""Content-Type headers with several values: the last valid one counts, as in Fetch."""

import pytest

from sseparse import EventStream, IncompleteStream, NotEventStream
from sseparse.reconnect import EventSource

from .raw_server import RawServer
from .transports import TRANSPORTS, Transport, read

STREAM = b"Content-Type: text/event-stream\r\n"
VALUES = {
    "text/event-stream": True,
    "text/event-stream, text/event-stream": True,
    "text/html, text/event-stream;charset=utf-8": True,
    "text/event-stream, */*": True,
    "text/event-stream,": True,
    ", Text/Event-Stream\t": True,
    "text/event-stream, nonsense": True,
    "text/event-stream, /, a/, /b, a b/c, a/b c": True,
    'text/html;x=",", text/event-stream;x="a,text/html"': True,
    'text/html;x="\\", text/event-stream': False,
    'text/html;x=", text/event-stream': False,
    "text/event-stream, text/html": False,
    "text/event-streams": False,
    "*/*, nonsense": False,
    "": False,
}


class Body:
    """An iterable of bytes with headers."""

    status = 200

    def __init__(self, content_type: str) -> None:
        self.headers = {"content-type": content_type}

    def __iter__(self) -> "Body":
        return self

    def __next__(self) -> bytes:
        raise StopIteration


class TestValues:
    """Values of Content-Type."""

    @pytest.mark.parametrize("value", VALUES)
    def test_values(self, value: str) -> None:
        """The last valid type that isn't */* counts."""
        if VALUES[value] or not value:
            assert list(EventStream(Body(value))) == []
        else:
            with pytest.raises(NotEventStream):
                list(EventStream(Body(value)))

    def test_a_hostile_value(self) -> None:
        """A value of many quotes takes linear time."""
        for value in ('"' * 100_001, '"\\' * 50_000, 'a"' * 50_001, "a/" * 50_000, "," * 100_000):
            with pytest.raises(NotEventStream):
                list(EventStream(Body(value)))


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
class TestTransports:
    """Headers that a server sends twice; an empty body is a stream only if its type says so."""

    def test_twice(self, transport: Transport) -> None:
        """A header that is sent twice with the type of event streams declares one."""
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
        for extra in (b"", b"Content-Type: ???\r\n", b"Content-Type: */*\r\n"):
            with RawServer(head + STREAM + STREAM + extra + b"\r\n") as server:
                error = read(transport, server.url).error
            assert isinstance(error, IncompleteStream)

    def test_the_last_one(self, transport: Transport) -> None:
        """Of two types, the last one counts."""
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + STREAM
        with RawServer(head + b"Content-Type: text/html\r\n\r\n") as server:
            error = read(transport, server.url).error
        assert isinstance(error, NotEventStream)
        assert error.content_type == "text/event-stream, text/html"


def test_event_source() -> None:
    """EventSource accepts the header twice, and rejects another type after it."""
    head = b"HTTP/1.1 200 OK\r\n" + STREAM
    with RawServer(head + STREAM + b"\r\ndata: a\n\n") as server, EventSource(server.url) as events:
        assert next(events).data == "a"
    with RawServer(head + b"Content-Type: text/html\r\n\r\ndata: a\n\n") as server:
        with EventSource(server.url) as events, pytest.raises(NotEventStream):
            next(events)
