"""State of a moderation gate, without I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Protocol

from .._options import check_choice
from .._stage import Breakable, breaking, raise_stored
from ..chunks import ChatCompletionChunk, Chunk, CompletionChunk
from ..chunks._models import text_of
from ._verdicts import Flagged, Verdict, is_flagged
from ._windows import Release, SentenceBoundary, TokenBoundary, Window, WindowSplitter

# The open text is copied with each piece of text, and the lookback with each window.
_MOST_CHARACTERS: Final = 100_000


class ChoiceState:
    """Windows of one choice, and the order of their release."""

    def __init__(self, choice: int, splitter: WindowSplitter, lookback: int) -> None:
        self._choice = choice
        self._splitter = splitter
        self._lookback = lookback
        self._before = ""
        self._number = 0
        self._next_release = 0
        self._waiting: dict[int, Window] = {}
        self._approved: dict[int, Window] = {}
        self._released: list[str] = []

    @property
    def released(self) -> str:
        return "".join(self._released)

    @property
    def held(self) -> str:
        windows = self._waiting | self._approved
        return "".join([windows[at].new for at in sorted(windows)]) + self._splitter.open_text

    def feed(self, text: str) -> list[Window]:
        return [self._make_window(each) for each in self._splitter.feed(text)]

    def flush(self) -> list[Window]:
        return [self._make_window(each) for each in self._splitter.flush()]

    def is_waiting(self, window: Window) -> bool:
        return self._waiting.get(window.number) is window

    def approve(self, window: Window) -> list[Release]:
        """Approve a window and return the text that can now be released."""
        self._approved[window.number] = self._waiting.pop(window.number)
        releases: list[Release] = []
        while (following := self._approved.pop(self._next_release, None)) is not None:
            self._next_release += 1
            releases.append(Release(following.new, self._choice))
        self._released += [release.text for release in releases]
        return releases

    def _make_window(self, new: str) -> Window:
        before = self._before
        window = Window(
            text=before + new, overlap=len(before), choice=self._choice, number=self._number
        )
        self._before = window.text[-self._lookback :] if self._lookback else ""
        self._waiting[window.number] = window
        self._number += 1
        return window


class HasOnRelease(Protocol):
    """An object that records releases, such as `sseparse.timing.Timeline`."""

    def on_release(self, text: str) -> object:
        """Record text that was released."""
        ...


class GateState(Breakable):
    """State of a gate that doesn't call a timeline. The arguments are those of `Gate`."""

    def __init__(self, window: str | int, lookback: int, longest: int, on_failure: str) -> None:
        super().__init__()
        _check_window(window)
        _check_characters("lookback", lookback, 0)
        _check_characters("longest", longest, 1)
        check_choice("on_failure", on_failure, "block", "release")
        self._window = window
        self._lookback = lookback
        self._longest = longest
        self._blocks_failures = on_failure == "block"
        self._choices: dict[int, ChoiceState] = {}
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
                    choice = self._choices[index] = self._make_choice(index)
                windows += choice.feed(text)
            if is_finished and choice is not None:
                windows += choice.flush()
        return windows

    def _make_choice(self, index: int) -> ChoiceState:
        window = self._window
        boundary = TokenBoundary(window) if isinstance(window, int) else SentenceBoundary()
        return ChoiceState(index, WindowSplitter(boundary, self._longest), self._lookback)

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
        """Apply the verdict on a window and return the text that can now be released."""
        return self._apply_verdict(self._choice_of(window), window, verdict)

    @breaking
    def _apply_verdict(self, choice: ChoiceState, window: Window, verdict: object) -> list[Release]:
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
        """Apply the failure of a window's check and return the text that can now be released."""
        return self._apply_failure(self._choice_of(window), window, error)

    @breaking
    def _apply_failure(
        self, choice: ChoiceState, window: Window, error: Exception
    ) -> list[Release]:
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

    def _choice_of(self, window: Window) -> ChoiceState:
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


def _check_window(window: object) -> None:
    is_number = isinstance(window, int) and not isinstance(window, bool) and window > 0
    if not is_number and window != "sentence":
        raise ValueError(f'window is {window!r}; give "sentence", or a number of tokens above 0')


def _check_characters(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or not least <= value <= _MOST_CHARACTERS:
        raise ValueError(
            f"{name} is {value!r}; give a number of characters, {least} to {_MOST_CHARACTERS}"
        )


class ReleaseQueue(Breakable):
    """
    Windows of a stream that wait for a verdict, and releases that wait for the reader.

    Iterators enter it as a context while they work, so that only one works at a time. A window
    stays in it until its verdict is applied, so that an interrupt doesn't lose it.
    """

    def __init__(self, gate: GateState, stream: object, timeline: HasOnRelease | None) -> None:
        super().__init__()
        self._gate = gate
        self._timeline = timeline
        self.stream: Any = stream
        self.chunks: Any = None
        self.windows: deque[Window] = deque()
        self.ready: deque[Release] = deque()
        self.is_ended = False
        self._stream_error: Exception | None = None
        self._is_busy = False

    def __enter__(self) -> None:
        if self._is_busy:
            raise RuntimeError(
                "the gate is in use: its check, another task or another thread can't iterate it "
                "too; make one for each answer"
            )
        self._is_busy = True

    def __exit__(self, *_: object) -> None:
        self._is_busy = False

    def raise_error(self) -> None:
        """Raise the error that stopped the gate or the iteration, if there is one."""
        raise_stored(self._gate.error or self.error)

    def raise_stream_error(self) -> None:
        if self._stream_error is not None:
            raise self._stream_error

    @breaking
    def add_chunk(self, chunk: Chunk) -> None:
        self.windows += self._gate.feed(chunk)

    @breaking
    def end(self, error: Exception | None = None) -> None:
        """Process the end of the stream; an error that ended it is raised after the releases."""
        self.windows += self._gate.close()
        self._stream_error = error
        self.is_ended = True

    # GateState's methods, because Gate's call the timeline: if that raised, the releases would be
    # lost.

    def decide(self, verdict: Any) -> None:
        """Apply the verdict on the first window."""
        self._release(GateState.decide(self._gate, self.windows[0], verdict))

    def fail(self, error: Exception) -> None:
        """Apply the failure of the first window's check."""
        self._release(GateState.fail(self._gate, self.windows[0], error))

    def _release(self, releases: list[Release]) -> None:
        self._append(releases)
        record_releases(self._timeline, releases)

    @breaking
    def _append(self, releases: list[Release]) -> None:
        self.windows.popleft()
        self.ready += releases

    def add_partial(self, flagged: Flagged) -> None:
        """Add the result so far to an error, if there is one."""
        # An error of the snapshot must not replace the one that is raised.
        with suppress(Exception):
            snapshot = getattr(self.stream, "snapshot", None)
            if snapshot is not None:
                flagged.partial = snapshot()


def record_releases(timeline: HasOnRelease | None, releases: list[Release]) -> None:
    if timeline is not None:
        for release in releases:
            if release.choice == 0:
                timeline.on_release(release.text)
