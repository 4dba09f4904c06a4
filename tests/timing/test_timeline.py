"""What a Timeline notes, and the figures it makes of it."""

import json
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Accumulator, ChunkDecoder, ChunkParser, End, EndCause, Event, Parser
from sseparse.chunks import (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionTokensDetails,
    CompletionUsage,
    CustomToolDelta,
    FunctionDelta,
    PromptTokensDetails,
    ToolCallDelta,
)
from sseparse.timing import Metric, Spread, Stall, Timeline


class Clock:
    """A clock that moves when it is told to, and counts who looks at it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


class Estimated(CompletionUsage):
    """Counts that the server did not report."""

    estimated = True


def chat(content: Any = None, *, usage: CompletionUsage | None = None, **delta: Any) -> Any:
    choice = ChunkChoice(index=0, delta=ChoiceDelta(content=content, **delta))
    return ChatCompletionChunk(id="c-1", model="m-1", choices=[choice], usage=usage)


def finish(content: str | None = None, index: int = 0) -> ChatCompletionChunk:
    delta = ChoiceDelta(content=content)
    return ChatCompletionChunk(
        choices=[ChunkChoice(index=index, delta=delta, finish_reason="stop")]
    )


def usage(
    completion: int | None, prompt: int | None = None, *, reasoning: int | None = None
) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=reasoning),
    )


def played(*steps: tuple[float, Any], end: End | None = None) -> Timeline:
    """Play chunks at their seconds since the request, and end with the last."""
    clock = Clock()
    timeline = Timeline(clock)
    for at, chunk in steps:
        clock.now = 1000.0 + at
        timeline.on_chunk(chunk)
    timeline.on_end(end)
    return timeline


def test_each_moment_is_noted() -> None:
    """Every moment counts from the request; the first event may come later than the first byte."""
    clock = Clock()
    timeline = Timeline(clock)
    clock.now += 5
    timeline.on_request()
    steps: list[tuple[float, Callable[[], None]]] = [
        (0.25, lambda: timeline.on_bytes(5, comments=1)),
        (0.5, lambda: timeline.on_bytes(20, events=1)),
        (0.5, lambda: timeline.on_chunk(chat(""))),
        (0.75, lambda: timeline.on_bytes(20, events=1)),
        (0.75, lambda: timeline.on_chunk(chat(reasoning="hm"))),
        (1.0, lambda: timeline.on_bytes(20, events=1)),
        (1.0, lambda: timeline.on_chunk(chat("four"))),
        (1.5, lambda: timeline.on_bytes(20, events=1)),
        (1.5, lambda: timeline.on_chunk(chat("ty-two"))),
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
    assert summary.gaps == Spread(p50=0.25, p95=0.5, max=0.5)
    assert summary.stalls == ()
    assert summary.tokens is None
    assert summary.characters_per_second == pytest.approx(10 / 0.75)


def test_a_hook_reads_the_clock_once() -> None:
    """Each hook, and the making, reads the clock once; a summary does not."""
    clock = Clock()
    timeline = Timeline(clock)
    hooks: list[Callable[[], None]] = [
        timeline.on_request,
        lambda: timeline.on_bytes(1, events=1, comments=1),
        lambda: timeline.on_bytes(1),
        lambda: timeline.on_chunk(chat("a")),
        lambda: timeline.on_chunk(chat("a")),
        lambda: timeline.on_chunk(finish()),
        lambda: timeline.on_release("a"),
        timeline.on_end,
        timeline.on_end,
    ]
    for number, hook in enumerate(hooks, 2):
        hook()
        assert clock.looks == number
    timeline.summary()
    timeline.to_dict()
    assert clock.looks == len(hooks) + 1


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
        (chat(tool_calls=[ToolCallDelta(function=FunctionDelta(name="f"))]), 0, False),
        (CompletionChunk(choices=[CompletionChunkChoice(index=0, text="abc")]), 3, True),
        (chat(role="assistant"), 0, False),
        (ChatCompletionChunk(choices=[]), 0, False),
    ],
)
@pytest.mark.parametrize("before", [[], [(0.5, chat("x"))]])
def test_what_a_chunk_brings(
    chunk: Any, characters: int, text: bool, before: list[tuple[float, Any]]
) -> None:
    """All that the model generates is a token; content alone is text; first or not, it counts."""
    record = played(*before, (1.0, chunk)).record()

    assert record.sizes[-1] == characters
    assert record.texts[-1] == (characters if text else 0)
    if not before:
        assert record.first_token == (1.0 if characters else None)
        assert record.first_text == (1.0 if text else None)


def test_legacy_chunks() -> None:
    """A stream of legacy chunks is timed as a chat is."""
    chunks = [
        CompletionChunk(choices=[CompletionChunkChoice(index=0, text=text)]) for text in "abc"
    ]
    summary = played(*enumerate(chunks)).summary(3)

    assert summary.characters == 3
    assert summary.tokens_per_second == summary.characters_per_second == 1.0


def test_events_alone() -> None:
    """Where no chunk comes, the gaps are those between pieces that brought events."""
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
    assert summary.gaps == Spread(0.5, 0.5, 0.5)
    assert summary.stalls == (Stall(1.5, 6.5),)
    assert summary.longest_silence == 6.0
    assert str(summary) == (
        "first event after 1.00 s, all after 8.00 s\n"
        "3 events, gaps p50 500 ms, p95 500 ms, max 500 ms, 1 stall"
    )


def test_chunks_alone() -> None:
    """Without bytes and events, the first chunk counts as the first event."""
    summary = played((0.5, chat("a")), (0.75, chat("b"))).summary()

    assert summary.time_to_first_event == 0.5
    assert summary.time_to_first_byte is None
    assert (summary.events, summary.chunks) == (0, 2)


def test_by_hand_over_bytes() -> None:
    """The hooks ride along a parser without any stream."""
    clock = Clock()
    timeline = Timeline(clock)
    parser = ChunkParser()
    body = b'data: {"choices":[{"index":0,"delta":{"content":"ab"}}]}\n\n'
    for _ in range(4):
        clock.now += 0.25
        timeline.on_bytes(len(body), events=1)
        for chunk in parser.feed(body):
            timeline.on_chunk(chunk)
    timeline.on_end()

    assert timeline.summary().characters == 8
    assert timeline.summary().characters_per_second == 8.0


def test_one_timeline_one_stream() -> None:
    """A request after anything was noted is a mistake; only the first end counts."""
    hooks: list[Callable[[Timeline], None]] = [
        lambda timeline: timeline.on_bytes(1),
        lambda timeline: timeline.on_chunk(chat("a")),
        lambda timeline: timeline.on_end(),
    ]
    for hook in hooks:
        timeline = Timeline()
        hook(timeline)
        with pytest.raises(RuntimeError, match="make another"):
            timeline.on_request()

    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_end(End(EndCause.DONE))
    clock.now += 1
    timeline.on_end(End(EndCause.CANCELLED))
    assert timeline.summary().total == 0.0
    assert timeline.summary().end is EndCause.DONE


def test_in_the_middle() -> None:
    """A summary in the middle of a stream has no total, and changes nothing."""
    clock = Clock()
    timeline = Timeline(clock)
    assert str(timeline.summary()) == "nothing came, not at its end"
    timeline.on_bytes(10)
    timeline.on_bytes(10)
    timeline.on_chunk(chat("hello"))
    summary = timeline.summary()

    assert summary.total is summary.sooner is summary.sooner_ratio is None
    assert summary.gaps is None
    assert summary.longest_silence == 0.0
    assert str(summary) == "first token after 0 ms, not at its end\n5 characters"
    assert timeline.summary() == summary


def test_stalls() -> None:
    """A gap is a stall beyond 1 second and ten medians, or beyond what is asked for."""
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
    """Tokens are those given, else those reported; hidden reasoning took none of the time."""
    steps = [(1.0, chat("ab")), (2.0, chat("cd")), (3.0, chat("ef"))]
    reported = played(*steps, (3.0, chat(usage=usage(9, 5))))

    assert reported.summary().tokens == 9
    assert reported.summary().tokens_per_second == pytest.approx(3.0)
    assert not reported.summary().tokens_estimated
    assert reported.summary(6).tokens_per_second == pytest.approx(2.0)
    assert reported.summary(usage(None)).tokens is None
    assert reported.summary(usage(None)).tokens_per_second is None
    hidden = played(*steps).summary(usage(900, reasoning=897))
    assert hidden.tokens == 900
    assert hidden.tokens_per_second == pytest.approx(1.0)
    assert played(*steps).summary(usage(6, reasoning=8)).tokens_per_second == 0.0
    seen = played((0.0, chat(reasoning="xy")), *steps).summary(usage(8, reasoning=2))
    assert seen.tokens_per_second == pytest.approx(2.0)
    plain = CompletionUsage(completion_tokens=3)
    assert played(*steps).summary(plain).tokens_per_second == pytest.approx(1.0)
    estimated = played(*steps).summary(Estimated(completion_tokens=3))
    assert estimated.tokens_estimated
    assert "about 3 tokens (1/s)" in str(estimated)


def test_one_chunk_has_no_pace() -> None:
    """What came at one moment has no rate."""
    summary = played((0.0, chat("all")), end=End(EndCause.FINISHED)).summary(1)

    assert summary.tokens_per_second is summary.characters_per_second is None
    assert summary.sooner_ratio is None
    assert str(summary) == (
        "first token after 0 ms, all after 0 ms, end: finished\n1 token, 3 characters"
    )


def test_two_lines() -> None:
    """A summary is two lines that can be read."""
    timeline = played(
        (0.5, chat("ab")), (1.5, chat("cd")), (200.0, chat("ef")), end=End(EndCause.DONE)
    )
    assert str(timeline.summary(1500)) == (
        "first token after 500 ms, all after 200 s, "
        "the first word 400 times sooner than the whole, end: done\n"
        "1,500 tokens (5.01/s), 6 characters (0.0201/s), "
        "gaps p50 1.00 s, p95 198 s, max 198 s, 1 stall"
    )


def test_the_gates_delay() -> None:
    """Each released character waited from its arrival to its release."""
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
            timeline.on_chunk(chat(arrives))
        if leaves:
            timeline.on_release(leaves)
    timeline.on_end()
    summary = timeline.summary()

    # a b c: 1 s, d: 2 s, e f: 1 s, g: 0 s, h: 1 s
    assert summary.release_delay == Spread(p50=1.0, p95=2.0, max=2.0)
    assert summary.released == 8
    assert "held by the gate p50 1.00 s, max 2.00 s" in str(summary)


def test_release_of_what_never_came() -> None:
    """Text that no chunk brought, or that came later, waited for nothing."""
    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_release("abc")
    assert timeline.summary().release_delay is None
    clock.now += 1
    timeline.on_chunk(chat("abc"))
    assert timeline.summary().release_delay is None
    assert timeline.summary().released == 3


def test_to_dict_is_json() -> None:
    """The dictionary is ready for JSON, and has what a plot needs."""
    clock = Clock()
    timeline = Timeline(clock)
    timeline.on_bytes(5, comments=1)
    clock.now += 0.5
    timeline.on_chunk(chat("ab"))
    clock.now += 2
    timeline.on_chunk(chat("c"))
    timeline.on_release("abc")
    timeline.on_end(End(EndCause.TIMEOUT))
    told = json.loads(json.dumps(timeline.to_dict(7)))

    assert told["arrivals"] == [[0.5, 2], [2.5, 1]]
    assert told["comment_times"] == [0.0]
    assert told["releases"] == [[2.5, 3]]
    assert told["stalls"] == []
    assert told["gaps"] == {"p50": 2.0, "p95": 2.0, "max": 2.0}
    assert (told["tokens"], told["end"], told["total"]) == (7, "timeout", 2.5)
    assert json.loads(json.dumps(Timeline().to_dict()))["end"] is None
    stalled = played(*[(at, chat("a")) for at in (0.0, 0.5, 1.0, 9.0)]).to_dict()
    assert stalled["stalls"] == [{"start": 1.0, "seconds": 8.0}]


@given(
    st.lists(st.tuples(st.floats(0, 100, allow_subnormal=False), st.integers(0, 30)), max_size=40)
)
def test_figures_hold_together(steps: Sequence[tuple[float, int]]) -> None:
    """Percentiles are gaps that came, in order; characters and chunks add up."""
    clock = Clock()
    timeline = Timeline(clock)
    for wait, size in steps:
        clock.now += wait
        timeline.on_chunk(chat("x" * size))
    timeline.on_end()
    summary, record = timeline.summary(), timeline.record()

    assert summary.chunks == len(steps)
    assert summary.characters == sum(size for _, size in steps)
    gaps = sorted(record.gaps)
    assert (summary.gaps is None) == (not gaps)
    if summary.gaps is not None:
        assert {summary.gaps.p50, summary.gaps.p95, summary.gaps.max} <= set(gaps)
        assert summary.gaps.p50 <= summary.gaps.p95 <= summary.gaps.max == gaps[-1]
        assert sum(gap <= summary.gaps.p50 for gap in gaps) * 2 >= len(gaps)
        assert sum(gap < summary.gaps.p50 for gap in gaps) * 2 < len(gaps)
    assert all(stall.seconds > summary.stall_threshold for stall in summary.stalls)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.data())
def test_every_released_character_is_timed(sizes: list[int], data: st.DataObject) -> None:
    """However text is held and let go, each character's wait lies within the stream."""
    clock = Clock()
    timeline = Timeline(clock)
    held = 0
    for size in sizes:
        clock.now += 1
        timeline.on_chunk(chat("x" * size))
        held += size
        let = data.draw(st.integers(0, held))
        timeline.on_release("x" * let)
        held -= let
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
    """The names, units, buckets and attributes are those of the conventions."""
    timeline = played(
        (0.5, chat("ab")), (1.5, chat("cd")), (2.0, chat(usage=usage(9, 5))),
        end=End(EndCause.DONE),
    )  # fmt: skip
    found = metrics(timeline, model="m", provider="deepseek")
    about = {
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
    assert seconds.attributes == about
    assert seconds.description
    assert [round(bound, 2) for bound in seconds.buckets] == [
        *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
        *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
    ]
    tokens = found["gen_ai.client.token.usageinput"]
    assert tokens.attributes == {**about, "gen_ai.token.type": "input"}
    assert tuple(tokens.buckets)[::13] == (1, 67108864)


def test_otel_reports_no_estimate_unasked() -> None:
    """Counted tokens are reported only if the user wants it; the server's always."""
    name = "gen_ai.client.token.usageoutput"
    silent, told = played((0.5, chat("a"))), played((0.5, chat("a", usage=usage(9))))
    counted = Estimated(completion_tokens=3)

    assert name not in metrics(silent)
    assert name not in metrics(silent, usage=counted)
    assert metrics(silent, usage=counted, estimated=True)[name].values == (3,)
    assert metrics(told, usage=counted)[name].values == (9,)
    assert metrics(silent, usage=usage(4))[name].values == (4,)
    assert "gen_ai.client.token.usageinput" not in metrics(silent, usage=usage(4))


@pytest.mark.parametrize("cause", EndCause)
def test_otel_error_type(cause: EndCause) -> None:
    """A bad end is the duration's error type; closing the stream is none."""
    found = metrics(played((0.5, chat("a")), end=End(cause)))
    good = cause in (EndCause.DONE, EndCause.FINISHED, EndCause.CANCELLED)

    duration = found.pop("gen_ai.client.operation.duration")
    assert duration.attributes.get("error.type") == (None if good else cause.value)
    assert all("error.type" not in metric.attributes for metric in found.values())


def test_otel_of_nothing() -> None:
    """What was not measured is not reported."""
    assert Timeline().otel_metrics() == []
    assert Timeline().otel_attributes() == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.stream": True,
    }


def test_otel_attributes() -> None:
    """A span has the answer's id, model, finish reasons and token counts."""
    counts = CompletionUsage(
        prompt_tokens=5,
        completion_tokens=9,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=4),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=2),
    )
    timeline = played(
        (0.5, chat("a")), (0.6, finish("b", 1)), (0.7, finish("c")), (0.7, finish(index=1)),
        end=End(EndCause.TRANSPORT),
    )  # fmt: skip
    assert timeline.otel_attributes(usage=counts, model="m", operation="x") == {
        "gen_ai.operation.name": "x",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "m-1",
        "gen_ai.response.id": "c-1",
        "gen_ai.response.finish_reasons": ["stop", "stop"],
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "error.type": "transport",
    }
    plain = timeline.otel_attributes(usage=CompletionUsage(completion_tokens=1))
    assert "gen_ai.usage.input_tokens" not in plain


def test_characters_that_come_in_halves() -> None:
    """Half a surrogate pair counts with its other half, so that a gate's releases match."""
    clock = Clock()
    timeline = Timeline(clock)
    for first, then in 3 * [("\ud83e", "\udd16. ")]:
        clock.now += 1
        timeline.on_chunk(chat(first))
        clock.now += 1
        timeline.on_chunk(chat(then))
        timeline.on_release((first + then).encode("utf-16", "surrogatepass").decode("utf-16"))

    summary = timeline.summary()

    assert (summary.characters, summary.released) == (9, 9)
    assert summary.release_delay == Spread(0, 0, 0)


def test_words_beside_reasoning_and_calls() -> None:
    """What comes in one chunk is counted whole."""
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
def test_text_next_to_something_else(more: dict[str, Any], characters: int) -> None:
    """A chunk counts the same whether it is the first or a later one, and all it brings counts."""
    chunks = [chat("a", **more), chat("a", **more)]
    record = played(*((1.0, chunk) for chunk in chunks)).record()

    assert record.sizes == (characters, characters)
    assert record.texts == (1, 1)
    accumulator = Accumulator()
    texts = [getattr(each, "text", "") for chunk in chunks for each in accumulator.updates(chunk)]
    if "function_call" not in more:
        assert sum(map(len, texts)) == 2 * characters


TEXT: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "a"}}]}


@pytest.mark.parametrize(
    ("chunks", "tokens"),
    [
        ([{"usage": {"completion_tokens": 7}}, {"usage": {}}], 7),
        ([{"x_groq": {"usage": {"completion_tokens": 7}}}], 7),
        ([TEXT, TEXT | {"x_groq": {"usage": {"completion_tokens": 7}}}], 7),
        ([{"x_groq": {"usage": {"completion_tokens": 7}}}, {"usage": {"completion_tokens": 8}}], 8),
    ],
)
def test_usage_is_that_of_the_completion(chunks: list[dict[str, Any]], tokens: int) -> None:
    """A timeline has the counts that the accumulator has, wherever they were reported."""
    timeline, accumulator, decoder = Timeline(), Accumulator(), ChunkDecoder()
    for body in chunks:
        for chunk in decoder.feed(Event(json.dumps({"choices": [], **body}))):
            timeline.on_chunk(chunk)
            accumulator.add(chunk)

    assert timeline.record().usage == accumulator.usage
    assert accumulator.usage is not None
    assert accumulator.usage.completion_tokens == tokens


def test_a_chunk_that_cannot_be_looked_at() -> None:
    """Misuse changes nothing: each later size still belongs to its own time."""
    clock = Clock()
    timeline = Timeline(clock)
    not_a_chunk: Any = None
    for at, chunk in [(1, chat("a")), (2, not_a_chunk), (3, chat("bcd"))]:
        clock.now = 1000 + at
        with pytest.raises(AttributeError) if chunk is None else nullcontext():
            timeline.on_chunk(chunk)

    record = timeline.record()
    assert (record.chunks, record.sizes) == ((1, 3), (1, 3))


def test_an_empty_piece_is_no_byte() -> None:
    """Some transports hand out pieces of nothing: no sign of life."""
    clock = Clock()
    timeline = Timeline(clock)
    for moment, size in [(1, 0), (2, 5), (4, 0), (9, 5)]:
        clock.now = 1000 + moment
        timeline.on_bytes(size)

    summary = timeline.summary()

    assert (summary.time_to_first_byte, summary.longest_silence) == (2, 7)


def test_summed_up_by_another_thread() -> None:
    """While chunks are noted, whatever is half noted is left out."""
    timeline = Timeline()

    def note() -> None:
        for _ in range(2000):
            timeline.on_bytes(5, events=1)
            timeline.on_chunk(chat("a"))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=note)
    writer.start()
    try:
        while writer.is_alive():
            summary = timeline.summary()
            assert summary.characters == summary.chunks
    finally:
        writer.join()
        sys.setswitchinterval(before)
