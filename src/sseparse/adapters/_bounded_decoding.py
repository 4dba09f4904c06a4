"""
Decompression in bounded steps, for httpx.

httpx decompresses each read in one call, and 351 bytes of Brotli hold 400 MiB. Here its decoders
get a few bytes at a time. httpx2 bounds its decoders itself.

Private names of httpx relied on, seen in 0.28.1, its last release: `_content` and
`_get_content_decoder` of responses, without which `iter_bytes()` is used; `children` and
`decompressor` of decoders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .._errors import TransportError
from .._stage import Breakable, breaking

# A few bytes of Brotli hold one meta-block at most, which is up to 16 MiB. The others need far more
# for that: gzip makes at most 1,032 bytes of one, zstd 128 KiB of four.
_STEPS: Final = {"BrotliDecoder": 8, "ZStandardDecoder": 64}
_STEP: Final = 512
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
        children = getattr(decoder, "children", [decoder])
        # That of "identity" decompresses nothing.
        self._decoders = [child for child in children if hasattr(child, "decompressor")]
        self._decoded: Iterator[bytes] = iter(())
        self._failure: Exception | None = None

    def feed(self, raw: bytes) -> None:
        """Process a piece of the compressed body; the one before it must be used up."""
        self._decoded = _decode(self._decoders, raw)

    @breaking
    def pop(self) -> bytes:
        """Return the next bytes of the fed piece; none if it is used up."""
        self._raise_error()
        if self._failure is not None:
            raise self._failure
        parts: list[bytes] = []
        size = 0
        try:
            while size < _ENOUGH and (part := next(self._decoded, None)) is not None:
                parts.append(part)
                size += len(part)
        except Exception as error:  # what was decompressed before it comes first
            if not size:
                raise
            self._failure = error
        return b"".join(parts)

    def finish(self) -> None:
        """Process the end of the body: httpx raises where it's incomplete."""
        self._decoder.flush()


def _decode(decoders: list[Any], data: bytes) -> Iterator[bytes]:
    if not decoders:
        yield data
        return
    first, *others = decoders
    step = _STEPS.get(type(first).__name__, _STEP)
    for at in range(0, len(data), step):
        if getattr(first.decompressor, "eof", False):
            if not hasattr(first, "seen_data"):
                require_one_part(data[at:])
                return
            first.__init__()  # of zstd: the next frame
        yield from _decode(others, first.decode(data[at : at + step]))


def require_one_part(rest: bytes) -> None:
    """
    Raise TransportError if another part follows the compressed one: httpx drops all but the first.

    zlib keeps what follows, and copies it at each further call, so it isn't fed any more of it.
    """
    if rest.strip(b"\0"):
        raise TransportError(
            "httpx decompressed the first part of the body and dropped the others; send "
            "'Accept-Encoding: identity'"
        )
