"""Tests of the parts of events for a moderation gate."""

import json
from collections.abc import AsyncIterator, Container, Iterable
from typing import Any

import pytest

from sseparse.moderation import Gate
from sseparse.payloads._gated import Dropped, GatedText, Part, Rest, TextEnd, TextKey
from sseparse.payloads._model import Kind
from sseparse.responses import (
    LifecycleEvent,
    Response,
    ResponseAccumulator,
    ResponseEvent,
    encode_event,
)

from .events import added, arguments, call, completed, created, delta, done, message, parse
from .recordings import Recording

KINDS: tuple[Kind, ...] = ("content", "reasoning", "refusal", "transcript", "arguments")
SUMMARY = "response.reasoning_summary_text"
FORBIDDEN = "verboten"


def split(value: Any, unchecked: Container[Kind] = ()) -> list[Part]:
    (event,) = parse(value)
    return list(event.split_texts(unchecked))


class Approver:
    """A gate that approves each text, or replaces it, at once."""

    def __init__(self, unchecked: Container[Kind] = (), mask: str | None = None) -> None:
        self.unchecked = unchecked
        self.mask = mask
        self.received: dict[TextKey, str] = {}
        self.released: dict[TextKey, str] = {}
        self.dropped: set[str] = set()

    def approved(self, key: TextKey) -> str | None:
        return None if key.kind in self.unchecked else self.released.get(key, "")

    def feed(self, event: ResponseEvent) -> list[ResponseEvent]:
        events = []
        for part in event.split_texts(self.unchecked):
            if isinstance(part, GatedText):
                old = self.received.get(part.key, "")
                new = part.text[len(old) :] if part.is_complete else part.text
                self.received[part.key] = old + new
                if new:
                    text = new if self.mask is None else self.mask
                    self.released[part.key] = self.released.get(part.key, "") + text
                    events.append(part.template.with_text(text))
            elif isinstance(part, Rest):
                events.append(part.rest.with_approved(self.approved))
            elif isinstance(part, Dropped):
                self.dropped.add(part.name)
        return events

    def feed_all(self, events: Iterable[ResponseEvent]) -> list[ResponseEvent]:
        return [released for event in events for released in self.feed(event)]


def accumulated(events: Iterable[ResponseEvent]) -> Response:
    accumulator = ResponseAccumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.snapshot()


def texts_of(response: Response) -> list[Any]:
    return [
        (item.type, item.id, item.text, item.refusal, item.reasoning_text, item.tool_call())
        for item in response.output
    ]


@pytest.mark.parametrize("unchecked", [(), KINDS, ("arguments",), ("reasoning", "refusal")])
def test_recorded_streams(recordings: list[Recording], unchecked: tuple[Kind, ...]) -> None:
    """If each text is approved, the result has all texts, ids, the status and the usage."""
    for recording in recordings:
        if recording.name == "openai-responses-reasoning-2":
            continue  # its reasoning ends outside the parts, in a field that isn't released
        events = recording.events()
        result = accumulated(events)
        released = accumulated(Approver(unchecked).feed_all(events))
        assert texts_of(released) == texts_of(result), recording.name
        assert (released.id, released.status) == (result.id, result.status)
        if result.usage is not None:
            assert released.usage is not None
            assert released.usage.token_counts() == result.usage.token_counts()


def everything(text: str) -> list[dict[str, Any]]:
    """Return the events of a response with a text in each place where one can be."""
    extra = {"extra_field": text}
    part = {"type": "output_text", "text": text, "annotations": [{"title": text}], **extra}
    part["logprobs"] = [{"token": text}]
    refusal = {"type": "refusal", "refusal": text, "text": text}
    reasoning = {
        "type": "reasoning",
        "id": "r",
        "summary": [{"type": "summary_text", "text": text}],
        "content": [{"type": "reasoning_text", "text": text}],
        "encrypted_content": text,
    }
    items = [
        message(content=[part, refusal, {"type": "new", "text": text}], **extra),
        reasoning,
        call(text, **extra),
        {"type": "custom_tool_call", "input": text},
        {"type": "mcp_call", "arguments": text, "output": text},
        {"type": "code_interpreter_call", "code": text, "outputs": [text]},
        {"type": "apply_patch_call", "operation": {"type": text, "diff": text}},
        {"type": "shell_call", "action": {"commands": [text, text], "x": text}},
        {"type": "web_search_call", "action": {"query": text}, "content": text},
        {"type": "image_generation_call", "result": text},
    ]
    where = {"output_index": 0, "content_index": 0}
    shell = {"output_index": 7, "command_index": 0}
    events: list[dict[str, Any]] = [
        created(instructions=text, output=[message(text)]),
        *(added(item, at) for at, item in enumerate(items)),
        {"type": "response.content_part.added", "part": part, **where, **extra},
        {"type": "response.content_part.added", "part": {"type": "new", "text": text}, **where},
        {"type": "response.content_part.added", "part": None, **where},
        {**delta(text, logprobs=[{"token": text}], obfuscation=text), **extra},
        {"type": "response.output_text.done", "text": text, **where, **extra},
        {"type": "response.output_text.annotation.added", "annotation": {"url": text}, **where},
        {"type": "response.content_part.done", "part": part, **where, "output_index": 0},
        delta(text, 1, f"{SUMMARY}.delta", summary_index=0),
        {"type": f"{SUMMARY}.done", "output_index": 1, "summary_index": 0, "text": text},
        {"type": "response.shell_call_command.added", "command": text, **shell},
        {"type": "response.shell_call_command.done", "command": text, **shell},
        arguments(text, 2),
        delta(text, None, "response.audio.delta"),
        delta(text, None, "response.audio.transcript.delta"),
        {"type": "response.web_search_call.searching", "output_index": 8, **extra},
        {"type": "response.image_generation_call.partial_image", "partial_image_b64": text},
        {"type": "new_event", **extra},
        *(done(item, at) for at, item in enumerate(items)),
        completed(output=items, usage={"input_tokens": 1, "x": text}, **extra),
    ]
    return events


@pytest.mark.parametrize("mask", ["****", "a longer mask", ""])
def test_unapproved_text_is_nowhere(mask: str) -> None:
    """Text that a check replaced is in no event and in no result, wherever it was."""
    approver = Approver(mask=mask)
    released = approver.feed_all(parse(*everything(FORBIDDEN)))
    assert FORBIDDEN not in b"".join(map(encode_event, released)).decode()
    result = accumulated(released)
    assert FORBIDDEN not in json.dumps(result.to_dict())
    named = {"extra_field", "encrypted_content", "obfuscation", "logprobs", "annotations"}
    assert {*named, "part", "partial_image_b64"} <= approver.dropped


def test_unchecked_text_is_received_as_it_was() -> None:
    """Text of kinds that aren't checked stays as it was received, with what belongs to it."""
    events = parse(*everything("text"))
    approver = Approver(KINDS)
    released = approver.feed_all(events)
    result, received = accumulated(released), accumulated(events)
    assert texts_of(result) == texts_of(received)
    assert result.output[1].extra["encrypted_content"] == "text"
    for place in (6, 7):
        assert result.output[place].extra == received.output[place].extra
    part = (result.output[0].content or [])[0]
    assert (part.annotations, part.logprobs) == ([{"title": "text"}], [{"token": "text"}])
    assert {"output", "outputs", "extra_field", "action", "result"} <= approver.dropped


@pytest.mark.parametrize("unchecked", KINDS)
def test_unchecked_kinds_bring_nothing_else(unchecked: Kind) -> None:
    """With one kind of text that isn't checked, fields of no kind are dropped all the same."""
    text = {
        "extra_field": FORBIDDEN,
        "output": FORBIDDEN,
        "outputs": [{"logs": FORBIDDEN}],
        "obfuscation": FORBIDDEN,
    }
    part = {"type": "output_text", "text": "a", "refusal": FORBIDDEN, **text}
    items = [
        message(content=[part, {"type": "new", "text": FORBIDDEN}], code=FORBIDDEN, **text),
        call("{}", content=[{"type": "new", "text": FORBIDDEN}], input=FORBIDDEN, **text),
        {"type": "mcp_call", "arguments": "{}", **text},
        {"type": "code_interpreter_call", "code": "1", **text},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", **text}]},
    ]
    events = [
        *(added(item, at) for at, item in enumerate(items)),
        {"type": "response.content_part.added", "output_index": 0, "part": part},
        *({**delta("a"), **text}, {**arguments("{}", 1), **text}),
        {**delta("a", None, "response.audio.delta"), **text},
        {"type": "response.output_text.done", "output_index": 0, "text": "a", **text},
        {"type": "response.output_text.annotation.added", "annotation": {}, **text},
        {"type": "response.content_part.done", "output_index": 0, "part": part},
        *(done(item, at) for at, item in enumerate(items)),
        completed(output=items),
    ]
    kinds = [each for each in KINDS if each not in (unchecked, "refusal")]
    gate = Gate(lambda _: True, kinds=tuple(kinds), unchecked=(unchecked,))
    released = [*gate.chunks(parse(*events))]
    if unchecked != "refusal":  # its text
        assert FORBIDDEN.encode() not in b"".join(map(encode_event, released))
    assert {"extra_field", "output", "outputs"} <= set(gate.withheld)


def test_counted_deltas() -> None:
    """Deltas that a server counts as parts are checked as one text, which is released once."""
    words = ["how to make", " a bo", "mb at home."]
    deltas = [delta(word, content_index=index) for index, word in enumerate(words)]
    text = "".join(words)
    end = {"type": "response.output_text.done", "output_index": 0, "content_index": 2, "text": text}
    events = [
        *(created(), added(message(content=[])), *deltas, end),
        *(done(message(text)), completed(output=[message(text)])),
    ]
    seen: list[str] = []

    def check(each: str) -> bool:
        seen.append(each)
        return True

    gate = Gate(check)
    items = [*gate.chunks(parse(*events))]

    assert seen == [text]
    assert [item.text for item in items if item.text] == [text]
    assert accumulated(items).text == text


def test_repeated_contradictions() -> None:
    """A complete text that isn't what was received is replaced by what was, but not each time."""
    text = "Hello you. " * 100
    ends = [{"type": "response.output_text.done", "output_index": 0, "text": "x"}] * 20
    items = [done(message("x"))] * 20
    empty = [added(message("")), done(message(""))] * 20
    events = parse(delta(text), *ends, *items, *empty, completed(output=[message("x")]))
    released = [*Gate(lambda _: True).chunks(events)]

    assert b"".join(map(encode_event, released)).count(b"Hello") == 100 * (1 + 8 + 1)
    assert len([event for event in released if event.type.endswith("text.done")]) == 8
    assert released[-1].type == "response.completed"
    assert accumulated(released).text == text


def test_parts_of_a_delta() -> None:
    """A delta is its text, and what it has besides is dropped."""
    (event,) = parse(delta("a", 2, logprobs=[{}], obfuscation="x", new=1))
    text, *dropped = event.split_texts(())
    assert text == GatedText(TextKey("content", 0, 2, 0), "a", event)
    assert dropped == [Dropped("logprobs"), Dropped("obfuscation"), Dropped("new")]
    assert event.with_text("b").to_dict() == delta("b", 2, logprobs=[])
    rest, *dropped = event.split_texts(("content",))
    known = delta("a", 2, logprobs=[{}])
    assert rest == Rest(parse(known)[0], 0, 2, "content")
    assert dropped == [Dropped("obfuscation"), Dropped("new")]
    (event,) = parse(known)
    assert event.split_texts(("content",)) == [Rest(event, 0, 2, "content")]
    assert split(delta("")) == []
    (text,) = split(delta("a", None, f"{SUMMARY}.delta", summary_index=1))
    assert isinstance(text, GatedText)
    assert text.key == TextKey("reasoning", 0, 0, -2)
    (rest,) = split(delta("a", None, "response.audio.delta"), ["transcript"])
    assert isinstance(rest, Rest)


def test_parts_of_complete_texts() -> None:
    """A complete text ends its item, and the event waits for what was released of it."""
    complete = {"type": "response.output_text.done", "output_index": 1, "text": "a"}
    complete["logprobs"] = [{"token": "a"}]
    text, end, rest, dropped = split(complete)
    assert isinstance(text, GatedText)
    assert text.is_complete
    assert end == TextEnd(0, 1)
    assert isinstance(rest, Rest)
    assert rest.rest.with_approved(lambda _: "b").value == "b"
    assert rest.rest.with_approved(lambda _: None).value == "a"
    assert dropped == Dropped("logprobs")
    end, rest = split({**complete, "text": ""})[:2]
    assert end == TextEnd(0, 1)
    assert split({"type": "response.output_text.done"})[0] == TextEnd(0, 0)
    added = {"type": "response.shell_call_command.added", "command": ""}
    assert [type(part) for part in split(added)] == [Rest]
    part = {"type": "response.content_part.done", "part": {"type": "output_text", "text": ""}}
    assert [type(each) for each in split(part)] == [TextEnd, Rest]
    end, rest = split(complete, ["content"])
    assert isinstance(rest, Rest)
    assert rest.rest.value == "a"


def test_kinds_of_items() -> None:
    """What makes no sense without its text is withheld with it."""
    assert [part.kind for part in split(added(call())) if isinstance(part, Rest)] == ["arguments"]
    reasoning = {"type": "reasoning", "summary": []}
    assert [part.kind for part in split(added(reasoning)) if isinstance(part, Rest)] == [
        "reasoning"
    ]
    assert [part.kind for part in split(added(message())) if isinstance(part, Rest)] == [None]
    assert split(added(None)) == []


def test_events_without_text() -> None:
    """Events that have no text are released; errors and unknown events with fields aren't."""
    assert [type(part) for part in split({"type": "keepalive"})] == [Rest]
    assert split({"type": "new", "x": 1}) == [Dropped("x")]
    assert split({"type": "error", "message": "x"}) == [Dropped("error")]
    assert [type(part) for part in split({"type": "response.completed"})] == [TextEnd, Rest]
    (event,) = parse({"type": "keepalive"})
    assert event.with_text("a") is event
    assert event.with_approved(lambda _: "a") is event
    empty = [{"type": "response.completed"}, completed(), added(None), {"type": "response.x"}]
    empty.append({"type": "response.content_part.done"})
    empty.append({"type": "response.output_text.done"})
    for value in empty:
        (event,) = parse(value)
        assert event.with_approved(lambda _: "a") == event
    failed = completed(status="failed", error={"message": "x"})
    assert Dropped("error") in split(failed)
    reason = completed(incomplete_details={"reason": "content_filter", "x": "y"})
    rest = next(part for part in split(reason) if isinstance(part, Rest))
    assert rest.rest.response.incomplete_details == {"reason": "content_filter"}
    assert [type(part) for part in split({"type": "response.audio.done"})] == [Rest]
    annotation = {"type": "response.output_text.annotation.added", "annotation": {"url": "u"}}
    (kept,) = split(annotation, ["content"])
    assert isinstance(kept, Rest)


def stopped(*events: dict[str, Any]) -> list[ResponseEvent]:
    gate = Gate(lambda text: "bad" not in text, on_flagged="stop_choice")
    return [*gate.chunks(parse(*events))]


def test_stopping() -> None:
    """A stopped response is incomplete because of a filter, with what was released."""
    part = {"type": "output_text", "text": "", "annotations": []}
    where = {"output_index": 0, "content_index": 0}
    events = [
        created(model="m", created_at=5),
        added(message(content=[], status="in_progress")),
        {"type": "response.content_part.added", "part": part, **where},
        *(delta("One. "), delta("bad. "), delta("Two. ")),
        {"type": "response.output_text.done", "text": "One. bad. Two. ", **where},
        done(message("One. bad. Two. ")),
    ]
    end = completed(output=[message("One. bad. Two. ")], usage={"input_tokens": 1})
    *released, stop = stopped(*events, end)
    assert [event.type for event in released[-4:]] == [
        *("response.output_text.delta", "response.output_text.done"),
        *("response.content_part.done", "response.output_item.done"),
    ]
    assert isinstance(stop, LifecycleEvent)
    assert stop.response is not None
    assert stop.response == accumulated([*released, stop])
    result = stop.response.to_dict()
    assert result.pop("output")[0]["content"] == [{**part, "text": "One. "}]
    assert result == {
        "id": "resp_1",
        "object": "response",
        "model": "m",
        "created_at": 5,
        "status": "incomplete",
        "incomplete_details": {"reason": "content_filter"},
        "usage": {"input_tokens": 1},
    }
    (*_, cut) = stopped(*events)
    assert isinstance(cut, LifecycleEvent)
    assert cut.response is not None
    assert (cut.response.usage, cut.response.text) == (None, "One. ")


@pytest.mark.anyio
async def test_stopping_a_cut_stream() -> None:
    """A stopped response has an end even if the server sends none, also in async iteration."""

    async def stream() -> AsyncIterator[ResponseEvent]:
        for event in parse(added(message(content=[])), delta("bad. ")):
            yield event

    gate = Gate(lambda _: False, on_flagged="stop_choice")
    assert [event.type async for event in gate.achunks(stream())] == [
        *("response.output_item.added", "response.output_item.done", "response.incomplete"),
    ]


def test_withheld_items() -> None:
    """Nothing of a withheld item is released, and the indexes of the others have no gap."""
    reasoning = {"type": "reasoning", "id": "r", "summary": []}
    code = {"type": "code_interpreter_call", "id": "ci", "code": ""}
    progress = {"type": "response.code_interpreter_call.in_progress", "output_index": 1}
    events = parse(
        *(created(), added(reasoning), added(reasoning), done(reasoning)),
        *(added(code, 1), progress, done(code, 1)),
        *(added(message(content=[]), 2), delta("One. ", 2), done(message("One. "), 2)),
        completed(output=[reasoning, code, message("One. ")]),
    )
    items = [*Gate(lambda _: True, unchecked=()).chunks(events)]

    assert [getattr(item, "output_index", None) for item in items] == [None, 0, 0, 0, None]
    last = items[-1]
    assert isinstance(last, LifecycleEvent)
    assert last.response is not None
    assert [item.type for item in last.response.output] == ["message"]


def test_withheld_items_without_a_beginning() -> None:
    """Items and parts of kinds that are withheld aren't in complete items and responses."""
    reasoning = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "a"}]}
    refusal = {"type": "refusal", "refusal": "No."}
    answer = message("One.")
    answer["content"] = [refusal, *answer["content"], {"type": "new"}]
    events = parse(
        done(call("{}")), done(answer, 1), completed(output=[call("{}"), answer, reasoning])
    )
    items = [*Gate(lambda _: True, unchecked=()).chunks(events)]

    assert [item.type for item in items] == [
        *("response.output_text.delta", "response.output_item.done", "response.completed"),
    ]
    result = accumulated(items)
    assert [item.type for item in result.output] == ["message"]
    assert [part.type for part in result.output[0].content or ()] == ["output_text"]
    assert accumulated(items[:2]).text == result.text == "One."


def test_withheld_parts() -> None:
    """A part that is withheld leaves no gap in the indexes of the content."""
    refusal = {"type": "refusal", "refusal": "No."}
    new = {"type": "new", "text": "x"}
    part = {"type": "output_text", "text": ""}
    whole = message("One.")
    whole["content"] = [refusal, new, *whole["content"]]
    names = [
        *("response.content_part.added", "response.output_text.delta"),
        *("response.output_text.done", "response.content_part.done"),
    ]

    def at(index: int, name: str, **fields: Any) -> dict[str, Any]:
        return {"type": name, "output_index": 0, "content_index": index, **fields}

    events = [
        *(created(), added(message(content=[]))),
        *(at(0, names[0], part={**refusal, "refusal": ""}), at(0, names[3], part=refusal)),
        *(at(1, names[0], part=new), at(1, names[3], part=new)),
        *(at(2, names[0], part=part), at(2, names[1], delta="One.")),
        *(at(2, names[2], text="One."), at(2, names[3], part={**part, "text": "One."})),
        *(done(whole), completed(output=[whole])),
    ]
    items = [*Gate(lambda _: True).chunks(parse(*events))]

    assert [item.type for item in items[2:6]] == names
    assert {getattr(item, "content_index", 0) for item in items} == {0}
    assert accumulated(items[:-2]).text == accumulated(items).text == "One."


def test_stopping_between_gaps() -> None:
    """Only the open items of a stopped response are ended, whatever their indexes are."""
    items = stopped(
        *(created(), {"type": "keepalive"}, added(call(), 0), done(call("{}"), 0)),
        added(call(id="fc_2"), 2),
        *(arguments("{", 2), added(message(content=[]), 5), delta("bad. ", 5), completed()),
    )
    ends = [(item.type, getattr(item, "output_index", None)) for item in items[-4:]]

    assert ends == [
        *(("response.function_call_arguments.done", 2), ("response.output_item.done", 2)),
        *(("response.output_item.done", 5), ("response.incomplete", None)),
    ]
    last = items[-1]
    assert isinstance(last, LifecycleEvent)
    assert last.response is not None
    assert [item.status for item in last.response.output] == ["in_progress", "incomplete", None]


def test_call_without_arguments() -> None:
    """A call that begins without arguments has no text, and passes a gate."""
    items = [{"type": "function_call", "id": "fc_1", "name": "f"}, {"type": "custom_tool_call"}]
    events = parse(created(), *[added(item, at) for at, item in enumerate(items)])
    gate = Gate(lambda _: True, kinds=("content", "arguments"))

    assert [event.pieces() for event in events] == [[], [], []]
    assert len(list(gate.chunks(events))) == 3
