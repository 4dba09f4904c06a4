"""Decoder and parser for chat chunks and legacy completion chunks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal, TypedDict, Unpack, overload

import msgspec
from attrs import evolve

from .._end import End, EndCause
from .._errors import LimitExceeded, ServerSentError
from .._json import UNREADABLE, is_deep, is_list
from .._options import ParserOptions, check_choice, check_number
from ..payloads._decoder import MAX_OBJECTS, DataT, Decoder
from ..payloads._growing import check_count
from ..payloads._model import build
from ..payloads._parser import ItemParser
from ..sse._event import Event
from ._accumulator import MAX_CHOICES
from ._errors import ERROR_FINISH_REASONS, WrongKind, check_reasons, find_error
from ._models import (
    CHAT,
    LEGACY,
    ChatCompletionChunk,
    Chunk,
    ChunkChoice,
    ChunkT,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionKind,
)
from ._shapes import as_chunk, has_chunk_shape, is_complete, kind_of, shape_of

DONE_MARK = "[DONE]"
# Some servers quote it, as all their data; some forget the brackets, at the end only.
_DONE_MARKS = (DONE_MARK, '"[DONE]"')
_BARE_DONE = "DONE"
_KINDS: Final[Mapping[str, type[Chunk]]] = {
    "chat": ChatCompletionChunk,
    "completion": CompletionChunk,
}
# Values of `object` that decide the kind of an event, which the general case handles.
_OBJECTS = (CHAT, LEGACY, "error")
# After so many chunks in a row with unknown fields, the rest has them too: trying the fast path
# costs more than it saves.
_MISSES = 3
# The types of events without a type of their own, and of errors.
_COMMON_TYPES = ("message", "error", "")
# What some servers send while a choice goes on: a null as text, an unset enumeration.
_NO_REASONS = ("null", "None", "0")
# In characters. No server has longer ones; this bounds what a hostile one can make us keep.
_LONGEST_REASON = 256


@cache
def _decode_function(kind: type[Chunk]) -> Callable[[str | bytes], Chunk]:
    # A decoder keeps nothing from one call to the next, so one serves all streams.
    return msgspec.json.Decoder(kind).decode


class ChunkDecoder(Decoder[ChunkT]):
    """
    Decoder for chunks: events to chat chunks or legacy completion chunks, without I/O.

    Events without data are ignored: servers send them to keep a connection open. Events after
    [DONE] are counted, not decoded.

    Args:
        kind: Kind of the completion: "chat", or "completion" for legacy completions. A chunk of the
            other kind is a `WrongKind` error. With None, the default, the first chunk with choices
            decides.
        on_bad_json: What to do with an event whose data isn't a JSON object: "raise", the default,
            stops with `DecodeError`; "skip" drops the event and counts it in `skipped`.
        max_choices: Maximum number of choices; every index must be below it. None for no limit.
            Default: 16,384.
        max_objects: Maximum number of JSON objects and arrays in one event; None for no limit.
            Default: 524,288.
        error_finish_reasons: Finish reasons that mean a failure of the server, compared without
            regard to case. After a chunk that has one, `error` is a `ServerSentError`. Default:
            "abort", "error", "insufficient_system_resource", "network_error".

    Raises:
        ValueError: An option has an invalid value.
    """

    __slots__ = (
        "_by_message",
        "_decode",
        "_error_reasons",
        "_given_kind",
        "_id",
        "_kind",
        "_max_choices",
        "_misses",
        "_object",
        "_reasons",
        "_reopened",
    )

    # `+=` below would leave their types to be inferred, which type checkers do differently.
    events_seen: int
    skipped: int

    @overload
    def __init__(
        self: ChunkDecoder[ChatCompletionChunk],
        *,
        kind: Literal["chat"],
        **options: Unpack[DecoderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ChunkDecoder[CompletionChunk],
        *,
        kind: Literal["completion"],
        **options: Unpack[DecoderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ChunkDecoder[Chunk],
        *,
        kind: CompletionKind | None = ...,
        **options: Unpack[DecoderOptions],
    ) -> None: ...

    def __init__(
        self,
        *,
        kind: CompletionKind | None = None,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_choices: int | None = MAX_CHOICES,
        max_objects: int | None = MAX_OBJECTS,
        error_finish_reasons: Collection[str] = ERROR_FINISH_REASONS,
    ) -> None:
        super().__init__(on_bad_json=on_bad_json, max_objects=max_objects)
        check_number("max_choices", max_choices)
        self._max_choices = max_choices
        self._error_reasons = check_reasons(error_finish_reasons)
        self._reasons: dict[int, str | None] = {}
        # The first finish reasons of choices that went on. Most streams have none.
        self._reopened: dict[int, str] | None = None
        self._decode: Callable[[str | bytes], Any] | None = _decode_function(ChatCompletionChunk)
        self._id: str | None = None
        self._kind: type[Chunk] | None = None
        self._object = CHAT
        self._misses = 0
        self._by_message = False  # whether the stream began with a message instead of a delta
        self._given_kind = kind
        if kind is not None:
            check_choice("kind", kind, *_KINDS)
            self._settle(_KINDS[kind])

    def decode_run(
        self, event_type: str, values: Iterator[DataT], items: list[ChunkT]
    ) -> DataT | None:
        """
        Decode values up to the first that isn't a chunk with known fields only, and return that.

        msgspec decodes such a chunk in one call. Unknown fields, errors, [DONE], large or deep
        JSON and a change of the kind fall through to the general case.
        """
        decode, kind, reasons = self._decode, self._object, self._reasons
        if decode is None or self.done or event_type == "error":
            return next(values, None)
        for value in values:
            if len(value) > self._small and (not self.fits(value) or is_deep(value)):
                return value
            try:
                chunk = decode(value)
            except UNREADABLE:
                return value
            if chunk.object != kind and chunk.object in _OBJECTS:
                return value
            self._misses = 0
            self.events_seen += 1
            items.append(chunk)
            for choice in chunk.choices:
                if choice.finish_reason or reasons.get(choice.index, "") is not None:
                    if not self._note_choices(chunk):
                        items.pop()
                    break
            if self.stopped:
                break
        return None

    def _note_choices(self, chunk: Chunk) -> bool:
        """Record the choices of a chunk; return False if it's dropped: there are too many."""
        if self._kind is None and chunk.choices:
            self._settle(type(chunk))
        self._id = self._id or chunk.id
        reasons = self._reasons
        for choice in chunk.choices:
            index = choice.index
            if index not in reasons:
                try:
                    check_count("choices", "choices", self._max_choices, len(reasons), index)
                except LimitExceeded as error:
                    self.stop(error)
                    return False
                reasons[index] = None
            if choice.finish_reason in _NO_REASONS:
                # Treated like a value of the wrong type: it stays in `extra` and leaves a note.
                choice.extra = {"finish_reason": choice.finish_reason, **choice.extra}
                choice.finish_reason = None
            known, new = reasons[index], choice.finish_reason
            if new and known is None:
                first = self._reopened.get(index) if self._reopened else None
                reasons[index] = first or new[:_LONGEST_REASON]
                if new.lower() in self._error_reasons:
                    self._stop_at_reason(choice)
            elif known and not new and choice.has_output():
                # Some servers send a finish reason before the text (open-webui/open-webui#23921).
                self._reopened = self._reopened or {}
                self._reopened[index] = known
                reasons[index] = None
        return True

    def _stop_at_reason(self, choice: ChunkChoice | CompletionChunkChoice) -> None:
        reason = choice.finish_reason
        message = f"choice {choice.index} ended with finish_reason {reason!r}"
        self.stop(ServerSentError(message=message, body=choice.to_dict(), code=reason))

    def _settle(self, kind: type[Chunk]) -> None:
        """Set the kind of the stream, which its first chunk with choices decides."""
        self._kind = kind
        if kind is CompletionChunk:
            self._decode = _decode_function(kind)
            self._object = LEGACY
            self._misses = 0

    def _build(self, body: dict[str, Any]) -> list[ChunkT]:
        if self._given_kind is not None and shape_of(body) not in (None, self._kind):
            self.stop(WrongKind(self._given_kind, body))
            return []
        if is_complete(body, () if self._by_message else self._reasons):
            # A server that doesn't stream, or one that streams the pieces of the message in
            # `message` instead of `delta`.
            self._by_message |= not self._reasons
            body = as_chunk(body)
        kind = self._kind or kind_of(body)
        self._misses += 1
        if self._misses == _MISSES:
            self._decode = None
        chunk: Any = build(kind, body)
        return [chunk] if self._note_choices(chunk) else []

    def _build_late(self, body: dict[str, Any]) -> list[ChunkT]:
        # After [DONE], usage and cost belong to the completion, but text to another one.
        if self.done and (body.get("choices") or body.get("id", self._id) != self._id):
            return []
        return super()._build_late(body)

    def is_terminal(self, data: str) -> bool:
        """Return whether data is the [DONE] mark."""
        return data in _DONE_MARKS or (data == _BARE_DONE and self.is_finished)

    def _is_ignored(self, event: Event) -> bool:
        # A proxy sends its upstream's comments as data.
        return event.event not in _COMMON_TYPES or event.data.startswith(":")

    def _decode_object(self, event_type: str, body: dict[str, Any]) -> list[ChunkT]:
        if event_type not in _COMMON_TYPES and not has_chunk_shape(body):
            self.skipped += 1
            return []
        return super()._decode_object(event_type, body)

    @property
    def is_finished(self) -> bool:
        """Whether there is a choice, and every choice has its finish reason, with no text after."""
        return bool(self._reasons) and None not in self._reasons.values()

    def end_now(self) -> End:
        """Return how the input would have ended if this were its end."""
        reasons = {**self._reasons}
        if self.done and self._reopened:
            reasons = {index: each or self._reopened.get(index) for index, each in reasons.items()}
        end = evolve(super().end_now(), finish_reasons=reasons)
        # [DONE] without a choice completes nothing.
        is_empty = end.cause is EndCause.DONE and not self._reasons
        return evolve(end, cause=EndCause.INCOMPLETE) if is_empty else end

    def _find_error(self, event_type: str, body: dict[str, Any]) -> ServerSentError | None:
        return find_error(event_type, body)

    def _is_result(self, body: dict[str, Any]) -> bool:
        return is_list(body.get("choices"))

    def _has_item(self, body: dict[str, Any]) -> bool:
        return bool(body.get("choices") or body.get("usage"))


class DecoderOptions(TypedDict, total=False):
    """Options of a decoder of chunks; see `ChunkDecoder`."""

    on_bad_json: Literal["raise", "skip"]
    max_choices: int | None
    max_objects: int | None
    error_finish_reasons: Collection[str]


class ChunkOptions(ParserOptions, DecoderOptions, total=False):
    """Options of a parser of chunks; see `ChunkParser`."""


class ChunkParser(ItemParser[ChunkT]):
    """
    Parser for chunks: bytes to chat chunks or legacy completion chunks, without I/O.

    It combines a `Parser` and a `ChunkDecoder`. Comments are counted in `end`. A last event that no
    blank line ended is used if its data is a complete JSON object or [DONE].

    A body that is one JSON object instead of a stream is decoded at its end: a completion becomes
    the chunk that would have streamed it, an error a `ServerSentError`. Any other body without an
    event is a `NotEventStream`; JSON Lines are recognised at the second line.

    Args:
        kind: Kind of the completion, "chat" or "completion"; None, the default, detects it. See
            `ChunkDecoder`.
        last_event_id: Initial last event ID, if the stream resumes another one.
        retry: Initial reconnection time in milliseconds; None, the default, if there is none.
        errors: How to handle malformed UTF-8: "replace", the default, or "strict"; see `Parser`.
        max_line_bytes: Maximum length of a line in bytes, without its line end; None for no limit.
            Default: 32 MiB.
        max_event_bytes: Maximum size of an event's data in bytes of UTF-8; None for no limit.
            Default: 32 MiB.
        on_bad_json: What to do with an event whose data isn't a JSON object: "raise", the default,
            or "skip"; see `ChunkDecoder`.
        max_choices: Maximum number of choices; None for no limit. Default: 16,384.
        max_objects: Maximum number of JSON objects and arrays in one event; None for no limit.
            Default: 524,288.
        error_finish_reasons: Finish reasons that mean a failure of the server; see `ChunkDecoder`.

    Raises:
        ValueError: An option has an invalid value.
    """

    __slots__ = ()

    @overload
    def __init__(
        self: ChunkParser[ChatCompletionChunk],
        *,
        kind: Literal["chat"],
        **options: Unpack[ChunkOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ChunkParser[CompletionChunk],
        *,
        kind: Literal["completion"],
        **options: Unpack[ChunkOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ChunkParser[Chunk],
        *,
        kind: CompletionKind | None = ...,
        **options: Unpack[ChunkOptions],
    ) -> None: ...

    def __init__(
        self,
        *,
        kind: CompletionKind | None = None,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_choices: int | None = MAX_CHOICES,
        max_objects: int | None = MAX_OBJECTS,
        error_finish_reasons: Collection[str] = ERROR_FINISH_REASONS,
        **options: Unpack[ParserOptions],
    ) -> None:
        decoder: ChunkDecoder[Any] = ChunkDecoder(
            kind=kind,
            on_bad_json=on_bad_json,
            max_choices=max_choices,
            max_objects=max_objects,
            error_finish_reasons=error_finish_reasons,
        )
        super().__init__(decoder, **options)
