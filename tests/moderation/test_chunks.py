"""chunks(): approved chunks instead of text."""

from typing import Any, get_args

import anyio
import pytest
from msgspec.structs import replace

from sseparse import (
    Accumulator,
    ChatCompletion,
    ChatCompletionChunk,
    ChatStream,
    ServerSentError,
    TransportError,
)
from sseparse.chunks import (
    ChoiceDelta,
    ChunkChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionUsage,
    FunctionDelta,
    ToolCallDelta,
)
from sseparse.moderation import Flagged, Gate, Replace
from sseparse.payloads._model import Kind

from .answers import AsyncSource, Blocklist, Source, chunk, piece
from .test_async import Chunks

KINDS = get_args(Kind)


def delta(choice: int = 0, finish_reason: str | None = None, **fields: Any) -> ChatCompletionChunk:
    each = ChunkChoice(index=choice, delta=ChoiceDelta(**fields), finish_reason=finish_reason)
    return ChatCompletionChunk(id="c1", model="m", choices=[each])


def call(index: int | None, name: str | None, arguments: str, **fields: Any) -> ToolCallDelta:
    return ToolCallDelta(
        index=index, function=FunctionDelta(name=name, arguments=arguments), **fields
    )


USAGE = ChatCompletionChunk(id="c1", choices=[], usage=CompletionUsage(total_tokens=5))


def result_of(chunks: Any) -> ChatCompletion:
    accumulator = Accumulator(kind="chat")
    for each in chunks:
        accumulator.add(each)
    return accumulator.snapshot()


def shape(chunks: Any) -> list[Any]:
    """Return the choice and the fields of each chunk."""
    out: list[Any] = []
    for each in chunks:
        fields = each.to_dict()
        if not each.choices:
            out.append("usage" if each.usage else "empty")
        for choice in fields["choices"]:
            choice.pop("index")
            out.append({**choice.pop("delta", {}), **choice})
    return out


class TestOrder:
    """Chunks are released in their order."""

    def test_content(self) -> None:
        """The role comes with the first text, the finish after the text, then the usage."""
        chunks = [
            delta(role="assistant", content=""),
            *(delta(content=text) for text in ("One", ". Tw", "o. Thr", "ee")),
            delta(finish_reason="stop"),
            USAGE,
        ]

        assert shape(Gate(Blocklist()).chunks(chunks)) == [
            *({"role": "assistant", "content": ""}, {"content": "One. "}, {"content": "Two. "}),
            *({"content": "Three"}, {"finish_reason": "stop"}, "usage"),
        ]

    def test_role_with_text(self) -> None:
        """A role that is repeated with each text is in the chunks of the text."""
        chunks = [delta(role="assistant", content="One. "), delta(role="assistant", content="T")]
        chunks += [delta(content="wo"), delta(finish_reason="stop")]

        assert shape(Gate(Blocklist(), hold=2).chunks(chunks)) == [
            {"role": "assistant", "content": "One"},
            {"role": "assistant", "content": ". T"},
            *({"content": "wo"}, {"finish_reason": "stop"}),
        ]

    def test_usage_in_the_middle(self) -> None:
        """Usage after each text waits for the text before it only."""
        chunks = [delta(content="One. T"), USAGE, delta(content="wo. "), USAGE]

        assert shape(Gate(Blocklist()).chunks(chunks)) == [
            *({"content": "One. "}, {"content": "Two. "}, "usage", "usage")
        ]

    def test_many_items(self) -> None:
        """At most 1,000 items wait for the end of a window."""
        chunks = [delta(content="One"), *[USAGE] * 1000, delta(content="Two")]
        check = Blocklist()

        out = Gate(check).chunks(chunks)
        assert shape(next(out) for _ in range(1001)) == [{"content": "One"}, *["usage"] * 1000]
        assert check.seen == ["One"]

    @pytest.mark.anyio
    async def test_many_items_during_a_check(self) -> None:
        """About 1,000 items wait for a check."""

        async def check(_: str) -> bool:
            await anyio.lowlevel.checkpoint()
            return True

        chunks: Any = AsyncSource(delta(content="One. "), *[USAGE] * 3000)
        await anext(Gate(check, concurrent=2).achunks(chunks))
        assert chunks.source.left == 3000 - 1001

    def test_promptness(self) -> None:
        """A chunk is released before more of the stream is read."""
        source = Source(delta(role="assistant"), chunk("One. "), chunk("Two. "))
        chunks: Any = Gate(Blocklist()).chunks(source)

        for left in (2, 1, 0):
            next(chunks)
            assert source.left == left

    def test_unchecked_tool_calls(self) -> None:
        """Tool calls that aren't checked pass after the text before them, as they are."""
        calls = [call(0, "f", "{}", id="x")]
        chunks = [delta(content="One"), delta(tool_calls=calls, finish_reason="tool_calls")]

        first, second, third = Gate(Blocklist()).chunks(chunks)
        assert first.text == "One"
        assert second.choices[0].delta.tool_calls == calls
        assert third.choices[0].finish_reason == "tool_calls"

    @pytest.mark.parametrize("hold", [0, 2])
    def test_unchecked_text_is_prompt(self, hold: int) -> None:
        """Text of another kind that isn't checked completes the window before it."""
        calls = [call(0, "f", "", id="x")]
        chunks = [delta(content="One. Two"), delta(tool_calls=calls), delta(reasoning="Hm")]
        source: Any = Source(*chunks, OSError())
        out = Gate(Blocklist(), unchecked=("arguments", "reasoning"), hold=hold).chunks(source)

        names = [name for _ in range(4) for each in shape([next(out)]) for name in each]
        assert names == ["content", "content", "tool_calls", "reasoning"]

    def test_function_call(self) -> None:
        """The same holds for a legacy function call."""
        function = FunctionDelta(name="f", arguments="{}")

        [one] = Gate(Blocklist()).chunks([delta(function_call=function)])
        assert one.choices[0].delta.function_call == function

    def test_checked_function_call(self) -> None:
        """The name of a legacy function call comes before its arguments."""
        calls = [
            FunctionDelta(name="f"),
            FunctionDelta(arguments="{"),
            FunctionDelta(arguments="}"),
        ]
        chunks = [delta(function_call=each) for each in calls]

        assert shape(Gate(Blocklist(), kinds=KINDS).chunks(chunks)) == [
            {"function_call": {"name": "f", "arguments": ""}},
            {"function_call": {"arguments": "{}"}},
        ]

    @pytest.mark.parametrize("hold", [0, 4])
    @pytest.mark.parametrize("index", [None, 0])
    def test_checked_tool_calls(self, index: int | None, hold: int) -> None:
        """Arguments that are checked come after the start of their call, before the next one."""
        chunks = [
            delta(role="assistant", tool_calls=[call(index, "f", "", id="x")]),
            delta(tool_calls=[call(index, None, '{"a": '), call(index, None, "1}")]),
            delta(tool_calls=[call(index, "g", '{"b": 2}', id="y")], finish_reason="tool_calls"),
        ]

        check = Blocklist()
        gate = Gate(check, kinds=("arguments",), window=4, hold=hold)
        assert result_of(gate.chunks(chunks)) == result_of(chunks)
        assert check.seen[-1] == '{"a": 1}{"b": 2}'

    def test_calls_side_by_side(self) -> None:
        """The arguments of several calls are texts of their own."""
        chunks = [
            delta(tool_calls=[call(n, "f", "", id=f"x{n}") for n in range(2)]),
            *(delta(tool_calls=[call(n, None, f'"{n}{t}')]) for t in "ab" for n in range(2)),
            delta(finish_reason="tool_calls"),
        ]

        assert result_of(Gate(Blocklist(), kinds=KINDS).chunks(chunks)) == result_of(chunks)

    def test_reasoning(self) -> None:
        """Content completes the last window of the reasoning before it."""
        chunks = [delta(reasoning_content="Hm"), delta(content="One. "), delta(content="Two")]
        chunks = [*chunks, delta(finish_reason="stop")]

        gate = Gate(Blocklist(), kinds=("content", "reasoning"))
        out = gate.chunks(iter(chunks))
        assert shape([next(out), next(out)]) == [{"reasoning_content": "Hm"}, {"content": "One. "}]
        assert gate.released(kind="reasoning") == "Hm"
        assert gate.released() == "One. "

    def test_choices(self) -> None:
        """Each choice has chunks of its own."""
        chunks = [
            ChatCompletionChunk(
                choices=[each for n in (0, 1) for each in delta(n, content=text).choices]
            )
            for text in ("One. ", "Two")
        ]

        assert [
            (each.choices[0].index, each.choices[0].text) for each in Gate(bool).chunks(chunks)
        ] == [*((0, "One. "), (1, "One. "), (0, "Two"), (1, "Two"))]

    def test_legacy(self) -> None:
        """Chunks of legacy completions are supported."""
        chunks = [
            CompletionChunk(choices=[CompletionChunkChoice(index=0, text=text)])
            for text in ("", "One", ". Two")
        ]
        end = CompletionChunkChoice(index=0, text="", finish_reason="stop")
        out = [*Gate(Blocklist()).chunks([*chunks, CompletionChunk(choices=[end])])]

        assert [each.text for each in out] == ["", "One. ", "Two", ""]
        assert out[-1].choices[0].finish_reason == "stop"
        assert [
            each.text
            for each in Gate(Blocklist(), kinds=("refusal",), unchecked=("content",)).chunks(chunks)
        ] == ["", "One", ". Two"]


class TestResult:
    """Accumulating the chunks gives what the reader got."""

    def test_masks(self) -> None:
        """The result, the released text and the text of the chunks have the replacement."""
        chunks = [delta(content=text) for text in ("My name", " is Bob", ". Really.")]
        gate = Gate(lambda text: Replace(text.replace("Bob", "X")), hold=3)

        assert result_of(gate.chunks(chunks)).text == gate.released() == "My name is X. Really."

    def test_flagged(self) -> None:
        """After a flag, the result has the released text, and partial has more."""
        stream = ChatStream([piece("One. Bad. "), piece(None, finish_reason="stop")])
        gate = Gate(Blocklist("Bad"))
        out: list[Any] = []

        with pytest.raises(Flagged) as caught:
            out.extend(gate.chunks(stream))
        assert result_of(out).text == "One. "
        assert isinstance(caught.value.partial, ChatCompletion)
        assert caught.value.partial.text == "One. Bad. "

    def test_message(self) -> None:
        """The message has the kind of the text, unless it's content."""
        with pytest.raises(Flagged, match="window 0 of the refusal of choice 0 was flagged"):
            list(Gate(Blocklist("No"), kinds=("refusal",)).chunks([delta(refusal="No")]))

    @pytest.mark.parametrize("concurrent", [1, 3])
    def test_errors(self, concurrent: int) -> None:
        """An error of the stream is raised after the approved text."""
        for error, kind in (
            (OSError("reset"), TransportError),
            (b'data: {"error": {"message": "x"}}\n\n', ServerSentError),
        ):
            out: list[ChatCompletionChunk] = []
            stream = ChatStream(Source(piece("One. Tw"), error))
            with pytest.raises(kind):
                for each in Gate(Blocklist(), concurrent=concurrent).chunks(stream):
                    out.append(each)  # noqa: PERF402 - the chunks before the error are kept
            assert [each.text for each in out] == ["One. ", "Tw"]

    @pytest.mark.anyio
    @pytest.mark.parametrize("concurrent", [1, 3])
    async def test_async(self, concurrent: int) -> None:
        """achunks() is the same for asynchronous streams."""

        async def check(_: str) -> bool:
            return True

        chunks = [delta(content="One. T"), delta(content="wo"), delta(finish_reason="stop"), USAGE]
        gate = Gate(check, concurrent=concurrent)
        out = [each async for each in gate.achunks(Chunks(*chunks))]
        assert shape(out) == [
            {"content": "One. "},
            {"content": "Two"},
            {"finish_reason": "stop"},
            "usage",
        ]


class TestKinds:
    """What isn't checked is withheld, unless it is in `unchecked`."""

    CHUNKS = (
        delta(reasoning="Hm. ", refusal="No. "),
        delta(content="One. ", tool_calls=[call(0, "f", "{}", id="x")]),
    )

    def test_default(self) -> None:
        """By default content is checked, tool calls pass, and the rest is withheld."""
        gate = Gate(Blocklist())

        assert shape(gate.chunks(self.CHUNKS))[0] == {"content": "One. "}
        assert gate.withheld == ("reasoning", "refusal")

    def test_withheld_calls(self) -> None:
        """If arguments are withheld, the start of their call is too."""
        gate = Gate(Blocklist(), unchecked=())

        assert shape(gate.chunks(self.CHUNKS)) == [{"content": "One. "}]
        assert gate.withheld == ("reasoning", "refusal", "arguments")

    def test_unchecked(self) -> None:
        """Kinds in `unchecked` pass as they are."""
        gate = Gate(Blocklist(), unchecked=("reasoning", "refusal"))

        assert shape(gate.chunks(self.CHUNKS)) == [
            {"reasoning": "Hm. ", "refusal": "No. "},
            {"content": "One. "},
        ]

    def test_other_names(self) -> None:
        """Reasoning that passes without a check keeps its names."""
        fields = {"thinking": "Hm. ", "unknown": "x"}
        gate = Gate(Blocklist(), unchecked=("reasoning",))

        assert shape(gate.chunks([delta(extra=fields)])) == [{"thinking": "Hm. "}]
        assert gate.withheld == ("unknown",)

    @pytest.mark.parametrize("fields", [{}, {"x": 1}])
    def test_obfuscation(self, fields: dict[str, Any]) -> None:
        """The padding of chunks is left out, and named."""
        chunks = [replace(delta(content="Hm. "), obfuscation="xyz", extra=fields)]
        gate = Gate(Blocklist())

        assert shape(gate.chunks(chunks)) == [{"content": "Hm. "}]
        assert gate.withheld == ("obfuscation", *fields)

    def test_releases(self) -> None:
        """releases() has all kinds that are checked; text_deltas() only content."""

        def kinds(gate: Gate) -> list[str]:
            return [each.kind for each in gate.releases(self.CHUNKS)]

        assert kinds(Gate(Blocklist(), kinds=KINDS)) == [
            "reasoning",
            "refusal",
            "content",
            "arguments",
        ]
        assert [*Gate(Blocklist(), kinds=KINDS).text_deltas(self.CHUNKS)] == ["One. "]

    def test_windows(self) -> None:
        """A check that takes windows gets the kind, the choice and the number."""
        seen: list[Any] = []

        def check(window: Any) -> bool:
            seen.append((window.kind, window.choice, window.number, window.part, window.text))
            return True

        gate = Gate(check_window=check, kinds=KINDS)
        list(gate.chunks([*self.CHUNKS, delta(1, tool_calls=[call(3, "f", "{}")])]))
        assert seen == [
            *(("reasoning", 0, 0, 0, "Hm. "), ("refusal", 0, 0, 0, "No. ")),
            *(("content", 0, 0, 0, "One. "), ("arguments", 0, 0, 0, "{}")),
            ("arguments", 1, 0, 3, "{}"),
        ]

    @pytest.mark.parametrize(
        "options",
        [
            {"kinds": "content"},
            {"kinds": ()},
            {"kinds": ("text",)},
            {"release": "last"},
            {"on_flagged": "ignore"},
            {"release": "first", "hold": 2},
        ],
        ids=str,
    )
    def test_invalid(self, options: Any) -> None:
        """Invalid options raise ValueError."""
        with pytest.raises(ValueError, match=next(iter(options))):
            Gate(**options)

    def test_two_checks(self) -> None:
        """A gate has one check, which is a function."""
        with pytest.raises(ValueError, match="check_window"):
            Gate(bool, check_window=bool)
        with pytest.raises(TypeError, match="function of a window"):
            Gate(check_window="no")  # type: ignore[arg-type]  # not a function

    def test_feed_text(self) -> None:
        """feed_text() takes texts of the kinds that are checked."""
        gate = Gate(kinds=("refusal",))
        [window] = gate.feed_text("No. ", kind="refusal")

        assert gate.waiting == (window,)
        assert gate.held(kind="refusal") == "No. "
        with pytest.raises(ValueError, match="'content'"):
            gate.feed_text("One. ")

    def test_two_views(self) -> None:
        """A gate iterates text or chunks, not both."""
        gate = Gate(Blocklist())
        chunks = [chunk("One. ")]
        gate.chunks(chunks)

        with pytest.raises(RuntimeError, match="text or chunks"):
            gate.releases(chunks)


class TestStopChoice:
    """With on_flagged="stop_choice", only the choice of the flagged window stops."""

    CHUNKS = (
        chunk("One. "),
        chunk("Uno. ", 1),
        chunk("Bad. Two", 0),
        chunk("Dos. ", 1),
        chunk("Three", 0, "stop"),
        chunk("Tres", 1, "stop"),
        USAGE,
    )

    @pytest.mark.parametrize("concurrent", [1, 2, 9])
    def test_chunks(self, concurrent: int) -> None:
        """The choice ends with "content_filter"; the others and the usage go on."""
        gate = Gate(Blocklist("Bad"), on_flagged="stop_choice", concurrent=concurrent)

        result = result_of(gate.chunks(self.CHUNKS))
        assert [(each.text, each.finish_reason) for each in result.choices] == [
            *(("One. ", "content_filter"), ("Uno. Dos. Tres", "stop"))
        ]
        assert result.usage == USAGE.usage
        assert [*gate.flags] == [0]
        assert gate.flags[0].released == "One. "
        assert gate.flagged is None
        assert gate.waiting == ()

    @pytest.mark.parametrize("concurrent", [1, 2])
    def test_releases(self, concurrent: int) -> None:
        """The text of the other choices is released, then the error is raised."""
        gate = Gate(Blocklist("Bad"), on_flagged="stop_choice", concurrent=concurrent)
        out: list[Any] = []

        with pytest.raises(Flagged) as caught:
            out.extend(gate.releases(self.CHUNKS))
        assert caught.value is gate.flags[0]
        assert gate.released(1) == "Uno. Dos. Tres"

    def test_usage_at_once(self) -> None:
        """Usage doesn't wait for text of a stopped choice."""
        chunks: Any = [chunk("Bad. And"), USAGE, chunk("One", 1)]
        out = Gate(Blocklist("Bad"), on_flagged="stop_choice").chunks(iter(chunks))

        assert shape([next(out), next(out)]) == [{"finish_reason": "content_filter"}, "usage"]

    def test_manual(self) -> None:
        """decide() returns nothing for a stopped choice, and its text isn't recorded."""
        gate = Gate(on_flagged="stop_choice")
        first, second = gate.feed_text("Bad. Two. ")
        [other] = gate.feed_text("Uno. ", 1)

        assert gate.decide(first, False) == []
        assert gate.decide(second, True) == []
        assert gate.feed_text("Three. ") == []
        assert gate.waiting == (other,)
        assert gate.close() == []
        assert gate.released() == ""

    def test_failure(self) -> None:
        """A check that fails stops its choice too, with its failure as the cause."""
        gate = Gate(on_flagged="stop_choice")
        [window] = gate.feed_text("One. ")
        error = OSError()
        gate.fail(window, error)

        assert gate.flags[0].__cause__ is error

    def test_legacy(self) -> None:
        """The same holds for legacy chunks."""
        each = CompletionChunkChoice(index=1, text="Bad")
        [out] = Gate(Blocklist("Bad"), on_flagged="stop_choice").chunks(
            [CompletionChunk(choices=[each])]
        )

        assert (out.choices[0].index, out.choices[0].text) == (1, "")
        assert out.choices[0].finish_reason == "content_filter"


class TestReleaseFirst:
    """With release="first", text is released at once and checked afterwards."""

    @pytest.mark.parametrize("concurrent", [1, 3])
    def test_text(self, concurrent: int) -> None:
        """Each text is released before its window is complete; the flag says what to retract."""
        gate = Gate(Blocklist("Bad"), release="first", concurrent=concurrent)
        out: list[str] = []

        with pytest.raises(Flagged) as caught:
            out.extend(gate.text_deltas([chunk("On"), chunk("e. Ba"), chunk("d. "), chunk("No. ")]))
        assert out[:3] == ["On", "e. Ba", "d. "]
        assert caught.value.window.new == "Bad. "
        assert caught.value.released == "".join(out)
        assert caught.value.held == ""

    def test_chunks(self) -> None:
        """Chunks are released in their order, without what can't be checked."""
        chunks = [
            delta(role="assistant"),
            delta(content="On"),
            delta(content="e.", finish_reason="stop"),
            USAGE,
        ]

        assert shape(Gate(Blocklist(), release="first").chunks(chunks)) == [
            *(
                {"role": "assistant"},
                {"content": "On"},
                {"content": "e."},
                {"finish_reason": "stop"},
                "usage",
            )
        ]

    def test_check_comes_after(self) -> None:
        """The check of a window is called when its text was returned."""
        check = Blocklist()
        texts = Gate(check, release="first").text_deltas([chunk("One. "), chunk("Two. ")])

        next(texts)
        assert check.seen == []
        next(texts)
        assert check.seen == ["One. "]

    def test_replacement(self) -> None:
        """A replacement without a change approves; one with a change blocks."""
        gate = Gate(lambda text: Replace(text.replace("Bob", "X")), release="first")
        with pytest.raises(Flagged) as caught:
            list(gate.text_deltas([chunk("One. Bob. ")]))
        assert isinstance(caught.value.failure, ValueError)
        assert gate.released() == "One. Bob. "
        gate = Gate(lambda text: Replace(text + "!"), release="first")
        with pytest.raises(Flagged):
            list(gate.text_deltas([chunk("One. ")]))

    def test_timeline(self) -> None:
        """A timeline records text when it is released."""
        texts: list[str] = []

        class Recorder:
            def on_release(self, text: str) -> None:
                texts.append(text)

        gate = Gate(Blocklist(), release="first", timeline=Recorder())
        half, rest = "One\ud83d", "\ude00"
        assert next(gate.text_deltas([chunk(half), chunk(rest)])) == "One"
        assert texts == ["One"]

    @pytest.mark.anyio
    async def test_async(self) -> None:
        """The same holds for asynchronous iteration."""
        gate = Gate(Blocklist("Bad"), release="first")
        texts = gate.atext_deltas(Chunks(chunk("On"), chunk("e. Bad. "), chunk("Two")))

        assert [await anext(texts), await anext(texts)] == ["On", "e. Bad. "]
        with pytest.raises(Flagged):
            await anext(texts)

    def test_stop_choice(self) -> None:
        """A flagged choice gets another finish reason."""
        gate = Gate(Blocklist("Bad"), release="first", on_flagged="stop_choice")

        result = result_of(gate.chunks([chunk("Bad. "), chunk("More. "), chunk("Uno", 1)]))
        assert [(each.text, each.finish_reason) for each in result.choices] == [
            *(("Bad. ", "content_filter"), ("Uno", None))
        ]
