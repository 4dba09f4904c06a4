"""Parts of an event for a moderation gate: its texts, and what can be released without a check."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from ..payloads._gated import (
    Dropped,
    GatedText,
    Part,
    Rest,
    TextEnd,
    TextKey,
    dropped_fields,
    numbers_in,
)
from ..payloads._model import Kind
from ._events import (
    GENERATED,
    BlockDelta,
    ContentBlockDeltaEvent,
    ContentBlockStartEvent,
    ContentBlockStopEvent,
    MessageDelta,
    MessageDeltaEvent,
    MessageEvent,
    MessageStartEvent,
    MessageStopEvent,
)
from ._results import CALLS, ContentBlock, Message, MessageUsage

# The kind of text of each known type of block that has any, and the field with it.
_TEXTS: Final[Mapping[str, tuple[Kind, str]]] = {
    "text": ("content", "text"),
    "thinking": ("reasoning", "thinking"),
    "redacted_thinking": ("reasoning", "data"),
    **dict.fromkeys(CALLS, ("arguments", "input")),
}
# The delta that brings each kind of text.
_DELTAS: Final = {kind: name for name, (kind, _) in GENERATED.items()}
# The fields of a block that have no generated text.
_BLOCK: Final = ("type", "id", "name", "server_name", "tool_use_id", "is_error")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+=*")
# The kinds of text that deltas without generated text complete, and their field.
_COMPLETED: Final[Mapping[str, tuple[Kind, str]]] = {
    "citations_delta": ("content", "citation"),
    "signature_delta": ("reasoning", "signature"),
}
# The fields of a block that belong to text that isn't checked.
_UNCHECKED: Final[Mapping[Kind, str]] = {
    "content": "citations",
    "reasoning": "signature",
    "arguments": "caller",
}


def split_event(event: MessageEvent, unchecked: Container[Kind]) -> list[Part]:
    """Return the parts of an event for a gate, as `GatedItem` documents them."""
    split = _SPLITTERS.get(type(event))
    if split is not None:
        return [*split(event, unchecked)]
    # Of an event that isn't known, only one without fields is known to have no text.
    parts = dropped_fields(event)
    return [Rest(replace(event, extra={})), *parts] if not parts or event.type == "ping" else parts


def split_delta(event: ContentBlockDeltaEvent, unchecked: Container[Kind]) -> list[Part]:
    """Return the parts of a delta."""
    delta, index = event.delta, event.index
    kind, field = GENERATED.get(delta.type) or _COMPLETED.get(delta.type) or (None, "")
    if kind is None:
        return [Dropped(delta.type or "delta")]
    if kind in unchecked:
        known: dict[str, Any] = {field: getattr(delta, field)}
        if kind == "reasoning":
            known["estimated_tokens"] = delta.estimated_tokens
        bare = BlockDelta(type=delta.type, **known)
        rest = Rest(replace(event, delta=bare, extra={}), 0, index, kind)
        return [rest, *dropped_fields(event, delta)]
    if delta.type in _COMPLETED:
        is_opaque = _BASE64.fullmatch(delta.signature or "")
        return _split_signature(event) if is_opaque else [Dropped(_UNCHECKED[kind])]
    text = getattr(delta, field)
    parts: list[Part] = [
        GatedText(TextKey(kind, 0, index), text, event)
        if text
        else Rest(event.with_text(""), 0, index, kind)
    ]
    return [*parts, *dropped_fields(event, delta)]


def _split_signature(event: ContentBlockDeltaEvent) -> list[Part]:
    """Return the parts of a signature. It's encrypted, and valid only for the text it signs."""
    delta, index = event.delta, event.index
    bare = _signature(index, delta.signature)
    signed = Rest(bare, 0, index, "reasoning", signs=TextKey("reasoning", 0, index))
    return [TextEnd(0, index, "reasoning"), signed, *dropped_fields(event, delta)]


def _signature(index: int, signature: str | None) -> ContentBlockDeltaEvent:
    delta = BlockDelta(type="signature_delta", signature=signature)
    return ContentBlockDeltaEvent(type="content_block_delta", index=index, delta=delta)


def _delta(index: int, kind: str, text: str) -> ContentBlockDeltaEvent:
    fields: dict[str, Any] = {GENERATED[kind][1]: text}
    delta = BlockDelta(type=kind, **fields)
    return ContentBlockDeltaEvent(type="content_block_delta", index=index, delta=delta)


def _split_start(event: MessageStartEvent, unchecked: Container[Kind]) -> Iterator[Part]:
    message = event.message
    bare = Message(
        id=message.id,
        type=message.type,
        role=message.role,
        content=[],
        model=message.model,
        stop_reason=None,
        stop_sequence=None,
        usage=_numbers_of(message.usage),
    )
    # It can be another message, after the texts of the one before it.
    yield TextEnd()
    yield Rest(MessageStartEvent(type=event.type, message=bare))
    # A message that begins with content goes on as if it were streamed.
    for index, block in enumerate(message.content):
        start = ContentBlockStartEvent(type="content_block_start", index=index, content_block=block)
        yield from _split_block(start, unchecked)
        yield from _split_stop(ContentBlockStopEvent(type="content_block_stop", index=index), ())
    if message.stop_reason is not None:
        reason, sequence = message.stop_reason, message.stop_sequence
        end = MessageDelta(stop_reason=reason, stop_sequence=sequence)
        usage = _numbers_of(message.usage)
        yield Rest(MessageDeltaEvent(type="message_delta", delta=end, usage=usage))
    for name in ("stop_details", "container", "context_management"):
        if getattr(message, name) is not None:
            yield Dropped(name)
    yield from _dropped_usage(message.usage)
    yield from dropped_fields(event, message)


def _split_block(event: ContentBlockStartEvent, unchecked: Container[Kind]) -> Iterator[Part]:
    block, index = event.content_block, event.index
    kind, field = _TEXTS.get(block.type, (None, ""))
    is_unchecked = kind is not None and kind in unchecked
    if field == "data" and not is_unchecked:  # it makes no sense without its data
        yield Dropped(block.type, event)
        return
    values = {name: getattr(block, name) for name in block.wire_fields()}
    known = {*_BLOCK, field, _UNCHECKED[kind]} if kind is not None and is_unchecked else _BLOCK
    fields = {name: value for name, value in values.items() if name in known or not value}
    value = None if is_unchecked else values.get(field)
    signature = None if is_unchecked or kind != "reasoning" else block.signature
    if value:
        fields[field] = {} if field == "input" else ""
    if signature:
        fields["signature"] = ""
    yield Rest(replace(event, content_block=ContentBlock(**fields), extra={}), 0, index, kind)
    text = block.arguments if value and field == "input" else value
    if kind is not None and text:
        key = TextKey(kind, 0, index)
        yield GatedText(key, text, _delta(index, _DELTAS[kind], text))
    if signature:
        yield from split_delta(_signature(index, signature), unchecked)
    yield from (Dropped(name) for name in values if name not in fields)
    yield from dropped_fields(event, block)


def _split_stop(event: ContentBlockStopEvent, _: Container[Kind]) -> Iterator[Part]:
    yield TextEnd(0, event.index)
    yield Rest(replace(event, extra={}), 0, event.index)
    yield from dropped_fields(event)


def _split_message_delta(event: MessageDeltaEvent, _: Container[Kind]) -> Iterator[Part]:
    delta = event.delta
    end = MessageDelta(
        stop_reason=delta.stop_reason,
        stop_sequence=delta.stop_sequence,
        stop_details=_strings(delta.stop_details, "type", "category"),
        container=_strings(delta.container, "id", "expires_at"),
    )
    yield TextEnd(is_final=False)
    # Of no choice: the token counts are released even if the message is stopped.
    usage = _numbers_of(event.usage)
    yield Rest(MessageDeltaEvent(type=event.type, delta=end, usage=usage))
    for name, kept in (("stop_details", end.stop_details), ("container", end.container)):
        if getattr(delta, name) != kept:
            yield Dropped(name)
    if event.context_management is not None:
        yield Dropped("context_management")
    yield from _dropped_usage(event.usage)
    yield from dropped_fields(event, delta)


def _split_message_stop(event: MessageStopEvent, _: Container[Kind]) -> Iterator[Part]:
    yield TextEnd()
    yield Rest(replace(event, extra={}))
    yield from dropped_fields(event)


def _strings(fields: dict[str, Any] | None, *names: str) -> dict[str, Any] | None:
    if fields is None:
        return None
    return {name: fields[name] for name in names if isinstance(fields.get(name), str)}


def _numbers_of(usage: MessageUsage | None) -> MessageUsage | None:
    """Return token counts with numbers only."""
    if usage is None:
        return None
    fields: dict[str, Any] = {name: getattr(usage, name) for name in usage.wire_fields()}
    return MessageUsage(**numbers_in(fields), extra=numbers_in(usage.extra))


def _dropped_usage(usage: MessageUsage | None) -> Iterator[Part]:
    if usage != _numbers_of(usage):
        yield Dropped("usage")


_SPLITTERS: Final[Mapping[type[MessageEvent], Callable[[Any, Container[Kind]], Iterator[Part]]]] = {
    MessageStartEvent: _split_start,
    ContentBlockStartEvent: _split_block,
    ContentBlockStopEvent: _split_stop,
    MessageDeltaEvent: _split_message_delta,
    MessageStopEvent: _split_message_stop,
}
