"""Metrics and attributes under OpenTelemetry's names, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from .._end import EndCause
from ..payloads._model import TokenCounts
from ._record import Record, TokenUsage, token_counts_of

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
        name: Name of the instrument.
        unit: Unit of the values: "s" or "{token}".
        description: What the instrument measures.
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


def common_attributes(
    record: Record, model: str | None, provider: str, operation: str
) -> dict[str, str]:
    attributes = {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider}
    if model is not None:
        attributes["gen_ai.request.model"] = model
    if record.model is not None:
        attributes["gen_ai.response.model"] = record.model
    return attributes


def _error_type(record: Record) -> dict[str, str]:
    if record.end is None or record.end.cause in _NO_ERROR:
        return {}
    return {"error.type": record.end.cause.value}


def reportable_counts(
    record: Record, usage: TokenUsage | int | None, *, estimated: bool
) -> TokenCounts:
    """Return the first counts that may be reported: estimates only if the user asks for them."""
    for each in (usage, record.usage):
        counts = token_counts_of(each)
        if counts is not None and (estimated or not counts.estimated):
            return counts
    return TokenCounts()


def make_metrics(
    record: Record, counts: TokenCounts, attributes: Mapping[str, str]
) -> Iterator[Metric]:
    if record.ended is not None:
        attributes_of_end = {**attributes, **_error_type(record)}
        yield _seconds("duration", "GenAI operation duration.", [record.ended], attributes_of_end)
    if record.arrivals:
        description = "Time to receive the first chunk."
        yield _seconds("time_to_first_chunk", description, record.arrivals[:1], attributes)
    if gaps := record.gaps:
        description = "Time per output chunk after the first."
        yield _seconds("time_per_output_chunk", description, gaps, attributes)
    for kind, count in (("input", counts.input), ("output", counts.output)):
        if count is not None:
            name, description = (
                "gen_ai.client.token.usage",
                "Number of input and output tokens used.",
            )
            attributes_of_kind = {**attributes, "gen_ai.token.type": kind}
            yield Metric(name, "{token}", description, (count,), attributes_of_kind, _TOKENS)


def _seconds(
    name: str, description: str, values: Sequence[float], attributes: Mapping[str, str]
) -> Metric:
    name = f"gen_ai.client.operation.{name}"
    return Metric(name, "s", description, tuple(values), attributes, _SECONDS)


def span_attributes(
    record: Record, counts: TokenCounts, attributes: Mapping[str, str]
) -> dict[str, Attribute]:
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
