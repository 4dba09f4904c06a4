"""Responses of requests, over real connections."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import trustme

from sseparse import NotEventStream, Stream, adapters
from sseparse.testing import Replay, ReplayServer

from .blocking import BODY, Decoding, authority, pytest_framings
from .scripted_server import SAFETY

__all__ = ["authority"]
pytest_generate_tests = pytest_framings


class TestRequests(Decoding):
    """Responses of a session."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @contextmanager
    def opened(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> Iterator[requests.Response]:
        with self.client(url, timeout=timeout, authority=authority) as request:
            with request() as response:
                yield response

    @contextmanager
    def client(
        self, url: str, *, timeout: float | None = SAFETY, authority: trustme.CA | None = None
    ) -> Iterator[Callable[[], requests.Response]]:
        with plain_session() as session:
            if authority is not None:
                trusted = self.folder / "authority.pem"
                authority.cert_pem.write_to_path(trusted)
                session.verify = str(trusted)
            yield lambda: session.get(url, stream=True, timeout=timeout)

    def test_the_outer_response(self) -> None:
        """Closing the source closes the response of requests and that of urllib3."""
        replay = Replay(BODY, delays=[0, 600, 0])
        with ReplayServer(replay) as server, self.opened(server.url) as response:
            with Stream(adapters.source(response)) as stream:
                assert next(stream).text == "Hel"
            assert response.raw.closed

    def test_a_response_already_read(self) -> None:
        """A response that was read already is parsed from its kept content, also after pickling."""
        with ReplayServer(Replay(BODY, status=203)) as server, plain_session() as session:
            read = session.get(server.url)
            for response in (read, pickle.loads(pickle.dumps(read))):
                source = adapters.source(response)
                assert source.status == 203
                assert source.headers["CONTENT-type"][:17] == "text/event-stream"
                with Stream(source) as stream:
                    assert stream.result().text == "Hello"
                assert list(source) == []

    def test_kept_content_with_an_unknown_encoding(self) -> None:
        """Kept content with an unknown encoding raises NotEventStream unless it's text."""
        coded = Replay(b"\x1f\x9d" + BODY, headers={"Content-Encoding": "compress"})
        with ReplayServer(coded) as server, plain_session() as session:
            response = session.get(server.url)
        with pytest.raises(NotEventStream, match="compressed with compress"):
            Stream(adapters.source(response)).result()

    def test_a_body_of_another_kind(self) -> None:
        """A response that isn't read by urllib3 raises TypeError with what to pass instead."""
        response = requests.Response()
        response.status_code = 200
        response.raw = iter([BODY])  # as an adapter of requests can do
        with pytest.raises(TypeError, match=r"iterator.*pass response.iter_content\(None\)"):
            adapters.source(response)


def plain_session() -> requests.Session:
    """Return a session that ignores proxies and certificates of this system."""
    session = requests.Session()
    session.trust_env = False
    return session


def test_the_adapter_loads_no_library() -> None:
    """Importing the adapter imports neither requests nor urllib3."""
    code = "import sys, sseparse.adapters._read1; print({'requests', 'urllib3'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "set()"
