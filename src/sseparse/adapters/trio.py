"""Adapter for streams of trio, over h11."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from ._http import READ_SIZE
from ._http1 import NOT_GIVEN, AsyncLibrary, AsyncResponseReader, prepare_request

try:
    import trio
except ModuleNotFoundError as error:
    message = "this adapter needs trio: pip install 'sseparse[trio]'"
    raise ModuleNotFoundError(message, name=error.name) from error

__all__ = ("StreamSource", "request", "source")


async def _start_tls(
    stream: trio.SocketStream, host: str, context: ssl.SSLContext
) -> trio.SSLStream[trio.SocketStream]:
    secure = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    await secure.do_handshake()
    return secure


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


_LIBRARY = AsyncLibrary(
    module=trio,
    failure=trio.TooSlowError,
    connect=trio.open_tcp_stream,
    start_tls=_start_tls,
    send=lambda stream, data: stream.send_all(data),
    receive=_receive,
)


class StreamSource(AsyncResponseReader):
    """Bytes of a response's body, as they arrive over a stream of trio."""

    def __init__(
        self, stream: trio.abc.ReceiveStream, method: str = "POST", timeout: float | None = None
    ) -> None:
        super().__init__(_LIBRARY, stream, method, timeout)


def source(stream: trio.abc.ReceiveStream) -> StreamSource:
    """
    Return the body of the response to a request that was sent over a stream, plain or TLS.

    The source owns the stream from now on, and closes it. Reading raises the exceptions of
    `sseparse.adapters.sockets.source`.

    Raises:
        TypeError: It isn't a stream of trio.
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
