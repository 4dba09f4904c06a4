"""Tests of the example `curl_adapter.py`."""

import importlib.util
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sseparse import Stream, StreamTimeout, TransportError
from sseparse.testing import ADAPTER_CHECKS, Replay, ReplayServer, check_adapter, faulty

pytest.importorskip("pycurl", reason="pycurl is not installed")

LIMIT = 30.0


def load(name: str) -> Any:
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"examples_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


curl_adapter = load("curl_adapter")


def open_alone(url: str) -> Any:
    return closing(curl_adapter.request(url, {"stream": True}, timeout=LIMIT))


@contextmanager
def client() -> Iterator[Any]:
    share = curl_adapter.sharing_connections()
    try:
        yield share
    finally:
        share.close()


def open_shared(share: Any, url: str) -> Any:
    return closing(curl_adapter.request(url, {"stream": True}, share=share, timeout=LIMIT))


@pytest.mark.parametrize("check", ADAPTER_CHECKS)
def test_separate_connections(check: str) -> None:
    """The adapter passes each check with a new connection for each response."""
    check_adapter(open_alone, checks=[check])


@pytest.mark.parametrize("check", ADAPTER_CHECKS)
def test_shared_connections(check: str) -> None:
    """The adapter passes each check with a share that keeps connections."""
    check_adapter(open_shared, client=client, checks=[check])


def test_in_a_stream() -> None:
    """A stream reads the response; method, headers and body of the request are as given."""
    body = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n'
    with ReplayServer(Replay(body)) as server:
        source = curl_adapter.request(server.url, {"stream": True}, ["X-Mine: 1"])
        with Stream(source) as stream:
            assert "".join(chunk.text for chunk in stream) == "Hello"

    [request] = server.requests
    assert request.json() == {"stream": True}
    assert request.method == "POST"
    assert (request.headers["x-mine"], request.headers["accept-encoding"]) == ("1", "identity")


def test_timeout() -> None:
    """The timeout of the source limits each read."""
    with ReplayServer(faulty("stall", b"data: 1\n\n")) as server:
        with closing(curl_adapter.request(server.url, {}, timeout=0.2)) as source:
            with pytest.raises(StreamTimeout) as raised:
                list(source)

    assert raised.value.clock == "transport"
    assert isinstance(raised.value.__cause__, curl_adapter.pycurl.error)


def test_connection_refused() -> None:
    """A failure to connect is raised when the body is read."""
    with ReplayServer(b"") as server:
        url = server.url
    with closing(curl_adapter.request(url, {})) as source:
        assert source.status is None
        with pytest.raises(TransportError, match="pycurl failed: error 7"):
            next(source)


def test_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt of `request()` is raised."""

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(curl_adapter.CurlSource, "read_head", interrupt)
    with pytest.raises(KeyboardInterrupt):
        curl_adapter.request("http://127.0.0.1", {})
