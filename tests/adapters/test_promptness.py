"""Each event is returned before the next one is sent, over any transport and in any framing."""

import ssl
from collections.abc import Callable
from typing import get_args

import pytest
import trustme

from sseparse import Deadlines, EndCause
from sseparse.testing import Framing, Replay, ReplayServer

from .transports import LIMIT, TRANSPORTS, Transport, read

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\r\n\r\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\r'
    b"data: [DONE]\n\n"
)
PLAIN: list[Framing] = ["chunked", "one-chunk", "close", "content-length"]
# Bytes that the server didn't flush can't be received.
PACKED: list[Framing] = [
    framing for framing in get_args(Framing) if framing not in [*PLAIN, "gzip-unflushed"]
]


def check(
    transport: Transport, server: ReplayServer, context: ssl.SSLContext | None = None
) -> None:
    server.release()  # the first event; each event that is received releases the next one
    outcome = read(
        transport,
        server.url,
        on_chunk=lambda _: server.release(),
        context=context,
        deadlines=Deadlines(between_bytes=LIMIT),
    )
    assert outcome.error is None
    assert outcome.text == "Hello"
    assert outcome.end is not None
    assert outcome.end.cause is EndCause.DONE


@pytest.mark.parametrize("framing", PLAIN)
@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_plain(transport: Transport, framing: Framing) -> None:
    """Each event is returned before the server sends the next one."""
    with ReplayServer(Replay(BODY, framing=framing, gated=True)) as server:
        check(transport, server)


@pytest.mark.parametrize("framing", PACKED)
@pytest.mark.parametrize("transport", [each for each in TRANSPORTS if each.decodes], ids=str)
def test_compressed(transport: Transport, framing: Framing) -> None:
    """Each event is returned before the next one if the server compresses and flushes."""
    with ReplayServer(Replay(BODY, framing=framing, gated=True)) as server:
        check(transport, server)


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, Callable[[], ssl.SSLContext]]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)

    def client() -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    return server, client


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_tls(
    transport: Transport, contexts: tuple[ssl.SSLContext, Callable[[], ssl.SSLContext]]
) -> None:
    """Each event is returned before the next one over TLS."""
    server_context, client_context = contexts
    with ReplayServer(Replay(BODY, gated=True), ssl_context=server_context) as server:
        check(transport, server, client_context())
