"""Parts of an event for a moderation gate: its texts, and what can be released without a check."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from ..payloads._gated import Dropped, GatedText, Part, Rest, TextEnd, TextKey, dropped_fields
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
)
from ._results import ContentPart, OutputItem, Response, ResponseUsage
from ._targets import DELTAS, DONES, PARTS, ItemText, Target, part_number, texts_of

EventT = TypeVar("EventT", bound=ResponseEvent)
Approved = Callable[[TextKey], str | None]


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
        return [Rest(event, 0, event.output_index or 0, "content")]
    return [Dropped("annotations")]


def _split_image(_: PartialImageEvent, __: Container[Kind]) -> list[Part]:
    return [Dropped("partial_image_b64")]


def _split_error(_: ErrorEvent, __: Container[Kind]) -> list[Part]:
    return [Dropped("error")]


def _key_of(event: DoneEvent | ContentPartEvent, target: Target) -> TextKey:
    index = event.command_index
    if target.parts:
        index = event.summary_index if target.parts == "summary" else event.content_index
    kind = target.kind or "content"
    return TextKey(kind, 0, event.output_index or 0, part_number(target, index or 0))


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
    if target.kind in unchecked:
        return [*end, Rest(event, 0, item, target.kind)]
    value = event.value or ""
    kept = {target.field: value if is_end else ""} if event.value is not None else {}
    logprobs: list[dict[str, Any]] | None = None if event.logprobs is None else []
    bare = Rest(replace(event, logprobs=logprobs, extra=kept), 0, item, target.kind)
    parts: list[Part] = [bare]
    if value:
        delta = _delta(event, _delta_type(target), value)
        text = GatedText(_key_of(event, target), value, delta, is_complete=is_end)
        parts = [text, *end, bare] if is_end else [bare, text]
    elif is_end:
        parts = [*end, bare]
    if event.logprobs:
        parts.append(Dropped("logprobs"))
    return parts + [Dropped(name) for name in event.extra if name != target.field]


def _approve_done(event: DoneEvent, approved: Approved) -> DoneEvent:
    target, value = DONES.get(event.type), event.value
    if target is None or target.kind is None or not value:
        return event
    text = approved(_key_of(event, target))
    return event if text is None else replace(event, extra={**event.extra, target.field: text})


def _delta_type(target: Target) -> str:
    return next(name for name, other in DELTAS.items() if other is target)


def _split_part(event: ContentPartEvent, unchecked: Container[Kind]) -> list[Part]:
    part, item = event.part, event.output_index or 0
    target = None if part is None else PARTS.get((event.parts, part.type))
    if part is None or target is None or target.kind is None:
        return [Dropped("part")]
    is_end = event.type.endswith(".done")
    end: list[Part] = [TextEnd(0, item)] if is_end else []
    if target.kind in unchecked:
        return [*end, Rest(event, 0, item, target.kind)]
    text = getattr(part, target.field) or ""
    bare = replace(event, part=_part_with(part, target, text if is_end else ""), extra={})
    rest = Rest(bare, 0, item, target.kind)
    parts: list[Part] = []
    if text:
        delta = _delta(event, _delta_type(target), text)
        # An announcement has all text so far, also that of deltas before it.
        parts = [GatedText(_key_of(event, target), text, delta, is_complete=True)]
    parts = [*parts, *end, rest] if is_end else [rest, *parts]
    names = ("annotations", "logprobs")
    parts += [Dropped(name) for name in names if getattr(part, name)]
    return parts + dropped_fields(part, event)


def _approve_part(event: ContentPartEvent, approved: Approved) -> ContentPartEvent:
    part = event.part
    target = None if part is None else PARTS.get((event.parts, part.type))
    if part is None or target is None or not getattr(part, target.field):
        return event
    text = approved(_key_of(event, target))
    changes: dict[str, Any] = {target.field: text}
    return event if text is None else replace(event, part=replace(part, **changes))


def _with_texts(item: OutputItem, texts: list[ItemText]) -> OutputItem:
    """Return an item with these texts, and with only other fields that have no text."""
    names = ("type", "id", "status", "role", "call_id", "name")
    fields: dict[str, Any] = {name: getattr(item, name) for name in names}
    extra: dict[str, Any] = {}
    for name in ("content", "summary"):
        if getattr(item, name) is not None:
            fields[name] = []
    for _, target, at, text in texts:
        if target.parts:
            part = getattr(item, target.parts)[at]
            fields[target.parts].append(_part_with(part, target, text))
        elif target.field == "command":
            extra.setdefault("action", {"commands": []})["commands"].append(text)
        elif target.field == "diff":
            extra["operation"] = {"diff": text}
        else:
            fields[target.field] = text
    return OutputItem(**fields, extra=extra)


def _part_with(part: ContentPart, target: Target, text: str) -> ContentPart:
    """Return a part with this text, and with the lists that its type requires."""
    fields: dict[str, Any] = {target.field: text}
    for name in ("annotations", "logprobs"):
        if getattr(part, name) is not None:
            fields[name] = []
    return ContentPart(type=part.type, **fields)


def _is_unchecked(item: OutputItem, unchecked: Container[Kind]) -> bool:
    """Return whether all texts that an item of this type has are of kinds that aren't checked."""
    if item.type == "message":
        return "content" in unchecked and "refusal" in unchecked
    kind = _kind_of(item)
    return kind is not None and kind in unchecked


def _kind_of(item: OutputItem) -> Kind | None:
    """Return the kind of text without which an item makes no sense."""
    if item.type == "message":
        return None
    targets = (target for target in DELTAS.values() if target.item_type == item.type)
    return next((target.kind for target in targets), None)


def _split_item(event: OutputItemEvent, unchecked: Container[Kind]) -> list[Part]:
    item, place = event.item, event.output_index or 0
    if item is None:
        return []
    is_end = event.type.endswith(".done")
    end: list[Part] = [TextEnd(0, place)] if is_end else []
    if _is_unchecked(item, unchecked):
        return [*end, Rest(event, 0, place, _kind_of(item))]
    parts: list[Part] = [*_gate_texts(item, place, event, unchecked, is_complete=is_end)]
    bare = _bare(item, unchecked) if is_end else _bare(item, unchecked, is_empty=True)
    rest = Rest(replace(event, item=bare, extra={}), 0, place, _kind_of(item))
    parts = [*parts, *end, rest] if is_end else [rest, *parts]
    return parts + _dropped(item)


def _bare(item: OutputItem, unchecked: Container[Kind], *, is_empty: bool = False) -> OutputItem:
    """Return an item with its texts, or without those that are checked."""
    texts = [
        text._replace(text="") if is_empty and text.kind not in unchecked else text
        for text in texts_of(item)
    ]
    if is_empty and not any(text.text for text in texts):
        texts = [text for text in texts if not text.target.parts]  # parts have events of their own
    return _with_texts(item, texts)


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


def _dropped(item: OutputItem) -> list[Part]:
    parts = [*(item.content or ()), *(item.summary or ())]
    names = [name for name in ("annotations", "logprobs") if any(getattr(p, name) for p in parts)]
    return [*map(Dropped, names), *dropped_fields(item, *parts)]


def _approve_item_event(event: OutputItemEvent, approved: Approved) -> OutputItemEvent:
    if event.item is None:
        return event
    return replace(event, item=_approve_item(event.item, event.output_index or 0, approved))


def _approve_item(item: OutputItem, place: int, approved: Approved) -> OutputItem:
    texts: list[ItemText] = []
    is_same = True
    for text in texts_of(item):
        new = approved(text.key(place))
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
        if _is_unchecked(item, unchecked):
            output.append(item)
            parts.append(TextEnd(0, place))
            continue
        parts += [*_gate_texts(item, place, event, unchecked, is_complete=True)]
        parts.append(TextEnd(0, place))
        output.append(_bare(item, unchecked))
        parts += _dropped(item)
    if is_end:
        parts.append(TextEnd())
    bare = Response(
        id=response.id,
        object=response.object,
        created_at=response.created_at,
        status=response.status,
        model=response.model,
        output=output,
        usage=_usage_of(response.usage),
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


def _usage_of(usage: ResponseUsage | None) -> ResponseUsage | None:
    """Return token counts without unknown fields, except numbers such as a cost."""
    if usage is None:
        return None
    details, output = usage.input_tokens_details, usage.output_tokens_details
    return replace(
        usage,
        input_tokens_details=details and replace(details, extra=_numbers(details.extra)),
        output_tokens_details=output and replace(output, extra=_numbers(output.extra)),
        extra=_numbers(usage.extra),
    )


def _numbers(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if isinstance(value, int | float)}


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
