"""Responses read from trio's streams, over h11: for those with no HTTP client."""

from __future__ import annotations

import math
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

from ._http import check_timeout
from ._http1 import NOT_GIVEN, READ_SIZE, AsyncReceived, Request, failure, prepare, timed_out

try:
    import trio
except ModuleNotFoundError as error:
    message = "this adapter needs trio: pip install 'sseparse[trio]'"
    raise ModuleNotFoundError(message, name=error.name) from error

__all__ = ("StreamSource", "request", "source")

_FAILURES = (
    OSError,
    trio.BrokenResourceError,
    trio.BusyResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)


class StreamSource(AsyncReceived):
    """
    Iterate the bytes of a response's body, as they come over a stream of trio.

    Attributes:
        status: The HTTP status, or None until the head of the response has come.
        headers: The response's headers by lower-case name; empty until its head has come.
        pooled: Whether the connection serves another request after this one: never.
    """

    def __init__(
        self, stream: trio.abc.ReceiveStream, method: str = "POST", timeout: float = math.inf
    ) -> None:
        super().__init__(method)
        self._stream = stream
        self._is_tls = isinstance(stream, trio.SSLStream)
        self._timeout = timeout

    async def _read(self) -> bytes:
        try:
            if self._timeout == math.inf:
                # A scope that never cancels would cost as much as one that may.
                return await self._receive()
            with trio.fail_after(self._timeout):
                return await self._receive()
        except _FAILURES as error:
            raise _translate(error) from error

    async def _receive(self) -> bytes:
        data = await self._stream.receive_some(READ_SIZE)
        if not data and self._is_tls:
            # A body without a length is complete only if TLS says so, by its close_notify. With
            # https_compatible=True only a second read shows that it's missing.
            try:
                await self._stream.receive_some(READ_SIZE)
            except trio.BrokenResourceError as error:
                raise trio.BrokenResourceError(
                    "the TLS stream ended without close_notify"
                ) from error
        return bytes(data)

    async def aclose(self) -> None:
        """Close the stream, without waiting for the other side."""
        self._closed = True
        await trio.aclose_forcefully(self._stream)


def source(stream: trio.abc.ReceiveStream) -> StreamSource:
    """
    Read the response to a request that was sent over a stream.

    Args:
        stream: A stream of trio, plain or TLS. It is the source's from now on, and closed with
            it.

    Returns:
        An asynchronous iterable of bytes: the body of an HTTP/1.1 response, whose head is read
        first. Reading raises `TransportError` with the exception of trio or of h11 as its cause,
        and `NotEventStream` for a body that is compressed.

    Raises:
        TypeError: This is no stream of trio.
    """
    if not isinstance(stream, trio.abc.ReceiveStream):
        raise TypeError(f"source() takes a stream of trio, not {type(stream).__name__}")
    return StreamSource(stream)


async def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: object = NOT_GIVEN,
    content: bytes | None = None,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - it bounds each step, not the whole
) -> StreamSource:
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
            seconds; None for no limit.

    Returns:
        An asynchronous iterable of bytes, with `status`, `headers` and `aclose()`.

    Raises:
        NotEventStream: A redirect leads to another origin; the error names it.
        TransportError: No response came.
        StreamTimeout: A step took too long.
        ValueError: An argument has no such value.
        TypeError: The content is not bytes, a header is not str, or JSON has no such type.
    """
    check_timeout(timeout)
    asked = prepare(method, url, headers=headers, json=json, content=content)
    limit = math.inf if timeout is None else timeout
    while True:
        response, following = await _ask(asked, ssl_context, limit)
        if following is None:
            return response
        await response.aclose()
        asked = following


async def _ask(
    asked: Request, ssl_context: ssl.SSLContext | None, limit: float
) -> tuple[StreamSource, Request | None]:
    sent = asked.to_bytes()
    with _translated(), trio.fail_after(limit):
        stream = await _connect(asked, ssl_context)
    response = StreamSource(stream, asked.method, limit)
    try:
        # A server may answer, and hang up, before it has read all: reading tells.
        with _translated(), trio.fail_after(limit), suppress(trio.BrokenResourceError):
            await stream.send_all(sent)
        await response.read_head()
        following = asked.redirected(response.status, response.headers)
    except BaseException:  # a cancellation, too, leaves no stream open
        await response.aclose()
        raise
    return response, following


async def _connect(asked: Request, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
    plain = await trio.open_tcp_stream(asked.origin.host, asked.origin.port)
    if asked.origin.scheme == "http":
        return plain
    try:
        context = ssl_context or ssl.create_default_context()
        stream = trio.SSLStream(
            plain, context, server_hostname=asked.origin.host, https_compatible=True
        )
        await stream.do_handshake()
    except BaseException:  # a cancellation, too, leaves no stream open
        await trio.aclose_forcefully(plain)
        raise
    return stream


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except _FAILURES as error:
        raise _translate(error) from error


def _translate(error: Exception) -> Exception:
    if isinstance(error, trio.BusyResourceError):
        return RuntimeError("another task reads from this source")
    tell = timed_out if isinstance(error, trio.TooSlowError) else failure
    return tell("trio", error)
