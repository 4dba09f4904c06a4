"""Note what comes when; ride along any stream."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike, fspath
from typing import Any

from .._end import End
from .._stage import Uncopyable
from ..chunks import ChatCompletionChunk, Chunk, CompletionUsage
from ..chunks._accumulator import ReportedUsage
from ._otel import Metric, attributes_of, metrics_of
from ._record import Record
from ._summary import Summary, summarize, to_dict


class Timeline(Uncopyable):
    """
    Note when each part of one stream came.

    Making it is the moment the request is sent. Each hook reads the clock once. A chunk costs 40
    bytes of memory, a piece that brings events or comments up to 24.

    Args:
        clock: What returns the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Lists take a number faster than arrays do.
        self._times: list[float] = []
        self._sizes: list[int] = []
        self._not_content: dict[int, int] = {}
        self._pieces = array("d")
        self._piece_events = array("q")
        self._comments = array("d")
        self._released: list[tuple[float, int]] = []
        self._note_time = self._times.append
        self._note_size = self._sizes.append
        self._token_seen = False
        self._reasoned = False
        self._first_byte: float | None = None
        self._last_byte: float | None = None
        self._silence: float | None = None
        self._bytes = self._comment_count = 0
        self._ended: float | None = None
        self._end: End | None = None
        self._usage = ReportedUsage()
        self._response_id: str | None = None
        self._model: str | None = None
        self._finish_reasons: dict[int, str] = {}
        self._sent = clock()

    def on_request(self) -> None:
        """
        Say that the request is sent only now.

        Raises:
            RuntimeError: Something of the stream was noted already: each stream needs a timeline
                of its own.
        """
        if self._first_byte is not None or self._times or self._ended is not None:
            raise RuntimeError(
                "this Timeline has noted a stream already; make another for the next request"
            )
        self._sent = self._clock()

    def on_bytes(self, size: int, *, events: int = 0, comments: int = 0) -> None:
        """
        Note that a piece of the body came.

        Args:
            size: How many bytes it had.
            events: How many events it completed.
            comments: How many comments it completed.
        """
        now = self._clock()
        if size:
            last = self._last_byte
            if last is None:
                self._first_byte = now
            elif self._silence is None or now - last > self._silence:
                self._silence = now - last
            self._last_byte = now
            self._bytes += size
        if events:
            self._pieces.append(now)
            self._piece_events.append(events)
        if comments:
            self._comments.append(now)
            self._comment_count += comments

    def on_chunk(self, chunk: Chunk) -> None:
        """Note that a chunk came."""
        now = self._clock()
        # Nearly all chunks are the next words of one choice and nothing else.
        if (
            self._token_seen
            and type(chunk) is ChatCompletionChunk
            and chunk.usage is None
            and len(chunk.choices) == 1
            and (text := chunk.choices[0].only_text())
        ):
            size = _length(text)
            if chunk.extra:
                self._usage.add(chunk)
        else:
            size = self._look_at(chunk)
        # Together, so that an exception leaves neither.
        self._note_time(now)
        self._note_size(size)

    def _look_at(self, chunk: Chunk) -> int:
        size = not_content = 0
        for kind, text, _choice in chunk.pieces():
            size += _length(text)
            not_content += 0 if kind == "content" else _length(text)
            self._token_seen = True
            self._reasoned = self._reasoned or kind == "reasoning"
        if not_content:
            self._not_content[len(self._sizes)] = not_content
        self._response_id = self._response_id or chunk.id
        self._model = self._model or chunk.model
        self._usage.add(chunk)
        for choice in chunk.choices:
            self._usage.add_choice(choice)
            if choice.finish_reason is not None:
                self._finish_reasons.setdefault(choice.index, choice.finish_reason)
        return size

    on_item = on_chunk

    def on_release(self, text: str) -> None:
        """Note that a gate let text through to the reader."""
        self._released.append((self._clock(), len(text)))

    def on_end(self, end: End | None = None, result: object = None) -> None:
        """
        Note that the stream ended; only the first end counts.

        Args:
            end: How it ended, where that is known.
        """
        now = self._clock()
        if self._ended is None:
            self._ended, self._end = now, end

    def record(self) -> Record:
        """Return what was noted so far, in seconds since the request was sent."""
        # Another thread may be noting: what is noted last is read first.
        sizes = tuple(self._sizes)
        chunks = self._since(self._times[: len(sizes)])
        piece_events = tuple(self._piece_events)
        pieces = self._since(self._pieces[: len(piece_events)])
        first_event = min(chunks[:1] + pieces[:1], default=None)
        return Record(
            first_byte=self._after(self._first_byte),
            first_event=first_event,
            chunks=chunks,
            sizes=sizes,
            texts=tuple(self._contents(sizes)),
            pieces=pieces,
            piece_events=piece_events,
            comments=self._since(self._comments),
            comment_count=self._comment_count,
            bytes=self._bytes,
            last_byte=self._after(self._last_byte),
            silence=self._silence,
            releases=tuple((at - self._sent, size) for at, size in self._released),
            ended=self._after(self._ended),
            end=self._end,
            reasoned=self._reasoned,
            usage=self._usage.value,
            response_id=self._response_id,
            model=self._model,
            finish_reasons=dict(self._finish_reasons),
        )

    def _contents(self, sizes: Iterable[int]) -> Iterator[int]:
        others = self._not_content
        return (size - others.get(place, 0) for place, size in enumerate(sizes))

    def _since(self, times: Iterable[float]) -> tuple[float, ...]:
        sent = self._sent
        return tuple(at - sent for at in times)

    def _after(self, at: float | None) -> float | None:
        return None if at is None else at - self._sent

    def summary(
        self, usage: CompletionUsage | int | None = None, *, stall: float | None = None
    ) -> Summary:
        """
        Sum up what was noted, at the end or in the middle.

        Args:
            usage: The token counts, such as `result().usage`, or how many tokens the answer has.
                By default those that a chunk reported.
            stall: From which gap on the stream stood still, in seconds; by default the greater
                of 1 second and ten times the median gap.

        Raises:
            ValueError: `stall` is no time.
        """
        return summarize(self.record(), usage, stall=stall)

    def to_dict(self, usage: CompletionUsage | int | None = None) -> dict[str, Any]:
        """
        Return the summary and the arrivals, ready for JSON.

        Beside the fields of `Summary` it has `arrivals`, a list of [seconds, characters] (events
        in place of characters, where no chunk came); `comment_times`; and `releases`, as
        `arrivals`, of what a gate let through.

        Args:
            usage: As for `summary()`.
        """
        return to_dict(self.record(), usage)

    def otel_metrics(
        self,
        *,
        usage: CompletionUsage | None = None,
        model: str | None = None,
        provider: str = "openai",
        operation: str = "chat",
        estimated: bool = False,
    ) -> list[Metric]:
        """
        Return the metrics that OpenTelemetry's conventions name, as plain data.

        To record them, with `opentelemetry-api`:

            meter = metrics.get_meter("my-app")
            for metric in timeline.otel_metrics(model="gpt-4o", provider="openai"):
                histogram = meter.create_histogram(
                    metric.name,
                    unit=metric.unit,
                    description=metric.description,
                    explicit_bucket_boundaries_advisory=metric.buckets,
                )
                for value in metric.values:
                    histogram.record(value, metric.attributes)

        A meter gives the same instrument for the same name; keep them by name if yours warns.

        Args:
            usage: The token counts; by default those that a chunk reported.
            model: The model that was asked for.
            provider: Who serves it, such as "openai", "azure.ai.openai" or "deepseek".
            operation: "chat", or "text_completion" for legacy completions.
            estimated: Report counts that the server did not report, too: without the user's
                consent the conventions forbid it.

        Source: OpenTelemetry semantic conventions for generative AI, "Generative AI client
            metrics" (status: development).
        """
        return metrics_of(
            self.record(),
            usage,
            model=model,
            provider=provider,
            operation=operation,
            estimated=estimated,
        )

    def otel_attributes(
        self,
        *,
        usage: CompletionUsage | None = None,
        model: str | None = None,
        provider: str = "openai",
        operation: str = "chat",
        estimated: bool = False,
    ) -> Mapping[str, str | int | float | bool | list[str]]:
        """
        Return the attributes of the request's span, for `span.set_attributes()`.

        Args:
            usage: As for `otel_metrics()`.
            model: As for `otel_metrics()`.
            provider: As for `otel_metrics()`.
            operation: As for `otel_metrics()`.
            estimated: As for `otel_metrics()`.

        Source: OpenTelemetry semantic conventions for generative AI, "Inference" spans (status:
            development).
        """
        return attributes_of(
            self.record(),
            usage,
            model=model,
            provider=provider,
            operation=operation,
            estimated=estimated,
        )

    def plot(self, path: str | PathLike[str]) -> None:
        """
        Draw the arrival of the text over time, with its gaps and stalls.

        Args:
            path: Where to write it; ".png" or ".svg".

        Raises:
            ImportError: matplotlib is missing: `pip install 'sseparse[plot]'`.
            OSError: The file cannot be written.
            ValueError: The path has another suffix.
        """
        plot(path, {"": self})


def _length(text: str) -> int:
    """Return the characters of a piece of text; one cut in half counts where its end arrives."""
    return len(text) - (not text.isascii() and "\ud800" <= text[-1] <= "\udbff")


def plot(path: str | PathLike[str], timelines: Mapping[str, Timeline]) -> None:
    """
    Draw the arrival of the text of several streams over time, on one picture.

    Above stands how much text had come, below each gap between two chunks. Where a stream stood
    still is shaded; comments are small ticks; what a gate let through is dashed. Where no chunk
    came, events stand in place of text.

    It uses no pyplot and no display. While it draws, some of matplotlib's settings and Python's
    warning filters are set: it belongs in one thread at a time.

    Args:
        path: Where to write it; ".png" or ".svg".
        timelines: The streams, each by the label to show.

    Raises:
        ImportError: matplotlib is missing: `pip install 'sseparse[plot]'`.
        OSError: The file cannot be written.
        ValueError: The path has another suffix.
    """
    name = fspath(path)
    suffix = name[-4:].lower()
    if suffix not in (".png", ".svg"):
        raise ValueError(f"{name!r} names no picture that can be drawn; end it in .png or .svg")
    try:
        from ._plot import save  # noqa: PLC0415 - loads matplotlib
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'sseparse[plot]'") from error
    records = {label: timeline.record() for label, timeline in timelines.items()}
    save(name, suffix, records)
