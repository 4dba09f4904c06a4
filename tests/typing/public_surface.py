"""Types of the public names, as mypy and pyright infer them; never run."""

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, assert_never, assert_type

import attrs
import httpx
import httpx2
import msgspec
import pydantic

from sseparse import (
    Accumulator,
    AsyncChatStream,
    AsyncEventStream,
    AsyncStream,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    ChunkDecoder,
    ChunkParser,
    ChunkReader,
    Comment,
    Completion,
    CompletionChunk,
    CompletionStream,
    End,
    Event,
    EventStream,
    Parser,
    SSEError,
    Stream,
    encode,
    encode_chunk,
    recognize,
    to_chunks,
)
from sseparse.chunks import (
    ArgumentsDelta,
    ChoiceFinished,
    ChoiceLogprobs,
    ChunkChoice,
    CompletionLogprobs,
    CompletionUsage,
    ContentDelta,
    ContentDone,
    EstimatedUsage,
    JSONFault,
    LogprobsDelta,
    Note,
    PartialJSON,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ToolCall,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    Update,
    UsageReported,
    estimate_usage,
)
from sseparse.moderation import AsyncCheck, Gate, Release, Window
from sseparse.timing import Metric, PooledSummary, Summary, Timeline
from sseparse.tokens import TokenCounter

Chunks = list[ChatCompletionChunk | CompletionChunk]


def parsers(flag: bool) -> None:
    assert_type(Parser().feed(b""), list[Event])
    assert_type(Parser(comments=False).close(), list[Event])
    assert_type(Parser(comments=True).feed(bytearray()), list[Event | Comment])
    assert_type(Parser(comments=flag).feed(memoryview(b"")), list[Event | Comment])
    assert_type(Parser().error, SSEError | None)
    assert_type(Parser().end, End | None)
    assert_type(Parser().retry, int | None)
    assert_type(encode(Comment("")), bytes)
    assert_type(recognize(Event("")), Literal["chat", "completion", "responses", "messages"] | None)


def loops(pieces: Iterable[bytes], later: AsyncIterable[bytes], events: Iterable[Event]) -> None:
    assert_type(Parser().iter(pieces), Iterator[Event])
    assert_type(Parser(comments=True).iter([bytearray()]), Iterator[Event | Comment])
    assert_type(Parser().aiter(later), AsyncIterator[Event])
    assert_type(ChunkParser().iter(pieces), Iterator[ChatCompletionChunk | CompletionChunk])
    assert_type(ChunkParser().aiter(later), AsyncIterator[ChatCompletionChunk | CompletionChunk])
    assert_type(ChunkDecoder().iter(events), Iterator[ChatCompletionChunk | CompletionChunk])


def parser_annotation(parser: Parser) -> None:
    assert_type(parser.feed(b""), list[Event])


def chunks() -> None:
    assert_type(ChunkParser(on_bad_json="skip").feed(b""), Chunks)
    assert_type(ChunkDecoder().feed(Event("")), Chunks)
    assert_type(ChunkParser().done, bool)
    for chunk in ChunkParser().feed(b""):
        assert_type(chunk.text, str)
        assert_type(chunk.to_dict(), dict[str, Any])
        if isinstance(chunk, ChatCompletionChunk):
            assert_type(chunk.choices, list[ChunkChoice])
            assert_type(chunk.usage, CompletionUsage | None)


def results(accumulator: Accumulator) -> None:
    assert_type(accumulator.snapshot(), ChatCompletion | Completion)
    assert_type(accumulator.result(), ChatCompletion | Completion)
    assert_type(accumulator.text, str)
    assert_type(accumulator.finished, bool)
    assert_type(accumulator.usage, CompletionUsage | None)
    assert_type(accumulator.result(ChunkParser().end).notes, tuple[Note, ...])
    assert_type(accumulator.last_updates(), list[Update])
    assert_type(accumulator.json_content(choice=1), PartialJSON)
    assert_type(accumulator.json_arguments(1, choice=1).fault, JSONFault | None)
    for chunk in to_chunks(accumulator.snapshot(), pieces=str.split):
        assert_type(encode_chunk(chunk), bytes)


class Weather(msgspec.Struct):
    city: str


class City(TypedDict):
    name: str


class Place(pydantic.BaseModel):
    name: str


@attrs.define
class Day:
    number: int


@dataclass
class Hour:
    number: int


def length(text: str) -> int:
    return len(text)


def parsed(chat: ChatCompletion, legacy: Completion, call: ToolCall, stream: Stream) -> None:
    assert_type(chat.parse(Weather), Weather)
    assert_type(chat.parse(City, choice=1), City)
    assert_type(chat.parse(Place), Place)
    assert_type(chat.parse(Day), Day)
    assert_type(legacy.parse(Hour), Hour)
    assert_type(legacy.parse(list[Weather]), list[Weather])
    assert_type(call.parse(dict[str, int]), dict[str, int])
    assert_type(call.parse(pydantic.TypeAdapter(list[Place])), list[Place])
    assert_type(stream.parse(length), int)
    assert_type(stream.parse(json.loads), Any)
    assert_type(ChunkReader().parse(Weather), Weather)
    assert_type(chat.to_json(), str)


def updates(accumulator: Accumulator, chunk: ChatCompletionChunk | CompletionChunk) -> None:
    for update in accumulator.updates(chunk):
        match update:
            case ContentDelta(choice, text) | ContentDone(choice, text):
                assert_type(choice, int)
                assert_type(text, str)
            case ReasoningDelta(text=text) | RefusalDelta(text=text) | TranscriptDelta(text=text):
                assert_type(text, str)
            case ReasoningDone(text=text) | RefusalDone(text=text) | TranscriptDone(text=text):
                assert_type(text, str)
            case LogprobsDelta(logprobs=logprobs):
                assert_type(logprobs, ChoiceLogprobs | CompletionLogprobs)
            case ToolCallStarted(call=call, id=id_, name=name):
                assert_type((call, id_, name), tuple[int | None, str | None, str])
            case ArgumentsDelta(value=value):
                assert_type(value, Any)
            case ToolCallDone(arguments=arguments, fault=fault):
                assert_type(arguments, str)
                assert_type(fault, JSONFault | None)
            case ChoiceFinished(reason=reason):
                assert_type(reason, str)
            case UsageReported(usage=usage):
                assert_type(usage, CompletionUsage)
            case _:
                assert_never(update)


def streams(one: httpx.Response, two: httpx2.Response, pieces: Iterator[bytes]) -> None:
    for source in (one, two, pieces):
        for chunk in Stream(source, on_incomplete="accept", max_line_bytes=None):
            assert_type(chunk, ChatCompletionChunk | CompletionChunk)
        for event in EventStream(source, last_event_id="1"):
            assert_type(event, Event)
        for item in EventStream(source, comments=True):
            assert_type(item, Event | Comment)
    with Stream(one) as stream:
        assert_type(stream, Stream)
        assert_type(stream.result(), ChatCompletion | Completion)
        assert_type(stream.text_deltas(), Iterator[str])
        assert_type(stream.updates(), Iterator[Update])
        assert_type(stream.end, End | None)


def timelines_and_gates(pieces: Iterator[bytes]) -> None:
    timeline = Timeline()
    gate = Gate(lambda text: "no" not in text, timeline=timeline)
    stream = Stream(pieces, timeline=timeline, usage="estimate", messages=[{"role": "user"}])
    assert_type(gate.text_deltas(stream), Iterator[str])
    assert_type(gate.releases(stream), Iterator[Release])
    assert_type(gate.feed_text("text"), list[Window])
    assert_type(timeline.summary(stream.result().usage), Summary)
    assert_type(Summary.pool([timeline.summary(), timeline.to_dict()]), PooledSummary)
    assert_type(timeline.otel_metrics(), list[Metric])
    assert_type(TokenCounter("gpt-4o").count, int)
    assert_type(estimate_usage(stream.snapshot(), messages="1,2,"), EstimatedUsage)


async def async_gates(stream: AsyncStream, check: AsyncCheck) -> None:
    gate = Gate(check, window=16, timeout=1)
    assert_type(gate.atext_deltas(stream), AsyncIterator[str])
    async for release in gate.areleases(stream):
        assert_type(release.text, str)


async def async_streams(
    one: httpx.Response, two: httpx2.Response, pieces: AsyncIterator[bytes]
) -> None:
    for source in (one, two, pieces):
        async for chunk in AsyncStream(source):
            assert_type(chunk, ChatCompletionChunk | CompletionChunk)
        async for item in AsyncEventStream(source, comments=True):
            assert_type(item, Event | Comment)
    async with AsyncStream(two) as stream:
        assert_type(await stream.parse(Weather), Weather)
        assert_type(await stream.result(), ChatCompletion | Completion)
        assert_type(stream.text_deltas(), AsyncIterator[str])
        assert_type(stream.updates(), AsyncIterator[Update])


def streams_of_one_kind(source: httpx.Response) -> None:
    """A stream of one kind needs no isinstance."""
    chat = ChatStream(source)
    for chunk in chat:
        assert_type(chunk.choices[0].delta.content, str | list[Any] | None)
        assert_type(chunk.text, str)
        assert_type([choice.text for choice in chunk.choices], list[str])
    assert_type(chat.result().choices[0].text, str)
    assert_type(chat.result().choices[0].message.content, str | None)
    assert_type(chat.accumulator.snapshot(), ChatCompletion)
    legacy = CompletionStream(source)
    assert_type(next(legacy).choices[0].text, str)
    assert_type(legacy.result(), Completion)
    assert_type(ChunkParser(kind="chat").feed(b""), list[ChatCompletionChunk])
    assert_type(ChunkDecoder(kind="completion").feed(Event("")), list[CompletionChunk])
    assert_type(ChunkReader(kind="chat").result(), ChatCompletion)
    assert_type(Accumulator(kind="completion").result(), Completion)


async def asynchronous_streams_of_one_kind(source: httpx.Response) -> None:
    """An asynchronous stream of one kind needs no isinstance, either."""
    stream = AsyncChatStream(source)
    async for chunk in stream:
        assert_type(chunk, ChatCompletionChunk)
    assert_type(await stream.result(), ChatCompletion)
