"""Metrics and attributes under OpenTelemetry's names."""

from typing import Any

import pytest

from sseparse import (
    End,
    EndCause,
)
from sseparse.chunks import (
    CompletionTokensDetails,
    CompletionUsage,
    PromptTokensDetails,
)
from sseparse.timing import Metric, Timeline

from .arrivals import Answer, Estimate, answer, chat, played, usage


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
