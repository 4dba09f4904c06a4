"""Errors say what was seen, where, and what to do."""

import copy
import pickle

import pytest

from sseparse import (
    ChunkDecodeError,
    EncodingError,
    End,
    EndCause,
    Event,
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    ServerSentError,
    SSEError,
    StreamTimeout,
    TransportError,
)

ERRORS = [
    LimitExceeded(limit="event", maximum=8, offset=3),
    EncodingError(offset=3, reason="invalid start byte"),
    NotEventStream(body_start=b"<html>", status=502, content_type="text/html"),
    ChunkDecodeError(event=Event("no JSON"), reason="Expected `{`"),
    ServerSentError(message="busy", body={"error": {}}, type="overloaded", code=529, param=None),
    IncompleteStream(end=End(cause=EndCause.INCOMPLETE, mid_event=True, bytes_seen=7)),
    TransportError("reset"),
    StreamTimeout("late", clock="transport"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_cross_process_borders(error: SSEError) -> None:
    """Pickled or copied, an error keeps its kind, message, attributes and partial result."""
    error.partial = "so far"

    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert twin.__dict__ == error.__dict__


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ERRORS[0], ["event larger than 8 bytes", "byte 3", "max_event_bytes"]),
        (ERRORS[1], ["byte 3", "invalid start byte", 'errors="replace"']),
        (ERRORS[2], ["status 502", "text/html", "<html>", "check the URL"]),
        (NotEventStream(body_start=b"{}"), ["not an event stream (body begins b'{}')"]),
        (ERRORS[3], ["no JSON", "Expected `{`", 'on_bad_json="skip"']),
        (ERRORS[4], ["busy", "type overloaded", "code 529"]),
        (ServerSentError(message="", body={}), ["no message"]),
        (ERRORS[5], ["ended inside an event after 0 events", ".partial"]),
        (IncompleteStream(end=End(cause=EndCause.INCOMPLETE)), ["the body was empty"]),
    ],
)
def test_errors_say_what_to_do(error: SSEError, words: list[str]) -> None:
    """Each message holds the facts and the next step."""
    for word in words:
        assert word in str(error)


def test_one_root() -> None:
    """Timeouts are transport errors; all are SSEError; nothing accumulated means no partial."""
    assert isinstance(ERRORS[-1], TransportError)
    assert all(isinstance(error, SSEError) for error in ERRORS)
    assert SSEError("x").partial is None


class TestNotEventStream:
    """What the message makes of a body that is none."""

    @pytest.mark.parametrize(
        ("body", "encoding", "said"),
        [
            (b"\x1f\x8b\x08", None, "bytes compressed, which nothing decompressed"),
            (b"\x1f\x8b\x08", "gzip", "bytes compressed with gzip, which"),
            (b"\x8b\x02\x80", "br", "bytes compressed with br, which"),
            (b"", "br", "bytes compressed with br, which"),
            (b"\x8b\x02\x80", None, "something else"),
            (b"\x8b\x02\x80", "identity", "something else"),
            (b"<html>", "gzip", "a page of HTML or XML"),
            ("Käse".encode()[:2], "gzip", "something else"),
        ],
    )
    def test_compressed(self, body: bytes, encoding: str | None, said: str) -> None:
        """Bytes that are no text, under a header that says why; text was decompressed."""
        headers = {} if encoding is None else {"content-encoding": encoding}
        assert said in str(NotEventStream(body_start=body, headers=headers))

    @pytest.mark.parametrize(
        ("status", "headers", "said"),
        [
            (301, {"location": "/new"}, True),
            (308, {"location": "/new"}, True),
            (301, {}, False),
            (200, {"location": "/new"}, False),
        ],
    )
    def test_redirects(self, status: int, headers: dict[str, str], said: bool) -> None:
        """A redirect says where to."""
        error = NotEventStream(body_start=b"", status=status, headers=headers)
        assert ("a redirect to /new" in str(error)) == said
