"""
Rename the model in a streamed answer, as a gateway does that has names of its own.

    curl -sSN ... | python examples/rename_model.py house-model

The proxy beside this file changes no byte; this is for those who must. What is no chunk goes on as
the event or comment that it is. To have the proxy do it, send `renamer.feed(piece)` for `piece`.
"""

import os
import sys

from sseparse import ChunkDecoder, Comment, Event, Parser, encode, encode_chunk


class Renamer:
    """Take the bytes of a stream, cut anywhere; return those of the changed one."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._parser = Parser(comments=True)
        self._decoder = ChunkDecoder(on_bad_json="skip")

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; return the events that it completes."""
        return b"".join(self._write(item) for item in self._parser.feed(piece))

    def _write(self, item: Event | Comment) -> bytes:
        if isinstance(item, Comment) or self._decoder.error is not None:
            return encode(item)
        chunks = self._decoder.feed(item)
        for chunk in chunks:
            chunk.model = self._model
        # No chunk is in [DONE], in an error, and in what is no JSON.
        return b"".join(map(encode_chunk, chunks)) or encode(item)


def main() -> None:
    """Rename in standard input, as it comes."""
    renamer = Renamer(sys.argv[1])
    while piece := os.read(sys.stdin.fileno(), 65536):
        sys.stdout.buffer.write(renamer.feed(piece))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
