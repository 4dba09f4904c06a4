"""Adapter for streams of anyio, on asyncio or trio, over h11."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from ._http import READ_SIZE
from ._http1 import NOT_GIVEN, AsyncLibrary, AsyncResponseReader, prepare_request

try:
    import anyio
    from anyio.abc import ByteReceiveStream, ByteStream
    from anyio.streams.tls import TLSStream
except ModuleNotFoundError as error:
    message = "this adapter needs anyio: pip install 'sseparse[anyio]'"
    raise ModuleNotFoundError(message, name=error.name) from error

__all__ = ("StreamSource", "request", "source")


async def _start_tls(stream: ByteStream, host: str, context: ssl.SSLContext) -> TLSStream:
    return await TLSStream.wrap(
        stream, server_side=False, hostname=host, ssl_context=context, standard_compatible=False
    )


async def _receive(stream: ByteReceiveStream) -> bytes:
    try:
        return await stream.receive(READ_SIZE)
    except anyio.EndOfStream:
        return b""


_LIBRARY = AsyncLibrary(
    module=anyio,
    failure=anyio.EndOfStream,  # a handshake that the other side breaks off
    connect=anyio.connect_tcp,
    start_tls=_start_tls,
    send=lambda stream, data: stream.send(data),
    receive=_receive,
)


class StreamSource(AsyncResponseReader):
    """Bytes of a response's body, as they arrive over a stream of anyio."""

    def __init__(
        self, stream: ByteReceiveStream, method: str = "POST", timeout: float | None = None
    ) -> None:
        super().__init__(_LIBRARY, stream, method, timeout)
        if isinstance(stream, TLSStream):
            # A body without a length is complete only if TLS says so, by its close_notify.
            stream.standard_compatible = True

    async def aclose(self) -> None:
        """Close the stream, without waiting for the other side."""
        if isinstance(self._stream, TLSStream):
            self._stream.standard_compatible = False  # sends no close_notify, and waits for none
        await super().aclose()


def source(stream: ByteReceiveStream) -> StreamSource:
    """
    Return the body of the response to a request that was sent over a stream, plain or TLS.

    The source owns the stream from now on, and closes it. Reading raises the exceptions of
    `sseparse.adapters.sockets.source`.

    Raises:
        TypeError: It isn't a stream of anyio.
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
    timeout: float | None = None,  # noqa: ASYNC109 - it limits each step
) -> StreamSource:
    """
    Send a request and return its response after the head of the response.

    Arguments, redirects and exceptions are those of `sseparse.adapters.sockets.request`.
    """
    prepared = prepare_request(
        method, url, headers=headers, json=json, content=content, timeout=timeout
    )
    return await _LIBRARY.request(StreamSource, prepared, ssl_context, timeout)
