"""
Servers of events with timestamps, in processes of their own.

A path such as /gzip/30/0.01 requests thirty events, one every 10 ms, in the framing "gzip". The
framings are those of `sseparse.testing`, whose own server sends bodies that are made beforehand.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast, get_args

import h11
from attrs import define, frozen
from processes import HOST, listen, process, serve_until_closed

from sseparse.testing import Framing, Replay
from sseparse.testing._connection import _frame
from sseparse.testing._replay import CONTENT_ENCODINGS, Coding, make_coding

STAMP = b"0" * 20
"""Replaced by the time: nanoseconds of the monotonic clock, which all processes share."""
EVENT = b'data: {"id":"chatcmpl-8Xq2kLmN0","sent":"' + STAMP + b'","content":" forty-two"}\n\n'
LEAD = 0.03
"""Seconds between the head and the first event, in which the client gets ready."""


def stamp(data: bytes) -> bytes:
    return data.replace(STAMP, b"%020d" % time.monotonic_ns())


@frozen
class EventSchedule:
    """
    Events that a path requests.

    Attributes:
        framing: How the events are sent.
        count: Number of events.
        interval: Seconds from one to the next.
    """

    framing: Framing
    count: int
    interval: float

    @classmethod
    def of(cls, path: str) -> "EventSchedule":
        framing, count, interval = path.strip("/").split("/")
        known = framing if framing in get_args(Framing) else "chunked"
        return cls(cast("Framing", known), int(count), float(interval))

    def due(self) -> Iterator[float]:
        """Iterate the times at which the events are due, counted from the first one."""
        start = time.monotonic() + LEAD
        return (start + number * self.interval for number in range(self.count))


def answer(sock: socket.socket, context: ssl.SSLContext | None) -> None:
    """Answer one request on a connection, and close it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Clients disconnect when they have the last event.
    with contextlib.suppress(OSError), sock:
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        with sock:
            http = h11.Connection(h11.SERVER)
            send_events(sock, http, EventSchedule.of(read_path(sock, http)))
            sock.shutdown(socket.SHUT_WR)
            sock.recv(65536)


def read_path(sock: socket.socket, http: h11.Connection) -> str:
    path = ""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            http.receive_data(sock.recv(65536))
        elif isinstance(event, h11.Request):
            path = event.target.decode()
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionAbortedError("no request received")
    return path


def send_events(sock: socket.socket, http: h11.Connection, schedule: EventSchedule) -> None:
    wire = _frame(http, Replay(EVENT * schedule.count, framing=schedule.framing), to_head=False)
    coding = make_coding(schedule.framing) if schedule.framing in CONTENT_ENCODINGS else None
    sock.sendall(wire.head)
    for due, (_, data) in zip(schedule.due(), wire.frames, strict=True):
        time.sleep(max(0.0, due - time.monotonic()))
        sock.sendall(stamp(data) if coding is None else compress_event(coding))
    sock.sendall(wire.tail if coding is None else chunk(coding.finish()) + chunk(b""))


def compress_event(coding: Coding) -> bytes:
    return chunk(coding.compress(stamp(EVENT)) + coding.flush())


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def serve_http1(pipe: Connection, certificate: str | None) -> None:
    """Serve HTTP/1.1, also over TLS if there is a certificate, until the pipe closes."""
    contexts: list[ssl.SSLContext | None] = [None]
    if certificate is not None:
        over_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        over_tls.load_cert_chain(certificate)
        contexts.append(over_tls)
    serve_until_closed(pipe, [listen(answer, context) for context in contexts])


def serve_http2(pipe: Connection, certificate: str) -> None:
    """Serve HTTP/2 over TLS with hypercorn, until the pipe closes."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    listener = socket.create_server((HOST, 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.certfile = config.keyfile = certificate
    config.errorlog = None
    pipe.send([port])

    async def stopped() -> None:
        with contextlib.suppress(EOFError):
            await asyncio.to_thread(pipe.recv)

    app: Any = app_of_events
    asyncio.run(serve(app, config, shutdown_trigger=stopped))


async def app_of_events(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """ASGI application that sends the events; the framing is that of HTTP/2."""
    if scope["type"] != "http":
        return
    schedule = EventSchedule.of(scope["path"])
    head = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for due in schedule.due():
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await send({"type": "http.response.body", "body": stamp(EVENT), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@define
class Servers:
    """
    Servers that run.

    Attributes:
        origins: The origins by protocol: "plain", "tls", "http2".
        context: The TLS context for clients.
        absent: Protocols that aren't served, with the reason.
    """

    origins: dict[str, str]
    context: ssl.SSLContext
    absent: list[str]


@contextmanager
def running() -> Iterator[Servers]:
    """Run the servers during a block."""
    servers = Servers({}, ssl.create_default_context(), [])
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        certificate = _certificate(servers, Path(folder) / "server.pem")
        ports = stack.enter_context(process(serve_http1, certificate))
        servers.origins["plain"] = f"http://{HOST}:{ports[0]}"
        if certificate is not None:
            servers.origins["tls"] = f"https://{HOST}:{ports[1]}"
            try:
                import hypercorn
            except ModuleNotFoundError as error:
                servers.absent.append(f"HTTP/2: {error.name} is not installed")
            else:
                assert hypercorn.__name__
                (port,) = stack.enter_context(process(serve_http2, certificate))
                servers.origins["http2"] = f"https://{HOST}:{port}"
        yield servers


def _certificate(servers: Servers, path: Path) -> str | None:
    try:
        import trustme
    except ModuleNotFoundError as error:
        servers.absent.append(f"TLS and HTTP/2: {error.name} is not installed")
        return None
    authority = trustme.CA()
    authority.configure_trust(servers.context)
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)
