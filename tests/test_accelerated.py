"""The compiled core and the plain one give the same, byte for byte."""

import gc
import importlib.util
import inspect
import os
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sseparse
from cores import LARGE, WORDS, history, plain
from sseparse import Event, Parser
from sseparse.testing import every_split
from test_parser import CASES, body_of

needs_both = pytest.mark.skipif(
    not sseparse.ACCELERATED, reason="the compiled core was not built, or is not wanted"
)

PIECES = st.lists(
    st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=12).map(b"".join)
    | st.sampled_from(LARGE),
    max_size=8,
)
LIMITS = st.none() | st.integers(1, 12) | st.sampled_from([1023, 1024, 1025, 5000, 65536, 1 << 80])
OPTIONS = st.fixed_dictionaries(
    {
        "comments": st.booleans(),
        "errors": st.sampled_from(["replace", "strict"]),
        "incomplete": st.sampled_from(["discard", "dispatch"]),
        "max_line_bytes": LIMITS,
        "max_event_bytes": LIMITS,
        "last_event_id": st.sampled_from(["", "1", "é"]),
        "retry": st.none() | st.just(7),
    }
)


@needs_both
@settings(max_examples=600)
@given(PIECES, OPTIONS, st.lists(st.sampled_from(["feed", "bulk", "reset"]), max_size=8))
@example([b"data: a\r", b"\ndata: b\r\n\r\n"], {}, [])
@example([b"data", b": 1\n\ndata: 2\n\ndat", b"a: 3\n\n"], {"max_event_bytes": 1}, [])
def test_both_cores_are_alike(
    pieces: list[bytes], options: dict[str, Any], ways: list[str]
) -> None:
    """Whatever comes, however cut, with whatever options: the same at each step."""
    ours, theirs = Parser(**options), plain().Parser(**options)
    assert history(ours, pieces, ways) == history(theirs, pieces, ways)


@needs_both
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_both_cores_are_alike_at_every_cut(case: dict[str, Any]) -> None:
    """The conformance cases, in pieces of every kind."""
    body = body_of(case)
    # Large bodies repeat a line; fewer cuts in two still cut it at each of its bytes.
    for pieces in every_split(body, most=600 if len(body) <= 10_000 else 60):
        assert history(Parser(), [*pieces]) == history(plain().Parser(), [*pieces])


@needs_both
@settings(max_examples=200)
@given(PIECES, st.sampled_from([1, 3, 16, 1 << 20]))
def test_both_cores_give_the_same_chunks(pieces: list[bytes], size: int) -> None:
    """The way by which chunks are taken in bulk is another one than that of events."""
    body = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'.join([b"", *pieces, b""])
    cut = [body[at : at + size] for at in range(0, min(len(body), 5000), size)]
    ours, theirs = sseparse.ChunkParser(), plain().ChunkParser()
    for piece in cut:
        assert [*map(repr, ours.feed(piece))] == [*map(repr, theirs.feed(piece))]
        assert (ours.error is None) == (theirs.error is None)
        if ours.error is not None:
            break
    assert repr(ours.end) == repr(theirs.end)


@needs_both
def test_a_parser_is_an_object_like_others() -> None:
    """It can be extended, referred to weakly, reset, and made again without a new call of new."""

    class Mine(Parser):
        def feed(self, data: Any) -> list[Event]:
            return [*super().feed(data), Event("mine")]

    parser = Mine(last_event_id="1")
    assert parser.feed(b"id: 2\ndata: a\n\ndata: b") == [Event("a", id="2"), Event("mine")]
    parser.reset()
    assert (parser.last_event_id, parser.bytes_seen) == ("2", 0)
    parser.__init__(last_event_id="3")  # type: ignore[misc] # what is odd about it is the point
    assert parser.feed(b"data: c\n\n") == [Event("c", id="3"), Event("mine")]
    reference = weakref.ref(parser)
    parser.itself = parser  # type: ignore[attr-defined] # a cycle
    del parser
    gc.collect()
    assert reference() is None
    assert Parser[Event] is not None


@needs_both
def test_a_parser_that_is_fed_while_it_works() -> None:
    """A finalizer that feeds it in the middle of a feed gets a RuntimeError and changes nothing."""
    refused: list[str] = []

    class Fed(str):
        __slots__ = ()

        def __del__(self) -> None:
            with pytest.raises(RuntimeError) as caught:
                parser.feed(b"data: inner\n\n")
            refused.append(str(caught.value))

    parser = Parser(last_event_id=Fed("1"))
    parser.feed(b"\n\n\n")
    events = parser.feed(b"id: 2\ndata: a\n\ndata: b\n\n")

    assert events == [Event("a", id="2"), Event("b", id="2")]
    (message,) = refused
    assert "called during another call of the same parser" in message
    assert parser.error is None
    assert parser.feed(b"data: c\n\n") == [Event("c", id="2")]


@needs_both
def test_both_cores_are_documented_alike() -> None:
    """What help() says does not depend on the core."""
    for name in ("feed", "plain_events"):
        ours, theirs = getattr(Parser, name), getattr(plain().Parser, name)
        assert inspect.getdoc(ours) == inspect.getdoc(theirs)
        assert [*inspect.signature(ours).parameters] == [*inspect.signature(theirs).parameters]


@needs_both
def test_a_parser_that_was_not_begun() -> None:
    """One whose initialiser was never called fails with an error of Python's, not the process."""
    parser = Parser.__new__(Parser)
    with pytest.raises(AttributeError):
        parser.feed(b"data: a\n\n")
    with pytest.raises(AttributeError):
        parser.close()


@needs_both
def test_threads_that_share_a_parser_do_not_break_the_process() -> None:
    """
    One thread a parser is the rule; who breaks it gets events in any order, and no crash.

    Where the garbage collector lets another thread run in the middle of a feed, that thread gets
    a RuntimeError, and its piece changes nothing.
    """
    parser = Parser()
    parser.feed(b"\n\n\n")
    events: list[Event] = []

    def feed() -> None:
        for piece in [b"data: a\n\nda", b"ta: b\n", b"\n"] * 2000:
            with suppress(RuntimeError):
                events.extend(parser.feed(piece))

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parser.events_seen == len(events) > 0


@pytest.mark.parametrize(("value", "pure"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_plain_core_can_be_asked_for(value: str, pure: bool) -> None:
    """SSEPARSE_PURE says so before the import; ACCELERATED tells which is in use."""
    code = "import sseparse; print(sseparse.ACCELERATED, sseparse.Parser().feed(b'data: a\\n\\n'))"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SSEPARSE_PURE": value},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    built = importlib.util.find_spec("sseparse.sse._core_c") is not None
    events = [Event("a")]
    assert printed == f"{built and not pure} {events}\n"
