"""Content that comes as a list of parts."""

from __future__ import annotations

from typing import Any

from .._json import is_list, is_object


def text_of(content: str | list[Any] | None) -> str:
    """Return the text that stands in a content, be it a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(_texts(content, "text")) if content else ""


def thinking_of(content: list[Any]) -> str:
    """Return the reasoning that stands in a list of parts, as Mistral sends it."""
    return "".join(
        text_of(part["thinking"]) for part in content if _is(part, "thinking", (list, str))
    )


def other_parts(content: list[Any]) -> list[Any]:
    """Return the parts that are not, or not only, text or reasoning."""
    return [part for part in content if not _is_only_text(part)]


def _is_only_text(part: Any) -> bool:
    if _is(part, "text", str):
        return len(part) == 2
    if not _is(part, "thinking", (list, str)):
        return False
    inner: Any = part["thinking"]
    if is_list(inner) and not all(map(_is_only_text, inner)):
        return False
    return set(part) <= {"type", "thinking", "closed"}


def _texts(parts: list[Any], kind: str) -> list[str]:
    return [part[kind] for part in parts if _is(part, kind, str)]


def _is(part: Any, kind: str, shape: type | tuple[type, ...]) -> bool:
    return is_object(part) and part.get("type") == kind and isinstance(part.get(kind), shape)
