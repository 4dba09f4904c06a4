"""State of a moderation gate, without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, Protocol

from .._options import check_choice
from .._stage import Breakable, breaking
from ..chunks import ChatCompletionChunk, Chunk, CompletionChunk
from ..chunks._models import text_of
from ._verdicts import Flagged, Verdict, is_flagged
from ._windows import Cutter, Release, Rule, Sentences, Tokens, Window


class Lane:
    """
    Make windows of one choice's text, and let them out in order.

    Args:
        choice: The choice, by its index.
        cutter: Where to cut.
        lookback: How many characters of what came before a window shows.
    """

    def __init__(self, choice: int, cutter: Cutter, lookback: int) -> None:
        self._choice = choice
        self._cutter = cutter
        self._lookback = lookback
        self._before = ""
        self._number = 0
        self._next_out = 0
        self._waiting: dict[int, Window] = {}
        self._passed: dict[int, Window] = {}
        self._released: list[str] = []

    @property
    def released(self) -> str:
        """What was let out."""
        return "".join(self._released)

    @property
    def held(self) -> str:
        """What came and was not let out."""
        kept = self._waiting | self._passed
        return "".join([kept[number].new for number in sorted(kept)]) + self._cutter.open_text

    def feed(self, text: str) -> list[Window]:
        """Take text; return the windows that it completes."""
        return self._windows(self._cutter.feed(text))

    def flush(self) -> list[Window]:
        """Take the end of the text, be it for now; return what is left of it."""
        return self._windows(self._cutter.flush())

    def waits_for(self, window: Window) -> bool:
        """Tell whether a window is one of these, and without verdict."""
        return self._waiting.get(window.number) is window

    def let(self, window: Window) -> list[Release]:
        """Take that a window passed; return what can go out now."""
        self._passed[window.number] = self._waiting.pop(window.number)
        releases: list[Release] = []
        while (following := self._passed.pop(self._next_out, None)) is not None:
            self._next_out += 1
            releases.append(Release(following.new, self._choice))
        self._released += [release.text for release in releases]
        return releases

    def _windows(self, texts: Iterable[str]) -> list[Window]:
        return [self._window(text) for text in texts]

    def _window(self, new: str) -> Window:
        before = self._before
        window = Window(
            text=before + new, overlap=len(before), choice=self._choice, number=self._number
        )
        self._before = window.text[-self._lookback :] if self._lookback else ""
        self._waiting[window.number] = window
        self._number += 1
        return window


# The open text is copied with each piece that comes, and the lookback with each window.
_MOST_CHARACTERS: Final = 100_000


class HasOnRelease(Protocol):
    """Describe who is told of releases: `sseparse.timing.Timeline` does."""

    def on_release(self, text: str) -> object:
        """Take text that was let out."""
        ...


class GateCore(Breakable):
    """
    Keep text until it has passed: no I/O, no waiting, no clock.

    Args:
        window: As in `Gate`.
        lookback: As in `Gate`.
        longest: As in `Gate`.
        on_failure: As in `Gate`.
        timeline: As in `Gate`.
    """

    def __init__(
        self,
        *,
        window: Literal["sentence"] | int,
        lookback: int,
        longest: int,
        on_failure: Literal["block", "release"],
        timeline: HasOnRelease | None,
    ) -> None:
        super().__init__()
        _check_window(window)
        _check_characters("lookback", lookback, 0)
        _check_characters("longest", longest, 1)
        check_choice("on_failure", on_failure, "block", "release")
        self._kind = window
        self._lookback = lookback
        self._longest = longest
        self._blocks = on_failure == "block"
        self._timeline = timeline
        self._lanes: dict[int, Lane] = {}
        self._closed = False
        self._judging = False
        self._failures: list[Exception] = []

    @property
    def flagged(self) -> Flagged | None:
        """The error that stopped the gate because a window did not pass, or None."""
        return self._error if isinstance(self._error, Flagged) else None

    @property
    def failures(self) -> tuple[Exception, ...]:
        """What failing checks raised, without tracebacks, where on_failure="release" let it be."""
        return tuple(self._failures)

    def released(self, choice: int = 0) -> str:
        """Return the text of a choice that was let out."""
        lane = self._lanes.get(choice)
        return "" if lane is None else lane.released

    def held(self, choice: int = 0) -> str:
        """Return the text of a choice that came and was not let out."""
        lane = self._lanes.get(choice)
        return "" if lane is None else lane.held

    def feed(self, chunk: Chunk) -> list[Window]:
        """
        Take a chunk; return the windows that it completes.

        A choice's finish reason completes the window that is open.

        Raises:
            Flagged: A window did not pass, earlier.
            BrokenStage: An exception interrupted an earlier call.
            RuntimeError: The gate was closed.
            TypeError: It is no chunk.
        """
        self._check_open()
        if not isinstance(chunk, ChatCompletionChunk | CompletionChunk):
            raise TypeError(
                f"a gate takes chunks, not {type(chunk).__name__}: those of a Stream, of a "
                "ChunkDecoder or of to_chunks(); feed_text() takes text"
            )
        return self._feed_chunk(chunk)

    @breaking
    def _feed_chunk(self, chunk: Chunk) -> list[Window]:
        return self._feed(list(_texts(chunk)))

    @breaking
    def _feed(self, texts: list[tuple[int, str, bool]]) -> list[Window]:
        windows: list[Window] = []
        for choice, text, finished in texts:
            if text:
                windows += self._lane(choice).feed(text)
            if finished and choice in self._lanes:
                windows += self._lanes[choice].flush()
        return windows

    def feed_text(self, text: str, choice: int = 0) -> list[Window]:
        """
        Take the next text of a choice; return the windows that it completes.

        Raises:
            Flagged: A window did not pass, earlier.
            RuntimeError: The gate was closed.
            TypeError: It is no text.
        """
        self._check_open()
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}; give a str")
        return self._feed([(choice, text, False)])

    @breaking
    def close(self) -> list[Window]:
        """
        Take the end of the answer; return what is left, as the last window of each choice.

        Verdicts may come after that. Closing again returns nothing.

        Raises:
            Flagged: A window did not pass, earlier.
        """
        self._raise_error()
        self._closed = True
        return [window for lane in self._lanes.values() for window in lane.flush()]

    def decide(self, window: Window, verdict: Verdict) -> list[Release]:
        """
        Take the verdict on a window; return the text that can go out now.

        Verdicts may come in any order. Text goes out in the order in which it came: what passed
        waits until all before it, of the same choice, has passed too.

        Args:
            window: One that `feed()` or `close()` returned.
            verdict: What the check returned.

        Raises:
            Flagged: The window did not pass, or another one earlier. What is no verdict blocks
                too, whatever `on_failure` says.
            RuntimeError: The window is not one of this gate, or was decided before.
            Exception: Whatever the timeline raises; `released()` has the text.
        """
        return self._tell(self._decide(window, verdict))

    def fail(self, window: Window, error: Exception) -> list[Release]:
        """
        Take that the check of a window failed; return the text that can go out now.

        Args:
            window: One that `feed()` or `close()` returned.
            error: Why there is no verdict.

        Raises:
            Flagged: The failure blocks, as it does with on_failure="block"; or a window did not
                pass, earlier.
            RuntimeError: The window is not one of this gate, or was decided before.
            Exception: Whatever the timeline raises; `released()` has the text.
        """
        return self._tell(self._fail(window, error))

    def _decide(self, window: Window, verdict: Verdict) -> list[Release]:
        return self._apply(self._lane_of(window), window, verdict)

    @breaking
    def _apply(self, lane: Lane, window: Window, verdict: Verdict) -> list[Release]:
        self._judging = True
        try:
            flagged = is_flagged(verdict)
        except Exception as error:  # what a verdict says of itself may raise anything
            raise self._flag(window, failure=error) from error
        finally:
            self._judging = False
        if flagged:
            raise self._flag(window, verdict=verdict)
        return lane.let(window)

    def _fail(self, window: Window, error: Exception) -> list[Release]:
        return self._apply_failure(self._lane_of(window), window, error)

    @breaking
    def _apply_failure(self, lane: Lane, window: Window, error: Exception) -> list[Release]:
        if self._blocks:
            raise self._flag(window, failure=error) from error
        self._failures.append(error.with_traceback(None))
        return lane.let(window)

    def _tell(self, releases: list[Release]) -> list[Release]:
        for release in releases:
            if self._timeline is not None and release.choice == 0:
                self._timeline.on_release(release.text)
        return releases

    def _flag(
        self, window: Window, *, verdict: object = None, failure: Exception | None = None
    ) -> Flagged:
        flagged = Flagged(
            window=window,
            released=self.released(window.choice),
            held=self.held(window.choice),
            verdict=verdict,
            failure=failure,
        )
        self._stop(flagged)
        return flagged

    def _lane(self, choice: int) -> Lane:
        lane = self._lanes.get(choice)
        if lane is None:
            cutter = Cutter(self._rule(), self._longest)
            lane = self._lanes[choice] = Lane(choice, cutter, self._lookback)
        return lane

    def _rule(self) -> Rule:
        return Tokens(self._kind) if isinstance(self._kind, int) else Sentences()

    def _lane_of(self, window: Window) -> Lane:
        self._raise_error()
        if self._judging:
            raise RuntimeError("a verdict cannot decide anything while it is being read")
        lane = self._lanes.get(window.choice)
        if lane is None or not lane.waits_for(window):
            raise RuntimeError(
                f"window {window.number} of choice {window.choice} waits for no verdict here: it "
                "was decided before, or another gate made it"
            )
        return lane

    def _check_open(self) -> None:
        self._raise_error()
        if self._closed:
            raise RuntimeError("the gate was closed; make one for each answer")


def _texts(chunk: Chunk) -> Iterator[tuple[int, str, bool]]:
    if isinstance(chunk, ChatCompletionChunk):
        for choice in chunk.choices:
            yield choice.index, text_of(choice.delta.content), bool(choice.finish_reason)
    else:
        for each in chunk.choices:
            yield each.index, each.text, bool(each.finish_reason)


def _check_window(window: object) -> None:
    tokens = isinstance(window, int) and not isinstance(window, bool) and window > 0
    if not tokens and window != "sentence":
        raise ValueError(f'window is {window!r}; give "sentence", or a number of tokens above 0')


def _check_characters(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or not least <= value <= _MOST_CHARACTERS:
        raise ValueError(
            f"{name} is {value!r}; give a number of characters, {least} to {_MOST_CHARACTERS}"
        )
