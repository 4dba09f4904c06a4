"""Bodies that come compressed, and that nothing decompresses."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from .._errors import NotEventStream
from ..streams._faults import refused

USUAL: Final = frozenset({"gzip", "deflate", "br", "zstd"})
"""The codings that clients decode, or refuse by themselves."""


def undecoded(
    status: int | None, headers: Mapping[str, str], decoded: Container[str]
) -> NotEventStream | None:
    """
    Tell of a body that nothing decodes; None where there is no such thing to tell.

    Args:
        status: The response's status.
        headers: Its headers; names are found in lower case.
        decoded: The values of Content-Encoding that are decoded, besides "identity".
    """
    codings = (headers.get("content-encoding") or "").lower().split(",")
    names = [coding.strip() for coding in codings]
    if all(name in ("", "identity") or name in decoded for name in names):
        return None
    return refused(status, headers)
