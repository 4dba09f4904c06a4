"""
One view of three APIs: programs written against updates and results work with each of them.

Each API streams the same answer here: reasoning, text, a tool call, a finish and token counts.
"""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from attrs import frozen

from sseparse import (
    Accumulator,
    AsyncChatStream,
    ChatStream,
    ChunkParser,
    ChunkReader,
    Deadlines,
    EndCause,
    IncompleteStream,
    LimitExceeded,
    ServerSentError,
    StreamTimeout,
    encode_chunk,
    messages,
    responses,
    to_chunks,
)
from sseparse.chunks import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    ReasoningDelta,
    ReasoningDone,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from sseparse.moderation import Flagged, Gate, Replace
from sseparse.testing import check_parser
from sseparse.timing import Timeline

REASONING = ("Let me ", "think.")
TEXTS = ("The sky ", "is blue. ", "Always.")
ARGUMENTS = ('{"city":', '"Bonn"}')


def event(body: dict[str, Any]) -> bytes:
    name = f"event: {body['type']}\n" if "type" in body else ""
    return f"{name}data: {json.dumps(body)}\n\n".encode()


def chat_events() -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, **choice}]
        return {"id": "a1", "model": "m", "created": 1, "choices": choices}

    yield chunk({"role": "assistant"})
    for text in REASONING:
        yield chunk({"reasoning_content": text})
    for text in TEXTS:
        yield chunk({"content": text})
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather"}}
    yield chunk({"tool_calls": [call]})
    for text in ARGUMENTS:
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})
    yield {**chunk({}, finish_reason="tool_calls"), "usage": None}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    yield {"id": "a1", "model": "m", "created": 1, "choices": [], "usage": usage}


def response_events() -> Iterator[dict[str, Any]]:
    head = {"id": "a1", "object": "response", "model": "m", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": head}
    part = {"item_id": "i0", "output_index": 0, "summary_index": 0}
    yield added(0, {"id": "i0", "type": "reasoning", "summary": []})
    yield {
        "type": "response.reasoning_summary_part.added",
        **part,
        "part": {"type": "summary_text", "text": ""},
    }
    for text in REASONING:
        yield {"type": "response.reasoning_summary_text.delta", **part, "delta": text}
    summary = [{"type": "summary_text", "text": "".join(REASONING)}]
    reasoning = {"id": "i0", "type": "reasoning", "summary": summary}
    yield {"type": "response.output_item.done", "output_index": 0, "item": reasoning}
    yield added(1, {"id": "i1", "type": "message", "role": "assistant", "content": []})
    part = {"item_id": "i1", "output_index": 1, "content_index": 0}
    for text in TEXTS:
        yield {"type": "response.output_text.delta", **part, "delta": text}
    whole = "".join(TEXTS)
    yield {"type": "response.output_text.done", **part, "text": whole}
    content = [{"type": "output_text", "text": whole, "annotations": []}]
    message = {"id": "i1", "type": "message", "role": "assistant", "content": content}
    yield {"type": "response.output_item.done", "output_index": 1, "item": message}
    call = {"id": "i2", "type": "function_call", "call_id": "c1", "name": "weather"}
    yield added(2, {**call, "arguments": ""})
    part = {"item_id": "i2", "output_index": 2}
    for text in ARGUMENTS:
        yield {"type": "response.function_call_arguments.delta", **part, "delta": text}
    whole = "".join(ARGUMENTS)
    yield {"type": "response.function_call_arguments.done", **part, "arguments": whole}
    call["arguments"] = whole
    yield {"type": "response.output_item.done", "output_index": 2, "item": call}
    usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    done = {"status": "completed", "output": [reasoning, message, call], "usage": usage}
    yield {"type": "response.completed", "response": {**head, **done}}


def added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def message_events() -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": "a1", "type": "message", "role": "assistant", "model": "m", "content": []}
    yield {"type": "message_start", "message": {**message, "usage": usage}}
    call = {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}
    for index, (block, kind, name, pieces) in enumerate(
        (
            ({"type": "thinking", "thinking": ""}, "thinking_delta", "thinking", REASONING),
            ({"type": "text", "text": ""}, "text_delta", "text", TEXTS),
            (call, "input_json_delta", "partial_json", ARGUMENTS),
        )
    ):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        for text in pieces:
            delta = {"type": kind, name: text}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    usage = {"output_tokens": 7}
    yield {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage}
    yield {"type": "message_stop"}


@frozen
class API:
    """The classes of an API, the events of the answer, and an error of the server."""

    stream: Callable[..., Any]
    async_stream: Callable[..., Any]
    reader: Callable[..., Any]
    parser: Callable[..., Any]
    accumulator: Callable[..., Any]
    encode: Callable[[Any], bytes]
    to_items: Callable[[Any], Iterable[Any]]
    events: tuple[dict[str, Any], ...]
    end: bytes
    error: dict[str, Any]

    @property
    def body(self) -> bytes:
        return b"".join(map(event, self.events)) + self.end


APIS = {
    "chat": API(
        *(ChatStream, AsyncChatStream, ChunkReader, ChunkParser, Accumulator, encode_chunk),
        to_chunks,
        tuple(chat_events()),
        b"data: [DONE]\n\n",
        {"error": {"message": "overloaded", "code": "busy"}},
    ),
    "responses": API(
        *(responses.ResponseStream, responses.AsyncResponseStream, responses.ResponseReader),
        *(responses.ResponseParser, responses.ResponseAccumulator, responses.encode_event),
        responses.to_events,
        tuple(response_events()),
        b"",
        {"type": "error", "code": "busy", "message": "overloaded"},
    ),
    "messages": API(
        *(messages.MessageStream, messages.AsyncMessageStream, messages.MessageReader),
        *(messages.MessageParser, messages.MessageAccumulator, messages.encode_event),
        messages.to_events,
        tuple(message_events()),
        b"",
        {"type": "error", "error": {"type": "busy", "message": "overloaded"}},
    ),
}


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> API:
    return APIS[request.param]


def render(updates: Iterable[Any]) -> list[tuple[str, Any]]:
    """A user interface, written once: what is shown, in order."""
    shown: list[tuple[str, Any]] = []
    for update in updates:
        match update:
            case ReasoningDelta(text=text):
                shown.append(("reasoning", text))
            case ContentDelta(text=text):
                shown.append(("text", text))
            case ReasoningDone(text=text):
                shown.append(("all reasoning", text))
            case ContentDone(text=text):
                shown.append(("all text", text))
            case ToolCallStarted(call=call, id=id_, name=name, type=kind):
                shown.append(("call", (call, id_, name, kind)))
            case ArgumentsDelta(call=call, text=text):
                shown.append(("arguments", (call, text)))
            case ToolCallDone(call=call, name=name, value=value, fault=None):
                shown.append(("run", (call, name, value)))
            case ChoiceFinished():
                shown.append(("finished", None))
            case UsageReported(usage=usage):
                shown.append(("usage", usage.token_counts().output))
    return shown


def test_user_interface(api: API) -> None:
    """A user interface written against updates shows the same for each API."""
    stream = api.stream([api.body])
    shown = render(stream.updates())

    # The APIs differ in when a text is known to be complete, and in how often they report usage.
    moments = [each for each in shown if each[0] in ("reasoning", "text", "call", "arguments")]
    assert moments == [
        *(("reasoning", text) for text in REASONING),
        *(("text", text) for text in TEXTS),
        ("call", (0, "c1", "weather", "function")),
        *(("arguments", (0, text)) for text in ARGUMENTS),
    ]
    others = {name: value for name, value in shown if (name, value) not in moments}
    assert others == {
        "all reasoning": "".join(REASONING),
        "all text": "".join(TEXTS),
        "run": (0, "weather", {"city": "Bonn"}),
        "finished": None,
        "usage": 7,
    }
    assert stream.end.cause is EndCause.DONE


def test_result(api: API) -> None:
    """The result has the text, the calls and the token counts under the same names."""
    result = api.stream([api.body]).result()

    assert result.id == "a1"
    assert result.text == "".join(TEXTS)
    (call,) = result.tool_calls
    assert (call.id, call.name, call.value) == ("c1", "weather", {"city": "Bonn"})
    assert call.parse(dict[str, str]) == {"city": "Bonn"}
    counts = result.usage.token_counts()
    assert (counts.input, counts.output) == (5, 7)
    assert result.parse(str.upper) == "".join(TEXTS).upper()
    assert list(result.notes) == []


def test_values_are_copied(api: API) -> None:
    """Events and results can be copied and pickled."""
    stream = api.stream([api.body])
    for value in [*stream, stream.result()]:
        for copied in (
            copy.copy(value),
            copy.deepcopy(value),
            pickle.loads(pickle.dumps(value)),
        ):
            assert copied == value
            assert repr(copied) == repr(value)


def test_text_and_snapshots(api: API) -> None:
    """Text deltas join to the text, and a snapshot has the text so far."""
    stream = api.stream([api.body])
    shown = ""
    for text in stream.text_deltas():
        shown += text
        assert stream.snapshot().text == shown
    assert shown == "".join(TEXTS)


@pytest.mark.anyio
async def test_asynchronous_stream(api: API) -> None:
    """The asynchronous stream gives the same updates and result."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(api.body), 100):
            yield api.body[at : at + 100]

    stream = api.async_stream(pieces())
    updates = [update async for update in stream.updates()]
    assert render(updates) == render(api.stream([api.body]).updates())
    assert await stream.result() == api.stream([api.body]).result()


def test_every_split(api: API) -> None:
    """The items don't depend on how the bytes are split."""
    assert check_parser(api.parser, api.body).error is None


def test_truncated_stream(api: API) -> None:
    """A stream that ends after the text raises an error with the text."""
    is_text = [TEXTS[-1] in json.dumps(each) for each in api.events]
    body = b"".join(map(event, api.events[: is_text.index(True) + 1]))
    with pytest.raises(IncompleteStream) as raised:
        api.stream([body]).result()
    assert raised.value.partial.text == "".join(TEXTS)
    assert api.stream([body], on_incomplete="accept").result().text == "".join(TEXTS)


def test_error_of_the_server(api: API) -> None:
    """An error in the stream is raised after the items before it, with the text."""
    half = len(api.events) // 2
    body = b"".join(map(event, api.events[:half]))
    stream = api.stream([body + event(api.error)])
    seen = []
    with pytest.raises(ServerSentError, match="overloaded") as raised:
        seen += [item.text for item in stream]
    error = raised.value
    assert (error.message, error.code or error.type) == ("overloaded", "busy")
    reader = api.reader()
    reader.feed(body)
    assert error.partial == reader.snapshot()


def test_timeout(api: API) -> None:
    """A deadline raises an error with the text so far."""

    def pieces() -> Iterator[bytes]:
        yield api.body[: api.body.index(b"blue")]
        raise TimeoutError

    with pytest.raises(StreamTimeout) as raised:
        api.stream(pieces(), deadlines=Deadlines(total=60)).result()
    assert raised.value.partial.text == TEXTS[0]


def test_limit_of_the_result(api: API) -> None:
    """A result larger than its limit raises an error."""
    with pytest.raises(LimitExceeded, match="max_accumulated_bytes"):
        api.stream([api.body], max_accumulated_bytes=100).result()


def test_timeline(api: API) -> None:
    """A timeline measures the first token, the text and the tokens."""
    ticks = iter(range(1000))
    timeline = Timeline(clock=lambda: next(ticks))
    pieces = [event(each) for each in api.events]
    api.stream([*pieces, api.end], timeline=timeline).result()
    summary = timeline.summary()

    assert summary.tokens == 7
    # The name of the tool is output too.
    assert summary.characters == len("".join(("weather", *REASONING, *TEXTS, *ARGUMENTS)))
    assert summary.time_to_first_token is not None
    assert summary.time_to_first_text is not None
    assert summary.time_to_first_token < summary.time_to_first_text
    assert summary.end is EndCause.DONE


def test_round_trip(api: API) -> None:
    """The items of a result, encoded, stream to an equal result."""
    result = api.stream([api.body]).result()
    body = b"".join(map(api.encode, api.to_items(result))) + api.end
    again = api.stream([body]).result()
    assert again == result
    assert again.to_dict() == result.to_dict()


def mask(text: str) -> Replace:
    return Replace(text.replace("blue", "****"))


def test_moderated_text(api: API) -> None:
    """A gate releases the text of each API, and stops at a window that is flagged."""
    released = [*Gate(lambda _: True).text_deltas(api.stream([api.body]))]
    assert "".join(released) == "".join(TEXTS)

    gate = Gate(lambda text: "Always" not in text)
    with pytest.raises(Flagged) as raised:
        list(gate.text_deltas(api.stream([api.body])))
    assert raised.value.released == "The sky is blue. "


@pytest.mark.parametrize("kinds", [("content",), ("content", "reasoning", "arguments")])
def test_masked_items(api: API, kinds: Any) -> None:
    """A masked text is masked in the items, in their bytes and in their result."""
    gate = Gate(mask, kinds=kinds)
    items = [*gate.chunks(api.stream([api.body]))]
    body = b"".join(map(api.encode, items)) + api.end
    assert b"blue" not in body

    result = api.stream([body]).result()
    assert result.text == "The sky is ****. Always."
    assert gate.released() == result.text
    counts = result.usage.token_counts()
    assert (counts.input, counts.output) == (5, 7)
    if "arguments" in kinds:
        assert [call.value for call in result.tool_calls] == [{"city": "Bonn"}]
