"""The checks for adapters pass those that are sound, and tell what is wrong with the others."""

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
"""In seconds, for what never comes: the message is the same after any time."""
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
            # Where it was cancelled, closing is not to be.
            with anyio.CancelScope(shield=True):
                await response.aclose()

    return open_response


@pytest.mark.parametrize("check", ADAPTER_CHECKS)
class TestSoundAdapters:
    """Those of the library pass every check."""

    def test_sockets(self, check: str) -> None:
        """Our own client, by itself."""
        check_adapter(open_sockets, checks=[check])

    def test_http_client(self, check: str) -> None:
        """A response of the standard library, which a stream would recognise."""
        check_adapter(open_http_client, checks=[check])

    def test_requests(self, check: str) -> None:
        """A client that pools and decompresses."""
        check_adapter(open_requests, client=requests_client, decodes=DECODED, checks=[check])

    def test_httpx2(self, check: str) -> None:
        """Another one."""
        check_adapter(open_httpx, client=httpx_client, decodes=DECODED, checks=[check])

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
    def test_async_httpx2(self, check: str, backend: Any) -> None:
        """It awaits; a decoder that fails leaves generators of the library's to the collector."""
        check_adapter(
            open_httpx,
            client=async_httpx_client,
            backend=backend,
            decodes=DECODED,
            checks=[check],
        )

    def test_aiohttp(self, check: str) -> None:
        """On the one event loop that it has."""
        check_adapter(
            open_aiohttp,
            client=aiohttp.ClientSession,
            backend="asyncio",
            decodes=DECODED,
            checks=[check],
        )

    def test_trio(self, check: str) -> None:
        """Our own client on trio."""
        check_adapter(opener_of(sseparse.adapters.trio), backend="trio", checks=[check])

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_anyio(self, check: str, backend: Any) -> None:
        """Our own client on either."""
        check_adapter(opener_of(sseparse.adapters.anyio), backend=backend, checks=[check])


class Fake:
    """A sound adapter around another, for others to break."""

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
    """It has nothing that may be left out."""


class Untranslated(Fake):
    """It raises what its library raises."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError as error:
            raise error.__cause__ or OSError("nothing came") from None


class HoldsBack(Fake):
    """It hands out a piece when the next one is there."""

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
    """It takes a connection that failed for the end."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError:
            raise StopIteration from None


class Misuses(Fake):
    """It raises what says that the caller is at fault."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError as error:
            raise RuntimeError("lost") from error


class NoCause(Fake):
    """It does not tell what its library raised."""

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except TransportError:
            raise TransportError("lost") from None


class LosesWhatCame(Fake):
    """It drops the pieces before a failure."""

    def __next__(self) -> Any:
        pieces = list(self.inner)
        if not pieces:
            raise StopIteration
        return b"".join(pieces)


class LosesTheLastByte(Fake):
    """It does not hand out the last byte of a piece."""

    def __next__(self) -> Any:
        return next(self.inner)[:-1]


class Changes(Fake):
    """It normalises line ends."""

    def __next__(self) -> Any:
        return next(self.inner).replace(b"\r", b"\n")


class Texts(Fake):
    """It decodes text."""

    def __next__(self) -> Any:
        return next(self.inner).decode("latin-1")


class EndsEarly(Fake):
    """It stops after an event."""

    read = False

    def __next__(self) -> Any:
        if self.read:
            raise StopIteration
        self.read = True
        return next(self.inner)


class NeverCloses(Fake):
    """Its close() does nothing."""

    def close(self) -> None:
        pass


class ClosesOnce(Fake):
    """Its close() fails the second time."""

    closed = False

    def close(self) -> None:
        if self.closed:
            raise ValueError("closed already")
        self.closed = True
        self.inner.close()


class NoStatus(Fake):
    """It knows no status."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.status = None


class UpperCase(Fake):
    """Its headers are found in the case that the server chose."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.headers = {name.title(): value for name, value in self.inner.headers.items()}


class DropsDoubles(Fake):
    """It passes over a header that came twice."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.headers = {**self.inner.headers, "x-twice": ""}


class Decompresses(Fake):
    """It decompresses, though nobody says so."""

    def __next__(self) -> Any:
        self.inner.close()
        self.__class__ = Done  # type: ignore[assignment] # the shortest way to a stream
        return b"data: [DONE]\n\n"


class Done(Fake):
    """It is at its end."""

    def __next__(self) -> Any:
        raise StopIteration


class WaitsLonger(Fake):
    """Its wait_at_most() does nothing."""

    def wait_at_most(self, seconds: float | None) -> None:
        pass


class TimesOutWrongly(Fake):
    """It does not say that time was up."""

    def wait_at_most(self, seconds: float | None) -> None:
        self.inner.wait_at_most(seconds)

    def __next__(self) -> Any:
        try:
            return next(self.inner)
        except StreamTimeout as error:
            raise TransportError("lost") from error.__cause__


class SleepsOn(Fake):
    """Its wake() does nothing."""

    def wake(self) -> None:
        pass


class WakesOnce(Fake):
    """Its wake() fails the second time."""

    woken = False

    def wake(self) -> None:
        if self.woken:
            raise ValueError("woken already")
        self.woken = True
        self.inner.wake()


class SaysPooled(Fake):
    """It says that its connections are pooled; they are not."""

    pooled = True


def opening(kind: type[Fake]) -> Callable[[str], Any]:
    @contextmanager
    def open_response(url: str) -> Iterator[Any]:
        fake = kind(url)
        # Whatever the fake does, nothing stays open.
        with closing(fake.inner):
            yield fake

    return open_response


@pytest.mark.parametrize("kind", [Minimal, Untranslated])
def test_what_is_left_out(kind: type[Fake]) -> None:
    """An adapter need not have all, nor translate exceptions: streams do."""
    check_adapter(opening(kind))


@pytest.mark.parametrize(
    ("kind", "check", "saw"),
    [
        (Swallows, "faults", r"case 'close': a body that is not whole came to a good end; raise"),
        (Misuses, "faults", "case 'close': reading raised RuntimeError: lost; raise Transport"),
        (NoCause, "faults", "case 'close': TransportError has no __cause__: lost; raise"),
        (LosesWhatCame, "faults", "case 'close': b'' came before the fault.* before raising"),
        (LosesTheLastByte, "bytes", r"case 'chunked': \d+ bytes came of \d+, and differ from"),
        (Changes, "bytes", r"case 'chunked': (\d+) bytes came of \1, and differ from byte \d+"),
        (Texts, "bytes", "case 'chunked': a piece is str; hand out bytes"),
        (Texts, "prompt", "case 'chunked': a piece is str; hand out bytes"),
        (EndsEarly, "bytes", r"case 'chunked': \d+ bytes came of"),
        (EndsEarly, "prompt", r"case 'chunked': the body ended after \d+ bytes, while"),
        (ClosesOnce, "close", r"case 'unread': close\(\) raised ValueError: closed already; let"),
        (NoStatus, "head", "case '200': status is None, not 200; set"),
        (UpperCase, "head", "case '200': headers has no 'x-request-id' among .*lower case"),
        (DropsDoubles, "head", "case '200': headers has '' for x-twice, which came as"),
        (Decompresses, "encoded", r"case 'gzip': a compressed stream was read well.*decodes="),
        (TimesOutWrongly, "time", "that waited too long raised TransportError: lost; raise Str"),
        (WakesOnce, "wake", r"wake\(\) .*raised ValueError: woken already; shut"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_broken(kind: type[Fake], check: str, saw: str) -> None:
    """The message names the check and the case, says what was seen, and what to do."""
    with pytest.raises(AssertionError, match=f"^check '{check}', .*{saw}"):
        check_adapter(opening(kind), checks=[check])


@pytest.mark.parametrize(
    ("kind", "check", "doing"),
    [
        (HoldsBack, "prompt", r"reading event 1 of 4, which was sent, while the next one waits"),
        (NeverCloses, "close", r"the server, waiting to see that close\(\) closed the conn"),
        (WaitsLonger, "time", r"a read after wait_at_most\(0.05\)"),
        (SleepsOn, "wake", r"wake\(\) from another thread, of a read that waits,"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_hung(kind: type[Fake], check: str, doing: str) -> None:
    """What never comes is given up, and its threads end with the server."""
    with pytest.raises(AssertionError, match=f"^check '{check}', .*{doing}.* within 2 s; "):
        check_adapter(opening(kind), checks=[check], limit=SHORT)


def test_not_pooled() -> None:
    """Where the adapter says so, requests of one client share a connection."""
    with pytest.raises(AssertionError, match=r"3 requests took 3 connections; .*pooled = False"):
        check_adapter(
            lambda _, url: opening(SaysPooled)(url),
            client=lambda: closing(Unused()),
            checks=["pool"],
        )


def test_no_pool() -> None:
    """An adapter that promises no pool has none to check."""
    check_adapter(
        lambda _, url: opening(Fake)(url), client=lambda: closing(Unused()), checks=["pool"]
    )


def test_pooled_but_broken() -> None:
    """A stream that fails says nothing of pools."""

    class Broken(EndsEarly):
        pooled = True

        def __next__(self) -> Any:
            return super().__next__()[:20]  # all may have come at once

    with pytest.raises(AssertionError, match=r"a stream ended with IncompleteStream.*'bytes'"):
        check_adapter(
            lambda _, url: opening(Broken)(url), client=lambda: closing(Unused()), checks=["pool"]
        )


class Unused:
    """A client that nobody needs."""

    def close(self) -> None:
        pass


class Impatient:
    """It awaits, and ends after one piece."""

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
async def open_impatient(url: str) -> AsyncIterator[Any]:
    # What a task group raises is a group.
    async with anyio.create_task_group(), opener_of(sseparse.adapters.anyio)(url) as inner:
        yield Impatient(inner)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_cancellation(backend: Any) -> None:
    """A read that does not wait for the server is told from one that is cancelled."""
    with pytest.raises(AssertionError, match="a silent server was read; wait for bytes"):
        check_adapter(open_impatient, backend=backend, checks=["time"])


def test_openers_of_the_other_kind() -> None:
    """The message says which argument tells them apart."""
    with pytest.raises(AssertionError, match=r"the opener gave _Async\w+, .*backend='asyncio' or"):
        check_adapter(opener_of(sseparse.adapters.anyio), checks=["head"])
    with pytest.raises(AssertionError, match=r"the opener gave _Gen\w+, .* goes without backend"):
        check_adapter(opening(Fake), backend="trio", checks=["head"])
    with pytest.raises(AssertionError, match=r"client gave Unused, which is no context manager"):
        check_adapter(open_sockets, client=Unused, checks=["head"])  # type: ignore[arg-type] # misuse


def test_openers_that_fail() -> None:
    """The cause is kept."""
    with pytest.raises(AssertionError, match="opening a response raised OSError: no way") as raised:
        check_adapter(raising, checks=["head"])

    assert isinstance(raised.value.__cause__, OSError)


def test_openers_of_what_is_cut_at_once() -> None:
    """A library may find out when it opens the response; but not where some of the body came."""

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
    """Names that do not exist are refused, with those that do."""
    with pytest.raises(ValueError, match=r"checks is 'speed'; give one of 'bytes', 'prompt'"):
        check_adapter(open_sockets, checks=["speed"])
    with pytest.raises(ValueError, match="backend is 'curio'; give one of 'asyncio', 'trio'"):
        check_adapter(open_sockets, backend="curio")  # type: ignore[arg-type] # misuse
