"""Content codings that compress an answer piece by piece."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import frozen

CONTENT_ENCODINGS = {"gzip": "gzip", "gzip-unflushed": "gzip", "br": "br", "zstd": "zstd"}
"""The Content-Encoding of each framing that compresses."""

_GZIP = 16 + zlib.MAX_WBITS
_LIBRARIES = {"br": "brotli", "zstd": "zstandard"}
# The default, the best one, takes seconds for a body that others take milliseconds for.
_BROTLI_QUALITY = 5


@frozen
class Coding:
    """
    Compress one body.

    Attributes:
        compress: Takes a piece; returns what is ready.
        flush: Returns all that was held back so far, so that the pieces can be read.
        finish: Returns what ends the body.
    """

    compress: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    finish: Callable[[], bytes]


def make_coding(framing: str) -> Coding:
    """
    Make the coding of a framing, fresh; one that does nothing where it has none.

    Raises:
        ModuleNotFoundError: The library that compresses is not installed.
    """
    match framing:
        case "gzip":
            gzip = zlib.compressobj(wbits=_GZIP)
            return Coding(gzip.compress, partial(gzip.flush, zlib.Z_SYNC_FLUSH), gzip.flush)
        case "gzip-unflushed":
            gzip = zlib.compressobj(wbits=_GZIP)
            return Coding(gzip.compress, bytes, gzip.flush)
        case "br":
            brotli = need_library(framing).Compressor(quality=_BROTLI_QUALITY)
            return Coding(brotli.process, brotli.flush, brotli.finish)
        case "zstd":
            library = need_library(framing)
            zstd = library.ZstdCompressor().compressobj()
            flush = partial(zstd.flush, library.COMPRESSOBJ_FLUSH_BLOCK)
            return Coding(zstd.compress, flush, zstd.flush)
        case _:
            return Coding(bytes, bytes, bytes)


def need_library(framing: str) -> Any:
    """
    Import the library that a framing compresses with; None where it needs none.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    name = _LIBRARIES.get(framing)
    if name is None:
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"framing={framing!r} needs {name}: pip install {name}"
        raise ModuleNotFoundError(message, name=error.name) from error
