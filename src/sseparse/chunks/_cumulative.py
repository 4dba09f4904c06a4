"""Differences between the texts of servers that repeat the text so far in each chunk."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from msgspec.structs import replace

from ..payloads._json_tokens import split_half
from ..payloads._results import Note
from ._models import (
    ENCRYPTED,
    KEY,
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
from ._rewriting import bare_chunk
from ._texts import REASONING_NAMES

_TEXTS: Final = ("content", "reasoning_content", "reasoning", "refusal")

CalleeT = TypeVar("CalleeT", FunctionDelta, CustomToolDelta)


class CumulativeText:
    """
    A text that each chunk repeats from its start.

    Attributes:
        held: A part of a character at the end of the text, which the next text can correct.
        is_cumulative: Whether every text began with the one before it.
    """

    __slots__ = ("_grew", "_in_pieces", "_known", "held", "is_cumulative")

    def __init__(self) -> None:
        self._known = ""
        self._grew = False
        self._in_pieces = False
        self.held = ""
        self.is_cumulative = True

    def extended_by(self, text: str) -> bool:
        """Return whether a text begins with the one before it and is longer."""
        return len(text) > len(self._known) and text.startswith(self._known)

    def repeated_by(self, text: str) -> bool:
        """Return whether a text has nothing new; some servers shorten the last one."""
        return self._known.startswith(text)

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
            part = stable[len(self._known) :]
            self._grew = self._grew or bool(self._known)
        elif self.repeated_by(stable):
            if len(stable) == len(self._known):
                self.held = text[len(stable) :] or self.held
            return self.release() if last else ""
        else:
            # The server began again, or, if no text began with the one before it, sends pieces.
            self.is_cumulative = False
            self._in_pieces = not self._grew
            if self._in_pieces:
                return self.release() + text
            part = self.release() + stable
        self._known, self.held = stable, text[len(stable) :]
        return part

    def release(self) -> str:
        """Return the text held back."""
        if not self.held:
            return ""
        held, self.held = self.held, ""
        self._known += held
        return held


class CumulativeCall:
    """
    A tool call, or a function call, whose arguments so far each chunk repeats.

    Attributes:
        id: The first id.
        is_custom: Whether it's the call of a custom tool.
        is_named: Whether a piece had a name.
        latest_id: The last id.
        place: The index, or the position in the list of calls; None for a function call.
    """

    __slots__ = ("arguments", "id", "is_custom", "is_named", "latest_id", "name", "place")

    def __init__(self, place: int | None) -> None:
        self.id: str | None = None
        self.latest_id: str | None = None
        self.is_custom = False
        self.is_named = False
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
        if not (self.is_custom and self.arguments.held):
            return []
        custom = CustomToolDelta(input=self.arguments.release())
        return [ToolCallDelta(index=self.place, id=self.id, custom=custom)]


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
        return parts

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

    def release(self) -> list[dict[str, Any]]:
        """Return pieces of entries with the texts held back."""
        parts: list[dict[str, Any]] = []
        for kind, index, place, name in self._held:
            held = self._texts[kind, index, place, name].release()
            if held:
                entry = dict(zip(KEY, (kind, index), strict=True))
                parts.append({**entry, name: held})
        self._held.clear()
        return parts


class DeltaRewriter:
    """
    Chunks whose texts so far become what is new in them.

    Lists of parts and audio stay as they are: no server repeats them. A part of a character at the
    end of a function's arguments isn't released at the end, because it can't be the end of their
    JSON.
    """

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}
        self._latest: Chunk | None = None
        self._texts: dict[tuple[int, str], CumulativeText] = {}
        # By the choice, and by the call's place and latest id.
        self._calls: dict[tuple[int, str | int | None], CumulativeCall] = {}
        # By the choice, the calls of custom tools whose input may be held back.
        self._held_calls: dict[int, dict[CumulativeCall, None]] = {}
        self._details: dict[int, CumulativeDetails] = {}

    def rewrite(self, chunk: Chunk, *, last: bool = False) -> list[Chunk]:
        """Return the chunk that replaces a chunk; with `last`, no longer texts are expected."""
        if chunk.choices:
            self._latest = chunk
        if isinstance(chunk, ChatCompletionChunk):
            choices = [self._rewrite_choice(choice, last=last) for choice in chunk.choices]
            return [replace(chunk, choices=choices)]
        legacy = [self._rewrite_legacy(choice, last=last) for choice in chunk.choices]
        return [replace(chunk, choices=legacy)]

    def correct(self, result: ResultT) -> ResultT:
        """Return the result with notes on the texts that weren't cumulative."""
        return replace(result, notes=(*result.notes, *self._notes)) if self._notes else result

    def flush(self) -> list[Chunk]:
        """Return a chunk with the text held back, if there is any."""
        held = {key: text.release() for key, text in self._texts.items() if text.held}
        choices: list[Any] = [
            CompletionChunkChoice(index=index, text=text)
            if name == "text"
            else ChunkChoice(index=index, delta=_replace_fields(ChoiceDelta(), {name: text}))
            for (index, name), text in held.items()
        ]
        for index in {**self._details, **self._held_calls}:
            changes = self._rewrite_lists(index, ChoiceDelta(), last=True)
            if changes:
                choices.append(ChunkChoice(index=index, delta=replace(ChoiceDelta(), **changes)))
        return [bare_chunk(self._latest, choices)] if self._latest and choices else []

    def _rewrite_legacy(
        self, choice: CompletionChunkChoice, *, last: bool
    ) -> CompletionChunkChoice:
        last = last or bool(choice.finish_reason)
        return replace(choice, text=self._next_part(choice.index, "text", choice.text, last=last))

    def _rewrite_choice(self, choice: ChunkChoice, *, last: bool) -> ChunkChoice:
        delta, index = choice.delta, choice.index
        last = last or bool(choice.finish_reason)
        changes = self._rewrite_texts(index, delta, last=last)
        if last or delta.reasoning_details or delta.tool_calls:
            changes |= self._rewrite_lists(index, delta, last=last)
        if delta.function_call is not None:
            function = delta.function_call
            call = self._find_call(index, None, None, function)
            changes["function_call"] = self._rewrite_callee(index, call, function, last=last)
        return replace(choice, delta=_replace_fields(delta, changes)) if changes else choice

    def _rewrite_texts(self, index: int, delta: ChoiceDelta, *, last: bool) -> dict[str, Any]:
        fields = {name: getattr(delta, name) for name in _TEXTS}
        if last or delta.extra:
            fields |= {name: delta.extra.get(name) for name in REASONING_NAMES}
        changes: dict[str, Any] = {}
        for name, text in fields.items():
            if isinstance(text, str):  # lists of parts stay as they are
                changes[name] = self._next_part(index, name, text, last=last)
            elif text is None and last and (index, name) in self._texts:
                held = self._texts[index, name].release()
                if held:
                    changes[name] = held
        return changes

    def _rewrite_lists(self, index: int, delta: ChoiceDelta, *, last: bool) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        details = self._rewrite_details(index, delta, last=last)
        if details or delta.reasoning_details:
            changes["reasoning_details"] = details
        calls = [
            piece
            for place, call in enumerate(delta.tool_calls or ())
            for piece in self._rewrite_call(index, place, call, last=last)
        ]
        if last:
            calls += [piece for call in self._held_calls.pop(index, ()) for piece in call.release()]
        if calls:
            changes["tool_calls"] = calls
        return changes

    def _rewrite_details(
        self, index: int, delta: ChoiceDelta, *, last: bool
    ) -> list[dict[str, Any]]:
        details = self._details.get(index)
        if details is None:
            if not delta.reasoning_details:
                return []
            details = self._details[index] = CumulativeDetails()
        parts = details.next_parts(delta.reasoning_details or [], last=last)
        if last:
            parts += details.release()
        if not details.is_cumulative:
            self._note(index, "reasoning_details")
        return parts

    def _next_part(self, index: int, name: str, text: str, *, last: bool) -> str:
        cumulative = self._texts.get((index, name))
        if cumulative is None:
            cumulative = self._texts[index, name] = CumulativeText()
        part = cumulative.next_part(text, last=last)
        if not cumulative.is_cumulative:
            self._note(index, name)
        return part

    def _note(self, index: int, name: str) -> None:
        self._notes[Note(NoteKind.NOT_CUMULATIVE, index, detail=name)] = None

    def _rewrite_call(
        self, index: int, place: int, delta: ToolCallDelta, *, last: bool
    ) -> list[ToolCallDelta]:
        # Without an index, the order of the calls counts: each chunk repeats all of them.
        if delta.index is not None and delta.index >= 0:
            place = delta.index
        before = self._calls.get((index, place))
        call = self._find_call(index, place, delta.id, delta.function or delta.custom)
        changes: dict[str, Any] = {"index": place}
        if delta.id and delta.id != call.id:
            changes["id"] = None  # some servers make a new id for each chunk
        if delta.function is not None:
            changes["function"] = self._rewrite_callee(index, call, delta.function, last=last)
        if delta.custom is not None:
            changes["custom"] = self._rewrite_callee(index, call, delta.custom, last=last)
            call.is_custom = True
            if call.arguments.held:
                self._held_calls.setdefault(index, {})[call] = None
        pieces = [replace(delta, **changes)]
        if before is not None and self._calls[index, place] is not before:
            pieces = [*self._replace_call(index, before), *pieces]
        return pieces

    def _replace_call(self, index: int, call: CumulativeCall) -> list[ToolCallDelta]:
        """Handle that another call took a call's place, and return what was held back."""
        # A named call continues under its id. The pieces of an unnamed one are those of the next,
        # and there can be another id in each chunk.
        if call.is_named and call.id:
            return []
        self._forget_id(index, call)
        self._held_calls.get(index, {}).pop(call, None)
        return call.release()

    def _find_call(
        self,
        index: int,
        place: int | None,
        call_id: str | None,
        callee: FunctionDelta | CustomToolDelta | None,
    ) -> CumulativeCall:
        """Return the call that a piece belongs to, or a new one."""
        name, arguments = ((callee.name or ""), callee.text) if callee is not None else ("", "")
        call = self._calls.get((index, call_id)) if call_id else None
        call = call or self._calls.get((index, place))
        if call is None or not call.continues_with(call_id, name, arguments):
            call = self._calls[index, place] = CumulativeCall(place)
        if call_id:
            call.id = call.id or call_id
            self._forget_id(index, call)
            call.latest_id = call_id
            self._calls[index, call_id] = call
        return call

    def _forget_id(self, index: int, call: CumulativeCall) -> None:
        if call.latest_id and self._calls.get((index, call.latest_id)) is call:
            del self._calls[index, call.latest_id]

    def _rewrite_callee(
        self, index: int, call: CumulativeCall, callee: CalleeT, *, last: bool
    ) -> CalleeT:
        _, field = callee.wire_fields()  # "arguments", or the "input" of a custom tool
        changes: dict[str, Any] = {}
        if callee.name:
            call.is_named = True
            changes["name"] = call.name.next_part(callee.name, last=True) or None
        if callee.text:
            changes[field] = call.arguments.next_part(callee.text, last=last)
        if not call.arguments.is_cumulative:
            self._note(index, field)
        return replace(callee, **changes)


def _replace_fields(delta: ChoiceDelta, changes: dict[str, Any]) -> ChoiceDelta:
    """Return a delta with other values of known fields, and of other names of reasoning."""
    others = changes.keys() & set(REASONING_NAMES)
    if others:
        changes["extra"] = {**delta.extra, **{name: changes.pop(name) for name in others}}
    return replace(delta, **changes)
