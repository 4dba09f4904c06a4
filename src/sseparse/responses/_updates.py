"""Updates that describe what each event changed in a response."""

from __future__ import annotations

from ..payloads._updates import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    UsageReported,
)
from ._results import ResponseUsage

Update = (
    ContentDelta
    | ContentDone
    | ReasoningDelta
    | ReasoningDone
    | RefusalDelta
    | RefusalDone
    | TranscriptDelta
    | TranscriptDone
    | LogprobsDelta[list[dict[str, object]]]
    | ToolCallStarted
    | ArgumentsDelta
    | ToolCallDone
    | ChoiceFinished
    | UsageReported[ResponseUsage]
)
"""Any of the updates above: what `updates()` returns."""
