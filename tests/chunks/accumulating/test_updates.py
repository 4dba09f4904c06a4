"""Updates tell what each chunk changed, once, in order; what they tell adds up to the result."""

import json
from pathlib import Path
from typing import Any, assert_never

import pytest

from sseparse import Accumulator, ChatCompletion, ChunkDecoder, ChunkParser, Event
from sseparse.chunks import (
    ArgumentsDelta,
    ChatChoice,
    ChoiceFinished,
    ChoiceLogprobs,
    CompletionLogprobs,
    CompletionUsage,
    ContentDelta,
    ContentDone,
    JSONFault,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    TokenLogprob,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    Update,
    UsageReported,
)
from sseparse.testing import run_stage


def updates(*bodies: dict[str, Any], end: bool = False) -> list[Update]:
    """Return the updates of chunks; at the end too, if asked for."""
    decoder = ChunkDecoder()
    accumulator = Accumulator()
    told: list[Update] = []
    for body in bodies:
        for chunk in decoder.feed(Event(json.dumps(body))):
            told += accumulator.updates(chunk)
    return told + accumulator.last_updates() if end else told


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def call(arguments: str | None = None, index: int | None = 0, **fields: Any) -> dict[str, Any]:
    function = {"name": fields.pop("name", None), "arguments": arguments}
    return delta(tool_calls=[{"index": index, "function": function, **fields}])


class TestTexts:
    """New text as it comes, and each text whole when its choice finishes."""

    def test_content(self) -> None:
        """What is empty tells nothing; the whole text comes before the finish."""
        assert updates(
            delta(role="assistant", content=""),
            delta(content="Hel"),
            delta(content="lo"),
            delta(finish="stop"),
            end=True,
        ) == [
            ContentDelta(0, "Hel"),
            ContentDelta(0, "lo"),
            ContentDone(0, "Hello"),
            ChoiceFinished(0, "stop"),
        ]

    @pytest.mark.parametrize(
        ("field", "new", "whole"),
        [
            ("refusal", RefusalDelta, RefusalDone),
            ("reasoning", ReasoningDelta, ReasoningDone),
            ("reasoning_content", ReasoningDelta, ReasoningDone),
        ],
    )
    def test_other_texts(self, field: Any, new: Any, whole: Any) -> None:
        """Refusals and reasoning, whatever the server calls it, are told like content."""
        first: Any = {field: "a"}
        second: Any = {field: "b"}
        assert updates(delta(**first), delta(finish="stop", **second)) == [
            new(0, "a"),
            new(0, "b"),
            whole(0, "ab"),
            ChoiceFinished(0, "stop"),
        ]

    def test_reasoning_under_two_names(self) -> None:
        """The same text under both names is told once; what is under either is told."""
        both = delta(reasoning="a", reasoning_content="a")
        assert updates(both, delta(reasoning="x"), delta(reasoning_content="y"), end=True) == [
            ReasoningDelta(0, "a"),
            ReasoningDelta(0, "x"),
            ReasoningDelta(0, "y"),
            ReasoningDone(0, "axy"),
        ]

    def test_structured_reasoning(self) -> None:
        """Where it comes in no other form, its texts are told."""
        details = [
            {"type": "reasoning.summary", "summary": "a"},
            {"type": "reasoning.text", "text": "b"},
            {"type": "reasoning.encrypted", "data": "x"},
            {"type": "reasoning.text", "text": 5},
        ]
        both = delta(reasoning="c", reasoning_details=details[1:2])
        assert updates(delta(reasoning_details=details), both, end=True) == [
            ReasoningDelta(0, "ab"),
            ReasoningDelta(0, "c"),
            ReasoningDone(0, "abc"),
        ]

    def test_parts(self) -> None:
        """Of content in parts, thinking is reasoning and text is content."""
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
        assert updates(delta(content=[thinking, {"type": "text", "text": "a"}]), end=True) == [
            ReasoningDelta(0, "hm"),
            ContentDelta(0, "a"),
            ReasoningDone(0, "hm"),
            ContentDone(0, "a"),
        ]

    def test_transcript(self) -> None:
        """A spoken answer has no finish reason: its text is whole at the end."""
        assert updates(
            delta(audio={"id": "a", "transcript": "Hel"}),
            delta(audio={"data": "AAAA"}),
            delta(audio={"transcript": "lo"}),
            end=True,
        ) == [TranscriptDelta(0, "Hel"), TranscriptDelta(0, "lo"), TranscriptDone(0, "Hello")]

    def test_legacy(self) -> None:
        """A legacy completion has content, log-probabilities and a finish."""
        logprobs = {"tokens": ["a"], "token_logprobs": [-1.0]}
        text = {"object": "text_completion"}
        assert updates(
            text | {"choices": [{"index": 1, "text": "a", "logprobs": logprobs}]},
            text | {"choices": [{"index": 1, "text": "b", "logprobs": {}}]},
            text | {"choices": [{"index": 1, "text": "", "finish_reason": "length"}]},
            text | {"choices": [{"index": 1, "text": "", "finish_reason": "stop"}]},
            end=True,
        ) == [
            ContentDelta(1, "a"),
            LogprobsDelta(1, CompletionLogprobs(tokens=["a"], token_logprobs=[-1.0])),
            ContentDelta(1, "b"),
            ContentDone(1, "ab"),
            ChoiceFinished(1, "length"),
        ]

    def test_more_after_the_finish(self) -> None:
        """The finish is told once; what grew after it is told whole again."""
        assert updates(
            delta(content="a", finish="stop"), delta(content="b"), delta(finish="length"), end=True
        ) == [
            ContentDelta(0, "a"),
            ContentDone(0, "a"),
            ChoiceFinished(0, "stop"),
            ContentDelta(0, "b"),
            ContentDone(0, "ab"),
        ]

    def test_choices_are_kept_apart(self) -> None:
        """Each choice has its own texts and its own end."""
        assert updates(
            delta(1, content="b"), delta(0, content="a"), delta(1, "stop"), end=True
        ) == [
            ContentDelta(1, "b"),
            ContentDelta(0, "a"),
            ContentDone(1, "b"),
            ChoiceFinished(1, "stop"),
            ContentDone(0, "a"),
        ]


class TestToolCalls:
    """A call is started once and done once, by another call, by the finish, or by the end."""

    def test_one_after_another(self) -> None:
        """Whole arguments are done when the next call begins, or when the choice finishes."""
        told = updates(
            call("", id="a", name="f"),
            call('{"x": [1'),
            call("]}"),
            call("{}", index=1, id="b", name="g"),
            delta(finish="tool_calls"),
        )

        # The value of a delta is the object that grows on.
        assert [
            (update.call, update.text) if isinstance(update, ArgumentsDelta) else update
            for update in told
        ] == [
            ToolCallStarted(0, 0, "a", "f", "function"),
            (0, '{"x": [1'),
            (0, "]}"),
            ToolCallDone(0, 0, "a", "f", "function", '{"x": [1]}', {"x": [1]}, None),
            ToolCallStarted(0, 1, "b", "g", "function"),
            (1, "{}"),
            ToolCallDone(0, 1, "b", "g", "function", "{}", {}, None),
            ChoiceFinished(0, "tool_calls"),
        ]

    def test_the_value_so_far(self) -> None:
        """Every piece of arguments comes with the object as it is by then."""
        accumulator = Accumulator()
        decoder = ChunkDecoder()
        seen: list[dict[str, Any]] = []
        for piece in ('{"city": "Pa', 'ris", "days": 1', '2, "now": true'):
            (chunk,) = decoder.feed(Event(json.dumps(call(piece, name="f"))))
            *_, update = accumulator.updates(chunk)
            assert isinstance(update, ArgumentsDelta)
            seen.append(dict(update.value))

        assert seen == [
            {"city": "Pa"},
            {"city": "Paris"},
            {"city": "Paris", "days": 12, "now": True},
        ]

    def test_calls_that_come_interleaved(self) -> None:
        """A call whose arguments are not whole goes on after another one began."""
        told = updates(
            call('{"x"', index=0, id="a", name="f"),
            call("{", index=1, id="b", name="g"),
            call(": 1}", index=0),
            call("}", index=1),
            call("{}", index=2, id="c", name="h"),
        )

        done = [update for update in told if isinstance(update, ToolCallDone)]
        assert [(update.call, update.value) for update in done] == [(0, {"x": 1}), (1, {})]
        assert isinstance(told[-1], ArgumentsDelta)

    def test_pieces_of_several_calls_in_one_chunk(self) -> None:
        """A call that goes on in the same chunk is not done when another begins in it."""
        pieces = [(0, '{"a":'), (1, "{}"), (0, "1}"), (2, "[]")]
        told = updates(
            delta(tool_calls=[{"index": i, "function": {"arguments": a}} for i, a in pieces])
        )

        assert [type(update) for update in told if getattr(update, "call", None) == 0] == [
            ToolCallStarted,
            ArgumentsDelta,
            ArgumentsDelta,
            ToolCallDone,
        ]
        done = [update for update in told if isinstance(update, ToolCallDone)]
        assert [(update.call, update.value) for update in done] == [(0, {"a": 1}), (1, {})]

    def test_bad_json_that_goes_on(self) -> None:
        """It is not done when another call begins: more may come of it."""
        told = updates(call("{'a'", name="f"), call("{}", index=1, name="g"), call(": 1}"))

        assert not any(isinstance(update, ToolCallDone) for update in told)

    def test_the_value_of_a_call_that_is_done(self) -> None:
        """It is the reader's own, whatever he did to the one that grew."""
        accumulator, decoder = Accumulator(), ChunkDecoder()
        told: list[Update] = []
        for body in (call('{"a": 1}', name="f"), delta(finish="stop")):
            for chunk in decoder.feed(Event(json.dumps(body))):
                told += accumulator.updates(chunk)
                if isinstance(told[-1], ArgumentsDelta):
                    told[-1].value.clear()

        assert isinstance(told[-2], ToolCallDone)
        assert told[-2].value == {"a": 1}

    def test_cut_by_its_length(self) -> None:
        """Arguments that the finish cut are done at the end, and say that they are cut."""
        finished = [call('{"x": "ab', name="f"), delta(finish="length")]

        assert not any(isinstance(update, ToolCallDone) for update in updates(*finished))
        assert updates(*finished, end=True)[-1] == ToolCallDone(
            0,
            0,
            None,
            "f",
            "function",
            '{"x": "ab',
            {"x": "ab"},
            JSONFault(9, "ends inside a string"),
        )

    def test_bad_json(self) -> None:
        """Arguments that are no JSON will not become it: the finish ends them."""
        told = updates(call("{x", name="f"), delta(finish="tool_calls"))

        assert isinstance(told[-2], ToolCallDone)
        assert (told[-2].arguments, told[-2].value) == ("{x", {})
        assert told[-2].fault is not None
        assert told[-2].fault.offset == 1

    def test_no_arguments(self) -> None:
        """Where none came, that is a fault: nothing is invented."""
        told = updates(call(None, name="f"), call(None, index=1, name="g"), delta(finish="stop"))

        fault = JSONFault(0, "no arguments received")
        assert told == [
            ToolCallStarted(0, 0, None, "f", "function"),
            ToolCallStarted(0, 1, None, "g", "function"),
            ToolCallDone(0, 0, None, "f", "function", "", None, fault),
            ToolCallDone(0, 1, None, "g", "function", "", None, fault),
            ChoiceFinished(0, "stop"),
        ]

    def test_custom_tools(self) -> None:
        """Their input is free text: it has no value, and no end but the finish."""
        piece = {"index": 0, "type": "custom", "custom": {"name": "f", "input": "{a"}}
        assert updates(
            delta(tool_calls=[piece]), call("{}", index=1, name="g"), delta(finish="tool_calls")
        ) == [
            ToolCallStarted(0, 0, None, "f", "custom"),
            ArgumentsDelta(0, 0, "{a", None),
            ToolCallStarted(0, 1, None, "g", "function"),
            ArgumentsDelta(0, 1, "{}", {}),
            ToolCallDone(0, 0, None, "f", "custom", "{a", None, None),
            ToolCallDone(0, 1, None, "g", "function", "{}", {}, None),
            ChoiceFinished(0, "tool_calls"),
        ]

    def test_a_custom_tool_that_was_cut(self) -> None:
        """Free text does not show it; the finish reason does."""
        piece = {"index": 0, "custom": {"name": "f", "input": "rm -r /tmp"}}
        told = updates(delta(tool_calls=[piece]), delta(finish="length"))

        fault = JSONFault(10, "the input is truncated: length")
        assert told[-2] == ToolCallDone(0, 0, None, "f", "custom", "rm -r /tmp", None, fault)

    def test_more_after_it_was_done(self) -> None:
        """It is told as new text; what was told as done is not told again."""
        told = updates(call("{", name="f"), delta(finish="stop"), call("}"), end=True)
        later = updates(call("{]", name="f"), delta(finish="stop"), call("}"), end=True)

        assert isinstance(told[-1], ToolCallDone)
        assert told[-1].value == {}
        assert isinstance(later[-1], ArgumentsDelta)

    def test_a_function_call(self) -> None:
        """The form before tool calls is told alike, without a place among them."""
        assert updates(
            delta(function_call={"name": "f", "arguments": "{"}),
            delta(function_call={"arguments": "}"}),
            delta(finish="function_call"),
        ) == [
            ToolCallStarted(0, None, None, "f", "function"),
            ArgumentsDelta(0, None, "{", {}),
            ArgumentsDelta(0, None, "}", {}),
            ToolCallDone(0, None, None, "f", "function", "{}", {}, None),
            ChoiceFinished(0, "function_call"),
        ]

    def test_a_piece_without_a_callee(self) -> None:
        """A first piece may say no more than that there is a call."""
        assert updates(delta(tool_calls=[{"index": 0, "id": "a"}])) == [
            ToolCallStarted(0, 0, "a", "", "function")
        ]


class TestOthers:
    """Log-probabilities and token counts."""

    def test_logprobs(self) -> None:
        """New ones alone; where there are none, nothing is told."""
        logprobs = {"content": [{"token": "a", "logprob": -1.0}]}
        choices = [{"index": 0, "delta": {}, "logprobs": logprobs}]
        none = [{"index": 0, "delta": {}, "logprobs": {"content": None, "refusal": None}}]

        assert updates({"choices": choices}, {"choices": none}) == [
            LogprobsDelta(0, ChoiceLogprobs(content=[TokenLogprob(token="a", logprob=-1.0)]))
        ]

    def test_usage(self) -> None:
        """Each time that it changes; a later null changes nothing."""
        assert updates(
            {"choices": [], "usage": {"total_tokens": 1}},
            {"choices": [], "usage": {"total_tokens": 1}},
            {"choices": [], "usage": {"total_tokens": 2}},
            {"choices": [], "usage": None},
        ) == [
            UsageReported(CompletionUsage(total_tokens=1)),
            UsageReported(CompletionUsage(total_tokens=2)),
        ]

    def test_usage_where_groq_puts_it(self) -> None:
        """It counts where there is no other."""
        assert updates(
            {"choices": [], "x_groq": {"id": "a"}},
            {"choices": [], "x_groq": {"usage": {"total_tokens": 1}}},
        ) == [UsageReported(CompletionUsage(total_tokens=1))]


def test_add_and_updates_can_take_turns() -> None:
    """Updates tell of their own chunks; what is done is whole all the same."""
    decoder = ChunkDecoder()
    accumulator = Accumulator()
    bodies = [
        delta(content="a", reasoning="x"),
        call('{"a"', name="f"),
        delta(content="b", reasoning="y"),
        call(": 1}"),
        delta(finish="stop"),
    ]
    chunks = [chunk for body in bodies for chunk in decoder.feed(Event(json.dumps(body)))]
    accumulator.add(chunks[0])
    accumulator.add(chunks[1])

    assert [update for chunk in chunks[2:] for update in accumulator.updates(chunk)] == [
        ReasoningDelta(0, "y"),
        ContentDelta(0, "b"),
        ToolCallStarted(0, 0, None, "f", "function"),
        ArgumentsDelta(0, 0, ": 1}", {"a": 1}),
        ReasoningDone(0, "xy"),
        ContentDone(0, "ab"),
        ToolCallDone(0, 0, None, "f", "function", '{"a": 1}', {"a": 1}, None),
        ChoiceFinished(0, "stop"),
    ]
    assert accumulator.last_updates() == []


def test_updates_of_a_text_that_add_began() -> None:
    """A text that goes on is told from the first chunk that updates are asked of."""
    decoder, accumulator = ChunkDecoder(), Accumulator()
    one, two, three, four = (
        chunk for text in "abcd" for chunk in decoder.feed(Event(json.dumps(delta(content=text))))
    )
    accumulator.add(one)
    accumulator.add(two)
    assert accumulator.updates(three) == [ContentDelta(0, "c")]
    accumulator.add(four)

    assert accumulator.last_updates() == [ContentDone(0, "abcd")]


def test_no_update_was_asked_for() -> None:
    """Then there is none at the end."""
    accumulator = Accumulator()
    accumulator.add(ChunkDecoder().feed(Event(json.dumps(delta(content="a"))))[0])

    assert accumulator.last_updates() == []


def test_misuse() -> None:
    """What add() refuses, updates() refuses."""
    accumulator = Accumulator()
    with pytest.raises(TypeError, match="takes a ChatCompletionChunk"):
        accumulator.updates("x")  # type: ignore[arg-type] # misuse
    assert accumulator.last_updates() == []


class Reader:
    """Puts updates together again, as a program that shows them would."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, int], str] = {}
        self.whole: dict[tuple[str, int], str] = {}
        self.arguments: dict[tuple[int, int | None], str] = {}
        self.done: dict[tuple[int, int | None], ToolCallDone] = {}
        self.reasons: dict[int, str] = {}
        self.usage: CompletionUsage | None = None

    def read(self, update: Update) -> None:
        match update:
            case ContentDelta(choice, text):
                self._grow("content", choice, text)
            case ReasoningDelta(choice, text):
                self._grow("reasoning", choice, text)
            case RefusalDelta(choice, text):
                self._grow("refusal", choice, text)
            case TranscriptDelta(choice, text):
                self._grow("transcript", choice, text)
            case ContentDone(choice, text):
                self.whole["content", choice] = text
            case ReasoningDone(choice, text):
                self.whole["reasoning", choice] = text
            case RefusalDone(choice, text):
                self.whole["refusal", choice] = text
            case TranscriptDone(choice, text):
                self.whole["transcript", choice] = text
            case ToolCallStarted(choice, call):
                assert (choice, call) not in self.arguments
                self.arguments[choice, call] = ""
            case ArgumentsDelta(choice, call, text):
                self.arguments[choice, call] += text
            case ToolCallDone(choice, call):
                assert (choice, call) not in self.done
                self.done[choice, call] = update
            case ChoiceFinished(choice, reason):
                assert choice not in self.reasons
                self.reasons[choice] = reason
            case UsageReported(usage):
                self.usage = usage
            case LogprobsDelta():
                pass
            case _:
                assert_never(update)

    def _grow(self, name: str, choice: int, text: str) -> None:
        self.texts[name, choice] = self.texts.get((name, choice), "") + text

    def check(self, choice: ChatChoice) -> None:
        message, index = choice.message, choice.index
        spoken = message.audio.transcript if message.audio else None
        for name, text in {
            "content": message.content,
            "reasoning": message.reasoning_content or message.reasoning,
            "refusal": message.refusal,
            "transcript": spoken,
        }.items():
            assert self.texts.get((name, index), "") == (text or "")
            assert self.whole.get((name, index), "") == (text or "")
        for place, tool_call in enumerate(message.tool_calls or ()):
            assert tool_call.function is not None
            arguments = tool_call.function.arguments
            assert self.arguments[index, place] == self.done[index, place].arguments == arguments
            if self.done[index, place].fault is None:
                assert self.done[index, place].value == json.loads(arguments)
            else:
                with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
                    json.loads(arguments)
        assert self.reasons.get(index) == choice.finish_reason


def test_recorded_streams(corpus: Path) -> None:
    """What updates tell of every recorded stream adds up to its result."""
    streams = 0
    for entry in json.loads((corpus / "INDEX.json").read_text()):
        if entry["kind"] != "chat":
            continue
        chunks = run_stage(ChunkParser(), [(corpus / "streams" / entry["file"]).read_bytes()]).items
        watched, plain, reader = Accumulator(), Accumulator(), Reader()
        for chunk in chunks:
            plain.add(chunk)
            for update in watched.updates(chunk):
                reader.read(update)
        for update in watched.last_updates():
            reader.read(update)

        snapshot = watched.snapshot()
        assert isinstance(snapshot, ChatCompletion)
        assert snapshot == plain.snapshot()
        for choice in snapshot.choices:
            reader.check(choice)
        assert reader.usage == snapshot.usage
        streams += 1
    assert streams > 100


@pytest.mark.parametrize("first", ["function_call", "tool_calls"])
def test_calls_of_both_forms_end_in_the_order_in_which_they_began(first: str) -> None:
    """A function call has no place among the tool calls."""
    bodies = {
        "function_call": delta(function_call={"name": "f", "arguments": ""}),
        "tool_calls": call("", id="a", name="g"),
    }
    second = ({*bodies} - {first}).pop()
    done = updates(bodies[first], bodies[second], delta(finish="stop"))

    names = [update.name for update in done if isinstance(update, ToolCallDone)]
    assert names == (["f", "g"] if first == "function_call" else ["g", "f"])
