"""
Requests of the official SDKs over a connection: their streams, and ours over their responses.

The server runs in its own process and sends the events one by one, as a model does. So a figure has
all that a chunk costs the client: the read of the socket, HTTP, events, JSON and objects. Waiting
takes no processor time.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from api_peers import MESSAGE, QUESTION, RESPONSE
from api_shapes import MESSAGE_TEXT, RESPONSE_TEXT
from attrs import frozen
from measure import Contender, Job, Prepare, Row, count, gather, local, take_turns
from ours import Stream
from processes import process, serve_until_closed
from shapes import CHAT, Shape

from sseparse import ChatStream
from sseparse.messages import MessageStream
from sseparse.responses import ResponseStream
from sseparse.testing import Replay, ReplayServer

COUNT = 1_000
PAUSE = 0.0002
"""Seconds between events. Without them, a read of the socket returns several."""


@frozen
class Source:
    """
    A request to an API, by its SDK.

    Attributes:
        shape: The stream that the server sends.
        sdk: The package, and its client.
        create: Returns the SDK's stream.
        open: Sends the request with `with_streaming_response`.
        read: The class that reads the response.
    """

    shape: Shape
    sdk: tuple[str, str]
    create: Callable[[Any], Any]
    open: Callable[[Any], Any]
    read: Callable[[Any], Any]


CHAT_REQUEST: dict[str, Any] = {"model": "gpt-5.1", "messages": QUESTION, "stream": True}
SOURCES = {
    "Chat": Source(
        CHAT,
        ("openai", "OpenAI"),
        lambda client: client.chat.completions.create(**CHAT_REQUEST),
        lambda client: client.chat.completions.with_streaming_response.create(**CHAT_REQUEST),
        ChatStream,
    ),
    "Responses": Source(
        RESPONSE_TEXT,
        ("openai", "OpenAI"),
        lambda client: client.responses.create(**RESPONSE, stream=True),
        lambda client: client.responses.with_streaming_response.create(**RESPONSE, stream=True),
        ResponseStream,
    ),
    "Messages": Source(
        MESSAGE_TEXT,
        ("anthropic", "Anthropic"),
        lambda client: client.messages.create(**MESSAGE, stream=True),
        lambda client: client.messages.with_streaming_response.create(**MESSAGE, stream=True),
        MessageStream,
    ),
}


def _serve(pipe: Connection, replay: Replay) -> None:
    with ReplayServer(replay) as server:
        serve_until_closed(pipe, server.url)


def _their_stream(source: Source, client: Any) -> int:
    with source.create(client) as stream:
        return count(stream)


def _our_stream(source: Source, client: Any) -> int:
    with source.open(client) as response, source.read(response) as stream:
        return count(stream)


def _bytes_alone(source: Source, client: Any) -> int:
    with source.open(client) as response:
        return sum(piece.count(b"data: {") for piece in response.iter_bytes())


def _contenders(source: Source, url: str) -> list[Contender]:
    package, name = source.sdk

    def load(task: Callable[[Source, Any], int]) -> Prepare:
        client = getattr(import_module(package), name)(base_url=url, api_key="none")
        return local(lambda _stream: partial(task, source, client))

    return [
        Contender("sseparse", "ours", lambda: load(_our_stream)),
        Contender(package, "peer", lambda: load(_their_stream)),
        Contender("bytes alone", "floor", lambda: load(_bytes_alone)),
    ]


def measure(rounds: int, missing: dict[str, str]) -> list[Row]:
    """Measure each API, with one event in each read."""
    rows = []
    for api, source in SOURCES.items():
        sample = source.shape.build(COUNT)
        feeds = sample.feeds(None)
        replay = Replay(b"".join(feeds), delays=PAUSE)
        with process(_serve, replay) as url:
            found = gather(_contenders(source, url), missing)
            given = Job(Stream(sample, feeds), sample.expected.chunks, sample.expected.chunks)
            rows.append(Row(api, take_turns(found, given, rounds)))
    return rows
