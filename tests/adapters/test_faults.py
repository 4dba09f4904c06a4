"""Every fault over every transport: a typed error, the data before it, and a closed connection."""

from typing import Any

import attrs
import pytest

from sseparse import (
    Deadlines,
    EndCause,
    IncompleteStream,
    NotEventStream,
    ServerSentError,
    SSEError,
    StreamTimeout,
    TransportError,
)
from sseparse.testing import FAULTS, Replay, ReplayServer, faulty

from .raw_server import RawServer
from .transports import LIMIT, TRANSPORTS, Outcome, Transport, read

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
SOON = 0.05


@attrs.frozen
class Expected:
    """
    The expected result of reading a stream.

    Attributes:
        cause: The end.
        error: The class of the error, or None where the stream ended well.
        text: What the partial result holds.
        about: Attributes of the error.
        deadlines: What the stream is given.
    """

    cause: EndCause
    error: type[SSEError] | None = None
    text: str = ""
    about: dict[str, Any] = attrs.Factory(dict)
    deadlines: Deadlines = attrs.Factory(lambda: Deadlines(between_bytes=LIMIT))


def timeout(clock: str) -> Expected:
    bounds = Deadlines(**{clock: SOON})
    return Expected(EndCause.TIMEOUT, StreamTimeout, "Hel", {"clock": clock}, bounds)


def no_stream(status: int) -> Expected:
    return Expected(EndCause.NOT_A_STREAM, NotEventStream, about={"status": status})


def server_error(status: int, code: str | None) -> Expected:
    about = {"status": status, "code": code}
    return Expected(EndCause.SERVER_ERROR, ServerSentError, about=about)


CUT = Expected(EndCause.TRANSPORT, TransportError, "Hel")
WELL = Expected(EndCause.DONE, text="Hello")
EXPECTED = {
    "close": CUT,
    "close-inside": CUT,
    "close-before-body": attrs.evolve(CUT, text=""),
    "no-answer": attrs.evolve(CUT, text=""),
    "reset": CUT,
    "stall": timeout("between_events"),
    "comments": timeout("between_events"),
    "left-open": WELL,
    "drip": WELL,
    "bad-chunk": CUT,
    "short-length": CUT,
    "truncated-gzip": Expected(EndCause.INCOMPLETE, IncompleteStream, "Hel"),
    "corrupt-gzip": CUT,
    "bomb": WELL,
    "wrong-content-type": WELL,
    "html": no_stream(200),
    "json-error": server_error(200, "overloaded"),
    "no-content": no_stream(204),
    "moved": no_stream(301),
    "redirect": no_stream(307),
    "unauthorized": server_error(401, "invalid_api_key"),
    "rate-limited": server_error(429, "rate_limit_exceeded"),
    "server-error": server_error(500, None),
}
PACKED = ("truncated-gzip", "corrupt-gzip", "bomb")


def expected_of(fault: str, transport: Transport) -> Expected:
    if fault in PACKED and not transport.decodes:
        return no_stream(200)  # they neither request nor decode compression
    if fault == "redirect" and transport.ours:
        return no_stream(404)  # the redirect is followed
    return EXPECTED[fault]


def check(outcome: Outcome, expected: Expected) -> None:
    assert outcome.end is not None
    assert type(outcome.error) is (expected.error or type(None)), outcome.error
    assert outcome.end.cause is expected.cause
    assert outcome.text == expected.text
    if outcome.error is not None:
        assert outcome.error.partial.text == expected.text
        attributes = {name: getattr(outcome.error, name) for name in expected.about}
        assert attributes == expected.about
        assert len(str(outcome.error)) > 20


def test_all_faults() -> None:
    """The table has a row for each fault of the server."""
    assert set(EXPECTED) == set(FAULTS)


def cell(transport: Transport, fault: str) -> Any:
    marks = []
    if "httpx" in transport.name and transport.backend == "trio" and fault == "corrupt-gzip":
        # The library's decoder raises in the outermost of its generators, which leaves the inner
        # ones to the garbage collector before anything can close them; trio warns of that.
        marks = [
            pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
            pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
        ]
    return pytest.param(transport, fault, id=f"{transport}-{fault}", marks=marks)


@pytest.mark.parametrize(
    ("transport", "fault"),
    [cell(each, fault) for each in TRANSPORTS for fault in FAULTS if fault != "no-answer"],
)
def test_fault(transport: Transport, fault: str) -> None:
    """Each fault has its error and end, the data before it, and a closed connection."""
    expected = expected_of(fault, transport)
    replay = faulty(fault, BODY)
    if fault == "bad-chunk":
        # aiohttp returns no response if it arrives together with the head, so it is sent later.
        replay = attrs.evolve(faulty(fault, BODY, after=2), gated=True)
        expected = attrs.evolve(expected, text="Hello")
    with ReplayServer({"/": replay}) as server:
        server.release()
        outcome = read(
            transport,
            f"{server.url}/",
            on_chunk=lambda _: server.release(),
            deadlines=expected.deadlines,
        )
        check(outcome, expected)
        # After a reset there is nothing left for a client to close.
        seen = [fault == "reset" or each.wait_closed(LIMIT) for each in server.connections]
        assert seen
        assert all(seen)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_no_answer(transport: Transport) -> None:
    """Without a response, request() raises TransportError; a library raises its own exception."""
    with ReplayServer(faulty("no-answer", BODY)) as server:
        if transport.name in ("socket", "trio-stream"):
            check(read(transport, server.url), EXPECTED["no-answer"])
        else:
            with pytest.raises(Exception, match=r".") as raised:
                read(transport, server.url)
            assert isinstance(raised.value, TransportError) == transport.ours
        assert all(connection.wait_closed(LIMIT) for connection in server.connections)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_cut_without_a_length(transport: Transport) -> None:
    """A truncated body without a length raises IncompleteStream."""
    replay = Replay(BODY, framing="close", fault="close", fault_after=1)
    with ReplayServer(replay) as server:
        check(read(transport, server.url), Expected(EndCause.INCOMPLETE, IncompleteStream, "Hel"))


@pytest.mark.parametrize("clock", ["first_event", "total"])
@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_drip_in_time(transport: Transport, clock: str) -> None:
    """Deadlines pass while single bytes of an unfinished event arrive."""
    drip = Replay(b"data: ".ljust(1000, b"a"), pieces="bytes", delays=SOON)
    with ReplayServer(drip) as server:
        outcome = read(transport, server.url, deadlines=Deadlines(**{clock: 3 * SOON}))
        check(outcome, attrs.evolve(timeout(clock), text=""))
        assert server.connections[0].wait_closed(LIMIT)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_drip_of_framing(transport: Transport) -> None:
    """Deadlines pass while only HTTP framing arrives."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = BODY.partition(b"\n\n")[0] + b"\n\n"
    with RawServer(head + b"%x\r\n%b\r\n1;" % (len(chunk), chunk), drip=b"a") as server:
        outcome = read(transport, server.url, deadlines=Deadlines(between_events=4 * SOON))
        check(outcome, timeout("between_events"))
        assert server.gone.wait(LIMIT)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_drip_of_framing_after_done(transport: Transport) -> None:
    """The drain after [DONE] ends in time while only HTTP framing arrives."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with RawServer(head + b"%x\r\n%b\r\n1;" % (len(BODY), BODY), drip=b"a") as server:
        check(read(transport, server.url, drain=SOON), EXPECTED["left-open"])
        assert server.gone.wait(LIMIT)


@pytest.mark.parametrize("transport", TRANSPORTS, ids=str)
def test_retry_after(transport: Transport) -> None:
    """The Retry-After header is available in the error."""
    with ReplayServer(faulty("rate-limited", BODY)) as server:
        error = read(transport, server.url).error

    assert isinstance(error, ServerSentError)
    assert error.headers["retry-after"] == "7"
