"""
The properties of the APIs whose events have a type, as one function of bytes.

As in `target.py`, the first two bytes of an input choose the options and the cuts; the rest is the
body.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any

from attrs import frozen
from target import (
    HEAD,
    Options,
    Run,
    check_cuts,
    describe_error,
    options_of,
    require,
    require_equal,
)

import sseparse.messages
import sseparse.responses
from sseparse import IncompleteStream, LimitExceeded, SSEError
from sseparse.chunks import (
    ContentDelta,
    ContentDone,
    ToolCallDone,
    ToolCallStarted,
)

_SMALL_LIMITS = {"max_items": 2, "max_accumulated_bytes": 2048}


# Notes on answers or items that began again, which withdraws what earlier updates reported.
_RESTARTS = ("RESTARTED", "ITEM_REPLACED")


@frozen
class API:
    """The classes of an API under test."""

    parser: Callable[..., Any]
    reader: Callable[..., Any]
    accumulator: Callable[..., Any]
    module: ModuleType


APIS = {
    "responses": API(
        sseparse.responses.ResponseParser,
        sseparse.responses.ResponseReader,
        sseparse.responses.ResponseAccumulator,
        sseparse.responses,
    ),
    "messages": API(
        sseparse.messages.MessageParser,
        sseparse.messages.MessageReader,
        sseparse.messages.MessageAccumulator,
        sseparse.messages,
    ),
}


def check(data: bytes, name: str) -> None:
    """
    Check every property of an API on one input.

    Raises:
        AssertionError: The input violates a property; the message shows the values.
    """
    options = options_of(data[:HEAD])
    body, api = data[HEAD:], APIS[name]
    chosen = {n: v for n, v in options.chunks.items() if n != "max_choices"}
    kwargs = {**options.parsing, **chosen}
    names = ("done", "last_event_id", "retry", "skipped", "after_done")
    run = check_cuts(lambda: api.parser(**kwargs), body, options.seed, *names)
    check_wire(api, run)
    check_accumulated(api, run, options)
    check_reader(api, body, kwargs, run)


def check_wire(api: API, run: Run) -> None:
    """Check that encoded events parse to equal events."""
    before = repr(run.items)
    wire = [api.module.encode_event(item) for item in run.items]
    require_equal("encoding must not change the events", repr(run.items), before)
    for item, piece in zip(run.items, wire, strict=True):
        require("the text must be a str", isinstance(item.text, str), item)
        value = item.to_dict()
        require_equal("a dictionary must be JSON", json.loads(json.dumps(value)), value)
        parser = api.parser(max_objects=None)
        read = parser.feed(piece)
        require("an encoded event must parse to an equal event", read == [item], read, item)


def check_accumulated(api: API, run: Run, options: Options) -> None:
    """Check the accumulator, its updates and its result."""
    limits = _SMALL_LIMITS if options.accumulating else {}
    added, observed = api.accumulator(**limits), api.accumulator(**limits)
    updates: list[Any] = []
    before = repr(run.items)
    for item in run.items:
        middle = added.snapshot()
        shown = repr(middle)
        is_full = _is_full(added, added.add, item)
        require_equal("a snapshot must not change", repr(middle), shown)
        if _is_full(observed, partial(_observe, observed, updates), item):
            break
        if is_full:
            return  # updates and snapshots count towards the limits too
        require_equal("the text must be that of the snapshot", added.text, added.snapshot().text)
    else:
        updates += observed.last_updates()
        check_updates(observed.snapshot(), updates)
    require_equal("accumulating must not change the events", repr(run.items), before)
    snapshot = added.snapshot()
    if not limits:
        rule = "updates must not change the result"
        require_equal(rule, as_json(observed.snapshot()), as_json(snapshot))
    for note in snapshot.notes:
        require("a note must have a text", bool(str(note)) and bool(repr(note)), note)
    value = snapshot.to_dict()
    require_equal("a dictionary must be JSON", json.loads(json.dumps(value)), value)
    check_to_events(api, snapshot)


def _observe(accumulator: Any, updates: list[Any], item: Any) -> None:
    updates += accumulator.updates(item)


def _is_full(accumulator: Any, add: Callable[[Any], None], item: Any) -> bool:
    try:
        add(item)
    except LimitExceeded as error:
        describe_error(error)
        rule = "the partial result of LimitExceeded must be the snapshot"
        require_equal(rule, error.partial, accumulator.snapshot())
        return True
    return False


def check_updates(snapshot: Any, updates: list[Any]) -> None:
    """
    Check that the updates report the texts and calls of the result.

    A later event can contradict or withdraw what an earlier one brought, so the last complete text
    isn't always the joined pieces.
    """
    repr(updates)
    if any(note.kind.name in _RESTARTS for note in snapshot.notes):
        return
    started = [each.call for each in updates if isinstance(each, ToolCallStarted)]
    done = [each.call for each in updates if isinstance(each, ToolCallDone)]
    require("a call must start once", len({*started}) == len(started), updates)
    require(
        "a call must be done once, after its start",
        {*done} == {*started} and len(done) == len({*done}),
        updates,
    )
    texts = [each.text for each in updates if isinstance(each, ContentDone)]
    if not snapshot.notes and snapshot.text:
        pieces = [each.text for each in updates if isinstance(each, ContentDelta)]
        require("all text must be in an update", texts != [] and pieces != [], snapshot, updates)


def check_to_events(api: API, snapshot: Any) -> None:
    """Check that the events of a result accumulate to it, also after encoding."""
    before = repr(snapshot)
    events = [*api.module.to_events(snapshot)]
    rule = "the events of a result must accumulate to it"
    require_equal(rule, as_json(accumulated(api, events)), as_json(snapshot))
    parser = api.parser(max_objects=None)
    read = parser.feed(b"".join(map(api.module.encode_event, events)))
    if parser.error is None:
        read += parser.close()
        rule = "the encoded events of a result must accumulate to it"
        require_equal(rule, as_json(accumulated(api, read)), as_json(snapshot))
    require_equal("to_events() must not change the result", repr(snapshot), before)


def accumulated(api: API, events: Iterable[Any]) -> Any:
    """Accumulate events without limits."""
    accumulator = api.accumulator(max_items=None, max_accumulated_bytes=None)
    for event in events:
        accumulator.add(event)
    return accumulator.snapshot()


def as_json(result: Any) -> str:
    """Return a result as JSON, in which 1 and true differ; without notes and order of keys."""
    return json.dumps(result.to_dict(), sort_keys=True)


def check_reader(api: API, body: bytes, options: dict[str, Any], run: Run) -> None:
    """Check that a truncated stream has no result, and that every error has the partial one."""
    reader = api.reader(**options)
    items: list[Any] = []
    for at in range(0, len(body), 7):
        if reader.error is not None:
            break
        items += reader.feed(body[at : at + 7])
    if reader.error is None:
        items += reader.close()
    expected = run.items
    if isinstance(reader.error, LimitExceeded):
        expected = expected[: len(items)]  # an index is beyond the limit
    require("a reader must return the items of the parser", items == expected, items, run.items)
    try:
        result = reader.result()
    except SSEError as error:
        describe_error(error)
        rule = "the partial result must be the snapshot"
        require_equal(rule, error.partial.to_dict(), reader.snapshot().to_dict())
        is_incomplete = isinstance(error, IncompleteStream)
        require("an incomplete end must be incomplete", not (is_incomplete and run.end.complete))
    else:
        require("a result must have a complete end", reader.end.complete, reader.end)
        require_equal("a result must be the snapshot", result, reader.snapshot())
