"""Chunks, answers, and timelines that recorded them at given times."""

from typing import Any, NamedTuple

from sseparse import (
    ChatCompletion,
    End,
)
from sseparse.chunks import (
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CompletionTokensDetails,
    CompletionUsage,
    FunctionDelta,
    ToolCallDelta,
)
from sseparse.payloads._model import TokenCounts
from sseparse.timing import Spread, Timeline


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


class Answer(NamedTuple):
    """A result of another API."""

    usage: Estimate
    id: str = "r-1"
    model: str = "m-2"
