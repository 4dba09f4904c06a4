"""Figures of several streams together."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import End, EndCause
from sseparse.timing import PooledSummary, Spread, Summary, Timeline

from .arrivals import Clock, Estimate, answer, chat, played, usage

DONE = End(EndCause.DONE)
SUMS = ("requests", "measured", "stalled", "tokens", "chunks", "events", "bytes", "characters")


def stream(waits: Sequence[float], end: End | None = DONE, tokens: int | None = None) -> Summary:
    """Return the summary of a stream that waits before each chunk."""
    steps = [(math.fsum(waits[: at + 1]), chat("ab")) for at in range(len(waits))]
    return played(*steps, end=end, result=answer(usage(tokens))).summary()


def rounded(value: float) -> float:
    return float(f"{value:.3g}")


def sent(summary: Summary | PooledSummary) -> Any:
    """Return a summary as another process receives it."""
    return json.loads(json.dumps(summary.to_dict()))


def test_pool() -> None:
    """Each stream has one value in a figure, gaps are those of all streams, and numbers add up."""
    quick = stream([0.5, 0.25, 0.25], tokens=5)
    slow = stream([1.5, 0.25, 2.75], tokens=9)
    pool = Summary.pool([quick, slow])

    assert (pool.requests, pool.measured, pool.ends) == (2, 2, {EndCause.DONE: 2})
    assert pool.time_to_first_token == pool.time_to_first_text == Spread.of([(0.5, 1), (1.5, 1)])
    assert pool.total == Spread.of([(1.0, 1), (4.5, 1)])
    assert pool.gaps == Spread.of([(0.25, 3), (2.75, 1)])
    assert pool.tokens_per_second == Spread.of([(8.0, 1), (rounded(8 / 3), 1)])
    assert pool.inter_token_latency == Spread.of([(0.125, 1), (0.375, 1)])
    assert pool.time_per_output_token == Spread.of([(0.2, 1), (0.5, 1)])
    assert pool.tokens_per_request == Spread.of([(5, 1), (9, 1)])
    assert (pool.tokens, pool.tokens_estimated) == (14, False)
    assert (pool.chunks, pool.characters, pool.stalled) == (6, 12, 1)


@pytest.mark.parametrize("count", [1, 2, 19, 20, 100, 101])
def test_percentiles_are_exact_to_three_digits(count: int) -> None:
    """Percentiles and the maximum are the exact ones, rounded; the mean is within 0.5 %."""
    streams = [[0.01 * 1.1717**at, 0.3 / (at + 1), 0.1] for at in range(count)]
    pool = Summary.pool(map(stream, streams))
    firsts = sorted(summary.time_to_first_token or 0 for summary in map(stream, streams))
    found = pool.time_to_first_token
    assert found is not None

    for percent, figure in ((50, found.p50), (90, found.p90), (95, found.p95), (99, found.p99)):
        assert figure == rounded(firsts[math.ceil(percent * count / 100) - 1])
    assert found.max == rounded(firsts[-1])
    assert found.mean == pytest.approx(statistics.mean(firsts), rel=0.005)
    assert found.count == count


durations = st.floats(0, 1000)
ends = st.sampled_from([None, *map(End, EndCause)])
summaries = st.builds(
    stream, st.lists(durations, max_size=5), ends, st.none() | st.integers(1, 10**7)
)


@given(st.lists(summaries, max_size=8))
def test_a_pool_has_the_figures_of_all_gaps(streams: list[Summary]) -> None:
    """Pooled gaps are those of all measured streams, rounded to three significant digits."""
    pool = Summary.pool(streams, only_complete=False)
    merged: dict[float, int] = {}
    for summary in streams:
        for value, times in zip(*summary.gaps.histogram, strict=True) if summary.gaps else ():
            merged[value] = merged.get(value, 0) + times

    assert pool.gaps == Spread.of(merged.items())
    assert pool.requests == pool.measured == len(streams)
    assert sum(pool.ends.values()) == sum(summary.end is not None for summary in streams)


@given(st.lists(summaries, max_size=8), st.data())
def test_pools_can_be_pooled(streams: list[Summary], data: st.DataObject) -> None:
    """Pools of parts, in any order and from other processes, pool to the pool of all streams."""
    parts: list[Any] = list(data.draw(st.permutations(streams)))
    while len(parts) > 1 and data.draw(st.booleans()):
        size = data.draw(st.integers(0, len(parts)))
        pool = Summary.pool(parts[:size])
        parts = [*parts[size:], sent(pool) if data.draw(st.booleans()) else pool]
    everything = Summary.pool(streams)

    assert Summary.pool(parts) == everything
    assert Summary.pool(map(sent, streams)) == everything
    assert Summary.pool([sent(everything)]) == everything


def test_only_complete_streams_are_measured() -> None:
    """Streams that were cut off, or are still open, are counted, but not measured."""
    open_stream = Timeline().summary()
    cut_off = [stream([9.0, 9.0], End(cause), 7) for cause in EndCause if not End(cause).complete]
    finished = [stream([0.5], end) for end in (DONE, End(EndCause.FINISHED), None)]
    pool = Summary.pool([open_stream, *cut_off, *finished])

    assert pool.requests == 1 + len(cut_off) + 3
    assert pool.ends == dict.fromkeys(EndCause, 1)
    assert pool.measured == 3
    assert pool.time_to_first_token == Spread.of([(0.5, 3)])
    assert (pool.tokens, pool.characters, pool.gaps) == (0, 6, None)


def test_measure_streams_with_any_end() -> None:
    """With `only_complete=False`, each stream is measured, also one that is still open."""
    cut_off = [stream([9.0, 2.0], End(EndCause.TIMEOUT), 7), Timeline().summary()]
    pool = Summary.pool(cut_off, only_complete=False)

    assert (pool.requests, pool.measured, pool.tokens) == (2, 2, 7)
    assert pool.ends == {EndCause.TIMEOUT: 1}
    assert pool.gaps == Spread.of([(2.0, 1)])
    assert Summary.pool([pool]) == pool


@pytest.mark.parametrize("streams", [[], [Summary.pool([])], [sent(Summary.pool([]))]])
def test_empty_pool(streams: list[Any]) -> None:
    """A pool of nothing has no figures, and doesn't change another pool."""
    pool, other = Summary.pool(streams), Summary.pool([stream([1.0, 2.0], tokens=3)])

    assert all(getattr(pool, name) == 0 for name in SUMS)
    assert pool.ends == {}
    assert pool.gaps is pool.total is pool.tokens_per_request is None
    assert str(pool) == "0 requests"
    assert Summary.pool([other, *streams]) == other


def test_streams_without_usage_or_output() -> None:
    """A figure's count is the number of streams that have the figure."""
    estimated = played((1.0, chat("a")), (2.0, chat("b")), end=DONE).summary(Estimate(3))
    silent = played((4.0, chat("")), end=DONE).summary()
    pool = Summary.pool([estimated, silent, stream([3.0])])
    assert pool.tokens_per_request is not None
    assert pool.time_to_first_token is not None
    assert pool.total is not None

    assert (pool.tokens_per_request.count, pool.tokens, pool.tokens_estimated) == (1, 3, True)
    assert pool.time_to_first_token.count == 2
    assert pool.total.count == pool.measured == 3
    assert Summary.pool([sent(pool)]).tokens_estimated
    assert "\n3 measured: about 3 tokens, 4 characters\n" in str(pool)


def test_events_and_releases() -> None:
    """Events without chunks, and the delays of a gate, are pooled too."""
    clock = Clock()
    timeline = Timeline(clock)
    for _ in range(3):
        clock.now += 0.5
        timeline.on_bytes(10, events=2, comments=1)
    timeline.on_end(DONE)
    gated = Timeline(clock)
    for _ in range(3):
        gated.on_item(chat("abc"))
        clock.now += 0.25
        gated.on_release("abc")
    gated.on_end(DONE)
    pool = Summary.pool([timeline.to_dict(), timeline.summary(), gated.summary()])

    assert (pool.events, pool.comments, pool.bytes, pool.released) == (12, 6, 60, 9)
    assert pool.time_to_first_event == Spread.of([(0.5, 2), (0.0, 1)])
    assert pool.gaps == Spread.of([(0.5, 4), (0.25, 2)])
    assert pool.release_delay == Spread.of([(0.25, 9)])
    events = Summary.pool([timeline.summary()] * 2)
    assert str(events).startswith("2 requests: 2 done\n2 measured: 12 events\n")


def test_table() -> None:
    """A pool prints as a table of the main figures."""
    done = [stream([0.42, 0.25, 0.25], tokens=5), stream([0.5, 0.25, 0.25, 3.0], tokens=1100)]
    cut_off = [stream([3.0], End(EndCause.TIMEOUT)), Timeline().summary()]

    assert str(Summary.pool(done + cut_off)).splitlines() == [
        "4 requests: 2 done, 1 timeout, 1 without a known end",
        "2 measured: 1,105 tokens, 14 characters, 1 stalled",
        "                       count     mean      p50     p90     p95     p99     max",
        "time to first token        2   460 ms   420 ms  500 ms  500 ms  500 ms  500 ms",
        "time to first text         2   460 ms   420 ms  500 ms  500 ms  500 ms  500 ms",
        "total                      2   2.46 s   920 ms  4.00 s  4.00 s  4.00 s  4.00 s",
        "gaps                       5   800 ms   250 ms  3.00 s  3.00 s  3.00 s  3.00 s",
        "inter token latency        2  64.1 ms  3.18 ms  125 ms  125 ms  125 ms  125 ms",
        "time per output token      2  93.8 ms  3.64 ms  184 ms  184 ms  184 ms  184 ms",
        "tokens per second          2      161        8     314     314     314     314",
        "characters per second      2     4.86     1.71       8       8       8       8",
        "tokens per request         2      552        5   1,100   1,100   1,100   1,100",
    ]
    assert str(Summary.pool(cut_off)) == "2 requests: 1 timeout, 1 without a known end"


def test_size_is_bounded() -> None:
    """Pools have at most 900 values for each power of ten, however many streams they have."""
    waits = [0.01 + 0.09 * (at * 0.618 % 1) for at in range(5000)]
    one = Summary.pool([stream(waits)])
    pool = one
    for _ in range(20):
        pool = Summary.pool([pool, one])

    assert one.gaps is not None
    assert pool.gaps is not None
    assert len(pool.gaps.histogram[0]) == len(one.gaps.histogram[0]) <= 902
    assert pool.gaps.count == 21 * 4999
    assert pool.gaps.p50 == one.gaps.p50


ONE = stream([0.5, 0.5], tokens=4)
POOL = Summary.pool([ONE, ONE])


def changed(summary: Summary | PooledSummary, **figures: Any) -> dict[str, Any]:
    return {**sent(summary), **figures}


def gaps(*histogram: Any) -> dict[str, Any]:
    return {**sent(POOL)["gaps"], "histogram": list(histogram)}


NUMBERS: list[Any] = [math.nan, math.inf, "1", [], True, 10**400, 1e300]
NO_SPREADS: list[Any] = [1, {}, [], {"histogram": []}]
NO_ENDS: list[Any] = [[], {"x": 1}, {"done": -1}, {"done": 3}, None]
HISTOGRAMS: list[Any] = [
    *((), ([1],), ([1], 1), ([1], []), ([], [1]), ([math.nan], [1]), ([None], [1])),
    *(([0.5], [0]), ([0.5], [-1]), ([0.5], [1.5]), ([0.5], [10**400])),
]


@pytest.mark.parametrize(
    "figures",
    [
        *({}, {"requests": 1}, {1: 2}, {"end": "done"}, {"requests": None}),
        *(changed(ONE, total=value) for value in NUMBERS),
        *(changed(ONE, end=value) for value in ("finish", "")),
        *(changed(ONE, tokens=value) for value in (10**400, 1.5)),
        *(changed(ONE, gaps=value) for value in NO_SPREADS),
        *(changed(POOL, requests=value) for value in (-1, 1, 2.5)),
        *(changed(POOL, ends=value) for value in NO_ENDS),
        changed(POOL, measured=-1),
        *(changed(POOL, gaps=gaps(*histogram)) for histogram in HISTOGRAMS),
    ],
)
def test_malformed_dictionaries(figures: dict[Any, Any]) -> None:
    """Each malformed dictionary raises ValueError with its position."""
    with pytest.raises(ValueError, match=r"^summaries\[1\]: "):
        Summary.pool([ONE, figures])


def test_other_types() -> None:
    """A figure that isn't a number, and an object that isn't a summary, raise an error."""
    with pytest.raises(ValueError, match=r"^summaries\[0\]: total has nan"):
        Summary.pool([attrs.evolve(ONE, total=math.nan)])
    nothing: Iterable[Any] = ["abc"]
    with pytest.raises(TypeError, match=r"expected a Summary or its to_dict\(\), got str"):
        Summary.pool(nothing)


def test_order_within_a_histogram_does_not_matter() -> None:
    """A histogram in another order, with more digits, or with repeated values, is merged."""
    pool = Summary.pool([changed(POOL, gaps=gaps([3, 0.50001, 0.5], [1, 1, 2]))])
    assert pool.gaps == Spread.of([(0.5, 3), (3.0, 1)])
