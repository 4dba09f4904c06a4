"""Decoder for chunks: events to chat chunks and legacy completion chunks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator
from typing import Any, Final, Literal, TypeVar

import msgspec

from .._end import End, EndCause
from .._errors import ChunkDecodeError, LimitExceeded, NotEventStream, ServerSentError, SSEError
from .._json import (
    JSON_BLANKS,
    MAX_DEPTH,
    UNREADABLE,
    count_objects,
    is_deep,
    is_list,
    is_object,
    load_object,
)
from .._options import check_choice, check_number
from .._stage import Breakable, breaking
from ..payloads._decoder import find_error, make_error
from ..payloads._model import build
from ..sse._event import Event
from ..sse._parser import Parser
from ._accumulator import MAX_CHOICES, MAX_OBJECTS, check_choice_limit
from ._models import LEGACY, ChatCompletionChunk, Chunk, CompletionChunk, kind_of


def is_whole(body: dict[str, Any], seen: Container[int]) -> bool:
    """
    Tell whether a JSON object is a whole chat completion instead of a chunk of one.

    Args:
        body: The object.
        seen: The choices that came before it, by their indexes: after their deltas a message
            only repeats them.
    """
    choices = body.get("choices")
    first = choices[0] if is_list(choices) and choices else None
    if not is_object(first) or "delta" in first or not is_object(first.get("message")):
        return False
    index = first.get("index")
    return (index if isinstance(index, int) else 0) not in seen


def as_chunk(body: dict[str, Any]) -> dict[str, Any]:
    """Return the one chunk that would have streamed a whole completion: its messages are deltas."""
    choices = [_with_delta(choice, place) for place, choice in enumerate(body["choices"])]
    return {**body, "choices": choices}


def _with_delta(choice: Any, place: int) -> Any:
    if not is_object(choice) or not is_object(choice.get("message")):
        return choice
    rest = {name: value for name, value in choice.items() if name != "message"}
    delta = {**choice["message"]}
    calls = delta.get("tool_calls")
    if is_list(calls):
        # A message has them in order, and pieces of calls say their place.
        delta["tool_calls"] = [
            {"index": place, **call} if is_object(call) else call
            for place, call in enumerate(calls)
        ]
    # So are choices numbered by their order, where they have no numbers.
    return {"index": place, **rest, "delta": delta}


DataT = TypeVar("DataT", str, bytes)

DONE_MARK = "[DONE]"
_CHAT = "chat.completion.chunk"
# Neither keeps anything from one call to the next: one serves all streams.
_DECODE_CHAT: Final = msgspec.json.Decoder(ChatCompletionChunk).decode
_DECODE_LEGACY: Final = msgspec.json.Decoder(CompletionChunk).decode
# What says that an event is of a certain kind, for which the general path has eyes.
_OBJECTS = (_CHAT, LEGACY, "error")
# So many chunks in a row that are not of the schema alone, and the stream's others will not be
# either: trying costs more than it saves.
_MISSES = 3
# In characters. No server has a longer one, and a hostile one shall not fill the memory with them.
_LONGEST_REASON = 256


class ChunkDecoder(Breakable):
    """
    Decode events into chunks, without I/O.

    Events without data are passed over, for servers send them to keep a connection alive. What
    comes after the [DONE] mark is counted, not decoded.

    Args:
        on_bad_json: What an event does whose data is not a JSON object: "raise" stops with
            `ChunkDecodeError`; "skip" drops the event and counts it in `skipped`.
        max_choices: How many choices there may be; an index beyond it is one too many, too.
            None for no limit.
        max_objects: How many JSON objects and arrays one event may hold; None for no limit.

    Raises:
        ValueError: An option has no such value.
    """

    # A dictionary of their own is made for those alone who set attributes of their own.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_decode_plain",
        "_end",
        "_kind",
        "_max_choices",
        "_max_objects",
        "_misses",
        "_object",
        "_reasons",
        "_skip_bad_json",
        "_small",
        "after_done",
        "done",
        "events_seen",
        "skipped",
    )

    def __init__(
        self,
        *,
        on_bad_json: Literal["raise", "skip"] = "raise",
        max_choices: int | None = MAX_CHOICES,
        max_objects: int | None = MAX_OBJECTS,
    ) -> None:
        super().__init__()
        check_choice("on_bad_json", on_bad_json, "raise", "skip")
        check_number("max_choices", max_choices)
        check_number("max_objects", max_objects)
        self.done = False
        """Whether the [DONE] mark was seen."""
        self.skipped = 0
        """How many events were dropped because their data was not a JSON object."""
        self.after_done = 0
        """How many events came after the [DONE] mark."""
        self._skip_bad_json = on_bad_json == "skip"
        self._max_choices = max_choices
        self._max_objects = sys.maxsize if max_objects is None else max_objects
        # What is not longer has neither too many objects nor is it too deep: each has two brackets.
        self._small = min(self._max_objects, 2 * MAX_DEPTH)
        self._reasons: dict[int, str | None] = {}
        self.events_seen = 0
        """How many events came."""
        self._end: End | None = None
        self._decode_plain: Callable[[str | bytes], Chunk] | None = _DECODE_CHAT
        self._kind: type[Chunk] | None = None
        self._object = _CHAT
        self._misses = 0

    @property
    def end(self) -> End | None:
        """How the input ended, or None while it goes on."""
        return self.end_now() if self.stopped else self._end

    def feed(self, event: Event) -> list[Chunk]:
        """
        Take an event; return the chunk that its data holds, if any.

        Args:
            event: The event.

        Returns:
            One chunk or none. An error that the server sent beside choices or usage sets
            `error`, and the chunk is returned; one that stands alone sets `error` only.

        Raises:
            SSEError: The decoder met a fault in an earlier feed: that fault; or an exception
                interrupted an earlier call: `BrokenStage`.
            RuntimeError: The decoder was closed.
            TypeError: It is not an event.
        """
        if not isinstance(event, Event):
            raise TypeError(f"feed() takes an Event, not {type(event).__name__}")
        self._check_open()
        return self._feed(event)

    @breaking
    def _feed(self, event: Event) -> list[Chunk]:
        chunks: list[Chunk] = []
        # An error is for the general path, which has eyes for it.
        rest = iter((event.data,))
        odd = event.data if event.event == "error" else self._take_ordinary(rest, chunks)
        if odd is not None:
            self._take_odd(event, chunks)
        return chunks

    def feed_values(self, values: list[bytes], parser: Parser) -> list[Chunk]:
        """Take the data of events of type "message", as the parser gave it in bulk."""
        chunks: list[Chunk] = []
        rest = iter(values)
        while (odd := self._take_ordinary(rest, chunks)) is not None:
            data = odd.decode("utf-8", "replace")
            self._take_odd(Event(data, "message", parser.last_event_id), chunks)
            if self.stopped:
                break
        return chunks

    def _take_ordinary(self, values: Iterator[DataT], chunks: list[Chunk]) -> DataT | None:
        """Take chunks that hold nothing but fields of the schema; return what is another thing."""
        decode, kind, reasons = self._decode_plain, self._object, self._reasons
        if decode is None or self.done:
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
            for choice in chunk.choices:
                if choice.finish_reason or choice.index not in reasons:
                    self.note(chunk)
                    break
            if self.stopped:
                break
            chunks.append(chunk)
        return None

    def _take_odd(self, event: Event, chunks: list[Chunk]) -> None:
        self.events_seen += 1
        if self.done:
            self.after_done += 1
        elif len(event.data) > self._small and not self.fits(event.data):
            self.stop_at_objects()
        else:
            chunks += self._decode(event)

    def _check_open(self) -> None:
        self._raise_error()
        if self._end is not None:
            raise RuntimeError("feed() after close(): the stream has ended; use a new decoder")

    def fits(self, data: str | bytes) -> bool:
        """Tell whether JSON is small enough to be decoded."""
        return count_objects(data) <= self._max_objects

    def stop_at_objects(self) -> None:
        """Stop at JSON that is not small enough."""
        self.stop(LimitExceeded(limit="objects", maximum=self._max_objects))

    def note(self, chunk: Chunk) -> bool:
        """Keep account of a chunk's choices; stop where they are too many."""
        if self._kind is None and chunk.choices:
            self._settle(type(chunk))
        reasons = self._reasons
        for choice in chunk.choices:
            index = choice.index
            if index not in reasons:
                try:
                    check_choice_limit(index, len(reasons), self._max_choices)
                except LimitExceeded as error:
                    self.stop(error)
                    return False
                reasons[index] = None
            if choice.finish_reason and reasons[index] is None:
                reasons[index] = choice.finish_reason[:_LONGEST_REASON]
        return True

    def _decode(self, event: Event) -> list[Chunk]:
        data = event.data.strip(JSON_BLANKS)
        if not data:
            return []
        if data == DONE_MARK:
            self.done = True
            return []
        try:
            body = load_object(data)
        except UNREADABLE as failure:
            self._take_bad_json(event, str(failure))
            return []
        return self._take(event.event, body)

    def take_body(self, body: dict[str, Any]) -> list[Chunk] | None:
        """Take a whole body that is a JSON object; None if it is no completion and no error."""
        if not is_list(body.get("choices")) and find_error("", body) is None:
            return None
        return self._take("", body)

    def _take(self, event_type: str, body: dict[str, Any]) -> list[Chunk]:
        error = find_error(event_type, body)
        has_chunk = error is None or body.get("choices") or body.get("usage")
        chunks = self._build(body) if has_chunk else []
        if error is not None and not self.stopped:
            self.stop(error)
        return chunks

    def _take_bad_json(self, event: Event, reason: str) -> None:
        if event.event == "error":
            self.stop(make_error(event.data, event.data))
        elif self._skip_bad_json:
            self.skipped += 1
        else:
            self.stop(ChunkDecodeError(event=event, reason=reason))

    def _build(self, body: dict[str, Any]) -> list[Chunk]:
        if is_whole(body, self._reasons):
            # From a server that does not stream, maybe behind one that says it does.
            body = as_chunk(body)
        kind = self._kind or kind_of(body)
        self._misses += 1
        if self._misses == _MISSES:
            self._decode_plain = None
        chunk: Chunk = build(kind, body)
        return [chunk] if self.note(chunk) else []

    def _settle(self, kind: type[Chunk]) -> None:
        """Keep to the kind of the first chunk with choices: a stream is of one kind."""
        self._kind = kind
        if kind is CompletionChunk:
            self._decode_plain = _DECODE_LEGACY
            self._object = LEGACY
            self._misses = 0

    @breaking
    def close(self) -> list[Chunk]:
        """
        Take the end of the stream. Closing again does nothing.

        Returns:
            Nothing: no chunk waits for a later event.

        Raises:
            SSEError: The decoder met a fault in an earlier feed: that fault.
        """
        self._raise_error()
        if self._end is None:
            self._end = self.end_now()
        return []

    def stop(self, error: SSEError) -> None:
        """Stop at a fault."""
        self._stop(error)

    def interrupt(self) -> None:
        """Stop, unless closed, because an exception interrupts a call of what feeds the decoder."""
        if self._end is None:
            self.stopped = True

    def end_now(self) -> End:
        """Say how the input would have ended, had it ended here."""
        return End(
            cause=self._cause(),
            done_seen=self.done,
            finish_seen=self._finish_seen,
            events_seen=self.events_seen,
            finish_reasons={**self._reasons},
        )

    def _cause(self) -> EndCause:
        if isinstance(self.error, ServerSentError):
            return EndCause.SERVER_ERROR
        if isinstance(self.error, NotEventStream):
            return EndCause.NOT_A_STREAM
        if self.error is not None:
            return EndCause.INCOMPLETE
        if self.done:
            return EndCause.DONE
        return EndCause.FINISHED if self._finish_seen else EndCause.INCOMPLETE

    @property
    def _finish_seen(self) -> bool:
        return bool(self._reasons) and None not in self._reasons.values()
