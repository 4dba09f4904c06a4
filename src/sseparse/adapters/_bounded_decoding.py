"""
Decompression in bounded steps, for httpx.

httpx decompresses each read as a whole, and 351 bytes of Brotli hold 400 MiB. Here its decoders get
a few bytes at a time. httpx2 bounds its decoders itself.

Private names of httpx relied on, seen in 0.28.1, its last release: `_content` and
`_get_content_decoder` of responses, without which `iter_bytes()` is used; `children` and
`decompressor` of decoders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .._stage import Breakable, breaking

# So many bytes hold one meta-block of Brotli at most, which is up to 16 MiB. The others need far
# more for that: gzip makes at most 1,032 bytes of one, zstd 128 KiB of four.
_STEP: Final = 8
_ENOUGH: Final = 65536


class BoundedDecoder(Breakable):
    """
    Decompresses the pieces of a body.

    Args:
        decoder: A decoder of httpx.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self._decoder = decoder
        self._decoders: list[Any] = list(getattr(decoder, "children", [decoder]))
        self._decoded: Iterator[bytes] = iter(())

    def feed(self, raw: bytes) -> None:
        """Process a piece of the compressed body; the one before it must be used up."""
        self._decoded = _decode(self._decoders, raw)

    @breaking
    def pop(self) -> bytes:
        """Return the next bytes of the fed piece; none if it is used up."""
        self._raise_error()
        parts: list[bytes] = []
        size = 0
        while size < _ENOUGH and (part := next(self._decoded, None)) is not None:
            parts.append(part)
            size += len(part)
        return b"".join(parts)

    def finish(self) -> None:
        """Process the end of the body: httpx raises where it's incomplete."""
        self._decoder.flush()


def _decode(decoders: list[Any], data: bytes) -> Iterator[bytes]:
    if not decoders:
        yield data
        return
    first, *others = decoders
    at = 0
    while at < len(data):
        step = _STEP
        if getattr(first.decompressor, "eof", False):
            if hasattr(first, "seen_data"):
                first.__init__()  # of zstd: the next frame
            else:
                step = len(data)  # of gzip: trailing bytes, which zlib copies at each call
        yield from _decode(others, first.decode(data[at : at + step]))
        at += step
