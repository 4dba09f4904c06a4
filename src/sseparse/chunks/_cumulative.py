"""Differences between the texts of servers that repeat the text so far in each chunk."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from msgspec.structs import replace

from ..payloads._json_tokens import split_half
from ..payloads._results import Note
from ._models import (
    ENCRYPTED,
    TEXTS,
    ChatCompletionChunk,
    ChoiceDelta,
    Chunk,
    ChunkChoice,
    CompletionChunkChoice,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from ._results import NoteKind, ResultT
from ._texts import REASONING_NAMES

_TEXTS: Final = ("content", "reasoning_content", "reasoning", "refusal")

AnyChoice = ChunkChoice | CompletionChunkChoice
CalleeT = TypeVar("CalleeT", FunctionDelta, CustomToolDelta)


class CumulativeText:
    """
    A text that each chunk repeats from its start.

    Attributes:
        known: The text so far, without what is held back.
        held: A part of a character at the end of the text, which the next text can correct.
        is_cumulative: Whether every text began with the one before it.
    """

    __slots__ = ("_grew", "_in_pieces", "held", "is_cumulative", "known")

    def __init__(self) -> None:
        self.known = ""
        self._grew = False
        self._in_pieces = False
        self.held = ""
        self.is_cumulative = True

    def extended_by(self, text: str) -> bool:
        """Return whether a text begins with the one before it and is longer."""
        return len(text) > len(self.known) and text.startswith(self.known)

    def repeated_by(self, text: str) -> bool:
        """Return whether a text has nothing new. Some servers send a shorter one at the end."""
        return self.known.startswith(text)

    def next_part(self, text: str, *, last: bool) -> str:
        """
        Return what a text adds to the one before it.

        Args:
            text: The text so far.
            last: Whether nothing is held back.
        """
        if self._in_pieces:
            return text
        stable = text if last else split_half(text.rstrip("\ufffd"))[0]
        if self.extended_by(stable):
            part = stable[len(self.known) :]
            self._grew = self._grew or bool(self.known)
        elif self.repeated_by(stable):
            if len(stable) == len(self.known):
                self.held = text[len(stable) :] or self.held
            return self.release() if last else ""
        else:
            # The server began again, or, if no text began with the one before it, sends pieces.
            self.is_cumulative = False
            self._in_pieces = not self._grew
            if self._in_pieces:
                return self.release() + text
            part = self.release() + stable
        self.known, self.held = stable, text[len(stable) :]
        return part

    def release(self) -> str:
        """Return the text held back."""
        if not self.held:
            return ""
        held, self.held = self.held, ""
        self.known += held
        return held


class CumulativeCall:
    """
    A tool call, or a function call, whose arguments so far each chunk repeats.

    Attributes:
        id: The first id.
        latest_id: The last id.
        place: The index, or the position in the list of calls; None for a function call.
    """

    __slots__ = ("arguments", "id", "latest_id", "name", "place")

    def __init__(self, place: int | None) -> None:
        self.id: str | None = None
        self.latest_id: str | None = None
        self.place = place
        self.name = CumulativeText()
        self.arguments = CumulativeText()

    def continues_with(self, call_id: str | None, name: str, arguments: str) -> bool:
        """Return whether a piece at the place of this call belongs to it, not to another call."""
        if call_id and call_id == self.id:
            return True
        if name and not (self.name.extended_by(name) or self.name.repeated_by(name)):
            return False
        if self.arguments.extended_by(arguments):
            return True
        if call_id and self.id:
            return False
        return not name or self.arguments.repeated_by(arguments)

    def release(self) -> list[ToolCallDelta]:
        """Return a piece with the input of a custom tool that is held back, if there is any."""
        held = self.arguments.release()
        custom = CustomToolDelta(input=held)
        return [ToolCallDelta(index=self.place, id=self.id, custom=custom)] if held else []


class CumulativeDetails:
    """
    The `reasoning_details` of a choice, whose texts so far each chunk repeats.

    Attributes:
        is_cumulative: Whether every text began with the one before it.
    """

    def __init__(self) -> None:
        # By the entry's type, its index or else its position, and the field.
        self._texts: dict[tuple[str, int | None, int, str], CumulativeText] = {}
        self._held: dict[tuple[str, int | None, int, str], None] = {}
        self._encrypted: dict[tuple[str, int | None, int], Any] = {}
        self.is_cumulative = True

    def next_parts(self, details: list[dict[str, Any]], *, last: bool) -> list[dict[str, Any]]:
        """Return the entries with what is new in their texts."""
        parts: list[dict[str, Any]] = []
        for place, detail in enumerate(details):
            kind, index = str(detail.get("type")), detail.get("index")
            key = (kind, index, 0) if isinstance(index, int) else (kind, None, place)
            if kind != ENCRYPTED:
                parts.append(self._next_part(key, detail, last=last))
            elif not self._is_repeated(key, detail.get("data")):
                parts.append(detail)
        return parts + self._release() if last else parts

    def _is_repeated(self, key: tuple[str, int | None, int], data: Any) -> bool:
        # Encrypted entries are never split, but repeated.
        if data is None:
            return False
        known, self._encrypted[key] = self._encrypted.get(key), data
        return bool(data == known)

    def _next_part(
        self, key: tuple[str, int | None, int], detail: dict[str, Any], *, last: bool
    ) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name in TEXTS:
            value = detail.get(name)
            if isinstance(value, str):
                text = self._texts.setdefault((*key, name), CumulativeText())
                changes[name] = text.next_part(value, last=last)
                self.is_cumulative &= text.is_cumulative
                if text.held:
                    self._held[*key, name] = None
        return {**detail, **changes}

    def _release(self) -> list[dict[str, Any]]:
        """Return pieces of entries with the texts held back."""
        parts: list[dict[str, Any]] = []
        for key in self._held:
            held = self._texts[key].release()
            if held:
                kind, index, _, name = key
                parts.append({"type": kind, "index": index, name: held})
        self._held.clear()
        return parts


class CumulativeChoice:
    """
    A choice whose texts and calls each chunk repeats.

    Lists of parts and audio stay as they are: no server repeats them. A part of a character at the
    end of a function's arguments isn't released at the end, because it can't be the end of their
    JSON.

    Attributes:
        not_cumulative: The names of the fields with a text that didn't begin with the one before.
    """

    def __init__(self) -> None:
        self.not_cumulative: dict[str, None] = {}
        self._texts: dict[str, CumulativeText] = {}
        self._details = CumulativeDetails()
        # By the call's place and by its latest id.
        self._calls: dict[str | int | None, CumulativeCall] = {}
        # The calls of custom tools whose input may be held back.
        self._held_calls: dict[CumulativeCall, None] = {}

    def rewrite(self, choice: AnyChoice, *, last: bool) -> AnyChoice:
        """Return the choice with what is new; with `last`, no longer texts are expected."""
        last = last or bool(choice.finish_reason)
        if isinstance(choice, CompletionChunkChoice):
            return replace(choice, text=self._next_part("text", choice.text, last=last))
        delta = choice.delta
        changes = self._rewrite_texts(delta, last=last)
        if last or delta.reasoning_details:
            details = self._rewrite_details(delta.reasoning_details or [], last=last)
            if details or delta.reasoning_details:
                changes["reasoning_details"] = details
        if last or delta.tool_calls:
            calls = self._rewrite_calls(delta.tool_calls or [], last=last)
            if calls:
                changes["tool_calls"] = calls
        if delta.function_call is not None:
            call = self._find_call(None, None, delta.function_call)
            changes["function_call"] = self._rewrite_callee(call, delta.function_call, last=last)
        return replace(choice, delta=_replace_fields(delta, changes)) if changes else choice

    def _rewrite_texts(self, delta: ChoiceDelta, *, last: bool) -> dict[str, Any]:
        fields = {name: getattr(delta, name) for name in _TEXTS}
        if last or delta.extra:
            fields |= {name: delta.extra.get(name) for name in REASONING_NAMES}
        changes: dict[str, Any] = {}
        for name, text in fields.items():
            if isinstance(text, str):  # lists of parts stay as they are
                changes[name] = self._next_part(name, text, last=last)
            elif text is None and last and name in self._texts:
                held = self._texts[name].release()
                if held:
                    changes[name] = held
        return changes

    def _next_part(self, name: str, text: str, *, last: bool) -> str:
        cumulative = self._texts.setdefault(name, CumulativeText())
        part = cumulative.next_part(text, last=last)
        if not cumulative.is_cumulative:
            self.not_cumulative[name] = None
        return part

    def _rewrite_details(
        self, details: list[dict[str, Any]], *, last: bool
    ) -> list[dict[str, Any]]:
        parts = self._details.next_parts(details, last=last)
        if not self._details.is_cumulative:
            self.not_cumulative["reasoning_details"] = None
        return parts

    def _rewrite_calls(self, deltas: list[ToolCallDelta], *, last: bool) -> list[ToolCallDelta]:
        calls: list[ToolCallDelta] = []
        for place, delta in enumerate(deltas):
            calls += self._rewrite_call(place, delta, last=last)
        if last:
            for call in self._held_calls:
                calls += call.release()
            self._held_calls.clear()
        return calls

    def _rewrite_call(self, place: int, delta: ToolCallDelta, *, last: bool) -> list[ToolCallDelta]:
        # Without an index, the order of the calls counts: each chunk repeats all of them.
        if delta.index is not None and delta.index >= 0:
            place = delta.index
        before = self._calls.get(place)
        call = self._find_call(place, delta.id, delta.function or delta.custom)
        changes: dict[str, Any] = {"index": place}
        if delta.id and delta.id != call.id:
            changes["id"] = None  # some servers make a new id for each chunk
        if delta.function is not None:
            changes["function"] = self._rewrite_callee(call, delta.function, last=last)
        if delta.custom is not None:
            changes["custom"] = self._rewrite_callee(call, delta.custom, last=last)
            if call.arguments.held:
                self._held_calls[call] = None
        piece = replace(delta, **changes)
        if before is None or self._calls[place] is before:
            return [piece]
        return [*self._replace_call(before), piece]

    def _replace_call(self, call: CumulativeCall) -> list[ToolCallDelta]:
        """Handle that another call took a call's place, and return what was held back."""
        # A named call can continue under its id. The pieces of an unnamed one belong to the new
        # call. Its id is forgotten, because some servers send another one in each chunk.
        if call.name.known and call.id:
            return []
        self._forget_id(call)
        if call not in self._held_calls:
            return []
        del self._held_calls[call]
        return call.release()

    def _find_call(
        self,
        place: int | None,
        call_id: str | None,
        callee: FunctionDelta | CustomToolDelta | None,
    ) -> CumulativeCall:
        """Return the call that a piece belongs to, or a new one."""
        name, arguments = ((callee.name or ""), callee.text) if callee is not None else ("", "")
        call = self._calls.get(call_id) if call_id else None
        call = call or self._calls.get(place)
        if call is None or not call.continues_with(call_id, name, arguments):
            call = self._calls[place] = CumulativeCall(place)
        if call_id:
            call.id = call.id or call_id
            self._forget_id(call)
            call.latest_id = call_id
            self._calls[call_id] = call
        return call

    def _forget_id(self, call: CumulativeCall) -> None:
        if call.latest_id and self._calls.get(call.latest_id) is call:
            del self._calls[call.latest_id]

    def _rewrite_callee(self, call: CumulativeCall, callee: CalleeT, *, last: bool) -> CalleeT:
        _, field = callee.wire_fields()  # "arguments", or the "input" of a custom tool
        changes: dict[str, Any] = {}
        if callee.name:
            changes["name"] = call.name.next_part(callee.name, last=True) or None
        if callee.text:
            changes[field] = call.arguments.next_part(callee.text, last=last)
        if not call.arguments.is_cumulative:
            self.not_cumulative[field] = None
        return replace(callee, **changes)


def _replace_fields(delta: ChoiceDelta, changes: dict[str, Any]) -> ChoiceDelta:
    """Return a delta with other values of known fields, and of other names of reasoning."""
    others = changes.keys() & set(REASONING_NAMES)
    if others:
        changes["extra"] = {**delta.extra, **{name: changes.pop(name) for name in others}}
    return replace(delta, **changes)


class DeltaRewriter:
    """Chunks whose texts so far become what is new in them."""

    def __init__(self) -> None:
        self._latest: Chunk | None = None
        self._choices: dict[int, CumulativeChoice] = {}

    def rewrite(self, chunk: Chunk, *, last: bool = False) -> list[Chunk]:
        """Return the chunk that replaces a chunk; with `last`, no longer texts are expected."""
        if chunk.choices:
            self._latest = chunk
        choices: list[Any] = []
        for choice in chunk.choices:
            state = self._choices.get(choice.index)
            if state is None:
                state = self._choices[choice.index] = CumulativeChoice()
            choices.append(state.rewrite(choice, last=last))
        return [replace(chunk, choices=choices)]

    def correct(self, result: ResultT) -> ResultT:
        """Return the result with notes on the texts that weren't cumulative."""
        notes = [
            Note(NoteKind.NOT_CUMULATIVE, index, detail=name)
            for index, state in self._choices.items()
            for name in state.not_cumulative
        ]
        return replace(result, notes=(*result.notes, *notes)) if notes else result

    def flush(self) -> list[Chunk]:
        """Return a chunk with the text held back, if there is any."""
        choices: list[AnyChoice] = []
        for index, state in self._choices.items():
            empty = (
                ChunkChoice(index=index, delta=ChoiceDelta())
                if isinstance(self._latest, ChatCompletionChunk)
                else CompletionChunkChoice(index=index, text="")
            )
            released = state.rewrite(empty, last=True)
            if released != empty:
                choices.append(released)
        return [self._latest.bare(choices)] if self._latest and choices else []
