"""Tests that reading responses is linear in the length of a stream."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from line_counts import count_lines
from sseparse.responses import (
    OutputItem,
    OutputItemEvent,
    ResponseAccumulator,
    ResponseEvent,
    ResponseParser,
)

from .events import (
    added,
    arguments,
    body,
    call,
    completed,
    created,
    delta,
    done,
    message,
    parse,
)

FEW, MANY = 50, 400
# Lines of Python for each event, of the most expensive kind.
MOST = 2000


def many_deltas(count: int) -> Iterator[dict[str, Any]]:
    yield added(message())
    for _ in range(count):
        yield delta("word ")


def many_parts(count: int) -> Iterator[dict[str, Any]]:
    yield added(message())
    for at in range(count):
        part = {"type": "output_text", "text": "a"}
        event = {"type": "response.content_part.added", "output_index": 0, "content_index": at}
        yield {**event, "part": part}
        yield delta("b", content_index=at)
        yield {**event, "type": "response.content_part.done", "part": {**part, "text": "ab"}}


def many_items(count: int) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield added(call(id=f"f{at}", call_id=f"c{at}"), at)
        yield arguments("{}", at)
        yield done(call("{}", id=f"f{at}", call_id=f"c{at}"), at)


def many_items_backwards(count: int) -> Iterator[dict[str, Any]]:
    for at in reversed(range(count)):
        yield added(message(id=f"m{at}"), at)
        yield delta("a", at, item_id=f"m{at}")


def many_items_at_one_index(count: int) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield added(call(id=f"f{at}", call_id=f"c{at}"))
        yield arguments("{}", item_id=f"f{at}")


def many_items_without_index(count: int) -> Iterator[dict[str, Any]]:
    for _ in range(count):
        yield added({"type": "function_call", "name": "f"}, None)
        yield arguments("{}", None)


def alternating(count: int) -> Iterator[dict[str, Any]]:
    yield added(message(id="a"), 0)
    yield added(call(id="b"), 1)
    for _ in range(count):
        yield delta("word ", 0, item_id="a")
        yield arguments(" ", 1, item_id="b")


def many_commands(count: int) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield delta("ls", 0, "response.shell_call_command.delta", command_index=at)


def bare_heads(count: int) -> Iterator[dict[str, Any]]:
    yield created(tools=[{"type": "function"}] * count)
    for _ in range(count):
        yield {"type": "response.in_progress"}


def ends_of_items(count: int) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield delta("a", at, item_id=f"m{at}")
    for at in range(count):
        yield done(message("ab", id=f"m{at}"), at)


def open_items(count: int) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield delta("a", at, item_id=f"m{at}")


def changing_ids(count: int) -> Iterator[dict[str, Any]]:
    yield added(message())
    for at in range(count):
        yield delta("word ", item_id=f"id{at}")


def unnamed_calls(count: int) -> Iterator[dict[str, Any]]:
    for _ in range(count):
        yield arguments("1")


def many_logprobs(count: int) -> Iterator[dict[str, Any]]:
    yield added(message())
    for _ in range(count):
        yield delta("a", logprobs=[{"token": "a", "logprob": -0.5}])


def many_annotations(count: int) -> Iterator[dict[str, Any]]:
    yield added(message())
    for _ in range(count):
        event = {"type": "response.output_text.annotation.added", "output_index": 0}
        yield {**event, "annotation": {"url": "u"}}


def repeated_heads(count: int) -> Iterator[dict[str, Any]]:
    yield added(message("x" * 1000))
    for _ in range(count):
        yield created()


def repeated_ends(count: int) -> Iterator[dict[str, Any]]:
    yield added(message("x" * 1000))
    for _ in range(count):
        yield done(message("ab"))
        yield {"type": "response.web_search_call.searching", "output_index": 0}


def repeated_texts(count: int) -> Iterator[dict[str, Any]]:
    yield added(message("x" * 1000))
    for _ in range(count):
        yield {"type": "response.output_text.done", "output_index": 0, "text": "ab"}


def restarts(count: int) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield created(id=f"r{at}")
        yield delta("a")


STREAMS: list[Callable[[int], Iterator[dict[str, Any]]]] = [
    many_deltas,
    many_parts,
    many_items,
    many_items_backwards,
    many_items_at_one_index,
    many_items_without_index,
    alternating,
    many_commands,
    bare_heads,
    ends_of_items,
    open_items,
    changing_ids,
    unnamed_calls,
    many_logprobs,
    many_annotations,
    repeated_heads,
    repeated_ends,
    repeated_texts,
    restarts,
]


def parse_all(stream: Callable[[int], Iterator[dict[str, Any]]], count: int) -> list[ResponseEvent]:
    return ResponseParser().feed(body(*stream(count), completed()))


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.__name__)
def test_accumulating(stream: Callable[[int], Iterator[dict[str, Any]]]) -> None:
    """Each event costs the same, however many came before it, with and without updates."""
    costs = []
    for count in (FEW, MANY):
        events = parse_all(stream, count)

        def work(events: list[ResponseEvent] = events) -> None:
            accumulator, tracked = ResponseAccumulator(), ResponseAccumulator()
            for event in events:
                accumulator.add(event)
                tracked.updates(event)
            accumulator.snapshot()
            tracked.last_updates()

        costs.append(count_lines(work, most=MOST * len(events)) / len(events))
    few, many = costs
    assert many < 1.5 * few


def test_repeated_ends() -> None:
    """A terminal event without a response, repeated, doesn't cost the size of the response."""
    (first,) = parse(created(tools=[{"type": "function"}] * 1000))
    (last,) = parse({"type": "response.completed"})
    accumulator = ResponseAccumulator()
    accumulator.add(first)
    accumulator.add(last)

    def work() -> None:
        for _ in range(100):
            accumulator.add(last)

    count_lines(work, most=10_000)
    assert accumulator.result().status == "completed"


class CountedList(list[Any]):
    """A list that counts how often it's iterated over."""

    iterations = 0

    def __iter__(self) -> Iterator[Any]:
        self.iterations += 1
        return super().__iter__()


def test_commands() -> None:
    """A delta of a command doesn't cost the number of commands that its item began with."""
    commands = CountedList(["a"] * 100)
    item = OutputItem(type="shell_call", extra={"action": {"commands": commands}})
    accumulator, tracked = ResponseAccumulator(), ResponseAccumulator()
    first = OutputItemEvent(type="response.output_item.added", output_index=0, item=item)
    for event in (first, *parse(*many_commands(100))):
        accumulator.add(event)
        tracked.updates(event)
    assert commands.iterations < 20
    assert accumulator.snapshot().output[0].extra["action"]["commands"] == ["als"] * 100


@pytest.mark.parametrize("named", [True, False])
def test_parsing(named: bool) -> None:
    """Each event costs the same to decode, however many came before it."""
    costs = []
    for count in (FEW, MANY):
        data = body(*many_deltas(count), named=named)
        work = partial(ResponseParser().feed, data)
        costs.append(count_lines(work, most=MOST * count) / count)
    few, many = costs
    assert many < 1.5 * few
