"""The clients over sockets, trio and anyio, called in the same way."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import trio
from attrs import frozen

from sseparse import AsyncStream, Stream
from sseparse.adapters import anyio as anyio_adapter
from sseparse.adapters import sockets
from sseparse.adapters import trio as trio_adapter


@frozen
class Answer:
    """The response to a request."""

    status: int | None
    headers: dict[str, str]
    body: bytes


def run_trio(work: Callable[[Any], Awaitable[Any]]) -> Any:
    return trio.run(work, trio_adapter)


def run_anyio_on_asyncio(work: Callable[[Any], Awaitable[Any]]) -> Any:
    return anyio.run(work, anyio_adapter, backend="asyncio")


def run_anyio_on_trio(work: Callable[[Any], Awaitable[Any]]) -> Any:
    return anyio.run(work, anyio_adapter, backend="trio")


class Client:
    """One of the clients; asynchronous ones are run to their end."""

    def __init__(self, run: Callable[[Callable[[Any], Awaitable[Any]]], Any] | None) -> None:
        self.run = run

    def fetch(self, *args: Any, **options: Any) -> Answer:
        """Send a request, and read the complete response."""
        if self.run is None:
            response = sockets.request(*args, **options)
            try:
                body = b"".join(response)
            finally:
                response.close()
            return Answer(response.status, dict(response.headers), body)

        async def work(adapter: Any) -> Answer:
            response = await adapter.request(*args, **options)
            try:
                body = b"".join([piece async for piece in response])
            finally:
                await response.aclose()
            return Answer(response.status, dict(response.headers), body)

        answer: Answer = self.run(work)
        return answer

    def stream(self, url: str, stop_after: int | None = None) -> Any:
        """Read a stream of chunks to its end or up to a chunk, and return the stream."""
        if self.run is None:
            with Stream(sockets.request("POST", url, json={})) as stream:
                for number, _ in enumerate(stream, start=1):
                    if number == stop_after:
                        break
            return stream

        async def work(adapter: Any) -> AsyncStream:
            async with AsyncStream(await adapter.request("POST", url, json={})) as stream:
                number = 0
                async for _ in stream:
                    number += 1
                    if number == stop_after:
                        break
            return stream

        return self.run(work)


CLIENTS = {
    "sockets": Client(None),
    "trio": Client(run_trio),
    "anyio on asyncio": Client(run_anyio_on_asyncio),
    "anyio on trio": Client(run_anyio_on_trio),
}
