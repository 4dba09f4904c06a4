"""Parts of an event for a moderation gate: its texts, and what can be released without a check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from ..payloads._gated import (
    Dropped,
    GatedText,
    Part,
    Rest,
    TextEnd,
    TextKey,
    dropped_fields,
    with_numbers,
)
from ..payloads._model import Kind
from ._events import (
    AnnotationEvent,
    ContentPartEvent,
    DeltaEvent,
    DoneEvent,
    ErrorEvent,
    LifecycleEvent,
    OutputItemEvent,
    PartialImageEvent,
    ProgressEvent,
    ResponseEvent,
    is_terminal,
    key_of,
)
from ._results import ContentPart, OutputItem, Response
from ._targets import DELTA_TYPES, DONES, PARTS, ItemText, Target, texts_of

EventT = TypeVar("EventT", bound=ResponseEvent)
Approved = Callable[[TextKey], str | None]

_PART_FIELDS: Final = ("annotations", "logprobs")
_ITEM_FIELDS: Final = ("type", "id", "status", "role", "call_id", "name")
# What belongs to text that isn't checked: all arguments of a call, and encrypted reasoning.
_UNCHECKED_FIELDS: Final[Mapping[Kind, Collection[str]]] = {
    "arguments": ("action", "operation", "server_label", "container_id", "namespace", "caller"),
    "reasoning": ("encrypted_content",),
}


def split_event(event: ResponseEvent, unchecked: Container[Kind]) -> list[Part]:
    """Return the parts of an event for a gate, as `GatedItem` documents them."""
    split = _SPLITTERS.get(type(event))
    if split is not None:
        return split(event, unchecked)
    # Of an event that isn't known, only one without fields is known to have no text.
    return dropped_fields(event) or [Rest(event)]


def approve_event(event: EventT, approved: Approved) -> EventT:
    """Return a copy of an event whose complete texts are approved."""
    approve = _APPROVERS.get(type(event))
    return event if approve is None else approve(event, approved)


def _split_progress(event: ProgressEvent, _: Container[Kind]) -> list[Part]:
    return [Rest(replace(event, extra={}), 0, event.output_index or 0), *dropped_fields(event)]


def _split_annotation(event: AnnotationEvent, unchecked: Container[Kind]) -> list[Part]:
    if "content" in unchecked:
        rest = Rest(replace(event, extra={}), 0, event.output_index or 0, "content")
        return [rest, *dropped_fields(event)]
    return [Dropped("annotations")]


def _split_image(_: PartialImageEvent, __: Container[Kind]) -> list[Part]:
    return [Dropped("partial_image_b64")]


def _split_error(_: ErrorEvent, __: Container[Kind]) -> list[Part]:
    return [Dropped("error")]


def _delta(event: DoneEvent | ContentPartEvent, kind: str, text: str) -> DeltaEvent:
    """Return the delta that would have brought a text."""
    names = ("item_id", "output_index", "content_index", "summary_index", "command_index")
    fields: dict[str, Any] = {name: getattr(event, name) for name in names}
    return DeltaEvent(type=kind, delta=text, sequence_number=event.sequence_number, **fields)


def _split_done(event: DoneEvent, unchecked: Container[Kind]) -> list[Part]:
    target, item = DONES.get(event.type), event.output_index or 0
    if target is None or target.kind is None:
        return [Rest(replace(event, logprobs=None, extra={}), 0, item), *dropped_fields(event)]
    is_end = event.type.endswith(".done")
    end: list[Part] = [TextEnd(0, item)] if is_end else []
    is_unchecked, value = target.kind in unchecked, event.value or ""
    kept = (
        {target.field: value if is_end or is_unchecked else ""} if event.value is not None else {}
    )
    logprobs: list[dict[str, Any]] | None = None if event.logprobs is None else []
    logprobs = event.logprobs if is_unchecked else logprobs
    bare = Rest(replace(event, logprobs=logprobs, extra=kept), 0, item, target.kind)
    parts: list[Part] = []
    if value and not is_unchecked:
        delta = _delta(event, DELTA_TYPES[target], value)
        parts = [GatedText(key_of(event, target), value, delta, is_complete=is_end)]
    parts = [*parts, *end, bare] if is_end else [bare, *parts]
    if event.logprobs and not is_unchecked:
        parts.append(Dropped("logprobs"))
    return parts + [Dropped(name) for name in event.extra if name != target.field]


def _approve_done(event: DoneEvent, approved: Approved) -> DoneEvent:
    target, value = DONES.get(event.type), event.value
    if target is None or target.kind is None or not value:
        return event
    text = approved(key_of(event, target))
    return event if text is None else replace(event, extra={**event.extra, target.field: text})


def _split_part(event: ContentPartEvent, unchecked: Container[Kind]) -> list[Part]:
    part, item = event.part, event.output_index or 0
    target = None if part is None else PARTS.get((event.parts, part.type))
    if part is None or target is None or target.kind is None:
        return [Dropped("part", event)]
    is_end = event.type.endswith(".done")
    bare = _bare_part(part, target, unchecked, is_empty=not is_end)
    rest = Rest(replace(event, part=bare, extra={}), 0, item, target.kind)
    text = getattr(part, target.field)
    parts: list[Part] = []
    if text and target.kind not in unchecked:
        delta = _delta(event, DELTA_TYPES[target], text)
        # An announcement has all text so far, also that of deltas before it.
        parts = [GatedText(key_of(event, target), text, delta, is_complete=True)]
    # A part that begins ends the one before it.
    parts = [*parts, TextEnd(0, item), rest] if is_end else [TextEnd(0, item), rest, *parts]
    return parts + _dropped_of_parts([part], event.parts, unchecked) + dropped_fields(event)


def _approve_part(event: ContentPartEvent, approved: Approved) -> ContentPartEvent:
    part = event.part
    target = None if part is None else PARTS.get((event.parts, part.type))
    if part is None or target is None or not getattr(part, target.field):
        return event
    text = approved(key_of(event, target))
    changes: dict[str, Any] = {target.field: text}
    return event if text is None else replace(event, part=replace(part, **changes))


def _with_texts(item: OutputItem, texts: list[ItemText]) -> OutputItem:
    """Return a copy of an item with other texts."""
    fields: dict[str, Any] = {"content": item.content, "summary": item.summary}
    fields = {name: [*parts] for name, parts in fields.items() if parts is not None}
    extra = {**item.extra}
    commands = [text.text for text in texts if text.target.field == "command"]
    for _, target, at, text in texts:
        if target.parts:
            changes: dict[str, Any] = {target.field: text}
            fields[target.parts][at] = replace(fields[target.parts][at], **changes)
        elif target.field == "command":
            extra["action"] = {**extra["action"], "commands": commands}
        elif target.field == "diff":
            extra["operation"] = {**extra["operation"], "diff": text}
        else:
            fields[target.field] = text
    return replace(item, **fields, extra=extra)


def _is_unchecked(target: Target | None, unchecked: Container[Kind]) -> bool:
    return target is not None and target.kind is not None and target.kind in unchecked


def _bare_part(
    part: ContentPart, target: Target | None, unchecked: Container[Kind], *, is_empty: bool = False
) -> ContentPart:
    """Return a part with its text, and what the API sends with text that isn't checked."""
    fields: dict[str, Any] = {}
    if target is not None and (text := getattr(part, target.field)) is not None:
        is_unchecked = _is_unchecked(target, unchecked)
        fields[target.field] = text if is_unchecked or not is_empty else ""
        for name in _PART_FIELDS:
            if (value := getattr(part, name)) is not None:
                fields[name] = value if is_unchecked else []
    return ContentPart(type=part.type, **fields)


def _dropped_of_parts(
    parts: Iterable[ContentPart], name: str, unchecked: Container[Kind]
) -> list[Part]:
    dropped: dict[str, None] = {}
    for part in parts:
        target = PARTS.get((name, part.type))
        if not _is_unchecked(target, unchecked):
            dropped |= dict.fromkeys(name for name in _PART_FIELDS if getattr(part, name))
        dropped |= dict.fromkeys(part.extra)
    return [Dropped(name) for name in dropped]


def item_kind(item: OutputItem) -> Kind | None:
    """Return the kind of text without which an item makes no sense."""
    if item.type == "message":
        return None
    targets = (target for target in DELTA_TYPES if target.item_type == item.type)
    return next((target.kind for target in targets), None)


def _split_item(event: OutputItemEvent, unchecked: Container[Kind]) -> list[Part]:
    item, place = event.item, event.output_index or 0
    if item is None:
        return []
    is_end = event.type.endswith(".done")
    parts: list[Part] = [*_gate_texts(item, place, event, unchecked, is_complete=is_end)]
    bare = _bare(item, unchecked, is_empty=not is_end)
    rest = Rest(replace(event, item=bare, extra={}), 0, place, item_kind(item))
    parts = [*parts, TextEnd(0, place), rest] if is_end else [rest, *parts]
    return parts + _dropped(item, unchecked) + dropped_fields(event)


def _bare(item: OutputItem, unchecked: Container[Kind], *, is_empty: bool = False) -> OutputItem:
    """Return an item with its texts, or without those that are checked, and nothing unknown."""
    fields: dict[str, Any] = {name: getattr(item, name) for name in _ITEM_FIELDS}
    texts = [*texts_of(item)]
    # Parts have events of their own.
    has_parts = not is_empty or any(text.text and text.kind in unchecked for text in texts)
    for name in ("content", "summary"):
        if (parts := getattr(item, name)) is not None:
            fields[name] = [
                _bare_part(part, PARTS.get((name, part.type)), unchecked, is_empty=is_empty)
                for part in (parts if has_parts else ())
            ]
    extra = {name: item.extra[name] for name in _kept(item, unchecked) if name in item.extra}
    for each in texts:
        target, is_unchecked = each.target, each.kind in unchecked
        text = each.text if is_unchecked or not is_empty else ""
        if target.field == "command":
            if not is_unchecked:
                extra.setdefault("action", {"commands": []})["commands"].append(text)
        elif target.field == "diff":
            extra.setdefault("operation", {"diff": text})
        elif not target.parts:
            fields[target.field] = text
    return OutputItem(**fields, extra=extra)


def _kept(item: OutputItem, unchecked: Container[Kind]) -> Collection[str]:
    """Return the names of unknown fields that an item has if its text isn't checked."""
    kind = item_kind(item)
    return _UNCHECKED_FIELDS.get(kind, ()) if kind is not None and kind in unchecked else ()


def part_kind(part: ContentPart) -> Kind | None:
    """Return the kind of the text of a part of the content, or None if it isn't known."""
    target = PARTS.get(("content", part.type))
    return None if target is None else target.kind


def _gate_texts(
    item: OutputItem,
    place: int,
    event: ResponseEvent,
    unchecked: Container[Kind],
    *,
    is_complete: bool,
) -> Iterator[GatedText]:
    for text in texts_of(item):
        if text.text and text.kind not in unchecked:
            delta = _item_delta(item, place, event, text)
            yield GatedText(text.key(place), text.text, delta, is_complete)


def _item_delta(item: OutputItem, place: int, event: ResponseEvent, text: ItemText) -> DeltaEvent:
    fields: dict[str, Any] = {"item_id": item.id, "output_index": place}
    parts, field = text.target.parts, text.target.field
    name = {"content": "content_index", "summary": "summary_index"}.get(parts)
    if name is not None or field == "command":
        fields[name or "command_index"] = text.at
    number = event.sequence_number
    return DeltaEvent(type=text.delta, delta=text.text, sequence_number=number, **fields)


def _dropped(item: OutputItem, unchecked: Container[Kind]) -> list[Part]:
    kept = _kept(item, unchecked)
    dropped: list[Part] = [Dropped(name) for name in item.extra if name not in kept]
    for name in ("content", "summary"):
        dropped += _dropped_of_parts(getattr(item, name) or (), name, unchecked)
    return dropped


def _approve_item_event(event: OutputItemEvent, approved: Approved) -> OutputItemEvent:
    if event.item is None:
        return event
    return replace(event, item=_approve_item(event.item, event.output_index or 0, approved))


def _approve_item(item: OutputItem, place: int, approved: Approved) -> OutputItem:
    texts: list[ItemText] = []
    is_same = True
    for text in texts_of(item):
        new = approved(text.key(place)) if text.text else None
        is_same &= new is None
        texts.append(text if new is None else text._replace(text=new))
    return item if is_same else _with_texts(item, texts)


def _split_response(event: LifecycleEvent, unchecked: Container[Kind]) -> list[Part]:
    response = event.response
    is_end = is_terminal(event)
    parts: list[Part] = []
    if response is None:
        parts = [TextEnd()] if is_end else []
        return [*parts, Rest(replace(event, extra={})), *dropped_fields(event)]
    output: list[OutputItem] = []
    for place, item in enumerate(response.output if is_end else ()):
        parts += [*_gate_texts(item, place, event, unchecked, is_complete=True)]
        parts.append(TextEnd(0, place))
        output.append(_bare(item, unchecked))
        parts += _dropped(item, unchecked)
    if is_end:
        parts.append(TextEnd())
    bare = Response(
        id=response.id,
        object=response.object,
        created_at=response.created_at,
        status=response.status,
        model=response.model,
        output=output,
        usage=response.usage and with_numbers(response.usage),
    )
    if response.incomplete_reason is not None:
        bare.incomplete_details = {"reason": response.incomplete_reason}
    rest = LifecycleEvent(type=event.type, sequence_number=event.sequence_number, response=bare)
    parts.append(Rest(rest))  # of no choice: see `ResponseOutlet`
    if response.error:
        parts.append(Dropped("error"))
    return parts + dropped_fields(response, event)


def _approve_response(event: LifecycleEvent, approved: Approved) -> LifecycleEvent:
    response = event.response
    if response is None or not response.output:
        return event
    output = [_approve_item(item, at, approved) for at, item in enumerate(response.output)]
    return replace(event, response=replace(response, output=output))


_SPLITTERS: Final[Mapping[type[ResponseEvent], Callable[[Any, Container[Kind]], list[Part]]]] = {
    LifecycleEvent: _split_response,
    OutputItemEvent: _split_item,
    ContentPartEvent: _split_part,
    DoneEvent: _split_done,
    ProgressEvent: _split_progress,
    AnnotationEvent: _split_annotation,
    PartialImageEvent: _split_image,
    ErrorEvent: _split_error,
}
_APPROVERS: Final[Mapping[type[ResponseEvent], Callable[[Any, Approved], Any]]] = {
    LifecycleEvent: _approve_response,
    OutputItemEvent: _approve_item_event,
    ContentPartEvent: _approve_part,
    DoneEvent: _approve_done,
}
