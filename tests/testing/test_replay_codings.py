"""Every framing that compresses does so by its library, piece by piece."""

import sys

import httpx2
import pytest

from sseparse.testing import Framing, Replay, ReplayServer

BODY = b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("framing", ["gzip", "br", "zstd"])
def test_each_piece_can_be_read_when_it_comes(framing: Framing) -> None:
    """It is flushed; the second one is not needed for the first."""
    with ReplayServer(Replay(BODY, framing=framing, gated=True)) as server:
        with httpx2.stream("GET", server.url, trust_env=False, timeout=30) as response:
            assert response.headers["content-encoding"] == framing
            pieces = response.iter_bytes()
            server.release()
            assert next(pieces) == b"data: 1\n\n"
            server.release()
            assert b"".join(pieces) == b"data: 2\n\n"


@pytest.mark.parametrize(("framing", "library"), [("br", "brotli"), ("zstd", "zstandard")])
def test_a_library_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, framing: Framing, library: str
) -> None:
    """It is missed where the framing is asked for, with a word on what to install."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install {library}") as raised:
        Replay(BODY, framing=framing)
    assert raised.value.name == library
    assert Replay(BODY, framing="gzip").framing == "gzip"
