"""
Rename the model in a streamed response, as a gateway with its own model names does.

    curl -sSN ... | python examples/rename_model.py house-model

Events that aren't chunks, and comments, don't change. To rename the model in proxy.py, send
`renamer.feed(piece)` instead of `piece`.
"""

import os
import sys

from sseparse import ChunkDecoder, Comment, Event, Parser, encode, encode_chunk


class Renamer:
    """Incremental converter of the bytes of a stream."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._parser = Parser(comments=True)
        self._decoder = ChunkDecoder(on_bad_json="skip")

    def feed(self, piece: bytes) -> bytes:
        """Feed a piece; return the bytes of the events it completes."""
        return b"".join(self._write(item) for item in self._parser.feed(piece))

    def _write(self, item: Event | Comment) -> bytes:
        if isinstance(item, Comment) or self._decoder.error is not None:
            return encode(item)
        chunks = self._decoder.feed(item)
        for chunk in chunks:
            chunk.model = self._model
        # [DONE], errors and malformed JSON give no chunk.
        return b"".join(map(encode_chunk, chunks)) or encode(item)


def main() -> None:
    """Convert standard input as it arrives."""
    renamer = Renamer(sys.argv[1])
    while piece := os.read(sys.stdin.fileno(), 65536):
        sys.stdout.buffer.write(renamer.feed(piece))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
