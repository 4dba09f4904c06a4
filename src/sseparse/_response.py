"""Facts of a response: its status, its headers, and what the first bytes of its body show."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

# Fetch, 2.2.6 "redirect status".
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Values of a header, separated by commas outside quoted strings (Fetch, "get, decode, and split").
_HEADER_VALUE: Final = re.compile(r'(?:[^",]++|"(?:[^"\\]|\\.)*+"?+)++', re.DOTALL)
_MIME_TYPE: Final = re.compile(
    r"\s*([!#$%&'*+\-.^_`|~\w]+/[!#$%&'*+\-.^_`|~\w]+)\s*(?:;.*)?", re.DOTALL | re.ASCII
)

# The first bytes of gzip, zstd and zlib. Brotli has none of its own.
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x9c", b"x\xda")
TEXT_SAMPLE: Final = 16  # bytes; bzip2 begins with 10 bytes of ASCII
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:")
_CONTROL: Final = re.compile("[\0-\x08\x0e-\x1f\x7f]")


def status_of(response: object) -> int | None:
    """Return the HTTP status of a response or source, or None."""
    # In some libraries `status` is a text, such as "200 OK".
    known = (getattr(response, name, None) for name in ("status", "status_code"))
    return next((status for status in known if isinstance(status, int)), None)


def headers_of(response: object) -> dict[str, str]:
    """Return the headers of a response or source by lower-case name."""
    return lower_case(getattr(response, "headers", None))


def lower_case(headers: Any) -> dict[str, str]:
    """Return headers by lower-case name, repeated ones joined, without those that aren't text."""
    # Some test doubles have a list of pairs.
    items = getattr(headers, "items", None)
    return join_pairs((headers or ()) if items is None else items())


def join_pairs(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Return names and values of headers as `lower_case()` does."""
    # RFC 9110, 5.3: the values of a repeated header can be joined.
    joined: dict[str, str] = {}
    for name, value in pairs:
        if isinstance(name, str) and isinstance(value, str):
            key = name.lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def is_event_stream_type(content_type: str) -> bool:
    """
    Return whether the last valid value of Content-Type is that of event streams.

    Source: Fetch, 2.2.2 "Headers", extract a MIME type.
    """
    essence = ""
    for value in _HEADER_VALUE.findall(content_type):
        match = _MIME_TYPE.fullmatch(value)
        if match is not None and match[1] != "*/*":
            essence = match[1].lower()
    return essence == "text/event-stream"


def looks_encoded(body_start: bytes, headers: Mapping[str, str]) -> bool:
    """Return whether a body seems to be compressed, by its headers or its first bytes."""
    if body_start.startswith(_COMPRESSED):
        return True
    return bool(content_codings(headers)) and not (body_start and is_text(body_start))


def content_codings(headers: Mapping[str, str]) -> list[str]:
    """Return the names in Content-Encoding, in lower case, without "identity"."""
    names = (name.strip() for name in headers.get("content-encoding", "").lower().split(","))
    return [name for name in names if name not in {"", "identity"}]


def is_text(body_start: bytes) -> bool:
    """Return whether a body with this prefix is text and not compressed. An empty prefix is."""
    sample = body_start[:TEXT_SAMPLE]
    # After the name of a field, even a byte that isn't text is data.
    if sample.startswith(_FIELDS):
        return True
    try:
        text, _ = codecs.utf_8_decode(sample)
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(text) is None


# A field after another one, or after the JSON of its data, in the body's only line.
_JOINED_LINES: Final = re.compile(
    rb"(?:data:[^\r\n]*?[}\]]|(?:event|id|retry)?:[^\r\n]*?)(?:data|event):[^\r\n]*\Z"
)


def lost_line_ends(body_start: bytes) -> bool:
    """Return whether a body without any event looks like lines that were joined without ends."""
    return _JOINED_LINES.match(body_start) is not None


def name_format(body_start: bytes) -> str | None:
    """Return the format that a body seems to have if it isn't an event stream, or None."""
    text = body_start.removeprefix(codecs.BOM_UTF8).strip()
    if text.startswith(b"<"):
        return "HTML or XML"
    if not text.startswith((b"{", b"[")):
        return None
    first, *others = text.splitlines()
    one_each = first.rstrip().endswith(b"}") and any(line.startswith(b"{") for line in others)
    return "JSON Lines" if one_each else "JSON"
