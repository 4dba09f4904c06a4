"""State of a moderation gate, without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from .._options import check_choice
from .._stage import Breakable, breaking
from ..chunks import ChatCompletionChunk, Chunk, CompletionChunk
from ..chunks._texts import text_of
from ._verdicts import Flagged, Verdict, is_flagged
from ._windows import GatedChoice, Release, Window

# The open text is copied with each piece of text, and the lookback with each window.
_MOST_CHARACTERS: Final = 100_000


class GateState(Breakable):
    """State of a gate without a check or a timeline. The arguments are those of `Gate`."""

    def __init__(self, window: str | int, lookback: int, longest: int, on_failure: str) -> None:
        super().__init__()
        is_number = isinstance(window, int) and not isinstance(window, bool) and window > 0
        if not is_number and window != "sentence":
            raise ValueError(
                f'window is {window!r}; give "sentence", or a number of tokens above 0'
            )
        _check_characters("lookback", lookback, 0)
        _check_characters("longest", longest, 1)
        check_choice("on_failure", on_failure, "block", "release")
        self._window = window
        self._lookback = lookback
        self._longest = longest
        self._blocks_failures = on_failure == "block"
        self._choices: dict[int, GatedChoice] = {}
        self._is_closed = False
        self._is_reading_verdict = False
        self._failures: list[Exception] = []

    @property
    def flagged(self) -> Flagged | None:
        """The error that stopped the gate because a window wasn't approved, or None."""
        return self._error if isinstance(self._error, Flagged) else None

    @property
    def failures(self) -> tuple[Exception, ...]:
        """The failures that on_failure="release" accepted, without tracebacks."""
        return tuple(self._failures)

    def released(self, choice: int = 0) -> str:
        """Return the text of a choice that was released."""
        return self._choices[choice].released if choice in self._choices else ""

    def held(self, choice: int = 0) -> str:
        """Return the text of a choice that was received and not released."""
        return self._choices[choice].held if choice in self._choices else ""

    def feed(self, chunk: Chunk) -> list[Window]:
        """
        Feed a chunk and return the windows that it completes.

        The finish reason of a choice completes its open window.

        Raises:
            Flagged, BrokenStage: An earlier call stopped the gate.
            RuntimeError: The gate is closed.
            TypeError: It isn't a chunk.
        """
        self._check_open()
        if not isinstance(chunk, ChatCompletionChunk | CompletionChunk):
            raise TypeError(
                f"a gate takes chunks, not {type(chunk).__name__}: those of a Stream, of a "
                "ChunkDecoder or of to_chunks(); feed_text() takes text"
            )
        return self._add_texts(_texts_of(chunk))

    def feed_text(self, text: str, choice: int = 0) -> list[Window]:
        """
        Feed the next text of a choice and return the windows that it completes.

        Raises:
            Flagged, BrokenStage, RuntimeError: As `feed()` does.
            TypeError: It isn't a str.
        """
        self._check_open()
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}; give a str")
        return self._add_texts([(choice, text, False)])

    @breaking
    def _add_texts(self, texts: Iterable[tuple[int, str, bool]]) -> list[Window]:
        windows: list[Window] = []
        for index, text, is_finished in texts:
            choice = self._choices.get(index)
            if text:
                if choice is None:
                    choice = GatedChoice(index, self._window, self._lookback, self._longest)
                    self._choices[index] = choice
                windows += choice.feed(text)
            if is_finished and choice is not None:
                windows += choice.flush()
        return windows

    @breaking
    def close(self) -> list[Window]:
        """
        Process the end of the answer and return the last window of each choice.

        Verdicts can follow. Closing again returns an empty list.

        Raises:
            Flagged, BrokenStage: As `feed()` does.
        """
        self._raise_error()
        self._is_closed = True
        return [window for choice in self._choices.values() for window in choice.flush()]

    def decide(self, window: Window, verdict: Verdict) -> list[Release]:
        return self._apply_verdict(self._choice_of(window), window, verdict)

    @breaking
    def _apply_verdict(self, choice: GatedChoice, window: Window, verdict: object) -> list[Release]:
        self._is_reading_verdict = True
        try:
            flagged = is_flagged(verdict)
        except Exception as error:  # a property of a verdict may raise anything
            raise self._make_flagged(window, failure=error) from error
        finally:
            self._is_reading_verdict = False
        if flagged:
            raise self._make_flagged(window, verdict=verdict)
        return choice.approve(window)

    def fail(self, window: Window, error: Exception) -> list[Release]:
        return self._apply_error(self._choice_of(window), window, error)

    @breaking
    def _apply_error(self, choice: GatedChoice, window: Window, error: Exception) -> list[Release]:
        if self._blocks_failures:
            raise self._make_flagged(window, failure=error) from error
        self._failures.append(error.with_traceback(None))
        return choice.approve(window)

    def _make_flagged(
        self, window: Window, *, verdict: object = None, failure: Exception | None = None
    ) -> Flagged:
        released, held = self.released(window.choice), self.held(window.choice)
        return Flagged(
            window=window, released=released, held=held, verdict=verdict, failure=failure
        )

    def _choice_of(self, window: Window) -> GatedChoice:
        self._raise_error()
        if self._is_reading_verdict:
            raise RuntimeError("can't decide on a window while a verdict is being read")
        choice = self._choices.get(window.choice)
        if choice is None or not choice.is_waiting(window):
            raise RuntimeError(
                f"window {window.number} of choice {window.choice} isn't waiting for a verdict: it "
                "was decided before, or it belongs to another gate"
            )
        return choice

    def _check_open(self) -> None:
        self._raise_error()
        if self._is_closed:
            raise RuntimeError("the gate is closed; make one for each answer")


def _texts_of(chunk: Chunk) -> Iterator[tuple[int, str, bool]]:
    """Yield the index of each choice, its text, and whether it's finished."""
    if isinstance(chunk, ChatCompletionChunk):
        for choice in chunk.choices:
            yield choice.index, text_of(choice.delta.content), bool(choice.finish_reason)
    else:
        for each in chunk.choices:
            yield each.index, each.text, bool(each.finish_reason)


def _check_characters(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or not least <= value <= _MOST_CHARACTERS:
        raise ValueError(
            f"{name} is {value!r}; give a number of characters, {least} to {_MOST_CHARACTERS}"
        )
