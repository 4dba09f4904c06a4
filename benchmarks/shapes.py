"""Named, repeatable sample streams and their expected results."""

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any, Literal

from attrs import evolve, frozen

DONE = b"[DONE]"
WORDS = (
    *("The", " answer", " is", " forty", "-two", ",", " of", " course", ".", "\n\n", " a", " to"),
    *(" stream", "ing", " event", "s", " that", " arrive", " in", " pieces", " `", "code", "`"),
    *(" \u00e9t\u00e9", "\u4f60\u597d", " \U0001f600", ' "quoted"', " \\", "\t"),
)
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@frozen
class Expected:
    """
    Expected results of a stream.

    Attributes:
        events: Number of events.
        data: Total number of characters of data.
        comments: Number of comments.
        chunks: Number of chunks, or typed events of the other APIs; 0 if the events are neither.
        texts: Final text of each choice.
        arguments: Final arguments of each tool call.
        logprobs: Number of tokens with log-probabilities.
        legacy: Whether it is a legacy completion.
        api: The API: "chat", "responses" or "messages".
    """

    events: int
    data: int
    comments: int = 0
    chunks: int = 0
    texts: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    logprobs: int = 0
    legacy: bool = False
    api: Literal["chat", "responses", "messages"] = "chat"


@frozen
class Sample:
    """
    A sample stream.

    Attributes:
        blocks: The body, cut after each event.
        payloads: The data of the events that are chunks or typed events.
        expected: The expected results.
    """

    blocks: tuple[bytes, ...]
    payloads: tuple[bytes, ...]
    expected: Expected

    @property
    def body(self) -> bytes:
        return b"".join(self.blocks)

    def feeds(self, size: int | None) -> list[bytes]:
        """Cut the stream into pieces of a size in bytes, or into events if it is None."""
        return list(self.blocks) if size is None else pieces(self.body, size)


@frozen
class Shape:
    """
    A kind of sample streams of any size.

    Attributes:
        name: Name in the tables.
        exercises: The code path that it measures.
        unit: The unit of its size.
        build: Function that builds a stream of n units.
        growth: Units for the measurement of growth: enough to be measurable, while four times as
            many fit into the cache of the processor.
    """

    name: str
    exercises: str
    unit: str
    build: Callable[[int], Sample]
    growth: int = 2000

    def make(self, count: int) -> bytes:
        """Return the body of a stream of n units."""
        return self.build(count).body


class SampleBuilder:
    """Builder of a sample stream."""

    def __init__(self, newline: bytes = b"\n") -> None:
        self._newline = newline
        self._blocks: list[bytes] = []
        self._open = b""
        self._payloads: list[bytes] = []
        self._events = 0
        self._comments = 0
        self._data = 0

    def event(self, *lines: bytes) -> None:
        """Write an event with the given lines of data."""
        end = self._newline
        block = b"".join(b"data: " + line + end for line in lines) + end
        self._blocks.append(self._open + block)
        self._open = b""
        self._events += 1
        self._data += len(b"\n".join(lines).decode())

    def chunk(self, body: dict[str, Any], *, indent: int | None = None) -> None:
        """Write an event that is a chunk."""
        separators = (",", ":") if indent is None else (",", ": ")
        text = json.dumps(body, separators=separators, ensure_ascii=False, indent=indent)
        payload = text.encode()
        self._payloads.append(payload)
        self.event(*payload.split(b"\n"))

    def raw(self, data: bytes) -> None:
        """Write bytes that aren't an event, in front of the next event."""
        self._open += data

    def comments(self, text: bytes, count: int) -> None:
        self.raw((b": " + text + self._newline * 2) * count)
        self._comments += count

    def finish(self, **expected: Any) -> Sample:
        """Return the stream with its expected results."""
        return Sample(
            tuple(self._blocks) + ((self._open,) if self._open else ()),
            tuple(self._payloads),
            Expected(
                self._events, self._data, self._comments, chunks=len(self._payloads), **expected
            ),
        )


def _head() -> dict[str, Any]:
    return {
        "id": "chatcmpl-8Xq2kLmN0pQrStUvWxYz1234567890",
        "object": "chat.completion.chunk",
        "created": 1755878837,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
    }


def _delta(delta: dict[str, Any], index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **more}
    return {**_head(), "choices": [choice], "usage": None}


def _close_chat(
    writer: SampleBuilder, *, choices: int = 1, reason: str = "stop", words: int = 1
) -> None:
    for index in range(choices):
        writer.chunk(_delta({}, index, finish_reason=reason))
    usage = {"prompt_tokens": 12, "completion_tokens": words, "total_tokens": 12 + words}
    writer.chunk({**_head(), "choices": [], "usage": usage})
    writer.event(DONE)


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - repeatable


def letters(random: Random, length: int) -> str:
    return "".join(random.choices(ALPHABET, k=length))


Modify = Callable[[dict[str, Any], Random], None]


def _tokens(
    seed: int, count: int, *, newline: bytes = b"\n", choices: int = 1, modify: Modify | None = None
) -> Sample:
    """Build a chat stream whose choices take turns."""
    random, writer = seeded(seed), SampleBuilder(newline)
    texts: list[list[str]] = [[] for _ in range(choices)]
    for index in range(choices):
        writer.chunk(_delta({"role": "assistant", "content": ""}, index))
    for number in range(count):
        word = random.choice(WORDS)
        texts[number % choices].append(word)
        body = _delta({"content": word}, number % choices)
        if modify is not None:
            modify(body, random)
        writer.chunk(body)
    _close_chat(writer, choices=choices, words=count)
    return writer.finish(texts=tuple("".join(words) for words in texts))


def _obfuscate(body: dict[str, Any], random: Random) -> None:
    body["obfuscation"] = letters(random, random.randrange(1, 16))


def _add_unknown(body: dict[str, Any], random: Random) -> None:
    body["provider"] = random.choice(("Alpha", "Beta"))
    body["choices"][0]["native_finish_reason"] = None


def _logprobs(count: int) -> Sample:
    def modify(body: dict[str, Any], random: Random) -> None:
        word = body["choices"][0]["delta"]["content"]
        token = {"token": word, "logprob": -random.random(), "bytes": list(word.encode())}
        others = [{**token, "logprob": -1 - random.random()} for _ in range(2)]
        content = [{**token, "top_logprobs": [token, *others]}]
        body["choices"][0]["logprobs"] = {"content": content, "refusal": None}

    sample = _tokens(6, count, modify=modify)
    return evolve(sample, expected=evolve(sample.expected, logprobs=count))


def arguments_text(random: Random, deltas: int, size: int = 4) -> str:
    """Return JSON with exactly `deltas` times `size` characters."""
    rows: list[str] = []
    length, wanted = 0, deltas * size - len('{"rows":[],"pad":""}')
    while length < wanted - 60:
        path = f"src/{letters(random, random.randrange(3, 12))}.py"
        row = json.dumps({"path": path, "line": random.randrange(999), "ok": True})
        rows.append(row)
        length += len(row) + 1
    opening = '{"rows":[' + ",".join(rows) + '],"pad":"'
    return opening + "x" * (deltas * size - len(opening) - 2) + '"}'


def _tool(count: int) -> Sample:
    random, writer = seeded(4), SampleBuilder()
    text = arguments_text(random, max(count, 8))
    call = {"index": 0, "id": "call_9f8e7d6c5b4a", "type": "function"}
    function = {"name": "apply", "arguments": ""}
    opening = {"role": "assistant", "content": None, "tool_calls": [{**call, "function": function}]}
    writer.chunk(_delta(opening))
    for at in range(0, len(text), 4):
        part = {"index": 0, "function": {"arguments": text[at : at + 4]}}
        writer.chunk(_delta({"tool_calls": [part]}))
    _close_chat(writer, reason="tool_calls", words=count)
    return writer.finish(texts=("",), arguments=(text,))


def _base64(count: int) -> Sample:
    writer = SampleBuilder()
    text = base64.b64encode(seeded(7).randbytes(48 * count)).decode()
    writer.chunk(_delta({"role": "assistant", "content": text}))
    _close_chat(writer)
    return writer.finish(texts=(text,))


def _data_lines(count: int) -> Sample:
    random, writer = seeded(8), SampleBuilder()
    rows = [letters(random, 40) for _ in range(count)]
    writer.chunk({**_delta({"role": "assistant", "content": "rows"}), "rows": rows}, indent=1)
    _close_chat(writer)
    return writer.finish(texts=("rows",))


def _comments(count: int) -> Sample:
    writer = SampleBuilder()
    writer.comments(b"OPENROUTER PROCESSING", count)
    writer.chunk(_delta({"role": "assistant", "content": "late"}))
    _close_chat(writer)
    return writer.finish(texts=("late",))


def _legacy(count: int) -> Sample:
    random, writer = seeded(11), SampleBuilder()
    head = {**_head(), "id": "cmpl-8Xq2kLmN0pQrStUv", "object": "text_completion"}
    del head["service_tier"]  # not in the schema
    words = random.choices(WORDS, k=count)
    for number, word in enumerate(words):
        reason = "length" if number == count - 1 else None
        choice = {"index": 0, "text": word, "logprobs": None, "finish_reason": reason}
        writer.chunk({**head, "choices": [choice]})
    writer.event(DONE)
    return writer.finish(texts=("".join(words),), legacy=True)


def _long_line(count: int) -> Sample:
    writer = SampleBuilder()
    writer.event(letters(seeded(12), 64).encode() * count)
    return writer.finish()


def _many_events(count: int) -> Sample:
    random, writer = seeded(13), SampleBuilder()
    for _ in range(count):
        writer.event(letters(random, 56).encode())
    return writer.finish()


def _unknown_field(count: int) -> Sample:
    writer = SampleBuilder()
    writer.raw(letters(seeded(14), 64).encode() * count + b"\n")
    writer.event(b"behind it")
    return writer.finish()


CHAT = Shape(
    "token chat",
    "one data line per event, only fields of the schema",
    "event",
    lambda count: _tokens(1, count),
)
OBFUSCATED = Shape(
    "obfuscation",
    "a field of the schema that isn't in completions",
    "event",
    lambda count: _tokens(2, count, modify=_obfuscate),
)
DIALECT = Shape(
    "unknown keys",
    "slow path of decoding, which keeps unknown fields",
    "event",
    lambda count: _tokens(3, count, modify=_add_unknown),
)
TOOL = Shape("tool arguments", "JSON of a tool call, four characters per event", "event", _tool)
CHOICES = Shape(
    "four choices",
    "interleaved choices",
    "event",
    lambda count: _tokens(5, count, choices=4),
)
LOGPROBS = Shape("logprobs", "nested lists in every chunk", "event", _logprobs, growth=1000)
BASE64 = Shape("one large event", "a growing line of base64", "64 B", _base64, growth=4_000)
DATA_LINES = Shape("many data lines", "data with many lines", "line", _data_lines, growth=10_000)
COMMENTS = Shape("comment flood", "lines without data", "comment", _comments, growth=40_000)
CRLF = Shape(
    "CRLF",
    "two-byte line ends, sometimes cut between the bytes",
    "event",
    lambda count: _tokens(10, count, newline=b"\r\n"),
)
LEGACY = Shape("legacy completions", "the schema of legacy completions", "event", _legacy)
LONG_LINE = Shape("one long line", "a growing line", "64 B", _long_line, growth=4_000)
MANY_EVENTS = Shape(
    "many small events", "many events in a feed", "event", _many_events, growth=8_000
)
UNKNOWN_FIELD = Shape(
    "unknown field",
    "a line that is ignored while it arrives",
    "64 B",
    _unknown_field,
    growth=4_000,
)
CHUNKED = (
    *(CHAT, OBFUSCATED, DIALECT, TOOL, CHOICES, LOGPROBS),
    *(BASE64, DATA_LINES, COMMENTS, CRLF, LEGACY),
)
"""The shapes whose events are chunks."""
HEAVY = (LONG_LINE, MANY_EVENTS, UNKNOWN_FIELD)
SHAPES = CHUNKED + HEAVY


def pieces(body: bytes, size: int) -> list[bytes]:
    """Cut a body into pieces of one size."""
    return [body[at : at + size] for at in range(0, len(body), size)]
