"""Tests of accumulating the events of a response."""

from typing import Any

import pytest

from sseparse import BrokenStage, EndCause, IncompleteStream, LimitExceeded, ServerSentError
from sseparse.responses import (
    DeltaEvent,
    LifecycleEvent,
    Note,
    NoteKind,
    ResponseAccumulator,
    ResponseParser,
    ResponseStream,
)

from .events import (
    accumulate,
    added,
    arguments,
    body,
    call,
    completed,
    created,
    delta,
    done,
    lifecycle,
    message,
    notes,
    output,
    parse,
)

REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}


def text_of(*events: Any) -> str:
    return accumulate(*events).text


def test_the_response_of_the_last_event_counts() -> None:
    """The terminal event's response is the result, with its unknown fields."""
    last = completed(output=[message("All")], usage={"input_tokens": 1}, new={"a": 1})
    accumulator = accumulate(created(), added(message()), delta("Some"), last)
    assert accumulator.finished
    assert accumulator.result().to_dict() == last["response"]
    assert accumulator.text == "All"
    assert accumulator.usage is not None
    assert (accumulator.id, accumulator.model) == ("resp_1", None)


def test_an_end_at_the_next_index() -> None:
    """Without an id, code that ends at the next index is that of the latest item (vLLM)."""
    kind = "response.code_interpreter_call_code"
    item = {"id": "", "type": "code_interpreter_call", "code": "", "status": "in_progress"}
    end = {"type": f"{kind}.done", "output_index": 1, "code": "1+1"}
    accumulator = accumulate(created(), added(item), delta("1+1", kind=f"{kind}.delta"), end)
    assert accumulator.snapshot().to_dict()["output"] == [{**item, "code": "1+1"}]


@pytest.mark.parametrize("missing", [[], None])
def test_items_stand_in_for_a_missing_output(missing: Any) -> None:
    """If the terminal event has no output, the items streamed before it are used, with a note."""
    events = [created(), added(message()), delta("Some"), completed(output=missing)]
    result = accumulate(*events).result()
    assert result.text == "Some"
    assert result.status == "completed"
    assert [note.kind for note in result.notes] == [NoteKind.OUTPUT_ASSEMBLED]


def test_a_response_without_its_head() -> None:
    """A last event without the response's id has that of the events before it."""
    last = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    accumulator = accumulate(created(model="m", created_at=5), last)
    assert (accumulator.id, accumulator.model) == ("resp_1", "m")
    assert accumulate(created(), {"type": "response.completed"}).result().status == "completed"
    assert accumulate({"type": "response.completed"}).result().status == "completed"


def test_complete_items_count_more_than_deltas() -> None:
    """A complete text replaces deltas, a complete part texts, a complete item parts."""
    events: list[dict[str, Any]] = [added(message()), delta("a"), delta("b")]
    assert text_of(*events) == "ab"
    events.append({"type": "response.output_text.done", "output_index": 0, "text": "abc"})
    assert text_of(*events) == "abc"
    part = {"type": "output_text", "text": "abcd", "annotations": [{"url": "u"}]}
    events.append({"type": "response.content_part.done", "output_index": 0, "part": part})
    events[-1]["content_index"] = 0
    assert output(*events) == [message(content=[part])]
    item = message("abcde", status="completed")
    events.append(done(item))
    assert output(*events) == [item]
    # What follows the end of an item is ignored.
    late = [delta("x"), events[-3], events[-2], arguments("x", item_id="msg_1")]
    late.append({"type": "response.web_search_call.searching", "output_index": 0})
    late.append(
        {"type": "response.output_text.annotation.added", "output_index": 0, "annotation": {}}
    )
    assert output(*events, *late) == [item]
    # The last complete item counts.
    assert text_of(*events, done(message("again"))) == "again"


@pytest.mark.parametrize(
    ("late", "detail"),
    [
        (delta("x"), "delta"),
        ({"type": "response.output_text.done", "text": "x"}, "text"),
        ({"type": "response.content_part.added", "part": {"type": "output_text"}}, "part"),
        ({"type": "response.content_part.done", "part": {"type": "output_text"}}, "part"),
        ({"type": "response.output_text.annotation.added", "annotation": {}}, "annotation"),
    ],
    ids=range(5),
)
def test_after_the_end_of_an_item(late: dict[str, Any], detail: str) -> None:
    """What arrives after the end of its item is ignored, with a note."""
    accumulator = accumulate(done(message("a")), {"output_index": 0, "content_index": 0, **late})
    (note,) = accumulator.snapshot().notes
    assert note == Note(NoteKind.VALUE_IGNORED, detail=detail, item=0)
    assert accumulator.text == "a"


def test_after_the_end_of_the_response() -> None:
    """An event without a response, after the terminal event, changes nothing."""
    accumulator = accumulate(created(), done(message("a")), completed())
    result = accumulator.result()
    for kind in ("response.in_progress", "response.failed"):
        accumulator.add(LifecycleEvent(type=kind))
    assert accumulator.result() == result


def test_texts_of_all_kinds() -> None:
    """Each kind of delta belongs to its field of the item of its type."""
    kinds: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "refusal": ({"type": "message"}, {"content": [{"type": "refusal", "refusal": "ab"}]}),
        "reasoning_text": (REASONING, {"content": [{"type": "reasoning_text", "text": "ab"}]}),
        "reasoning_summary_text": (
            REASONING,
            {"summary": [{"type": "summary_text", "text": "ab"}]},
        ),
        "function_call_arguments": ({"type": "function_call"}, {"arguments": "ab"}),
        "mcp_call_arguments": ({"type": "mcp_call"}, {"arguments": "ab"}),
        "custom_tool_call_input": ({"type": "custom_tool_call"}, {"input": "ab"}),
        "code_interpreter_call_code": ({"type": "code_interpreter_call"}, {"code": "ab"}),
        "apply_patch_call_operation_diff": (
            {"type": "apply_patch_call", "operation": {"type": "create_file"}},
            {"operation": {"type": "create_file", "diff": "ab"}},
        ),
        "shell_call_command": (
            {"type": "shell_call", "action": {"timeout_ms": 1}},
            {"action": {"timeout_ms": 1, "commands": ["ab"]}},
        ),
    }
    for kind, (item, grown) in kinds.items():
        events = [added(item), *(delta(text, 0, f"response.{kind}.delta") for text in "ab")]
        assert output(*events) == [{**item, **grown}], kind


def test_deltas_follow_what_an_item_begins_with() -> None:
    """Deltas continue the texts that an item or a part had when it was announced."""
    assert text_of(added(message("a")), delta("b")) == "ab"
    assert output(added(call("{")), arguments("}")) == [call("{}")]
    patch = {"type": "apply_patch_call", "operation": {"diff": "a"}}
    event = delta("b", 0, "response.apply_patch_call_operation_diff.delta")
    assert output(added(patch), event) == [{**patch, "operation": {"diff": "ab"}}]


def test_shell_commands() -> None:
    """Commands of a shell call are told apart by their index."""
    kind = "response.shell_call_command"
    events = [
        added({"type": "shell_call", "action": {"commands": ["l"]}}),
        delta("s", 0, f"{kind}.delta", command_index=0),
        {"type": f"{kind}.added", "output_index": 0, "command_index": 1, "command": "c"},
        delta("at", 0, f"{kind}.delta", command_index=1),
        {"type": f"{kind}.done", "output_index": 0, "command_index": 1, "command": "cat x"},
    ]
    assert output(*events)[0]["action"] == {"commands": ["ls", "cat x"]}
    odd = {"type": "shell_call", "action": {"commands": [5]}}
    assert output(added(odd), events[1])[0]["action"] == {"commands": ["s"]}


def test_arguments_of_another_type() -> None:
    """Arguments that began as an object become the text that deltas bring."""
    item = {"type": "function_call", "arguments": {}}
    assert output(added(item)) == [item]
    assert output(added(item), arguments("{}")) == [{**item, "arguments": "{}"}]


def test_json_of_arguments_that_are_an_object() -> None:
    """Arguments that are an object are parsed before the end of the item, too."""
    item = {**call(), "arguments": {"x": 1}}
    accumulator = accumulate(created(), added(item))
    assert accumulator.json_arguments().value == {"x": 1}


def test_parts() -> None:
    """A part that is announced again is replaced; parts that weren't announced are made."""
    part = {"type": "response.content_part.added", "output_index": 0, "content_index": 0}
    begin = {**part, "part": {"type": "output_text", "text": ""}}
    assert text_of(added(message()), begin, delta("a"), begin, delta("b")) == "b"
    assert text_of(added(message()), delta("b", content_index=1), delta("a")) == "ab"
    unplaced = {"type": "response.content_part.added", "part": {"type": "output_text"}}
    assert text_of(added(message()), unplaced, delta("a", content_index=None)) == "a"
    assert text_of(added(message()), unplaced, unplaced, delta("a", content_index=-1)) == "a"
    # A part before the announced one is another part.
    second = {**begin, "content_index": 1}
    assert text_of(added(message()), second, delta("b", content_index=1), delta("a")) == "ab"
    assert output(added(message()), {**part, "part": None}) == [message()]
    complete = {"type": "response.content_part.done", "output_index": 0}
    complete["part"] = {"type": "output_text", "text": "ab"}
    assert text_of(added(message()), begin, delta("a"), complete) == "ab"
    assert text_of(added(message()), complete) == "ab"


def test_parts_of_unknown_types() -> None:
    """A part of an unknown type can have any text."""
    part = {"type": "new", "x": 1}
    begin = {"type": "response.content_part.added", "output_index": 0, "part": part}
    event = delta("a", content_index=0)
    assert output(added(message()), begin, event)[0]["content"] == [{**part, "text": "a"}]


def test_content_indexes_that_count_deltas() -> None:
    """Deltas at indexes beyond the last announced part belong to that part, with a note."""
    begin = {"type": "response.content_part.added", "output_index": 0, "content_index": 0}
    begin["part"] = {"type": "output_text", "text": ""}
    events = [
        added(message()),
        begin,
        *(delta(text, content_index=1 + i) for i, text in enumerate("abc")),
    ]
    assert output(*events)[0]["content"] == [{"type": "output_text", "text": "abc"}]
    assert notes(*events) == ["PART_ASSUMED"]
    # So does the complete part, at an index that is as wrong.
    complete = {**begin, "type": "response.content_part.done", "content_index": 7}
    complete["part"] = {"type": "output_text", "text": "abcd"}
    assert output(*events, complete)[0]["content"] == [complete["part"]]
    other = {**complete, "part": {"type": "output_text", "text": "x"}}
    assert len(output(*events, other)[0]["content"]) == 2
    # A refusal isn't part of the text.
    refusal = delta("no", 0, "response.refusal.delta", content_index=5)
    assert len(output(*events, refusal)[0]["content"]) == 2


def test_texts_of_two_types_at_one_index() -> None:
    """A refusal at the index of a text is a part of its own."""
    refusals = [delta(text, 0, "response.refusal.delta", content_index=0) for text in ("n", "o")]
    content = output(added(message()), delta("a"), *refusals, delta("b"))[0]["content"]
    assert content == [
        {"type": "output_text", "text": "ab"},
        {"type": "refusal", "refusal": "no"},
    ]


def test_logprobs_and_annotations() -> None:
    """Log-probabilities and annotations are appended; complete log-probabilities replace them."""
    note = {"type": "response.output_text.annotation.added", "output_index": 0}
    events = [
        added(message()),
        delta("a", logprobs=[{"token": "a"}]),
        delta("b", logprobs=[{"token": "b"}]),
        {**note, "content_index": 0, "annotation": {"url": "u"}},
        {**note, "content_index": 0, "annotation": {"url": "v"}},
        {**note, "content_index": 0, "annotation": None},
    ]
    (part,) = output(*events)[0]["content"]
    assert part["logprobs"] == [{"token": "a"}, {"token": "b"}]
    assert part["annotations"] == [{"url": "u"}, {"url": "v"}]
    complete = {"type": "response.output_text.done", "output_index": 0, "text": "ab"}
    (part,) = output(*events, {**complete, "logprobs": [{"token": "ab"}]})[0]["content"]
    assert part["logprobs"] == [{"token": "ab"}]
    (part,) = output(*events, {**complete, "text": None})[0]["content"]
    assert len(part["logprobs"]) == 2


def test_progress() -> None:
    """Progress is the status of an item that has one."""
    searching = {"type": "response.web_search_call.searching", "output_index": 0}
    item = {"type": "web_search_call", "status": "in_progress"}
    assert output(added(item), searching)[0]["status"] == "searching"
    assert output(added({"type": "web_search_call"}), searching) == [{"type": "web_search_call"}]
    assert output(searching) == []


def test_names_in_complete_arguments() -> None:
    """A name in the event of the complete arguments is used if none came before."""
    complete = {"type": "response.function_call_arguments.done", "output_index": 0}
    complete |= {"arguments": "{}", "name": "get_time"}
    assert output(complete)[0]["name"] == "get_time"
    assert output(added(call()), complete)[0]["name"] == "get_weather"


def test_items_are_found_by_their_announced_id() -> None:
    """An event belongs to the item with its id, whatever its index is."""
    events = [added(message(id="a"), 0), added(message(id="b"), 1), delta("x", 0, item_id="b")]
    assert [len(item["content"]) for item in output(*events)] == [0, 1]


def test_ids_that_change() -> None:
    """An id that no event announced doesn't matter: the index counts (GitHub Copilot)."""
    events = [
        added(message(id="1")),
        delta("a", item_id="2"),
        delta("b", item_id="3"),
        done(message("ab", id="4")),
    ]
    assert output(*events) == [message("ab", id="4")]
    assert notes(*events) == []


def test_ids_of_several_items() -> None:
    """An id that several items have identifies none of them."""
    events = [added(message(id="x"), 0), added(message(id="x"), 1)]
    events += [delta("a", 0, item_id="x"), delta("b", 1, item_id="x")]
    assert [item["content"][0]["text"] for item in output(*events)] == ["a", "b"]


def test_events_without_an_index() -> None:
    """Without an index, an event belongs to the latest item of its type (llama.cpp)."""
    events = [
        added({"type": "reasoning"}, None),
        delta("think", None, "response.reasoning_text.delta"),
        added(message(id="m"), None),
        delta("a", None, item_id=None),
        added({"type": "function_call", "name": "f"}, None),
        arguments("{}", None),
        done({"type": "function_call", "name": "f", "arguments": "{}"}, None),
        added({"type": "function_call", "name": "g"}, None),
        arguments("[]", None),
        delta("b", None, item_id=None),
    ]
    reasoning, answer, first, second = output(*events)
    assert reasoning["content"][0]["text"] == "think"
    assert answer["content"][0]["text"] == "ab"
    assert [first["arguments"], second["arguments"]] == ["{}", "[]"]


def test_one_index_for_several_items() -> None:
    """An item of another type or id at the index of another item follows it (LiteLLM)."""
    events = [
        added({**REASONING, "id": "r"}),
        delta("t", 0, "response.reasoning_summary_text.delta", item_id="new"),
        added(message(id="m")),
        delta("a", 0, item_id="other"),
        delta("u", 0, "response.reasoning_summary_text.delta", item_id="newer"),
        added(call(call_id="c1", id="f1")),
        arguments("{}", item_id="f1"),
        added(call(call_id="c2", id="f2")),
        arguments("[]", item_id="f2"),
        done(call("{}", call_id="c1", id="f1")),
        done(call("[]", call_id="c2", id="f2")),
    ]
    reasoning, answer, first, second = output(*events)
    assert reasoning["summary"][0]["text"] == "tu"
    assert answer["content"][0]["text"] == "a"
    assert [first["arguments"], second["arguments"]] == ["{}", "[]"]
    assert set(notes(*events)) == {"INDEX_SHARED"}


def test_items_one_after_the_other_at_one_index() -> None:
    """An item announced after the end of the one at its index, with another id, is another one."""
    events = [added(message(id="a")), done(message("1", id="a"))]
    events += [added(message(id="b")), done(message("2", id="b"))]
    assert text_of(*events) == "12"


def test_an_item_announced_again() -> None:
    """An item that is announced again is replaced, with a note if it had text."""
    assert text_of(added(message()), delta("a"), added(message()), delta("b")) == "b"
    assert notes(added(message()), delta("a"), added(message())) == ["ITEM_REPLACED"]
    assert notes(added(message()), added(message())) == []
    assert text_of(added(message(), None), delta("a", None), added(message(), None)) == ""


def test_deltas_before_their_item() -> None:
    """Deltas before an item make it, with a note; its announcement keeps them."""
    assert output(delta("a")) == [message("a")]
    assert output(arguments("{", 2)) == [{"type": "function_call", "arguments": "{"}]
    assert notes(delta("a")) == ["ITEM_UNANNOUNCED"]
    events = [delta("a"), added(message(id="m")), delta("b"), delta("c", item_id="m")]
    assert text_of(*events) == "abc"
    assert text_of(delta("a", None), delta("b", None)) == "ab"
    part = {"type": "response.content_part.added", "part": {"type": "output_text", "text": "a"}}
    assert text_of(part) == "a"
    assert notes(part) == ["ITEM_UNANNOUNCED"]
    part["part"] = {"type": "reasoning_text", "text": "a"}
    assert output(part)[0]["type"] == "reasoning"


def test_deltas_of_another_type_of_item() -> None:
    """Arguments at the index of a message make an item of their own."""
    message_item, call_item = output(added(message()), delta("a"), arguments("{}", item_id="f"))
    assert message_item == message("a")
    assert call_item == {"type": "function_call", "id": "f", "arguments": "{}"}


def test_items_of_new_types() -> None:
    """An item of an unknown type can have any text, and keeps all fields."""
    item = {"type": "new_kind", "id": "n", "x": {"y": 1}}
    assert output(added(item), delta("a", item_id="n"))[0]["content"][0]["text"] == "a"
    assert output(done(item)) == [item]


def test_ends_of_items_that_werent_announced() -> None:
    """The end of an unknown item is the item; without an index it follows the others."""
    assert text_of(done(message("a", id="x"), 3), done(message("b", id="y"), 1)) == "ba"
    assert text_of(done(message("a", id="x"), None), done(message("b", id="y"), None)) == "ab"


def test_ends_at_another_index() -> None:
    """The end of an item without an id, at an index where none is, is that of the open one."""
    code = {"type": "code_interpreter_call", "code": ""}
    events = [added(code, 0), delta("x", 0, "response.code_interpreter_call_code.delta")]
    events += [done({**code, "code": "x=1"}, 1)]
    assert output(*events) == [{**code, "code": "x=1"}]
    assert len(output(*events, done({**code, "id": "b"}, 2))) == 2
    # So is its complete text.
    kind = "response.code_interpreter_call_code.done"
    complete = {"type": kind, "output_index": 1, "code": "x=1"}
    assert output(*events[:2], complete) == [{**code, "code": "x=1"}]
    # Two calls with ids are two items.
    assert len(output(added(call(id="a")), done(call(id="b"), 1))) == 2


def test_parts_at_another_index() -> None:
    """A part without the id of an item, at an index where none is, is one of the open item."""
    part = {"type": "response.content_part.added", "output_index": 1, "content_index": 0}
    part["part"] = {"type": "output_text", "text": "a"}
    assert output(added(message()), part) == [message("a")]


def test_ends_at_a_shared_index() -> None:
    """The end of another call at the index of an announced one is an item of its own."""
    first, second = call(call_id="a", id="1"), call(call_id="b", id="2")
    assert output(added(first), done(second)) == [first, second]
    # One that wasn't announced is the item whose deltas came.
    assert output(arguments("{"), done(call("{}"))) == [call("{}")]
    assert output(delta("x"), done(call("{}", id="q"))) == [call("{}", id="q")]


def test_values_that_cant_be_read() -> None:
    """A value that can't be read leaves a note, and changes nothing else."""
    events = [added(message()), delta("a"), delta({"x": 1}), delta("b")]
    assert text_of(*events) == "ab"
    assert notes(*events) == ["VALUE_IGNORED"]
    (note,) = accumulate(*events).snapshot().notes
    assert note.detail == "delta"
    complete = {"type": "response.output_text.done", "output_index": 0, "text": ["x"]}
    assert text_of(*events[:2], complete) == "a"
    assert notes(*events[:2], complete) == ["VALUE_IGNORED"]
    assert notes(*events[:2], {**complete, "text": None}) == []
    assert notes(added("x")) == ["VALUE_IGNORED"]
    part = {"type": "response.content_part.added", "output_index": 0, "part": "x"}
    assert notes(*events[:2], part) == ["VALUE_IGNORED"]
    result = accumulate(*events[:2], completed(output="x")).result()
    assert result.text == "a"
    assert len(result.to_dict()["output"]) == 1
    assert "VALUE_IGNORED" not in notes(added(message()), delta("a", new=1), created(new=2))


def test_null_items() -> None:
    """An item that is null is skipped, with a note (openai-python#3125)."""
    assert text_of(added(None), added(message(), 1), delta("a", 1)) == "a"
    assert notes(added(None)) == ["VALUE_IGNORED"]


def test_items_of_a_resumed_response() -> None:
    """The output of a response in progress counts only where no item was streamed."""
    queued = lifecycle("queued", output=[message("a")])
    assert text_of(queued, delta("b")) == "ab"
    assert text_of(added(message()), delta("x"), queued, delta("b")) == "xb"


def test_another_response() -> None:
    """Another response, by its `created`, begins again, with a note."""
    events = [created(), added(message()), delta("a")]
    other = created(id="resp_2")
    restarted = accumulate(*events, other, added(message()), delta("b")).snapshot()
    assert (restarted.id, restarted.text) == ("resp_2", "b")
    (note,) = restarted.notes
    assert str(note) == "another response began; what came before it is dropped (resp_1)"
    # The same one again, or one whose id changes (GitHub Copilot), goes on.
    assert text_of(*events, created()) == "a"
    assert text_of(*events, lifecycle("in_progress", id="resp_9")) == "a"
    assert text_of(created(id=None), added(message()), delta("a"), created(id="resp_2")) == ""


def parse_late(*events: Any) -> list[Any]:
    """Parse events one by one, also those after a terminal one."""
    return [event for each in events for event in parse(each)]


def test_events_after_the_end() -> None:
    """What follows the terminal event doesn't belong to the response."""
    accumulator = ResponseAccumulator()
    ended = [created(), added(message()), delta("a"), completed()]
    for event in parse_late(*ended, delta("b"), added(call(), 1), created(), completed()):
        accumulator.add(event)
    assert accumulator.result().text == "a"
    assert len(accumulator.result().output) == 1


def test_another_response_after_the_end() -> None:
    """A response with another id after the terminal event begins again."""
    accumulator = ResponseAccumulator()
    ended = [created(), added(message()), delta("a"), completed(output=[message("a")])]
    others = [lifecycle("in_progress", id="resp_2"), added(message()), delta("b")]
    for event in parse_late(*ended, *others):
        accumulator.add(event)
    assert (accumulator.id, accumulator.text) == ("resp_2", "b")
    assert not accumulator.finished


def test_responses_without_ids() -> None:
    """After the terminal event, `created` begins another response, also without an id."""
    accumulator = ResponseAccumulator()
    nameless = [created(id=None), delta("a"), completed(id=None)]
    for event in parse_late(*nameless, created(id=None), delta("b"), completed(id=None)):
        accumulator.add(event)
    assert accumulator.result().text == "b"
    assert accumulator.result().notes[0].kind is NoteKind.RESTARTED
    assert text_of(created(), delta("a"), created(id=None)) == "a"


def test_audio() -> None:
    """Audio belongs to the response: its data and its transcript are in `extra`."""
    events = [delta("YQ==", None, "response.audio.delta"), {"type": "response.audio.done"}]
    events += [delta(text, None, "response.audio.transcript.delta") for text in ("he", "llo")]
    result = accumulate(created(), *events, completed()).result()
    assert result.extra["audio"] == {"data": "YQ==", "transcript": "hello"}


def test_sequence_numbers() -> None:
    """The last number is the cursor for resuming."""
    accumulator = accumulate({**delta("a"), "sequence_number": 7}, delta("b"))
    assert accumulator.last_sequence_number == 7
    assert ResponseAccumulator().last_sequence_number is None


def test_snapshots_dont_change() -> None:
    """Events after a snapshot don't change it."""
    accumulator = ResponseAccumulator()
    events = parse(added(message()), delta("a"), delta("b"))
    for event in events[:2]:
        accumulator.add(event)
    snapshot = accumulator.snapshot()
    before = snapshot.to_dict()
    accumulator.add(events[2])
    assert snapshot.to_dict() == before
    assert accumulator.text == "ab"


def test_results_without_a_terminal_event() -> None:
    """A response without its terminal event is incomplete; `partial` has it so far."""
    accumulator = accumulate(created(), added(message()), delta("a"))
    with pytest.raises(IncompleteStream, match="No terminal event was added") as caught:
        accumulator.result()
    assert caught.value.partial.text == "a"
    parser = ResponseParser()
    parser.feed(body(created()))
    parser.close()
    with pytest.raises(IncompleteStream, match=r"after 1 event .* without a terminal event"):
        accumulator.result(parser.end)
    assert caught.value.end.cause is EndCause.INCOMPLETE


def test_results_of_failed_responses() -> None:
    """A response that failed is an error, also for an accumulator alone."""
    error = {"code": "server_error", "message": "Oops"}
    for last in (
        lifecycle("failed", error=error),
        completed(status="failed", error=error),
        {"type": "error", **error},
    ):
        accumulator = accumulate(created(), added(message()), delta("a"), last)
        with pytest.raises(ServerSentError, match="Oops") as caught:
            accumulator.result()
        assert caught.value.code == "server_error"
        assert caught.value.partial.text == "a"


def test_misuse() -> None:
    """Arguments that aren't events are misuse, and change nothing."""
    accumulator = ResponseAccumulator()
    for method in (accumulator.add, accumulator.updates):
        with pytest.raises(TypeError, match="add\\(\\) takes a ResponseEvent, not dict"):
            method({})  # type: ignore[arg-type]
    accumulator.add(DeltaEvent(type="response.output_text.delta", delta="a"))
    assert accumulator.text == "a"
    with pytest.raises(ValueError, match="max_items"):
        ResponseAccumulator(max_items=-1)
    with pytest.raises(ValueError, match="max_accumulated_bytes"):
        ResponseAccumulator(max_accumulated_bytes=0)


def part_added(index: int) -> dict[str, Any]:
    part = {"type": "output_text", "text": ""}
    event = {"type": "response.content_part.added", "output_index": 0, "part": part}
    return {**event, "content_index": index}


def test_limits() -> None:
    """Too many items, parts, commands or bytes are errors with the result so far."""
    command = delta("a", 0, "response.shell_call_command.delta", command_index=9)
    beyond: list[list[dict[str, Any]]] = [
        [added(message(), at) for at in range(3)],
        [added(message(), 9)],
        [added(message()), *(part_added(at) for at in range(3))],
        [command],
        [completed(output=[message()] * 3)],
    ]
    for events in beyond:
        accumulator = ResponseAccumulator(max_items=2)
        with pytest.raises(LimitExceeded, match="max_items") as caught:
            for event in parse(*events):
                accumulator.add(event)
        assert caught.value.limit == "items"
        assert caught.value.partial is not None
        with pytest.raises(LimitExceeded):
            accumulator.add(parse(delta("a"))[0])
        with pytest.raises(LimitExceeded):
            accumulator.result()
    with pytest.raises(LimitExceeded, match="max_accumulated_bytes") as caught:
        accumulate(added(message()), *[delta("x" * 100)] * 100, max_accumulated_bytes=5000)
    assert caught.value.partial.text.startswith("xxx")
    # Repetitions of a text don't count: they replace it.
    text = "x" * 10_000
    item = message(text)
    events = [added(message()), delta(text), done(item), completed(output=[item])]
    accumulate(*events, max_accumulated_bytes=20_000)


def test_interrupted_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an unexpected exception, the accumulator is broken."""
    accumulator = accumulate(added(message()))
    monkeypatch.setattr("sseparse.payloads._growing.GrowingText", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        accumulator.add(parse(delta("a"))[0])
    with pytest.raises(BrokenStage):
        accumulator.add(parse(delta("a"))[0])
    accumulator = accumulate(added(message()))
    with pytest.raises(ZeroDivisionError):
        accumulator.updates(parse(delta("a"))[0])
    with pytest.raises(BrokenStage):
        accumulator.updates(parse(delta("a"))[0])
    with pytest.raises(BrokenStage):
        accumulator.last_updates()


def test_events_without_their_response_change_the_status_only() -> None:
    """An event about the response that doesn't have it changes the status until the end."""
    bare = {"type": "response.in_progress"}
    head = created(tools=[{"type": "function", "name": "f"}])
    accumulator = accumulate(head, bare)
    assert accumulator.snapshot().status == "in_progress"
    assert accumulator.snapshot().extra["tools"] == [{"type": "function", "name": "f"}]
    assert accumulate(created(), completed(), bare).snapshot().status == "completed"


@pytest.mark.parametrize(
    "large",
    [
        [delta("a"), added({**message(), "x": "x" * 5000})],
        [
            {
                "type": "response.function_call_arguments.done",
                "output_index": 0,
                "arguments": "{}",
                "name": "x" * 5000,
            }
        ],
    ],
    ids=["an item announced late", "a late name"],
)
def test_late_data_counts(large: list[Any]) -> None:
    """What an event adds to an item that is known counts towards the limit."""
    with pytest.raises(LimitExceeded):
        accumulate(created(), *large, max_accumulated_bytes=4000)


def test_failure_under_a_new_type() -> None:
    """A failed response is an error, whatever the type of its event is."""
    failed = lifecycle("failed", error={"code": "a", "message": "Busy"})
    stream = ResponseStream([body(created(), {**failed, "type": "response.new"})])
    with pytest.raises(ServerSentError, match="Busy"):
        stream.result()
