"""Checks of adapters: correct adapters pass, and messages describe what is wrong with others."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from http.client import HTTPConnection
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import anyio
import httpx2
import pytest
import requests

import sseparse.adapters.anyio
import sseparse.adapters.trio
from sseparse import StreamTimeout, TransportError
from sseparse.adapters import sockets
from sseparse.testing import ADAPTER_CHECKS, check_adapter

LIMIT = 30.0
SHORT = 2.0
"""Seconds to wait for what never happens. The message is the same after any time."""
DECODED: Any = ["gzip", "gzip-unflushed", "br", "zstd"]


def open_sockets(url: str) -> Any:
    return closing(sockets.request("POST", url, json={}, timeout=LIMIT))


@contextmanager
def open_http_client(url: str) -> Iterator[Any]:
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=LIMIT)) as client:
        client.request("POST", "/", body=b"{}")
        yield client.getresponse()


@contextmanager
def requests_client() -> Iterator[requests.Session]:
    with requests.Session() as client:
        client.trust_env = False
        yield client


def open_requests(client: requests.Session, url: str) -> Any:
    return client.post(url, json={}, stream=True, timeout=LIMIT)


def httpx_client() -> httpx2.Client:
    return httpx2.Client(timeout=LIMIT, trust_env=False)


def async_httpx_client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=LIMIT, trust_env=False)


def open_httpx(client: Any, url: str) -> Any:
    return client.stream("POST", url, json={})


def open_aiohttp(client: aiohttp.ClientSession, url: str) -> Any:
    return client.post(url, json={})


def opener_of(module: Any) -> Callable[[str], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def open_response(url: str) -> AsyncIterator[Any]:
        response = await module.request("POST", url, json={}, timeout=LIMIT)
        try:
            yield response
        finally:
            # A cancelled task can await only within a shield.
            with anyio.CancelScope(shield=True):
                await response.aclose()

    return open_response


@pytest.mark.parametrize("check", ADAPTER_CHECKS)
class TestCorrectAdapters:
    """The adapters of the library pass every check."""

    def test_sockets(self, check: str) -> None:
        """`sockets.request` passes."""
        check_adapter(open_sockets, checks=[check])

    def test_http_client(self, check: str) -> None:
        """A response of http.client passes without an adapter of its own."""
        check_adapter(open_http_client, checks=[check])

    def test_requests(self, check: str) -> None:
        """requests, which pools and decompresses, passes."""
        check_adapter(open_requests, client=requests_client, decodes=DECODED, checks=[check])

    def test_httpx2(self, check: str) -> None:
        """httpx2 passes."""
        check_adapter(open_httpx, client=httpx_client, decodes=DECODED, checks=[check])

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
    def test_async_httpx2(self, check: str, backend: Any) -> None:
        """Asynchronous httpx2 passes. Its decoder errors leave generators to the collector."""
        check_adapter(
            open_httpx,
            client=async_httpx_client,
            backend=backend,
            decodes=DECODED,
            checks=[check],
        )

    def test_aiohttp(self, check: str) -> None:
        """aiohttp passes on asyncio."""
        check_adapter(
            open_aiohttp,
            client=aiohttp.ClientSession,
            backend="asyncio",
            decodes=DECODED,
            checks=[check],
        )

    def test_trio(self, check: str) -> None:
        """`sseparse.adapters.trio` passes."""
        check_adapter(opener_of(sseparse.adapters.trio), backend="trio", checks=[check])

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_anyio(self, check: str, backend: Any) -> None:
        """`sseparse.adapters.anyio` passes on both event loops."""
        check_adapter(opener_of(sseparse.adapters.anyio), backend=backend, checks=[check])


class Fake:
    """A correct adapter around another. Its subclasses each have one error."""

    pooled = False

    def __init__(self, url: str) -> None:
        self.inner = sockets.request("POST", url, json={}, timeout=LIMIT)
        self.status: Any = self.inner.status
        self.headers: Any = self.inner.headers

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self.inner)

    def close(self) -> None:
        self.inner.close()


class Minimal(Fake):
    """An adapter without optional methods."""


class Untranslated(Fake):
    """An adapter that raises the exceptions of its library."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError as error:
            raise error.__cause__ or OSError("no bytes") from None


class HoldsBack(Fake):
    """An adapter that returns a piece once it has the next one."""

    held = b""

    def __next__(self) -> Any:
        for piece in self.inner:
            held, self.held = self.held, piece
            if held:
                return held
        held, self.held = self.held, b""
        if held:
            return held
        raise StopIteration


class Swallows(Fake):
    """An adapter that treats a failed connection as the end."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError:
            raise StopIteration from None


class Misuses(Fake):
    """An adapter that raises the exception for misuse."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError as error:
            raise RuntimeError("lost") from error


class NoCause(Fake):
    """An adapter that hides the exception of its library."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError:
            raise TransportError("lost") from None


class LosesReceivedPieces(Fake):
    """An adapter that drops the pieces before an error."""

    def __next__(self) -> Any:
        pieces = list(self.inner)
        if not pieces:
            raise StopIteration
        return b"".join(pieces)


class LosesTheLastByte(Fake):
    """An adapter that drops the last byte of each piece."""

    def __next__(self) -> Any:
        return next(self.inner)[:-1]


class NormalisesLineEnds(Fake):
    """An adapter that changes line ends."""

    def __next__(self) -> Any:
        return next(self.inner).replace(b"\r", b"\n")


class DecodesText(Fake):
    """An adapter that returns text."""

    def __next__(self) -> Any:
        return next(self.inner).decode("latin-1")


class EndsEarly(Fake):
    """An adapter that ends after one event."""

    read = False

    def __next__(self) -> Any:
        if self.read:
            raise StopIteration
        self.read = True
        return next(self.inner)


class NeverCloses(Fake):
    """An adapter whose close() does nothing."""

    def close(self) -> None:
        pass


class ClosesOnce(Fake):
    """An adapter whose second close() raises."""

    closed = False

    def close(self) -> None:
        if self.closed:
            raise ValueError("closed already")
        self.closed = True
        self.inner.close()


class NoStatus(Fake):
    """An adapter without a status."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.status = None


class UpperCase(Fake):
    """An adapter whose headers are looked up by names in title case."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.headers = {name.title(): value for name, value in self.inner.headers.items()}


class DropsRepeatedHeader(Fake):
    """An adapter that drops a header that was sent twice."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.headers = {**self.inner.headers, "x-twice": ""}


class Decompresses(Fake):
    """An adapter that decompresses although `decodes` is empty."""

    def __next__(self) -> Any:
        self.inner.close()
        self.__class__ = Exhausted  # type: ignore[assignment] # the shortest way to a stream
        return b'data: {"choices": [{"index": 0, "delta": {}}]}\n\ndata: [DONE]\n\n'


class Exhausted(Fake):
    """An adapter at the end of its body."""

    def __next__(self) -> Any:
        raise StopIteration


class WaitsLonger(Fake):
    """An adapter whose wait_at_most() does nothing."""

    def wait_at_most(self, seconds: float | None) -> None:
        pass


class TimesOutWrongly(Fake):
    """An adapter that raises TransportError on a timeout."""

    def wait_at_most(self, seconds: float | None) -> None:
        self.inner.wait_at_most(seconds)

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except StreamTimeout as error:
            raise TransportError("lost") from error.__cause__


class NeverWakes(Fake):
    """An adapter whose wake() does nothing."""

    def wake(self) -> None:
        pass


class WakesOnce(Fake):
    """An adapter whose second wake() raises."""

    woken = False

    def wake(self) -> None:
        if self.woken:
            raise ValueError("woken already")
        self.woken = True
        self.inner.wake()


class ClaimsPooled(Fake):
    """An adapter that sets `pooled` without a pool."""

    pooled = True


def opening(kind: type[Fake]) -> Callable[[str], Any]:
    @contextmanager
    def open_response(url: str) -> Iterator[Any]:
        fake = kind(url)
        # Close the connection even if the adapter under test does not.
        with closing(fake.inner):
            yield fake

    return open_response


@pytest.mark.parametrize("kind", [Minimal, Untranslated])
def test_optional_methods(kind: type[Fake]) -> None:
    """An adapter passes without optional methods and without converting exceptions."""
    check_adapter(opening(kind))


@pytest.mark.parametrize(
    ("kind", "check", "message"),
    [
        (Swallows, "faults", r"case 'close': an incomplete body ended without an exception; raise"),
        (Misuses, "faults", "case 'close': reading raised RuntimeError: lost; raise Transport"),
        (NoCause, "faults", "case 'close': TransportError has no __cause__: lost; raise"),
        (
            LosesReceivedPieces,
            "faults",
            "case 'close': received b'' before the error.* before raising",
        ),
        (
            LosesTheLastByte,
            "bytes",
            r"case 'chunked': received \d+ bytes of \d+; they differ at",
        ),
        (
            NormalisesLineEnds,
            "bytes",
            r"case 'chunked': received (\d+) bytes of \1; they differ at byte \d+",
        ),
        (DecodesText, "bytes", "case 'chunked': a piece is str; return bytes"),
        (DecodesText, "prompt", "case 'chunked': a piece is str; return bytes"),
        (EndsEarly, "bytes", r"case 'chunked': received \d+ bytes of"),
        (EndsEarly, "prompt", r"case 'chunked': the body ended after \d+ bytes, before"),
        (ClosesOnce, "close", r"case 'unread': close\(\) raised ValueError: closed already; allow"),
        (NoStatus, "head", "case '200': status is None, not 200; set"),
        (UpperCase, "head", "case '200': headers has no 'x-request-id', only .*lower-case name"),
        (DropsRepeatedHeader, "head", "case '200': headers has '' for x-twice, which was sent as"),
        (
            Decompresses,
            "encoded",
            r"case 'gzip': a compressed stream was read without an error.*decodes=",
        ),
        (
            TimesOutWrongly,
            "time",
            "a read past its time limit raised TransportError: lost; raise Str",
        ),
        (WakesOnce, "wake", r"wake\(\) .*raised ValueError: woken already; shut"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_broken(kind: type[Fake], check: str, message: str) -> None:
    """The message states the check, the case, what was seen and what to do."""
    with pytest.raises(AssertionError, match=f"^check '{check}', .*{message}"):
        check_adapter(opening(kind), checks=[check])


@pytest.mark.parametrize(
    ("kind", "check", "step"),
    [
        (HoldsBack, "prompt", r"reading event 1 of 4 before the server sends the next one"),
        (NeverCloses, "close", r"waiting for the connection to close after close\(\)"),
        (WaitsLonger, "time", r"a read after wait_at_most\(0.05\)"),
        (NeverWakes, "wake", r"wake\(\) during a read in another thread"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_hung(kind: type[Fake], check: str, step: str) -> None:
    """A check that hangs fails after its limit, and its thread ends with the server."""
    with pytest.raises(AssertionError, match=f"^check '{check}', .*{step}.* within 2 s; "):
        check_adapter(opening(kind), checks=[check], limit=SHORT)


def test_not_pooled() -> None:
    """If the adapter sets `pooled`, requests of one client must share a connection."""
    with pytest.raises(AssertionError, match=r"3 requests used 3 connections; .*pooled = False"):
        check_adapter(
            lambda _, url: opening(ClaimsPooled)(url),
            client=lambda: closing(Unused()),
            checks=["pool"],
        )


def test_no_pool() -> None:
    """Without `pooled`, the check of pools passes."""
    check_adapter(
        lambda _, url: opening(Fake)(url), client=lambda: closing(Unused()), checks=["pool"]
    )


def test_pooled_but_broken() -> None:
    """If a stream fails, the check of pools refers to the check of bytes."""

    class Broken(EndsEarly):
        pooled = True

        def __next__(self) -> Any:
            return super().__next__()[:20]  # the first piece may be the complete body

    with pytest.raises(AssertionError, match=r"a stream ended with IncompleteStream.*'bytes'"):
        check_adapter(
            lambda _, url: opening(Broken)(url), client=lambda: closing(Unused()), checks=["pool"]
        )


class Unused:
    """A client that no opener uses."""

    def close(self) -> None:
        pass


class EndsEarlyAsync:
    """An asynchronous adapter that ends after one piece."""

    status = 200

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.headers = inner.headers
        self.read = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.read:
            raise StopAsyncIteration
        self.read = True
        piece: bytes = await anext(self.inner)
        return piece


@asynccontextmanager
async def open_ends_early(url: str) -> AsyncIterator[Any]:
    # A task group wraps exceptions in a group.
    async with anyio.create_task_group(), opener_of(sseparse.adapters.anyio)(url) as inner:
        yield EndsEarlyAsync(inner)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_cancellation(backend: Any) -> None:
    """A read that returns while the server sends nothing fails."""
    with pytest.raises(
        AssertionError, match="a read returned although the server sent nothing; wait for bytes"
    ):
        check_adapter(open_ends_early, backend=backend, checks=["time"])


def test_openers_of_the_other_kind() -> None:
    """A context manager of the wrong kind fails, and the message names the argument to change."""
    with pytest.raises(
        AssertionError, match=r"the opener returned _Async\w+, .*backend='asyncio' or"
    ):
        check_adapter(opener_of(sseparse.adapters.anyio), checks=["head"])
    with pytest.raises(AssertionError, match=r"the opener returned _Gen\w+, .*omit backend"):
        check_adapter(opening(Fake), backend="trio", checks=["head"])
    with pytest.raises(
        AssertionError, match=r"client returned Unused, which isn't a context manager"
    ):
        check_adapter(open_sockets, client=Unused, checks=["head"])  # type: ignore[arg-type] # misuse


def test_openers_that_fail() -> None:
    """An exception of the opener is the cause of the failure."""
    with pytest.raises(AssertionError, match="opening a response raised OSError: no way") as raised:
        check_adapter(raising, checks=["head"])

    assert isinstance(raised.value.__cause__, OSError)


def test_openers_that_read_the_body() -> None:
    """The opener can raise for a truncated body only if no byte of it was received."""

    @contextmanager
    def open_response(url: str) -> Iterator[Any]:
        with open_sockets(url) as response:
            pieces = []
            for piece in response:
                pieces.append(piece)
                break
            yield [*pieces, *response]

    with pytest.raises(AssertionError, match="case 'close': opening a response raised Transport"):
        check_adapter(open_response, checks=["faults"])


def raising(url: str) -> Any:
    raise OSError("no way")


def test_options() -> None:
    """An unknown name raises ValueError that lists the known names."""
    with pytest.raises(ValueError, match=r"checks is 'speed'; give one of 'bytes', 'prompt'"):
        check_adapter(open_sockets, checks=["speed"])
    with pytest.raises(ValueError, match="backend is 'curio'; give one of 'asyncio', 'trio'"):
        check_adapter(open_sockets, backend="curio")  # type: ignore[arg-type] # misuse
