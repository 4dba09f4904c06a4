"""Responses read from sockets, plain or TLS, over h11: for those with no HTTP client."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Self

from .._errors import TransportError
from ._http import check_timeout, shorter
from ._http1 import NOT_GIVEN, READ_SIZE, Received, Request, failure, prepare, timed_out

__all__ = ("SocketSource", "request", "source")


class SocketSource(Received):
    """
    Iterate the bytes of a response's body, as they come over a socket.

    Attributes:
        status: The HTTP status, or None until the head of the response has come.
        headers: The response's headers by lower-case name; empty until its head has come.
        pooled: Whether the connection serves another request after this one: never.
    """

    def __init__(self, sock: socket.socket, method: str = "POST") -> None:
        super().__init__(method)
        if isinstance(sock, ssl.SSLSocket):
            # A body without a length is complete only if TLS says so, by its close_notify.
            tls: Any = sock  # type stubs don't know the attribute
            tls.suppress_ragged_eofs = False
        self._sock = sock
        self._own_timeout = self._timeout = sock.gettimeout()
        self._bound: float | None = None
        self._woken = False
        # The number of a closed socket may be another's by the time that it is shut down.
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        until = None if self._bound is None else monotonic() + self._bound
        while not (piece := self._pop()):
            if piece is None:
                raise StopIteration
            self._arm(until)
            self._take(self._read())
        return piece

    def _arm(self, until: float | None) -> None:
        # One piece may take many reads, if what comes is but framing.
        left = None if until is None else until - monotonic()
        timeout = shorter(self._own_timeout, left)
        if timeout != self._timeout:
            self._sock.settimeout(timeout)
            self._timeout = timeout

    def read_head(self) -> None:
        """Read until the head of the response has come."""
        while self.status is None:
            self._take(self._read())

    def _read(self) -> bytes:
        try:
            data = self._sock.recv(READ_SIZE)
        except OSError as error:
            raise _translated(error) from error
        if self._woken:
            # The end of input that a reader sees is then ours, and not the server's.
            raise TransportError("the socket was shut down by wake()")
        return data

    def wait_at_most(self, seconds: float | None) -> None:
        """
        Bound the reads to come.

        Args:
            seconds: How long each waits at most, if the socket's own timeout is not shorter;
                None for that alone.
        """
        self._bound = seconds

    def wake(self) -> None:
        """Make a read that waits in another thread fail at once, and all later ones."""
        self._woken = True
        # The other side may have closed it already. A TLS socket's own shutdown would take away
        # the state that the other thread is reading with.
        with self._lock, suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
        self._closed = True
        with self._lock:
            self._sock.close()


def source(sock: socket.socket) -> SocketSource:
    """
    Read the response to a request that was sent over a socket.

    Args:
        sock: A connected socket, plain or TLS, that waits when it reads. It is the source's from
            now on, and closed with it.

    Returns:
        An iterable of bytes: the body of an HTTP/1.1 response, whose head is read first. Reading
        raises `TransportError`, or `StreamTimeout` where the socket's timeout passed, with the
        exception of the socket or of h11 as its cause; and `NotEventStream` for a body that is
        compressed.

    Raises:
        TypeError: This is no socket.
        ValueError: The socket does not wait.
    """
    if not isinstance(sock, socket.socket):
        raise TypeError(f"source() takes a socket, not {type(sock).__name__}")
    if sock.gettimeout() == 0:
        raise ValueError("the socket does not wait; call its setblocking(True), or use trio, anyio")
    return SocketSource(sock)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: object = NOT_GIVEN,
    content: bytes | None = None,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float | None = None,
) -> SocketSource:
    """
    Send a request; return its response once the head of that has come.

    One connection for each request, and no proxy. Redirects within the URL's origin are followed,
    at most five, if they keep the method; otherwise the redirect itself is returned. One that
    leads to another origin is refused.

    Args:
        method: The method: "POST".
        url: An absolute URL of http or https, without a user name.
        headers: Headers to send, besides or instead of `Accept: text/event-stream`,
            `Accept-Encoding: identity` and `User-Agent`.
        json: What to send as JSON.
        content: What to send as it is, instead.
        ssl_context: How to speak TLS; `ssl.create_default_context()` if None is given.
        timeout: How long each step may take - to connect, to send, to read some bytes - in
            seconds; None for no limit. How long a look-up of the host takes is up to the system.

    Returns:
        An iterable of bytes, with `status`, `headers` and `close()`.

    Raises:
        NotEventStream: A redirect leads to another origin; the error names it.
        TransportError: No response came.
        StreamTimeout: A step took too long.
        ValueError: An argument has no such value.
        TypeError: The content is not bytes, a header is not str, or JSON has no such type.
    """
    check_timeout(timeout)
    asked = prepare(method, url, headers=headers, json=json, content=content)
    while True:
        response, following = _ask(asked, ssl_context, timeout)
        if following is None:
            return response
        response.close()
        asked = following


def _ask(
    asked: Request, ssl_context: ssl.SSLContext | None, timeout: float | None
) -> tuple[SocketSource, Request | None]:
    sent = asked.to_bytes()
    sock: socket.socket | None = None
    try:
        sock = _connect(asked.origin.host, asked.origin.port, timeout)
        if asked.origin.scheme == "https":
            context = ssl_context or ssl.create_default_context()
            # Not while it is wrapped: an interrupt would leave it open.
            sock = context.wrap_socket(
                sock, server_hostname=asked.origin.host, do_handshake_on_connect=False
            )
            sock.do_handshake()
        # A server may answer, and hang up, before it has read all: reading tells.
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(sent)
        response = SocketSource(sock, asked.method)
        response.read_head()
        following = asked.redirected(response.status, response.headers)
    except BaseException as error:  # an interrupt, too, leaves no socket open
        if sock is not None:
            sock.close()
        if isinstance(error, OSError):
            raise _translated(error) from error
        raise
    return response, following


def _connect(host: str, port: int, timeout: float | None) -> socket.socket:
    """Connect to the first address that answers; `socket` leaks one when interrupted."""
    failures: list[OSError] = []
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except BaseException as error:  # an interrupt, too, leaves no socket open
            sock.close()
            if not isinstance(error, OSError):
                raise
            failures.append(error)
        else:
            return sock
    raise failures[0]


def _translated(error: OSError) -> TransportError:
    tell = timed_out if isinstance(error, TimeoutError) else failure
    return tell("socket", error)
