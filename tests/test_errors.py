"""Tests of error messages and of error classes."""

import copy
import pickle
from types import SimpleNamespace

import pytest

from sseparse import (
    BrokenStage,
    ChunkReader,
    DecodeError,
    EncodingError,
    End,
    EndCause,
    Event,
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    ParseError,
    ProxyError,
    ServerSentError,
    SSEError,
    StreamTimeout,
    TransportError,
)
from sseparse.chunks._errors import incomplete

ERRORS = [
    LimitExceeded(
        limit="event", maximum=8, offset=3, what="Event larger than 8 bytes", advice="raise it"
    ),
    EncodingError(offset=3, reason="invalid start byte"),
    NotEventStream(body_start=b"<html>", status=502, content_type="text/html"),
    DecodeError(event=Event("no JSON"), reason="Expected `{`"),
    ServerSentError(message="busy", body={"error": {}}, type="overloaded", code=529, param=None),
    IncompleteStream(end=End(cause=EndCause.INCOMPLETE, mid_event=True, bytes_seen=7)),
    BrokenStage(),
    TransportError("reset"),
    ParseError("no text", text=""),
    ProxyError("refused", status=407, headers={"via": "a"}),
    StreamTimeout("late", clock="transport"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_are_pickled_and_copied(error: SSEError) -> None:
    """A pickled or copied error keeps its class, message, attributes and partial result."""
    error.partial = "so far"

    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(copied) is type(error)
        assert repr(copied) == repr(error)
        assert str(copied) == str(error)
        assert copied.__dict__ == error.__dict__


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ERRORS[0], ["Event larger than 8 bytes at byte 3: raise it."]),
        (ERRORS[1], ["byte 3", "invalid start byte", 'errors="replace"']),
        (ERRORS[2], ["status 502", "text/html", "<html>", "check the URL"]),
        (NotEventStream(body_start=b""), ["not an event stream (no body was read)"]),
        (NotEventStream(body_start=b"{}"), ["not an event stream (body begins b'{}')"]),
        (ERRORS[3], ["no JSON", "Expected `{`", 'on_bad_json="skip"']),
        (ERRORS[4], ["busy", "type overloaded", "code 529"]),
        (ServerSentError(message="", body={}), ["no message"]),
        (ERRORS[5], ["ended inside the first event (7 bytes)", ".partial"]),
        (LimitExceeded(limit="calls", maximum=2), ["limit 'calls' of 2 is exceeded: raise"]),
        (IncompleteStream(end=End(cause=EndCause.INCOMPLETE)), ["ended before the first event w"]),
        (IncompleteStream("why", end=End(cause=EndCause.INCOMPLETE)), ["why"]),
        (ERRORS[6], ["interrupted an earlier call", "new object"]),
    ],
)
def test_errors_say_what_to_do(error: SSEError, words: list[str]) -> None:
    """Each message states the facts and what to do."""
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (None, "Not Found (code 7)"),
        (200, "Not Found (code 7)"),
        (404, "Not Found (status 404, code 7)"),
    ],
)
def test_status_of_server_errors(status: int | None, shown: str) -> None:
    """The message of a server's error has the HTTP status, unless that is 200 or unknown."""
    reader = ChunkReader(SimpleNamespace(status=status, headers={}))
    reader.feed(b'{"error": {"message": "Not Found", "code": 7}}')
    reader.close()

    assert str(reader.error) == f"The server sent an error: {shown}"


def test_class_hierarchy() -> None:
    """A timeout is a TransportError, each error is an SSEError, and `partial` is None at first."""
    assert isinstance(ERRORS[-1], TransportError)
    assert all(isinstance(error, SSEError) for error in ERRORS)
    assert SSEError("x").partial is None


REASONS: list[dict[int, str | None]] = [
    {},
    {0: None},
    {0: "stop"},
    {0: "stop", 1: None},
    {1: None, 0: None},
    {0: "stop", 1: "length"},
]


COUNTS = [(0, 0, False), (0, 7, False), (0, 7, True), (1, 1, False), (2, 3410, True), (2, 0, False)]
ENDS = [
    End(
        cause=cause,
        done_seen=done,
        finish_seen=bool(reasons) and None not in reasons.values(),
        mid_event=mid_event,
        bytes_seen=size,
        events_seen=events,
        one_object=one_object,
        finish_reasons=reasons,
    )
    for cause in EndCause
    for events, size, mid_event in COUNTS
    for reasons in REASONS
    for done in (False, True)
    for one_object in (False, True)
]


@pytest.mark.parametrize("cause", EndCause)
def test_incomplete_stream_messages(cause: EndCause) -> None:
    """Each statement of the message follows from an attribute of the end."""
    for end in ENDS:
        if end.cause is cause:
            check_message(end)


def check_message(end: End) -> None:
    cause, events, size, reasons = end.cause, end.events_seen, end.bytes_seen, end.finish_reasons
    message = str(incomplete(end))
    # [DONE] without a choice completes nothing.
    is_done = end.done_seen and bool(reasons)
    neither = cause is EndCause.INCOMPLETE and not is_done and not end.finish_seen
    is_stream = not (neither and end.one_object)

    assert ("the response is incomplete" in message) == neither
    assert ("[DONE]" in message) == (neither and is_stream)
    assert ("one JSON object" in message) == (not is_stream)
    assert ("without a choice" in message or "or a choice" in message) == (
        neither and not reasons and (end.one_object or events > 0 or end.done_seen)
    )
    for index in (0, 1):
        first_missing = next((i for i in (0, 1) if reasons.get(i, "") is None), None)
        assert (f"finish_reason for choice {index}" in message) == (
            neither and index == first_missing
        )
    assert (f"of {len(reasons)} choice" in message) == (neither and bool(reasons))
    assert ("the first event" in message) == (is_stream and not events)
    assert ("inside" in message) == (is_stream and end.mid_event)
    assert (f"{events:,} event" in message) == (is_stream and events > 0)
    assert (f"({size:,} byte" in message) == (is_stream and size > 0)
    assert ("error that the server sent" in message) == (cause is EndCause.SERVER_ERROR)
    assert ("connection failed" in message) == (cause is EndCause.TRANSPORT)
    assert ("timeout" in message) == (cause is EndCause.TIMEOUT)
    assert ("closed it" in message) == (cause is EndCause.CANCELLED)
    assert ("isn't an event stream" in message) == (cause is EndCause.NOT_A_STREAM)
    for word in ("empty", "cut", "truncated", "nothing"):
        assert word not in message


class TestNotEventStream:
    """Tests of the message of NotEventStream."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"", None),
            (b"<html>", "HTML or XML"),
            (b"\xef\xbb\xbf\n <?xml", "HTML or XML"),
            (b'{"choices": [{"mess', "JSON"),
            (b"[1]", "JSON"),
            (b'{"a": [\n{"b": 1}]}', "JSON"),
            (b'{"a": 1}\r\r{', "JSON Lines"),
            (b"data: a\n\n", None),
            (b"foo: bar\n", None),
            (b"\xff\xfe", None),
        ],
    )
    def test_body(self, body: bytes, expected: str | None) -> None:
        """The message names the format that the first bytes of the body look like, if known."""
        message = str(NotEventStream(body_start=body))
        assert ("looks like" in message) == (expected is not None)
        assert f"looks like {expected}; " in message or expected is None
        assert ("no body was read" in message) == (not body)
        for word in ("empty", "completion", "compressed"):
            assert word not in message

    @pytest.mark.parametrize(
        ("body", "encoding", "expected"),
        [
            (b"\x1f\x8b\x08", None, "it seems to be compressed;"),
            (b"\x1f\x8b\x08", "gzip", "it is marked as compressed with gzip;"),
            (b"\x8b\x02\x80", "br", "it is marked as compressed with br;"),
            (b"", "br", "it is marked as compressed with br;"),
            (b"\x8b\x02\x80", None, "x80'); expected"),
            (b"\x8b\x02\x80", "identity", "x80'); expected"),
            (b"<html>", "gzip", "it looks like HTML or XML;"),
            ("Käse".encode()[:2], "gzip", "xc3'); expected"),
        ],
    )
    def test_compressed(self, body: bytes, encoding: str | None, expected: str) -> None:
        """The message mentions compression unless the body is text."""
        headers = {} if encoding is None else {"content-encoding": encoding}
        assert expected in str(NotEventStream(body_start=body, headers=headers))

    @pytest.mark.parametrize(
        ("status", "headers", "expected"),
        [
            (301, {"location": "/new"}, True),
            (308, {"location": "/new"}, True),
            (301, {}, False),
            (200, {"location": "/new"}, False),
        ],
    )
    def test_redirects(self, status: int, headers: dict[str, str], expected: bool) -> None:
        """The message names the target of a redirect."""
        error = NotEventStream(body_start=b"", status=status, headers=headers)
        assert ("it's a redirect to /new; " in str(error)) == expected
