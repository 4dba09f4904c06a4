"""Reasoning between tags in the content: the stage `ThinkTags` and the option `think_tags`."""

import copy
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import groupby, pairwise
from typing import Any

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from line_counts import count_lines
from sseparse import (
    Accumulator,
    AsyncStream,
    ChatCompletionChunk,
    Chunk,
    ChunkDecoder,
    ChunkReader,
    EndCause,
    Event,
    ServerSentError,
    Stage,
    Stream,
    ThinkTags,
    TransportError,
)
from sseparse.chunks import ContentDelta, ContentDone, NoteKind, ReasoningDelta, ReasoningDone
from sseparse.moderation import Gate
from sseparse.payloads._model import Piece
from sseparse.testing import every_split
from sseparse.timing import Timeline

TEXT = "Well, <think>\nHm</think>\n\nYes"
CONTENT = "Well, \n\nYes"
REASONING = "\nHm"

Choice = dict[str, Any]


def choice(content: Any = None, index: int = 0, finish: str | None = None, **delta: Any) -> Choice:
    if content is not None:
        delta["content"] = content
    return {"index": index, "delta": delta, "finish_reason": finish}


def data(*choices: Choice, **fields: Any) -> str:
    return json.dumps({"id": "c1", "model": "m", "choices": choices, **fields})


def chunk(*choices: Choice, **fields: Any) -> Chunk:
    (decoded,) = ChunkDecoder().feed(Event(data(*choices, **fields)))
    return decoded


def body(*datas: str) -> bytes:
    return "".join(f"data: {each}\n\n" for each in datas).encode()


def moved(tags: ThinkTags, chunks: Iterable[Chunk]) -> list[Chunk]:
    """Return what a stage makes of chunks and their end."""
    return [each for one in chunks for each in tags.feed(one)] + tags.close()


def texts_of(chunks: Iterable[Chunk], index: int = 0) -> list[tuple[str, str]]:
    """Return the kinds and texts of a choice in reading order, equal kinds joined."""
    pieces = [piece for each in chunks for piece in each.pieces() if piece.choice == index]
    grouped = groupby(pieces, lambda piece: piece.kind)
    return [(kind, "".join(piece.text for piece in group)) for kind, group in grouped]


def of_kind(chunks: Iterable[Chunk], kind: str, index: int = 0) -> str:
    return "".join(text for each, text in texts_of(chunks, index) if each == kind)


def message_of(result: Any) -> Any:
    return result.choices[0].message


def cut(text: str, places: Iterable[int]) -> Iterator[str]:
    stops = sorted({min(place, len(text)) for place in places} | {0, len(text)})
    return (text[start:stop] for start, stop in pairwise(stops))


# What tags are made of, and what is nearly one.
PARTS = ["<think>", "</think>", "<", "</", "th", "<thi", "nk>", ">", "a", "\n", " "]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=14).map("".join)
CUTS = st.lists(st.integers(0, 60), max_size=14)


def expected_texts(text: str, start: str = "<think>", end: str = "</think>") -> list[Any]:
    """Return the kinds and texts of a complete text, found with a regular expression."""
    tagged = rf"{re.escape(start)}(?P<reasoning>.*?)(?:{re.escape(end)}|\Z)|(?P<content>.)"
    matches = re.finditer(tagged, text, re.DOTALL)
    pieces = [(str(match.lastgroup), match[str(match.lastgroup)]) for match in matches]
    grouped = groupby((piece for piece in pieces if piece[1]), lambda piece: piece[0])
    return [(kind, "".join(text for _, text in group)) for kind, group in grouped]


@example(text="a<think></think>b", places=[])
@given(TEXTS, CUTS)
def test_every_cut(text: str, places: list[int]) -> None:
    """However a text is cut, tagged text is reasoning, the rest content, in order, once."""
    chunks = moved(ThinkTags(), [chunk(choice(piece)) for piece in cut(text, places)])

    assert texts_of(chunks) == expected_texts(text)


@given(TEXTS, CUTS)
def test_every_cut_of_an_opened_answer(text: str, places: list[int]) -> None:
    """An opened answer begins as if a start tag preceded it; a repeated one is dropped."""
    chunks = moved(ThinkTags(opened=True), [chunk(choice(piece)) for piece in cut(text, places)])
    unrepeated = re.sub(r"^(\s*)<think>", r"\1", text)

    assert texts_of(chunks) == expected_texts("<think>" + unrepeated)


@given(st.text("ab<", max_size=20), CUTS, st.text("ab<", min_size=1), st.text("ab<", min_size=1))
def test_every_cut_with_custom_tags(text: str, places: list[int], start: str, end: str) -> None:
    """Any texts can be tags, also those that overlap with themselves or with each other."""
    chunks = moved(ThinkTags(start, end), [chunk(choice(piece)) for piece in cut(text, places)])

    assert texts_of(chunks) == expected_texts(text, start, end)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(PARTS), st.booleans()), max_size=20))
def test_choices_are_independent(pieces: list[tuple[int, str, bool]]) -> None:
    """Each choice has its own tags, also where a chunk has several choices."""
    chunks: list[Chunk] = []
    together: list[Choice] = []
    for index, text, is_last in pieces:
        together.append(choice(text, index))
        if is_last:
            chunks.append(chunk(*together))
            together = []
    chunks.append(chunk(*together))
    result = moved(ThinkTags(), chunks)

    for index in range(3):
        text = "".join(text for number, text, _ in pieces if number == index)
        assert texts_of(result, index) == expected_texts(text)


def test_every_split_of_the_bytes() -> None:
    """A reader returns the same chunks for every split of a body's bytes."""
    pieces = [choice(piece) for piece in ("Well, <", "think>\nH", "m</think", ">\n\nY", "es")]
    whole = body(*map(data, pieces), data(choice(finish="stop")), "[DONE]")
    results = []
    for split in every_split(whole):
        reader = ChunkReader(think_tags=True)
        results.append([each for part in split for each in reader.feed(part) if part])
        assert reader.result().text == CONTENT
        assert message_of(reader.result()).reasoning_content == REASONING

    assert all(result == results[0] for result in results)


def test_a_chunk_is_replaced_by_chunks_in_reading_order() -> None:
    """A chunk has reasoning before content; where the text changes back, another chunk begins."""
    tags = ThinkTags()
    first, second = tags.feed(chunk(choice("a<think>b</think>c")))
    (third,) = tags.feed(chunk(choice("d<think>")))
    (fourth,) = tags.feed(chunk(choice("e</think>f")))

    assert [each.pieces() for each in (first, second, third, fourth)] == [
        [Piece("content", "a", 0)],
        [Piece("reasoning", "b", 0), Piece("content", "c", 0)],
        [Piece("content", "d", 0)],
        [Piece("reasoning", "e", 0), Piece("content", "f", 0)],
    ]


def test_other_fields_stay_on_their_side_of_the_text() -> None:
    """Role and own reasoning come before the text, everything else comes after it."""
    original = chunk(
        choice(
            "a<think>b</think>",
            finish="tool_calls",
            role="assistant",
            reasoning="own",
            tool_calls=[{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}],
            refusal="No",
            x=1,
        )
        | {"logprobs": {"content": []}, "y": 2},
        usage={"completion_tokens": 3},
        z=4,
    )
    before = copy.deepcopy(original)
    first, last = ThinkTags().feed(original)

    assert original == before
    assert isinstance(first, ChatCompletionChunk)
    assert isinstance(last, ChatCompletionChunk)
    assert (first.id, first.model) == (last.id, last.model) == ("c1", "m")
    assert first.choices[0].to_dict() == {
        "index": 0,
        "delta": {"role": "assistant", "reasoning": "own", "content": "a"},
    }
    assert (first.usage, first.extra) == (None, {})
    (final,) = last.choices
    assert (final.finish_reason, final.extra) == ("tool_calls", {"y": 2})
    assert final.logprobs is not None
    assert final.delta.to_dict() == {
        "reasoning_content": "b",
        "refusal": "No",
        "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}],
        "x": 1,
    }
    assert last.usage is not None
    assert last.extra == {"z": 4}


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_of_both_kinds(name: str) -> None:
    """Reasoning that the server sends in its field comes before that in the content."""
    fields: dict[str, Any] = {name: "a"}
    chunks = ThinkTags(opened=True).feed(chunk(choice("b</think>c", **fields)))

    assert texts_of(chunks) == [("reasoning", "ab"), ("content", "c")]


def test_unchanged_chunks_are_the_same_objects() -> None:
    """A chunk without tags isn't copied, legacy chunks and chunks without choices included."""
    tags = ThinkTags()
    for original in (
        chunk(),
        chunk(choice("text")),
        chunk(choice("")),
        chunk(choice([{"type": "text", "text": "text"}])),
        chunk(choice(finish="stop")),
        chunk({"index": 0, "text": "<think>a</think>", "finish_reason": None}),
    ):
        (returned,) = tags.feed(original)
        assert returned is original


def test_only_content_has_tags() -> None:
    """Tags in arguments, refusals and reasoning are text."""
    deltas: list[dict[str, Any]] = [
        {"tool_calls": [{"index": 0, "function": {"arguments": "<think>"}}]},
        {"refusal": "<think>"},
        {"reasoning_content": "<think>"},
        {"reasoning": "</think>"},
    ]
    for delta in deltas:
        original = chunk(choice(**delta))
        assert ThinkTags().feed(original) == [original]


@pytest.mark.parametrize("opened", [False, True])
def test_an_unmatched_end_tag(opened: bool) -> None:
    """In chunks, an end tag alone stays in the content, unless the answer begins inside."""
    chunks = moved(ThinkTags(opened=opened), [chunk(choice("Hm</think>Yes"))])

    if opened:
        assert texts_of(chunks) == [("reasoning", "Hm"), ("content", "Yes")]
    else:
        assert texts_of(chunks) == [("content", "Hm</think>Yes")]


@pytest.mark.parametrize("earlier", ["", "So. "])
def test_a_missing_start_tag(earlier: str) -> None:
    """In a result, the text before an end tag that has no start tag is the reasoning, noted."""
    text = "Hm</think>Yes"
    for cut in range(len(text)):
        pieces = [
            choice(reasoning_content=earlier),
            choice(text[:cut]),
            choice(text[cut:], finish="stop"),
        ]
        stream = Stream([body(*map(data, pieces))], think_tags=True)
        completion = stream.result()

        assert message_of(completion).content == "Yes"
        assert message_of(completion).reasoning_content == f"{earlier}Hm"
        assert NoteKind.REASONING_UNOPENED in [note.kind for note in completion.notes]
        assert stream.snapshot() == completion


def test_an_end_tag_after_the_reasoning() -> None:
    """After reasoning with both tags, an end tag is text."""
    tagged = data(choice("<think>Hm</think>The tag </think> ends it", finish="stop"))
    completion = Stream([body(tagged)], think_tags=True).result()

    assert completion.text == "The tag </think> ends it"
    legacy = body('{"choices": [{"index": 0, "text": "a</think>", "finish_reason": "stop"}]}')
    assert Stream([legacy], think_tags=True).result().text == "a</think>"


def test_a_missing_end_tag() -> None:
    """An answer that is cut off inside its reasoning has only reasoning."""
    completion = Stream(
        [body(data(choice("<think>Hm")), data(choice(finish="length")))], think_tags=True
    ).result()

    assert message_of(completion).content is None
    assert message_of(completion).reasoning_content == "Hm"


def test_text_held_back_comes_with_the_finish_reason() -> None:
    """No finish reason comes before text that was held back, and text after it still counts."""
    tags = ThinkTags()
    assert of_kind(tags.feed(chunk(choice("a <thi"), choice("b <", 1))), "content") == "a "
    (finish,) = tags.feed(chunk(choice(finish="stop")))
    assert finish.pieces() == [Piece("content", "<thi", 0)]
    assert finish.choices[0].finish_reason == "stop"
    (finish,) = tags.feed(chunk(choice("c</", 1, finish="stop")))
    assert finish.pieces() == [Piece("content", "<c</", 1)]
    assert texts_of(tags.feed(chunk(choice("<think>d")))) == [("reasoning", "d")]
    assert tags.close() == []


def test_text_held_back_comes_at_the_end() -> None:
    """A truncated text is released by close(), once, with the fields that chunks repeat."""
    tags = ThinkTags()
    tags.feed(chunk(choice("a<", 1), choice("<think>b</")))
    tags.feed(chunk(usage={"completion_tokens": 1}, x=1))
    (last,) = tags.close()

    assert last.id == "c1"
    assert (last.usage, last.extra) == (None, {})
    assert last.pieces() == [Piece("content", "<", 1), Piece("reasoning", "</", 0)]
    assert tags.close() == []


def test_parts_of_text_are_content() -> None:
    """A content that is a list of texts has tags as a content that is a text."""
    parts = [{"type": "text", "text": "a<thi"}, {"type": "text", "text": "nk>b</think>c"}]
    chunks = moved(ThinkTags(), [chunk(choice(parts))])

    assert texts_of(chunks) == [("content", "a"), ("reasoning", "b"), ("content", "c")]


@pytest.mark.parametrize("kind", ["image_url", "thinking"])
def test_parts_of_several_types_stay(kind: str) -> None:
    """A content with other parts stays as it is, after the text that was held back."""
    parts = [{"type": "text", "text": "<think>"}, {"type": kind, kind: "x"}]
    tags = ThinkTags()
    tags.feed(chunk(choice("a<")))
    original = chunk(choice(parts))
    released, same = tags.feed(original)

    assert released.pieces() == [Piece("content", "<", 0)]
    assert same == original
    assert tags.feed(original) == [original]


def test_what_a_stream_shows() -> None:
    """Chunks, text, updates, result and timeline of a stream have the moved text."""
    whole = body(*(data(choice(char)) for char in TEXT), data(choice(finish="stop")), "[DONE]")
    timeline = Timeline()
    stream = Stream([whole], think_tags=True, timeline=timeline)
    chunks = list(stream)
    assert of_kind(chunks, "content") == CONTENT
    assert of_kind(chunks, "reasoning") == REASONING
    assert stream.accumulator.text == stream.result().text == CONTENT
    record = timeline.record()
    assert record.reasoned
    assert sum(record.texts) == len(CONTENT)
    assert sum(record.sizes) == len(CONTENT + REASONING)

    assert "".join(Stream([whole], think_tags=True).text_deltas()) == CONTENT

    updates = list(Stream([whole], think_tags=True).updates())
    assert "".join(each.text for each in updates if isinstance(each, ContentDelta)) == CONTENT
    assert "".join(each.text for each in updates if isinstance(each, ReasoningDelta)) == REASONING
    assert ContentDone(0, CONTENT) in updates
    assert ReasoningDone(0, REASONING) in updates

    gate = Gate(lambda _: True)
    released = gate.text_deltas(Stream([whole], think_tags=True))
    assert "".join(released) == CONTENT


def test_an_asynchronous_stream() -> None:
    """An asynchronous stream has the same option."""

    async def pieces() -> AsyncIterator[bytes]:
        yield body(data(choice(TEXT)), data(choice(finish="stop")), "[DONE]")

    async def read() -> Any:
        return await AsyncStream(pieces(), think_tags=True).result()

    completion = anyio.run(read)
    assert completion.text == CONTENT
    assert message_of(completion).reasoning_content == REASONING


def test_a_body_that_is_one_object() -> None:
    """Tags in a completion that wasn't streamed are moved, too."""
    message = {"role": "assistant", "content": TEXT}
    reader = ChunkReader(think_tags=True)
    reader.feed(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())
    chunks = reader.close()

    assert texts_of(chunks) == expected_texts(TEXT)
    assert reader.result().text == CONTENT


@pytest.mark.parametrize("ending", ["truncated", "failed", "too long", "server error", "[DONE]"])
def test_text_held_back_precedes_the_end(ending: str) -> None:
    """However a stream ends, the text held back is returned before its error."""
    reader = ChunkReader(think_tags=True, max_line_bytes=500)
    start = body(data(choice("<think>Hm</th")))
    match ending:
        case "truncated":
            chunks = reader.feed(start) + reader.close()
        case "failed":
            chunks = reader.feed(start) + reader.fail(OSError("reset"))
            assert isinstance(reader.error, TransportError)
        case "too long":
            chunks = reader.feed(start + b"data: " + b"x" * 1000 + b"\n\n")
        case "server error":
            chunks = reader.feed(start + body('{"error": "overloaded"}'))
        case _:
            chunks = reader.feed(start + body("[DONE]"))

    assert texts_of(chunks) == [("reasoning", "Hm</th")]
    assert reader.closed
    assert message_of(reader.snapshot()).reasoning_content == "Hm</th"
    if reader.error is not None:
        assert reader.error.partial == reader.snapshot()


def test_chunks_after_an_error() -> None:
    """The partial result has text that follows an error, with its tags moved; none is lost."""
    reader = ChunkReader(think_tags=True)
    reader.feed(body(data(choice("<think>a")), '{"error": {"message": "overloaded"}}'))
    late = body(data(choice("b</think>c<thi")), data(choice("d", 1)))
    for at in range(len(late)):
        assert reader.feed(late[at : at + 1]) == []
    reader.close()

    assert isinstance(reader.error, ServerSentError)
    first, second = reader.error.partial.choices
    assert (first.message.reasoning_content, first.message.content) == ("ab", "c<thi")
    assert second.message.content == "d"


def test_a_cancelled_stream() -> None:
    """A stream that is closed early returns no text that was held back."""
    stream = Stream([body(data(choice("a<thi"))), b""], think_tags=True)
    next(stream)
    stream.close()

    assert stream.snapshot().text == "a"
    assert stream.end is not None
    assert stream.end.cause is EndCause.CANCELLED


def test_one_option_for_many_streams() -> None:
    """Readers don't use the `ThinkTags` that they get, only its arguments."""
    tags = ThinkTags("[", "]", opened=True)
    assert (tags.tags, tags.opened) == (("[", "]"), True)
    for _ in range(2):
        reader = ChunkReader(think_tags=tags)
        reader.feed(body(data(choice("a[b]c", finish="stop"))))
        reader.close()
        assert reader.result().text == "c"
        assert message_of(reader.result()).reasoning_content == "a[b"
    assert tags.close() == []


def test_the_parser_behind_a_reader() -> None:
    """What a stream shows of its parser is the same with the option."""
    whole = b"id: 7\nretry: 10\n" + body("no JSON", data(choice("a", finish="stop")), "[DONE]")
    stream = Stream([whole], think_tags=True, on_bad_json="skip")
    list(stream)

    assert (stream.last_event_id, stream.retry, stream.skipped) == ("7", 10, 1)
    with pytest.raises(TypeError, match="copied"):
        copy.copy(ChunkReader(think_tags=True).parser)


def test_the_stage() -> None:
    """The stage ends as other stages do, and an Accumulator accepts its end."""
    tags: Stage[Chunk, Chunk] = ThinkTags()
    accumulator = Accumulator()
    for each in tags.feed(chunk(choice(TEXT, finish="stop"))):
        accumulator.add(each)
    assert tags.end is None
    assert tags.close() == []
    assert tags.error is None
    assert tags.end is not None
    assert (tags.end.complete, tags.end.events_seen) == (True, 1)
    assert accumulator.result(tags.end).text == CONTENT


def test_misuse() -> None:
    """Misuse raises with advice and changes nothing."""
    for tag in ("", None, b"<think>"):
        with pytest.raises(ValueError, match="give the text of a tag"):
            ThinkTags(start=tag)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="end is"):
            ThinkTags(end=tag)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"think_tags is '<think>'; give True, ThinkTags\(...\)"):
        ChunkReader(think_tags="<think>")  # type: ignore[call-overload]
    tags = ThinkTags()
    with pytest.raises(TypeError, match="takes a chunk, not str"):
        tags.feed("a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="copied"):
        copy.copy(tags)
    tags.close()
    with pytest.raises(RuntimeError, match="new ThinkTags"):
        tags.feed(chunk())
    assert tags.error is None


def test_cost_is_linear() -> None:
    """The work for a character is the same in any long text and with any cut."""
    size = 2_000
    hostile = chunk(choice("x<think>y</think>" * size))
    tags = ThinkTags()
    count_lines(lambda: tags.feed(hostile), most=size * 120)
    opened = ThinkTags(opened=True)
    blank = chunk(choice(" "))
    count_lines(lambda: [opened.feed(blank) for _ in range(size)], most=size * 120)
    cut_up = [chunk(choice(piece)) for piece in ("<", "t", "h", "<")]
    count_lines(
        lambda: [tags.feed(each) for _ in range(size // 4) for each in cut_up], most=size * 120
    )
