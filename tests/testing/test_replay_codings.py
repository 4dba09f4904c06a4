"""Framings that compress."""

import sys

import httpx2
import pytest

from sseparse.testing import Framing, Replay, ReplayServer

BODY = b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("framing", ["gzip", "br", "zstd"])
def test_each_piece_is_flushed(framing: Framing) -> None:
    """A compressed piece can be decompressed before the next one is sent."""
    with ReplayServer(Replay(BODY, framing=framing, gated=True)) as server:
        with httpx2.stream("GET", server.url, trust_env=False, timeout=30) as response:
            assert response.headers["content-encoding"] == framing
            pieces = response.iter_bytes()
            server.release()
            assert next(pieces) == b"data: 1\n\n"
            server.release()
            assert b"".join(pieces) == b"data: 2\n\n"


@pytest.mark.parametrize(("framing", "library"), [("br", "brotli"), ("zstd", "zstandard")])
def test_missing_library(monkeypatch: pytest.MonkeyPatch, framing: Framing, library: str) -> None:
    """A framing whose library is missing raises an error that says what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install {library}") as raised:
        Replay(BODY, framing=framing)
    assert raised.value.name == library
    assert Replay(BODY, framing="gzip").framing == "gzip"
