"""The compiled core and the Python core return the same for the same bytes."""

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
from cores import LARGE, WORDS, load_pure_library, record_steps
from sseparse import Event, Parser
from sseparse.testing import every_split
from test_parser import CASES, body_of

needs_both = pytest.mark.skipif(
    not sseparse.ACCELERATED, reason="the compiled core isn't built, or SSEPARSE_PURE disables it"
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
@settings(max_examples=200)
@given(PIECES, OPTIONS, st.lists(st.sampled_from(["feed", "bulk", "reset"]), max_size=8))
@example([b"data: a\r", b"\ndata: b\r\n\r\n"], {}, [])
@example([b"data", b": 1\n\ndata: 2\n\ndat", b"a: 3\n\n"], {"max_event_bytes": 1}, [])
def test_cores_are_equivalent(
    pieces: list[bytes], options: dict[str, Any], ways: list[str]
) -> None:
    """For any bytes, cuts and options, both cores have the same state after each step."""
    compiled, pure = Parser(**options), load_pure_library().Parser(**options)
    assert record_steps(compiled, pieces, ways) == record_steps(pure, pieces, ways)


@needs_both
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_cores_are_equivalent_at_every_cut(case: dict[str, Any]) -> None:
    """Both cores have the same results for the conformance cases at every cut."""
    body = body_of(case)
    # Large bodies repeat a line, so that fewer cuts still include each of its bytes.
    for pieces in every_split(body, most=600 if len(body) <= 10_000 else 60):
        pure = load_pure_library().Parser()
        assert record_steps(Parser(), [*pieces]) == record_steps(pure, [*pieces])


@needs_both
@settings(max_examples=100)
@given(PIECES, st.sampled_from([1, 3, 16, 1 << 20]))
def test_chunks_of_both_cores(pieces: list[bytes], size: int) -> None:
    """Both cores return the same chunks, which are parsed in bulk."""
    body = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'.join([b"", *pieces, b""])
    cut = [body[at : at + size] for at in range(0, min(len(body), 5000), size)]
    compiled, pure = sseparse.ChunkParser(), load_pure_library().ChunkParser()
    for piece in cut:
        assert [*map(repr, compiled.feed(piece))] == [*map(repr, pure.feed(piece))]
        assert (compiled.error is None) == (pure.error is None)
        if compiled.error is not None:
            break
    assert repr(compiled.end) == repr(pure.end)


@needs_both
def test_parser_is_a_python_object() -> None:
    """A parser can have subclasses and weak references, be reset, and be initialized again."""

    class Mine(Parser):
        def feed(self, data: Any) -> list[Event]:
            return [*super().feed(data), Event("mine")]

    parser = Mine(last_event_id="1")
    assert parser.feed(b"id: 2\ndata: a\n\ndata: b") == [Event("a", id="2"), Event("mine")]
    parser.reset()
    assert (parser.last_event_id, parser.bytes_seen) == ("2", 0)
    parser.__init__(last_event_id="3")  # type: ignore[misc] # tested on purpose
    assert parser.feed(b"data: c\n\n") == [Event("c", id="3"), Event("mine")]
    reference = weakref.ref(parser)
    parser.cycle = parser  # type: ignore[attr-defined] # an attribute of its own
    del parser
    gc.collect()
    assert reference() is None
    assert Parser[Event] is not None


@needs_both
def test_feed_during_another_feed() -> None:
    """A finalizer that calls feed() during a feed gets a RuntimeError and changes nothing."""
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
def test_docstrings_of_both_cores() -> None:
    """Both cores have the same docstrings and parameters."""
    for name in ("feed", "plain_events"):
        compiled, pure = getattr(Parser, name), getattr(load_pure_library().Parser, name)
        assert inspect.getdoc(compiled) == inspect.getdoc(pure)
        assert [*inspect.signature(compiled).parameters] == [*inspect.signature(pure).parameters]


@needs_both
def test_parser_without_init() -> None:
    """A parser whose `__init__` wasn't called raises AttributeError and doesn't crash."""
    parser = Parser.__new__(Parser)
    with pytest.raises(AttributeError):
        parser.feed(b"data: a\n\n")
    with pytest.raises(AttributeError):
        parser.close()


@needs_both
def test_threads_that_share_a_parser_do_not_crash() -> None:
    """
    Threads that share a parser get events in any order, or a RuntimeError, and no crash.

    The garbage collector can let another thread run during a feed. That thread gets a
    RuntimeError, and its piece changes nothing.
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
def test_pure_core_is_selected(value: str, pure: bool) -> None:
    """SSEPARSE_PURE selects the Python core at import, and ACCELERATED reports the core in use."""
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
