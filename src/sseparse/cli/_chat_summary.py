"""What came of an answer, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import End, EndCause, NotEventStream, ServerSentError, SSEError
from .._errors import count
from ..chunks import CompletionUsage, Result
from ..timing import Summary, Timeline
from ._ending import NO_STREAM, describe

_LONGEST = 400


def summarize(
    answer: Result,
    request: Mapping[str, Any],
    timeline: Timeline,
    *,
    end: End,
    fault: SSEError | None,
    redact: Callable[[str], str],
) -> str:
    """
    Say what an answer cost, how fast it came, and how it ended.

    Args:
        answer: The completion, as far as it came.
        request: The request's JSON.
        timeline: When it came.
        end: How it ended.
        fault: The fault that ended it, or None.
        redact: Returns a text without the key.
    """
    usage = answer.usage
    if usage is None or usage.completion_tokens is None:
        usage = _estimate(answer, request)
    figures = timeline.summary(usage)
    parts = [part for part in _figures(figures, usage) if part]
    if fault is None and end.complete:
        parts += _good_end(end)
        return ", ".join(parts)
    if end.cause is EndCause.CANCELLED:
        verdict = _interrupted(end)
    else:
        verdict = describe_bad_end(end, fault, redact)
    return "; ".join(filter(None, (", ".join(parts), verdict)))


def _estimate(answer: Result, request: Mapping[str, Any]) -> CompletionUsage | None:
    from ..tokens import estimate_usage  # noqa: PLC0415 - where the server told, none is needed

    if not answer.choices:
        return None
    try:
        return estimate_usage(answer, encoding=None if answer.model else request["model"])
    except (ImportError, SSEError):
        # Without tiktoken, or a vocabulary that is on this machine, characters must do.
        return None


def _figures(figures: Summary, usage: CompletionUsage | None) -> Iterator[str]:
    if figures.tokens is not None:
        estimated = figures.tokens_estimated
        yield f"{'~' * estimated}{count(figures.tokens, 'token')}{' (estimated)' * estimated}"
        if usage is not None and usage.prompt_tokens is not None:
            yield f"prompt {usage.prompt_tokens:,}"
    elif figures.characters:
        yield count(figures.characters, "character")
    if figures.time_to_first_token is not None:
        yield f"first after {figures.time_to_first_token:.2f} s"
    if figures.tokens_per_second is not None:
        yield f"{figures.tokens_per_second:.1f} tokens/s"
    elif figures.tokens is None and figures.characters_per_second is not None:
        yield f"{figures.characters_per_second:.0f}/s"


def _good_end(end: End) -> list[str]:
    reason = end.finish_reasons.get(0)
    if end.one_object:
        return [reason or "", "not streamed"]
    return [reason or "no finish reason", "[DONE]" if end.done_seen else "no [DONE]"]


def _interrupted(end: End) -> str:
    return f"interrupted after {count(end.events_seen, 'event')}, {count(end.bytes_seen, 'byte')}"


def describe_bad_end(end: End, fault: SSEError | None, redact: Callable[[str], str]) -> str:
    """Describe in one line how an answer that isn't complete ended."""
    verdict = describe(end, fault)
    if isinstance(fault, ServerSentError | NotEventStream) and fault.status not in (None, 200):
        location = fault.headers.get("location")
        if isinstance(fault, NotEventStream) and location is not None:
            verdict = f"a redirect to {location}, which is not followed"
        verdict = f"HTTP {fault.status}: {verdict.removeprefix(NO_STREAM)}"
    # Cut afterwards: what is left of a key wouldn't be found.
    return redact(verdict)[:_LONGEST]
