"""Tests of updates: what each event changed in a response."""

from collections import defaultdict
from typing import Any

from sseparse.responses import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    Response,
    ResponseAccumulator,
    TextUpdate,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    Update,
    UsageReported,
)

from .events import (
    added,
    arguments,
    call,
    completed,
    created,
    delta,
    done,
    lifecycle,
    message,
    notes,
    parse,
)
from .recordings import Recording

SUMMARY = "response.reasoning_summary_text"
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}


def test_the_limit_of_indexes() -> None:
    """Items that only the terminal event has need no index, so that none exceeds the limit."""
    output = [message("a", id="m1"), message(*"bc", id="m2")]
    events = parse(delta("a", 1, item_id="m1"), completed(output=output))
    plain, tracked = ResponseAccumulator(max_items=2), ResponseAccumulator(max_items=2)
    for event in events:
        plain.add(event)
        tracked.updates(event)
    assert plain.result() == tracked.result()
    assert tracked.result().text == "abc"


def updates(*events: Any, last: bool = True) -> list[Update]:
    accumulator = ResponseAccumulator()
    found = [update for event in parse(*events) for update in accumulator.updates(event)]
    return found + accumulator.last_updates() if last else found


def values(*events: Any) -> list[str]:
    """Return the updates as short texts."""
    return [describe(update) for update in updates(*events)]


def describe(update: Update) -> str:
    name = type(update).__name__
    if isinstance(update, TextUpdate):
        return f"{name} {update.item} {update.text}"
    if isinstance(update, ArgumentsDelta):
        return f"{name} {update.item} {update.call} {update.text}"
    if isinstance(update, ToolCallStarted):
        return f"{name} {update.item} {update.call} {update.id} {update.name}"
    if isinstance(update, ToolCallDone):
        return f"{name} {update.item} {update.call} {update.id} {update.arguments}"
    return f"{name} {update.reason}" if isinstance(update, ChoiceFinished) else name


def test_a_usual_response() -> None:
    """Reasoning, text, tool calls, the finish and usage are reported in their order."""
    whole = [
        {**REASONING, "summary": [{"type": "summary_text", "text": "Hm."}]},
        message("Hello"),
        call('{"a": 1}', status="completed"),
    ]
    events = [
        created(),
        added(REASONING),
        delta("Hm", 0, f"{SUMMARY}.delta", summary_index=0),
        delta(".", 0, f"{SUMMARY}.delta", summary_index=0),
        done(whole[0]),
        added(message(), 1),
        delta("Hel", 1),
        delta("", 1),
        delta("lo", 1),
        delta("!", 1, "response.refusal.delta", content_index=1),
        done(whole[1], 1),
        added(call(), 2),
        arguments('{"a"', 2),
        arguments(": 1}", 2),
        done(whole[2], 2),
        completed(output=whole, usage={"input_tokens": 1}),
    ]
    assert values(*events) == [
        "ReasoningDelta 0 Hm",
        "ReasoningDelta 0 .",
        "ReasoningDone 0 Hm.",
        "ContentDelta 1 Hel",
        "ContentDelta 1 lo",
        "RefusalDelta 1 !",
        "ContentDone 1 Hello",
        "RefusalDone 1 !",
        "ToolCallStarted 2 0 call_1 get_weather",
        'ArgumentsDelta 2 0 {"a"',
        "ArgumentsDelta 2 0 : 1}",
        'ToolCallDone 2 0 call_1 {"a": 1}',
        "ChoiceFinished completed",
        "UsageReported",
    ]
    found = updates(*events)
    finished = next(update for update in found if isinstance(update, ToolCallDone))
    assert finished.value == {"a": 1}
    assert finished.fault is None
    assert [u.value for u in found if isinstance(u, ArgumentsDelta)] == [{"a": 1}] * 2


def test_texts_without_deltas() -> None:
    """Text that only a complete text, part, item or response has is reported, once."""
    texts = {"type": "response.output_text.done", "output_index": 0, "text": "ab"}
    part = {"type": "response.content_part.done", "output_index": 0, "content_index": 0}
    part["part"] = {"type": "output_text", "text": "abc"}
    events = [added(message()), texts, part, done(message("abcd"))]
    assert values(*events, completed(output=[message("abcde")])) == [
        "ContentDelta 0 ab",
        "ContentDelta 0 c",
        "ContentDelta 0 d",
        "ContentDone 0 abcd",
        "ChoiceFinished completed",
    ]
    assert values(completed(output=[message("all"), call("{}")])) == [
        "ContentDelta 0 all",
        "ContentDone 0 all",
        "ToolCallStarted 1 0 call_1 get_weather",
        "ArgumentsDelta 1 0 {}",
        "ToolCallDone 1 0 call_1 {}",
        "ChoiceFinished completed",
    ]
    complete = {"type": "response.function_call_arguments.done", "output_index": 0}
    assert values(added(call()), {**complete, "arguments": "{}"}, done(call("{}"))) == [
        "ToolCallStarted 0 0 call_1 get_weather",
        "ArgumentsDelta 0 0 {}",
        "ToolCallDone 0 0 call_1 {}",
    ]


def test_complete_texts_that_contradict_the_deltas() -> None:
    """A complete text that contradicts the deltas is in the last update only."""
    assert values(added(message()), delta("ab"), done(message("xy"))) == [
        "ContentDelta 0 ab",
        "ContentDone 0 xy",
    ]
    # One without a text doesn't take back what was reported.
    assert values(added(message()), delta("ab"), done(message())) == [
        "ContentDelta 0 ab",
        "ContentDone 0 ab",
    ]


def test_items_that_the_end_completes() -> None:
    """The terminal event ends the items that nothing else ended."""
    output = [message("abc"), call("{}")]
    events = [added(message()), delta("ab"), added(call(), 1)]
    assert values(*events, completed(output=output)) == [
        "ContentDelta 0 ab",
        "ToolCallStarted 1 0 call_1 get_weather",
        "ContentDelta 0 c",
        "ContentDone 0 abc",
        "ArgumentsDelta 1 0 {}",
        "ToolCallDone 1 0 call_1 {}",
        "ChoiceFinished completed",
    ]
    # If it has no output, or contradicts them, they end as they are.
    assert values(*events, completed(output=[]))[2:] == [
        "ContentDone 0 ab",
        "ToolCallDone 1 0 call_1 ",
        "ChoiceFinished completed",
    ]
    assert values(*events, completed(output=[call("{}"), message("x")]))[2:] == [
        "ArgumentsDelta 1 0 {}",
        "ToolCallDone 1 0 call_1 {}",
        "ContentDone 0 x",
        "ChoiceFinished completed",
    ]


def test_call_that_becomes_another_item() -> None:
    """A call that begins again as an item of another type is done with what it had."""
    other = {"type": "web_search_call", "id": "fc_1"}
    assert values(added(call("{}")), added(other)) == [
        "ToolCallStarted 0 0 call_1 get_weather",
        "ArgumentsDelta 0 0 {}",
        "ToolCallDone 0 0 call_1 {}",
    ]
    assert notes(added(call("{}")), added(other)) == ["ITEM_REPLACED"]


def test_finishes() -> None:
    """The finish has the status, or the reason of an incomplete response; a failure has none."""
    reason = {"incomplete_details": {"reason": "max_output_tokens"}}
    assert values(lifecycle("incomplete", **reason)) == ["ChoiceFinished max_output_tokens"]
    assert values({"type": "response.completed"}) == ["ChoiceFinished completed"]
    assert values(created(), lifecycle("failed", error={"message": "x"})) == []


def test_the_end_is_reported_once() -> None:
    """A second terminal event reports nothing."""
    accumulator = ResponseAccumulator()
    for event in [*parse(completed()), *parse(completed())]:
        found = accumulator.updates(event)
    assert found == []


def test_calls_without_a_name() -> None:
    """A call is reported once its name is known, with all its arguments."""
    unnamed = arguments("{", item_id="f"), arguments("}", item_id="f")
    assert values(*unnamed, done(call("{}", id="f"))) == [
        "ToolCallStarted 0 0 call_1 get_weather",
        "ArgumentsDelta 0 0 {}",
        "ToolCallDone 0 0 call_1 {}",
    ]
    complete = {"type": "response.function_call_arguments.done", "output_index": 0}
    complete |= {"arguments": "{}", "name": "f"}
    assert values(*unnamed, complete) == [
        "ToolCallStarted 0 0 None f",
        "ArgumentsDelta 0 0 {}",
        "ToolCallDone 0 0 None {}",
    ]
    assert values(*unnamed) == [
        "ToolCallStarted 0 0 None ",
        "ArgumentsDelta 0 0 {}",
        "ToolCallDone 0 0 None {}",
    ]


def test_truncated_arguments() -> None:
    """Arguments that aren't complete JSON have a fault."""
    found = updates(added(call()), arguments('{"a": "b'), completed())
    last = next(update for update in found if isinstance(update, ToolCallDone))
    assert last.fault is not None
    assert last.value == {"a": "b"}
    found = updates(added(call()), done(call()))
    last = next(update for update in found if isinstance(update, ToolCallDone))
    assert last.fault is not None
    assert last.fault.reason == "no arguments received"


def test_custom_tools() -> None:
    """The input of a custom tool is free text; in an incomplete item it has a fault."""
    tool = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": ""}
    kind = "response.custom_tool_call_input.delta"
    events = [added(tool), delta("SELECT", 0, kind), delta(" 1", 0, kind)]
    found = updates(*events, done({**tool, "input": "SELECT 1"}))
    assert [describe(update) for update in found] == [
        "ToolCallStarted 0 0 c sql",
        "ArgumentsDelta 0 0 SELECT",
        "ArgumentsDelta 0 0  1",
        "ToolCallDone 0 0 c SELECT 1",
    ]
    assert {update.type for update in found if isinstance(update, ToolCallDone)} == {"custom"}
    *_, last = updates(*events, done({**tool, "input": "SELECT 1", "status": "incomplete"}))
    assert isinstance(last, ToolCallDone)
    assert last.fault is not None


def test_tools_of_the_server() -> None:
    """Tools that the server runs aren't calls to answer: they have no updates."""
    code = {"type": "code_interpreter_call", "code": ""}
    event = delta("x", 0, "response.code_interpreter_call_code.delta")
    assert values(added(code), event, done({**code, "code": "x"})) == []


def test_reasoning_under_two_names() -> None:
    """Reasoning that is sent as text and as a summary is reported once."""
    events = [
        added(REASONING),
        delta("a", 0, "response.reasoning_text.delta", content_index=0),
        delta("s", 0, f"{SUMMARY}.delta", summary_index=0),
        delta("b", 0, "response.reasoning_text.delta", content_index=0),
    ]
    assert values(*events) == ["ReasoningDelta 0 a", "ReasoningDelta 0 b", "ReasoningDone 0 ab"]


def test_logprobs() -> None:
    """Log-probabilities of new tokens are reported."""
    found = updates(added(message()), delta("a", logprobs=[{"token": "a"}]), last=False)
    assert found == [ContentDelta(0, "a", 0), LogprobsDelta(0, [{"token": "a"}])]


def test_transcripts() -> None:
    """The transcript of a spoken answer belongs to no item."""
    kind = "response.audio.transcript.delta"
    events = [delta("a", None, kind), delta("", None, kind), delta("b", None, kind)]
    events.append(delta("YQ==", None, "response.audio.delta"))
    assert updates(*events) == [
        TranscriptDelta(0, "a"),
        TranscriptDelta(0, "b"),
        TranscriptDone(0, "ab"),
    ]


def test_positions() -> None:
    """Items are numbered as they begin, whatever their indexes are; calls are counted."""
    events = [added(message(id="a"), 0), added(call(id="b"), 5), added(call(id="c"), 7)]
    events += [added(message(id="d"), 3), delta("x", 3, item_id="d")]
    starts = [u for u in updates(*events, last=False) if isinstance(u, ToolCallStarted)]
    assert [(each.item, each.call) for each in starts] == [(1, 0), (2, 1)]
    assert updates(*events, last=False)[-1] == ContentDelta(0, "x", 3)


def test_text_with_which_items_begin() -> None:
    """Text in the announcement of an item or a part is reported."""
    part = {"type": "response.content_part.added", "output_index": 0, "content_index": 1}
    part["part"] = {"type": "refusal", "refusal": "no"}
    empty = {**part, "content_index": 2, "part": {"type": "new"}}
    assert values(added(message("a")), part, empty) == [
        "ContentDelta 0 a",
        "RefusalDelta 0 no",
        "ContentDone 0 a",
        "RefusalDone 0 no",
    ]


def test_another_response() -> None:
    """Another response begins with new updates."""
    events = [created(), added(message()), delta("a"), created(id="resp_2"), delta("b")]
    assert values(*events) == ["ContentDelta 0 a", "ContentDelta 0 b", "ContentDone 0 b"]


def test_added_events_have_no_updates() -> None:
    """Events added with `add()` have no updates, and don't disturb those of others."""
    accumulator = ResponseAccumulator()
    assert accumulator.last_updates() == []
    events = parse(added(message()), *(delta(text) for text in "abcdef"), completed())
    found = []
    for at, event in enumerate(events):
        if at in (2, 3, 6):
            accumulator.add(event)
        else:
            found += accumulator.updates(event)
    assert [describe(update) for update in found] == [
        "ContentDelta 0 a",
        "ContentDelta 0 d",
        "ContentDelta 0 e",
        "ContentDone 0 abcdef",
        "ChoiceFinished completed",
    ]


def texts_of(response: Response) -> dict[tuple[type, int], str]:
    """Return the texts of a result by the update of their end and their position."""
    texts: dict[tuple[type, int], str] = {}
    for place, item in enumerate(response.output):
        texts[ContentDone, place] = item.text
        texts[RefusalDone, place] = item.refusal
        parts = item.content or item.summary or () if item.type == "reasoning" else ()
        texts[ReasoningDone, place] = "".join(part.text or "" for part in parts)
    return {key: text for key, text in texts.items() if text}


ENDS: dict[type, type] = {
    ContentDelta: ContentDone,
    RefusalDelta: RefusalDone,
    ReasoningDelta: ReasoningDone,
}


def test_recorded_streams(recordings: list[Recording]) -> None:
    """Of each recording, the updates add up to the result, which doesn't depend on them."""
    for recording in recordings:
        events = recording.events()
        accumulator, plain = ResponseAccumulator(), ResponseAccumulator()
        found: list[Update] = []
        for event in events:
            found += accumulator.updates(event)
            plain.add(event)
        found += accumulator.last_updates()
        result = plain.snapshot()
        assert accumulator.snapshot() == result
        pieces: dict[Any, str] = defaultdict(str)
        ends = {}
        for update in found:
            if isinstance(update, TextUpdate):
                kind = ENDS.get(type(update))
                if kind is None:
                    ends[type(update), update.item] = update.text
                else:
                    pieces[kind, update.item] += update.text
        assert pieces == ends
        if recording.name != "openai-responses-reasoning-2":  # its last item lacks the reasoning
            assert ends == texts_of(result), recording.name
        calls = [u for u in found if isinstance(u, ToolCallDone)]
        assert [(u.id, u.name, u.arguments) for u in calls] == [
            (each.id, each.name, each.arguments) for each in result.tool_calls
        ]
        assert sum(isinstance(u, ToolCallStarted) for u in found) == len(calls)
        usages = [u.usage for u in found if isinstance(u, UsageReported)]
        assert usages == ([] if result.usage is None else [result.usage])
