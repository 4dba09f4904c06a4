"""Where a stream's bytes come from: an iterable, or a response of a library we know."""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast, overload

if TYPE_CHECKING:
    from socket import socket

    from ._aiohttp import AiohttpSource
    from ._httpx import HTTPXSource
    from ._read1 import BlockingSource
    from .sockets import SocketSource


_ADAPTERS: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("httpx", "Response"): ("_httpx", "source"),
    ("httpx2", "Response"): ("_httpx", "source"),
    ("requests", "Response"): ("_read1", "requests_source"),
    ("urllib3", "BaseHTTPResponse"): ("_read1", "urllib3_source"),
    ("http", "HTTPResponse"): ("_read1", "http_client_source"),
    ("urllib", "HTTPError"): ("_read1", "http_client_source"),
    ("aiohttp", "ClientResponse"): ("_aiohttp", "source"),
    ("socket", "socket"): ("sockets", "source"),
    ("trio", "ReceiveStream"): ("trio", "source"),
    ("anyio", "ByteReceiveStream"): ("anyio", "source"),
}
"""The module and function for each class of response, by its package and name."""


_OPENED: Final = (
    (AbstractAsyncContextManager, "enter it, async with ... as response"),
    (AbstractContextManager, "enter it, with ... as response"),
    (Awaitable, "await it"),
)
"""What gives a response only when it is opened, and how it is."""


class SyncSource(Protocol):
    """
    Describe what a synchronous adapter makes of a response.

    Reading raises `TransportError` from what the library raised. A stream wraps all else that it
    raises, but for `RuntimeError` and `TypeError`: those are misuse, and pass as they are.

    An adapter may have three things more. `wait_at_most(seconds)` bounds from then on how long a
    piece may be waited for, however many reads of the connection that takes, None lifting it;
    after that `StreamTimeout` is raised, of the clock "transport". With it streams keep to their
    deadlines. `wake()` ends a read that waits in another thread. `pooled`, a bool, says that the
    connection goes back to a pool once its body was read to the end, and that a wait for that can
    be bounded.
    """

    status: int | None
    headers: Mapping[str, str]

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Close the response."""


class AsyncSource(Protocol):
    """
    Describe what an asynchronous adapter makes of a response.

    Reading raises what reading a synchronous one does. An adapter may have `pooled` too.
    """

    status: int | None
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None:
        """Close the response."""


class HTTPXResponse(Protocol):
    """Describe a streamed response of httpx or httpx2, by the parts that are used."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers."""
        ...

    @property
    def stream(self) -> Any:
        """What the bytes are read from."""

    @property
    def request(self) -> Any:
        """The request that it answers."""

    @property
    def history(self) -> Any:
        """The redirects that were followed."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        ...

    @property
    def extensions(self) -> Mapping[str, Any]:
        """What is told of the connection."""
        ...

    def iter_bytes(self) -> Iterator[bytes]:
        """Iterate the decompressed body."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate the decompressed body, asynchronously."""
        ...

    def close(self) -> None:
        """Close the response of a synchronous client."""

    async def aclose(self) -> None:
        """Close the response of an asynchronous client."""


class AiohttpResponse(Protocol):
    """Describe a response of aiohttp, by the parts that tell it from others."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def content(self) -> Any:
        """What the bytes are read from."""

    def release(self) -> Any:
        """Give the connection back."""


SyncReadable: TypeAlias = "Iterable[bytes] | HTTPXResponse | socket"
AsyncReadable: TypeAlias = (
    "AsyncIterable[bytes] | AsyncIterable[bytes | bytearray] | HTTPXResponse | AiohttpResponse"
)


@overload
def source(response: HTTPXResponse) -> HTTPXSource: ...


@overload
def source(response: Iterable[bytes]) -> BlockingSource: ...


@overload
def source(response: socket) -> SocketSource: ...


@overload
def source(response: AiohttpResponse) -> AiohttpSource: ...


@overload
def source(response: AsyncIterable[bytes] | AsyncIterable[bytes | bytearray]) -> AsyncSource: ...


def source(response: object) -> object:
    """
    Find the bytes of a response.

    Args:
        response: A streamed response of httpx, httpx2, requests, urllib3, aiohttp, http.client or
            urllib, a socket, or a stream of trio or anyio.

    Returns:
        The adapter of its library: an iterable of bytes, asynchronous where the response is, with
        `close()` (or `aclose()`), `status` and `headers`. Reading raises `TransportError`, or
        `StreamTimeout` where a timeout of the library passed, with the library's exception as its
        cause; and `NotEventStream` where the body is compressed in a way that isn't decoded.

    Raises:
        TypeError: It isn't a response of one of these libraries, or one that can't be streamed.
        RuntimeError: It was read or closed already.
    """
    if _adapter_of(response) is None:
        raise TypeError(_cannot_read(response, "source()", ""))
    return _adapt(response)


def open_sync(source: SyncReadable, face: str) -> Iterable[bytes] | SyncSource:
    """
    Find the bytes of a source.

    Raises:
        TypeError: It is no iterable of bytes, and no response of a known library.
    """
    _refuse_bytes(source, face)
    _refuse_unopened(source, face)
    opened: Any = _adapt(source)
    if isinstance(opened, Iterable):
        return cast("Iterable[bytes]", opened)
    if isinstance(opened, AsyncIterable):
        raise TypeError(
            f"{face} cannot read {_named(source)}, which is asynchronous; use Async{face}"
        )
    raise TypeError(_cannot_read(source, face, "an iterable of bytes, "))


def open_async(source: AsyncReadable, face: str) -> AsyncIterable[bytes] | AsyncSource:
    """
    Find the bytes of an asynchronous source.

    Raises:
        TypeError: It is no asynchronous iterable of bytes, and no response of a known library.
    """
    _refuse_bytes(source, face)
    _refuse_unopened(source, face)
    opened: Any = _adapt(source)
    if isinstance(opened, AsyncIterable):
        return cast("AsyncIterable[bytes]", opened)
    if isinstance(opened, Iterable):
        other = face.removeprefix("Async")
        raise TypeError(f"{face} cannot read {_named(source)}, which is synchronous; use {other}")
    raise TypeError(_cannot_read(source, face, "an asynchronous iterable of bytes, "))


def wait_at_most(source: object, seconds: float | None) -> None:
    """Bound each wait of a source for bytes, where it lets that be done."""
    bound = getattr(source, "wait_at_most", None)
    if bound is not None:
        bound(seconds)


def wake(source: object) -> None:
    """End a read that waits in another thread, where the source lets that be done."""
    end = getattr(source, "wake", None)
    if end is not None:
        end()


def is_pooled(source: object) -> bool:
    """Tell whether the connection of a source goes back to a pool at the end of its body."""
    pooled: bool = getattr(source, "pooled", False)
    return pooled


def _refuse_bytes(source: object, face: str) -> None:
    if isinstance(source, bytes | bytearray | memoryview | str):
        name = type(cast("object", source)).__name__
        raise TypeError(
            f"{face} takes an iterable of bytes, not {name} itself; "
            "wrap a body of bytes in a list, or feed it to a parser"
        )


def _refuse_unopened(source: object, face: str) -> None:
    """Refuse what gives a response once it is entered or awaited, and is none."""
    if isinstance(source, AsyncIterable) or _adapter_of(source) is not None:
        return
    # What is awaited may be iterable, as coroutines once were.
    if isinstance(source, Iterable) and not isinstance(source, Awaitable):
        return
    named = _named(source)
    for kind, how in _OPENED:
        if isinstance(source, kind):
            raise TypeError(f"{face} cannot read {named}, which gives a response: {how}")


def _adapt(response: object) -> object:
    adapter = _adapter_of(response)
    if adapter is None:
        return response
    module, name = adapter
    adapted: object = getattr(import_module(f".{module}", __package__), name)(response)
    return adapted


def _adapter_of(response: object) -> tuple[str, str] | None:
    kinds = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(response).__mro__)
    return next((_ADAPTERS[kind] for kind in kinds if kind in _ADAPTERS), None)


def _named(source: object) -> str:
    kind = type(source)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{kind.__name__} of {package}"


def _cannot_read(source: object, face: str, wanted: str) -> str:
    return (
        f"{face} cannot read {_named(source)}; pass {wanted}a streamed response of httpx, "
        "httpx2, requests, urllib3, aiohttp or http.client, or a socket or stream of sockets, "
        "trio or anyio"
    )
