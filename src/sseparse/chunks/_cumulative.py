"""Differences between the texts of servers that repeat the text so far in each chunk."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from msgspec.structs import replace

from ..payloads._json_tokens import split_half
from ._models import (
    ChatCompletionChunk,
    ChoiceDelta,
    Chunk,
    ChunkChoice,
    CompletionChunkChoice,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from ._results import Note, NoteKind
from ._rewriting import bare_chunk

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
    """A tool call, or a function call, whose arguments so far each chunk repeats."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id: str | None = None
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


class DeltaRewriter:
    """
    Chunks whose texts so far become what is new in them.

    Lists of parts and audio stay as they are: no server repeats them. A part of a character at the
    end of arguments isn't released at the end, because it can't be the end of their JSON.

    Attributes:
        notes: Notes on texts that don't begin with those before them.
    """

    def __init__(self) -> None:
        self.notes: dict[Note, None] = {}
        self._latest: Chunk | None = None
        self._texts: dict[tuple[int, str], CumulativeText] = {}
        # By the choice, and by the call's id and place.
        self._calls: dict[tuple[int, str | int | None], CumulativeCall] = {}

    def rewrite(self, chunk: Chunk, *, last: bool = False) -> list[Chunk]:
        """Return the chunk that replaces a chunk; with `last`, no longer texts are expected."""
        if chunk.choices:
            self._latest = chunk
        if isinstance(chunk, ChatCompletionChunk):
            choices = [self._rewrite_choice(choice, last=last) for choice in chunk.choices]
            return [replace(chunk, choices=choices)]
        legacy = [self._rewrite_legacy(choice, last=last) for choice in chunk.choices]
        return [replace(chunk, choices=legacy)]

    def flush(self) -> list[Chunk]:
        """Return a chunk with the text held back, if there is any."""
        held = {key: text.release() for key, text in self._texts.items() if text.held}
        if self._latest is None or not held:
            return []
        choices: list[Any] = [
            CompletionChunkChoice(index=index, text=text)
            if name == "text"
            else ChunkChoice(index=index, delta=replace(ChoiceDelta(), **{name: text}))
            for (index, name), text in held.items()
        ]
        return [bare_chunk(self._latest, choices)]

    def _rewrite_legacy(
        self, choice: CompletionChunkChoice, *, last: bool
    ) -> CompletionChunkChoice:
        last = last or bool(choice.finish_reason)
        return replace(choice, text=self._next_part(choice.index, "text", choice.text, last=last))

    def _rewrite_choice(self, choice: ChunkChoice, *, last: bool) -> ChunkChoice:
        delta, index = choice.delta, choice.index
        last = last or bool(choice.finish_reason)
        changes: dict[str, Any] = {}
        for name in _TEXTS:
            text = getattr(delta, name)
            if isinstance(text, str):  # lists of parts stay as they are
                changes[name] = self._next_part(index, name, text, last=last)
            elif text is None and last and (index, name) in self._texts:
                changes[name] = self._texts[index, name].release() or None
        if delta.tool_calls:
            changes["tool_calls"] = [
                self._rewrite_call(index, place, call, last=last)
                for place, call in enumerate(delta.tool_calls)
            ]
        if delta.function_call is not None:
            function = delta.function_call
            call = self._find_call(index, None, None, function)
            changes["function_call"] = self._rewrite_callee(index, call, function, last=last)
        return replace(choice, delta=replace(delta, **changes)) if changes else choice

    def _next_part(self, index: int, name: str, text: str, *, last: bool) -> str:
        cumulative = self._texts.get((index, name))
        if cumulative is None:
            cumulative = self._texts[index, name] = CumulativeText()
        part = cumulative.next_part(text, last=last)
        if not cumulative.is_cumulative:
            self._note(index, name)
        return part

    def _note(self, index: int, name: str) -> None:
        self.notes[Note(NoteKind.NOT_CUMULATIVE, index, detail=name)] = None

    def _rewrite_call(
        self, index: int, place: int, delta: ToolCallDelta, *, last: bool
    ) -> ToolCallDelta:
        # Without an index, the order of the calls counts: each chunk repeats all of them.
        if delta.index is not None and delta.index >= 0:
            place = delta.index
        call = self._find_call(index, place, delta.id, delta.function or delta.custom)
        changes: dict[str, Any] = {"index": place}
        if delta.id and delta.id != call.id:
            changes["id"] = None  # some servers make a new id for each chunk
        if delta.function is not None:
            changes["function"] = self._rewrite_callee(index, call, delta.function, last=last)
        if delta.custom is not None:
            changes["custom"] = self._rewrite_callee(index, call, delta.custom, last=last)
        return replace(delta, **changes)

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
            call = self._calls[index, place] = CumulativeCall()
        if call_id:
            call.id = call.id or call_id
            self._calls[index, call_id] = call
        return call

    def _rewrite_callee(
        self, index: int, call: CumulativeCall, callee: CalleeT, *, last: bool
    ) -> CalleeT:
        _, field = callee.wire_fields()  # "arguments", or the "input" of a custom tool
        changes: dict[str, Any] = {}
        if callee.name:
            changes["name"] = call.name.next_part(callee.name, last=True) or None
        if callee.text:
            changes[field] = call.arguments.next_part(callee.text, last=last)
        if not call.arguments.is_cumulative:
            self._note(index, field)
        return replace(callee, **changes)
