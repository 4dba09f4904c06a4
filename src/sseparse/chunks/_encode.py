"""Encoding of completions as chunks, and of chunks as server-sent events."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, Literal

import msgspec

from .._json import is_list
from ..payloads._encode import check_pieces, cut, describe_error, encode_object, escape_line_ends
from ..payloads._model import Model, encode_json
from ._models import (
    CHAT,
    ENCRYPTED,
    KEY,
    LEGACY,
    TEXTS,
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceLogprobs,
    Chunk,
    ChunkChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionLogprobs,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from ._results import (
    FILTER_OFFSETS,
    Audio,
    ChatChoice,
    ChatCompletion,
    ChatMessage,
    Completion,
    CompletionChoice,
    CustomTool,
    Function,
    Result,
    ToolCall,
)
from ._texts import other_parts, text_of, thinking_of

# Cuts a text into its pieces; an empty text has none.
_Cutter = Callable[[str], list[str]]


def to_chunks(
    completion: Result, *, pieces: int | Callable[[str], Iterable[str]] | None = None
) -> Iterator[Chunk]:
    """
    Return the chunks that would have streamed a completion, in the shape of OpenAI's streams.

    An `Accumulator` turns them back into an equal completion, also if the completion is
    incomplete: nothing is added. The choices follow each other; token counts and unknown fields of
    the completion come last, in a chunk without choices. `encode_chunk()` encodes the chunks.

    Args:
        completion: The chat or legacy completion.
        pieces: How to split each text: the number of characters per piece; a function that returns
            the pieces of a text; or None, the default, to keep each text in one piece. Base64 data
            is split so that each piece can be decoded. The log-probability of a token is in the
            chunk of the piece in which the token begins.

    Returns:
        The chunks, created as the iterator advances. Their innermost values (token counts,
        log-probabilities, unknown fields) are shared with the completion.

    Raises:
        ValueError: `pieces` is less than 1. The iterator also raises it if the pieces that the
            function returned don't join to the text.
        TypeError: `completion` isn't a completion, or `pieces` has another type.

    Source: OpenAI API reference, "The chat completion chunk object", and recorded streams.
    """
    cutter = _make_cutter(pieces)
    if isinstance(completion, ChatCompletion):
        return _chunks(completion, ChatCompletionChunk, _chat_parts, cutter)
    if isinstance(completion, Completion):
        return _chunks(completion, CompletionChunk, _legacy_parts, cutter)
    raise TypeError(
        f"to_chunks() takes a ChatCompletion or a Completion, not {type(completion).__name__}: "
        "Accumulator.snapshot() returns one"
    )


def _make_cutter(pieces: int | Callable[[str], Iterable[str]] | None) -> _Cutter:
    if pieces is None or isinstance(pieces, int):
        check_pieces(pieces)
        return partial(cut, pieces=pieces)
    if not callable(pieces):
        raise TypeError(
            f"pieces has type {type(pieces).__name__}: give a number of characters, a function "
            "or None"
        )
    return partial(_cut_by_function, pieces)


def _cut_by_function(function: Callable[[str], Iterable[str]], text: str) -> list[str]:
    pieces = list(function(text)) if text else []
    if "".join(pieces) != text:
        raise ValueError(
            f"The pieces of a text of {len(text):,} characters don't join to the text: the "
            "function passed as pieces must return all of it"
        )
    return pieces


def _chunks(
    completion: Result,
    kind: type[Chunk],
    cut_choice: Callable[[Any, _Cutter], Iterator[Any]],
    cut: _Cutter,
) -> Iterator[Chunk]:
    names = ("id", "created", "model", "system_fingerprint")
    head: dict[str, Any] = {name: getattr(completion, name) for name in names}
    last: dict[str, Any] = {"usage": completion.usage}
    if isinstance(completion, ChatCompletion):
        head.update(object=CHAT, service_tier=completion.service_tier)
        last["moderation"] = completion.moderation
    else:
        head["object"] = LEGACY
    for choice in completion.choices:
        for part in cut_choice(choice, cut):
            yield kind(**head, choices=[part])
    extra = {**completion.extra}
    if extra or not completion.choices or any(value is not None for value in last.values()):
        yield kind(**head, **last, choices=[], extra=extra)


def _chat_parts(choice: ChatChoice, cut: _Cutter) -> Iterator[ChunkChoice]:
    part = partial(ChunkChoice, index=choice.index)
    message, logprobs, extra = choice.message, choice.logprobs, {**choice.extra}
    texts = _empty_texts(message, "content", "refusal", "reasoning_content", "reasoning")
    yield part(delta=ChoiceDelta(role=message.role, **texts))
    for delta in _reasoning_deltas(message, cut):
        yield part(delta=delta)
    yield from _text_parts(choice, "content", cut)
    yield from _text_parts(choice, "refusal", cut)
    for delta in _other_deltas(message, cut):
        yield part(delta=delta)
    if logprobs is not None and (
        logprobs.extra or (logprobs.content is None and logprobs.refusal is None)
    ):
        yield part(delta=ChoiceDelta(), logprobs=ChoiceLogprobs(extra={**logprobs.extra}))
    for fields in choice.content_filters:
        yield part(delta=ChoiceDelta(), extra={**fields})
        extra.pop(FILTER_OFFSETS, None)
    for reason, fields in _finish_reasons(choice, extra):
        yield part(delta=ChoiceDelta(), finish_reason=reason, extra=fields)


def _empty_texts(model: Model, *names: str) -> dict[str, Any]:
    """Return an empty string for each text that isn't None."""
    return {name: "" for name in names if getattr(model, name) is not None}


def _text_parts(
    choice: ChatChoice, name: Literal["content", "refusal"], cut: _Cutter
) -> Iterator[ChunkChoice]:
    """Yield the pieces of a text, each with the log-probabilities of its tokens."""
    pieces = cut(getattr(choice.message, name) or "")
    tokens = None if choice.logprobs is None else getattr(choice.logprobs, name)
    shares: list[Any] = [None] * len(pieces)
    if tokens is not None:
        pieces = pieces or [""]  # the tokens belong to another text, such as tool calls
        shares = [
            tokens[part] for part in _split_tokens(pieces, [len(t.token or "") for t in tokens])
        ]
    for piece, share in zip(pieces, shares, strict=True):
        text: dict[str, Any] = {name: piece or None}
        logprobs = None if share is None else ChoiceLogprobs(**{name: share})
        yield ChunkChoice(index=choice.index, delta=ChoiceDelta(**text), logprobs=logprobs)


def _split_tokens(pieces: list[str], lengths: Iterable[int]) -> list[slice]:
    """Return which tokens of a text begin in each of its pieces; the last piece gets the rest."""
    begins = list(accumulate(lengths, initial=0))
    ends = list(accumulate(map(len, pieces)))[:-1]
    cuts = [bisect_left(begins, end) for end in ends]
    return [slice(*bounds) for bounds in pairwise([0, *cuts, None])]


def _finish_reasons(
    choice: ChatChoice | CompletionChoice, extra: dict[str, Any]
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Yield the finish reasons received, and the choice's unknown fields with the first."""
    reasons: Sequence[str | None] = choice.finish_reasons_seen or [choice.finish_reason]
    for reason in reasons:
        if reason is not None or extra:
            yield reason, extra
            extra = {}


def _reasoning_deltas(message: ChatMessage, cut: _Cutter) -> Iterator[ChoiceDelta]:
    for piece in cut(message.reasoning_content or ""):
        yield ChoiceDelta(reasoning_content=piece)
    for piece in cut(message.reasoning or ""):
        yield ChoiceDelta(reasoning=piece)
    for entry in message.reasoning_details or []:
        for detail in _reasoning_details(entry, cut):
            yield ChoiceDelta(reasoning_details=[detail])


def _reasoning_details(entry: dict[str, Any], cut: _Cutter) -> Iterator[dict[str, Any]]:
    """
    Yield the pieces of one entry of `reasoning_details`.

    The signature comes alone, after its entry: in an entry without text, it would be read as the
    signature of the entry before. Encrypted data stays in one piece.
    """
    key: dict[str, Any] = {name: entry[name] for name in KEY if name in entry}
    signature = entry.get("signature")
    first = {name: value for name, value in entry.items() if name != "signature" or not value}
    later: list[dict[str, Any]] = []
    for name in TEXTS if entry.get("type") != ENCRYPTED else ():
        if isinstance(entry.get(name), str):
            first[name], *others = cut(entry[name]) or [""]
            later += [{**key, name: piece} for piece in others]
    yield first
    yield from later
    if signature:
        yield {**key, "signature": signature}


def _other_deltas(message: ChatMessage, cut: _Cutter) -> Iterator[ChoiceDelta]:
    """Yield audio, tool calls, and the fields that aren't cut into pieces."""
    if message.audio is not None:
        for audio in _audio_deltas(message.audio, cut):
            yield ChoiceDelta(audio=audio)
    for index, call in enumerate(message.tool_calls or []):
        for piece in _tool_call_deltas(index, call, cut):
            yield ChoiceDelta(tool_calls=[piece])
    if message.function_call is not None:
        for function in _function_deltas(message.function_call, cut):
            yield ChoiceDelta(function_call=function)
    extra = {**message.extra}
    parts = extra.get("content_parts")
    # Parts that have text are a field of that name: sent as content, they would become more text.
    has_text = is_list(parts) and (text_of(parts) or thinking_of(parts))
    if is_list(parts) and parts and other_parts(parts) == parts and not has_text:
        yield ChoiceDelta(content=extra.pop("content_parts"))
    if message.annotations is not None:
        yield ChoiceDelta(annotations=[*message.annotations])
    if extra:
        yield ChoiceDelta(extra=extra)


def _audio_deltas(audio: Audio, cut: _Cutter) -> Iterator[AudioDelta]:
    texts = _empty_texts(audio, "data", "transcript")
    yield AudioDelta(id=audio.id, **texts, extra={**audio.extra})
    for piece in cut(audio.transcript or ""):
        yield AudioDelta(transcript=piece)
    for piece in _align_base64(cut(audio.data or "")):
        yield AudioDelta(data=piece)
    if audio.expires_at is not None:
        yield AudioDelta(expires_at=audio.expires_at)


def _align_base64(pieces: Iterable[str]) -> Iterator[str]:
    """Move the cuts to groups of four characters, so that each piece can be decoded alone."""
    rest = ""
    for piece in pieces:
        rest += piece
        end = len(rest) - len(rest) % 4
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _tool_call_deltas(index: int, call: ToolCall, cut: _Cutter) -> Iterator[ToolCallDelta]:
    first: dict[str, Any] = {"id": call.id, "type": call.type, "extra": {**call.extra}}
    for function in _function_deltas(call.function, cut) if call.function is not None else ():
        yield ToolCallDelta(index=index, **first, function=function)
        first = {}
    for custom in _custom_tool_deltas(call.custom, cut) if call.custom is not None else ():
        yield ToolCallDelta(index=index, **first, custom=custom)
        first = {}


def _function_deltas(function: Function, cut: _Cutter) -> Iterator[FunctionDelta]:
    yield FunctionDelta(name=function.name or None, arguments="", extra={**function.extra})
    for piece in cut(function.arguments):
        yield FunctionDelta(arguments=piece)


def _custom_tool_deltas(custom: CustomTool, cut: _Cutter) -> Iterator[CustomToolDelta]:
    yield CustomToolDelta(name=custom.name or None, input="", extra={**custom.extra})
    for piece in cut(custom.input):
        yield CustomToolDelta(input=piece)


def _legacy_parts(choice: CompletionChoice, cut: _Cutter) -> Iterator[CompletionChunkChoice]:
    part = partial(CompletionChunkChoice, index=choice.index)
    pieces = cut(choice.text) or [""]
    for piece, logprobs in zip(pieces, _split_logprobs(choice.logprobs, pieces), strict=True):
        yield part(text=piece, logprobs=logprobs)
    for reason, fields in _finish_reasons(choice, {**choice.extra}):
        yield part(text="", finish_reason=reason, extra=fields)


def _split_logprobs(
    logprobs: CompletionLogprobs | None, pieces: list[str]
) -> Iterator[CompletionLogprobs | None]:
    """Yield the logprobs of each piece, and the unknown fields with the first."""
    if logprobs is None:
        yield from [None] * len(pieces)
        return
    lists = {name: getattr(logprobs, name) for name in logprobs.wire_fields()}
    extra = {**logprobs.extra}
    for share in _split_tokens(pieces, map(len, logprobs.tokens or [])):
        fields: dict[str, Any] = {
            name: None if items is None else items[share] for name, items in lists.items()
        }
        yield CompletionLogprobs(**fields, extra=extra)
        extra = {}


_ENCODER = msgspec.json.Encoder()
# The encoder writes a model's private fields, too. Their names contain a space.
_EXTRA, _ABSENT = (f'"{name}"'.encode() for name in Model.__struct_encode_fields__)


def encode_chunk(chunk: Chunk) -> bytes:
    """
    Encode a chunk as one server-sent event whose data is the chunk's JSON.

    A decoded chunk is restored exactly: unknown fields are written at the level where they were
    received, and absent fields stay absent. The JSON is a single line. To encode the end of the
    stream, use `encode(Event("[DONE]"))`.

    Args:
        chunk: The chunk of a chat or legacy completion.

    Returns:
        The `data` line in UTF-8, and the blank line that dispatches the event.

    Raises:
        TypeError: `chunk` isn't a chunk.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream"; RFC 8259, 7 "Strings".
    """
    if not isinstance(chunk, Chunk):
        raise TypeError(
            "encode_chunk() takes a ChatCompletionChunk or a CompletionChunk, not "
            f"{type(chunk).__name__}: use to_chunks() for a completion, encode() for an event"
        )
    return b"data: %b\n\n" % _encode_json(chunk)


def encode_error(error: Exception) -> bytes:
    """
    Encode an error as the event that ends a stream of chunks. Don't send `[DONE]` after it.

    Args:
        error: The error. For a `ServerSentError`, its message, type, param and code are written;
            you can make one to choose them. For any other exception, only the name of its class is
            written: the message can quote text that the client must not see.

    Returns:
        The event in UTF-8.

    Raises:
        TypeError: `error` isn't an exception.

    Source: OpenAI API reference, "Errors"; recorded streams.
    """
    return encode_object({"error": describe_error(error)})


def _encode_json(chunk: Chunk) -> bytes:
    try:
        data = _ENCODER.encode(chunk)
        if _EXTRA in data or _ABSENT in data:
            data = encode_json(_fields_of(chunk))
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape
        data = encode_json(_fields_of(chunk))
    return escape_line_ends(data)


def _fields_of(chunk: Chunk) -> dict[str, Any]:
    """Return a chunk's fields, with a null if nothing else shows its kind."""
    fields = chunk.to_dict()
    if not chunk.choices or "choices" in chunk.extra:
        return fields
    first = fields["choices"][0]
    if isinstance(chunk, ChatCompletionChunk):
        is_labelled = chunk.object == LEGACY or "text" in first or "message" in first
        if "delta" not in first and is_labelled:
            first["delta"] = None
    elif "text" not in first and "delta" not in first:
        first["text"] = None
    return fields
