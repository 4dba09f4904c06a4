"""Reasoning between tags in the content of chat chunks."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from .._end import End, EndCause
from .._json import is_list
from .._stage import Breakable, breaking
from ..payloads._results import Note
from ._models import (
    ChatCompletionChunk,
    ChoiceDelta,
    Chunk,
    ChunkChoice,
    CompletionChunk,
)
from ._results import NoteKind, ResultT
from ._texts import other_parts, text_of, thinking_of

# The fields of a delta that precede its content in reading order. The others follow it.
_HEAD: Final = ("role", "reasoning_content", "reasoning", "reasoning_details")


class TaggedText:
    """
    Content of one choice with reasoning between tags.

    Args:
        start: The tag that begins reasoning. Default: `<think>`.
        end: The tag that ends reasoning. Default: `</think>`.
        opened: Whether the content begins inside the reasoning.

    Attributes:
        held: The end of the text so far, if it can be the start of a tag.
        was_inside: Whether any text was inside the reasoning.
    """

    __slots__ = ("_end", "_is_inside", "_may_start", "_start", "held", "was_inside")

    def __init__(self, start: str, end: str, *, opened: bool) -> None:
        self._start = start
        self._end = end
        self._is_inside = opened
        # A model can repeat the start tag of the template. It's dropped if it comes first.
        self._may_start = opened
        self.held: str = ""
        self.was_inside = opened

    def passes(self, text: str) -> bool:
        """Return whether a text is content only, without any part of a tag."""
        return not (self._is_inside or self.held) and self._start[0] not in text

    def split(self, text: str, *, last: bool) -> list[tuple[bool, str]]:
        """
        Return the next pieces without the tags, each with whether it's reasoning.

        Args:
            text: The next text.
            last: Whether nothing is held back.
        """
        text = self.held + text
        at = 0
        pieces: list[tuple[bool, str]] = []
        if self._may_start:
            blank = len(text) - len(text.lstrip())
            if text.startswith(self._start, blank):
                self._may_start = False
                pieces.append((True, text[:blank]))
                at = blank + len(self._start)
            else:
                self._may_start = not last and self._start.startswith(text[blank:])
        while (found := text.find(self._tag, at)) >= 0:
            pieces.append((self._is_inside, text[at:found]))
            at = found + len(self._tag)
            self._is_inside = not self._is_inside
            self.was_inside = True
        stop = len(text) if last else self._find_partial_tag(text, at)
        pieces.append((self._is_inside, text[at:stop]))
        self.held = text[stop:]
        return [piece for piece in pieces if piece[1]]

    @property
    def _tag(self) -> str:
        return self._end if self._is_inside else self._start

    def _find_partial_tag(self, text: str, at: int) -> int:
        """Return where, from a position on, a tag begins that the text doesn't complete."""
        tags = (self._end, self._start) if self._may_start else (self._tag,)
        longest = max(map(len, tags)) - 1
        for start in range(max(at, len(text) - longest), len(text)):
            if any(tag.startswith(text[start:]) for tag in tags):
                return start
        return len(text)


class TagRewriter:
    """
    Chat chunks whose tagged content becomes reasoning.

    The arguments are those of `ThinkTags`.
    """

    def __init__(self, start: str, end: str, *, opened: bool) -> None:
        self._tags = (start, end)
        self._opened = opened
        self._texts: dict[int, TaggedText] = {}
        self._latest: Chunk | None = None

    def rewrite(self, chunk: Chunk, *, last: bool = False) -> list[Chunk]:
        """Return the chunks that replace a chunk; with `last`, hold nothing back."""
        if not isinstance(chunk, ChatCompletionChunk):
            return [chunk]
        if chunk.choices:
            self._latest = chunk
        chunks: list[Chunk] = []
        choices: list[ChunkChoice] = []
        is_new = False
        for choice in chunk.choices:
            *earlier, final = self._rewrite_choice(choice, last=last)
            for each in earlier:
                chunks.append(chunk.bare([*choices, each]))
                choices = []
            choices.append(final)
            is_new = is_new or final is not choice
        return [*chunks, replace(chunk, choices=choices) if chunks or is_new else chunk]

    def _rewrite_choice(self, choice: ChunkChoice, *, last: bool) -> list[ChunkChoice]:
        content = choice.delta.content
        tagged = self._texts.get(choice.index)
        if tagged is None:
            tagged = self._texts[choice.index] = TaggedText(*self._tags, opened=self._opened)
        if isinstance(content, str) and tagged.passes(content):
            return [choice]
        last = last or bool(choice.finish_reason)
        if not content and not (last and tagged.held):
            return [choice]
        if is_list(content) and (other_parts(content) or thinking_of(content)):
            # Parts of several types have an order and types of their own, so they stay as they
            # are, after the text that was held back.
            held = tagged.split("", last=True)
            deltas = _make_deltas(ChoiceDelta(), held) if held else []
            return [*(ChunkChoice(index=choice.index, delta=each) for each in deltas), choice]
        text = text_of(content)
        pieces = tagged.split(text, last=last)
        if pieces == [(False, text)]:
            return [choice]
        *earlier, final = _make_deltas(choice.delta, pieces)
        return [
            *(ChunkChoice(index=choice.index, delta=each) for each in earlier),
            replace(choice, delta=final),
        ]

    def correct(self, result: ResultT) -> ResultT:
        """
        Return a result without the end tags of reasoning that had no start tag.

        The text before such a tag was content in the chunks: it was known only after them.
        """
        choices: list[Any] = [*result.choices]
        notes = [*result.notes]
        for place, choice in enumerate(choices):
            tagged = self._texts.get(choice.index)
            if tagged is None or tagged.was_inside:
                continue
            reasoning, tag, content = choice.text.partition(self._tags[1])
            if tag:
                reasoning = (choice.message.reasoning_content or "") + reasoning
                message = replace(choice.message, content=content, reasoning_content=reasoning)
                choices[place] = replace(choice, message=message)
                notes.append(Note(NoteKind.REASONING_UNOPENED, choice.index))
        return replace(result, choices=choices, notes=tuple(notes))

    def flush(self) -> list[Chunk]:
        """Return a chunk with the text held back, if there is any."""
        choices = [
            ChunkChoice(index=index, delta=delta)
            for index, tagged in self._texts.items()
            if tagged.held
            for delta in _make_deltas(ChoiceDelta(), tagged.split("", last=True))
        ]
        return [self._latest.bare(choices)] if self._latest and choices else []


def _make_deltas(delta: ChoiceDelta, pieces: list[tuple[bool, str]]) -> list[ChoiceDelta]:
    """
    Return the deltas that bring these pieces instead of a delta's content.

    In a delta, reasoning precedes content. The other fields of the delta stay before its content,
    in the first delta, or after it, in the last one.
    """
    has_reasoning = bool(delta.reasoning_text)
    deltas = [ChoiceDelta()]
    for is_reasoning, text in pieces:
        name = "reasoning_content" if is_reasoning else "content"
        is_after = deltas[-1].content is not None or getattr(deltas[-1], name) is not None
        if is_after or (is_reasoning and has_reasoning):
            deltas.append(ChoiceDelta())
        setattr(deltas[-1], name, text)
    final = {"content": deltas[-1].content, "reasoning_content": deltas[-1].reasoning_content}
    deltas[-1] = replace(delta, **{**dict.fromkeys(_HEAD), **final})
    for name in _HEAD:
        setattr(deltas[0], name, getattr(deltas[0], name) or getattr(delta, name))
    return deltas


class ThinkTags(Breakable):
    """
    Stage that moves the reasoning between tags from the content of chat chunks to their reasoning.

    Servers without a reasoning parser send the reasoning inside the content:
    `<think>Hm.</think>Yes`. The option `think_tags` of a reader or a stream does the same.

        tags = ThinkTags()
        for chunk in parser.feed(data):
            for each in tags.feed(chunk):
                ...
        last = tags.close()

    The reasoning becomes `reasoning_content`. Every other character stays in the content, including
    a line end next to a tag. An end tag without a start tag stays too; the result of a reader or a
    stream then moves the text before that tag to the reasoning, and adds a note. Tags don't nest. A
    tag can be split anywhere: text that can be the start of a tag is delayed until the choice's
    next text, its finish reason or the end of the stream. A chunk whose text changes back to
    reasoning becomes several chunks, in order.

    Chunks without tags are returned unchanged; others are copied. Arguments, refusals, contents
    with parts of several types, and legacy completions don't change.

    Args:
        start: The tag that begins reasoning. Default: `<think>`.
        end: The tag that ends reasoning. Default: `</think>`.
        opened: Whether an answer begins inside the reasoning, because the model's chat template has
            the start tag. If True, the start tag can be missing, and an answer without an end tag
            is reasoning only. Default: False.

    Attributes:
        tags: The tag that begins reasoning, and the one that ends it.
        opened: Whether an answer begins inside the reasoning.

    Raises:
        ValueError: A tag is empty.
    """

    def __init__(
        self, start: str = "<think>", end: str = "</think>", *, opened: bool = False
    ) -> None:
        super().__init__()
        _check_tag("start", start)
        _check_tag("end", end)
        self.tags: tuple[str, str] = (start, end)
        self.opened = opened
        self._rewriter = TagRewriter(start, end, opened=opened)
        self._chunks_seen = 0
        self._end: End | None = None

    @property
    def end(self) -> End | None:
        """How the input ended, or None before its end. It doesn't depend on finish reasons."""
        if self.stopped:
            return End(EndCause.INCOMPLETE, events_seen=self._chunks_seen)
        return self._end

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """
        Feed a chunk and return the chunks that replace it, at least one.

        Raises:
            BrokenStage: An exception interrupted an earlier call.
            RuntimeError: The stage is closed.
            TypeError: The argument isn't a chunk.
        """
        self._raise_error()
        if self._end is not None:
            raise RuntimeError("feed() after close(): use a new ThinkTags for each stream")
        if not isinstance(chunk, ChatCompletionChunk | CompletionChunk):
            raise TypeError(f"feed() takes a chunk, not {type(chunk).__name__}")
        return self._feed(chunk)

    @breaking
    def _feed(self, chunk: Chunk) -> list[Chunk]:
        self._chunks_seen += 1
        return self._rewriter.rewrite(chunk)

    @breaking
    def close(self) -> list[Chunk]:
        """
        Process the end of the chunks. Closing again does nothing.

        Returns:
            A chunk with the delayed text, if there is any.

        Raises:
            BrokenStage: An exception interrupted an earlier call.
        """
        self._raise_error()
        self._end = self._end or End(EndCause.FINISHED, events_seen=self._chunks_seen)
        return self._rewriter.flush()


def _check_tag(name: str, tag: object) -> None:
    if not isinstance(tag, str) or not tag:
        raise ValueError(f"{name} is {tag!r}; give the text of a tag")


def make_rewriter(option: ThinkTags | bool) -> TagRewriter:
    """
    Return a rewriter for the option `think_tags`, which isn't False.

    Raises:
        TypeError: The option isn't True or a ThinkTags.
    """
    if option is True:
        option = ThinkTags()
    if not isinstance(option, ThinkTags):
        raise TypeError(f"think_tags is {option!r}; give True, ThinkTags(...), or False")
    return TagRewriter(*option.tags, opened=option.opened)
