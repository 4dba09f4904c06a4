"""Adapter for streams of anyio, on asyncio or trio, over h11."""

from __future__ import annotations

import ssl
from typing import Unpack

from ._http import READ_SIZE
from ._http1 import AsyncResponseReader
from ._request import RequestOptions, prepare_request

try:
    import anyio
    from anyio.abc import ByteReceiveStream, ByteStream
    from anyio.streams.tls import TLSStream
except ModuleNotFoundError as _error:
    message = "this adapter needs anyio: pip install 'sseparse[anyio]'"
    raise ModuleNotFoundError(message, name=_error.name) from _error

__all__ = ("StreamSource", "request", "source")


class StreamSource(AsyncResponseReader[ByteReceiveStream]):
    """
    Bytes of a response's body, as they arrive over a stream of anyio.

    Args:
        stream: The stream.
        method: The method of the request: a response to HEAD has no body. Default: "POST".
        timeout: Maximum time for each read, in seconds; None, the default, for no limit.
    """

    _library = anyio
    _failures = (
        *(OSError, anyio.EndOfStream),  # EndOfStream: the other side breaks off a handshake
        *(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.BusyResourceError),
    )

    def __init__(
        self, stream: ByteReceiveStream, method: str = "POST", timeout: float | None = None
    ) -> None:
        super().__init__(stream, method, timeout)
        if isinstance(stream, TLSStream):
            # A body without a length is complete only if TLS says so, by its close_notify.
            stream.standard_compatible = True

    async def aclose(self) -> None:
        """Close the stream, without waiting for the other side."""
        if isinstance(self._stream, TLSStream):
            self._stream.standard_compatible = False  # sends no close_notify, and waits for none
        await super().aclose()

    @staticmethod
    async def _connect(host: str, port: int) -> ByteStream:
        return await anyio.connect_tcp(host, port)

    @staticmethod
    async def _secure(stream: ByteStream, context: ssl.SSLContext, host: str) -> TLSStream:
        return await TLSStream.wrap(
            stream, ssl_context=context, hostname=host, standard_compatible=False
        )

    @staticmethod
    async def _send(stream: ByteStream, data: bytes) -> None:
        await stream.send(data)

    @staticmethod
    async def _receive(stream: ByteReceiveStream) -> bytes:
        try:
            return await stream.receive(READ_SIZE)
        except anyio.EndOfStream:
            return b""


def source(stream: ByteReceiveStream) -> StreamSource:
    """
    Return the body of the response to a request that was sent over a stream, with or without TLS.

    The source owns the stream from now on, and closes it. Reading raises the exceptions of
    `sseparse.adapters.sockets.source`.

    Raises:
        TypeError: The argument isn't a stream of anyio.
    """
    if not isinstance(stream, ByteReceiveStream):
        raise TypeError(f"source() takes a stream of anyio, not {type(stream).__name__}")
    return StreamSource(stream)


async def request(method: str, url: str, **options: Unpack[RequestOptions]) -> StreamSource:
    """
    Send a request and return its response after the head of the response.

    Arguments, options, redirects and exceptions are those of `sseparse.adapters.sockets.request`.
    """
    return await StreamSource.send(prepare_request(method, url, **options))
