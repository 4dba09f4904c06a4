"""Texts of content and reasoning, which servers send as strings, numbers, lists and parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._json import is_list, is_object

if TYPE_CHECKING:
    from ._models import ChoiceDelta


def reasoning_texts(
    reasoning_content: str, reasoning: str, details: list[dict[str, Any]] | None
) -> list[str]:
    """
    Return the reasoning texts that a delta or a message has under its different names.

    Servers that use two names send the same text under both, or different texts. Structured
    details repeat the text of another name.
    """
    if not reasoning_content and not reasoning:
        texts = [detail.get("text") or detail.get("summary") for detail in details or ()]
        return [text for text in texts if isinstance(text, str)]
    return [*dict.fromkeys((reasoning_content, reasoning))]


# Other names of reasoning, which the schema doesn't name: those of Copilot, of proxies in front of
# Gemini and Claude, and of Ollama.
REASONING_NAMES: Final = ("reasoning_text", "thinking_content", "thinking", "thought")


def reasoning_of(value: Any) -> str:
    """Return the text of reasoning: a string, a number, or a list of strings or parts."""
    if isinstance(value, str):
        return value
    if is_list(value):
        return "".join(map(_reasoning_in, value))
    return str(value) if type(value) in (int, float) else ""


def _reasoning_in(part: Any) -> str:
    if not is_object(part):
        return _text_in(part)
    value = part.get("text") or part.get("thinking") or part.get("summary")
    return "".join(map(_text_in, value)) if is_list(value) else _text_in(value)


def reasoning_parts(value: Any) -> list[Any]:
    """Return the parts of reasoning that have more than the text that `reasoning_of` returns."""
    return [part for part in value if not _is_only_reasoning(part)] if is_list(value) else []


def _is_only_reasoning(part: Any) -> bool:
    if not is_object(part):
        return isinstance(part, str)
    names = part.keys() - {"type", "closed"}
    if len(names) != 1 or not names <= {"text", "thinking", "summary"}:
        return False
    value = part[names.pop()]
    return all(map(_is_bare_text, value)) if is_list(value) else isinstance(value, str)


def _is_bare_text(part: Any) -> bool:
    if not is_object(part):
        return isinstance(part, str)
    return part.keys() <= {"type", "text"} and isinstance(part.get("text"), str)


def _text_in(part: Any) -> str:
    text = part.get("text") if is_object(part) else part
    return text if isinstance(text, str) else ""


def other_reasoning(delta: ChoiceDelta) -> str | None:
    """Return the reasoning of a delta under other names than `reasoning_content`, or None."""
    texts: list[str] = []
    if is_list(delta.content) and (thinking := thinking_of(delta.content)):
        texts.append(thinking)
    if delta.reasoning is not None:
        texts.append(reasoning_of(delta.reasoning))
    if delta.extra:
        known = delta.reasoning_content and reasoning_of(delta.reasoning_content)
        values = [delta.extra[name] for name in REASONING_NAMES if name in delta.extra]
        others = [reasoning_of(value) for value in values if is_reasoning(value)]
        texts += [text for text in others if text != known]
    # The same text under several names counts once.
    return "".join(dict.fromkeys(texts)) if texts else None


def is_reasoning(value: Any) -> bool:
    """Return whether the value of a field with a name of reasoning can be reasoning."""
    return isinstance(value, str | list | int | float) and not isinstance(value, bool)


def text_of(content: str | list[Any] | None) -> str:
    """Return the text of a content, which is a string or a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(_text_in(part) for part in content if _has_text(part))


def _has_text(part: Any) -> bool:
    # Some servers send strings instead of parts, or parts without a type or with that of another
    # API, OpenAI Responses.
    if not is_object(part):
        return isinstance(part, str)
    return part.get("type") in ("text", "output_text", None) and isinstance(part.get("text"), str)


def thinking_of(content: list[Any]) -> str:
    """Return the reasoning in a list of parts, as Mistral sends it."""
    return "".join(text_of(part["thinking"]) for part in content if _has_thinking(part))


def _has_thinking(part: Any) -> bool:
    if not is_object(part) or part.get("type") != "thinking":
        return False
    return isinstance(part.get("thinking"), list | str)


def other_parts(content: list[Any]) -> list[Any]:
    """Return the parts that aren't, or aren't only, text or reasoning."""
    return [part for part in content if not _is_only_text(part)]


def _is_only_text(part: Any) -> bool:
    if _has_text(part):
        return _is_bare_text(part)
    if not _has_thinking(part):
        return False
    inner: Any = part["thinking"]
    if is_list(inner) and not all(map(_is_only_text, inner)):
        return False
    return set(part) <= {"type", "thinking", "closed"}
