"""Recorders, mocks and test clients as sources, and responses that a test makes itself."""

import io
import urllib.error
from collections.abc import AsyncIterator, Callable, Iterator
from email.message import Message
from typing import Any
from unittest import mock

import anyio
import httpx
import httpx2
import pytest
import requests
import urllib3

from sseparse import (
    AsyncStream,
    Deadlines,
    EventStream,
    NotEventStream,
    ServerSentError,
    Stream,
    StreamTimeout,
)
from sseparse.adapters import source

from .doubles import IN_PROCESS, LIMIT, RECORDERS, URL, Answer, Double, Request

GOOD = Answer(
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
LIMITED = Answer(b'{"error":{"message":"slow down"}}', 429, "application/json")


def use(
    double: Double, answer: Answer, request: Request, read: Callable[[Any], Any], **options: Any
) -> Any:
    """Open a response and return what a function reads from its stream, in a `with` block."""

    async def main() -> Any:
        async with double.open(answer, request) as response:
            async with AsyncStream(response, **options) as stream:
                return await read(stream)

    if double.is_async:
        return anyio.run(main)
    with double.open(answer, request) as response, Stream(response, **options) as stream:
        return read(stream)


@pytest.mark.parametrize("double", [*RECORDERS, *IN_PROCESS], ids=str)
class TestMatrix:
    """Each double with each client that it supports."""

    def test_a_stream(self, double: Double, request: Request) -> None:
        """A stream is read, with deadlines too."""
        deadlines = Deadlines(first_event=LIMIT, between_bytes=LIMIT, between_events=LIMIT)
        completion = use(double, GOOD, request, lambda stream: stream.result(), deadlines=deadlines)
        assert completion.text == "Hello"

    def test_an_error(self, double: Double, request: Request) -> None:
        """The body of an error raises ServerSentError with the status and headers."""
        with pytest.raises(ServerSentError, match="slow down") as raised:
            use(double, LIMITED, request, lambda stream: stream.result())
        assert raised.value.status == 429
        assert raised.value.headers["retry-after"] == "7"


# ASGITransport returns the complete body at once.
IN_PIECES = [
    each for each in IN_PROCESS if each.name.endswith("streamed") and "ASGI" not in each.name
]


@pytest.mark.parametrize("double", IN_PIECES, ids=str)
class TestEnds:
    """Streams that end before their source."""

    def test_a_deadline(self, double: Double, request: Request) -> None:
        """A deadline that has passed ends the stream when a piece arrives."""
        passed = Deadlines(total=1e-9)
        with pytest.raises(StreamTimeout) as raised:
            use(double, GOOD, request, lambda stream: stream.result(), deadlines=passed)
        assert raised.value.clock == "total"

    def test_leaving(self, double: Double, request: Request) -> None:
        """A block that is left early closes the stream."""
        left: list[Any] = []

        async def read_async(stream: Any) -> None:
            left.append(stream)
            assert (await anext(stream)).text == "Hel"

        def read(stream: Any) -> None:
            left.append(stream)
            assert next(stream).text == "Hel"

        use(double, GOOD, request, read_async if double.is_async else read)
        with pytest.raises(RuntimeError, match="closed"):
            anyio.run(anext, left[0]) if double.is_async else next(left[0])


def response_of(raw: Any) -> requests.Response:
    response = requests.Response()
    response.status_code, response.raw = LIMITED.status, raw
    response.headers.update(LIMITED.headers)
    return response


def headers_message() -> Message:
    message = Message()
    for name, value in LIMITED.headers.items():
        message[name] = value
    return message


class Sized:
    """An iterable with the attributes of some library's response."""

    def __init__(self, **attributes: Any) -> None:
        self.headers = LIMITED.headers
        self.__dict__.update(attributes)

    def __iter__(self) -> Iterator[bytes]:
        return LIMITED.pieces


def mocked(**options: Any) -> mock.MagicMock:
    response = mock.MagicMock(status_code=429, headers=LIMITED.headers, **options)
    response.__iter__.return_value = LIMITED.pieces
    return response


def urllib3_response(body: Any) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(body, LIMITED.headers, 429, preload_content=False)


def kept() -> requests.Response:
    response = response_of(None)
    response._content = LIMITED.body  # noqa: SLF001 - as tests do it
    return response


def http_error() -> urllib.error.HTTPError:
    return urllib.error.HTTPError(URL, 429, "", headers_message(), io.BytesIO(LIMITED.body))


MADE: dict[str, Callable[[], Any]] = {
    "requests": lambda: response_of(io.BytesIO(LIMITED.body)),
    "requests-urllib3": lambda: response_of(urllib3_response(io.BytesIO(LIMITED.body))),
    "requests-content": kept,
    "urllib3": lambda: urllib3_response(io.BytesIO(LIMITED.body)),
    "urllib3-content": lambda: urllib3.HTTPResponse(LIMITED.body, LIMITED.headers, 429),
    "urllib": http_error,
    "httpx": lambda: httpx.Response(429, headers=LIMITED.headers, content=LIMITED.body),
    "httpx2": lambda: httpx2.Response(429, headers=LIMITED.headers, content=LIMITED.body),
    "status": lambda: Sized(status=429),
    "status_code": lambda: Sized(status_code=429),
    "both": lambda: Sized(status="429 Too Many Requests", status_code=429),
    "pairs": lambda: Sized(status=429, headers=[*LIMITED.headers.items()]),
    "mock": mocked,
    "mock-of-requests": lambda: mocked(spec=requests.Response),
}


@pytest.mark.parametrize("make", MADE.values(), ids=list(MADE))
def test_made_by_hand(make: Callable[[], Any]) -> None:
    """A response that a test made is read, and errors have its status and headers."""
    with Stream(make()) as stream, pytest.raises(ServerSentError, match="slow down") as raised:
        stream.result()
    assert (raised.value.status, raised.value.headers["retry-after"]) == (429, "7")


def test_an_asynchronous_iterable() -> None:
    """Errors of an asynchronous iterable have its status and headers."""

    class Response:
        status_code, headers = 429, LIMITED.headers

        def __aiter__(self) -> AsyncIterator[bytes]:
            return LIMITED.apieces()

    async def main() -> None:
        response: Any = Response()
        with pytest.raises(ServerSentError) as raised:
            await AsyncStream(response).result()
        assert raised.value.status == 429

    anyio.run(main)


def test_closed_files() -> None:
    """A response whose file was closed raises RuntimeError."""
    for response in (response_of(io.BytesIO(b"")), http_error()):
        response.close()
        with pytest.raises(RuntimeError, match="read or closed already"):
            source(response)


def test_redirects() -> None:
    """A redirect that turned a POST into a GET is an error of a response made by hand, too."""
    hop = response_of(None)
    hop.status_code, hop.headers["Location"] = 302, "/other"
    hop.request = requests.Request("POST", URL).prepare()
    response = response_of(io.BytesIO(GOOD.body))
    response.history, response.request = [hop], requests.Request("GET", URL).prepare()
    with pytest.raises(NotEventStream, match="redirect"):
        Stream(response).result()


def test_mocks_without_a_body() -> None:
    """A mock that can't be read raises TypeError that doesn't take it for a client."""
    response = mock.MagicMock(spec=httpx.Response)
    with pytest.raises(TypeError, match="cannot read MagicMock of unittest; pass an iterable"):
        Stream(response)


class TestFrameworks:
    """Responses of web frameworks."""

    def test_closing(self) -> None:
        """Closing the stream closes the response, and the generator of the application."""
        flask = pytest.importorskip("flask")
        closed: list[str] = []

        def body() -> Iterator[bytes]:
            try:
                yield from GOOD.pieces
            finally:
                closed.append("generator")

        response = flask.Response(body())
        response.call_on_close(lambda: closed.append("response"))
        with Stream(response) as stream:
            assert next(stream).text == "Hel"
        assert closed == ["generator", "response"]

    def test_closing_a_complete_body(self, request: Request) -> None:
        """A complete response of Django isn't closed: that would report the request's end again."""
        answer = next(each for each in IN_PROCESS if each.name == "django")
        with answer.open(GOOD, request) as response:
            with mock.patch.object(response, "close") as close, Stream(response) as stream:
                assert stream.result().text == "Hello"
        assert not close.called

    def test_an_encoded_body(self) -> None:
        """A compressed body raises NotEventStream."""
        flask = pytest.importorskip("flask")
        response = flask.Response(b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"})
        for _ in range(2):
            with pytest.raises(NotEventStream, match="compressed with gzip"):
                list(EventStream(response))

    def test_a_redirect(self) -> None:
        """A response with the status 101 raises NotEventStream."""
        flask = pytest.importorskip("flask")
        with pytest.raises(NotEventStream, match="101"):
            list(EventStream(flask.Response(b"data: a\n\n", 101)))
