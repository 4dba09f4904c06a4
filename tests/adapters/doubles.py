"""What stands in for a server or a response in tests: recorders, mocks and test clients."""

import http.client
import io
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
)
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import aiohttp
import attrs
import httpx
import httpx2
import pytest
import requests
import urllib3

from sseparse.testing import Replay, ReplayServer

LIMIT = 30.0  # seconds: far longer than any machine needs
URL = "http://double.test/v1"

Request = pytest.FixtureRequest
Fetch = Callable[[str], AbstractContextManager[Any]]
AsyncFetch = Callable[[str], AbstractAsyncContextManager[Any]]


@attrs.frozen
class Answer:
    """What a double answers."""

    body: bytes
    status: int = 200
    content_type: str = "text/event-stream"

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type, "Retry-After": "7"}

    @property
    def pieces(self) -> Iterator[bytes]:
        """The body, in pieces that don't end where its events do."""
        return (self.body[at : at + 50] for at in range(0, len(self.body), 50))

    async def apieces(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run a server, and return its URL."""
        replay = Replay(
            self.body,
            status=self.status,
            content_type=self.content_type,
            headers={"Retry-After": "7"},
        )
        with ReplayServer(replay) as server:
            yield server.url

    def wsgi(self, environ: object, start: Callable[..., object]) -> Any:  # noqa: ARG002 - WSGI
        start(f"{self.status} Answer", list(self.headers.items()))
        return self.pieces

    async def asgi(self, scope: object, receive: object, send: Any) -> None:  # noqa: ARG002 - ASGI
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@attrs.frozen
class Double:
    """
    A way to get a response without a server, or with a recorder between.

    Attributes:
        open: Returns a context manager of the response, asynchronous if `is_async`.
    """

    name: str
    open: Callable[[Answer, Request], Any]
    is_async: bool = False

    def __str__(self) -> str:
        return self.name


# How users get a response.


@contextmanager
def fetch_urllib3(url: str, *, streamed: bool) -> Iterator[Any]:
    with urllib3.PoolManager() as pool:
        yield pool.request("POST", url, preload_content=not streamed, retries=False)


@contextmanager
def fetch_http_client(url: str) -> Iterator[Any]:
    netloc = urlsplit(url).netloc
    with closing(http.client.HTTPConnection(netloc, timeout=LIMIT)) as connection:
        connection.request("POST", "/")
        yield connection.getresponse()


@contextmanager
def fetch_urllib(url: str) -> Iterator[Any]:
    try:
        response = urllib.request.urlopen(url, b"", timeout=LIMIT)  # noqa: S310 - no network
    except urllib.error.HTTPError as error:
        response = error
    with response:
        yield response


@contextmanager
def fetch_requests(url: str, *, streamed: bool) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        with session.post(url, stream=streamed, timeout=LIMIT) as response:
            yield response


@contextmanager
def fetch_httpx(url: str, library: Any, *, streamed: bool, **options: Any) -> Iterator[Any]:
    with library.Client(trust_env=False, verify=False, **options) as client:
        if streamed:
            with client.stream("POST", url) as response:
                yield response
        else:
            yield client.post(url)


@asynccontextmanager
async def afetch_httpx(
    url: str, library: Any, *, streamed: bool, **options: Any
) -> AsyncIterator[Any]:
    async with library.AsyncClient(trust_env=False, verify=False, **options) as client:
        if streamed:
            async with client.stream("POST", url) as response:
                yield response
        else:
            yield await client.post(url)


@asynccontextmanager
async def fetch_aiohttp(url: str) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as client, client.post(url) as response:
        yield response


REQUESTS: dict[str, Fetch] = {
    "requests-streamed": partial(fetch_requests, streamed=True),
    "requests": partial(fetch_requests, streamed=False),
}
STANDARD: dict[str, Fetch] = {
    "urllib3-streamed": partial(fetch_urllib3, streamed=True),
    "urllib3": partial(fetch_urllib3, streamed=False),
    "http.client": fetch_http_client,
    "urllib": fetch_urllib,
}
AIOHTTP: dict[str, AsyncFetch] = {"aiohttp": fetch_aiohttp}


def httpx_clients(library: Any) -> dict[str, Fetch]:
    name = library.__name__
    return {
        f"{name}-streamed": partial(fetch_httpx, library=library, streamed=True),
        name: partial(fetch_httpx, library=library, streamed=False),
    }


def async_httpx_clients(library: Any) -> dict[str, AsyncFetch]:
    name = f"async-{library.__name__}"
    return {
        f"{name}-streamed": partial(afetch_httpx, library=library, streamed=True),
        name: partial(afetch_httpx, library=library, streamed=False),
    }


# What replaces the server of such a client. Each function returns the URL to request.


@contextmanager
def vcrpy_records(answer: Answer, request: Request) -> Iterator[str]:
    vcr = pytest.importorskip("vcr")
    folder = request.getfixturevalue("tmp_path")
    with answer.serving() as url, vcr.use_cassette(str(folder / "cassette.yaml")):
        yield url


@contextmanager
def vcrpy_replays(answer: Answer, request: Request) -> Iterator[str]:
    vcr = pytest.importorskip("vcr")
    file = str(request.getfixturevalue("tmp_path") / "cassette.yaml")
    with answer.serving() as url, vcr.use_cassette(file), fetch_http_client(url) as response:
        response.read()
    with vcr.use_cassette(file, record_mode="none"):
        yield url


@cache
def import_responses() -> Any:
    """Import the library `responses`, and not the folder of tests with that name."""
    path = [folder for folder in sys.path if Path(folder) != Path(__file__).parents[1]]
    with mock.patch.dict(sys.modules), mock.patch.object(sys, "path", path):
        sys.modules.pop("responses", None)
        return pytest.importorskip("responses.registries") and sys.modules["responses"]


@contextmanager
def mock_responses(answer: Answer, request: Request) -> Iterator[str]:
    with import_responses().RequestsMock() as mocked:
        headers = {"Retry-After": "7"}
        kind = answer.content_type
        mocked.post(URL, answer.body, status=answer.status, headers=headers, content_type=kind)
        yield URL


@contextmanager
def mock_requests(answer: Answer, request: Request, *, is_file: bool = False) -> Iterator[str]:
    body = {"body": io.BytesIO(answer.body)} if is_file else {"content": answer.body}
    with pytest.importorskip("requests_mock").Mocker() as mocked:
        mocked.post(URL, status_code=answer.status, headers=answer.headers, **body)
        yield URL


@contextmanager
def mock_respx(answer: Answer, request: Request, *, is_async: bool = False) -> Iterator[str]:
    with pytest.importorskip("respx").mock as mocked:
        body = answer.apieces() if is_async else answer.pieces
        response = httpx.Response(answer.status, headers=answer.headers, content=body)
        mocked.post(URL).mock(return_value=response)
        yield URL


@contextmanager
def mock_httpx(answer: Answer, request: Request, *, plugin: str) -> Iterator[str]:
    library = pytest.importorskip(plugin)
    mocked = request.getfixturevalue(plugin.removeprefix("pytest_") + "_mock")
    stream = library.IteratorStream(list(answer.pieces))
    mocked.add_response(status_code=answer.status, headers=answer.headers, stream=stream)
    yield URL


class CompatibleResponse(aiohttp.ClientResponse):
    """A response with an argument that aiohttp 3.14 needs, and aioresponses 0.7.9 doesn't know."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"stream_writer": mock.Mock(output_size=0)} | options)


@contextmanager
def mock_aiohttp(answer: Answer, request: Request) -> Iterator[str]:
    with pytest.importorskip("aioresponses").aioresponses() as mocked:
        mocked.post(
            URL,
            status=answer.status,
            body=answer.body,
            headers=answer.headers,
            response_class=CompatibleResponse,
        )
        yield URL


Patch = Callable[[Answer, Request], AbstractContextManager[str]]


def patched(name: str, patch: Patch, clients: dict[str, Fetch]) -> Iterator[Double]:
    """Return a double for each client, whose requests a patch answers."""

    @contextmanager
    def open_sync(answer: Answer, request: Request, fetch: Fetch) -> Generator[Any]:
        with patch(answer, request) as url, fetch(url) as response:
            yield response

    for client, fetch in clients.items():
        yield Double(f"{name}-{client}", partial(open_sync, fetch=fetch))


def patched_async(name: str, patch: Patch, clients: dict[str, AsyncFetch]) -> Iterator[Double]:
    """Return a double for each asynchronous client."""

    @asynccontextmanager
    async def open_async(
        answer: Answer, request: Request, fetch: AsyncFetch
    ) -> AsyncGenerator[Any]:
        with patch(answer, request) as url:
            async with fetch(url) as response:
                yield response

    for client, fetch in clients.items():
        yield Double(f"{name}-{client}", partial(open_async, fetch=fetch), is_async=True)


def recorders_and_mocks() -> Iterator[Double]:
    """Return what answers the requests of a client that knows nothing of it."""
    both = httpx_clients(httpx) | httpx_clients(httpx2)
    async_both = async_httpx_clients(httpx) | async_httpx_clients(httpx2)
    yield from patched("vcrpy-records", vcrpy_records, STANDARD)
    yield from patched("vcrpy-replays", vcrpy_replays, STANDARD | REQUESTS | both)
    yield from patched_async("vcrpy-replays", vcrpy_replays, async_both | AIOHTTP)
    yield from patched("responses", mock_responses, REQUESTS)
    yield from patched("requests-mock", mock_requests, REQUESTS)
    yield from patched("requests-mock-file", partial(mock_requests, is_file=True), REQUESTS)
    yield from patched("respx", mock_respx, httpx_clients(httpx))
    patch = partial(mock_respx, is_async=True)
    yield from patched_async("respx", patch, async_httpx_clients(httpx))
    for library in (httpx, httpx2):
        patch = partial(mock_httpx, plugin=f"pytest_{library.__name__}")
        yield from patched(patch.keywords["plugin"], patch, httpx_clients(library))
        yield from patched_async(patch.keywords["plugin"], patch, async_httpx_clients(library))
    yield from patched_async("aioresponses", mock_aiohttp, AIOHTTP)


# Clients that call an application, or a function, in the process.


def transports(library: Any) -> Iterator[Double]:
    """Return the transports of httpx or httpx2 without a network."""

    def mock_sync(answer: Answer) -> Any:
        make = partial(library.Response, answer.status, headers=answer.headers)
        return library.MockTransport(lambda request: make(content=answer.pieces))

    def mock_async(answer: Answer) -> Any:
        make = partial(library.Response, answer.status, headers=answer.headers)
        return library.MockTransport(lambda request: make(content=answer.apieces()))

    def open_it(answer: Answer, request: Request, fetch: Any, make: Any) -> Any:
        return fetch(URL, transport=make(answer))

    for client, fetch in httpx_clients(library).items():
        for name, make in (
            ("MockTransport", mock_sync),
            ("WSGITransport", lambda answer: library.WSGITransport(answer.wsgi)),
        ):
            yield Double(f"{name}-{client}", partial(open_it, fetch=fetch, make=make))
    for client, afetch in async_httpx_clients(library).items():
        for name, make in (
            ("MockTransport", mock_async),
            ("ASGITransport", lambda answer: library.ASGITransport(answer.asgi)),
        ):
            yield Double(f"{name}-{client}", partial(open_it, fetch=afetch, make=make), True)


@contextmanager
def starlette_client(answer: Answer, request: Request, *, streamed: bool) -> Iterator[Any]:
    client = pytest.importorskip("starlette.testclient").TestClient(answer.asgi)
    if streamed:
        with client.stream("POST", "/") as response:
            yield response
    else:
        yield client.post("/")


@contextmanager
def flask_client(answer: Answer, request: Request, *, streamed: bool) -> Iterator[Any]:
    flask = pytest.importorskip("flask")
    app = flask.Flask("double")
    body = answer.pieces if streamed else answer.body
    app.post("/")(lambda: flask.Response(body, answer.status, answer.headers))
    with app.test_client() as client, client.post("/") as response:
        yield response


@contextmanager
def django_settings(request: Request, view: Callable[[Any], Any]) -> Iterator[Any]:
    """Replace the settings of Django in a block, and return `django.test`."""
    conf = pytest.importorskip("django.conf")
    path = pytest.importorskip("django.urls").path

    own = conf.UserSettingsHolder(conf.global_settings)
    own.ROOT_URLCONF, own.ALLOWED_HOSTS, own.SECRET_KEY = (path("", view),), ["*"], "x"
    with mock.patch.object(conf.settings, "_wrapped", own):
        yield pytest.importorskip("django.test")


def django_response(answer: Answer, body: Any, *, streamed: bool) -> Any:
    http = pytest.importorskip("django.http")
    kind = http.StreamingHttpResponse if streamed else http.HttpResponse
    return kind(body, status=answer.status, headers=answer.headers)


@contextmanager
def django_client(answer: Answer, request: Request, *, streamed: bool) -> Iterator[Any]:
    def view(received: object) -> Any:
        body = answer.pieces if streamed else answer.body
        return django_response(answer, body, streamed=streamed)

    with django_settings(request, view) as test:
        yield test.Client().post("/")


@asynccontextmanager
async def async_django_client(
    answer: Answer, request: Request, *, streamed: bool
) -> AsyncIterator[Any]:
    async def view(received: object) -> Any:
        body = answer.apieces() if streamed else answer.body
        return django_response(answer, body, streamed=streamed)

    with django_settings(request, view) as test:
        yield await test.AsyncClient().post("/")


def test_clients() -> Iterator[Double]:
    """Return the test clients of web frameworks."""
    for suffix, streamed in (("-streamed", True), ("", False)):
        yield Double(f"starlette{suffix}", partial(starlette_client, streamed=streamed))
        yield Double(f"flask{suffix}", partial(flask_client, streamed=streamed))
        yield Double(f"django{suffix}", partial(django_client, streamed=streamed))
        open_it = partial(async_django_client, streamed=streamed)
        yield Double(f"async-django{suffix}", open_it, is_async=True)


RECORDERS = [*recorders_and_mocks()]
IN_PROCESS = [*transports(httpx), *transports(httpx2), *test_clients()]
