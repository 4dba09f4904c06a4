"""Encoding: completions to chunks, and chunks to events."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, Literal

import msgspec

from .._json import is_list
from ..payloads._model import Model
from ._models import (
    ENCRYPTED,
    KEY,
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
    other_parts,
    text_of,
    thinking_of,
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

Pieces = int | Callable[[str], Iterable[str]] | None
"""How to cut: pieces of so many characters, by a function, or not at all."""

Cut = Callable[[str], list[str]]
"""Cuts a text into its pieces: none for an empty text."""

_GROUP = 4


def cutter(pieces: Pieces) -> Cut:
    """
    Return what cuts a text as asked for.

    Raises:
        ValueError: The pieces would be shorter than a character. What is returned raises it too,
            when the pieces that a function makes do not join to the text.
        TypeError: It is neither a number nor a function nor None.
    """
    if pieces is None:
        return _whole
    if isinstance(pieces, int):
        if pieces < 1:
            raise ValueError(f"pieces is {pieces}; give a number of characters, 1 or more")
        return partial(_by_size, pieces)
    if not callable(pieces):
        raise TypeError(
            f"pieces is a {type(pieces).__name__}; give a number of characters, a function that "
            "cuts a text, or None"
        )
    return partial(_by_function, pieces)


def _whole(text: str) -> list[str]:
    return [text] if text else []


def _by_size(size: int, text: str) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _by_function(function: Callable[[str], Iterable[str]], text: str) -> list[str]:
    if not text:
        return []
    pieces = list(function(text))
    if "".join(pieces) != text:
        raise ValueError(
            f"the pieces of a text of {len(text)} characters do not join to it; "
            "the function given as pieces must keep all of the text"
        )
    return pieces


def in_groups(pieces: Iterable[str]) -> Iterator[str]:
    """Shift the cuts of a base64 text so that each piece can be decoded alone."""
    held = ""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % _GROUP
        if whole:
            yield held[:whole]
            held = held[whole:]
    if held:
        yield held


def shares(pieces: list[str], lengths: Iterable[int]) -> list[slice]:
    """
    Tell which tokens belong to which piece: those that begin in it, and to the last the rest.

    Args:
        pieces: The pieces of a text.
        lengths: The lengths of its tokens, in characters, as far as they can be told.

    Returns:
        For each piece, where its tokens stand among all.
    """
    begins = list(accumulate(lengths, initial=0))
    ends = list(accumulate(map(len, pieces)))[:-1]
    cuts = [bisect_left(begins, end) for end in ends]
    return [slice(*bounds) for bounds in pairwise([0, *cuts, None])]


def endings(
    choice: ChatChoice | CompletionChoice, extra: dict[str, Any]
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Yield the finish reasons that came; what is unknown of the choice comes with the first."""
    reasons: Sequence[str | None] = choice.finish_reasons_seen or [choice.finish_reason]
    for reason in reasons:
        if reason is not None or extra:
            yield reason, extra
            extra = {}


def opening(message: ChatMessage) -> ChoiceDelta:
    """Return the first delta: the role, and the texts that there are, still empty."""
    return ChoiceDelta(
        role=message.role,
        content=_begun(message.content),
        refusal=_begun(message.refusal),
        reasoning_content=_begun(message.reasoning_content),
        reasoning=_begun(message.reasoning),
    )


def _begun(text: str | None) -> str | None:
    """Tell an empty text from none."""
    return None if text is None else ""


def reasoning(message: ChatMessage, cut: Cut) -> Iterator[ChoiceDelta]:
    """Yield the reasoning, in each form that it has."""
    for piece in cut(message.reasoning_content or ""):
        yield ChoiceDelta(reasoning_content=piece)
    for piece in cut(message.reasoning or ""):
        yield ChoiceDelta(reasoning=piece)
    for entry in message.reasoning_details or []:
        for detail in _details(entry, cut):
            yield ChoiceDelta(reasoning_details=[detail])


def _details(entry: dict[str, Any], cut: Cut) -> Iterator[dict[str, Any]]:
    """
    Yield the pieces of one entry of `reasoning_details`.

    The signature comes alone, after the entry that it belongs to: with an entry that has no text
    it would be taken for that of the entry before. What is encrypted comes whole.
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


def tools(message: ChatMessage, cut: Cut) -> Iterator[ChoiceDelta]:
    """Yield the spoken answer and the calls."""
    if message.audio is not None:
        for audio in _audio(message.audio, cut):
            yield ChoiceDelta(audio=audio)
    for index, call in enumerate(message.tool_calls or []):
        for piece in _call(index, call, cut):
            yield ChoiceDelta(tool_calls=[piece])
    if message.function_call is not None:
        for function in _function(message.function_call, cut):
            yield ChoiceDelta(function_call=function)


def _audio(audio: Audio, cut: Cut) -> Iterator[AudioDelta]:
    yield AudioDelta(
        id=audio.id,
        data=_begun(audio.data),
        transcript=_begun(audio.transcript),
        extra={**audio.extra},
    )
    for piece in cut(audio.transcript or ""):
        yield AudioDelta(transcript=piece)
    for piece in in_groups(cut(audio.data or "")):
        yield AudioDelta(data=piece)
    if audio.expires_at is not None:
        yield AudioDelta(expires_at=audio.expires_at)


def _call(index: int, call: ToolCall, cut: Cut) -> Iterator[ToolCallDelta]:
    """Yield the pieces of a tool call: what is called, and then with what."""
    head: dict[str, Any] = {"id": call.id, "type": call.type, "extra": {**call.extra}}
    for piece in _callee(call, cut):
        yield ToolCallDelta(index=index, **head, **piece)
        head = {}


def _callee(call: ToolCall, cut: Cut) -> Iterator[dict[str, Any]]:
    if call.function is not None:
        for function in _function(call.function, cut):
            yield {"function": function}
    if call.custom is not None:
        for custom in _custom(call.custom, cut):
            yield {"custom": custom}


def _function(function: Function, cut: Cut) -> Iterator[FunctionDelta]:
    yield FunctionDelta(name=function.name or None, arguments="", extra={**function.extra})
    for piece in cut(function.arguments):
        yield FunctionDelta(arguments=piece)


def _custom(custom: CustomTool, cut: Cut) -> Iterator[CustomToolDelta]:
    yield CustomToolDelta(name=custom.name or None, input="", extra={**custom.extra})
    for piece in cut(custom.input):
        yield CustomToolDelta(input=piece)


def _texts_of(parts: list[Any]) -> str:
    return text_of(parts) + thinking_of(parts)


def closing(message: ChatMessage) -> Iterator[ChoiceDelta]:
    """Yield what belongs to the message and has no pieces."""
    extra = {**message.extra}
    parts = extra.get("content_parts")
    # Other parts than these would be more text, or came in a field of that name.
    if is_list(parts) and parts and other_parts(parts) == parts and not _texts_of(parts):
        yield ChoiceDelta(content=extra.pop("content_parts"))
    if message.annotations is not None:
        yield ChoiceDelta(annotations=[*message.annotations])
    if extra:
        yield ChoiceDelta(extra=extra)


_Step = tuple[ChoiceDelta, ChoiceLogprobs | None]


def to_chat_chunks(completion: ChatCompletion, cut: Cut) -> Iterator[ChatCompletionChunk]:
    """
    Yield the chunks of a chat completion.

    Args:
        completion: The completion.
        cut: Cuts each text.
    """
    for choice in completion.choices:
        for part in _chat_parts(choice, cut):
            yield _chat_chunk(completion, choices=[part])
    last = {"usage": completion.usage, "moderation": completion.moderation}
    extra = {**completion.extra}
    if any(value is not None for value in last.values()) or extra or not completion.choices:
        yield _chat_chunk(completion, choices=[], **last, extra=extra)


def _chat_chunk(completion: ChatCompletion, **fields: Any) -> ChatCompletionChunk:
    return ChatCompletionChunk(
        id=completion.id,
        object="chat.completion.chunk",
        created=completion.created,
        model=completion.model,
        system_fingerprint=completion.system_fingerprint,
        service_tier=completion.service_tier,
        **fields,
    )


def _chat_parts(choice: ChatChoice, cut: Cut) -> Iterator[ChunkChoice]:
    index, extra = choice.index, {**choice.extra}
    for delta, logprobs in _steps(choice, cut):
        yield ChunkChoice(index=index, delta=delta, logprobs=logprobs)
    for said in choice.content_filters:
        yield ChunkChoice(index=index, delta=ChoiceDelta(), extra={**said})
        extra.pop(FILTER_OFFSETS, None)
    for reason, fields in endings(choice, extra):
        yield ChunkChoice(index=index, delta=ChoiceDelta(), finish_reason=reason, extra=fields)


def _steps(choice: ChatChoice, cut: Cut) -> Iterator[_Step]:
    """Yield what comes before the finish reason, one after the other."""
    message, logprobs = choice.message, choice.logprobs
    yield opening(message), None
    for delta in reasoning(message, cut):
        yield delta, None
    for name in ("content", "refusal"):
        yield from _with_logprobs(choice, name, cut)
    for delta in (*tools(message, cut), *closing(message)):
        yield delta, None
    if logprobs is not None and (
        logprobs.extra or (logprobs.content is None and logprobs.refusal is None)
    ):
        yield ChoiceDelta(), ChoiceLogprobs(extra={**logprobs.extra})


def _with_logprobs(
    choice: ChatChoice, name: Literal["content", "refusal"], cut: Cut
) -> Iterator[_Step]:
    """Yield the pieces of a text, each with the log-probabilities of its tokens."""
    text, logprobs = getattr(choice.message, name), choice.logprobs
    tokens = None if logprobs is None else getattr(logprobs, name)
    pieces = cut(text or "")
    if tokens is None:
        for piece in pieces:
            yield _delta(name, piece), None
        return
    pieces = pieces or [""]  # tokens of another text, such as that of tool calls
    lengths = [len(token.token or "") for token in tokens]
    for piece, share in zip(pieces, shares(pieces, lengths), strict=True):
        fields: dict[str, Any] = {name: tokens[share]}
        yield _delta(name, piece), ChoiceLogprobs(**fields)


def _delta(name: str, piece: str) -> ChoiceDelta:
    fields: dict[str, Any] = {name: piece or None}
    return ChoiceDelta(**fields)


def to_completion_chunks(completion: Completion, cut: Cut) -> Iterator[CompletionChunk]:
    """
    Yield the chunks of a completion.

    Args:
        completion: The completion.
        cut: Cuts each text.
    """
    for choice in completion.choices:
        for part in _completion_parts(choice, cut):
            yield _completion_chunk(completion, choices=[part])
    usage, extra = completion.usage, completion.extra
    if usage is not None or extra or not completion.choices:
        yield _completion_chunk(completion, choices=[], usage=usage, extra={**extra})


def _completion_chunk(completion: Completion, **fields: Any) -> CompletionChunk:
    return CompletionChunk(
        id=completion.id,
        object="text_completion",
        created=completion.created,
        model=completion.model,
        system_fingerprint=completion.system_fingerprint,
        **fields,
    )


def _completion_parts(choice: CompletionChoice, cut: Cut) -> Iterator[CompletionChunkChoice]:
    index, extra = choice.index, {**choice.extra}
    pieces = cut(choice.text) or [""]
    for piece, logprobs in zip(pieces, _logprobs(choice.logprobs, pieces), strict=True):
        yield CompletionChunkChoice(index=index, text=piece, logprobs=logprobs)
    for reason, fields in endings(choice, extra):
        yield CompletionChunkChoice(index=index, text="", finish_reason=reason, extra=fields)


def _logprobs(
    logprobs: CompletionLogprobs | None, pieces: list[str]
) -> Iterator[CompletionLogprobs | None]:
    """Yield each piece's part of the lists; what is unknown comes with the first."""
    if logprobs is None:
        yield from [None] * len(pieces)
        return
    names = logprobs.wire_fields()
    lists: dict[str, list[Any] | None] = {name: getattr(logprobs, name) for name in names}
    extra = {**logprobs.extra}
    for share in shares(pieces, map(len, logprobs.tokens or [])):
        parts: dict[str, Any] = {
            name: None if items is None else items[share] for name, items in lists.items()
        }
        yield CompletionLogprobs(**parts, extra=extra)
        extra = {}


def to_chunks(
    completion: Result, *, pieces: int | Callable[[str], Iterable[str]] | None = None
) -> Iterator[Chunk]:
    """
    Return the chunks that would have streamed a completion, in the shape of OpenAI's streams.

    Put into an `Accumulator` they give an equal completion, be it whole or not: nothing is
    added that did not come. One choice follows the other; token counts and unknown fields of the
    completion come last, in a chunk without choices. `encode_chunk()` writes chunks to the wire.

    Args:
        completion: The chat or legacy completion.
        pieces: How to cut each text: into pieces of so many characters; by a function, which
            returns the pieces of the text it is given; or None, not at all. Base64 is cut so
            that each piece can be decoded, and the log-probability of a token comes with the
            piece in which the token begins.

    Returns:
        The chunks, made as they are asked for. What is innermost in them (token counts,
        log-probabilities, unknown fields) is the completion's own.

    Raises:
        ValueError: The pieces would be shorter than a character. The iterator raises it too,
            when the pieces that the function made do not join to the text.
        TypeError: It is no completion, or `pieces` is of another type.

    Source: OpenAI API reference, "The chat completion chunk object", and recordings.
    """
    cut = cutter(pieces)
    if isinstance(completion, ChatCompletion):
        return to_chat_chunks(completion, cut)
    if isinstance(completion, Completion):
        return to_completion_chunks(completion, cut)
    raise TypeError(
        f"to_chunks() takes a ChatCompletion or a Completion, not {type(completion).__name__}; "
        "the snapshot() of an Accumulator is one"
    )


# Not to the standard, but to some readers of lines, these end a line; in JSON they may be escaped.
_LINE_ENDS = (
    ("\u0085".encode(), b"\\u0085"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
_ENCODER = msgspec.json.Encoder()
# What a model keeps for itself has names with a blank, which the encoder writes like any other.
_EXTRA, _ABSENT = (f'"{name}"'.encode() for name in Model.__struct_encode_fields__)


def encode_chunk(chunk: Chunk) -> bytes:
    """
    Encode a chunk as it stands in an event stream: as one event whose data is its JSON.

    What the chunk was decoded from reads back as the same chunk: unknown fields are written at
    the level where they stood, and what was absent stays absent. The JSON has no line end in it,
    so it is one line. `encode(Event("[DONE]"))` writes the mark that ends a stream.

    Args:
        chunk: The chunk of a chat or legacy completion.

    Returns:
        The `data` line in UTF-8, and the blank line that dispatches the event.

    Raises:
        TypeError: It is no chunk.

    Source: WHATWG HTML, 9.2.5 "Parsing an event stream"; RFC 8259, 7 "Strings".
    """
    if not isinstance(chunk, Chunk):
        raise TypeError(
            f"encode_chunk() takes a ChatCompletionChunk or a CompletionChunk, "
            f"not {type(chunk).__name__}; to_chunks() makes them of a completion, "
            "and encode() encodes events"
        )
    return b"data: %b\n\n" % _json(chunk)


def _json(chunk: Chunk) -> bytes:
    try:
        data = _ENCODER.encode(chunk)
        if _EXTRA in data or _ABSENT in data:
            data = _ENCODER.encode(_fields(chunk))
    except UnicodeEncodeError:
        # Half of a surrogate pair, which has no UTF-8; escaped, it is JSON.
        data = json.dumps(_fields(chunk), separators=(",", ":"), allow_nan=False).encode()
    for raw, escaped in _LINE_ENDS:
        if raw in data:
            data = data.replace(raw, escaped)
    return data


def _fields(chunk: Chunk) -> dict[str, Any]:
    """Return a chunk's fields, and a null where nothing else would tell what it is."""
    fields = chunk.to_dict()
    if not chunk.choices or "choices" in chunk.extra:
        return fields
    first = fields["choices"][0]
    if isinstance(chunk, ChatCompletionChunk):
        if "delta" not in first and ("text" in first or "message" in first):
            first["delta"] = None
    elif "text" not in first and "delta" not in first:
        first["text"] = None
    return fields
