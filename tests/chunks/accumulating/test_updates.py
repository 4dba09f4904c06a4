"""Updates report each change once and in order, and add up to the result."""

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
    """Return the updates of chunks and, on request, of the end of the stream."""
    decoder = ChunkDecoder()
    accumulator = Accumulator()
    reported: list[Update] = []
    for body in bodies:
        for chunk in decoder.feed(Event(json.dumps(body))):
            reported += accumulator.updates(chunk)
    return reported + accumulator.last_updates() if end else reported


def delta(index: int = 0, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def call(arguments: str | None = None, index: int | None = 0, **fields: Any) -> dict[str, Any]:
    function = {"name": fields.pop("name", None), "arguments": arguments}
    return delta(tool_calls=[{"index": index, "function": function, **fields}])


class TestTexts:
    """New text is reported as it arrives, and the full text when its choice finishes."""

    def test_content(self) -> None:
        """Empty text has no update, and the full text is reported before the finish reason."""
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
        ("field", "new", "full"),
        [
            ("refusal", RefusalDelta, RefusalDone),
            ("reasoning", ReasoningDelta, ReasoningDone),
            ("reasoning_content", ReasoningDelta, ReasoningDone),
        ],
    )
    def test_other_texts(self, field: Any, new: Any, full: Any) -> None:
        """Refusals and all forms of reasoning are reported like content."""
        first: Any = {field: "a"}
        second: Any = {field: "b"}
        assert updates(delta(**first), delta(finish="stop", **second)) == [
            new(0, "a"),
            new(0, "b"),
            full(0, "ab"),
            ChoiceFinished(0, "stop"),
        ]

    def test_reasoning_under_two_names(self) -> None:
        """The same text under both names is reported once; different texts are both reported."""
        both = delta(reasoning="a", reasoning_content="a")
        assert updates(both, delta(reasoning="x"), delta(reasoning_content="y"), end=True) == [
            ReasoningDelta(0, "a"),
            ReasoningDelta(0, "x"),
            ReasoningDelta(0, "y"),
            ReasoningDone(0, "axy"),
        ]

    def test_structured_reasoning(self) -> None:
        """The text of structured reasoning is reported if no other field has it."""
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
        """In content parts, thinking is reported as reasoning and text as content."""
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
        assert updates(delta(content=[thinking, {"type": "text", "text": "a"}]), end=True) == [
            ReasoningDelta(0, "hm"),
            ContentDelta(0, "a"),
            ReasoningDone(0, "hm"),
            ContentDone(0, "a"),
        ]

    def test_transcript(self) -> None:
        """Without a finish reason, the transcript is done at the end of the stream."""
        assert updates(
            delta(audio={"id": "a", "transcript": "Hel"}),
            delta(audio={"data": "AAAA"}),
            delta(audio={"transcript": "lo"}),
            end=True,
        ) == [TranscriptDelta(0, "Hel"), TranscriptDelta(0, "lo"), TranscriptDone(0, "Hello")]

    def test_legacy(self) -> None:
        """A legacy completion has updates of content, log-probabilities and finish reason."""
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
        """The finish is reported once, and text that grew after it is reported in full again."""
        assert updates(
            delta(content="a", finish="stop"), delta(content="b"), delta(finish="length"), end=True
        ) == [
            ContentDelta(0, "a"),
            ContentDone(0, "a"),
            ChoiceFinished(0, "stop"),
            ContentDelta(0, "b"),
            ContentDone(0, "ab"),
        ]

    def test_several_choices(self) -> None:
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
    """A call starts once and is done once: at another call, the finish or the end."""

    def test_one_after_another(self) -> None:
        """Complete arguments are done when the next call begins or the choice finishes."""
        reported = updates(
            call("", id="a", name="f"),
            call('{"x": [1'),
            call("]}"),
            call("{}", index=1, id="b", name="g"),
            delta(finish="tool_calls"),
        )

        # The value of an ArgumentsDelta is the object that grows, so that it isn't compared.
        assert [
            (update.call, update.text) if isinstance(update, ArgumentsDelta) else update
            for update in reported
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

    def test_value_so_far(self) -> None:
        """Each piece of arguments is reported with the value so far."""
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

    def test_interleaved_calls(self) -> None:
        """A call with incomplete arguments continues after another one began."""
        reported = updates(
            call('{"x"', index=0, id="a", name="f"),
            call("{", index=1, id="b", name="g"),
            call(": 1}", index=0),
            call("}", index=1),
            call('{"z"', index=2, id="c", name="h"),
        )

        done = [update for update in reported if isinstance(update, ToolCallDone)]
        assert [(update.call, update.value) for update in done] == [(0, {"x": 1}), (1, {})]
        assert isinstance(reported[-1], ArgumentsDelta)

    def test_pieces_of_several_calls_in_one_chunk(self) -> None:
        """A call that continues in the same chunk isn't done when another one begins in it."""
        pieces = [(0, '{"a":', "f"), (1, '{"b":2}', "g"), (0, "1}", None), (2, "[]", "h")]
        reported = updates(
            delta(
                tool_calls=[
                    {"index": index, "function": {"name": name, "arguments": arguments}}
                    for index, arguments, name in pieces
                ]
            )
        )

        assert [type(update) for update in reported if getattr(update, "call", None) == 0] == [
            ToolCallStarted,
            ArgumentsDelta,
            ArgumentsDelta,
            ToolCallDone,
        ]
        done = [update for update in reported if isinstance(update, ToolCallDone)]
        assert [(update.call, update.value) for update in done] == [(0, {"a": 1}), (1, {"b": 2})]

    def test_invalid_json_that_continues(self) -> None:
        """A call with invalid JSON isn't done when another one begins, as it can still continue."""
        reported = updates(call("{'a'", name="f"), call("{}", index=1, name="g"), call(": 1}"))

        assert not any(isinstance(update, ToolCallDone) for update in reported)

    def test_value_of_a_call_that_is_done(self) -> None:
        """The value of ToolCallDone is independent of the value of the ArgumentsDelta."""
        accumulator, decoder = Accumulator(), ChunkDecoder()
        reported: list[Update] = []
        for body in (call('{"a": 1}', name="f"), delta(finish="stop")):
            for chunk in decoder.feed(Event(json.dumps(body))):
                reported += accumulator.updates(chunk)
                if isinstance(reported[-1], ArgumentsDelta):
                    reported[-1].value.clear()

        assert isinstance(reported[-2], ToolCallDone)
        assert reported[-2].value == {"a": 1}

    def test_truncated_arguments(self) -> None:
        """Truncated arguments are done at the end of the stream, with a fault."""
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

    def test_invalid_json(self) -> None:
        """Arguments that can't become valid JSON are done when the choice finishes."""
        reported = updates(call("{x", name="f"), delta(finish="tool_calls"))

        assert isinstance(reported[-2], ToolCallDone)
        assert (reported[-2].arguments, reported[-2].value) == ("{x", {})
        assert reported[-2].fault is not None
        assert reported[-2].fault.offset == 1

    def test_no_arguments(self) -> None:
        """Missing arguments are a fault."""
        reported = updates(
            call(None, name="f"), call(None, index=1, name="g"), delta(finish="stop")
        )

        fault = JSONFault(0, "no arguments received")
        assert reported == [
            ToolCallStarted(0, 0, None, "f", "function"),
            ToolCallStarted(0, 1, None, "g", "function"),
            ToolCallDone(0, 0, None, "f", "function", "", None, fault),
            ToolCallDone(0, 1, None, "g", "function", "", None, fault),
            ChoiceFinished(0, "stop"),
        ]

    def test_custom_tools(self) -> None:
        """The input of a custom tool has no value and is done when the choice finishes."""
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

    def test_truncated_custom_tool(self) -> None:
        """The finish reason shows that the input of a custom tool is truncated."""
        piece = {"index": 0, "custom": {"name": "f", "input": "rm -r /tmp"}}
        reported = updates(delta(tool_calls=[piece]), delta(finish="length"))

        fault = JSONFault(10, "the input is truncated: length")
        assert reported[-2] == ToolCallDone(0, 0, None, "f", "custom", "rm -r /tmp", None, fault)

    def test_arguments_after_the_end_of_a_call(self) -> None:
        """Arguments after the end of a call are reported, but the call isn't done again."""
        reported = updates(call("{", name="f"), delta(finish="stop"), call("}"), end=True)
        later = updates(call("{]", name="f"), delta(finish="stop"), call("}"), end=True)

        assert isinstance(reported[-1], ToolCallDone)
        assert reported[-1].value == {}
        assert isinstance(later[-1], ArgumentsDelta)

    def test_function_call(self) -> None:
        """A function call, the form before tool calls, is reported without a position."""
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

    def test_name_in_pieces(self) -> None:
        """A call starts with its full name when arguments follow."""
        reported = updates(call("", id="a", name="get_"), call("", name="time"), call('{"x"'))

        assert reported[0] == ToolCallStarted(0, 0, "a", "get_time", "function")
        assert isinstance(reported[1], ArgumentsDelta)

    def test_late_name(self) -> None:
        """Arguments that arrive before the name are emitted after the start, joined."""
        assert updates(call('{"x"', id="a"), call(": 1")) == []
        assert updates(call('{"x"', id="a"), call(": 1"), call("}", name="f")) == [
            ToolCallStarted(0, 0, "a", "f", "function"),
            ArgumentsDelta(0, 0, '{"x": 1}', {"x": 1}),
        ]
        assert updates(call('{"x": 1}'), call(name="f"), delta(finish="stop"))[:2] == [
            ToolCallStarted(0, 0, None, "f", "function"),
            ArgumentsDelta(0, 0, '{"x": 1}', {"x": 1}),
        ]

    def test_calls_that_wait_for_a_name(self) -> None:
        """A call without a name isn't done, nor does it start, when another one begins."""
        first, second = call('{"x": 1}', id="a"), call('{"y": 2}', 1, id="b", name="g")
        reported = updates(first, second, call(None, 0, name="f"), call("{", 2, name="h"))

        assert [(type(update), getattr(update, "call", None)) for update in reported] == [
            (ToolCallStarted, 1),
            (ArgumentsDelta, 1),
            (ToolCallStarted, 0),
            (ArgumentsDelta, 0),
            (ToolCallDone, 0),
            (ToolCallDone, 1),
            (ToolCallStarted, 2),
            (ArgumentsDelta, 2),
        ]

    @pytest.mark.parametrize("finish", ["stop", None])
    def test_no_name(self, finish: str | None) -> None:
        """A call whose name never arrives is emitted at the end of the stream."""
        reported = updates(call('{"x": 1}', id="a"), delta(finish=finish), end=True)

        assert reported[-3:] == [
            ToolCallStarted(0, 0, "a", "", "function"),
            ArgumentsDelta(0, 0, '{"x": 1}', {"x": 1}),
            ToolCallDone(0, 0, "a", "", "function", '{"x": 1}', {"x": 1}, None),
        ]

    def test_placeholder(self) -> None:
        """A placeholder isn't emitted, and its call isn't done before its arguments."""
        head, other = call("{}", id="a", name="f"), call("{}", 1, id="b", name="g")
        reported = updates(head, other, call(" "), call('{"x": 1}'), delta(finish="stop"))

        assert reported == [
            ToolCallStarted(0, 0, "a", "f", "function"),
            ToolCallStarted(0, 1, "b", "g", "function"),
            ArgumentsDelta(0, 0, '{"x": 1}', {"x": 1}),
            ArgumentsDelta(0, 1, "{}", {}),
            ToolCallDone(0, 0, "a", "f", "function", '{"x": 1}', {"x": 1}, None),
            ToolCallDone(0, 1, "b", "g", "function", "{}", {}, None),
            ChoiceFinished(0, "stop"),
        ]

    def test_text_after_empty_arguments_and_the_finish(self) -> None:
        """When the choice has finished, `{}` was no placeholder: it's emitted and stays."""
        reported = updates(call("{}", name="f"), delta(finish="stop"), call("\n"), call('{"x"'))

        texts = [update.text for update in reported if isinstance(update, ArgumentsDelta)]
        assert texts == ["{}", "\n", '{"x"']

    @pytest.mark.parametrize("finish", ["tool_calls", None])
    @pytest.mark.parametrize(
        "pieces",
        [
            [{"function": {"name": "f", "arguments": "{}"}}, {"custom": {"input": "in"}}],
            [{"function": {"name": "f", "arguments": "{}"}, "custom": {"input": "in"}}],
            [{"function": {"arguments": "{}"}}, {"custom": {"name": "f", "input": "in"}}],
            [
                {"function": {"name": "f", "arguments": "{}"}},
                {"custom": {}},
                {"function": {"arguments": "in"}},
            ],
        ],
    )
    def test_function_that_becomes_a_custom_tool(
        self, pieces: list[dict[str, Any]], finish: str | None
    ) -> None:
        """The input of a custom tool follows the `{}` of a function, which is emitted once."""
        bodies = [delta(tool_calls=[{"index": 0, **piece}]) for piece in pieces]
        reported = updates(*bodies, delta(finish=finish), end=True)

        texts = [update.text for update in reported if isinstance(update, ArgumentsDelta)]
        done = [update.arguments for update in reported if isinstance(update, ToolCallDone)]
        assert "".join(texts) == "{}in"
        assert done == ["{}in"]

    @pytest.mark.parametrize("last", [call("\n"), delta(tool_calls=[{"custom": {"input": "\n"}}])])
    @pytest.mark.parametrize("name", [None, "f"])
    def test_placeholder_of_a_call_that_finished(
        self, name: str | None, last: dict[str, Any]
    ) -> None:
        """Text after the finish follows `{}`, which is emitted once, with or without a name."""
        reported = updates(call("{}", name=name), delta(finish="stop"), last, end=True)

        texts = [update.text for update in reported if isinstance(update, ArgumentsDelta)]
        assert "".join(texts) == "{}\n"

    def test_call_that_begins_after_the_finish(self) -> None:
        """Arguments of a call that begins after the finish are emitted at once."""
        reported = updates(delta(finish="stop"), call("{}", name="f"), call("x"), end=True)

        texts = [update.text for update in reported if isinstance(update, ArgumentsDelta)]
        assert texts == ["{}", "x"]

    def test_repeated_arguments(self) -> None:
        """Complete arguments that arrive again have no update."""
        head = call('{"x": 1}', id="a", name="f")

        assert updates(head, head, call('{"x": 1}')) == updates(head)

    def test_delta_without_a_function(self) -> None:
        """The first delta of a call can lack a function; the call starts when its name is known."""
        first = delta(tool_calls=[{"index": 0, "id": "a"}])

        assert updates(first) == []
        assert updates(first, call("", name="f"), delta(finish="stop"))[0] == ToolCallStarted(
            0, 0, "a", "f", "function"
        )


class TestOthers:
    """Log-probabilities and token counts."""

    def test_logprobs(self) -> None:
        """Only new log-probabilities are reported."""
        logprobs = {"content": [{"token": "a", "logprob": -1.0}]}
        choices = [{"index": 0, "delta": {}, "logprobs": logprobs}]
        none = [{"index": 0, "delta": {}, "logprobs": {"content": None, "refusal": None}}]

        assert updates({"choices": choices}, {"choices": none}) == [
            LogprobsDelta(0, ChoiceLogprobs(content=[TokenLogprob(token="a", logprob=-1.0)]))
        ]

    def test_usage(self) -> None:
        """Usage is reported whenever it changes; a later null doesn't change it."""
        assert updates(
            {"choices": [], "usage": {"total_tokens": 1}},
            {"choices": [], "usage": {"total_tokens": 1}},
            {"choices": [], "usage": {"total_tokens": 2}},
            {"choices": [], "usage": None},
        ) == [
            UsageReported(CompletionUsage(total_tokens=1)),
            UsageReported(CompletionUsage(total_tokens=2)),
        ]

    def test_usage_in_x_groq(self) -> None:
        """Usage in x_groq is reported if no chunk has usage."""
        assert updates(
            {"choices": [], "x_groq": {"id": "a"}},
            {"choices": [], "x_groq": {"usage": {"total_tokens": 1}}},
        ) == [UsageReported(CompletionUsage(total_tokens=1))]


def test_add_and_updates_alternate() -> None:
    """Updates report the changes of their own chunks; `...Done` updates have the full text."""
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
    """A text that add() began is reported from the first chunk passed to updates()."""
    decoder, accumulator = ChunkDecoder(), Accumulator()
    one, two, three, four = (
        chunk for text in "abcd" for chunk in decoder.feed(Event(json.dumps(delta(content=text))))
    )
    accumulator.add(one)
    accumulator.add(two)
    assert accumulator.updates(three) == [ContentDelta(0, "c")]
    accumulator.add(four)

    assert accumulator.last_updates() == [ContentDone(0, "abcd")]


def test_no_updates_requested() -> None:
    """Without a call of updates(), the end has no updates."""
    accumulator = Accumulator()
    accumulator.add(ChunkDecoder().feed(Event(json.dumps(delta(content="a"))))[0])

    assert accumulator.last_updates() == []


def test_misuse() -> None:
    """updates() raises TypeError for the same objects as add()."""
    accumulator = Accumulator()
    with pytest.raises(TypeError, match="takes a ChatCompletionChunk"):
        accumulator.updates("x")  # type: ignore[arg-type] # misuse
    assert accumulator.last_updates() == []


class Reader:
    """Program that joins the updates it reads."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, int], str] = {}
        self.full: dict[tuple[str, int], str] = {}
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
                self.full["content", choice] = text
            case ReasoningDone(choice, text):
                self.full["reasoning", choice] = text
            case RefusalDone(choice, text):
                self.full["refusal", choice] = text
            case TranscriptDone(choice, text):
                self.full["transcript", choice] = text
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
            assert self.full.get((name, index), "") == (text or "")
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
    """The updates of every recorded stream add up to its result."""
    streams = 0
    for entry in json.loads((corpus / "INDEX.json").read_text()):
        if entry["kind"] != "chat":
            continue
        chunks = run_stage(ChunkParser(), [(corpus / "streams" / entry["file"]).read_bytes()]).items
        tracked, added, reader = Accumulator(), Accumulator(), Reader()
        for chunk in chunks:
            added.add(chunk)
            for update in tracked.updates(chunk):
                reader.read(update)
        for update in tracked.last_updates():
            reader.read(update)

        snapshot = tracked.snapshot()
        assert isinstance(snapshot, ChatCompletion)
        assert snapshot == added.snapshot()
        for choice in snapshot.choices:
            reader.check(choice)
        assert reader.usage == snapshot.usage
        streams += 1
    assert streams > 100


@pytest.mark.parametrize("first", ["function_call", "tool_calls"])
def test_order_of_tool_calls_and_function_call(first: str) -> None:
    """A function call has no position among the tool calls."""
    bodies = {
        "function_call": delta(function_call={"name": "f", "arguments": ""}),
        "tool_calls": call("", id="a", name="g"),
    }
    second = ({*bodies} - {first}).pop()
    done = updates(bodies[first], bodies[second], delta(finish="stop"))

    names = [update.name for update in done if isinstance(update, ToolCallDone)]
    assert names == (["f", "g"] if first == "function_call" else ["g", "f"])
