"""The sources that streams accept, and the adapter for each class of response."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast, overload

if TYPE_CHECKING:
    from socket import socket

    from ._aiohttp import AiohttpSource
    from ._httpx import HTTPXSource
    from ._read1 import BlockingSource
    from .sockets import SocketSource


_ADAPTERS: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("httpx", "Response"): ("_httpx", "HTTPXSource"),
    ("httpx2", "Response"): ("_httpx", "HTTPXSource"),
    ("requests", "Response"): ("_read1", "requests_source"),
    ("urllib3", "BaseHTTPResponse"): ("_read1", "urllib3_source"),
    ("http", "HTTPResponse"): ("_read1", "http_client_source"),
    ("urllib", "HTTPError"): ("_read1", "http_client_source"),
    ("aiohttp", "ClientResponse"): ("_aiohttp", "AiohttpSource"),
    ("aiohttp", "StreamReader"): ("_aiohttp", "ContentSource"),
    ("asyncio", "StreamReader"): ("_asyncio", "StreamReaderSource"),
    ("curl_cffi", "Response"): ("_curl_cffi", "source"),
    ("niquests", "AsyncResponse"): ("_read1", "refuse_async"),
    ("niquests", "Response"): ("_read1", "requests_source"),
    # urllib3-future, which replaces urllib3 where niquests is installed.
    ("urllib3", "HTTPResponse"): ("_read1", "urllib3_source"),
    ("werkzeug", "Response"): ("_frameworks", "werkzeug_source"),  # and Flask's
    ("django", "HttpResponse"): ("_frameworks", "django_source"),
    ("openai", "BaseAPIResponse"): ("_httpx", "sdk_source"),
    ("openai", "LegacyAPIResponse"): ("_httpx", "sdk_source"),
    ("openai", "Stream"): ("_httpx", "sdk_stream_source"),
    ("openai", "AsyncStream"): ("_httpx", "sdk_stream_source"),
    ("anthropic", "BaseAPIResponse"): ("_httpx", "sdk_source"),
    ("anthropic", "LegacyAPIResponse"): ("_httpx", "sdk_source"),
    ("anthropic", "Stream"): ("_httpx", "sdk_stream_source"),
    ("anthropic", "AsyncStream"): ("_httpx", "sdk_stream_source"),
    ("socket", "socket"): ("sockets", "source"),
    ("gevent", "socket"): ("sockets", "source"),
    ("trio", "ReceiveStream"): ("trio", "source"),
    ("anyio", "ByteReceiveStream"): ("anyio", "source"),
}
"""The module and callable for each class of response, by its package and name."""

_OPENERS: Final = re.compile("(?!Abstract).*ContextManager|a?closing|nullcontext")
"""The names of context managers that return another object. Most classes return themselves."""

_SDKS: Final = ("openai", "anthropic")

_LINES: Final = frozenset({"iter_lines", "aiter_lines"})
"""The names of methods that iterate over lines, without their ends."""


class SyncSource(Protocol):
    """
    Protocol of a synchronous adapter: the bytes of a response.

    Reading raises `TransportError` for the library's exceptions. A stream wraps any other
    exception, except `RuntimeError` and `TypeError`, which report misuse.

    An adapter can have three more members:

    * `wait_at_most(seconds)` limits how long each further piece is waited for, over all the reads
      that it takes; None removes the limit. After that time `StreamTimeout` is raised, with the
      clock "transport". Streams need it to meet their deadlines.
    * `wake()` ends a read that waits in another thread.
    * `pooled`, a bool, is True if the connection returns to a pool at the end of the body, and
      waiting for that can be limited.
    """

    status: int | None
    headers: Mapping[str, str]

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Close the response."""


class AsyncSource(Protocol):
    """
    Protocol of an asynchronous adapter: the bytes of a response.

    Reading raises the exceptions of `SyncSource`. An adapter can have `pooled` too, and
    `interruptible`, a bool: True if a read that was cancelled can be repeated and loses no bytes.
    """

    status: int | None
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None:
        """Close the response."""


class HTTPXResponse(Protocol):
    """Protocol of a streamed response of httpx or httpx2: the members that are used."""

    status_code: int
    extensions: Any  # a mapping of information about the connection
    stream: Any  # of the body
    request: Any
    history: Any  # the redirects that were followed
    is_closed: bool

    @property
    def headers(self) -> Mapping[str, str]:
        """The response's headers."""
        ...

    def iter_bytes(self) -> Iterator[bytes]:
        """Iterate over the decompressed body."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over the decompressed body, asynchronously."""
        ...

    def close(self) -> None:
        """Close the response of a synchronous client."""

    async def aclose(self) -> None:
        """Close the response of an asynchronous client."""


class AiohttpResponse(Protocol):
    """Protocol of a response of aiohttp: the members that distinguish it from other objects."""

    status: int
    content: Any  # the stream of the body

    def release(self) -> Any:
        """Release the connection."""


class SDKResponse(Protocol):
    """
    Protocol of a response of openai or anthropic.

    The SDKs return it from `with_streaming_response` and `with_raw_response`.
    """

    http_response: Any  # of httpx or httpx2


class SDKStream(Protocol):
    """Protocol of a stream of openai or anthropic, which `create(stream=True)` returns."""

    response: Any  # of httpx or httpx2

    def close(self) -> Any:
        """Close the response."""


SyncReadable: TypeAlias = "Iterable[bytes] | HTTPXResponse | SDKResponse | SDKStream | socket"
"""What `ChatStream` reads: an iterable of bytes, a response of httpx or an SDK, or a socket."""
AsyncReadable: TypeAlias = "AsyncIterable[bytes] | AsyncIterable[bytes | bytearray] | HTTPXResponse | AiohttpResponse | SDKResponse | SDKStream"  # noqa: E501 - pyright joins no literals
"""What `AsyncChatStream` reads: an asynchronous iterable of bytes, or a response."""


@overload
def source(response: HTTPXResponse) -> HTTPXSource: ...
@overload
def source(response: SDKResponse | SDKStream) -> HTTPXSource: ...
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
    Return the bytes of a response.

    Args:
        response: A streamed response of httpx, httpx2, requests, niquests, urllib3, aiohttp,
            curl_cffi, http.client or urllib; the `content` of a response of aiohttp; an
            `asyncio.StreamReader`; a socket, also of gevent; a stream of trio or anyio; what
            `with_streaming_response`, `with_raw_response` or `create(stream=True)` of openai or
            anthropic returns; or a response of werkzeug, Flask or Django.

    Returns:
        An iterable of bytes, asynchronous if the response is, with `close()` (or `aclose()`),
        `status` and `headers`. Reading raises `TransportError`, or `StreamTimeout` after a timeout
        of the library, with the library's exception as its cause. It raises `NotEventStream` if the
        body has a compression that isn't decoded. `status` is None before the head of the response
        is read: from a socket or stream, and after an interim response (such as 103).

    Raises:
        TypeError: The response isn't from one of these libraries, or can't be streamed.
        RuntimeError: The response was read or closed already.
    """
    adapter = _find_adapter(response)
    if adapter is None:
        raise TypeError(_describe_unreadable(response, "source()", ""))
    return adapter(response)


def open_sync(source: SyncReadable, reader: str) -> Iterable[bytes] | SyncSource:
    """Return the bytes of a source; raise TypeError if the class named `reader` can't read it."""
    opened = _open(source, reader, Iterable, "an iterable of bytes, ")
    return cast("Iterable[bytes]", opened)


def open_async(source: AsyncReadable, reader: str) -> AsyncIterable[bytes] | AsyncSource:
    """Return the bytes of a source; raise TypeError if the class named `reader` can't read it."""
    opened = _open(source, reader, AsyncIterable, "an asynchronous iterable of bytes, ")
    return cast("AsyncIterable[bytes]", opened)


def _open(source: object, reader: str, expected: type, description: str) -> object:
    adapter = _find_adapter(source)
    if adapter is None:
        _check_unadapted(source, reader)
    opened: object = source if adapter is None else adapter(source)
    if isinstance(opened, expected):
        return opened
    if isinstance(opened, AsyncIterable):
        kind, other = "asynchronous", f"Async{reader}"
    elif isinstance(opened, Iterable):
        kind, other = "synchronous", reader.removeprefix("Async")
    else:
        raise TypeError(_describe_unreadable(source, reader, description))
    raise TypeError(f"{reader} cannot read {_name(source)}, which is {kind}; use {other}")


def wait_at_most(source: object, seconds: float | None) -> None:
    """Limit each wait of a source for bytes, if it supports that."""
    limit = getattr(source, "wait_at_most", None)
    if limit is not None:
        limit(seconds)


def wake(source: object) -> None:
    """End a read that waits in another thread, if the source supports that."""
    end = getattr(source, "wake", None)
    if end is not None:
        end()


def is_pooled(source: object) -> bool:
    """Return whether the connection of a source returns to a pool at the end of its body."""
    return bool(getattr(source, "pooled", False))


def is_interruptible(source: object) -> bool:
    """Return whether a cancelled read of a source can be repeated."""
    return bool(getattr(source, "interruptible", False))


def _check_unadapted(source: object, reader: str) -> None:
    """Raise TypeError for the body itself, its lines, and what returns a response when opened."""
    given: object = source
    if isinstance(source, bytes | bytearray | memoryview | str):
        name = type(cast("object", source)).__name__
        advice = "wrap a body of bytes in a list, or feed it to a parser"
        if isinstance(source, str):
            advice = "pass the response, or [text.encode()]"
        raise TypeError(f"{reader} takes an iterable of bytes, not {name} itself; {advice}")
    if isinstance(source, GeneratorType | AsyncGeneratorType) and source.__name__ in _LINES:
        raise TypeError(
            f"{reader} cannot read the lines of {source.__name__}(), which have lost their ends; "
            "pass the response itself"
        )
    # An awaitable can be iterable, as generator-based coroutines are.
    is_iterable = isinstance(source, Iterable) and not isinstance(source, Awaitable)
    # What else an SDK has that is iterable has items, not bytes.
    if _package(given) not in _SDKS and (is_iterable or isinstance(source, AsyncIterable)):
        return
    _check_unopened(given, reader)


def _check_unopened(source: object, reader: str) -> None:
    named, package = _name(source), _package(source)
    # Of a mock, every attribute can be called.
    if callable(getattr(type(source), "request", None)):
        raise TypeError(
            f"{reader} cannot read {named}, which sends requests; pass the response to one of them"
        )
    how = None
    if any(_OPENERS.fullmatch(kind.__name__) for kind in type(source).__mro__):
        is_async = isinstance(source, AbstractAsyncContextManager)
        how = f"enter it, {'async ' if is_async else ''}with ... as response"
    elif isinstance(source, Awaitable):
        how = "await it"
    if how is not None:
        raise TypeError(f"{reader} cannot read {named}, which gives a response: {how}")
    if package in _SDKS:
        raise TypeError(
            f"{reader} cannot read {named}, which isn't a response; pass the one of "
            "with_streaming_response.create(..., stream=True), entered"
        )


def _find_adapter(response: object) -> Any:
    """Return the callable that adapts a response, or None."""
    kinds = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(response).__mro__)
    found = next((_ADAPTERS[kind] for kind in kinds if kind in _ADAPTERS), None)
    return None if found is None else getattr(import_module(f".{found[0]}", __package__), found[1])


def _name(source: object) -> str:
    name, package = type(source).__name__, _package(source)
    return name if package == "builtins" else f"{name} of {package}"


def _package(source: object) -> str:
    return type(source).__module__.partition(".")[0]


def _describe_unreadable(source: object, reader: str, wanted: str) -> str:
    return (
        f"{reader} cannot read {_name(source)}; pass {wanted}a streamed response of httpx, "
        "httpx2, requests, urllib3, aiohttp or http.client, or a socket or stream of sockets, "
        "trio or anyio"
    )
