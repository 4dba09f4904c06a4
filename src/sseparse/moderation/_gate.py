"""Gates that release text after a check has approved it."""

from __future__ import annotations

import re
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from typing import Literal, Protocol, TypeVar

from .._options import check_hook
from .._stage import Breakable, breaking
from ..payloads._gated import GatedItem, GatedText, Part, TextKey
from ..payloads._model import Kind
from ._answer import GatedAnswer, Output
from ._concurrent import ConcurrentIterator
from ._iterators import Applied, ReleaseIterator, TextIterator
from ._options import GateOptions
from ._verdicts import Flagged, Replace, Verdict, is_flagged
from ._windows import Release, TextChain, Window, key_of

Check = Callable[[str], Verdict]
"""A function that gets a window's text and returns a verdict on it."""
AsyncCheck = Callable[[str], Awaitable[Verdict]]
"""An async function that gets a window's text and returns a verdict on it."""
WindowCheck = Callable[[Window], Verdict]
"""A function that gets a window and returns a verdict on its text."""
AsyncWindowCheck = Callable[[Window], Awaitable[Verdict]]
"""An async function that gets a window and returns a verdict on its text."""

ItemT = TypeVar("ItemT", bound=GatedItem)


class HasOnRelease(Protocol):
    """An object that records releases, such as `sseparse.timing.Timeline`."""

    def on_release(self, text: str) -> object:
        """Record text that was released."""


class Gate(Breakable):
    """
    Moderation gate: releases the text of an answer after a check has approved it.

    The text of each choice is split into windows, at places that don't depend on the chunks. A
    window that isn't approved stops the stream for all choices, by default. The error `Flagged` has
    the text released so far and the text that wasn't released. Use a gate for one answer, in one
    thread at a time.

    Each window is checked together with the `lookback` characters before it, so the check sees
    every phrase of up to `lookback` characters in one piece, also across content blocks and output
    items. If a phrase spans two windows, its first part has already been released when the second
    part is checked, unless `hold` is at least the length of the phrase.

    Texts of one kind and choice are checked as one, in the order in which they begin. Different
    kinds, choices and tool calls are checked apart.

    **Only the kinds of text in `kinds` are checked**: by default the content of chat deltas and the
    text of legacy chunks. `chunks()` releases the arguments of tool calls without a check, unless
    you change `unchecked`, and nothing else that isn't checked: no reasoning and no refusals.

    Args:
        check: Returns a verdict on a text: True to approve it, False to flag it, `Replace(text)` to
            change it, or an object with `flagged`, or with `results` that have it, such as the
            answer of OpenAI's moderation endpoint. Later checks see the text with the changes.
            None, the default, if you pass the verdicts to `decide()` yourself.
        check_window: A check that gets the `Window`, which has the choice, the number and the kind
            too, instead of the text. Give either this or `check`.
        kinds: The kinds of text that are checked: "content", "reasoning", "refusal", "transcript"
            of a spoken answer, and "arguments" of tool calls. Default: only content.
        unchecked: The kinds of text that `chunks()` passes on without a check, unless they are in
            `kinds`. Default: only arguments, with the tool calls. With them pass the known fields
            that belong to them: all arguments of a call, annotations of content, signatures and
            encrypted reasoning. Everything else in the same event is withheld, such as outputs of
            tools and unknown fields, and so is all other text.
        window: Where windows end. "sentence", the default: after a mark that ends a sentence, such
            as "." or "?", and a space; after a CJK mark, such as "。"; and after each line. The
            window needs a letter. Common abbreviations, such as "Dr." and "e.g.", and lines that
            end with a colon don't end it. A number: after that number of words, punctuation marks
            and single CJK characters. The end of a content block or output item ends a window too,
            and so do text of another kind and the end of the choice.
        lookback: Number of characters before a window that the check sees too, up to 100,000. They
            can be those of the block or item before it. Default: 200.
        longest: Maximum number of characters of new text in a window, up to 100,000. A longer
            window is split at its last space, if it has one. Default: 1,000.
        release: "checked", the default, releases text after its window was approved. "first"
            releases all text at once and checks it afterwards. Then `Flagged` says what to retract:
            `released` is what the reader got of the text, with the flagged window. `Replace` with a
            change blocks.
        hold: The end of the approved text that waits until the next window is approved too. 0, the
            default: nothing. A number of characters, up to 100,000: no part of a phrase of up to
            that length plus 1 is released before a check has seen the complete phrase. The
            lookback is at least this number. A compiled pattern: the longest end of the text, of up
            to `lookback` characters, that the pattern matches in full. Write it so that it matches
            every beginning of a forbidden phrase, for example `re.compile("[0-9 -]+")` for card
            numbers. What waits is released at the end of its content block or output item, and
            before text of another kind or a tool call: all kinds leave in their order, and the
            check of later text still sees it. If all windows are approved then, `feed()` or
            `close()` returns a window without new text for it; iteration approves that without a
            check. `chunks()` then releases finish reasons at the end of the stream.
        concurrent: Maximum number of windows that are checked at the same time. 1, the default:
            iteration doesn't read the stream during a check. With a larger number, it does;
            synchronous iteration then calls the check in threads, so it must be thread-safe.
            Verdicts are applied in the order of the text, so the result stays the same. Approved
            text can be released only when the next chunk arrives, the stream ends, or more windows
            than this number wait.
        timeout: Maximum duration of a check, in seconds; None, the default, for no limit. In
            synchronous iteration, a check with a timeout runs in a separate thread. While as many
            checks as `concurrent` hang, later checks time out at once. In asynchronous iteration,
            the timeout applies only to async checks.
        on_flagged: "stop", the default, raises `Flagged` and releases nothing more. "stop_choice"
            stops only the choice of the window: `flags` has the error, and the other choices
            continue.
        on_failure: What to do if a check raises an exception or times out: "block", the default,
            raises `Flagged`, with the failure as its cause; "release" approves the window, and adds
            the failure to `failures`. An invalid verdict always blocks.
        timeline: Records each release of content of choice 0, by `on_release(text)`.

    Raises:
        ValueError: An option has an invalid value.
        TypeError: The check isn't callable.
    """

    def __init__(
        self,
        check: Check | AsyncCheck | None = None,
        *,
        check_window: WindowCheck | AsyncWindowCheck | None = None,
        kinds: tuple[Kind, ...] = ("content",),
        unchecked: tuple[Kind, ...] = ("arguments",),
        window: Literal["sentence"] | int = "sentence",
        lookback: int = 200,
        longest: int = 1000,
        release: Literal["checked", "first"] = "checked",
        hold: int | re.Pattern[str] = 0,
        concurrent: int = 1,
        timeout: float | None = None,
        on_flagged: Literal["stop", "stop_choice"] = "stop",
        on_failure: Literal["block", "release"] = "block",
        timeline: HasOnRelease | None = None,
    ) -> None:
        super().__init__()
        self._options = GateOptions(
            check=check,
            check_window=check_window,
            kinds=kinds,
            unchecked=unchecked,
            window=window,
            lookback=lookback,
            longest=longest,
            release=release,
            hold=hold,
            concurrent=concurrent,
            timeout=timeout,
            on_flagged=on_flagged,
            on_failure=on_failure,
        )
        self._answer = GatedAnswer(self._options)
        self._is_closed = False
        self._is_reading_verdict = False
        self._failures: list[Exception] = []
        if timeline is not None:
            check_hook("timeline", timeline, "on_release", "a Timeline(), or None")
        self._timeline = timeline
        self._iterator: ReleaseIterator | None = None

    @property
    def flagged(self) -> Flagged | None:
        """The error that stopped the gate because a window wasn't approved, or None."""
        return self._error if isinstance(self._error, Flagged) else None

    @property
    def flags(self) -> Mapping[int, Flagged]:
        """The errors of the choices that on_flagged="stop_choice" stopped, by their index."""
        return {**self._answer.flags}

    @property
    def failures(self) -> tuple[Exception, ...]:
        """The failures that on_failure="release" accepted, without tracebacks."""
        return tuple(self._failures)

    @property
    def withheld(self) -> tuple[str, ...]:
        """Kinds of text, and up to 100 names of fields, that were received and aren't released."""
        return tuple(self._answer.withheld)

    @property
    def waiting(self) -> tuple[Window, ...]:
        """The windows that wait for a verdict, by choice and in the order of the text."""
        answer = self._answer
        chains = [chain for key, chain in answer.chains.items() if key.choice not in answer.flags]
        return tuple(window for chain in chains for window in chain.waiting)

    def released(self, choice: int = 0, kind: Kind = "content") -> str:
        """Return the released text of a choice, with its replacements."""
        return "".join(chain.released for chain in self._chains(choice, kind))

    def held(self, choice: int = 0, kind: Kind = "content") -> str:
        """Return the text of a choice that was received but not released."""
        return "".join(chain.held for chain in self._chains(choice, kind))

    def _chains(self, choice: int, kind: Kind) -> Iterator[TextChain]:
        for key, chain in self._answer.chains.items():
            if key.choice == choice and key.kind == kind:
                yield chain

    def feed(self, item: GatedItem) -> list[Window]:
        """
        Feed a chunk, or another item of an API, and return the windows that it completes.

        The finish reason of a choice completes its open window.

        Raises:
            Flagged, BrokenStage: An earlier call stopped the gate.
            RuntimeError: The gate is closed.
            TypeError: The argument isn't an item.
        """
        return self._add_windows(self._parts_of(item))

    def _feed(self, item: GatedItem) -> list[Output]:
        return self._add(self._parts_of(item))

    def _parts_of(self, item: GatedItem) -> Callable[[], Iterable[Part]]:
        self._check_open()
        split = getattr(item, "split_texts", None)
        if split is None:
            raise TypeError(
                f"a gate takes chunks, not {type(item).__name__}: those of a Stream, of a "
                "ChunkDecoder or of to_chunks(); feed_text() takes text"
            )
        return partial(split, self._answer.unchecked)

    def feed_text(self, text: str, choice: int = 0, kind: Kind = "content") -> list[Window]:
        """
        Feed the next text of a choice and return the windows that it completes.

        Raises:
            Flagged, BrokenStage, RuntimeError: As for `feed()`. TypeError: The text isn't a str.
            ValueError: The gate doesn't check this kind.
        """
        self._check_open()
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}; give a str")
        if kind not in self._options.kinds:
            raise ValueError(f"the gate doesn't check {kind!r}; give it in Gate(kinds=...)")
        part = GatedText(TextKey(kind, choice), text, None)
        return self._add_windows(lambda: [part]) if text else []

    @breaking
    def _add(self, parts: Callable[[], Iterable[Part]]) -> list[Output]:
        return self._answer.add(parts())

    @breaking
    def _add_windows(self, parts: Callable[[], Iterable[Part]]) -> list[Window]:
        return _windows(self._answer.add(parts()))

    @breaking
    def close(self) -> list[Window]:
        """
        Process the end of the answer and return the last window of each choice.

        You can still call `decide()` after this. Closing again returns an empty list.

        Raises:
            Flagged, BrokenStage: As for `feed()`.
        """
        return _windows(self._close())

    @breaking
    def _close(self) -> list[Output]:
        self._raise_error()
        self._is_closed = True
        return self._answer.close()

    def decide(self, window: Window, verdict: Verdict) -> list[Release]:
        """
        Apply the verdict on a window and return the text that can now be released.

        Verdicts can be given in any order. Text is released in the order in which it was received:
        an approved window waits until all windows before it, of the same choice and kind, are
        approved. A `Replace` is accepted only when the windows before it are decided. It changes
        the text that later windows overlap, so these are made again and wait for a new verdict: see
        `waiting`.

        Args:
            window: A window that `feed()` or `close()` returned.
            verdict: The verdict: a return value of the check.

        Raises:
            Flagged: The window isn't approved, or another one wasn't before. An invalid verdict
                blocks too, with any `on_failure`.
            RuntimeError: The window isn't one of `waiting`, or can't be replaced yet.
            Exception: Any exception of the timeline; `released()` has the text.
        """
        return self._record(self._apply(window, verdict).releases)

    def fail(self, window: Window, error: Exception) -> list[Release]:
        """
        Apply the failure of a window's check and return the text that can now be released.

        This works like `decide()`, with the error instead of a verdict.

        Raises:
            Flagged: The gate has on_failure="block", or a window wasn't approved before.
            RuntimeError, Exception: As for `decide()`.
        """
        return self._record(self._apply(window, None, error).releases)

    def _apply(self, window: Window, verdict: object, failure: Exception | None = None) -> Applied:
        """Apply a verdict, or the failure of a check, without calling the timeline."""
        self._raise_error()
        if self._is_reading_verdict:
            raise RuntimeError("can't decide on a window while a verdict is being read")
        if window.choice in self._answer.flags:
            return Applied()
        text = self._answer.texts.get(key_of(window))
        chain = None if text is None else text.chain
        if chain is None or not chain.is_waiting(window):
            raise RuntimeError(
                f"window {window.number} of choice {window.choice} isn't waiting for a verdict: it "
                "was decided before, a replacement before it changed its text (see `waiting`), or "
                "it belongs to another gate"
            )
        if isinstance(verdict, Replace) and not chain.is_first(window):
            raise RuntimeError(
                f"window {window.number} of choice {window.choice} can't be replaced before the "
                "windows before it are decided; decide them first"
            )
        return self._approve(chain, window, verdict, failure)

    @breaking
    def _approve(
        self, chain: TextChain, window: Window, verdict: object, failure: Exception | None
    ) -> Applied:
        """Approve a window unless its verdict or failure blocks it."""
        rebuilt: list[Window] = []
        is_blocked = failure is not None and self._options.on_failure == "block"
        if failure is None:
            self._is_reading_verdict = True
            try:
                is_blocked = is_flagged(verdict)
                if isinstance(verdict, Replace):
                    rebuilt = chain.replace(window, verdict.text)
            except Exception as error:  # a property of a verdict may raise anything
                is_blocked, verdict, failure = True, None, error
            finally:
                self._is_reading_verdict = False
        if is_blocked:
            texts = {"released": chain.released, "held": chain.held}
            flagged = Flagged(window=window, verdict=verdict, failure=failure, **texts)
            return self._block(flagged)
        if failure is not None:
            self._failures.append(failure.with_traceback(None))
        return Applied(chain.approve(window), rebuilt)

    def _block(self, flagged: Flagged) -> Applied:
        if self._options.on_flagged == "stop":
            raise flagged from flagged.failure
        flagged.__cause__ = flagged.failure
        self._answer.flags[flagged.choice] = flagged
        return Applied(stops=self._answer.stop_items(flagged.window))

    def _record(self, releases: Sequence[Release]) -> list[Release]:
        if self._timeline is not None:
            for release in releases:
                if release.choice == 0 and release.kind == "content":
                    self._timeline.on_release(release.text)
        return [*releases]

    def _check_open(self) -> None:
        if self.stopped:
            self._raise_error()
        if self._is_closed:
            raise RuntimeError("the gate is closed; make one for each answer")

    def releases(self, stream: Iterable[GatedItem]) -> Iterator[Release]:
        """
        Iterate the approved text of all choices of a `Stream`, or another iterable of chunks.

        A second loop over the same stream continues where the first one stopped. If the stream
        fails, the text received before that is checked and released first. A flagged window closes
        the stream; leaving the loop doesn't.

        Returns:
            The releases, one for each window. The iterator raises `Flagged` for a window that isn't
            approved, with the unchecked result so far as `partial` if the stream is a `Stream`, and
            any exception of the stream. With on_flagged="stop_choice", it raises the first of
            `flags` at the end.

        Raises:
            TypeError: The gate has no check, or the stream is asynchronous.
            RuntimeError: The gate has another stream, or iterates its chunks.
        """
        return self._iterate(stream)

    def text_deltas(self, stream: Iterable[GatedItem]) -> Iterator[str]:
        """
        Iterate the approved text of choice 0, as `releases()` does; all choices are checked.

        Only content is returned; other `kinds` are checked.
        """
        return TextIterator(self._iterate(stream))

    def chunks(self, stream: Iterable[ItemT]) -> Iterator[ItemT]:
        """
        Iterate the approved chunks of a `Stream`, or another iterable of chunks.

        The chunks have the released text, what isn't text, such as roles and tool calls, in its
        order, and the token counts. A finish reason comes after the text. Accumulating the chunks
        gives what the reader got. Log-probabilities, annotations, audio, the padding
        `obfuscation`, unknown fields and kinds of text in neither `kinds` nor `unchecked` are left
        out: see `withheld`. Events with a complete text have the released text instead.

        Otherwise this works like `releases()`. With on_flagged="stop_choice", the last chunk of a
        flagged choice has the finish reason "content_filter", and `Flagged` isn't raised.
        """
        return self._iterate(stream, makes_items=True)

    def areleases(self, stream: AsyncIterable[GatedItem]) -> AsyncIterator[Release]:
        """
        Iterate the approved text of an `AsyncStream`, or another asynchronous iterable of chunks.

        An async check is awaited. A synchronous check blocks the event loop while it runs. If a
        step is cancelled, so is its check, and the next step calls it again. With `concurrent`, the
        checks run on in their tasks, and the next step waits for them. Otherwise this works like
        `releases()`, and raises the same exceptions.
        """
        return self._iterate(stream, is_async=True)

    def atext_deltas(self, stream: AsyncIterable[GatedItem]) -> AsyncIterator[str]:
        """Iterate the approved text of choice 0, as `areleases()` does; all choices are checked."""
        return TextIterator(self._iterate(stream, is_async=True))

    def achunks(self, stream: AsyncIterable[ItemT]) -> AsyncIterator[ItemT]:
        """Iterate the approved chunks, as `chunks()` does, with checks as in `areleases()`."""
        return self._iterate(stream, is_async=True, makes_items=True)

    def _iterate(
        self, stream: object, *, is_async: bool = False, makes_items: bool = False
    ) -> ReleaseIterator:
        _check_stream(stream, is_async=is_async)
        if not self._options.has_check:
            raise TypeError("the gate has no check to call: give one, as in Gate(check)")
        if self._iterator is None:
            make = ConcurrentIterator if self._options.concurrent > 1 else ReleaseIterator
            self._iterator = make(
                self,
                stream,
                self._options,
                self._answer,
                makes_items=makes_items,
                feed=self._feed,
                close=self._close,
                apply=self._apply,
                record=self._record,
            )
        elif self._iterator.stream is not stream:
            raise RuntimeError("the gate has another stream; make one for each answer")
        elif self._iterator.makes_items is not makes_items:
            raise RuntimeError("the gate iterates either text or chunks; make one for each")
        return self._iterator


def _windows(output: list[Output]) -> list[Window]:
    return [each for each in output if isinstance(each, Window)]


def _check_stream(stream: object, *, is_async: bool) -> None:
    """Raise TypeError for a stream that has only the iteration of the other kind."""
    has_iter, has_aiter = isinstance(stream, Iterable), isinstance(stream, AsyncIterable)
    name = type(stream).__name__
    if is_async and has_iter and not has_aiter:
        raise TypeError(f"{name} is synchronous; use releases(), text_deltas() or chunks()")
    if not is_async and has_aiter and not has_iter:
        raise TypeError(f"{name} is asynchronous; use areleases(), atext_deltas() or achunks()")
