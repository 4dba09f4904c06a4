"""Gaps, stalls, rates and percentiles in a summary."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import (
    End,
    EndCause,
)
from sseparse.chunks import (
    ChatCompletionChunk,
    CompletionUsage,
)
from sseparse.timing import Spread, Stall, Summary, Timeline

from .arrivals import Clock, Estimate, answer, call, chat, played, spread, usage


def test_stalls() -> None:
    """By default a gap above 1 second and ten medians is a stall; `stall` sets another limit."""
    quick = played(*[(at, chat("a")) for at in (0.0625, 0.125, 0.1875, 1.6875, 1.75)])
    slow = played(*[(at, chat("a")) for at in (0.0, 2.0, 4.0, 10.0)])

    assert quick.summary().stall_threshold == 1.0
    assert quick.summary().stalls == (Stall(0.1875, 1.5),)
    assert quick.summary(stall=1.6).stalls == ()
    assert slow.summary().stall_threshold == 20.0
    assert slow.summary().stalls == ()
    assert slow.summary(stall=3).stalls == (Stall(4.0, 6.0),)
    with pytest.raises(ValueError, match="stall is -1"):
        slow.summary(stall=-1)


def test_tokens() -> None:
    """The given tokens count, else the result's. Reasoning without text isn't part of the rate."""
    steps = [(1.0, chat("ab")), (2.0, chat("cd")), (3.0, chat("ef"))]
    reported = played(*steps, result=answer(usage(9, 5)))

    assert reported.summary().tokens == 9
    assert reported.summary().tokens_per_second == pytest.approx(4.0)
    assert reported.summary().inter_token_latency == pytest.approx(0.25)
    assert reported.summary().time_per_output_token == pytest.approx(3 / 9)
    assert not reported.summary().tokens_estimated
    assert reported.summary(7).tokens_per_second == pytest.approx(3.0)
    assert reported.summary(usage(None)).tokens is None
    assert reported.summary(usage(None)).tokens_per_second is None
    hidden = played(*steps).summary(usage(900, reasoning=897))
    assert hidden.tokens == 900
    assert hidden.tokens_per_second == pytest.approx(1.0)
    assert hidden.time_per_output_token == pytest.approx(3 / 900)
    assert played(*steps).summary(usage(6, reasoning=8)).tokens_per_second is None
    assert played(*steps).summary(1).inter_token_latency is None
    seen = played((0.0, chat(reasoning="xy")), *steps).summary(usage(7, reasoning=2))
    assert seen.tokens_per_second == pytest.approx(2.0)
    without_details = CompletionUsage(completion_tokens=3)
    assert played(*steps).summary(without_details).tokens_per_second == pytest.approx(1.0)
    estimated = played(*steps).summary(Estimate(3))
    assert estimated.tokens_estimated
    assert "about 3 tokens (1 tokens/s)" in str(estimated)


@pytest.mark.parametrize(("prompt", "known"), [(0, None), (4, 4)])
def test_zero_tokens(prompt: int, known: int | None) -> None:
    """A usage of 0 tokens is unknown, not 0, if the answer has text."""
    zeros = CompletionUsage(prompt_tokens=prompt, completion_tokens=0, total_tokens=0)
    with_text = played((1.0, chat("ab")), (2.0, chat("cd")), result=answer(zeros))
    without_text = played((1.0, chat("")), result=answer(zeros))

    assert with_text.summary().tokens is None
    assert with_text.summary().tokens_per_second is None
    assert with_text.otel_attributes().get("gen_ai.usage.input_tokens") == known
    assert "gen_ai.usage.output_tokens" not in with_text.otel_attributes()
    assert without_text.summary().tokens == 0
    assert without_text.otel_attributes()["gen_ai.usage.output_tokens"] == 0


def with_usage(chunk: ChatCompletionChunk, tokens: int) -> ChatCompletionChunk:
    chunk.usage = usage(tokens)
    return chunk


@pytest.mark.parametrize(
    ("counts", "rate"),
    [
        ((0, 3, 5, 9), 3.0),  # the first chunk with text has three tokens
        ((0, 0, 5, 9), 4.0),  # counts that lag a chunk behind, and zeros, aren't those of a chunk
        ((0, 9, 9, 9), 4.0),
    ],
)
def test_usage_in_each_chunk(counts: tuple[int, ...], rate: float) -> None:
    """The tokens that the first chunk with output reports are left out of the rate, else one."""
    texts = ("", "a", "b", "c")
    chunks = [with_usage(chat(text), each) for text, each in zip(texts, counts, strict=True)]
    summary = played(*enumerate(chunks), result=answer(usage(9))).summary()

    assert summary.tokens_per_second == pytest.approx(rate)
    assert summary.inter_token_latency == pytest.approx(1 / rate)
    assert summary.time_to_usage == 3.0


def test_later_usage_is_not_that_of_the_first_chunk() -> None:
    """Usage of a chunk without output, or after other output, doesn't change the first's tokens."""
    late = [chat("a"), with_usage(chat("b"), 5), with_usage(chat(""), 6)]
    early = [with_usage(chat(""), 3), chat("a"), chat("b")]

    assert played(*enumerate(late)).record().first_tokens is None
    assert played(*enumerate(early)).record().first_tokens is None
    assert played(*enumerate(late)).summary(6).tokens_per_second == 5.0


def test_first_token_of_a_call_without_arguments() -> None:
    """A call without arguments has a first token: its name."""
    summary = played((0.5, chat("")), (1.0, call("now")), (3.0, chat(""))).summary(4)

    assert summary.time_to_first_token == 1.0
    assert summary.time_to_first_text is None
    assert summary.gaps is None


def test_gaps_lie_between_output() -> None:
    """Neither the wait for the first token nor that for the usage is a gap or a stall."""
    late_usage = ChatCompletionChunk(choices=[], usage=usage(4))
    timeline = played(
        *((0.0, chat("", role="assistant")), (5.0, chat(reasoning="a")), (5.5, call("f"))),
        *((5.75, chat("")), (6.25, call(None, "{}")), (6.5, chat("")), (12.0, late_usage)),
        end=End(EndCause.DONE, finish_seen=True),
        result=answer(usage(4)),
    )
    summary = timeline.summary()

    assert summary.time_to_first_token == 5.0
    assert summary.gaps == spread(0.5, 0.75)
    assert summary.stalls == ()
    assert summary.time_to_usage == summary.total == 12.0
    assert summary.tokens_per_second == pytest.approx(3 / 1.25)


@pytest.mark.parametrize(
    ("end", "stalls"),
    [
        (End(EndCause.TIMEOUT), (Stall(1.0, 8.0),)),
        (End(EndCause.CANCELLED), (Stall(1.0, 8.0),)),
        (End(EndCause.TIMEOUT, finish_seen=True), ()),
        (End(EndCause.FINISHED), ()),
        (None, ()),
    ],
)
def test_wait_for_the_end(end: End | None, stalls: tuple[Stall, ...]) -> None:
    """The wait for an end is a stall only if the end cut the answer off."""
    timeline = played((0.0, chat("")), (0.5, chat("a")), (1.0, chat("b")), (9.0, chat("")), end=end)

    assert timeline.summary().stalls == stalls
    assert played((9.0, chat("")), end=end).summary().stalls == ()


def test_percentiles() -> None:
    """A spread has the mean, and percentiles by nearest rank."""
    found = Spread.of([(float(each), 1) for each in range(1, 101)])
    histogram = (tuple(map(float, range(1, 101))), (1,) * 100)
    assert found == Spread(50.5, 50, 90, 95, 99, 100, count=100, histogram=histogram)
    found = Spread.of([(1.0, 19), (3.0, 1)])
    assert found == Spread(1.1, 1, 1, 1, 3, 3, count=20, histogram=((1, 3), (19, 1)))


def test_histogram() -> None:
    """The histogram has values of three significant digits, and percentiles have all digits."""
    found = spread(0.0123449, 0.0123351, 1234.5, 0.0)
    assert found is not None
    assert found.histogram == ((0.0, 0.0123, 1230.0), (1, 2, 1))
    assert (found.p50, found.max, found.count) == (0.0123351, 1234.5, 4)
    assert "histogram" not in repr(found)


def test_absurd_number_of_tokens() -> None:
    """A count that is too large for any answer is unknown; the other figures are there."""
    steps = [(1.0, chat("ab")), (2.0, chat("cd"))]
    summary = played(*steps).summary(10**400)
    assert (summary.tokens, summary.tokens_per_second) == (None, None)
    assert summary.time_to_first_token == 1.0
    assert Summary.pool([summary]).measured == 1


def test_one_chunk_has_no_rate() -> None:
    """Rates are None if all text arrived at one time."""
    summary = played((0.0, chat("all")), end=End(EndCause.FINISHED)).summary(1)

    assert summary.tokens_per_second is summary.characters_per_second is None
    assert summary.sooner_ratio is None
    assert str(summary) == (
        "first token after 0 ms, end after 0 ms, end: finished\n1 token, 3 characters"
    )


def test_two_lines() -> None:
    """A summary prints as two lines."""
    timeline = played(
        (0.5, chat("ab")), (1.5, chat("cd")), (200.0, chat("ef")), end=End(EndCause.DONE)
    )
    assert str(timeline.summary(1500)) == (
        "first token after 500 ms, end after 200 s, "
        "first text 400 times sooner than the end, end: done\n"
        "1,500 tokens (7.51 tokens/s), 6 characters (0.0201 characters/s), "
        "gaps p50 1.00 s, p95 198 s, max 198 s, 1 stall"
    )


@given(
    st.lists(st.tuples(st.floats(0, 100, allow_subnormal=False), st.integers(0, 30)), max_size=40)
)
def test_figures_are_consistent(steps: Sequence[tuple[float, int]]) -> None:
    """Percentiles are measured gaps in ascending order; characters and chunks add up."""
    clock = Clock()
    timeline = Timeline(clock)
    for wait, size in steps:
        clock.now += wait
        timeline.on_item(chat("x" * size))
    timeline.on_end()
    summary, record = timeline.summary(), timeline.record()

    assert summary.chunks == len(steps)
    assert summary.characters == sum(size for _, size in steps)
    gaps = sorted(record.gaps)
    assert (summary.gaps is None) == (not gaps)
    if summary.gaps is not None:
        found = summary.gaps
        percentiles = [found.p50, found.p90, found.p95, found.p99, found.max]
        assert set(percentiles) <= set(gaps)
        assert sorted(percentiles) == percentiles
        assert percentiles[-1] == gaps[-1]
        assert found.mean == pytest.approx(sum(gaps) / len(gaps))
        assert sum(gap <= summary.gaps.p50 for gap in gaps) * 2 >= len(gaps)
        assert sum(gap < summary.gaps.p50 for gap in gaps) * 2 < len(gaps)
    assert all(stall.seconds > summary.stall_threshold for stall in summary.stalls)
