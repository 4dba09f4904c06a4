"""Whatever the order of verdicts, only approved text is released, in its order."""

from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from sseparse import Accumulator, ChatCompletionChunk
from sseparse.chunks import ChoiceDelta, ChunkChoice, FunctionDelta, ToolCallDelta
from sseparse.moderation import Flagged, Gate, Replace, Verdict, Window
from sseparse.payloads._model import Kind

from .test_async import Chunks

KINDS: tuple[Kind, ...] = ("content", "reasoning", "arguments")
TEXTS = st.sampled_from(["a", "X", "aa. ", "X. ", " ", "\n", "bad. ", "b. a"])
PIECES = st.lists(st.tuples(st.sampled_from(KINDS), TEXTS, st.integers(0, 1)), max_size=20)
OPTIONS = st.fixed_dictionaries(
    {
        "window": st.sampled_from(["sentence", 1, 2]),
        "hold": st.integers(0, 3),
        "concurrent": st.integers(1, 4),
        "on_flagged": st.sampled_from(["stop", "stop_choice"]),
        "kinds": st.sampled_from([KINDS, ("content",), ("reasoning", "arguments")]),
    }
)
Pieces = list[tuple[Kind, str, int]]


def judge(text: str) -> Verdict:
    return "b" not in text and Replace(text.replace("X", "-"))


def chunks_of(pieces: Pieces) -> list[ChatCompletionChunk]:
    chunks: list[ChatCompletionChunk] = []
    for kind, text, index in pieces:
        delta = ChoiceDelta(content=text)
        if kind == "reasoning":
            delta = ChoiceDelta(reasoning=text)
        elif kind == "arguments":
            function = FunctionDelta(arguments=text)
            delta = ChoiceDelta(tool_calls=[ToolCallDelta(index=0, function=function)])
        chunks.append(ChatCompletionChunk(choices=[ChunkChoice(index=index, delta=delta)]))
    ends = [ChunkChoice(index=n, delta=ChoiceDelta(), finish_reason="stop") for n in (0, 1)]
    return [*chunks, ChatCompletionChunk(choices=ends)]


def texts_in(chunks: list[ChatCompletionChunk]) -> dict[tuple[int, Kind], str]:
    """Return the texts that accumulating the chunks gives."""
    accumulator = Accumulator(kind="chat")
    for chunk in chunks:
        accumulator.add(chunk)
    texts: dict[tuple[int, Kind], str] = {}
    for choice in accumulator.snapshot().choices:
        calls = [call.function for call in choice.message.tool_calls or () if call.function]
        texts[choice.index, "content"] = choice.text
        texts[choice.index, "reasoning"] = choice.message.reasoning or ""
        texts[choice.index, "arguments"] = "".join(call.arguments for call in calls)
    return texts


def check_result(gate: Gate, pieces: Pieces, out: list[ChatCompletionChunk], kinds: Any) -> None:
    """Check that the chunks have what was released, and that only approved text was."""
    found = texts_in(out)
    choices = [choice for chunk in out for choice in chunk.choices]
    for index in (0, 1):
        reasons = [choice.finish_reason for choice in choices if choice.index == index]
        assert not any(reasons[:-1])  # the finish comes after the text
        for kind in KINDS:
            released = gate.released(index, kind)
            received = "".join(each for name, each, at in pieces if (name, at) == (kind, index))
            text = found.get((index, kind), "")
            if kind in kinds:
                assert text == released
                assert received.replace("X", "-").startswith(text)
                assert "b" not in text
            else:
                assert (released, text) == ("", "") or kind == "arguments"
            if gate.flagged is None and index not in gate.flags and kind in kinds:
                assert text == received.replace("X", "-")


@given(PIECES, OPTIONS)
def test_sync(pieces: Pieces, options: Any) -> None:
    """Checks in threads, or one at a time."""
    gate = Gate(judge, **options)
    out: list[ChatCompletionChunk] = []

    with suppress(Flagged):
        for chunk in gate.chunks(chunks_of(pieces)):
            out.append(chunk)  # noqa: PERF402 - the chunks before the error are kept
    check_result(gate, pieces, out, options["kinds"])


@given(PIECES, OPTIONS, st.lists(st.sampled_from([0, 1, 2, 5]), min_size=1, max_size=9))
def test_async(pieces: Pieces, options: Any, delays: list[int]) -> None:
    """Checks in tasks, which end in any order."""
    gate_of: list[Gate] = []
    out: list[ChatCompletionChunk] = []

    async def check(text: str) -> Verdict:
        await trio.sleep(delays[len(text) % len(delays)])
        return judge(text)

    async def read() -> None:
        gate = Gate(check, **options)
        gate_of.append(gate)
        with suppress(Flagged):
            async for chunk in gate.achunks(Chunks(*chunks_of(pieces))):
                assert isinstance(chunk, ChatCompletionChunk)
                out.append(chunk)

    trio.run(read, clock=trio.testing.MockClock(autojump_threshold=0))
    check_result(gate_of[0], pieces, out, options["kinds"])


@given(PIECES, OPTIONS, st.data())
def test_decide(pieces: Pieces, options: Any, data: st.DataObject) -> None:
    """Verdicts of decide(), in any order."""
    gate = Gate(**options)

    def decide(window: Window) -> None:
        # A replacement is accepted only for the first window of a text.
        verdict = judge(window.text)
        with suppress(RuntimeError):
            gate.decide(window, verdict)

    with suppress(Flagged):
        for chunk in chunks_of(pieces):
            gate.feed(chunk)
            for _ in range(data.draw(st.integers(0, 3))):
                if waiting := gate.waiting:
                    decide(waiting[data.draw(st.integers(0, len(waiting) - 1))])
        gate.close()
        while gate.waiting:
            decide(gate.waiting[0])
    for index in (0, 1):
        for kind in options["kinds"]:
            released = gate.released(index, kind)
            received = "".join(each for name, each, at in pieces if (name, at) == (kind, index))
            assert received.replace("X", "-").startswith(released)
            assert "b" not in released
            if gate.flagged is None and index not in gate.flags:
                assert released == received.replace("X", "-")


@pytest.mark.parametrize("on_flagged", ["stop", "stop_choice"])
@given(PIECES, st.integers(1, 4))
def test_release_first(on_flagged: Any, pieces: Pieces, concurrent: int) -> None:
    """With release="first", the reader gets all text up to the flag."""
    gate = Gate(
        lambda text: "b" not in text,
        release="first",
        kinds=KINDS,
        concurrent=concurrent,
        on_flagged=on_flagged,
    )
    out: list[ChatCompletionChunk] = []

    with suppress(Flagged):
        for chunk in gate.chunks(chunks_of(pieces)):
            out.append(chunk)  # noqa: PERF402 - the chunks before the error are kept
    found = texts_in(out)
    for index in (0, 1):
        received = [each for _, each, at in pieces if at == index]
        is_stopped = gate.flagged is not None or index in gate.flags
        assert is_stopped or "b" not in "".join(received)
        for kind in KINDS:
            text = "".join(each for name, each, at in pieces if (name, at) == (kind, index))
            assert found.get((index, kind), "") == gate.released(index, kind)
            assert text.startswith(gate.released(index, kind))
            assert is_stopped or text == gate.released(index, kind)
