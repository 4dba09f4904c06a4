"""Streams for a gate, and checks that record the texts they get."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Self

from sseparse import ChatCompletionChunk, Chunk
from sseparse.chunks import ChoiceDelta, ChunkChoice

LIMIT = 30  # seconds: far more than any machine needs
DONE = b"data: [DONE]\n\n"


def piece(text: str | None, choice: int = 0, finish_reason: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    each = {"index": choice, "delta": delta, "finish_reason": finish_reason}
    return f"data: {json.dumps({'choices': [each]})}\n\n".encode()


def body(*texts: str) -> list[bytes]:
    """Return the pieces of a complete body that streams these texts."""
    return [*map(piece, texts), piece(None, finish_reason="stop"), DONE]


def chunk(text: str, choice: int = 0, finish_reason: str | None = None) -> ChatCompletionChunk:
    delta = ChoiceDelta(content=text)
    each = ChunkChoice(index=choice, delta=delta, finish_reason=finish_reason)
    return ChatCompletionChunk(choices=[each])


class Source:
    """Yields the given items, raises those that are exceptions, and counts calls of close()."""

    def __init__(self, *items: bytes | Chunk | BaseException) -> None:
        self._items = iter(items)
        self.left = len(items)
        self.closed = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        item = next(self._items)
        self.left -= 1
        if isinstance(item, BaseException):
            raise item
        return item  # type: ignore[return-value]  # typed for streams; some tests yield chunks

    def close(self) -> None:
        self.closed += 1


class AsyncSource:
    """The same, asynchronously."""

    def __init__(self, *items: bytes | Chunk | BaseException) -> None:
        self.source = Source(*items)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self.source)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        self.source.close()


class Blocklist:
    """Check that flags texts with one of the words, and records all texts."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.seen: list[str] = []

    def __call__(self, text: str) -> bool:
        self.seen.append(text)
        return not any(word in text for word in self._words)


class ScriptedCheck:
    """Check that returns or raises the given outcomes in order, and records all texts."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes: Iterator[object] = iter(outcomes)
        self.seen: list[str] = []

    def __call__(self, text: str) -> bool:
        self.seen.append(text)
        outcome = next(self._outcomes, True)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome  # type: ignore[return-value]  # some tests return invalid verdicts
