"""Metrics and attributes under OpenTelemetry's names, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypedDict, Unpack

from attrs import field, frozen

from .._end import EndCause
from ..payloads._model import TokenCounts
from ._summary import Record, TokenUsage, token_counts_of

# The bucket boundaries that the conventions advise.
_SECONDS: Final = tuple(0.01 * 2**power for power in range(14))
_TOKENS: Final = tuple(float(4**power) for power in range(14))
_NO_ERROR: Final = (EndCause.DONE, EndCause.FINISHED, EndCause.CANCELLED)

Attribute = str | int | float | bool | list[str]


@frozen
class Metric:
    """
    Measured values of one histogram.

    Attributes:
        name: Name of the histogram, such as "gen_ai.client.operation.duration".
        unit: Unit of the values: "s" or "{token}".
        description: Description of the histogram.
        values: The values to record.
        attributes: The attributes to record each value with.
        buckets: The bucket boundaries that the conventions advise.
    """

    name: str
    unit: str
    description: str
    values: Sequence[float]
    attributes: Mapping[str, str] = field(hash=False)
    buckets: Sequence[float]


class MetricOptions(TypedDict, total=False):
    """Options of `Timeline.otel_metrics()` and `Timeline.otel_attributes()`."""

    usage: TokenUsage | int | None
    model: str | None
    provider: str
    operation: str
    estimated: bool


def _common_values(
    record: Record,
    *,
    usage: TokenUsage | int | None = None,
    model: str | None = None,
    provider: str = "openai",
    operation: str = "chat",
    estimated: bool = False,
) -> tuple[TokenCounts, dict[str, str]]:
    """Return the token counts to report, and the attributes of metrics and spans."""
    reported = TokenCounts()
    for counts in (token_counts_of(each, record) for each in (record.usage, usage)):
        if counts is not None and (estimated or not counts.estimated):
            reported = counts
    found = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": record.model,
    }
    return reported, {name: value for name, value in found.items() if value is not None}


def _error_type(record: Record) -> dict[str, str]:
    if record.end is None or record.end.cause in _NO_ERROR:
        return {}
    return {"error.type": record.end.cause.value}


def make_metrics(record: Record, **options: Unpack[MetricOptions]) -> Iterator[Metric]:
    counts, attributes = _common_values(record, **options)
    ended = () if record.ended is None else (record.ended,)
    # The conventions count each chunk after the first, with output or without.
    waits = tuple(later - earlier for earlier, later in pairwise(record.arrivals))
    durations: Iterable[tuple[str, str, Sequence[float], Mapping[str, str]]] = (
        ("duration", "GenAI operation duration.", ended, _error_type(record)),
        ("time_to_first_chunk", "Time to receive the first chunk.", record.arrivals[:1], {}),
        ("time_per_output_chunk", "Time per output chunk after the first.", waits, {}),
    )
    for name, description, values, extra in durations:
        if values:
            full_name = f"gen_ai.client.operation.{name}"
            yield Metric(full_name, "s", description, values, {**attributes, **extra}, _SECONDS)
    name, description = "gen_ai.client.token.usage", "Number of input and output tokens used."
    for kind, count in (("input", counts.input), ("output", counts.output)):
        if count is not None:
            of_kind = {**attributes, "gen_ai.token.type": kind}
            yield Metric(name, "{token}", description, (count,), of_kind, _TOKENS)


def span_attributes(record: Record, **options: Unpack[MetricOptions]) -> dict[str, Attribute]:
    counts, attributes = _common_values(record, **options)
    reasons = [reason for _, reason in sorted(record.finish_reasons.items())]
    found: dict[str, Attribute | None] = {
        **attributes,
        **_error_type(record),
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": next(iter(record.arrivals), None),
        "gen_ai.response.id": record.response_id,
        "gen_ai.response.finish_reasons": reasons or None,
        "gen_ai.usage.input_tokens": counts.input,
        "gen_ai.usage.output_tokens": counts.output,
        "gen_ai.usage.cache_read.input_tokens": counts.cached,
        "gen_ai.usage.reasoning.output_tokens": counts.reasoning,
    }
    return {name: value for name, value in found.items() if value is not None}
