"""Chunks and other items that a timeline records."""

from typing import Any, NamedTuple

import pytest

from sseparse import (
    Accumulator,
    Chunk,
    End,
    EndCause,
    Stream,
)
from sseparse.chunks import (
    AudioDelta,
    ChatCompletionChunk,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionLogprobs,
    CompletionTokensDetails,
    CompletionUsage,
    CustomToolDelta,
    EstimatedUsage,
    FunctionDelta,
    PromptTokensDetails,
    ToolCallDelta,
)
from sseparse.payloads._model import Piece, TokenCounts
from sseparse.timing import Timeline

from .arrivals import Answer, Clock, Estimate, call, chat, played


class Fragment(NamedTuple):
    """An item of another API."""

    text: str
    is_reasoning: bool = False

    def only_text(self) -> str | None:
        return None if self.is_reasoning else self.text

    def pieces(self) -> list[Piece]:
        return [Piece("reasoning" if self.is_reasoning else "content", self.text, 0)]


def legacy(**fields: Any) -> CompletionChunk:
    choice = CompletionChunkChoice(index=0, text="a", **fields)
    return CompletionChunk(choices=[choice])


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
        (call("f"), 1, False),
        (call("f", "{}"), 2, False),
        (call(""), 0, False),
        (chat(function_call=FunctionDelta(name="f")), 1, False),
        (chat(tool_calls=[ToolCallDelta(custom=CustomToolDelta(name="f"))]), 1, False),
        (chat(tool_calls=[ToolCallDelta(id="call-1")]), 0, False),
        (CompletionChunk(choices=[CompletionChunkChoice(index=0, text="abc")]), 3, True),
        (chat(role="assistant"), 0, False),
        (ChatCompletionChunk(choices=[]), 0, False),
    ],
)
@pytest.mark.parametrize("before", [[], [(0.5, chat("x"))]])
def test_characters_of_a_chunk(
    chunk: Any, characters: int, text: bool, before: list[tuple[float, Any]]
) -> None:
    """All generated text is output, or else the name of a call; only content is text."""
    record = played(*before, (1.0, chunk)).record()

    assert record.sizes[-1] == characters
    assert record.texts[-1] == (characters if text else 0)
    if not before:
        assert record.first_token == (1.0 if characters else None)
        assert record.first_text == (1.0 if text else None)


def test_items_and_results_of_any_api() -> None:
    """A timeline uses items, results and usage only through the methods that all APIs share."""
    timeline = Timeline()
    for item in (Fragment("hm", is_reasoning=True), Fragment("four"), Fragment("ty-two")):
        timeline.on_item(item)
    timeline.on_end(End(EndCause.FINISHED), Answer(Estimate(5)))
    record, summary = timeline.record(), timeline.summary()

    assert (record.sizes, record.texts, record.reasoned) == ((2, 4, 6), (0, 4, 6), True)
    assert (record.response_id, record.model, record.usage) == ("r-1", "m-2", Estimate(5))
    assert (summary.tokens, summary.tokens_estimated) == (5, True)


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (chat("a"), "a"),
        (chat(""), ""),
        (chat("a", reasoning="b"), None),
        (ChatCompletionChunk(choices=chat("a").choices, extra={"provider": "p"}), "a"),
        (ChatCompletionChunk(choices=chat("a").choices, usage=CompletionUsage()), None),
        (ChatCompletionChunk(choices=2 * chat("a").choices), None),
        (ChatCompletionChunk(choices=[]), None),
        (legacy(), "a"),
        (legacy(finish_reason="stop"), None),
        (legacy(logprobs=CompletionLogprobs()), None),
        (legacy(extra={"x": 1}), None),
        (CompletionChunk(choices=legacy().choices, usage=CompletionUsage()), None),
        (CompletionChunk(choices=2 * legacy().choices), None),
    ],
)
def test_only_text(chunk: Chunk, text: str | None) -> None:
    """A chunk has only text if its one choice has only text, and it has no usage."""
    assert chunk.only_text() == text


def test_token_counts() -> None:
    """The usage of a completion has the counts under names that all APIs share."""
    counts = CompletionUsage(
        prompt_tokens=5,
        completion_tokens=9,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=4),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=2),
    )
    estimate = EstimatedUsage(
        completion_tokens=3, estimated=True, encoding="o200k_base", choices=[], notes=[]
    )

    assert CompletionUsage().token_counts() == TokenCounts()
    assert counts.token_counts() == TokenCounts(input=5, output=9, cached=4, reasoning=2)
    assert estimate.token_counts() == TokenCounts(output=3, estimated=True)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_usage_of_a_stream(cut: int) -> None:
    """A timeline has the usage that the result has, also if it arrives together with the end."""
    events = [
        b'data: {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}',
        b'data: {"choices": [], "x_groq": {"usage": {"completion_tokens": 7}}}',
        b"data: [DONE]",
    ]
    body = [event + b"\n\n" for event in events]
    timeline = Timeline()
    result = Stream([*body[: cut - 1], b"".join(body[cut - 1 :])], timeline=timeline).result()

    assert timeline.record().usage == result.usage
    assert timeline.summary().tokens == 7
    assert timeline.record().finish_reasons == {0: "stop"}


def test_object_that_is_not_an_item() -> None:
    """An object that isn't an item raises AttributeError, and nothing of it is recorded."""
    clock = Clock()
    timeline = Timeline(clock)

    def record_item(item: Any) -> None:
        clock.now += 1
        timeline.on_item(item)

    record_item(chat("a"))
    with pytest.raises(AttributeError):
        record_item(None)
    record_item(chat("bcd"))

    record = timeline.record()
    assert (record.chunks, record.sizes) == ((1, 3), (1, 3))


def test_split_surrogate_pairs() -> None:
    """A character that a server cut in half counts with its second half, as a gate releases it."""
    clock = Clock()
    timeline = Timeline(clock)
    for first, second in 3 * [("\ud83e", "\udd16. ")]:
        clock.now += 1
        timeline.on_item(chat(first))
        clock.now += 1
        timeline.on_item(chat(second))
        timeline.on_release((first + second).encode("utf-16", "surrogatepass").decode("utf-16"))

    summary = timeline.summary()

    assert (summary.characters, summary.released) == (9, 9)
    assert summary.release_delay is not None
    assert summary.release_delay.max == 0


def test_several_kinds_of_text_in_one_chunk() -> None:
    """All the text of one chunk counts: content, reasoning and arguments."""
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
def test_content_with_another_kind_of_text(more: dict[str, Any], characters: int) -> None:
    """The first chunk and a later one count alike, with all the text they bring."""
    chunks = [chat("a", **more), chat("a", **more)]
    record = played(*((1.0, chunk) for chunk in chunks)).record()

    assert record.sizes == (characters, characters)
    assert record.texts == (1, 1)
    accumulator = Accumulator()
    texts = [getattr(each, "text", "") for chunk in chunks for each in accumulator.updates(chunk)]
    if "function_call" not in more:
        assert sum(map(len, texts)) == 2 * characters


def test_legacy_chunks() -> None:
    """Legacy chunks are timed like those of a chat."""
    chunks = [
        CompletionChunk(choices=[CompletionChunkChoice(index=0, text=text)]) for text in "abc"
    ]
    summary = played(*enumerate(chunks)).summary(3)

    assert summary.characters == 3
    assert summary.tokens_per_second == summary.characters_per_second == 1.0
