"""Tests of the updates of messages."""

from typing import Any

import pytest

from sseparse import LimitExceeded
from sseparse.messages import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    JSONFault,
    MessageAccumulator,
    MessageStream,
    MessageUsage,
    ReasoningDelta,
    ReasoningDone,
    ToolCallDone,
    ToolCallStarted,
    Update,
    UsageReported,
)

from .events import (
    HELLO,
    PING,
    STOP,
    block_start,
    block_stop,
    delta,
    json_piece,
    message_delta,
    message_of,
    message_start,
    parsed,
    text,
    text_start,
    tool_start,
)
from .recordings import Recording

FIRST = UsageReported(MessageUsage(input_tokens=10, output_tokens=1))
LAST = UsageReported(MessageUsage(input_tokens=10, output_tokens=5))


def updates_of(*events: dict[str, Any]) -> list[Update]:
    """Return all updates, each as it was when it was returned."""
    accumulator = MessageAccumulator()
    updates = [update for event in parsed(*events) for update in accumulator.updates(event)]
    updates += accumulator.last_updates()
    assert accumulator.snapshot() == message_of(*events)
    return updates


def test_text_and_reasoning() -> None:
    """Texts are done when their block ends, before the stop reason and the token counts."""
    events = [
        message_start(),
        *(block_start(0, "thinking", thinking=""), delta(0, "thinking_delta", thinking="hm")),
        *(delta(0, "signature_delta", signature="s"), block_stop(0), text_start(1)),
        *(text(1, "a"), PING, text(1, ""), text(1, "b"), block_stop(1), message_delta(), STOP),
    ]

    assert updates_of(*events) == [
        *(FIRST, ReasoningDelta(0, "hm", 0), ReasoningDone(0, "hm", 0)),
        *(ContentDelta(0, "a", 1), ContentDelta(0, "b", 1), ContentDone(0, "ab", 1)),
        *(ChoiceFinished(0, "end_turn"), LAST),
    ]


def test_call() -> None:
    """A call of a tool begins with its block and is done with it."""
    events = [
        *(message_start(), text_start(), block_stop(), tool_start(1), json_piece(1, "")),
        *(json_piece(1, '{"a":'), json_piece(1, "1}"), block_stop(1), block_stop(1)),
        *(message_delta("tool_use"), STOP),
    ]
    value = {"a": 1}

    assert updates_of(*events) == [
        *(FIRST, ToolCallStarted(0, 0, "toolu_1", "f", "function", 1)),
        *(ArgumentsDelta(0, 0, '{"a":', value, 1), ArgumentsDelta(0, 0, "1}", value, 1)),
        ToolCallDone(0, 0, "toolu_1", "f", "function", '{"a":1}', value, None, 1),
        *(ChoiceFinished(0, "tool_use"), LAST),
    ]


def test_value_grows() -> None:
    """The value of the arguments grows with each piece."""
    accumulator = MessageAccumulator()
    events = parsed(message_start(), tool_start(), *map(piece, ('{"a": "x', "y", '"}')))
    updates = (update for event in events for update in accumulator.updates(event))
    seen = [dict(update.value) for update in updates if isinstance(update, ArgumentsDelta)]
    assert seen == [{"a": "x"}, {"a": "xy"}, {"a": "xy"}]


def piece(value: str) -> dict[str, Any]:
    return json_piece(0, value)


def test_call_without_pieces() -> None:
    """A call without streamed input has the input with which it began."""
    events = [
        *(message_start(), tool_start(0, input={"a": 1}), block_stop(), tool_start(1)),
        *(json_piece(1, ""), block_stop(1), message_delta("tool_use")),
    ]

    assert updates_of(*events) == [
        *(FIRST, ToolCallStarted(0, 0, "toolu_0", "f", "function", 0)),
        ArgumentsDelta(0, 0, '{"a":1}', {"a": 1}, 0),
        ToolCallDone(0, 0, "toolu_0", "f", "function", '{"a":1}', {"a": 1}, None, 0),
        ToolCallStarted(0, 1, "toolu_1", "f", "function", 1),
        # {} can be a placeholder: it's done at the finish.
        ArgumentsDelta(0, 1, "{}", {}, 1),
        ToolCallDone(0, 1, "toolu_1", "f", "function", "{}", {}, None, 1),
        *(ChoiceFinished(0, "tool_use"), LAST),
    ]


def test_input_as_text() -> None:
    """The input of a call that begins with all its text is one piece."""
    call = (0, 0, "toolu_0", "f", "function")
    updates = updates_of(
        message_start(), tool_start(input='{"a":1}'), block_stop(), message_delta()
    )
    assert updates[1:4] == [
        ToolCallStarted(*call, 0),
        ArgumentsDelta(0, 0, '{"a":1}', {"a": 1}, 0),
        ToolCallDone(*call, '{"a":1}', {"a": 1}, None, 0),
    ]


def test_truncated_call() -> None:
    """A call whose input isn't complete JSON is done at the finish, with a fault."""
    events = [message_start(), tool_start(), piece('{"a": 1, "b'), block_stop()]
    updates = updates_of(*events, message_delta("max_tokens"), STOP)

    fault = JSONFault(11, "ends inside a key")
    assert updates[2:] == [
        ArgumentsDelta(0, 0, '{"a": 1, "b', {"a": 1}, 0),
        ToolCallDone(0, 0, "toolu_0", "f", "function", '{"a": 1, "b', {"a": 1}, fault, 0),
        *(ChoiceFinished(0, "max_tokens"), LAST),
    ]


def test_tools_of_the_server() -> None:
    """Calls that the server runs have no updates."""
    start = block_start(0, "server_tool_use", id="t", name="f", input={})
    result = block_start(1, "web_search_tool_result", tool_use_id="t", content=[])

    assert updates_of(message_start(), start, piece("{}"), block_stop(), result) == [FIRST]


def test_missing_ends() -> None:
    """Blocks whose end isn't sent are done at the finish, or at the end of the stream."""
    events = [message_start(), text_start(), text(0, "a"), tool_start(1), json_piece(1, "{}")]
    done = [
        ContentDone(0, "a", 0),
        ToolCallDone(0, 0, "toolu_1", "f", "function", "{}", {}, None, 1),
    ]
    assert updates_of(*events)[-2:] == done
    assert updates_of(*events, message_delta())[-4:] == [
        *(*done, ChoiceFinished(0, "end_turn")),
        LAST,
    ]


def test_after_the_finish() -> None:
    """Text after the end of its block is done again at the end; a second reason is ignored."""
    updates = updates_of(
        *(*HELLO[:6], text(0, "!"), message_delta("refusal", usage={"output_tokens": 5})), STOP
    )

    assert updates[-5:] == [
        *(ContentDone(0, "Hello world", 0), ChoiceFinished(0, "end_turn"), LAST),
        *(ContentDelta(0, "!", 0), ContentDone(0, "Hello world!", 0)),
    ]


def test_repeated_ends() -> None:
    """A text is done at the first end of its block, and again at the end if more came."""
    pieces = [text(0, "!"), block_stop()] * 3
    updates = updates_of(*HELLO[:5], *pieces, message_delta("end_turn"), STOP)

    done = [update for update in updates if isinstance(update, ContentDone)]
    assert done == [ContentDone(0, "Hello world", 0), ContentDone(0, "Hello world!!!", 0)]


def test_filled_start() -> None:
    """A message that begins with its content brings all its updates at once."""
    blocks = [
        *({"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}),
        {"type": "tool_use", "id": "t", "name": "f", "input": {"c": 1}},
    ]
    start = message_start(content=blocks, stop_reason="tool_use")

    assert updates_of(start, STOP) == [
        *(ContentDelta(0, "a", 0), ContentDone(0, "a", 0)),
        *(ReasoningDelta(0, "b", 1), ReasoningDone(0, "b", 1)),
        ToolCallStarted(0, 0, "t", "f", "function", 2),
        ArgumentsDelta(0, 0, '{"c":1}', {"c": 1}, 2),
        ToolCallDone(0, 0, "t", "f", "function", '{"c":1}', {"c": 1}, None, 2),
        *(ChoiceFinished(0, "tool_use"), FIRST),
    ]


def test_another_message() -> None:
    """The updates of another message begin anew."""
    updates = updates_of(*HELLO[:4], message_start(id="msg_2"), text_start(), text(0, "Hi"))

    assert updates[-3:] == [FIRST, ContentDelta(0, "Hi", 0), ContentDone(0, "Hi", 0)]


def test_text_in_a_call() -> None:
    """Text between the pieces of a call is a text of its own."""
    events = [message_start(), tool_start(), piece("{"), text(0, "a"), piece("}"), block_stop()]

    assert updates_of(*events)[3:] == [
        *(ContentDelta(0, "a", 1), ArgumentsDelta(0, 0, "}", {}, 0)),
        ToolCallDone(0, 0, "toolu_0", "f", "function", "{}", {}, None, 0),
        ContentDone(0, "a", 1),
    ]


def test_tracking_from_the_middle() -> None:
    """Events that were added before have no updates, but their text is done."""
    accumulator = MessageAccumulator()
    assert accumulator.last_updates() == []
    *first, last = parsed(message_start(), tool_start(), piece("{"), piece("}"))
    for event in first:
        accumulator.add(event)

    assert accumulator.updates(last) == [
        ToolCallStarted(0, 0, "toolu_0", "f", "function", 0),
        ArgumentsDelta(0, 0, "}", {}, 0),
        FIRST,
    ]
    accumulator = MessageAccumulator()
    for event in parsed(*HELLO[:3]):
        accumulator.add(event)
    assert accumulator.updates(parsed(text(0, "!"))[0])[0] == ContentDelta(0, "!", 0)
    accumulator.add(parsed(text(0, "?"))[0])
    assert accumulator.last_updates() == [ContentDone(0, "Hello!?", 0)]


def test_limits() -> None:
    """After a limit, no updates are lost, but those of the interrupted call."""
    accumulator = MessageAccumulator(max_items=1)
    for event in parsed(*HELLO[:3]):
        accumulator.updates(event)
    for _ in range(2):  # a later call raises it again
        with pytest.raises(LimitExceeded):
            accumulator.updates(parsed(text_start(1))[0])

    assert accumulator.last_updates() == []
    broken = MessageAccumulator()
    broken.stopped = True
    with pytest.raises(Exception, match="interrupted"):
        broken.last_updates()


def test_recordings(recordings: list[Recording]) -> None:
    """The updates of each recording join to its message."""
    for recording in recordings:
        if recording.expected["end"] != "message_stop" or "message_starts" in recording.expected:
            continue  # cut, or of two messages
        stream = MessageStream([recording.body])
        updates = [*stream.updates()]
        message = stream.snapshot()
        assert "".join(u.text for u in updates if isinstance(u, ContentDelta)) == message.text
        done = {u.item: u.text for u in updates if isinstance(u, ContentDone | ReasoningDone)}
        done.update({u.item: u.arguments for u in updates if isinstance(u, ToolCallDone)})
        assert done == {
            item: block.text or block.thinking or block.arguments
            for item, block in enumerate(message.content)
            if block.type == "tool_use" or block.text or block.thinking
        }
