"""Responses read from anyio's streams, on asyncio or trio, over h11."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

from ._http import check_timeout
from ._http1 import NOT_GIVEN, READ_SIZE, AsyncReceived, Request, failure, prepare, timed_out

try:
    import anyio
    from anyio.abc import ByteReceiveStream, ByteStream
    from anyio.streams.tls import TLSStream
except ModuleNotFoundError as error:
    message = "this adapter needs anyio: pip install 'sseparse[anyio]'"
    raise ModuleNotFoundError(message, name=error.name) from error

__all__ = ("StreamSource", "request", "source")

_FAILURES = (
    OSError,
    anyio.BrokenResourceError,
    anyio.BusyResourceError,
    anyio.ClosedResourceError,
    # What a handshake meets that the other side breaks off.
    anyio.EndOfStream,
)


class StreamSource(AsyncReceived):
    """
    Iterate the bytes of a response's body, as they come over a stream of anyio.

    Attributes:
        status: The HTTP status, or None until the head of the response has come.
        headers: The response's headers by lower-case name; empty until its head has come.
        pooled: Whether the connection serves another request after this one: never.
    """

    def __init__(
        self, stream: ByteReceiveStream, method: str = "POST", timeout: float | None = None
    ) -> None:
        super().__init__(method)
        if isinstance(stream, TLSStream):
            # A body without a length is complete only if TLS says so, by its close_notify.
            stream.standard_compatible = True
        self._stream = stream
        self._timeout = timeout

    async def _read(self) -> bytes:
        try:
            if self._timeout is None:
                # A scope that never cancels would cost as much as one that may.
                return await self._stream.receive(READ_SIZE)
            with anyio.fail_after(self._timeout):
                return await self._stream.receive(READ_SIZE)
        except anyio.EndOfStream:
            return b""
        except _FAILURES as error:
            raise _translate(error) from error

    async def aclose(self) -> None:
        """Close the stream, without waiting for the other side."""
        self._closed = True
        if isinstance(self._stream, TLSStream):
            self._stream.standard_compatible = False  # no close_notify of our own to wait for
        await anyio.aclose_forcefully(self._stream)


def source(stream: ByteReceiveStream) -> StreamSource:
    """
    Read the response to a request that was sent over a stream.

    Args:
        stream: A stream of anyio, plain or TLS. It is the source's from now on, and closed with
            it.

    Returns:
        An asynchronous iterable of bytes: the body of an HTTP/1.1 response, whose head is read
        first. Reading raises `TransportError` with the exception of anyio or of h11 as its cause,
        and `NotEventStream` for a body that is compressed.

    Raises:
        TypeError: This is no stream of anyio.
    """
    if not isinstance(stream, ByteReceiveStream):
        raise TypeError(f"source() takes a stream of anyio, not {type(stream).__name__}")
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
    while True:
        response, following = await _ask(asked, ssl_context, timeout)
        if following is None:
            return response
        await response.aclose()
        asked = following


async def _ask(
    asked: Request, ssl_context: ssl.SSLContext | None, limit: float | None
) -> tuple[StreamSource, Request | None]:
    sent = asked.to_bytes()
    with _translated(), anyio.fail_after(limit):
        stream = await _connect(asked, ssl_context)
    response = StreamSource(stream, asked.method, limit)
    try:
        # A server may answer, and hang up, before it has read all: reading tells.
        with _translated(), anyio.fail_after(limit), suppress(anyio.BrokenResourceError):
            await stream.send(sent)
        await response.read_head()
        following = asked.redirected(response.status, response.headers)
    except BaseException:  # a cancellation, too, leaves no stream open
        await response.aclose()
        raise
    return response, following


async def _connect(asked: Request, ssl_context: ssl.SSLContext | None) -> ByteStream:
    plain = await anyio.connect_tcp(asked.origin.host, asked.origin.port)
    if asked.origin.scheme == "http":
        return plain
    try:
        return await TLSStream.wrap(
            plain,
            server_side=False,
            hostname=asked.origin.host,
            ssl_context=ssl_context or ssl.create_default_context(),
            standard_compatible=False,
        )
    except BaseException:  # a cancellation, too, leaves no stream open
        await anyio.aclose_forcefully(plain)
        raise


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except _FAILURES as error:
        raise _translate(error) from error


def _translate(error: Exception) -> Exception:
    if isinstance(error, anyio.BusyResourceError):
        return RuntimeError("another task reads from this source")
    tell = timed_out if isinstance(error, TimeoutError) else failure
    return tell("anyio", error)
