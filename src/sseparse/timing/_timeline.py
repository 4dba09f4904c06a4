"""Recorder of the times of one stream."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from .._end import End
from .._stage import Uncopyable
from ..payloads._model import Item
from ._otel import Attribute, Metric, MetricOptions, make_metrics, span_attributes
from ._pool import PooledSummary
from ._summary import Record, StreamResult, Summary, TokenUsage, summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 9.6
_Streams = Mapping[str, Record | PooledSummary]


class _Plot(Protocol):
    """The functions of the module that draws."""

    def draw(self, streams: _Streams, width: float) -> Figure: ...
    def svg(self, streams: _Streams, width: float) -> str: ...
    def save(self, target: str, kind: str, streams: _Streams, width: float) -> None: ...


class Timeline(Uncopyable):
    """
    Recorder of the times of one stream.

    Create one for each request, when you send it. Each method that records something reads the
    clock once. A chunk takes 40 bytes of memory, and a piece of the body with events or comments up
    to 24 bytes.

    Args:
        clock: Returns the time, in seconds. Default: `time.perf_counter`.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        # Appending a number to a list is faster than to an array.
        self._times: list[float] = []
        self._sizes: list[int] = []
        # The characters that aren't content, by the position of their chunk.
        self._not_content: dict[int, int] = {}
        self._pieces = array("d")
        self._piece_events = array("q")
        self._comments = array("d")
        self._releases: list[tuple[float, int]] = []
        self._append_time = self._times.append
        self._append_size = self._sizes.append
        self._reasoned = False
        self._leading = 0  # known number of chunks before the first with output
        self._first_usage: TokenUsage | None = None  # of the first chunk with output
        # Of the last chunk with usage, and the position of that chunk.
        self._last_usage: tuple[TokenUsage | None, int] = (None, 0)
        self._first_byte: float | None = None
        self._last_byte: float | None = None
        self._silence: float | None = None
        self._bytes = self._comment_count = 0
        self._ended: float | None = None
        self._end: End | None = None
        self._result: StreamResult | None = None
        self._opened = False
        self._sent = clock()

    def on_request(self) -> None:
        """
        Set the time of the request to now.

        Raises:
            RuntimeError: The timeline has recorded a stream: each stream needs its own timeline.
        """
        self._check_unused()
        self._sent = self._clock()

    def on_open(self) -> None:
        """
        Assign the timeline to a stream. Streams and readers call this when they're made.

        Raises:
            RuntimeError: The timeline has another stream.
        """
        if self._opened:
            raise RuntimeError("this Timeline has another stream; make one for each request")
        self._check_unused()
        self._opened = True

    def _check_unused(self) -> None:
        if self._first_byte is not None or self._times or self._ended is not None:
            raise RuntimeError(
                "this Timeline has recorded a stream already; make another for the next request"
            )

    def on_bytes(self, size: int, *, events: int = 0, comments: int = 0) -> None:
        """
        Record a piece of the body.

        Args:
            size: Number of bytes in the piece. Some transports return empty pieces.
            events: Number of events that the piece completed.
            comments: Number of comments that the piece completed.
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

    def on_item(self, item: Item) -> None:
        """
        Record a chunk, or another object with `only_text()` and `pieces()`.

        `call_names()` and `usage` are used too, if the object has them.
        """
        now = self._clock()
        # Fast path: nearly all chunks bring the next words of one choice and nothing else.
        text = item.only_text()
        size = _length(text) if text else self._measure(item)
        # Together, so that an exception appends neither.
        self._append_time(now)
        self._append_size(size)

    def _measure(self, item: Item) -> int:
        size = content = 0
        for piece in item.pieces():
            length = _length(piece.text)
            size += length
            if piece.kind == "content":
                content += length
            elif piece.kind == "reasoning":
                self._reasoned = True
        if not size and (call_names := getattr(item, "call_names", None)) is not None:
            size = sum(map(len, call_names()))
        if size > content:
            self._not_content[len(self._sizes)] = size - content
        if (usage := getattr(item, "usage", None)) is not None:
            self._add_usage(usage, brings_output=size > 0)
        return size

    def _add_usage(self, usage: TokenUsage, *, brings_output: bool) -> None:
        sizes = self._sizes
        self._last_usage = usage, len(sizes)
        while self._leading < len(sizes) and not sizes[self._leading]:
            self._leading += 1
        if brings_output and self._leading == len(sizes):
            self._first_usage = usage

    def on_release(self, text: str) -> None:
        """Record content that a moderation gate released. `Gate` reports that of choice 0."""
        self._releases.append((self._clock(), len(text)))

    def on_end(self, end: End | None = None, result: StreamResult | None = None) -> None:
        """
        Record the end of the stream. Later calls are ignored.

        Args:
            end: How the stream ended, if that is known. It has the finish reasons.
            result: The complete or partial result: any object with `id`, `model` and `usage`. They
                are read when they are needed, not in this call.
        """
        now = self._clock()
        if self._ended is None:
            self._ended, self._end, self._result = now, end, result

    def record(self) -> Record:
        """Return the measurements so far, in seconds since the request."""
        # Another thread may call hooks meanwhile: what they append last is read first.
        sizes = tuple(self._sizes)
        chunks = self._since_request(self._times[: len(sizes)])
        piece_events = tuple(self._piece_events)
        pieces = self._since_request(self._pieces[: len(piece_events)])
        not_content, result = self._not_content, self._result
        return Record(
            first_byte=self._relative(self._first_byte),
            first_event=min(chunks[:1] + pieces[:1], default=None),
            chunks=chunks,
            sizes=sizes,
            texts=tuple(size - not_content.get(at, 0) for at, size in enumerate(sizes)),
            first_tokens=_count_output(self._first_usage),
            usage_at=self._find_usage(chunks),
            pieces=pieces,
            piece_events=piece_events,
            comments=self._since_request(self._comments),
            comment_count=self._comment_count,
            bytes=self._bytes,
            last_byte=self._relative(self._last_byte),
            silence=self._silence,
            releases=tuple((at - self._sent, size) for at, size in self._releases),
            ended=self._relative(self._ended),
            end=self._end,
            reasoned=self._reasoned,
            usage=None if result is None else result.usage,
            response_id=None if result is None else result.id,
            model=None if result is None else result.model,
        )

    def _since_request(self, times: Iterable[float]) -> tuple[float, ...]:
        return tuple(at - self._sent for at in times)

    def _find_usage(self, chunks: tuple[float, ...]) -> float | None:
        usage, position = self._last_usage
        if _count_output(usage) is None:
            return None
        # Another thread may be recording that chunk.
        return next(iter(chunks[position:]), None)

    def _relative(self, at: float | None) -> float | None:
        return None if at is None else at - self._sent

    def summary(
        self, usage: TokenUsage | int | None = None, *, stall: float | None = None
    ) -> Summary:
        """
        Summarize the measurements so far, during the stream or after it.

        Args:
            usage: Token counts, such as `result().usage`, or the number of tokens of the answer.
                By default the usage of the result passed to `on_end()`.
            stall: The gap above which the stream counts as stalled, in seconds. By default the
                greater of 1 second and ten times the median gap.

        Raises:
            ValueError: `stall` is negative or infinite, or isn't a number.
        """
        return summarize(self.record(), usage, stall=stall)

    def to_dict(self, usage: TokenUsage | int | None = None) -> dict[str, Any]:
        """
        Return the summary and the arrivals, ready for JSON.

        The dictionary has the fields of `Summary`, `comment_times`, and the lists `arrivals` and
        `releases` of [seconds, characters]. `arrivals` counts events instead of characters if there
        were no chunks. `releases` has the releases of a moderation gate. `usage` is the argument of
        `summary()`.
        """
        record = self.record()
        return {
            **summarize(record, usage).to_dict(),
            "arrivals": [*map(list, zip(record.arrivals, record.amounts, strict=True))],
            "comment_times": list(record.comments),
            "releases": [*map(list, record.releases)],
        }

    def otel_metrics(self, **options: Unpack[MetricOptions]) -> list[Metric]:
        """
        Return the metrics that OpenTelemetry's conventions define, as plain data.

        To record them, with `opentelemetry-api`:

            meter = metrics.get_meter("my-app")
            for metric in timeline.otel_metrics(model="gpt-4o", provider="openai"):
                histogram = meter.create_histogram(
                    metric.name, metric.unit, metric.description,
                    explicit_bucket_boundaries_advisory=metric.buckets,
                )
                for value in metric.values:
                    histogram.record(value, metric.attributes)

        A meter returns the same instrument for the same name; cache them by name if it warns.

        Args:
            usage: As for `summary()`.
            model: The model in the request; None, the default, leaves it out.
            provider: The provider, such as "azure.ai.openai" or "deepseek"; by default "openai".
            operation: "chat", the default, or "text_completion" for legacy completions.
            estimated: Whether to report estimated counts too; by default False. The conventions
                forbid it without the user's consent.

        Source: OpenTelemetry semantic conventions, "Generative AI client metrics" (in development).
        """
        return list(make_metrics(self.record(), **options))

    def otel_attributes(self, **options: Unpack[MetricOptions]) -> Mapping[str, Attribute]:
        """
        Return the attributes of the request's span, for `span.set_attributes()`.

        The options are those of `otel_metrics()`.

        Source: OpenTelemetry semantic conventions for generative AI, "Inference" (in development).
        """
        return span_attributes(self.record(), **options)

    def figure(self, *, title: str = "", width: float = _WIDTH) -> Figure:
        """
        Draw the stream, as `sseparse.timing.figure()` does.

        Args:
            title: The title; by default it says what is drawn.
            width: Width in inches, at least 4. The height follows from the contents.
        """
        return figure({title: self}, width=width)

    def plot(self, path: str | PathLike[str]) -> None:
        """Draw the stream into a ".png" or ".svg" file, as `sseparse.timing.plot()` does."""
        plot(path, {"": self})

    def _repr_svg_(self) -> str | None:
        """Return the picture for Jupyter; None without matplotlib, or if nothing was received."""
        record = self.record()
        if not record.arrivals:
            return None
        try:
            return _load_plot().svg({"": record}, _WIDTH)
        except ImportError:
            return None


def _count_output(usage: TokenUsage | None) -> int | None:
    # Some servers send zeros on each chunk.
    return None if usage is None else usage.token_counts().output or None


def _length(text: str) -> int:
    """Return the number of characters; one cut in half counts where its second half arrives."""
    return len(text) - (not text.isascii() and "\ud800" <= text[-1] <= "\udbff")


def figure(timelines: Mapping[str, Timeline | PooledSummary], *, width: float = _WIDTH) -> Figure:
    """
    Draw the arrival of the text of several streams over time, in one matplotlib figure.

    The upper part shows the amount of text received, the lower part each gap between two chunks.
    Stalls are shaded, comments are small triangles, and the releases of a moderation gate are a
    dashed line. If no stream had chunks, events are counted instead of text.

    For pools, it draws the cumulative distributions of the time to the first token and of the gaps:
    the share of requests, or gaps, up to each time. Dots are the percentiles.

    This function needs neither pyplot nor a display. While it draws, it changes some settings of
    matplotlib and the warning filters of Python, so call it in one thread at a time.

    Args:
        timelines: The streams, or the pools, each by the label to show.
        width: Width in inches, at least 4. The height follows from the contents.

    Raises:
        ImportError: matplotlib is missing: `pip install 'sseparse[plot]'`.
        TypeError: `timelines` has both timelines and pools.
        ValueError: `width` is less than 4.
    """
    if not width >= 4:
        raise ValueError(f"width is {width}: it has to be at least 4 inches")
    return _load_plot().draw(_records(timelines), width)


def plot(path: str | PathLike[str], timelines: Mapping[str, Timeline | PooledSummary]) -> None:
    """
    Draw several streams in one picture, as `figure()` does, and write it to a file.

    The same streams give the same file: it contains no date and no random ids.

    Args:
        path: The file to write; ".png" or ".svg".
        timelines: The streams, or the pools, each by the label to show.

    Raises:
        ImportError: matplotlib is missing: `pip install 'sseparse[plot]'`.
        OSError: The file can't be written.
        TypeError: `timelines` has both timelines and pools.
        ValueError: The path has another suffix than ".png" or ".svg".
    """
    name = fspath(path)
    suffix = name[-4:].lower()
    if suffix not in (".png", ".svg"):
        raise ValueError(f"can't draw into {name!r}: the path has to end in .png or .svg")
    _load_plot().save(name, suffix[1:], _records(timelines), _WIDTH)


def _records(timelines: Mapping[str, Timeline | PooledSummary]) -> _Streams:
    return {
        label: each.record() if isinstance(each, Timeline) else each
        for label, each in timelines.items()
    }


def _load_plot() -> _Plot:
    try:
        from . import _plot  # noqa: PLC0415 - loads matplotlib
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'sseparse[plot]'") from error
    return _plot
