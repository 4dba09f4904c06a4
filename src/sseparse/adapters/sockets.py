"""
Adapter for sockets, plain or TLS, over h11.

Undocumented attribute used: `suppress_ragged_eofs` of `ssl.SSLSocket` (Python 3.11 to 3.14).
Fallback: a body without a length that ends without close_notify is taken as complete.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, Self, Unpack

from .._errors import TransportError, translated
from .._log import debug
from ._http import READ_SIZE, is_socket, shortest_timeout, shut_down
from ._http1 import ResponseReader
from ._request import Request, RequestOptions, prepare_request

__all__ = ("SocketSource", "request", "source")


class SocketSource(ResponseReader, Iterator[bytes]):
    """
    Bytes of a response's body, as they arrive over a socket.

    Args:
        sock: The connected socket.
        method: The method of the request: a response to HEAD has no body. Default: "POST".
    """

    def __init__(self, sock: socket.socket, method: str = "POST") -> None:
        super().__init__(method)
        tls: Any = sock  # type stubs don't know the attribute
        if hasattr(tls, "suppress_ragged_eofs"):
            # A body without a length is complete only if TLS says so, by its close_notify.
            tls.suppress_ragged_eofs = False
        self._sock = sock
        self._own_timeout = self._timeout = sock.gettimeout()
        self._bound: float | None = None
        self._woken = False
        # After close(), another socket can have the same file descriptor.
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> bytes:
        until = None if self._bound is None else monotonic() + self._bound
        while not (piece := self._pop_piece()):
            if piece is None:
                raise StopIteration
            if until is not None or self._timeout != self._own_timeout:
                # A piece can take many reads, if they return only framing.
                self._timeout = shortest_timeout(self._own_timeout, until)
                self._sock.settimeout(self._timeout)
            self._process(self._read())
        return piece

    def read_head(self) -> None:
        """Read until the end of the response's head."""
        while self.status is None:
            self._process(self._read())

    def _read(self) -> bytes:
        try:
            data = self._sock.recv(READ_SIZE)
        except OSError as error:
            raise translated("socket", error) from error
        if self._woken:
            # The end of the input is then wake()'s, and not the server's.
            raise TransportError("the socket was shut down by wake()")
        return data

    def wait_at_most(self, seconds: float | None) -> None:
        """Limit each further wait for bytes, in seconds; None leaves only the socket's timeout."""
        self._bound = seconds

    def wake(self) -> None:
        """Make a read that waits in another thread fail at once, and all later reads too."""
        self._woken = True
        with self._lock:
            shut_down(self._sock)

    def close(self) -> None:
        """Close the socket."""
        self._closed = True
        with self._lock:
            self._sock.close()


def source(sock: socket.socket) -> SocketSource:
    """
    Read the response to a request that was sent over a socket.

    Args:
        sock: A connected socket in blocking mode, with or without TLS. The source owns the socket
            from now on, and closes it.

    Returns:
        An iterable of the body of an HTTP/1.1 response, whose head is read first. Reading raises
        `TransportError`, or `StreamTimeout` after the socket's timeout, with the exception of the
        socket or h11 as its cause; and `NotEventStream` for a compressed body.

    Raises:
        TypeError: The argument isn't a socket.
        ValueError: The socket is in non-blocking mode.
    """
    if not is_socket(sock):
        raise TypeError(f"source() takes a socket, not {type(sock).__name__}")
    if sock.gettimeout() == 0:
        raise ValueError("the socket is non-blocking; call setblocking(True), or use trio or anyio")
    return SocketSource(sock)


def request(method: str, url: str, **options: Unpack[RequestOptions]) -> SocketSource:
    """
    Send a request and return its response after the head of the response.

    Each request uses a new connection. Redirects within the URL's origin are followed, at most
    five, if they keep the method. Any other redirect within the origin is returned.

    Args:
        method: The method, such as "POST".
        url: An absolute URL of http or https, without a user name.
        headers: Headers to send, in addition to or instead of `Accept: text/event-stream`,
            `Accept-Encoding: identity` and `User-Agent`.
        json: The object to send as a JSON body. By default, the request has no body.
        content: The body as bytes, instead of `json`. Default: None.
        ssl_context: The TLS settings; by default `ssl.create_default_context()`.
        timeout: Maximum time for each step (connecting, sending, reading some bytes), in seconds;
            None, the default, for no limit. The lookup of the host name is limited only in trio and
            anyio.
        proxy: The URL of an HTTP proxy, such as "http://user:password@host:3128". Requests to https
            go through a tunnel (CONNECT). Default: None, for no proxy: the environment isn't read.

    Returns:
        An iterable of bytes, with `status`, `headers` and `close()`.

    Raises:
        NotEventStream: A redirect leads to another origin; the error names it.
        TransportError: No response was received.
        ProxyError: The proxy refused the connection, or wants a user name and password.
        StreamTimeout: A step took longer than the timeout.
        ValueError: An argument has an invalid value.
        TypeError: The content isn't bytes, a header isn't str, or `json` can't be encoded.
    """
    return _send(prepare_request(method, url, **options))


def _send(prepared: Request) -> SocketSource:
    data = prepared.to_bytes()
    doing = f" to connect{prepared.via}" if prepared.via else ""
    sock: socket.socket | None = None
    try:
        sock = _connect(*prepared.address, prepared.timeout)
        if (tunnel := prepared.open_tunnel()) is not None:
            sock.sendall(tunnel.request)
            while not tunnel.is_open:
                tunnel.feed(sock.recv(READ_SIZE))
        doing = ""
        if (context := prepared.tls_context()) is not None:
            # An interrupt of a handshake inside wrap_socket() would leave the socket open.
            sock = context.wrap_socket(
                sock, server_hostname=prepared.origin.host, do_handshake_on_connect=False
            )
            sock.do_handshake()
        debug("connected%s to %s:%d", prepared.via, *prepared.origin[1:])
        # A server can respond and close before it has read everything: then the read shows it.
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(data)
        response = SocketSource(sock, prepared.method)
        response.read_head()
        following = prepared.redirected(response.status, response.headers)
    except BaseException as error:  # an interrupt, too, leaves no socket open
        if sock is not None:
            sock.close()
        if isinstance(error, OSError):
            raise translated("socket", error, doing) from error
        raise
    if following is None:
        return response
    response.close()
    return _send(following)


def _connect(host: str, port: int, timeout: float | None) -> socket.socket:
    """Connect to the first address that responds; `socket` leaks one when interrupted."""
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
