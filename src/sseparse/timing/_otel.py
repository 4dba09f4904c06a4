"""OpenTelemetry's names for what was measured, without OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from .._end import EndCause
from ..chunks import CompletionUsage
from ._record import Record

_SECONDS: Final = tuple(0.01 * 2**power for power in range(14))
_TOKENS: Final = tuple(float(4**power) for power in range(14))
_GOOD: Final = frozenset({EndCause.DONE, EndCause.FINISHED, EndCause.CANCELLED})

Attribute = str | int | float | bool | list[str]


@frozen
class Metric:
    """
    Hold what was measured for one histogram.

    Attributes:
        name: The instrument's name.
        unit: Its unit: "s" or "{token}".
        description: What it measures.
        values: What to record.
        attributes: The attributes to record each value with.
        buckets: The bucket boundaries that the conventions advise.
    """

    name: str
    unit: str
    description: str
    values: Sequence[float]
    attributes: Mapping[str, str] = field(hash=False)
    buckets: Sequence[float]


def metrics_of(
    record: Record,
    usage: CompletionUsage | None,
    *,
    model: str | None,
    provider: str,
    operation: str,
    estimated: bool,
) -> list[Metric]:
    """Name what a record holds; `Timeline.otel_metrics()` says how."""
    about = _about(record, model, provider, operation)
    return [
        *_seconds(record, about),
        *_tokens(_reportable(record, usage, estimated=estimated), about),
    ]


def _about(record: Record, model: str | None, provider: str, operation: str) -> dict[str, str]:
    about = {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider}
    if model is not None:
        about["gen_ai.request.model"] = model
    if record.model is not None:
        about["gen_ai.response.model"] = record.model
    if record.end is not None and record.end.cause not in _GOOD:
        about["error.type"] = record.end.cause.value
    return about


def _seconds(record: Record, about: Mapping[str, str]) -> Iterator[Metric]:
    prefix = "gen_ai.client.operation"
    if record.ended is not None:
        took = (record.ended,)
        yield Metric(f"{prefix}.duration", "s", "GenAI operation duration.", took, about, _SECONDS)
    # What comes is not known to have failed.
    told = {name: value for name, value in about.items() if name != "error.type"}
    if record.arrivals:
        said = "Time to receive the first chunk."
        first = record.arrivals[:1]
        yield Metric(f"{prefix}.time_to_first_chunk", "s", said, first, told, _SECONDS)
    if gaps := record.gaps:
        said = "Time per output chunk after the first."
        yield Metric(f"{prefix}.time_per_output_chunk", "s", said, tuple(gaps), told, _SECONDS)


def _tokens(usage: CompletionUsage | None, about: Mapping[str, str]) -> Iterator[Metric]:
    if usage is None:
        return
    counts = {"input": usage.prompt_tokens, "output": usage.completion_tokens}
    told = {name: value for name, value in about.items() if name != "error.type"}
    for kind, count in counts.items():
        if count is not None:
            yield Metric(
                "gen_ai.client.token.usage",
                "{token}",
                "Number of input and output tokens used.",
                (count,),
                {**told, "gen_ai.token.type": kind},
                _TOKENS,
            )


def _reportable(
    record: Record, usage: CompletionUsage | None, *, estimated: bool
) -> CompletionUsage | None:
    if usage is None:
        return record.usage
    # What the server did not report is reported only if the user wants it.
    counted = bool(getattr(usage, "estimated", False))
    return usage if estimated or not counted else record.usage


def attributes_of(
    record: Record,
    usage: CompletionUsage | None,
    *,
    model: str | None,
    provider: str,
    operation: str,
    estimated: bool,
) -> dict[str, Attribute]:
    """Name what a record says of its request; `Timeline.otel_attributes()` says how."""
    told: dict[str, Attribute] = {**_about(record, model, provider, operation)}
    told["gen_ai.request.stream"] = True
    if record.arrivals:
        told["gen_ai.response.time_to_first_chunk"] = record.arrivals[0]
    if record.response_id is not None:
        told["gen_ai.response.id"] = record.response_id
    if record.finish_reasons:
        told["gen_ai.response.finish_reasons"] = [
            reason for _, reason in sorted(record.finish_reasons.items())
        ]
    counts = _counts(_reportable(record, usage, estimated=estimated))
    told.update({name: count for name, count in counts if count is not None})
    return told


def _counts(usage: CompletionUsage | None) -> Iterator[tuple[str, int | None]]:
    if usage is None:
        return
    yield "gen_ai.usage.input_tokens", usage.prompt_tokens
    yield "gen_ai.usage.output_tokens", usage.completion_tokens
    if usage.prompt_tokens_details is not None:
        yield "gen_ai.usage.cache_read.input_tokens", usage.prompt_tokens_details.cached_tokens
    if usage.completion_tokens_details is not None:
        reasoning = usage.completion_tokens_details.reasoning_tokens
        yield "gen_ai.usage.reasoning.output_tokens", reasoning
