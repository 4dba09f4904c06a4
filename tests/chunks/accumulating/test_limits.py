"""Limits stop hostile streams before they use too much memory or time."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from line_counts import count_lines
from sseparse import (
    Accumulator,
    ChunkDecoder,
    ChunkParser,
    End,
    EndCause,
    Event,
    LimitExceeded,
    Stream,
)
from sseparse.chunks import (
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    ContentDelta,
    ContentDone,
    ReasoningDone,
    ToolCallDelta,
    Update,
)
from sseparse.testing import run_stage


def data(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def choice(index: Any, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta}]}


def call(index: Any = 0, **fields: Any) -> dict[str, Any]:
    return choice(0, tool_calls=[{"index": index, **fields}])


def chunks_of(*bodies: dict[str, Any]) -> list[Any]:
    decoder = ChunkDecoder(max_choices=None)
    return [chunk for body in bodies for chunk in decoder.feed(Event(json.dumps(body)))]


def add_all(accumulator: Accumulator, *bodies: dict[str, Any]) -> LimitExceeded:
    """Add chunks until one exceeds a limit, and return the error."""
    with pytest.raises(LimitExceeded) as raised:
        for chunk in chunks_of(*bodies):
            accumulator.add(chunk)
    return raised.value


class TestChoices:
    """The number of choices is limited; choices are numbered from 0."""

    @pytest.mark.parametrize("index", [2, 10**9, -1])
    def test_accumulator(self, index: int) -> None:
        """A choice too many, or an index beyond the limit, raises; earlier chunks are kept."""
        accumulator = Accumulator(max_choices=2)
        error = add_all(
            accumulator, choice(0, content="a"), choice(1, content="b"), choice(index, content="c")
        )

        assert (error.limit, error.maximum, error.offset) == ("choices", 2, None)
        assert "raise max_choices" in str(error)
        assert [choice.message.content for choice in error.partial.choices] == ["a", "b"]
        assert error.partial == accumulator.snapshot()

    @pytest.mark.parametrize("end", [None, End(EndCause.DONE, done_seen=True)])
    def test_no_result(self, end: End | None) -> None:
        """After a refused chunk, result() raises the error of the limit, whatever the end."""
        accumulator = Accumulator(max_choices=1)
        finished = choice(0)
        finished["choices"][0]["finish_reason"] = "stop"
        error = add_all(accumulator, finished, choice(1, content="b"))

        with pytest.raises(LimitExceeded) as raised:
            accumulator.result(end)
        assert raised.value is error
        assert raised.value.partial == accumulator.snapshot()

    def test_index_beyond_the_limit(self) -> None:
        """An index beyond the limit is refused even for the first choice."""
        error = add_all(Accumulator(), choice(10**9, content="a"))
        assert (error.limit, error.maximum) == ("choices", 16384)

    def test_legacy(self) -> None:
        """The limit also applies to legacy completions."""
        texts = [
            {"object": "text_completion", "choices": [{"index": index, "text": "a"}]}
            for index in range(3)
        ]
        error = add_all(Accumulator(max_choices=2), *texts)
        assert error.limit == "choices"
        assert len(error.partial.choices) == 2

    @pytest.mark.parametrize("extra", [{}, {"unknown": 1}])
    def test_parser(self, extra: dict[str, Any]) -> None:
        """The parser returns the chunks before the error, and stops."""
        chunks = [data(choice(index, content="a") | extra) for index in range(4)]
        parser = ChunkParser(max_choices=2)
        assert len(parser.feed(chunks[0])) == 1
        assert len(parser.feed(b"".join(chunks[1:]))) == 1

        assert isinstance(parser.error, LimitExceeded)
        assert parser.end is not None
        assert parser.end.cause is EndCause.INCOMPLETE
        assert parser.end.finish_reasons == {0: None, 1: None}

    def test_decoder(self) -> None:
        """The decoder of events has the same limit."""
        decoder = ChunkDecoder(max_choices=1)
        assert len(decoder.feed(Event(json.dumps(choice(0))))) == 1
        assert decoder.feed(Event(json.dumps(choice(1)))) == []
        assert isinstance(decoder.error, LimitExceeded)

    def test_no_limit(self) -> None:
        """None means no limit."""
        accumulator = Accumulator(max_choices=None)
        for chunk in chunks_of(choice(10**9, content="a")):
            accumulator.add(chunk)
        assert len(accumulator.snapshot().choices) == 1


class TestObjects:
    """An event with very many small objects is refused before it is decoded."""

    @pytest.mark.parametrize(
        "kind", ["body", "stream", "truncated", "not of the schema", "an error"]
    )
    def test_one_too_many(self, kind: str) -> None:
        """The chunks before the event are returned; an event at the limit is decoded."""
        calls = ",".join(["{}"] * 96)
        body = f'{{"choices": [{{"index": 0, "delta": {{"tool_calls": [{calls}]}}}}]}}'
        event = {
            "body": body,
            "stream": f"data: {body}\n\n",
            "truncated": f"data: {body}",
            "not of the schema": f'data: {{"x": 1, {body[1:]}\n\n',
            "an error": f"event: error\ndata: {body}\n\n",
        }[kind].encode()
        first = b"" if kind == "body" else data(choice(0, content="a"))
        before = len(run_stage(ChunkParser(), [first]).items)
        assert len(run_stage(ChunkParser(max_objects=101), [first, event]).items) == before + 1

        outcome = run_stage(ChunkParser(max_objects=100), [first, event])
        assert len(outcome.items) == before
        assert isinstance(outcome.error, LimitExceeded)
        assert (outcome.error.limit, outcome.error.maximum) == ("objects", 100)
        assert "raise max_objects" in str(outcome.error)

    def test_ten_million_pieces_in_one_event(self) -> None:
        """Ten million objects in an event raise an error, without more memory than their text."""
        body = b'data: {"choices": [{"delta": {"tool_calls": [' + b"{}," * 10_000_000
        parser = ChunkParser()
        tracemalloc.start()
        parser.feed(body + b"{}]}}]}\n\n")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert isinstance(parser.error, LimitExceeded)
        assert peak < 5 * len(body)

    def test_ten_million_objects_in_a_line(self) -> None:
        """Ten million objects in a line that isn't part of a stream raise an error, too."""
        body = b'{"a": [' + b"{}," * 10_000_000 + b"{}]}\n{"
        tracemalloc.start()
        outcome = run_stage(ChunkParser(), [body])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert isinstance(outcome.error, LimitExceeded)
        assert peak < 8 * len(body)


class TestToolCalls:
    """The number of tool calls in all choices together is limited."""

    def test_one_too_many(self) -> None:
        """`partial` has the calls before the limit, in every choice."""
        calls = [choice(at % 2, tool_calls=[{"index": at, "id": str(at)}]) for at in range(4)]
        error = add_all(Accumulator(max_tool_calls=3), *calls)

        assert (error.limit, error.maximum) == ("tool_calls", 3)
        assert [len(choice.message.tool_calls) for choice in error.partial.choices] == [2, 1]

    def test_no_limit(self) -> None:
        """None means no limit."""
        calls = [{"index": index} for index in range(5000)]
        accumulator = Accumulator(max_tool_calls=None)
        for chunk in chunks_of(choice(0, tool_calls=calls)):
            accumulator.add(chunk)
        assert len(accumulator.snapshot().to_dict()["choices"][0]["message"]["tool_calls"]) == 5000

    @pytest.mark.unmeasured
    def test_ten_million(self) -> None:
        """Ten million calls raise an error, without more memory than the calls up to the limit."""
        piece = ChunkChoice(
            index=0, delta=ChoiceDelta(tool_calls=[ToolCallDelta(index=None, function=None)])
        )
        accumulator = Accumulator()
        tracemalloc.start()
        with pytest.raises(LimitExceeded):
            for number in range(10_000_000):
                assert piece.delta.tool_calls
                piece.delta.tool_calls[0].id = str(number)
                accumulator.add(ChatCompletionChunk(choices=[piece]))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 32 * 1024 * 1024


ENDLESS: dict[str, Callable[[int], dict[str, Any]]] = {
    "content": lambda at: choice(0, content="x" * 500),
    "parts": lambda at: choice(0, content=[{"type": "image", "n": at}]),
    "thinking": lambda at: choice(0, content=[{"type": "thinking", "thinking": "x" * 500}]),
    "refusal": lambda at: choice(0, refusal="x" * 500),
    "reasoning": lambda at: choice(0, reasoning="x" * 500),
    "reasoning_content": lambda at: choice(0, reasoning_content="x" * 500),
    "reasoning details": lambda at: choice(0, reasoning_details=[{"type": str(at)}]),
    "a detail's text": lambda at: choice(0, reasoning_details=[{"type": "a", "text": "x" * 500}]),
    "a detail's fields": lambda at: choice(0, reasoning_details=[{"type": "a", str(at): at}]),
    "a signature": lambda at: choice(0, reasoning_details=[{"signature": "x" * 999 * at}]),
    "arguments": lambda at: call(function={"arguments": "x" * 99}),
    "names": lambda at: call(function={"name": f"{at}" + "x" * 500}),
    "ids": lambda at: call(index=at % 4000, id="x" * 500),
    "a call's fields": lambda at: call(**{str(at): 1}),
    "a function's fields": lambda at: call(function={str(at): 1}),
    "function_call": lambda at: choice(0, function_call={"arguments": "x" * 500}),
    "audio": lambda at: choice(0, audio={"data": "x" * 500}),
    "audio's fields": lambda at: choice(0, audio={str(at): "x"}),
    "annotations": lambda at: choice(0, annotations=[{"n": at}]),
    "images": lambda at: choice(0, images=[[]]),
    "images of one index": lambda at: choice(0, images=[{"index": 0, "url": str(at)}]),
    "an image's fields": lambda at: choice(0, images=[{"index": 0, str(at): "x"}]),
    "a list in an image": lambda at: choice(0, images=[{"index": 0, "x": [at]}]),
    "thinking blocks": lambda at: choice(0, thinking_blocks=[{"thinking": "x" * 500 + str(at)}]),
    "signatures": lambda at: choice(0, thinking_blocks=[{"thinking": "", "signature": str(at)}]),
    "a text of an unknown field": lambda at: choice(0, x="x" * 500 + str(at)),
    "a delta's fields": lambda at: choice(0, **{str(at): [[], {}]}),
    "a choice's fields": lambda at: {"choices": [{"index": 0, str(at): 1}]},
    "a chunk's fields": lambda at: {"choices": [], str(at): 1},
    "finish reasons": lambda at: {"choices": [{"index": 0, "finish_reason": f"x{at}"}]},
    "a detail's names": lambda at: choice(
        0, reasoning_details=[{"type": "a", f"{at}" + "x" * 500: 1}]
    ),
    "features of extra_content": lambda at: choice(0, extra_content={str(at): "x" * 500}),
    "annotations of one index": lambda at: choice(0, annotations=[{"index": 0, str(at): at}]),
    "top logprobs": lambda at: {
        "choices": [
            {"index": 0, "logprobs": {"content": [{"top_logprobs": [{"token": "x" * 500}]}]}}
        ]
    },
    "bytes of tokens": lambda at: {
        "choices": [{"index": 0, "logprobs": {"content": [{"bytes": [1] * 500}]}}]
    },
    "a token's fields": lambda at: {
        "choices": [{"index": 0, "logprobs": {"content": [{"x": ["x" * 500]}]}}]
    },
    "logprobs": lambda at: {
        "choices": [
            {"index": 0, "logprobs": {"content": [{"token": "x", "top_logprobs": [{}]}]}}
        ]
    },
    "refusal's logprobs": lambda at: {
        "choices": [{"index": 0, "logprobs": {"refusal": [{"token": "x" * 500}]}}]
    },
    "other logprobs": lambda at: {"choices": [{"index": 0, "logprobs": {"other": [at]}}]},
    "logprobs' fields": lambda at: {"choices": [{"index": 0, "logprobs": {str(at): at}}]},
    "legacy text": lambda at: {
        "object": "text_completion", "choices": [{"index": 0, "text": "x" * 500}]
    },
    "legacy logprobs": lambda at: {
        "object": "text_completion",
        "choices": [{"index": 0, "text": "", "logprobs": {"tokens": ["x"] * 50, str(at): 1}}],
    },
    "types of calls": lambda at: call(index=at, type="x" * 500),
    "calls": lambda at: call(index=at),
    "choices": choice,
    "roles": lambda at: choice(at, role="x" * 500),
    "ids of sound": lambda at: choice(at, audio={"id": "x" * 500}),
    "large numbers": lambda at: {"choices": [{"index": 0, "token_ids": [1 << 4000]}]},
    "a large number": lambda at: choice(0, **{str(at): 1 << 4000}),
    "legacy fields": lambda at: {
        "object": "text_completion", "choices": [{"index": 0, "text": "", str(at): at}]
    },
}  # fmt: skip


class TestBytes:
    """All accumulated data counts; a replaced value counts once."""

    @staticmethod
    def fill(accumulator: Accumulator, endless: str) -> ChatCompletionChunk:
        """Add at most 50,000 chunks until the limit is exceeded, and return the last one."""
        with pytest.raises(LimitExceeded):
            for at in range(50_000):
                (chunk,) = chunks_of(ENDLESS[endless](at))
                accumulator.add(chunk)
        last: ChatCompletionChunk = chunk
        return last

    @pytest.mark.unmeasured
    @pytest.mark.parametrize("endless", ENDLESS)
    def test_growing_data(self, endless: str) -> None:
        """The limit is exceeded before memory or time are out of proportion to it."""
        # A low limit first: if the time were quadratic, the high one would take hours.
        few = Accumulator(max_accumulated_bytes=1 << 13)
        count_lines(lambda: self.fill(few, endless), most=500_000)

        maximum = 1 << 16
        accumulator = Accumulator(max_accumulated_bytes=maximum)
        tracemalloc.start()
        chunk = self.fill(accumulator, endless)
        with pytest.raises(LimitExceeded) as raised:
            accumulator.add(chunk)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert (raised.value.limit, raised.value.maximum) == ("accumulated", maximum)
        assert size < 16 * maximum
        with pytest.raises(LimitExceeded):
            accumulator.updates(chunk)

    @pytest.mark.parametrize(
        "body",
        [
            {"choices": [{"index": 0, "delta": {"content": ""}}]},
            {"choices": [], "provider": {"name": "x" * 500}},
            {"choices": [], "usage": {"total_tokens": 1, "cost": "x" * 500}},
            {"choices": [{"index": 0, "delta": {}, "message": {"content": "x" * 500}}]},
            {"choices": [{"index": 0, "delta": {"annotations": [{"url": "x" * 500}]}}]},
            {"choices": [{"index": 0, "delta": {"label": "x" * 500}}]},
            {"choices": [{"index": 0, "delta": {"images": [{"index": 0, "label": "x" * 500}]}}]},
            {"choices": [{"index": 0, "delta": {"role": "assistant", "mood": {"x": ["x"] * 50}}}]},
        ],
    )
    def test_replaced_data(self, body: dict[str, Any]) -> None:
        """Fields that are repeated on every chunk, and empty texts, don't count again."""
        accumulator = Accumulator(max_accumulated_bytes=1 << 14)
        for _ in range(1000):
            for chunk in chunks_of(body):
                accumulator.add(chunk)

    def test_exactly_at_the_limit(self) -> None:
        """The limit is inclusive: one byte less, or one more character, exceeds it."""

        def fits(maximum: int, *texts: str) -> bool:
            accumulator = Accumulator(max_accumulated_bytes=maximum)
            try:
                for chunk in chunks_of(*(choice(0, content=text) for text in texts)):
                    accumulator.add(chunk)
            except LimitExceeded:
                return False
            return True

        text = "x" * 20
        least = next(maximum for maximum in range(1, 2000) if fits(maximum, text, text))
        assert not fits(least - 1, text, text)
        assert not fits(least, text, text + "x")

    def test_repeated_empty_fields(self) -> None:
        """Fields that a chunk repeats without a value don't count again."""
        accumulator = Accumulator(max_accumulated_bytes=4000)
        detail = {"type": "t", "index": 0, "text": None, "format": None, "id": None}
        for chunk in chunks_of(*[choice(0, reasoning_details=[detail])] * 100):
            accumulator.add(chunk)
        (kept,) = accumulator.snapshot().to_dict()["choices"]
        assert kept["message"]["reasoning_details"] == [detail]

    def test_reasoning_of_updates(self) -> None:
        """Reasoning that updates collect until it is done counts."""
        accumulator = Accumulator(max_accumulated_bytes=1 << 16)
        with pytest.raises(LimitExceeded):
            for chunk in chunks_of(*[choice(0, reasoning="x" * 400)] * 100):
                accumulator.updates(chunk)

    def test_joined_pieces(self) -> None:
        """Pieces count only as their text once they were joined."""
        accumulator = Accumulator(max_accumulated_bytes=4000)
        for chunk in chunks_of(*[choice(0, content="x" * 20)] * 100):
            accumulator.add(chunk)
            assert accumulator.text

    def test_finish_reasons(self) -> None:
        """The parser truncates a long finish reason."""
        long = {"choices": [{"index": 0, "finish_reason": "x" * 100_000}]}
        parser = ChunkParser()
        parser.feed(data(long))
        parser.close()

        assert parser.end is not None
        assert parser.end.finish_reasons == {0: "x" * 256}

    @pytest.mark.parametrize("piece", ["{},", "[[],[]],", '{"":0},', "0,", "1234567,", '"",'])
    def test_values_of_json(self, piece: str) -> None:
        """The decoded values of arguments count."""
        maximum = 1 << 16
        accumulator = Accumulator(max_accumulated_bytes=maximum)
        pieces = ["[", *[piece * 20] * 10_000]
        tracemalloc.start()
        with pytest.raises(LimitExceeded):
            for arguments in pieces:
                for chunk in chunks_of(call(function={"arguments": arguments})):
                    accumulator.updates(chunk)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert size < 16 * maximum

    def test_no_limit(self) -> None:
        """None means no limit."""
        accumulator = Accumulator(max_accumulated_bytes=None)
        for chunk in chunks_of(choice(0, content="x" * 1000)):
            accumulator.add(chunk)
        assert len(accumulator.text) == 1000


@pytest.mark.parametrize("limit", ["max_choices", "max_tool_calls", "max_accumulated_bytes"])
@pytest.mark.parametrize("value", [-1, "3", 0.5])
def test_invalid_limits(limit: Any, value: Any) -> None:
    """An invalid limit raises ValueError when it is passed."""
    options: Any = {limit: value}
    with pytest.raises(ValueError, match=rf"{limit} is {value!r}; give a number"):
        Accumulator(**options)
    with pytest.raises(ValueError, match=rf"{limit} is {value!r}; give a number"):
        Stream([], **options)


def test_limits_of_zero() -> None:
    """A limit of 0 allows nothing."""
    error = add_all(Accumulator(max_tool_calls=0), call(id="a"))
    assert error.maximum == 0
    assert len(ChunkDecoder(max_objects=0).feed(Event("{}"))) == 0


class TestTime:
    """No stream takes more than linear time."""

    @pytest.mark.unmeasured
    def test_name_in_many_pieces(self) -> None:
        """The pieces of a name aren't joined for each piece."""
        pieces = [{"index": 0, "function": {"name": name}} for name in ["f", *["xy"] * 100_000]]
        accumulator = Accumulator(max_accumulated_bytes=None)
        for chunk in chunks_of(choice(0, tool_calls=pieces)):
            accumulator.add(chunk)
        (call,) = accumulator.snapshot().to_dict()["choices"][0]["message"]["tool_calls"]
        assert len(call["function"]["name"]) == 200_001

    def test_repeated_finish_reasons(self) -> None:
        """A text is done at the first finish reason and at the end only."""
        accumulator = Accumulator()
        updates: list[Update] = []
        for _ in range(100):
            body = choice(0, content="x", reasoning="y")
            body["choices"][0]["finish_reason"] = "stop"
            for chunk in chunks_of(body):
                updates += accumulator.updates(chunk)
        updates += accumulator.last_updates()

        assert sum(isinstance(update, ContentDone) for update in updates) == 2
        assert sum(isinstance(update, ReasoningDone) for update in updates) == 2


class TestStreams:
    """A stream that exceeds a limit ends like a stream with any other error."""

    @pytest.mark.parametrize("limit", ["max_tool_calls", "max_accumulated_bytes"])
    @pytest.mark.parametrize("pieces", [1, 4])
    def test_limit(self, limit: Any, pieces: int) -> None:
        """The chunks before the limit are returned, then the error with the partial completion."""
        body = b"".join(
            data(choice(0, content="x" * 400, tool_calls=[{"index": at}])) for at in range(4)
        )
        size = len(body) // pieces
        options: Any = {limit: 2 if limit == "max_tool_calls" else 2800}
        stream = Stream([body[at : at + size] for at in range(0, len(body), size)], **options)
        received: list[Any] = []
        with pytest.raises(LimitExceeded) as raised:
            received += stream

        assert len(received) == 2
        assert stream.end is not None
        assert stream.end.cause is EndCause.INCOMPLETE
        assert raised.value.partial.text.startswith("x" * 800)
        with pytest.raises(LimitExceeded):
            next(stream)

    def test_updates_at_a_limit(self) -> None:
        """The changes of the chunk that exceeds the limit are only in the partial completion."""
        stream = Stream(
            [data(choice(0, content="a")), data(choice(0, content="x" * 500))],
            max_accumulated_bytes=1000,
        )
        updates = stream.updates()
        next(updates)
        with pytest.raises(LimitExceeded) as raised:
            next(updates)

        assert len(raised.value.partial.text) == 501
        assert not any(
            isinstance(update, ContentDelta) for update in stream.accumulator.last_updates()
        )

    def test_the_number_of_choices(self) -> None:
        """The parser limits the number of choices."""
        body = b"".join(data(choice(index, content="a")) for index in range(4))
        with pytest.raises(LimitExceeded, match="More than 2 choices") as raised:
            Stream([body], max_choices=2).result()
        assert len(raised.value.partial.choices) == 2
