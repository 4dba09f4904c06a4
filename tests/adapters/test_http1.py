"""HTTP/1.1 as a stage: the same body, head and error however the bytes are cut."""

import importlib.util
import sys
from typing import Any

import h11
import pytest

from sseparse import EndCause, NotEventStream, Stage, TransportError
from sseparse.adapters._http1 import HTTPBody
from sseparse.testing import every_split

BODY = b"data: 1\n\ndata: 2\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
COMPLETE = {
    "chunked": CHUNKED + b"9\r\ndata: 1\n\n\r\n9;ext=1\r\ndata: 2\n\n\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"12\r\n" + BODY + b"\r\n0\r\nX-Sum: 1\r\n\r\n",
    "length": HEAD + b"Content-Length: 18\r\n\r\n" + BODY,
    "to the end": HEAD + b"\r\n" + BODY,
    "HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"\r\n" + BODY,
    "informational": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    + HEAD
    + b"Content-Length: 18\r\n\r\n"
    + BODY,
    "more after it": HEAD + b"Content-Length: 18\r\n\r\n" + BODY + b"HTTP/1.1 \x00 garbage",
    "identity": HEAD + b"Content-Encoding: Identity\r\n\r\n" + BODY,
    "bare line feeds": HEAD.replace(b"\r", b"") + b"\n" + BODY,
}
CLOSED_EARLY = "without sending complete message body"
NO_HTTP = "no HTTP/1.1 response; .* pass the bytes of a body as an iterable instead"
FAULTS = {
    "nothing": (b"", b"", "before the head"),
    "cut head": (HEAD, b"", "before the head"),
    "informational only": (b"HTTP/1.1 100 Continue\r\n\r\n", b"", "before the head"),
    "cut chunk": (CHUNKED + b"9\r\ndata: ", b"data: ", CLOSED_EARLY),
    "no last chunk": (CHUNKED + b"9\r\ndata: 1\n\n\r\n", b"data: 1\n\n", CLOSED_EARLY),
    "cut chunk header": (CHUNKED + b"9\r\ndata: 1\n\n\r\n9", b"data: 1\n\n", "closed connection"),
    "short": (HEAD + b"Content-Length: 20\r\n\r\n" + BODY, BODY, "received 18 .* expected 20"),
    "bad chunk header": (CHUNKED + b"9\r\ndata: 1\n\n\r\nXY\r\n", b"data: 1\n\n", "chunk header"),
    "bad chunk end": (CHUNKED + b"9\r\ndata: 1\n\n\rX\n", b"data: 1\n\n", "chunk footer$"),
    "error in a chunk's place": (
        CHUNKED + b"9\r\ndata: 1\n\n\r\nHTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"data: 1\n\n",
        "illegal chunk header",
    ),
    "bad status line": (b"HTTP/2 200\r\n\r\n", b"", "illegal status line"),
    "bad header": (HEAD + b"a b: c\r\n\r\n", b"", "illegal header line"),
    "other coding": (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", b"", "Transfer-Encoding"),
    "switch": (b"HTTP/1.1 101 Switching\r\n\r\n" + HEAD, b"", "pending proposal|UPGRADE"),
    "a bare body": (BODY, b"", NO_HTTP),
    "TLS": (b"\x16\x03\x01\x00", b"", NO_HTTP),
    "a blank line": (b"\r\n\r\n" + HEAD, b"", NO_HTTP),
    "junk after 103": (b"HTTP/1.1 103 Early\r\n\r\n\x00\x01\r\n\r\n", b"", NO_HTTP),
}


def run(body: HTTPBody, pieces: list[bytes]) -> bytes:
    """Feed pieces, and close unless there was an error."""
    got: list[bytes] = []
    for piece in pieces:
        got += body.feed(piece)
        if body.error is not None:
            return b"".join(got)
    got += body.close()
    return b"".join(got)


def state_of(body: HTTPBody) -> tuple[Any, ...]:
    error = body.error
    return (type(error), str(error), body.status, body.headers, body.is_complete, body.end)


@pytest.mark.parametrize("wire", COMPLETE.values(), ids=COMPLETE.keys())
def test_bodies_at_every_cut(wire: bytes) -> None:
    """The complete body is returned in every framing, and nothing else."""
    for pieces in every_split(wire):
        body = HTTPBody()
        assert run(body, pieces) == BODY
        assert (body.status, body.error, body.is_complete) == (200, None, True)
        assert body.headers["content-type"] == "text/event-stream"
        assert body.end is not None
        assert (body.end.cause, body.end.bytes_seen) == (EndCause.FINISHED, len(BODY))


@pytest.mark.parametrize(("wire", "good", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_at_every_cut(wire: bytes, good: bytes, message: str) -> None:
    """An error is the same at every cut, with the same bytes before it."""
    reference = HTTPBody()
    assert run(reference, [wire]) == good
    with pytest.raises(TransportError, match=message):
        reference.close()
    assert reference.end is not None
    assert reference.end.cause is EndCause.TRANSPORT
    for pieces in every_split(wire):
        body = HTTPBody()
        assert run(body, pieces) == good
        assert state_of(body) == state_of(reference)


def test_a_fault_stops_the_stage() -> None:
    """The feed that finds an error returns the bytes before it; later calls raise it."""
    body = HTTPBody()

    assert body.feed(CHUNKED + b"9\r\ndata: 1\n\n\r\n?\r\n") == [b"data: 1\n\n"]
    assert isinstance(body.error, TransportError)
    assert isinstance(body.error.__cause__, h11.RemoteProtocolError)
    for _ in range(2):
        with pytest.raises(TransportError, match="illegal chunk header"):
            body.feed(b"more")
        with pytest.raises(TransportError, match="illegal chunk header"):
            body.close()


def test_other_protocols_fail_at_their_first_byte() -> None:
    """Input that isn't HTTP sets the error at its first byte."""
    body = HTTPBody()
    assert body.feed(b"d") == []
    assert body.error is not None


@pytest.mark.parametrize("encoding", ["gzip", "identity, br", "GZip"])
def test_encoded_bodies_are_refused(encoding: str) -> None:
    """A compressed body sets the error at its first byte that isn't text, at every cut."""
    head = HEAD + f"Content-Encoding: {encoding}\r\n\r\n".encode()
    for pieces in every_split(head + b"BZ\x1f\x8b"):
        body = HTTPBody()
        assert run(body, pieces) == b"BZ"
        assert isinstance(body.error, NotEventStream)
        assert body.error.headers["content-encoding"] == encoding
        assert (body.error.status, body.error.content_type) == (200, "text/event-stream")
        assert body.status == 200
        assert body.end is not None
        assert body.end.cause is EndCause.NOT_A_STREAM


def test_the_head() -> None:
    """Status and headers are set at the end of the head, and repeated headers are joined."""
    body = HTTPBody()
    assert (body.status, body.headers) == (None, {})

    body.feed(b"HTTP/1.1 404 No\r\nX-A: 1\r\nx-b: \xe9\r\nX-a: 2\r\n\r")
    assert (body.status, body.headers) == (None, {})

    body.feed(b"\n")
    assert (body.status, body.headers) == (404, {"x-a": "1, 2", "x-b": "é"})
    assert body.end is None


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 204), ("GET", 304)])
def test_answers_without_a_body(method: str, status: int) -> None:
    """Responses to HEAD, and 204 and 304, end with their head, whatever length it has."""
    body = HTTPBody(method)
    head = f"HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n".encode()

    assert body.feed(head + b"extra") == []
    assert body.is_complete
    assert body.close() == body.close() == []


def test_invalid_calls() -> None:
    """Feeding after the close, other types than bytes, and invalid methods raise errors."""
    body = HTTPBody()
    body.feed(COMPLETE["length"])
    body.close()
    with pytest.raises(RuntimeError, match="new one"):
        body.feed(b"")
    with pytest.raises(TypeError, match="str; encode the text"):
        HTTPBody().feed("text")  # type: ignore[arg-type] # the misuse
    with pytest.raises(ValueError, match="method is 'A B'"):
        HTTPBody("A B")
    with pytest.raises(ValueError, match="CONNECT"):
        HTTPBody("CONNECT")


def test_bytes_of_other_kinds() -> None:
    """A bytearray and a memoryview are accepted and can change later; empty pieces do nothing."""
    wire = bytearray(COMPLETE["length"])
    body: Stage[bytes, bytes] = HTTPBody()
    pieces = body.feed(wire)  # type: ignore[arg-type] # more than the protocol requires
    wire[:] = b"x" * len(wire)

    assert pieces == [BODY]
    assert HTTPBody().feed(memoryview(COMPLETE["length"])) == [BODY]
    assert HTTPBody().feed(b"") == []


@pytest.mark.parametrize(
    ("wire", "what"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 300_000, "head"),
        (CHUNKED + b"1;" + b"a" * 300_000, "chunk header or trailer"),
        (CHUNKED + b"0\r\nX-A: " + b"a" * 300_000, "chunk header or trailer"),
    ],
    ids=["head", "chunk header", "trailer"],
)
def test_heads_and_framing_are_bounded(wire: bytes, what: str) -> None:
    """An endless head, chunk header or trailer sets the same error however it is cut."""
    faults = []
    for size in (1000, 65536, len(wire)):
        body = HTTPBody()
        seen = 0
        while body.error is None:
            assert body.feed(wire[seen : seen + size]) == []
            seen += size
        faults.append(state_of(body))

    assert faults[0][1] == f"the response has a {what} of more than 65536 bytes"
    assert faults.count(faults[0]) == 3


def test_end_where_parts_are_measured() -> None:
    """A response that ends where the size of its parts is measured is complete."""
    head = HEAD + b"Content-Length: %05d\r\n\r\n"
    size = 65536 - len(head % 0)
    body = HTTPBody()
    assert b"".join(body.feed(head % size + b"x" * size)) == b"x" * size
    assert body.end is not None
    assert body.end.complete


@pytest.mark.parametrize("size", [1000, 65536, 1_000_000])
def test_large_bodies(size: int) -> None:
    """Bodies and chunks can have any size."""
    content = bytes(range(256)) * 1500
    wire = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]

    assert run(HTTPBody(), pieces) == content


@pytest.mark.parametrize(
    ("module", "library"), [("_http1", "h11"), ("trio", "trio"), ("anyio", "anyio")]
)
def test_missing_libraries(monkeypatch: pytest.MonkeyPatch, module: str, library: str) -> None:
    """If a library is missing, the error names the extra that installs it."""
    spec = importlib.util.find_spec(f"sseparse.adapters.{module}")
    assert spec is not None
    assert spec.loader is not None
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        ModuleNotFoundError, match=rf"pip install 'sseparse\[{library}\]'"
    ) as raised:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert raised.value.name == library
