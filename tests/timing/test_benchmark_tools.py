"""
Figures of a timeline compared with those of guidellm and aiperf for the same arrivals.

Both tools have heavy dependencies. `pip install --group timing` installs them.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from sseparse import ChatStream
from sseparse.timing import Record, Summary, Timeline

START = 1000.0
NOT_INSTALLED = "compares with guidellm and aiperf; install the dependency group `timing`"


def event(**fields: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps({"object": "chat.completion.chunk", **fields}).encode()


def chunk(content: str | None = None, *, tokens: int | None = None, **delta: Any) -> bytes:
    if content is not None:
        delta["content"] = content
    choices = [{"index": 0, "delta": delta}]
    if tokens is None:
        return event(choices=choices)
    return event(choices=choices, usage={"completion_tokens": tokens, "prompt_tokens": 7})


def call(name: str | None = None, arguments: str = "") -> bytes:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return chunk(tool_calls=[{"index": 0, "function": function}])


def finish(reason: str = "stop") -> bytes:
    return event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])


def usage(tokens: int, reasoning: int = 0) -> bytes:
    counts = {
        "prompt_tokens": 7,
        "completion_tokens": tokens,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return event(choices=[], usage=counts)


DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
Steps = list[tuple[float, bytes]]
STREAMS: dict[str, Steps] = {
    "role chunk first": [
        *((0.25, chunk("", role="assistant")), (1.0, chunk("a")), (1.25, chunk("b"))),
        *((1.75, chunk("c")), (1.75, finish()), (1.75, usage(3)), (1.75, DONE)),
    ],
    "several tokens in a chunk": [
        *((0.5, chunk("one two")), (1.0, chunk(" three four")), (1.5, chunk(" five"))),
        *((1.5, finish()), (1.75, usage(9)), (1.75, DONE)),
    ],
    "usage late": [
        *((0.5, chunk("a")), (0.75, chunk("b")), (1.0, finish()), (9.0, usage(2)), (9.5, DONE)),
    ],
    "reasoning first": [
        *((0.5, chunk(reasoning_content="hm")), (1.0, chunk(reasoning_content="so"))),
        *((2.0, chunk("a")), (2.5, chunk("b")), (2.5, finish()), (2.5, usage(6, 3)), (2.5, DONE)),
    ],
    "tool calls": [
        *((0.5, chunk("", role="assistant")), (1.0, call("weather")), (1.5, call(None, "{}"))),
        *((2.5, call("time")), (2.5, finish("tool_calls")), (2.75, usage(12)), (2.75, DONE)),
    ],
    "keep-alives": [
        *((0.25, KEEP_ALIVE), (1.0, chunk("a")), (1.5, KEEP_ALIVE), (2.0, chunk("b"))),
        *((2.5, chunk("c")), (3.0, KEEP_ALIVE), (3.5, finish()), (3.5, usage(3)), (3.5, DONE)),
    ],
    "usage in each chunk": [
        *((0.25, chunk("", role="assistant", tokens=0)), (0.5, chunk("one two", tokens=4))),
        *((1.0, chunk(" three", tokens=8)), (1.5, chunk(" four", tokens=10))),
        *((1.5, finish()), (1.5, usage(10)), (1.5, DONE)),
    ],
}


def measure(steps: Steps) -> tuple[Record, Summary]:
    now = [START]

    def body() -> Iterator[bytes]:
        for at, data in steps:
            now[0] = START + at
            yield data

    timeline = Timeline(clock=lambda: now[0])
    ChatStream(body(), timeline=timeline).result()
    return timeline.record(), timeline.summary()


@pytest.fixture(params=STREAMS)
def steps(request: pytest.FixtureRequest) -> Steps:
    return STREAMS[request.param]


def guidellm_stats(steps: Steps) -> Any:
    """Return guidellm's statistics of a request. Its parser decides which events have output."""
    handlers = pytest.importorskip(
        "guidellm.backends.openai.request_handlers", reason=NOT_INSTALLED
    )
    schemas = pytest.importorskip("guidellm.schemas.base")
    handler = handlers.ChatCompletionsRequestHandler()
    timings = schemas.RequestTimings(request_start=START, request_end=START + steps[-1][0])
    # The order of its HTTP backend, which needs a connection.
    for at, data in steps:
        if handler.add_streaming_line(data.decode()):
            timings.first_token_iteration = timings.first_token_iteration or START + at
            timings.last_token_iteration = START + at
            timings.token_iterations += 1
    prompt, output = handler.extract_metrics(handler.streaming_usage, "")
    return schemas.GenerativeRequestStats(
        request_id="r-1",
        info=schemas.RequestInfo(timings=timings),
        input_metrics=prompt,
        output_metrics=output,
    )


def test_guidellm(steps: Steps) -> None:
    """The times are guidellm's; the inter-token latency too if the first chunk has one token."""
    stats = guidellm_stats(steps)
    record, summary = measure(steps)
    assert summary.tokens is not None
    assert summary.time_to_first_token is not None
    assert summary.time_per_output_token is not None
    assert summary.inter_token_latency is not None
    later_tokens = summary.tokens - (record.first_tokens or 1)

    assert summary.tokens == stats.output_tokens
    assert summary.time_to_first_token * 1000 == pytest.approx(stats.time_to_first_token_ms)
    assert summary.time_per_output_token * 1000 == pytest.approx(stats.time_per_output_token_ms)
    assert len(record.outputs) == stats.token_iterations
    assert summary.inter_token_latency * 1000 * later_tokens == pytest.approx(
        stats.inter_token_latency_ms * (summary.tokens - 1)
    )


class Metrics(NamedTuple):
    """Figures of aiperf, in seconds."""

    first_token: float
    first_output: float
    inter_token: float
    tokens_per_second: float
    between_chunks: list[float]


def nanoseconds(at: float) -> int:
    return int((START + at) * 1_000_000_000)


def aiperf_record(steps: Steps) -> Any:
    chat = pytest.importorskip("aiperf.endpoints.openai_chat", reason=NOT_INSTALLED)
    models = pytest.importorskip("aiperf.common.models.record_models")
    endpoint = chat.ChatEndpoint(model_endpoint=None)
    messages = [models.SSEMessage.parse(data.rstrip(), nanoseconds(at)) for at, data in steps]
    parsed = [each for each in map(endpoint.parse_response, messages) if each is not None]
    counts = models.find_last_non_empty_usage(parsed)
    reasoning = counts.reasoning_tokens or 0
    return models.ParsedResponseRecord(
        request=models.RequestRecord(start_perf_ns=nanoseconds(0)),
        responses=parsed,
        token_counts=models.TokenCounts(
            output=counts.completion_tokens - reasoning,
            reasoning=reasoning,
            first_content_chunk_tokens=models.first_content_chunk_completion_tokens(parsed),
        ),
    )


def aiperf_metrics(steps: Steps) -> Metrics:
    """Return aiperf's metrics of a request that asked for usage in each chunk."""
    record = aiperf_record(steps)
    found = pytest.importorskip("aiperf.metrics.metric_dicts").MetricRecordDict()
    for module, name in (
        ("output_sequence_length_metric", "OutputSequenceLengthMetric"),
        ("request_latency_metric", "RequestLatencyMetric"),
        ("ttft_metric", "TTFTMetric"),
        ("time_to_first_output_token_metric", "TimeToFirstOutputTokenMetric"),
        ("inter_token_latency_metric", "InterTokenLatencyMetric"),
        ("inter_chunk_latency_metric", "InterChunkLatencyMetric"),
        ("output_token_throughput_metrics", "OutputTokenThroughputPerUserMetric"),
    ):
        metric = getattr(pytest.importorskip(f"aiperf.metrics.types.{module}"), name)()
        found[metric.tag] = metric.parse_record(record, found)
    return Metrics(
        first_token=found["time_to_first_token"] / 1e9,
        first_output=found["time_to_first_output_token"] / 1e9,
        inter_token=found["inter_token_latency"] / 1e9,
        tokens_per_second=found["output_token_throughput_per_user"],
        between_chunks=[each / 1e9 for each in found["inter_chunk_latency"]],
    )


def test_aiperf(steps: Steps) -> None:
    """Times, gaps and the rate are aiperf's, and the first text is its first output token."""
    metrics = aiperf_metrics(steps)
    record, summary = measure(steps)

    assert summary.time_to_first_token == pytest.approx(metrics.first_token)
    assert record.gaps == pytest.approx(metrics.between_chunks)
    assert summary.inter_token_latency == pytest.approx(metrics.inter_token)
    assert summary.tokens_per_second == pytest.approx(metrics.tokens_per_second)
    if summary.time_to_first_text is not None:  # aiperf's first output can also be a call
        assert summary.time_to_first_text == pytest.approx(metrics.first_output)


def test_guidellm_pool() -> None:
    """Percentiles of several requests are guidellm's, rounded to three significant digits."""
    statistics = pytest.importorskip("guidellm.schemas.base.statistics", reason=NOT_INSTALLED)
    all_stats = list(map(guidellm_stats, STREAMS.values()))
    pool = Summary.pool(measure(steps)[1] for steps in STREAMS.values())

    for spread, name in (
        (pool.time_to_first_token, "time_to_first_token_ms"),
        (pool.tokens_per_request, "output_tokens"),
    ):
        values = [getattr(stats, name) for stats in all_stats]
        found = statistics.DistributionSummary.from_values(values)
        scale = 1000 if name.endswith("_ms") else 1
        assert spread is not None
        assert spread.count == found.count
        for percentile in ("p50", "p90", "p95", "p99"):
            of_guidellm = getattr(found.percentiles, percentile) / scale
            assert getattr(spread, percentile) == float(f"{of_guidellm:.3g}")
        assert spread.mean == pytest.approx(found.mean / scale, rel=0.005)


def test_aiperf_pool() -> None:
    """The gaps of several requests are aiperf's, pooled."""
    name = "aiperf.metrics.list_metric_aggregation"
    aggregation = pytest.importorskip(name, reason=NOT_INSTALLED)
    pooled = aggregation.TDigestListMetricAggregator()
    for steps in STREAMS.values():
        pooled.extend(aiperf_metrics(steps).between_chunks)
    found = pooled.to_result("inter_chunk_latency", "", "s")
    gaps = Summary.pool(measure(steps)[1] for steps in STREAMS.values()).gaps

    assert gaps is not None
    assert gaps.count == found.count
    assert gaps.mean == pytest.approx(found.avg, rel=0.005)
    assert gaps.max == pytest.approx(found.max, rel=0.005)
