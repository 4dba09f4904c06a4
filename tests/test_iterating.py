"""`iter()` and `aiter()` of the stages: the output for an iterable of input."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cores import WORDS
from sseparse import (
    BrokenStage,
    ChunkDecoder,
    ChunkParser,
    Comment,
    DecodeError,
    EncodingError,
    EndCause,
    Event,
    LimitExceeded,
    Parser,
    ServerSentError,
    SSEError,
)
from sseparse.testing import run_stage

pytestmark = pytest.mark.anyio


def chunk(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


class Later:
    """An asynchronous input, which isn't a generator and so needs no closing."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self._pieces = iter(pieces)

    def __aiter__(self) -> "Later":
        return self

    async def __anext__(self) -> Any:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


async def read_all(items: Iterator[Any] | AsyncIterator[Any], into: list[Any]) -> None:
    async for item in Later(items) if isinstance(items, Iterator) else items:
        into.append(item)  # noqa: PERF401 - keeps the items before an exception


PIECES = st.lists(
    st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=9).map(b"".join), max_size=6
)


@given(PIECES, st.sampled_from(["replace", "strict"]), st.sampled_from(["discard", "dispatch"]))
async def test_same_as_feed_and_close(pieces: list[bytes], errors: Any, incomplete: Any) -> None:
    """The items and the error are those of feed() and close(), for any bytes and cuts."""

    def make() -> Parser[Any]:
        return Parser(comments=True, errors=errors, incomplete=incomplete, max_line_bytes=3000)

    reference = make()
    expected = run_stage(reference, pieces)
    for parser in (one := make(), make()):
        found: list[Any] = []
        error = None
        items = one.iter(pieces) if parser is one else parser.aiter(Later(pieces))
        try:
            await read_all(items, found)
        except SSEError as raised:
            error = raised
        assert (found, repr(error)) == (expected.items, repr(expected.error))
        assert parser.end == reference.end


@pytest.mark.parametrize(
    ("make", "pieces", "kind", "before"),
    [
        (lambda: Parser(max_line_bytes=8), [b"data: a\n\ndata: too long\n"], LimitExceeded, 1),
        (lambda: Parser(errors="strict"), [b"data: a\n\n", b"data: \xe2\x98"], EncodingError, 1),
        (ChunkParser, [chunk("a") + b"data: no\n\n" + chunk("b")], DecodeError, 1),
        (ChunkParser, [chunk("a") + b'data: {"error": "x"}\n\n', b"x"], ServerSentError, 1),
        (ChunkDecoder, [Event("{}"), Event("no JSON"), Event("{}")], DecodeError, 1),
    ],
)
async def test_error_comes_after_the_items_before_it(
    make: Callable[[], Any], pieces: list[Any], kind: type[SSEError], before: int
) -> None:
    """The error is raised after the items before it, and again by every later call."""
    stage = make()
    items = stage.iter(pieces)
    assert len([next(items) for _ in range(before)]) == before
    async_items = make().aiter(Later(pieces))
    assert len([await anext(async_items) for _ in range(before)]) == before

    for _ in range(2):
        with pytest.raises(kind) as caught:
            next(items)
        assert caught.value is stage.error
        with pytest.raises(kind):
            await anext(async_items)


async def test_nothing_is_read_early() -> None:
    """A piece is read when the items before it have been returned; none after an error."""
    read: list[bytes] = []

    def source() -> Iterator[bytes]:
        for piece in (
            b"data: a\n\ndata: b\n\n",
            b"data: c\n",
            b"\ndata: too long\n",
            b"data: d\n\n",
        ):
            read.append(piece)
            yield piece

    items = Parser(max_line_bytes=8).iter(source())

    assert (next(items), len(read)) == (Event("a"), 1)
    assert (next(items), len(read)) == (Event("b"), 1)
    assert (next(items), len(read)) == (Event("c"), 3)
    with pytest.raises(LimitExceeded):
        next(items)
    assert len(read) == 3


async def test_end() -> None:
    """At the end of the input the stage is closed, and the iterator stays exhausted."""
    parser = ChunkParser()
    items = parser.iter([chunk("a"), b'data: {"choices": []}'])
    assert [item.text for item in items] == ["a", ""]

    assert next(items, None) is None
    assert parser.end is not None
    assert parser.end.cause is EndCause.INCOMPLETE
    with pytest.raises(RuntimeError, match="close"):
        next(parser.iter([b"data"]))

    decoder = ChunkDecoder()
    assert len([*decoder.iter(Parser().iter([chunk("a"), b"data: [DONE]\n\n"]))]) == 1
    assert decoder.done


async def test_stopping_early() -> None:
    """After a break the parser is open, and the same iterator continues where it stopped."""
    parser = Parser(comments=True)
    items = parser.iter([b"data: a\n\ndata: b\n\n: x\n", b"data: c\n\n"])
    for item in items:
        assert item == Event("a")
        break

    assert parser.end is None
    assert [*items] == [Event("b"), Comment(" x"), Event("c")]

    parser = Parser(comments=True)
    async_items = parser.aiter(Later([b"data: a\n\ndata: b\n\n"]))
    async for item in async_items:
        assert item == Event("a")
        break
    assert parser.end is None
    assert [item async for item in async_items] == [Event("b")]


async def test_exceptions_of_the_input() -> None:
    """
    An exception of the input is raised unchanged and leaves the parser open.

    The iterator can't be continued, because the input can look as if it had ended.
    """

    def fail() -> Iterator[bytes]:
        yield b"data: a\n\ndata: "
        raise OSError("reset")

    parser = Parser()
    items = parser.iter(fail())
    assert next(items) == Event("a")
    with pytest.raises(OSError, match="reset"):
        next(items)
    with pytest.raises(BrokenStage):
        next(items)
    assert (parser.error, parser.end) == (None, None)
    assert [*parser.iter([b"b\n\n"])] == [Event("b")]

    parser = Parser()
    async_items = parser.aiter(Later(fail()))
    assert await anext(async_items) == Event("a")
    with pytest.raises(OSError, match="reset"):
        await anext(async_items)
    with pytest.raises(BrokenStage):
        await anext(async_items)
    assert (parser.error, parser.end) == (None, None)


async def test_misuse() -> None:
    """Input of a wrong type raises TypeError."""
    with pytest.raises(TypeError, match="int"):
        Parser().iter(3)  # type: ignore[arg-type] # misuse
    with pytest.raises(TypeError, match="int"):
        Parser().aiter(3)  # type: ignore[arg-type] # misuse
    with pytest.raises(
        TypeError, match="expected bytes, bytearray or memoryview, not str; encode the text"
    ):
        next(Parser().iter(["data: a"]))  # type: ignore[list-item] # misuse
    with pytest.raises(TypeError, match=r"expected bytes, bytearray or memoryview, not int$"):
        next(Parser().iter(b"data: a"))  # type: ignore[arg-type] # misuse
