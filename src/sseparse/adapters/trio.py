"""Adapter for streams of trio, over h11."""

from __future__ import annotations

import ssl
from typing import Unpack

from ._http import READ_SIZE
from ._http1 import AsyncResponseReader
from ._request import RequestOptions, prepare_request

try:
    import trio
except ModuleNotFoundError as _error:
    message = "this adapter needs trio: pip install 'sseparse[trio]'"
    raise ModuleNotFoundError(message, name=_error.name) from _error

__all__ = ("StreamSource", "request", "source")


class StreamSource(AsyncResponseReader[trio.abc.ReceiveStream]):
    """
    Bytes of a response's body, as they arrive over a stream of trio.

    Args:
        stream: The stream.
        method: The method of the request: a response to HEAD has no body. Default: "POST".
        timeout: Maximum time for each read, in seconds; None, the default, for no limit.
    """

    _library = trio
    _failures = (
        *(OSError, trio.TooSlowError),
        *(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError),
    )

    @staticmethod
    async def _connect(host: str, port: int) -> trio.SocketStream:
        return await trio.open_tcp_stream(host, port)

    @staticmethod
    async def _secure(
        stream: trio.SocketStream, context: ssl.SSLContext, host: str
    ) -> trio.SSLStream[trio.SocketStream]:
        secure = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        await secure.do_handshake()
        return secure

    @staticmethod
    async def _send(stream: trio.abc.SendStream, data: bytes) -> None:
        await stream.send_all(data)

    @staticmethod
    async def _receive(stream: trio.abc.ReceiveStream) -> bytes:
        data = await stream.receive_some(READ_SIZE)
        if not data and isinstance(stream, trio.SSLStream):
            # A body without a length is complete only if TLS says so, by its close_notify. With
            # https_compatible=True only a second read shows that it's missing.
            try:
                await stream.receive_some(READ_SIZE)
            except trio.BrokenResourceError as error:
                message = "the TLS stream ended without close_notify"
                raise trio.BrokenResourceError(message) from error
        return bytes(data)


def source(stream: trio.abc.ReceiveStream) -> StreamSource:
    """
    Return the body of the response to a request that was sent over a stream, with or without TLS.

    The source owns the stream from now on, and closes it. Reading raises the exceptions of
    `sseparse.adapters.sockets.source`.

    Raises:
        TypeError: The argument isn't a stream of trio.
    """
    if not isinstance(stream, trio.abc.ReceiveStream):
        raise TypeError(f"source() takes a stream of trio, not {type(stream).__name__}")
    return StreamSource(stream)


async def request(method: str, url: str, **options: Unpack[RequestOptions]) -> StreamSource:
    """
    Send a request and return its response after the head of the response.

    Arguments, options, redirects and exceptions are those of `sseparse.adapters.sockets.request`.
    """
    return await StreamSource.send(prepare_request(method, url, **options))
