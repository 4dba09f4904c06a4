"""Where a stream's bytes come from: an iterable, or a response of a library we know."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

_ADAPTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "httpx": ("iter_bytes", "aiter_bytes", "status_code"),
}
"""The adapters by name, and what the responses of their libraries have."""


class SyncSource(Protocol):
    """Describe what a synchronous adapter makes of a response."""

    status: int | None
    headers: Mapping[str, str]

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Close the response."""


class AsyncSource(Protocol):
    """Describe what an asynchronous adapter makes of a response."""

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


def open_sync(source: Iterable[bytes] | HTTPXResponse, face: str) -> Iterable[bytes] | SyncSource:
    """
    Find the bytes of a source.

    Raises:
        TypeError: It is no iterable of bytes, and no response of a known library.
    """
    _refuse_bytes(source, face)
    adapted = _adapt(source)
    if adapted is not None:
        return cast(SyncSource, adapted)
    if isinstance(source, Iterable):
        return source
    if isinstance(source, AsyncIterable):
        raise TypeError(f"{face} cannot read an asynchronous source; use Async{face}")
    raise TypeError(_cannot_read(source, face, "an iterable of bytes"))


def open_async(
    source: AsyncIterable[bytes] | HTTPXResponse, face: str
) -> AsyncIterable[bytes] | AsyncSource:
    """
    Find the bytes of an asynchronous source.

    Raises:
        TypeError: It is no asynchronous iterable of bytes, and no response of a known library.
    """
    _refuse_bytes(source, face)
    adapted = _adapt(source)
    if adapted is not None:
        return cast(AsyncSource, adapted)
    if isinstance(source, AsyncIterable):
        return source
    if isinstance(source, Iterable):
        raise TypeError(
            f"{face} cannot read a synchronous source; use {face.removeprefix('Async')}"
        )
    raise TypeError(_cannot_read(source, face, "an asynchronous iterable of bytes"))


def _refuse_bytes(source: object, face: str) -> None:
    if isinstance(source, bytes | bytearray | memoryview | str):
        name = type(cast("object", source)).__name__
        raise TypeError(
            f"{face} takes an iterable of bytes, not {name} itself; "
            "wrap a body of bytes in a list, or feed it to a parser"
        )


def _adapt(source: object) -> object | None:
    """
    Hand a response of a library we know to the adapter of that library.

    The adapters stand above the streams and import them; so one is looked up by its name, when a
    response of its library is at hand.
    """
    for name, shape in _ADAPTERS.items():
        if all(hasattr(source, attribute) for attribute in shape):
            adapter = importlib.import_module(f"..adapters.{name}", __package__)
            adapted: object = adapter.source(source)
            return adapted
    return None


def _cannot_read(source: object, face: str, wanted: str) -> str:
    return (
        f"{face} cannot read {type(source).__name__}; pass {wanted}, "
        "or a streamed response of httpx or httpx2"
    )
