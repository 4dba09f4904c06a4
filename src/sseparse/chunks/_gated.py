"""Parts of a chunk for a moderation gate: its texts, and what can be released without a check."""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace

from .._json import is_list, is_object
from ..payloads._gated import (
    Dropped,
    GatedText,
    Part,
    Rest,
    TextEnd,
    TextKey,
    dropped_fields,
    numbers_in,
    with_numbers,
)
from ..payloads._model import Kind, build
from ._models import (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CompletionChunk,
    CompletionUsage,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from ._texts import REASONING_NAMES, is_reasoning, other_parts

CalleeT = TypeVar("CalleeT", bound=FunctionDelta | CustomToolDelta)

_STRINGS = ("content", "reasoning_content", "reasoning", "refusal")
_FIRST_CONTENT = TextKey("content")
_OBFUSCATION = Dropped("obfuscation")
_FUNCTION_CALL = -1  # the part of the arguments of a legacy function call


def split_chunk(chunk: Any, unchecked: Container[Kind]) -> list[Part]:
    """Return the parts of a chunk for a gate, as `GatedItem` documents them."""
    if isinstance(chunk, ChatCompletionChunk):
        return _split_chat(chunk, unchecked)
    return _split_legacy(chunk, unchecked)


def with_text(chunk: Any, text: str) -> Any:
    """Return a copy of a chunk with one text and nothing else, with another text."""
    choice: Any = chunk.choices[0]
    if not hasattr(choice, "delta"):
        return chunk.bare([type(choice)(index=choice.index, text=text)])
    delta: ChoiceDelta = choice.delta
    fields: dict[str, Any] = {}
    if delta.tool_calls:
        call = delta.tool_calls[0]
        fields["tool_calls"] = [_call(call, None, text, id=call.id)]
    elif delta.function_call is not None:
        fields["function_call"] = _callee(delta.function_call, None, text)
    elif delta.audio is not None:
        fields["audio"] = replace(delta.audio, transcript=text)
    else:
        fields[next(name for name in _STRINGS if getattr(delta, name))] = text
    return chunk.bare([_choice(choice, role=delta.role, **fields)])


def _split_chat(chunk: ChatCompletionChunk, unchecked: Container[Kind]) -> list[Part]:
    choices = chunk.choices
    # Fast path: one choice with only content, as in nearly all chunks.
    if len(choices) == 1 and chunk.moderation is None:
        choice = choices[0]
        text = choice.only_text()
        if text is None and choice.delta.role is not None:  # many servers repeat the role
            delta = replace(choice.delta, role=None)
            text = replace(choice, delta=delta).only_text()
        if text and "content" not in unchecked:
            key = TextKey("content", choice.index) if choice.index else _FIRST_CONTENT
            part = GatedText(key, text, chunk)
            if chunk.usage is not None or chunk.extra:
                return [part, *_split_rest(chunk)]
            return [part] if chunk.obfuscation is None else [part, _OBFUSCATION]
    parts = [part for choice in choices for part in _split_choice(chunk, choice, unchecked)]
    if chunk.moderation is not None:
        parts.append(Dropped("moderation"))
    return parts + _split_rest(chunk)


def _split_legacy(chunk: CompletionChunk, unchecked: Container[Kind]) -> list[Part]:
    parts: list[Part] = []
    for choice in chunk.choices:
        index, text = choice.index, choice.text
        only = chunk.bare([type(choice)(index=index, text=text)])
        if text and "content" not in unchecked:
            parts.append(GatedText(TextKey("content", index), text, only))
        elif text or not choice.finish_reason:
            parts.append(Rest(only, index))
        if choice.finish_reason:
            end = type(choice)(index=index, text="", finish_reason=choice.finish_reason)
            parts += [TextEnd(index, is_final=False), Rest(chunk.bare([end]), index)]
        if choice.logprobs is not None:
            parts.append(Dropped("logprobs"))
        parts += dropped_fields(choice)
    return parts + _split_rest(chunk)


def _choice(choice: ChunkChoice, /, **fields: Any) -> ChunkChoice:
    return type(choice)(index=choice.index, delta=type(choice.delta)(**fields))


def _split_rest(chunk: ChatCompletionChunk | CompletionChunk) -> list[Part]:
    """Return what belongs to no choice."""
    parts: list[Part] = []
    usage = _usage_of(chunk)
    if usage is not None or not chunk.choices:
        parts.append(Rest(replace(chunk.bare([]), usage=usage)))
    if getattr(chunk, "obfuscation", None) is not None:
        parts.append(_OBFUSCATION)
    return parts + dropped_fields(chunk)


def _usage_of(chunk: ChatCompletionChunk | CompletionChunk) -> CompletionUsage | None:
    if chunk.usage is not None:
        return with_numbers(chunk.usage)
    # Some servers send it in other fields.
    places = [chunk.extra.get("x_groq"), *[choice.extra for choice in chunk.choices]]
    found = next(filter(None, map(_usage_in, places)), None)
    return None if found is None else build(CompletionUsage, numbers_in(found))


def _usage_in(fields: Any) -> dict[str, Any] | None:
    usage = fields.get("usage") if is_object(fields) else None
    return usage if is_object(usage) else None


def _split_choice(
    chunk: ChatCompletionChunk, choice: ChunkChoice, unchecked: Container[Kind]
) -> Iterator[Part]:
    index, delta = choice.index, choice.delta
    make = partial(_choice, choice)
    head: dict[str, Any] = {}
    head_kind: Kind | None = None
    texts: list[tuple[Kind, str, dict[str, Any]]] = []
    for kind, text, fields in _texts_of(delta):
        if kind in unchecked:
            head.update(fields := _unchecked_fields(delta, kind))
            head_kind = kind if fields else head_kind
        elif text:
            texts.append((kind, text, fields))
    if not texts:
        head = {**{name: "" for name in _STRINGS if getattr(delta, name) == ""}, **head}
    if delta.role is not None:
        # Many servers repeat the role with each text.
        (texts[0][2] if texts and not head else head)["role"] = delta.role
    if head:
        yield Rest(chunk.bare([make(**head)]), index, kind=head_kind)
    for kind, text, fields in texts:
        yield GatedText(TextKey(kind, index), text, chunk.bare([make(**fields)]))
    if "arguments" not in unchecked:
        yield from _split_calls(chunk, choice)
    elif delta.tool_calls or delta.function_call:
        calls = [_known_call(call) for call in delta.tool_calls or ()] or None
        function = delta.function_call and replace(delta.function_call, extra={})
        called = make(tool_calls=calls, function_call=function)
        yield Rest(chunk.bare([called]), index, kind="arguments")
    if choice.finish_reason:
        end = make()
        end.finish_reason = choice.finish_reason
        yield TextEnd(index, is_final=False)
        yield Rest(chunk.bare([end]), index)
    yield from map(Dropped, _dropped(choice, unchecked))


def _texts_of(delta: ChoiceDelta) -> Iterator[tuple[Kind, str, dict[str, Any]]]:
    """Yield each kind of text but arguments, its text, and the fields of a delta with only that."""
    reasoning = delta.reasoning_text
    name = "reasoning" if delta.reasoning and not delta.reasoning_content else "reasoning_content"
    yield "reasoning", reasoning, {name: reasoning}
    yield "content", delta.text, {"content": delta.text}
    yield "refusal", delta.refusal or "", {"refusal": delta.refusal}
    if delta.audio is not None:
        yield "transcript", delta.audio.transcript or "", {"audio": _transcript(delta.audio)}


def _transcript(audio: AudioDelta) -> AudioDelta:
    return type(audio)(id=audio.id, transcript=audio.transcript)


def _unchecked_fields(delta: ChoiceDelta, kind: Kind) -> dict[str, Any]:
    """Return the fields of a kind of text, without the texts of other kinds."""
    fields: dict[str, Any] = {}
    if kind == "reasoning" and is_list(delta.content):
        fields["reasoning_content"] = delta.reasoning_text  # the content can have a part of it
    elif kind == "reasoning":
        names = ("reasoning_content", "reasoning", "reasoning_details")
        fields = {name: getattr(delta, name) for name in names}
        if extra := {name: delta.extra[name] for name in REASONING_NAMES if name in delta.extra}:
            fields["extra"] = {name: each for name, each in extra.items() if is_reasoning(each)}
    elif kind == "content":
        fields["content"] = delta.text if is_list(delta.content) else delta.content
    else:
        audio = delta.audio and replace(delta.audio, extra={})
        fields = {"refusal": delta.refusal} if kind == "refusal" else {"audio": audio}
    return {name: value for name, value in fields.items() if value}


def _split_calls(chunk: ChatCompletionChunk, choice: ChunkChoice) -> Iterator[Part]:
    delta, make = choice.delta, partial(_choice, choice)
    for call in delta.tool_calls or ():
        callee = call.function or call.custom
        name, text = (callee.name, callee.text) if callee is not None else (None, "")
        part = max(call.index or 0, 0)
        if name or (call.id and not text):
            # It can be another call at the same index, or without one.
            yield TextEnd(choice.index, kind="arguments")
            start = _call(call, name, "", id=call.id, type=call.type)
            rest = chunk.bare([make(tool_calls=[start])])
            yield Rest(rest, choice.index, kind="arguments")
        if text:
            only = _call(call, None, text, id=None if name else call.id)
            key = TextKey("arguments", choice.index, part=part)
            yield GatedText(key, text, chunk.bare([make(tool_calls=[only])]))
    if (function := delta.function_call) is not None:
        if function.name:
            rest = chunk.bare([make(function_call=_callee(function, function.name, ""))])
            yield Rest(rest, choice.index, kind="arguments")
        if function.text:
            legacy = chunk.bare([make(function_call=_callee(function, None, function.text))])
            key = TextKey("arguments", choice.index, part=_FUNCTION_CALL)
            yield GatedText(key, function.text, legacy)


def _call(call: ToolCallDelta, name: str | None, text: str, **fields: Any) -> ToolCallDelta:
    function = call.function and _callee(call.function, name, text)
    custom = call.custom and _callee(call.custom, name, text)
    return type(call)(index=call.index, function=function, custom=custom, **fields)


def _known_call(call: ToolCallDelta) -> ToolCallDelta:
    function, custom = call.function, call.custom
    return replace(
        call,
        function=function and replace(function, extra={}),
        custom=custom and replace(custom, extra={}),
        extra={},
    )


def _callee(callee: CalleeT, name: str | None, text: str) -> CalleeT:
    fields: dict[str, Any] = {"input" if hasattr(callee, "input") else "arguments": text}
    return type(callee)(name=name, **fields)


def _dropped(choice: ChunkChoice, unchecked: Container[Kind]) -> Iterator[str]:
    """Yield the names of the fields that aren't in any part of the choice."""
    delta = choice.delta
    if choice.logprobs is not None:
        yield "logprobs"
    if delta.annotations:
        yield "annotations"
    if is_list(delta.content) and other_parts(delta.content):
        yield "content parts"
    if delta.audio is not None and "transcript" not in unchecked:
        yield "audio"
    if delta.reasoning_details and "reasoning" not in unchecked:
        yield "reasoning_details"
    yield from choice.extra
    yield from (name for name in delta.extra if name not in REASONING_NAMES)
    yield from (name for call in delta.tool_calls or () for name in call.extra)
