"""Rewriting of chunks between their parser and their accumulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .._stage import Uncopyable
from ..payloads._parser import ItemParser
from ._models import Chunk
from ._results import ResultT


class Rewriter(Protocol):
    """A step that replaces the chunks of one stream. It never changes a chunk."""

    def rewrite(self, chunk: Chunk, /, *, last: bool = False) -> list[Chunk]:
        """Return the chunks that replace a chunk; with `last`, hold nothing back."""
        ...

    def flush(self) -> list[Chunk]:
        """Return a chunk with the text held back, if there is any."""
        ...

    def correct(self, result: ResultT, /) -> ResultT:
        """Return the result of the chunks, with what was known only after them, and with notes."""
        ...


class RewritingParser(Uncopyable):
    """
    A parser of chunks whose chunks are rewritten. It has the attributes of the parser.

    Args:
        parser: The parser.
        rewriters: The rewriters of its chunks, in order.
    """

    def __init__(self, parser: ItemParser[Chunk], rewriters: Sequence[Rewriter]) -> None:
        self._parser = parser
        self._rewriters = rewriters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Chunk]:
        """Feed bytes as `ItemParser.feed()` does. An error or [DONE] releases what was held."""
        chunks = self._parser.feed(data)
        return self._rewrite(chunks, ended=self._parser.done or self._parser.error is not None)

    def close(self) -> list[Chunk]:
        """Process the end of the input as `ItemParser.close()` does, and release what was held."""
        return self._rewrite(self._parser.close(), ended=True)

    def decode_late(self) -> list[Chunk]:
        """Return the chunks after an error. Each can be the last, so that nothing is held back."""
        chunks = self._parser.decode_late()
        for rewriter in self._rewriters:
            chunks = [new for chunk in chunks for new in rewriter.rewrite(chunk, last=True)]
        return chunks

    def _rewrite(self, chunks: list[Chunk], *, ended: bool) -> list[Chunk]:
        for rewriter in self._rewriters:
            chunks = [new for chunk in chunks for new in rewriter.rewrite(chunk)]
            if ended:
                chunks += rewriter.flush()
        return chunks
