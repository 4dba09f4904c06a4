"""
The laws that hold for every input, as one function of bytes.

The first two bytes of an input choose the options and the cut; the rest is the body. Nothing here
needs a fuzzer: the tests run it over the findings of the past.
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

HEAD = 2
"""How many bytes of an input are no body."""

# What begins so may be one JSON object, and then it is not read as a stream.
_MAYBE_OBJECT = re.compile(rb"[ \t\r\n\xef\xbb\xbf]*[{\[]")
# Of nesting the interpreter's stack sets the bound, which is no law of ours.
_MAX_DEPTH = 100


@frozen
class Options:
    """
    Hold what the first two bytes of an input choose.

    Attributes:
        parsing: What every parser takes.
        events: What `Parser` takes besides.
        chunks: What `ChunkParser` takes besides.
        accumulating: The limits of an `Accumulator`.
        seed: Where the random cut begins.
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
_SMALL = {"max_choices": 2, "max_tool_calls": 2, "max_accumulated_bytes": 2048}


def options_of(head: bytes) -> Options:
    """Read the first two bytes of an input."""
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
        accumulating=_SMALL if small else {},
        seed=seed,
    )


def check(data: bytes) -> None:
    """
    Check every law on one input.

    Raises:
        AssertionError: A law does not hold; the message shows what differed.
    """
    options = options_of(data[:HEAD])
    body = data[HEAD:]
    check_events(body, options)
    chunks, end = check_chunks(body, options)
    # The answer of a server that did not stream has messages. Our own name in one means more.
    if b"finish_reasons_seen" not in body or b'"message"' not in body:
        check_wire(chunks, streamed=bool(end.events_seen) and b'"message"' not in body)
    check_accumulated(chunks, end, options)
    check_json(text_of(body), options.seed)


# What must be the same, and how it is told.


def same(law: str, got: object, expected: object) -> None:
    """Compare by value, and by what is shown: 1 is no True, and order counts."""
    if got == expected and repr(got) == repr(expected):
        return
    raise AssertionError(f"{law}\n     got: {got!r}\nexpected: {expected!r}")


def hold(law: str, holds: bool, *shown: object) -> None:
    if not holds:
        raise AssertionError("\n".join([law, *map(repr, shown)]))


def told(error: SSEError | None) -> object:
    """Tell all that an error says; that it can be copied, too."""
    if error is None:
        return None
    copy = pickle.loads(pickle.dumps(error))
    hold("an error can be copied", vars(copy) == vars(error), vars(copy), vars(error))
    same("a copied error says the same", str(copy), str(error))
    return type(error).__name__, str(error), repr(error), vars(error)


def cuts_of(whole: Any, seed: int) -> Iterator[tuple[str, list[Any]]]:
    """Cut a body or a text: whole, item by item, and as the input chose."""
    yield "whole", [whole]
    yield "one by one", [whole[at : at + 1] for at in range(len(whole))]
    draw = random.Random(seed)
    places = sorted(draw.choices(range(len(whole) + 1), k=1 + seed % 5))
    pieces = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
    yield f"in pieces of {[*map(len, pieces)]}", pieces


# The parsers.


@define
class Run:
    """Hold what a parser made of a body, and all that it tells afterwards."""

    items: list[Any]
    error: object
    end: End
    state: dict[str, object]


def run(parser: Any, pieces: Iterable[bytes], *names: str) -> Run:
    """Feed a parser as its contract says: up to a fault, and else to the end."""
    items: list[Any] = []
    for piece in pieces:
        items += parser.feed(piece)
        if parser.error is not None:
            _check_stopped(parser)
            break
    else:
        items += parser.close()
        if parser.error is None:
            same("closing again does nothing", parser.close(), [])
        else:
            _check_stopped(parser)
    end = parser.end
    if parser.error is not None:
        # How much came with the piece that held the fault is up to the cut.
        end = evolve(end, bytes_seen=0, comments_seen=0)
    # And so is the reconnection time, which may stand behind the fault in the same piece.
    state = {
        name: getattr(parser, name) for name in names if parser.error is None or name != "retry"
    }
    return Run(items, told(parser.error), end, state)


def _check_stopped(parser: Any) -> None:
    for call in (lambda: parser.feed(b"data: {}\n\n"), parser.close):
        try:
            call()
        except SSEError as error:
            hold("a fault stays", error is parser.error, error, parser.error)
        else:
            raise AssertionError(f"a fault is raised from then on: {parser.error!r}")


def same_at_every_cut(make: Callable[[], Any], body: bytes, seed: int, *names: str) -> Run:
    """Run a parser over every cut; return what it made of the whole."""
    (_, pieces), *cuts = cuts_of(body, seed)
    whole = run(make(), pieces, *names)
    kind = type(make()).__name__
    for cut, pieces in cuts:
        other = asdict(run(make(), pieces, *names), recurse=False)
        for name, value in asdict(whole, recurse=False).items():
            same(f"the cuts do not matter to the {name} of {kind}: {cut}", other[name], value)
    if whole.error is None:
        same("all bytes are counted", whole.end.bytes_seen, len(body))
    return whole


def check_events(body: bytes, options: Options) -> None:
    """Check `Parser`."""
    kwargs = {**options.parsing, **options.events}
    same_at_every_cut(lambda: Parser(**kwargs), body, options.seed, "last_event_id", "retry")


def check_chunks(body: bytes, options: Options) -> tuple[list[Chunk], End]:
    """Check `ChunkParser`; return what it made of the body."""
    kwargs = {**options.parsing, **options.chunks}
    whole = same_at_every_cut(
        lambda: ChunkParser(**kwargs),
        body,
        options.seed,
        "done",
        "last_event_id",
        "retry",
        "skipped",
        "after_done",
    )
    check_stages(body, options, whole)
    return whole.items, whole.end


def check_stages(body: bytes, options: Options, whole: Run) -> None:
    """Check that `Parser` and `ChunkDecoder` one after the other give what both give at once."""
    if _MAYBE_OBJECT.match(body) or whole.end.cause is EndCause.NOT_A_STREAM:
        return
    parser = Parser(**options.parsing, incomplete="dispatch")
    decoder = ChunkDecoder(**options.chunks)
    events = parser.feed(body)
    if parser.error is None:
        events += [event for event in parser.close() if _is_whole(event)]
    chunks: list[Chunk] = []
    for event in events:
        chunks += decoder.feed(event)
        if decoder.error is not None:
            break
    same("two stages give what one does", chunks, whole.items)
    error = told(decoder.error or parser.error)
    if error is not None or "'objects'" not in repr(whole.error):  # a last event cut short
        same("two stages stop where one does", error, whole.error)


def _is_whole(event: Event) -> bool:
    data = event.data.strip(" \t\r\n")
    try:
        return data == "[DONE]" or isinstance(_load(data, parse_float=_finite), dict)
    except (ValueError, RecursionError):
        return False


# The way back.


def check_wire(chunks: list[Chunk], *, streamed: bool) -> None:
    """
    Check that chunks read back from the wire as they were.

    Those made of a whole completion never were on the wire; they need not be the same, where
    the server gave a field another type than it has.
    """
    before = repr(chunks)
    wire = [encode_chunk(chunk) for chunk in chunks]
    for piece in wire:
        hold("a chunk is one line", piece.count(b"\n") == 2 and b"\r" not in piece, piece)
    for chunk in chunks:
        _is_json(chunk.to_dict())
        hold("the text is text", isinstance(chunk.text, str), chunk)
    same("encoding leaves the chunks alone", repr(chunks), before)
    parser = ChunkParser(max_choices=None, max_objects=None)
    read = parser.feed(b"".join(wire))
    if parser.error is None:
        read += parser.close()
    if streamed:
        hold("chunks read back as they were", read == chunks, read, chunks)
        same("chunks read back to the letter", [*map(plain, read)], [*map(plain, chunks)])
    elif parser.error is None:  # an error beside a message is told by a chunk without choices
        same("chunks read back give the same", accumulated(read), accumulated(chunks))
    hold(
        "what was read once can be read again",
        parser.error is None or isinstance(parser.error, ServerSentError),
        parser.error,
        wire,
    )


def _is_json(value: object) -> None:
    text = json.dumps(value, allow_nan=False)
    same("a dictionary is JSON", json.loads(text), value)


# The accumulator.


def check_accumulated(chunks: list[Chunk], end: End, options: Options) -> None:
    """Check `Accumulator`, its updates and its completion."""
    before = repr(chunks)
    added = _add_all(chunks, options)
    watched = _watch_all(chunks, options)
    same("accumulating leaves the chunks alone", repr(chunks), before)
    snapshot = added.snapshot()
    if not options.accumulating:  # what is looked at on the way takes memory, too
        same("looking on the way changes nothing", watched.snapshot(), snapshot)
    _check_result(added, snapshot, end)
    _check_notes(snapshot)
    _is_json(snapshot.to_dict())
    check_to_chunks(snapshot)
    check_whole_body(snapshot)


def _add_all(chunks: list[Chunk], options: Options) -> Accumulator:
    """Add chunks up to a limit, and look at the completion once, in between."""
    accumulator = Accumulator(**options.accumulating)
    middle = accumulator.snapshot()
    shown = repr(middle)
    for number, chunk in enumerate(chunks):
        if _is_full(accumulator, accumulator.add, chunk):
            break
        if number == options.seed % len(chunks):
            middle = accumulator.snapshot()
            shown = repr(middle)
    same("a snapshot does not change", repr(middle), shown)
    return accumulator


def _watch_all(chunks: list[Chunk], options: Options) -> Accumulator:
    """Add chunks up to a limit, and look at everything on the way."""
    accumulator = Accumulator(**options.accumulating)
    updates: list[Update] = []
    for chunk in chunks:
        if _is_full(accumulator, lambda chunk: updates.extend(accumulator.updates(chunk)), chunk):
            break
        _look(accumulator)
    else:
        _check_end(accumulator, updates)
    return accumulator


def _is_full(accumulator: Accumulator, add: Callable[[Chunk], None], chunk: Chunk) -> bool:
    """Add a chunk; tell whether a limit was met, and check that it stays so."""
    try:
        add(chunk)
    except LimitExceeded as error:
        told(error)
        snapshot = accumulator.snapshot()
        same("a limit's partial is the snapshot", error.partial, snapshot)
        shown = repr(snapshot)
        try:
            add(chunk)
        except LimitExceeded as again:
            hold("a limit that was met stays met", again is error, again, error)
        else:
            raise AssertionError(f"a limit that was met stays met\n{error!r}") from None
        same("a chunk that is refused changes nothing", repr(accumulator.snapshot()), shown)
        return True
    return False


def _look(accumulator: Accumulator) -> None:
    """Look at all that is told while chunks come."""
    snapshot = accumulator.snapshot()
    repr(snapshot)
    same("the text is the snapshot's", accumulator.text, snapshot.text)
    same("the token counts are the snapshot's", accumulator.usage, snapshot.usage)
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
    before = _seen(fresh)
    fresh.close()  # as `ToolCallDone` may have done
    hold("JSON read as it came is JSON read at once", _seen(live) in (before, _seen(fresh)), text)


def _seen(parser: PartialJSON) -> object:
    return repr(parser.value), parser.complete, parser.fault


def _check_notes(snapshot: Result) -> None:
    for note in snapshot.notes:
        hold("a note is text", bool(str(note)) and bool(repr(note)), note)


def _check_result(accumulator: Accumulator, snapshot: Result, end: End) -> None:
    for given in (None, end):
        try:
            same("a result is the snapshot", accumulator.result(given), snapshot)
        except IncompleteStream as error:
            whole = accumulator.finished if given is None else given.complete
            hold("a whole completion is a result", not whole, error)
            same("what is incomplete has its partial", error.partial, snapshot)
            told(error)
        except LimitExceeded as error:
            hold("a refused chunk stays refused", error is accumulator.error, error)
            same("what was refused has its partial", error.partial, snapshot)


def _check_end(accumulator: Accumulator, updates: list[Update]) -> None:
    """Check that the updates tell what the snapshot holds."""
    snapshot = accumulator.snapshot()
    updates += accumulator.last_updates()
    same("the end is told once", accumulator.last_updates(), [])
    same("the end changes nothing", accumulator.snapshot(), snapshot)
    repr(updates)
    for choice in snapshot.choices:
        mine = [each for each in updates if getattr(each, "choice", None) == choice.index]
        text = _text_of(choice)
        deltas = [each.text for each in mine if isinstance(each, ContentDelta)]
        same("content deltas are the content", joined("".join(deltas)), joined(text or ""))
        dones = [each.text for each in mine if isinstance(each, ContentDone)]
        same("the last word on the content is all", dones[-1:], [text] if text else [])
        reasons = [each.reason for each in mine if isinstance(each, ChoiceFinished)]
        reason = choice.finish_reason
        same("a choice finishes once", reasons, [] if reason is None else [reason])
        if isinstance(choice, ChatChoice):
            _check_calls(choice.message, mine)
    usage = [each.usage for each in updates if isinstance(each, UsageReported)]
    if snapshot.usage is not None:
        same("the token counts told last are the snapshot's", usage[-1:], [snapshot.usage])


def _check_calls(message: ChatMessage, updates: list[Update]) -> None:
    callees: dict[int | None, Function | CustomTool | None] = {
        place: call.function or call.custom for place, call in enumerate(message.tool_calls or ())
    }
    if message.function_call is not None:
        callees[None] = message.function_call
    started = [each.call for each in updates if isinstance(each, ToolCallStarted)]
    done = [each.call for each in updates if isinstance(each, ToolCallDone)]
    same("every call starts once", sorted(started, key=str), sorted(callees, key=str))
    same("every call is done once", sorted(done, key=str), sorted(callees, key=str))
    for place, callee in callees.items():
        pieces = [
            each.text for each in updates if isinstance(each, ArgumentsDelta) and each.call == place
        ]
        text = _arguments_of(callee) or ""
        same("argument deltas are the arguments", joined("".join(pieces)), joined(text))


# Completions, there and back.


def check_to_chunks(completion: Result) -> None:
    """Check that a completion's chunks give it again, at once and through the wire."""
    before = repr(completion)
    for pieces in (None, 1, 3):
        chunks = [*to_chunks(completion, pieces=pieces)]
        same(f"chunks of a completion give it, {pieces=}", accumulated(chunks), plain(completion))
        wire = b"".join(map(encode_chunk, chunks))
        parser = ChunkParser(max_choices=None, max_objects=None)
        read = [*parser.feed(wire), *parser.close()]
        same(f"so they do through the wire, {pieces=}", accumulated(read), plain(completion))
    same("making chunks leaves the completion alone", repr(completion), before)


def check_whole_body(completion: Result) -> None:
    """Check that a completion is read as one where a server sends it without streaming."""
    # A server's own fields of these names cannot be told from what they mean in a body.
    if any({"delta", "finish_reasons_seen"} & choice.extra.keys() for choice in completion.choices):
        return
    body = json.dumps(completion.to_dict()).encode()
    parser = ChunkParser(max_choices=None, max_objects=None)
    chunks = [*parser.feed(body), *parser.close()]
    hold("a completion is a body", parser.error is None, parser.error, body)
    same("a completion as a body gives it", accumulated(chunks), plain(completion))


def accumulated(chunks: Iterable[Chunk]) -> object:
    """Put chunks together, however many."""
    accumulator = Accumulator(max_choices=None, max_tool_calls=None, max_accumulated_bytes=None)
    for chunk in chunks:
        accumulator.add(chunk)
    return plain(accumulator.snapshot())


def plain(model: Chunk | Result) -> object:
    """Tell 1 from true, but not one order of keys from another, nor what the notes say."""
    return type(model).__name__, json.dumps(model.to_dict(), sort_keys=True)


# JSON that is still arriving.


def check_json(text: str, seed: int) -> None:
    """Check `PartialJSON` on any text."""
    (_, pieces), *cuts = cuts_of(text, seed)
    whole = _parsed(pieces)
    for cut, pieces in cuts:
        same(f"the cuts of JSON do not matter: {cut}", _parsed(pieces), whole)
    deep = PartialJSON()
    deep.feed(text)
    deep.close()
    _ = deep.value
    _, complete, fault = whole[-1]
    if fault is not None and fault.reason.startswith("nested deeper"):
        return
    hold("complete or at fault", complete or fault is not None, text)
    try:
        value = _load(joined(text))
    except ValueError as error:
        hold("what json refuses is a fault", fault is not None, text, error)
    else:
        same("what json reads is its value", whole[-1], (repr(value), True, None))


def _parsed(pieces: Iterable[str]) -> list[Any]:
    parser = PartialJSON(max_depth=_MAX_DEPTH)
    for piece in pieces:
        parser.feed(piece)
        _ = parser.value
    before = _seen(parser)
    parser.close()
    return [before, _seen(parser)]


def text_of(body: bytes) -> str:
    """Read a body as text that may hold halves of surrogate pairs."""
    try:
        return body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace")


def joined(text: str) -> str:
    """Join halves of surrogate pairs that stand side by side."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _depth_of(text: str) -> int:
    return text.count("[") + text.count("{")


def _load(text: str, **options: Any) -> Any:
    return json.loads(text, parse_constant=_refuse, **options)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number
