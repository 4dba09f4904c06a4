"""
The properties that every input must have, as one function of bytes.

The first two bytes of an input choose the options and the cuts; the rest is the body. No fuzzer is
needed: the tests check saved inputs.
"""

from __future__ import annotations

import json
import math
import pickle
import random
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from attrs import asdict, define, evolve, frozen

from sseparse import (
    Accumulator,
    Chunk,
    ChunkDecoder,
    ChunkParser,
    End,
    EndCause,
    Event,
    IncompleteStream,
    LimitExceeded,
    Parser,
    Result,
    ServerSentError,
    SSEError,
    encode_chunk,
    to_chunks,
)
from sseparse.chunks import (
    ArgumentsDelta,
    ChatChoice,
    ChatMessage,
    ChoiceFinished,
    CompletionChoice,
    ContentDelta,
    ContentDone,
    CustomTool,
    Function,
    PartialJSON,
    ToolCallDone,
    ToolCallStarted,
    Update,
    UsageReported,
)
from sseparse.chunks._errors import find_error

HEAD = 2
"""The number of bytes before the body."""

# A body with this prefix can be a JSON object, which the parser doesn't read as a stream.
_MAYBE_OBJECT = re.compile(rb"[ \t\r\n\xef\xbb\xbf]*[{\[]")
# The interpreter's stack limits the nesting, so deeper JSON isn't checked.
_MAX_DEPTH = 100


@frozen
class Options:
    """
    The options that the first two bytes of an input choose.

    Attributes:
        parsing: Options of every parser.
        events: Further options of `Parser`.
        chunks: Further options of `ChunkParser`.
        accumulating: Limits of `Accumulator`.
        seed: Seed of the random cuts.
    """

    parsing: dict[str, Any]
    events: dict[str, Any]
    chunks: dict[str, Any]
    accumulating: dict[str, Any]
    seed: int


_LIMITS: tuple[dict[str, int | None], ...] = (
    {},
    {"max_line_bytes": None, "max_event_bytes": None},
    {"max_line_bytes": 48, "max_event_bytes": 24},
    {"max_line_bytes": None, "max_event_bytes": 160},
)
_SMALL_LIMITS = {"max_choices": 2, "max_tool_calls": 2, "max_accumulated_bytes": 2048}


def options_of(head: bytes) -> Options:
    """Decode the first two bytes of an input."""
    bits, seed = head.ljust(HEAD, b"\0")
    strict, skip, dispatch, comments, resumed, small = (bits >> at & 1 for at in range(6))
    return Options(
        parsing={
            "errors": "strict" if strict else "replace",
            **({"last_event_id": "5", "retry": 9} if resumed else {}),
            **_LIMITS[bits >> 6],
        },
        events={"incomplete": "dispatch" if dispatch else "discard", "comments": bool(comments)},
        chunks={
            "on_bad_json": "skip" if skip else "raise",
            **({"max_choices": 3, "max_objects": 12} if small else {}),
        },
        accumulating=_SMALL_LIMITS if small else {},
        seed=seed,
    )


def check(data: bytes) -> None:
    """
    Check every property on one input.

    Raises:
        AssertionError: The input violates a property; the message shows the values.
    """
    options = options_of(data[:HEAD])
    body = data[HEAD:]
    check_events(body, options)
    chunks, end = check_chunks(body, options)
    # In a completion that isn't streamed, `finish_reasons_seen` has a meaning of our own.
    if b"finish_reasons_seen" not in body or b'"message"' not in body:
        check_wire(chunks, streamed=bool(end.events_seen) and b'"message"' not in body)
    check_accumulated(chunks, end, options)
    check_json(text_of(body), options.seed)


# Assertions.


def require_equal(rule: str, got: object, expected: object) -> None:
    """Compare values and their representations, which differ for 1 and True."""
    if got == expected and repr(got) == repr(expected):
        return
    raise AssertionError(f"{rule}\n     got: {got!r}\nexpected: {expected!r}")


def require(rule: str, condition: bool, *shown: object) -> None:
    if not condition:
        raise AssertionError("\n".join([rule, *map(repr, shown)]))


def describe_error(error: SSEError | None) -> object:
    """Return the class, message and attributes of an error; check that it can be copied."""
    if error is None:
        return None
    copy = pickle.loads(pickle.dumps(error))
    require(
        "a copied error must have the same attributes",
        vars(copy) == vars(error),
        vars(copy),
        vars(error),
    )
    require_equal("a copied error must have the same message", str(copy), str(error))
    return type(error).__name__, str(error), repr(error), vars(error)


def cuts_of(data: Any, seed: int) -> Iterator[tuple[str, list[Any]]]:
    """Yield the pieces of a body or text: uncut, one by one, and cut at random."""
    yield "uncut", [data]
    yield "one by one", [data[at : at + 1] for at in range(len(data))]
    draw = random.Random(seed)
    places = sorted(draw.choices(range(len(data) + 1), k=1 + seed % 5))
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    yield f"in pieces of {[*map(len, pieces)]}", pieces


# The parsers.


@define
class Run:
    """The items that a parser returned for a body, and its state afterwards."""

    items: list[Any]
    error: object
    end: End
    state: dict[str, object]


def run(parser: Any, pieces: Iterable[bytes], *names: str) -> Run:
    """Feed a parser up to an error or to the end, as its documentation says."""
    items: list[Any] = []
    for piece in pieces:
        items += parser.feed(piece)
        if parser.error is not None:
            _check_stopped(parser)
            break
    else:
        items += parser.close()
        if parser.error is None:
            require_equal("a second close() must return nothing", parser.close(), [])
        else:
            _check_stopped(parser)
    end = parser.end
    if parser.error is not None:
        # The amount of data in the piece with the error depends on the cuts.
        end = evolve(end, bytes_seen=0, comments_seen=0)
    # So does the reconnection time, which can follow the error in the same piece.
    state = {
        name: getattr(parser, name) for name in names if parser.error is None or name != "retry"
    }
    return Run(items, describe_error(parser.error), end, state)


def _check_stopped(parser: Any) -> None:
    for call in (lambda: parser.feed(b"data: {}\n\n"), parser.close):
        try:
            call()
        except SSEError as error:
            require(
                "a parser must raise the same error from then on",
                error is parser.error,
                error,
                parser.error,
            )
        else:
            raise AssertionError(f"an error must be raised from then on: {parser.error!r}")


def check_cuts(make: Callable[[], Any], body: bytes, seed: int, *names: str) -> Run:
    """Check that a parser gives the same at every cut; return the result."""
    (_, pieces), *cuts = cuts_of(body, seed)
    uncut = run(make(), pieces, *names)
    kind = type(make()).__name__
    for cut, pieces in cuts:
        other = asdict(run(make(), pieces, *names), recurse=False)
        for name, value in asdict(uncut, recurse=False).items():
            rule = f"the {name} of {kind} must not depend on the cuts: {cut}"
            require_equal(rule, other[name], value)
    if uncut.error is None:
        require_equal("all bytes must be counted", uncut.end.bytes_seen, len(body))
    return uncut


def check_events(body: bytes, options: Options) -> None:
    """Check `Parser`."""
    kwargs = {**options.parsing, **options.events}
    check_cuts(lambda: Parser(**kwargs), body, options.seed, "last_event_id", "retry")


def check_chunks(body: bytes, options: Options) -> tuple[list[Chunk], End]:
    """Check `ChunkParser`; return the chunks and the end."""
    kwargs = {**options.parsing, **options.chunks}
    expected = check_cuts(
        lambda: ChunkParser(**kwargs),
        body,
        options.seed,
        "done",
        "last_event_id",
        "retry",
        "skipped",
        "after_done",
    )
    check_stages(body, options, expected)
    return expected.items, expected.end


def check_stages(body: bytes, options: Options, expected: Run) -> None:
    """Check that `Parser` followed by `ChunkDecoder` gives the same as `ChunkParser`."""
    if _MAYBE_OBJECT.match(body) or expected.end.cause is EndCause.NOT_A_STREAM:
        return
    parser = Parser(**options.parsing, incomplete="dispatch")
    parser.keeps_stray = True
    decoder = ChunkDecoder(**options.chunks)
    chunks: list[Chunk] = []

    def decode(events: Iterable[Event]) -> None:
        for event in events:
            if decoder.error is None:
                chunks.extend(
                    decoder.feed(event) if event.event else decoder.feed_stray(event.data)
                )

    decode(parser.feed(body))
    if parser.error is None and decoder.error is None:
        decode(event for event in parser.close() if not event.event or _is_complete(decoder, event))
    require_equal("two stages must give the same chunks as one", chunks, expected.items)
    error = describe_error(decoder.error or parser.error)
    if error is not None or "'objects'" not in repr(expected.error):  # a truncated last event
        require_equal("two stages must give the same error as one", error, expected.error)


def _is_complete(decoder: ChunkDecoder, event: Event) -> bool:
    try:
        return bool(decoder.load(event.data.strip(" \t\r\n")))
    except (ValueError, RecursionError):
        return False


# Encoding.


def check_wire(chunks: list[Chunk], *, streamed: bool) -> None:
    """
    Check that encoded chunks parse to equal chunks.

    The chunks of a completion that wasn't streamed can differ if a field has an unexpected type.
    """
    before = repr(chunks)
    wire = [encode_chunk(chunk) for chunk in chunks]
    for piece in wire:
        require(
            "an encoded chunk must be one line",
            piece.count(b"\n") == 2 and b"\r" not in piece,
            piece,
        )
    for chunk in chunks:
        _is_json(chunk.to_dict())
        require("the text must be a str", isinstance(chunk.text, str), chunk)
    require_equal("encoding must not change the chunks", repr(chunks), before)
    parser = ChunkParser(max_choices=None, max_objects=None, error_finish_reasons=())
    read = parser.feed(b"".join(wire))
    if parser.error is None:
        read += parser.close()
    if streamed:
        require("encoded chunks must parse to equal chunks", read == chunks, read, chunks)
        rule = "encoded chunks must parse to the same JSON"
        require_equal(rule, [*map(as_json, read)], [*map(as_json, chunks)])
    elif parser.error is None:  # an error next to a message becomes a chunk without choices
        rule = "encoded chunks must accumulate to the same completion"
        require_equal(rule, accumulated(read), accumulated(chunks))
    require(
        "encoded chunks must parse without an error of our own",
        parser.error is None or isinstance(parser.error, ServerSentError),
        parser.error,
        wire,
    )


def _is_json(value: object) -> None:
    text = json.dumps(value, allow_nan=False)
    require_equal("a dictionary must be JSON", json.loads(text), value)


# The accumulator.


def check_accumulated(chunks: list[Chunk], end: End, options: Options) -> None:
    """Check `Accumulator`, its updates and its completion."""
    before = repr(chunks)
    added = _add_all(chunks, options)
    observed = _add_all_observed(chunks, options)
    require_equal("accumulating must not change the chunks", repr(chunks), before)
    snapshot = added.snapshot()
    if not options.accumulating:  # snapshots count towards the memory limits
        rule = "snapshots and updates must not change the completion"
        require_equal(rule, observed.snapshot(), snapshot)
    _check_result(added, snapshot, end)
    _check_notes(snapshot)
    _is_json(snapshot.to_dict())
    check_to_chunks(snapshot)
    check_completion_body(snapshot)


def _add_all(chunks: list[Chunk], options: Options) -> Accumulator:
    """Add chunks up to a limit, with one snapshot in between."""
    accumulator = Accumulator(**options.accumulating)
    middle = accumulator.snapshot()
    shown = repr(middle)
    for number, chunk in enumerate(chunks):
        if _is_full(accumulator, accumulator.add, chunk):
            break
        if number == options.seed % len(chunks):
            middle = accumulator.snapshot()
            shown = repr(middle)
    require_equal("a snapshot must not change", repr(middle), shown)
    return accumulator


def _add_all_observed(chunks: list[Chunk], options: Options) -> Accumulator:
    """Add chunks up to a limit, and check all views after each."""
    accumulator = Accumulator(**options.accumulating)
    updates: list[Update] = []
    for chunk in chunks:
        if _is_full(accumulator, lambda chunk: updates.extend(accumulator.updates(chunk)), chunk):
            break
        _check_views(accumulator)
    else:
        _check_end(accumulator, updates)
    return accumulator


def _is_full(accumulator: Accumulator, add: Callable[[Chunk], None], chunk: Chunk) -> bool:
    """Add a chunk; return whether it exceeded a limit, and check that the error stays."""
    try:
        add(chunk)
    except LimitExceeded as error:
        describe_error(error)
        snapshot = accumulator.snapshot()
        require_equal(
            "the partial result of LimitExceeded must be the snapshot", error.partial, snapshot
        )
        shown = repr(snapshot)
        try:
            add(chunk)
        except LimitExceeded as again:
            require("LimitExceeded must be raised again", again is error, again, error)
        else:
            raise AssertionError(f"LimitExceeded must be raised again\n{error!r}") from None
        rule = "a rejected chunk must not change the completion"
        require_equal(rule, repr(accumulator.snapshot()), shown)
        return True
    return False


def _check_views(accumulator: Accumulator) -> None:
    """Check all views of the chunks received so far."""
    snapshot = accumulator.snapshot()
    repr(snapshot)
    require_equal("the text must be that of the snapshot", accumulator.text, snapshot.text)
    require_equal("the usage must be that of the snapshot", accumulator.usage, snapshot.usage)
    _check_notes(snapshot)
    for choice in snapshot.choices:
        _check_live(accumulator.json_content(choice=choice.index), _text_of(choice))
        calls = choice.message.tool_calls if isinstance(choice, ChatChoice) else None
        for place, call in enumerate(calls or ()):
            live = accumulator.json_arguments(place, choice=choice.index)
            _check_live(live, _arguments_of(call.function or call.custom))


def _text_of(choice: ChatChoice | CompletionChoice) -> str | None:
    return choice.message.content if isinstance(choice, ChatChoice) else choice.text


def _arguments_of(callee: Function | CustomTool | None) -> str | None:
    if isinstance(callee, CustomTool):
        return callee.input
    return None if callee is None else callee.arguments


def _check_live(live: PartialJSON, text: str | None) -> None:
    if _depth_of(text or "") > _MAX_DEPTH:
        _ = live.value
        return
    fresh = PartialJSON()
    fresh.feed(text or "")
    before = _state_of(fresh)
    fresh.close()  # as `ToolCallDone` may have done
    rule = "incremental JSON must equal JSON parsed at once"
    require(rule, _state_of(live) in (before, _state_of(fresh)), text)


def _state_of(parser: PartialJSON) -> object:
    return repr(parser.value), parser.complete, parser.fault


def _check_notes(snapshot: Result) -> None:
    for note in snapshot.notes:
        require("a note must have a text", bool(str(note)) and bool(repr(note)), note)


def _check_result(accumulator: Accumulator, snapshot: Result, end: End) -> None:
    for given in (None, end):
        try:
            require_equal("a result must be the snapshot", accumulator.result(given), snapshot)
        except IncompleteStream as error:
            complete = accumulator.finished if given is None else given.complete
            require("a complete stream must have a result", not complete, error)
            require_equal("the partial result must be the snapshot", error.partial, snapshot)
            describe_error(error)
        except LimitExceeded as error:
            require("a rejected chunk must stay rejected", error is accumulator.error, error)
            require_equal("the partial result must be the snapshot", error.partial, snapshot)


def _check_end(accumulator: Accumulator, updates: list[Update]) -> None:
    """Check that the updates report the content of the snapshot."""
    snapshot = accumulator.snapshot()
    updates += accumulator.last_updates()
    require_equal("last_updates() must be empty at the second call", accumulator.last_updates(), [])
    require_equal("last_updates() must not change the completion", accumulator.snapshot(), snapshot)
    repr(updates)
    for choice in snapshot.choices:
        mine = [each for each in updates if getattr(each, "choice", None) == choice.index]
        text = _text_of(choice)
        deltas = [each.text for each in mine if isinstance(each, ContentDelta)]
        rule = "content deltas must join to the content"
        require_equal(rule, joined("".join(deltas)), joined(text or ""))
        dones = [each.text for each in mine if isinstance(each, ContentDone)]
        rule = "the last ContentDone must have the entire content"
        require_equal(rule, dones[-1:], [text] if text else [])
        reasons = [each.reason for each in mine if isinstance(each, ChoiceFinished)]
        reason = choice.finish_reason
        rule = "a choice must finish once"
        require_equal(rule, reasons, [] if reason is None else [reason])
        if isinstance(choice, ChatChoice):
            _check_calls(choice.message, mine)
    usage = [each.usage for each in updates if isinstance(each, UsageReported)]
    if snapshot.usage is not None:
        require_equal(
            "the last usage update must be the usage of the snapshot", usage[-1:], [snapshot.usage]
        )


def _check_calls(message: ChatMessage, updates: list[Update]) -> None:
    callees: dict[int | None, Function | CustomTool | None] = {
        place: call.function or call.custom for place, call in enumerate(message.tool_calls or ())
    }
    if message.function_call is not None:
        callees[None] = message.function_call
    started = [each.call for each in updates if isinstance(each, ToolCallStarted)]
    done = [each.call for each in updates if isinstance(each, ToolCallDone)]
    require_equal("each call must start once", sorted(started, key=str), sorted(callees, key=str))
    require_equal("each call must be done once", sorted(done, key=str), sorted(callees, key=str))
    for place, callee in callees.items():
        pieces = [
            each.text for each in updates if isinstance(each, ArgumentsDelta) and each.call == place
        ]
        text = _arguments_of(callee) or ""
        rule = "argument deltas must join to the arguments"
        require_equal(rule, joined("".join(pieces)), joined(text))


# Completions as chunks and as bodies.


def check_to_chunks(completion: Result) -> None:
    """Check that the chunks of a completion accumulate to it, also after encoding."""
    if not all(map(_has_clear_calls, completion.choices)):
        return
    before = repr(completion)
    for pieces in (None, 1, 3):
        chunks = [*to_chunks(completion, pieces=pieces)]
        rule = f"chunks of a completion must accumulate to it, {pieces=}"
        require_equal(rule, accumulated(chunks), as_json(completion))
        wire = b"".join(map(encode_chunk, chunks))
        parser = ChunkParser(max_choices=None, max_objects=None, error_finish_reasons=())
        if any(find_error("", chunk.to_dict()) for chunk in chunks):
            continue  # unknown fields that describe an error if there are no choices
        read = [*parser.feed(wire), *parser.close()]
        rule = f"encoded chunks of a completion must accumulate to it, {pieces=}"
        require_equal(rule, accumulated(read), as_json(completion))
    require_equal("to_chunks() must not change the completion", repr(completion), before)


def _has_clear_calls(choice: ChatChoice | CompletionChoice) -> bool:
    """Return whether chunks can tell the calls apart: each has a name or an id of its own."""
    calls = (choice.message.tool_calls or []) if isinstance(choice, ChatChoice) else []
    ids = [call.id for call in calls if call.id]
    callees = [call.function or call.custom for call in calls]
    return len({*ids}) == len(ids) and all(
        call.id or (callee is not None and callee.name)
        for call, callee in zip(calls, callees, strict=True)
    )


def check_completion_body(completion: Result) -> None:
    """Check that a completion as a JSON body parses to itself."""
    # Unknown fields of these names have a meaning in a body.
    if any({"delta", "finish_reasons_seen"} & choice.extra.keys() for choice in completion.choices):
        return
    if find_error("", completion.to_dict()) or not all(map(_has_clear_calls, completion.choices)):
        return
    body = json.dumps(completion.to_dict()).encode()
    parser = ChunkParser(max_choices=None, max_objects=None, error_finish_reasons=())
    chunks = [*parser.feed(body), *parser.close()]
    require("a completion must parse as a body", parser.error is None, parser.error, body)
    require_equal(
        "a completion as a body must parse to itself", accumulated(chunks), as_json(completion)
    )


def accumulated(chunks: Iterable[Chunk]) -> object:
    """Accumulate chunks without limits."""
    accumulator = Accumulator(max_choices=None, max_tool_calls=None, max_accumulated_bytes=None)
    for chunk in chunks:
        accumulator.add(chunk)
    return as_json(accumulator.snapshot())


def as_json(model: Chunk | Result) -> object:
    """Return a model as JSON, in which 1 and true differ; without notes and order of keys."""
    return type(model).__name__, json.dumps(model.to_dict(), sort_keys=True)


# Incremental JSON.


def check_json(text: str, seed: int) -> None:
    """Check `PartialJSON` on any text."""
    (_, pieces), *cuts = cuts_of(text, seed)
    uncut = _parsed(pieces)
    for cut, pieces in cuts:
        require_equal(f"JSON must not depend on the cuts: {cut}", _parsed(pieces), uncut)
    deep = PartialJSON()
    deep.feed(text)
    deep.close()
    _ = deep.value
    _, complete, fault = uncut[-1]
    if fault is not None and fault.reason.startswith("nested deeper"):
        return
    require("JSON must be complete or malformed", complete or fault is not None, text)
    try:
        value = _load(joined(text))
    except ValueError as error:
        require(
            "JSON that the json module rejects must be malformed", fault is not None, text, error
        )
    else:
        rule = "the value must be that of the json module"
        require_equal(rule, uncut[-1], (repr(value), True, None))


def _parsed(pieces: Iterable[str]) -> list[Any]:
    parser = PartialJSON(max_depth=_MAX_DEPTH)
    for piece in pieces:
        parser.feed(piece)
        _ = parser.value
    before = _state_of(parser)
    parser.close()
    return [before, _state_of(parser)]


def text_of(body: bytes) -> str:
    """Decode a body, with lone surrogates."""
    try:
        return body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace")


def joined(text: str) -> str:
    """Join adjacent halves of surrogate pairs."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _depth_of(text: str) -> int:
    return text.count("[") + text.count("{")


def _load(text: str, **options: Any) -> Any:
    return json.loads(text, parse_constant=_reject, **options)


def _reject(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number
