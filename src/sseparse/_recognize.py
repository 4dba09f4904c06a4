"""Recognition of the API that an event or the start of a body is from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

from ._json import UNREADABLE, count_objects, is_list, is_object, load_object
from ._stage import SLICE
from .payloads._decoder import MAX_OBJECTS
from .sse._event import Event
from .sse._parser import Parser

API: TypeAlias = Literal["chat", "completion", "responses", "messages"]

# What comes before a JSON body: servers send comments until they have a result.
_HEAD: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t\r\n]++|:[^\r\n]*+[\r\n])*+")
# A proxy can repeat the name of the field.
_OBJECT_START: Final = re.compile(r"(?:[ \t\r\n]++|data:)*+(?={)")
# A string, also one that the end of the text cuts, or a bracket.
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[][{}]', re.DOTALL)

# The types of the events of a message, each with a field that it must have.
_MESSAGE_EVENTS: Final = {
    "message_start": "message",
    "content_block_start": "content_block",
    "content_block_delta": "delta",
    "content_block_stop": "index",
    "message_delta": "delta",
    "message_stop": "type",
}
# An error of OpenAI's APIs has a code as well.
_MESSAGE_ERROR: Final = frozenset({"type", "message", "details"})


def recognize(source: Event | bytes | bytearray | memoryview) -> API | None:
    """
    Return which API an event, or a body with the given first bytes, is from.

    The JSON decides, by what only one API has: the shape of a choice, the `type` in the data, the
    fields of a result or an error. The name of an event doesn't decide, because other APIs have
    events with the same names; `object` decides only where the shape doesn't.

    For bytes, the first event that one of the APIs must have sent decides. Comments, pings and
    events that several APIs send are skipped. A longer prefix can give an answer where a shorter
    one gives None; it never gives another answer. The cost of a call is linear in its bytes: for a
    body in pieces, feed a `Parser` and pass each event until the answer is known.

    Args:
        source: An event, or the first bytes of a body, cut anywhere: an event stream, or a JSON
            body that is a result or an error.

    Returns:
        "chat" or "completion" for chat or legacy completions of OpenAI and compatible servers,
        "responses" for OpenAI Responses, "messages" for Anthropic Messages. None if it isn't known
        yet, because the JSON isn't complete or several APIs send it, such as most errors; also None
        if it's from none of these APIs.

    Raises:
        TypeError: The source is neither an event nor bytes.

    Source: API references of OpenAI (chat and legacy completions, Responses) and Anthropic
    (Messages); recordings of their servers and of others.
    """
    if isinstance(source, Event):
        return _recognize_text(source.data)
    if not isinstance(source, bytes | bytearray | memoryview):
        raise TypeError(f"recognize() takes an Event or bytes, not {type(source).__name__}")
    return _recognize_body(bytes(source))


def _recognize_body(data: bytes) -> API | None:
    body = _HEAD.sub(b"", data, count=1)
    api = _recognize_text(body.decode("utf-8", "replace")) if body.startswith(b"{") else None
    return api or _first(map(recognize, _events(data)))


def _first(answers: Iterable[API | None]) -> API | None:
    return next((api for api in answers if api is not None), None)


def _events(data: bytes) -> Iterator[Event]:
    """Yield the events of a body; the last one can be incomplete."""
    # Without limits, which would drop the start of an event when the rest arrives.
    parser = Parser(incomplete="dispatch", max_line_bytes=None, max_event_bytes=None)
    for at in range(0, len(data), SLICE):
        yield from parser.feed(data[at : at + SLICE])
    yield from parser.close()


def _recognize_text(text: str) -> API | None:
    # Nearly all events are one object. Only in other text, its end has to be found.
    body = _load(text) if text.endswith("}") else None
    if body is not None:
        return _recognize_object(body)
    return _first(map(_recognize_object, _objects(text)))


def _load(text: str) -> dict[str, Any] | None:
    """Decode an object; return None if it's malformed or larger than the decoders accept."""
    if count_objects(text) <= MAX_OBJECTS:
        with suppress(*UNREADABLE):
            return load_object(text)
    return None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the complete JSON objects that a text begins with."""
    start = _OBJECT_START.match(text)
    while start is not None:
        end = _object_end(text, start.end())
        if end is None:
            return
        yield _load(text[start.end() : end]) or {}
        start = _OBJECT_START.match(text, end)


def _object_end(text: str, start: int) -> int | None:
    """Return the end of the object at a position, or None if it isn't complete."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if not depth:
                return token.end()
    return None


def _recognize_object(body: dict[str, Any]) -> API | None:
    kind = body.get("type")
    kind = kind if isinstance(kind, str) else ""
    if "choices" in body:
        return _recognize_choices(body)
    # Events of the Realtime API have the same types, and ids.
    if kind.startswith("response.") and "event_id" not in body:
        return "responses"
    if kind in _MESSAGE_EVENTS and _MESSAGE_EVENTS[kind] in body:
        return "messages"
    return _recognize_error(body) if kind == "error" else _recognize_result(body)


def _recognize_choices(body: dict[str, Any]) -> API | None:
    choices = body["choices"]
    first = choices[0] if is_list(choices) and choices else None
    if is_object(first) and ("delta" in first or "message" in first):
        return "chat"
    if is_object(first) and "text" in first:
        return "completion"
    # "text_completion" doesn't decide: servers label chat chunks with it.
    return "chat" if body.get("object") in ("chat.completion.chunk", "chat.completion") else None


def _recognize_error(body: dict[str, Any]) -> API | None:
    if "sequence_number" in body:
        return "responses"
    inner = body.get("error")
    is_message = is_object(inner) and {"type", "message"} <= inner.keys() <= _MESSAGE_ERROR
    return "messages" if is_message else None


def _recognize_result(body: dict[str, Any]) -> API | None:
    if body.get("object") == "response" and ("output" in body or "status" in body):
        return "responses"
    # An output item of Responses has the same type, role and content.
    if body.get("type") == "message" and is_list(body.get("content")) and "stop_reason" in body:
        return "messages"
    return None
