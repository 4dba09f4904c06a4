"""Measurements of a Timeline, and the figures in its summary."""

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import (
    Accumulator,
    ChatCompletion,
    Chunk,
    ChunkParser,
    End,
    EndCause,
    Parser,
    Stream,
)
from sseparse.chunks import (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionLogprobs,
    CompletionTokensDetails,
    CompletionUsage,
    CustomToolDelta,
    EstimatedUsage,
    FunctionDelta,
    PromptTokensDetails,
    ToolCallDelta,
)
from sseparse.payloads._model import Piece, TokenCounts
from sseparse.timing import Metric, Spread, Stall, Timeline


class Clock:
    """A clock that the test moves, and that counts its reads."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now


class Estimate(NamedTuple):
    """An estimated usage of any API."""

    output: int

    def token_counts(self) -> TokenCounts:
        return TokenCounts(output=self.output, estimated=True)


def chat(content: Any = None, **delta: Any) -> ChatCompletionChunk:
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content=content, **delta))
    return ChatCompletionChunk(choices=[choice])


def answer(usage: CompletionUsage | None = None) -> ChatCompletion:
    return ChatCompletion(id="c-1", created=7, model="m-1", choices=[], usage=usage)


def usage(
    completion: int | None, prompt: int | None = None, *, reasoning: int | None = None
) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=reasoning),
    )


def spread(*seconds: float) -> Spread | None:
    return Spread.of([(each, 1) for each in seconds])


def call(name: str | None = None, arguments: str | None = None) -> ChatCompletionChunk:
    function = FunctionDelta(name=name, arguments=arguments)
    return chat(tool_calls=[ToolCallDelta(index=0, function=function)])


def played(
    *steps: tuple[float, Any], end: End | None = None, result: ChatCompletion | None = None
) -> Timeline:
    """Record chunks at their seconds since the request, and the end with the last."""
    clock = Clock()
    timeline = Timeline(clock)
    for at, chunk in steps:
        clock.now = 1000.0 + at
        timeline.on_item(chunk)
    timeline.on_end(end, result)
    return timeline


def test_times_count_from_the_request() -> None:
    """All times count from the request. The first byte can be earlier than the first event."""
    clock = Clock()
    timeline = Timeline(clock)
    clock.now += 5
    timeline.on_request()
    steps: list[tuple[float, Callable[[], None]]] = [
        (0.25, lambda: timeline.on_bytes(5, comments=1)),
        (0.5, lambda: timeline.on_bytes(20, events=1)),
        (0.5, lambda: timeline.on_item(chat(""))),
        (0.75, lambda: timeline.on_bytes(20, events=1)),
        (0.75, lambda: timeline.on_item(chat(reasoning="hm"))),
        (1.0, lambda: timeline.on_bytes(20, events=1)),
        (1.0, lambda: timeline.on_item(chat("four"))),
        (1.5, lambda: timeline.on_bytes(20, events=1)),
        (1.5, lambda: timeline.on_item(chat("ty-two"))),
        (2.0, timeline.on_end),
    ]
    for at, step in steps:
        clock.now = 1005.0 + at
        step()

    summary = timeline.summary()

    assert summary.time_to_first_byte == 0.25
    assert summary.time_to_first_event == 0.5
    assert summary.time_to_first_token == 0.75
    assert summary.time_to_first_text == 1.0
    assert summary.total == 2.0
    assert (summary.chunks, summary.events, summary.comments, summary.bytes) == (4, 4, 1, 85)
    assert summary.characters == 12
    assert summary.sooner == 1.0
    assert summary.sooner_ratio == 2.0
    assert summary.longest_silence == 0.5
    assert summary.gaps == spread(0.25, 0.5)
    assert summary.stalls == ()
    assert summary.tokens is None
    assert summary.characters_per_second == pytest.approx(10 / 0.75)


def test_a_hook_reads_the_clock_once() -> None:
    """The constructor and each hook read the clock once. A summary doesn't read it."""
    clock = Clock()
    timeline = Timeline(clock)
    hooks: list[Callable[[], None]] = [
        timeline.on_request,
        lambda: timeline.on_bytes(1, events=1, comments=1),
        lambda: timeline.on_bytes(1),
        lambda: timeline.on_item(chat("a")),
        lambda: timeline.on_item(chat("a")),
        lambda: timeline.on_item(chat(role="assistant")),
        lambda: timeline.on_release("a"),
        timeline.on_end,
        timeline.on_end,
    ]
    for number, hook in enumerate(hooks, 2):
        hook()
        assert clock.reads == number
    timeline.summary()
    timeline.to_dict()
    assert clock.reads == len(hooks) + 1


@pytest.mark.parametrize(
    ("chunk", "characters", "text"),
    [
        (chat("abc"), 3, True),
        (chat([{"type": "text", "text": "ab"}]), 2, True),
        (chat([{"type": "thinking", "thinking": "abcd"}]), 4, False),
        (chat(reasoning_content="abc", reasoning="abc"), 3, False),
        (chat(reasoning_details=[{"type": "reasoning.text", "text": "ab"}]), 2, False),
        (chat(refusal="no"), 2, False),
        (chat(audio=AudioDelta(transcript="hey")), 3, False),
        (chat(audio=AudioDelta(data="AAAA")), 0, False),
        (chat(function_call=FunctionDelta(arguments="{")), 1, False),
        (chat(tool_calls=[ToolCallDelta(function=FunctionDelta(arguments="{}"))]), 2, False),
        (chat(tool_calls=[ToolCallDelta(function=FunctionDelta(arguments={"a": 1}))]), 7, False),
        (chat(tool_calls=[ToolCallDelta(custom=CustomToolDelta(input="ls"))]), 2, False),
        (call("f"), 1, False),
        (call("f", "{}"), 2, False),
        (call(""), 0, False),
        (chat(function_call=FunctionDelta(name="f")), 1, False),
        (chat(tool_calls=[ToolCallDelta(custom=CustomToolDelta(name="f"))]), 1, False),
        (chat(tool_calls=[ToolCallDelta(id="call-1")]), 0, False),
        (CompletionChunk(choices=[CompletionChunkChoice(index=0, text="abc")]), 3, True),
        (chat(role="assistant"), 0, False),
        (ChatCompletionChunk(choices=[]), 0, False),
    ],
)
@pytest.mark.parametrize("before", [[], [(0.5, chat("x"))]])
def test_characters_of_a_chunk(
    chunk: Any, characters: int, text: bool, before: list[tuple[float, Any]]
) -> None:
    """All generated text is output, or else the name of a call; only content is text."""
    record = played(*before, (1.0, chunk)).record()

    assert record.sizes[-1] == characters
    assert record.texts[-1] == (characters if text else 0)
    if not before:
        assert record.first_token == (1.0 if characters else None)
        assert record.first_text == (1.0 if text else None)


def test_legacy_chunks() -> None:
    """Legacy chunks are timed like those of a chat."""
    chunks = [
        CompletionChunk(choices=[CompletionChunkChoice(index=0, text=text)]) for text in "abc"
    ]
    summary = played(*enumerate(chunks)).summary(3)

    assert summary.characters == 3
    assert summary.tokens_per_second == summary.characters_per_second == 1.0


def test_events_without_chunks() -> None:
    """Without chunks, gaps are those between pieces of the body that completed events."""
    clock = Clock()
    timeline = Timeline(clock)
    parser = Parser()
    for piece in (b": hi\n\n", b"data: 1\n\ndata: 2\n\n", b"data: 3\n\n", b"data: "):
        clock.now += 0.5
        events = parser.feed(piece)
        timeline.on_bytes(len(piece), events=len(events), comments=piece.count(b": hi"))
    clock.now += 6
    timeline.on_end()
    summary = timeline.summary()

    assert (summary.events, summary.comments, summary.chunks) == (3, 1, 0)
    assert summary.time_to_first_byte == 0.5
    assert summary.time_to_first_event == 1.0
    assert summary.time_to_first_token is None
    assert summary.gaps == spread(0.5)
    assert summary.stalls == (Stall(1.5, 6.5),)
    assert summary.longest_silence == 6.0
    assert str(summary) == (
        "first event after 1.00 s, end after 8.00 s\n"
        "3 events, gaps p50 500 ms, p95 500 ms, max 500 ms, 1 stall"
    )


def test_chunks_without_bytes() -> None:
    """Without recorded events, the first chunk counts as the first event."""
    summary = played((0.5, chat("a")), (0.75, chat("b"))).summary()

    assert summary.time_to_first_event == 0.5
    assert summary.time_to_first_byte is None
    assert (summary.events, summary.chunks) == (0, 2)


def test_parser_without_a_stream() -> None:
    """The hooks can be called next to a parser, without a stream."""
    clock = Clock()
    timeline = Timeline(clock)
    parser = ChunkParser()
    body = b'data: {"choices":[{"index":0,"delta":{"content":"ab"}}]}\n\n'
    for _ in range(4):
        clock.now += 0.25
        timeline.on_bytes(len(body), events=1)
        for chunk in parser.feed(body):
            timeline.on_item(chunk)
    timeline.on_end()

    assert timeline.summary().characters == 8
    assert timeline.summary().characters_per_second == 8.0


def test_one_timeline_one_stream() -> None:
    """A request after the first record raises RuntimeError; later ends are ignored."""
    hooks: list[Callable[[Timeline], None]] = [
        lambda timeline: timeline.on_bytes(1),
        lambda timeline: timeline.on_item(chat("a")),
        lambda timeline: timeline.on_end(),
    ]
    for hook in hooks:
        timeline = Timeline()
        hook(timeline)
        with pytest.raises(RuntimeError, match="make another"):
            timeline.on_request()

    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_end(End(EndCause.DONE), answer(usage(9)))
    clock.now += 1
    timeline.on_end(End(EndCause.CANCELLED), answer())
    assert timeline.summary().total == 0.0
    assert timeline.summary().end is EndCause.DONE
    assert timeline.summary().tokens == 9


def test_summary_of_an_open_stream() -> None:
    """A summary before the end has no total, and doesn't change the timeline."""
    clock = Clock()
    timeline = Timeline(clock)
    assert str(timeline.summary()) == "nothing received, still open"
    timeline.on_bytes(10)
    timeline.on_bytes(10)
    timeline.on_item(chat("hello"))
    summary = timeline.summary()

    assert summary.total is summary.sooner is summary.sooner_ratio is None
    assert summary.gaps is None
    assert summary.longest_silence == 0.0
    assert str(summary) == "first token after 0 ms, still open\n5 characters"
    assert timeline.summary() == summary


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
    assert found == Spread(mean=50.5, p50=50, p90=90, p95=95, p99=99, max=100)
    assert spread(1, 2, 6) == Spread(mean=3, p50=2, p90=6, p95=6, p99=6, max=6)
    assert Spread.of([(1.0, 19), (3.0, 1)]) == Spread(1.1, 1, 1, 1, 3, 3)


def test_default_clock() -> None:
    """The default clock is `time.perf_counter`, the finest one."""
    assert Timeline.__init__.__defaults__ == (time.perf_counter,)


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


def test_no_powers_of_ten() -> None:
    """Large and small figures are printed with all their digits."""
    quick = played((0.001, chat("a")), (0.002, chat("a" * 5000)), (9.0, chat("b" * 9000)))
    assert "first text 9,000 times sooner" in str(quick.summary(15_000))
    assert "15,000 tokens (1,670 tokens/s)" in str(quick.summary(15_000))
    assert "first token after 0.0004 ms" in str(played((4e-7, chat("a"))).summary())


def test_release_delay() -> None:
    """The delay of a character is the time from its arrival to its release."""
    clock = Clock()
    timeline = Timeline(clock)
    for at, arrives, leaves in (
        (1.0, "abcd", ""),
        (2.0, "ef", "abc"),
        (3.0, "", "def"),
        (4.0, "gh", "g"),
        (5.0, "", "h"),
    ):
        clock.now = 1000.0 + at
        if arrives:
            timeline.on_item(chat(arrives))
        if leaves:
            timeline.on_release(leaves)
    timeline.on_end()
    summary = timeline.summary()

    # a b c: 1 s, d: 2 s, e f: 1 s, g: 0 s, h: 1 s
    assert summary.release_delay is not None
    assert (summary.release_delay.p50, summary.release_delay.p95) == (1.0, 2.0)
    assert summary.release_delay.max == 2.0
    assert summary.released == 8
    assert "gate delay p50 1.00 s, max 2.00 s" in str(summary)


def test_release_of_text_that_never_arrived() -> None:
    """Released text that no chunk brought, or a later one, has no delay."""
    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_release("abc")
    assert timeline.summary().release_delay is None
    clock.now += 1
    timeline.on_item(chat("abc"))
    assert timeline.summary().release_delay is None
    assert timeline.summary().released == 3


def test_to_dict_is_json() -> None:
    """The dictionary is ready for JSON, and has the arrivals and releases."""
    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_bytes(5, comments=1)
    clock.now += 0.5
    timeline.on_item(chat("ab"))
    clock.now += 2
    timeline.on_item(chat("c"))
    timeline.on_release("abc")
    timeline.on_end(End(EndCause.TIMEOUT))
    found = json.loads(json.dumps(timeline.to_dict(7)))

    assert found["arrivals"] == [[0.5, 2], [2.5, 1]]
    assert found["comment_times"] == [0.0]
    assert found["releases"] == [[2.5, 3]]
    assert found["stalls"] == []
    names = ("mean", "p50", "p90", "p95", "p99", "max")
    assert found["gaps"] == dict.fromkeys(names, 2.0)
    assert (found["tokens"], found["end"], found["total"]) == (7, "timeout", 2.5)
    assert json.loads(json.dumps(Timeline().to_dict()))["end"] is None
    stalled = played(*[(at, chat("a")) for at in (0.0, 0.5, 1.0, 9.0)]).to_dict()
    assert stalled["stalls"] == [{"start": 1.0, "seconds": 8.0}]


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


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.data())
def test_every_released_character_is_timed(sizes: list[int], data: st.DataObject) -> None:
    """However text is released, the delay of each character lies within the stream."""
    clock = Clock()
    timeline = Timeline(clock)
    held = 0
    for size in sizes:
        clock.now += 1
        timeline.on_item(chat("x" * size))
        held += size
        released = data.draw(st.integers(0, held))
        timeline.on_release("x" * released)
        held -= released
    delay = timeline.summary().release_delay

    assert timeline.summary().released == sum(sizes) - held
    assert (delay is None) == (held == sum(sizes))
    if delay is not None:
        assert 0 <= delay.p50 <= delay.p95 <= delay.max <= len(sizes) - 1


def metrics(timeline: Timeline, **options: Any) -> dict[str, Metric]:
    return {
        metric.name + metric.attributes.get("gen_ai.token.type", ""): metric
        for metric in timeline.otel_metrics(**options)
    }


def test_otel_metrics() -> None:
    """Names, units, buckets and attributes follow the conventions."""
    timeline = played(
        (0.5, chat("ab")), (1.5, chat("cd")), (2.0, chat()),
        end=End(EndCause.DONE), result=answer(usage(9, 5)),
    )  # fmt: skip
    found = metrics(timeline, model="m", provider="deepseek")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "deepseek",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-1",
    }

    assert {name: (metric.unit, tuple(metric.values)) for name, metric in found.items()} == {
        "gen_ai.client.operation.duration": ("s", (2.0,)),
        "gen_ai.client.operation.time_to_first_chunk": ("s", (0.5,)),
        "gen_ai.client.operation.time_per_output_chunk": ("s", (1.0, 0.5)),
        "gen_ai.client.token.usageinput": ("{token}", (5,)),
        "gen_ai.client.token.usageoutput": ("{token}", (9,)),
    }
    seconds = found["gen_ai.client.operation.duration"]
    assert seconds.attributes == attributes
    assert seconds.description
    assert [round(bound, 2) for bound in seconds.buckets] == [
        *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
        *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    ]
    tokens = found["gen_ai.client.token.usageinput"]
    assert tokens.attributes == {**attributes, "gen_ai.token.type": "input"}
    assert tuple(tokens.buckets)[::13] == (1, 67108864)


def test_otel_reports_estimates_only_on_request() -> None:
    """Estimated tokens are reported only if the user asks for them, the server's always."""
    name = "gen_ai.client.token.usageoutput"
    unreported = played((0.5, chat("a")))
    reported = played((0.5, chat("a")), result=answer(usage(9)))
    estimated = Timeline()
    estimated.on_end(None, Answer(Estimate(5)))

    assert name not in metrics(unreported)
    assert name not in metrics(unreported, usage=Estimate(3))
    assert metrics(unreported, usage=Estimate(3), estimated=True)[name].values == (3,)
    assert name not in metrics(estimated)
    assert metrics(estimated, estimated=True)[name].values == (5,)
    assert metrics(reported, usage=Estimate(3))[name].values == (9,)
    assert metrics(unreported, usage=usage(4))[name].values == (4,)
    assert metrics(unreported, usage=6)[name].values == (6,)
    assert "gen_ai.client.token.usageinput" not in metrics(unreported, usage=usage(4))


@pytest.mark.parametrize("cause", EndCause)
def test_otel_error_type(cause: EndCause) -> None:
    """An error that ends the stream is the duration's error type; closing the stream isn't one."""
    found = metrics(played((0.5, chat("a")), end=End(cause)))
    no_error = cause in (EndCause.DONE, EndCause.FINISHED, EndCause.CANCELLED)

    duration = found.pop("gen_ai.client.operation.duration")
    assert duration.attributes.get("error.type") == (None if no_error else cause.value)
    assert all("error.type" not in metric.attributes for metric in found.values())


def test_otel_without_measurements() -> None:
    """Values that weren't measured aren't reported."""
    assert Timeline().otel_metrics() == []
    assert Timeline().otel_attributes() == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.stream": True,
    }


def test_otel_attributes() -> None:
    """A span has the id, model, finish reasons and token counts of the result."""
    counts = CompletionUsage(
        prompt_tokens=5,
        completion_tokens=9,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=4),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=2),
    )
    end = End(EndCause.TRANSPORT, finish_reasons={1: "stop", 2: None, 0: "length"})
    timeline = played((0.5, chat("a")), end=end, result=answer())
    assert timeline.otel_attributes(usage=counts, model="m", operation="x") == {
        "gen_ai.operation.name": "x",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "m-1",
        "gen_ai.response.id": "c-1",
        "gen_ai.response.finish_reasons": ["length", "stop"],
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "error.type": "transport",
    }
    fewer = timeline.otel_attributes(usage=CompletionUsage(completion_tokens=1))
    assert "gen_ai.usage.input_tokens" not in fewer


def test_split_surrogate_pairs() -> None:
    """A character that a server cut in half counts with its second half, as a gate releases it."""
    clock = Clock()
    timeline = Timeline(clock)
    for first, second in 3 * [("\ud83e", "\udd16. ")]:
        clock.now += 1
        timeline.on_item(chat(first))
        clock.now += 1
        timeline.on_item(chat(second))
        timeline.on_release((first + second).encode("utf-16", "surrogatepass").decode("utf-16"))

    summary = timeline.summary()

    assert (summary.characters, summary.released) == (9, 9)
    assert summary.release_delay == Spread(0, 0, 0, 0, 0, 0)


def test_several_kinds_of_text_in_one_chunk() -> None:
    """All the text of one chunk counts: content, reasoning and arguments."""
    call = ToolCallDelta(index=0, function=FunctionDelta(arguments="12345"))
    steps = [chat("a"), chat("bc", tool_calls=[call]), chat("d", reasoning_content="xyz")]

    assert played(*((1.0, step) for step in steps)).summary().characters == 12


@pytest.mark.parametrize(
    ("more", "characters"),
    [
        ({"reasoning_details": [{"type": "reasoning.text", "text": "xyz"}]}, 4),
        ({"reasoning_content": "AAA", "reasoning": "bb"}, 6),
        ({"refusal": "no"}, 3),
        ({"function_call": FunctionDelta(arguments="{}")}, 3),
        ({"audio": AudioDelta(transcript="hey")}, 4),
    ],
)
def test_content_with_another_kind_of_text(more: dict[str, Any], characters: int) -> None:
    """The first chunk and a later one count alike, with all the text they bring."""
    chunks = [chat("a", **more), chat("a", **more)]
    record = played(*((1.0, chunk) for chunk in chunks)).record()

    assert record.sizes == (characters, characters)
    assert record.texts == (1, 1)
    accumulator = Accumulator()
    texts = [getattr(each, "text", "") for chunk in chunks for each in accumulator.updates(chunk)]
    if "function_call" not in more:
        assert sum(map(len, texts)) == 2 * characters


class Fragment(NamedTuple):
    """An item of another API."""

    text: str
    is_reasoning: bool = False

    def only_text(self) -> str | None:
        return None if self.is_reasoning else self.text

    def pieces(self) -> list[Piece]:
        return [Piece("reasoning" if self.is_reasoning else "content", self.text, 0)]


class Answer(NamedTuple):
    """A result of another API."""

    usage: Estimate
    id: str = "r-1"
    model: str = "m-2"


def test_items_and_results_of_any_api() -> None:
    """A timeline uses items, results and usage only through the methods that all APIs share."""
    timeline = Timeline()
    for item in (Fragment("hm", is_reasoning=True), Fragment("four"), Fragment("ty-two")):
        timeline.on_item(item)
    timeline.on_end(End(EndCause.FINISHED), Answer(Estimate(5)))
    record, summary = timeline.record(), timeline.summary()

    assert (record.sizes, record.texts, record.reasoned) == ((2, 4, 6), (0, 4, 6), True)
    assert (record.response_id, record.model, record.usage) == ("r-1", "m-2", Estimate(5))
    assert (summary.tokens, summary.tokens_estimated) == (5, True)


def test_result_that_still_grows() -> None:
    """The result is read when it's needed: a stream still adds chunks received before its end."""
    timeline, result = Timeline(), answer()
    timeline.on_end(None, result)
    result.usage = usage(7)

    assert timeline.summary().tokens == 7


def legacy(**fields: Any) -> CompletionChunk:
    choice = CompletionChunkChoice(index=0, text="a", **fields)
    return CompletionChunk(choices=[choice])


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (chat("a"), "a"),
        (chat(""), ""),
        (chat("a", reasoning="b"), None),
        (ChatCompletionChunk(choices=chat("a").choices, extra={"provider": "p"}), "a"),
        (ChatCompletionChunk(choices=chat("a").choices, usage=CompletionUsage()), None),
        (ChatCompletionChunk(choices=2 * chat("a").choices), None),
        (ChatCompletionChunk(choices=[]), None),
        (legacy(), "a"),
        (legacy(finish_reason="stop"), None),
        (legacy(logprobs=CompletionLogprobs()), None),
        (legacy(extra={"x": 1}), None),
        (CompletionChunk(choices=legacy().choices, usage=CompletionUsage()), None),
        (CompletionChunk(choices=2 * legacy().choices), None),
    ],
)
def test_only_text(chunk: Chunk, text: str | None) -> None:
    """A chunk has only text if its one choice has only text, and it has no usage."""
    assert chunk.only_text() == text


def test_token_counts() -> None:
    """The usage of a completion has the counts under names that all APIs share."""
    counts = CompletionUsage(
        prompt_tokens=5,
        completion_tokens=9,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=4),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=2),
    )
    estimate = EstimatedUsage(
        completion_tokens=3, estimated=True, encoding="o200k_base", choices=[], notes=[]
    )

    assert CompletionUsage().token_counts() == TokenCounts()
    assert counts.token_counts() == TokenCounts(input=5, output=9, cached=4, reasoning=2)
    assert estimate.token_counts() == TokenCounts(output=3, estimated=True)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_usage_of_a_stream(cut: int) -> None:
    """A timeline has the usage that the result has, also if it arrives together with the end."""
    events = [
        b'data: {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}',
        b'data: {"choices": [], "x_groq": {"usage": {"completion_tokens": 7}}}',
        b"data: [DONE]",
    ]
    body = [event + b"\n\n" for event in events]
    timeline = Timeline()
    result = Stream([*body[: cut - 1], b"".join(body[cut - 1 :])], timeline=timeline).result()

    assert timeline.record().usage == result.usage
    assert timeline.summary().tokens == 7
    assert timeline.record().finish_reasons == {0: "stop"}


def test_object_that_is_not_an_item() -> None:
    """An object that isn't an item raises AttributeError, and nothing of it is recorded."""
    clock = Clock()
    timeline = Timeline(clock)

    def record_item(item: Any) -> None:
        clock.now += 1
        timeline.on_item(item)

    record_item(chat("a"))
    with pytest.raises(AttributeError):
        record_item(None)
    record_item(chat("bcd"))

    record = timeline.record()
    assert (record.chunks, record.sizes) == ((1, 3), (1, 3))


def test_empty_pieces() -> None:
    """Empty pieces of the body, which some transports return, don't end a silence."""
    clock = Clock()
    timeline = Timeline(clock)
    for moment, size in [(1, 0), (2, 5), (4, 0), (9, 5)]:
        clock.now = 1000 + moment
        timeline.on_bytes(size)

    summary = timeline.summary()

    assert (summary.time_to_first_byte, summary.longest_silence) == (2, 7)


def test_summary_from_another_thread() -> None:
    """A summary that another thread makes leaves out chunks that are half recorded."""
    timeline = Timeline()

    def record() -> None:
        for _ in range(2000):
            timeline.on_bytes(5, events=1)
            timeline.on_item(chat("a"))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=record)
    writer.start()
    try:
        while writer.is_alive():
            summary = timeline.summary()
            assert summary.characters == summary.chunks
    finally:
        writer.join()
        sys.setswitchinterval(before)
