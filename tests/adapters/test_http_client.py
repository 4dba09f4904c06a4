"""Responses of http.client and urllib.request, over real connections."""

import http.client
import io
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from sseparse import NotEventStream, ServerSentError, Stream, adapters
from sseparse.testing import Replay, ReplayServer

from .blocking import BODY, ONE, BlockingAdapter, authority, pytest_framings
from .scripted_server import CHUNKED, SAFETY, sending, serving

__all__ = ["authority"]
pytest_generate_tests = pytest_framings


def trusting(authority: trustme.CA | None) -> ssl.SSLContext | None:
    if authority is None:
        return None
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class TestHTTPClient(BlockingAdapter):
    """Responses of a connection of http.client."""

    @contextmanager
    def opened(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        with self.client(url, timeout=timeout, authority=authority) as request:
            with closing(request()) as response:
                yield response

    @contextmanager
    def client(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> Iterator[Callable[[], http.client.HTTPResponse]]:
        parts = urlsplit(url)
        context = trusting(authority)
        connection = (
            http.client.HTTPConnection(parts.netloc, timeout=timeout)
            if context is None
            else http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=context)
        )

        def request() -> http.client.HTTPResponse:
            connection.request("GET", "/")
            return connection.getresponse()

        with closing(connection):
            yield request

    def test_an_encoded_body(self) -> None:
        """A compressed body raises NotEventStream with the status and headers of the response."""
        with ReplayServer(Replay(BODY, framing="gzip")) as server:
            with self.opened(server.url) as response:
                stream = Stream(adapters.source(response))
                with pytest.raises(NotEventStream, match="compressed with gzip") as raised:
                    stream.result()
        error = raised.value
        assert (error.status, error.body_start) == (200, b"\x1f")
        assert error.content_type == "text/event-stream; charset=utf-8"
        assert error.headers["content-encoding"] == "gzip"

    def test_a_connection_that_ends(self) -> None:
        """A connection that the server will close isn't pooled."""
        with ReplayServer(Replay(BODY, framing="close")) as server:
            with self.opened(server.url) as response:
                assert not adapters.source(response).pooled


class TestUrlopen(BlockingAdapter):
    """Responses of urllib.request, which uses a connection only once."""

    test_reuse = None  # type: ignore[assignment] # connections aren't reused

    @contextmanager
    def opened(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        with urllib.request.urlopen(  # noqa: S310 - our own server
            url, timeout=timeout, context=trusting(authority)
        ) as response:
            yield response

    @contextmanager
    def client(self, url: str) -> Iterator[Callable[[], http.client.HTTPResponse]]:
        yield lambda: urllib.request.urlopen(url, timeout=SAFETY)  # noqa: S310 - our own server


class TestErrors:
    """Responses in the exceptions of urlopen()."""

    def test_an_error_with_a_body(self) -> None:
        """The body of an HTTPError is read like any other."""
        body = b'{"error": {"message": "no such model"}}'
        replay = Replay(body, status=404, content_type="application/json")
        with ReplayServer(replay) as server:
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(server.url, timeout=SAFETY)  # noqa: S310 - our own server
            with closing(raised.value), Stream(adapters.source(raised.value)) as stream:
                with pytest.raises(ServerSentError, match="no such model") as parsed:
                    stream.result()
        assert parsed.value.status == 404

    def test_closing(self) -> None:
        """Closing the source closes the HTTPError and its response."""
        with serving(sending(CHUNKED.replace(b"200", b"500") + ONE, then="hold")) as server:
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(server.url, timeout=SAFETY)  # noqa: S310 - our own server
            source = adapters.source(raised.value)
            assert next(source) == b"abc"
            source.close()
            assert raised.value.closed

    def test_an_error_without_a_response(self) -> None:
        """An HTTPError that has no response raises TypeError, or has an empty body."""
        text: Any = io.StringIO()
        error = urllib.error.HTTPError("http://test", 500, "no", Message(), text)
        with closing(error), pytest.raises(TypeError, match="HTTPError isn't a response"):
            adapters.source(error)
        with pytest.raises(NotEventStream, match="status 500, no body"):
            Stream(urllib.error.HTTPError("http://test", 500, "no", Message(), None)).result()

    def test_another_scheme(self) -> None:
        """A response of another scheme raises TypeError."""
        with urllib.request.urlopen("data:,abc") as response:  # noqa: S310 - no network at all
            with pytest.raises(TypeError, match="cannot read addinfourl of urllib"):
                adapters.source(response)


def test_the_adapter_loads_no_library() -> None:
    """Importing the adapter imports neither urllib3 nor requests."""
    code = "import sys, sseparse.adapters._read1;print({'urllib3', 'requests'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "set()"
