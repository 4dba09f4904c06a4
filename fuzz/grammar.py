"""Random bodies: valid streams, malformed ones and everything between."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Protocol

SURROGATES = ("\ud83d", "\ude00", "\udbff", "\udc00")
TEXTS = (
    "", "a", "Hello", " world", "é", "\U0001f600", *SURROGATES, "\u2028", "\u0085", "\ufeff",
    "\u00a0",
    "\0", "\x1c", "\n", "\r\n", "\r", '"', "\\", "/", "[DONE]", "data: x\n\n", "stop", "length",
    "{", "}", "[", "]", '{"a":', '{"a":1}', "[1,2", ',"b":', "tru", "e", "nul", "-", "0", "1e", "1",
    ".5", "\\u", "d83d", "\\ud83d", "\\ude00", '"\\', " ", "\t", "NaN", "Infinity", "-0", "_" * 70,
)  # fmt: skip
NAMES = (
    "x", "y", "a", "extra", "absent", " extra", " absent", " notes", "notes", "error", "type", "p",
    "text", "delta", "message", "index", "id", "object", "model", "usage", "x_groq", "images",
    "executed_tools", "content_parts", "name", "arguments", "input", "finish_reason", "logprobs",
    "finish_reasons_seen", "signature", "data", "summary", "\ud83d", "", "choices", "obfuscation",
    "service_tier", "moderation", "refusal", "content", "citations", "status", "detail", "code",
)  # fmt: skip
# As written in JSON, because some have no Python value.
NUMBERS = (
    "0", "1", "2", "3", "-1", "-0", "-0.0", "0.5", "1.0", "1e0", "1e2", "-9999.0", "1755878837",
    "2147483648", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "-9223372036854775809", "1" + "0" * 30, "1" + "0" * 308,
    "1" + "0" * 309, "-1" + "0" * 400, "1e308", "1e309", "-1e400", "1e-400", "5e-324", "0.1",
    "4096", "4095",
)  # fmt: skip
MARKS = (
    "[DONE]", " [DONE]", "[DONE] ", "[DONE]\n", "[done]", "[DONE][DONE]", '"[DONE]"',
    "\u00a0[DONE]",
)  # fmt: skip
BETWEEN = ("", "\n", ": ping\n", ":\n\n", "\ufeff", "retry: 5\n\n", "id: 7\n\n", "x: y\n")
BEFORE = (
    "", "", "id: 7\n", "id: 8\n", "event: error\n", "event: x\n", "retry: 3\n", ": c\n",
)  # fmt: skip
PAGES = (
    "<!DOCTYPE html>\n<html><body>502</body></html>\n", "", " ", "\n", "\r", "ok", "data", "dat",
    "event", "upstream error", "[]", "[{}]", "null", "5", '"a"', "\ufeff", "\ufeff{}", ":", ": hi",
)  # fmt: skip
SEPARATORS = ("\n\n", "\n\n", "\n\n", "\n\n", "\r\n\r\n", "\r\r", "\n", "\n\r\n", "", "\n\n\n")
RAW = (
    b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\xbd", b"\xed\xb8\x80",
    b"\xef\xbb\xbf", b"\0", b"\r", b"\n", b"\r\n", b"\n\n", b"data: ", b"data:", b"data\n",
    b"id: 7\n", b"id\n",
    b"id: a\0b\n", b"retry: 5\n", b"retry: 5x\n", b"event: error\n", b"event: \n", b": c\n", b"{",
    b"}", b"[", b"]", b'"', b",", b":", b" ", b"\\", b"\\ud83d", b"\\ude00", b"[DONE]", b"{}",
    b"{}\n{}", b"null",
)  # fmt: skip


class BodyGenerator:
    """
    Generator of random bodies.

    Args:
        draw: Source of the random choices.
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def one_in(self, times: int) -> bool:
        return self._draw.randrange(times) == 0

    def body(self) -> bytes:
        """Return a body: mostly a stream of events, sometimes something else."""
        kind = self._draw.randrange(12)
        if kind == 0:
            return self._with_noise(self.completion())
        if kind == 1:
            lines = [self.dumped(self.chunk()) for _ in range(self._few())]
            return self._with_noise(self._draw.choice(("\n", "\r\n", " ", "\n\n")).join(lines))
        if kind == 2:
            return self._with_noise(self._draw.choice(PAGES) + self._draw.choice(("", "\n")))
        if kind == 3:
            return self._with_noise(self._cut(self.dumped(self.value(0))))
        stream = self.stream()
        return self._with_noise(stream)

    def stream(self) -> str:
        if self.one_in(2):
            blocks = [self.block() for _ in range(self._few())]
        else:
            blocks = [*map(self.event, self.response())]
            for _ in range(self._draw.randrange(3)):
                blocks.insert(self._draw.randrange(len(blocks) + 1), self.block())
        return "".join(blocks)

    def response(self) -> list[str]:
        """Return the chunks of one response: text, JSON or tool calls in pieces."""
        legacy, draw = self.one_in(5), self._draw
        texts = self._pieces(self._draw.choice((self.text, lambda: self.dumped(self.value(0))))())
        index = self.index()
        chunks = []
        for text in texts:
            if legacy:
                choice = {"index": index, "text": text}
            else:
                name = draw.choice(
                    ("content", "content", "reasoning", "reasoning_content", "refusal")
                )
                call = {"index": self.index(), "function": {"arguments": text}}
                if self.one_in(4):
                    call |= {"id": draw.choice(("c1", "c2"))}
                if self.one_in(4):
                    call["function"] |= {"name": draw.choice(("f", "g"))}
                delta = draw.choice(({name: text}, {name: text}, {"tool_calls": [call]}))
                choice = {"index": index, "delta": delta}
            if self.one_in(8):
                choice["finish_reason"] = draw.choice(("stop", "tool_calls", "length"))
            chunks.append({"id": "c", "choices": [choice]})
        if legacy and self.one_in(2):
            chunks[0]["object"] = "text_completion"
        return [self.dumped(self._maybe_altered(chunk)) for chunk in chunks]

    def _maybe_altered(self, chunk: dict[str, Any]) -> dict[str, Any]:
        return self.altered(chunk) if self.one_in(4) else chunk

    def altered(self, value: Any) -> Any:
        """Change a random part of a value."""
        draw = self._draw
        if isinstance(value, dict) and value and not self.one_in(5):
            value = {**value}
            key = draw.choice([*value])
            action = draw.randrange(6)
            if action == 0:
                del value[key]
            elif action == 1:
                value[draw.choice(NAMES)] = self.value(2)
            elif action == 2:
                value[draw.choice(NAMES)] = value[key]
            else:
                value[key] = self.altered(value[key])
            return value
        if isinstance(value, list) and value and not self.one_in(4):
            value = [*value]
            at = draw.randrange(len(value))
            action = draw.randrange(5)
            if action == 0:
                value.insert(at, self.value(2))
            elif action == 1:
                value.insert(at, value[at])
            elif action == 2:
                del value[at]
            else:
                value[at] = self.altered(value[at])
            return value
        return draw.choice(
            (self.value, self.value, lambda _: self.chunk(), lambda _: self.delta())
        )(2)

    def block(self) -> str:
        """Return an event, or other lines up to a blank line."""
        draw = self._draw
        kind = draw.randrange(14)
        if kind == 0:
            return draw.choice(BETWEEN)
        makers: dict[int, Callable[[], str]] = {
            1: lambda: draw.choice(MARKS),
            2: lambda: draw.choice(TEXTS),
            3: self.error,
            4: lambda: self._cut(self.dumped(self.chunk())),
            5: lambda: self.dumped(self.value(1)),
            6: self.completion,
        }
        return self.event(makers.get(kind, lambda: self.dumped(self.chunk()))())

    def event(self, data: str) -> str:
        """Return an event with the given data, in a random notation."""
        draw = self._draw
        if self.one_in(3):
            name = draw.choice(("data: ", "data:", "data:", "data:  "))
            if self.one_in(3):
                data = data.replace(",", ",\n" + name)
            before = draw.choice(BEFORE)
            after = draw.choice(("", "", "\nid: 9", "\n: c", "\nx", "\ndata", "\ndata: "))
            data = "\n".join(data.splitlines() if self.one_in(2) else [data])
            return before + name + data + after + draw.choice(SEPARATORS)
        return f"data: {data}\n\n"

    def error(self) -> str:
        inner = self._draw.choice(
            (
                {"message": "m", "type": "t", "code": 5},
                "m",
                {},
                None,
                self.value(1),
                {"message": self.text()},
            )
        )
        body: dict[str, Any] = self._draw.choice(
            (
                {"error": inner},
                {"object": "error", "message": "m"},
                {"type": "error", "message": inner},
            )
        )
        if self.one_in(2):
            body |= self.chunk()
        return self.dumped(body)

    def completion(self) -> str:
        """Return a completion that isn't streamed."""
        draw = self._draw
        legacy = self.one_in(3)
        choices: list[Any] = []
        for _ in range(draw.randrange(3)):
            choice: dict[str, Any] = {"index": self.index()}
            if legacy:
                choice["text"] = self.text()
            else:
                choice["message"] = {"role": "assistant", **self.delta()}
            choice |= self._some(
                {
                    "finish_reason": lambda: "stop",
                    "logprobs": self.logprobs,
                    draw.choice(NAMES): lambda: self.value(2),
                    "finish_reasons_seen": lambda: ["stop", "length"],
                }
            )
            choices.append(choice)
        body = {"object": "text_completion" if legacy else "chat.completion", "choices": choices}
        body |= self._some(
            {
                "id": lambda: "c",
                "created": self.varied(lambda: 5),
                "usage": self.varied(self.usage),
                "model": lambda: "m",
                draw.choice(NAMES): lambda: self.value(2),
            }
        )
        return self.dumped(self.altered(body) if self.one_in(3) else body)

    def chunk(self) -> dict[str, Any]:
        draw = self._draw
        choice = self.legacy_choice if self.one_in(4) else self.choice
        fields = self._some(
            {
                "id": self.varied(lambda: "c"),
                "object": self.varied(
                    lambda: draw.choice(("chat.completion.chunk", "text_completion", "", "error"))
                ),
                "created": self.varied(lambda: 5),
                "model": self.varied(lambda: draw.choice(("m", "n", ""))),
                "usage": self.varied(self.usage),
                "system_fingerprint": self.varied(self.text),
                "service_tier": self.varied(self.text),
                "moderation": self.varied(lambda: {"x": self.value(2)}),
                "obfuscation": self.varied(self.text),
                "x_groq": self.varied(lambda: {"usage": self.usage()}),
                draw.choice(NAMES): lambda: self.value(1),
            },
            one_in=5,
        )
        if not self.one_in(8):
            fields["choices"] = self.varied(
                lambda: [choice() for _ in range(draw.choice((0, 1, 1, 1, 2)))]
            )()
        return fields

    def choice(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if not self.one_in(10):
            fields["index"] = self.varied(self.index)()
        if not self.one_in(10):
            fields["delta"] = self.varied(self.delta)()
        return fields | self._some(
            {
                "finish_reason": self.varied(
                    lambda: self._draw.choice(("stop", "length", "", "tool_calls"))
                ),
                "logprobs": self.varied(self.logprobs),
                "text": self.varied(self.text),
                "message": self.varied(self.delta),
                self._draw.choice(NAMES): lambda: self.value(2),
            },
            one_in=6,
        )

    def legacy_choice(self) -> dict[str, Any]:
        tokens = self._draw.randrange(4)
        return self._some(
            {
                "index": self.varied(self.index),
                "text": self.varied(self.text),
                "finish_reason": self.varied(lambda: "stop"),
                "logprobs": self.varied(
                    lambda: self._some(
                        {
                            "tokens": self.varied(lambda: [self.text() for _ in range(tokens)]),
                            "token_logprobs": self.varied(
                                lambda: [self.number() for _ in range(tokens)]
                            ),
                            "top_logprobs": self.varied(
                                lambda: [{self.text(): self.number()} for _ in range(tokens)]
                            ),
                            "text_offset": self.varied(lambda: [*range(tokens)]),
                            self._draw.choice(NAMES): lambda: self.value(2),
                        }
                    )
                ),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def delta(self) -> dict[str, Any]:
        draw = self._draw
        return self._some(
            {
                "role": self.varied(lambda: draw.choice(("assistant", "", "user"))),
                "content": self.varied(lambda: self.parts() if self.one_in(4) else self.text()),
                "refusal": self.varied(self.text),
                "tool_calls": self.varied(
                    lambda: [self.varied(self.call)() for _ in range(self._few(3))]
                ),
                "function_call": self.varied(self.function),
                "audio": self.varied(
                    lambda: self._some(
                        {
                            "id": self.varied(self.text),
                            "data": self.varied(lambda: draw.choice(("AAAA", "AA==", "A"))),
                            "transcript": self.varied(self.text),
                            "expires_at": self.varied(lambda: 5),
                            draw.choice(NAMES): lambda: self.value(2),
                        }
                    )
                ),
                "annotations": self.varied(lambda: [self.item() for _ in range(self._few(3))]),
                "reasoning_content": self.varied(self.text),
                "reasoning": self.varied(self.text),
                "reasoning_details": self.varied(
                    lambda: [self.varied(self.detail)() for _ in range(self._few(3))]
                ),
                draw.choice(("images", "executed_tools", "content_parts")): self.varied(
                    lambda: [self.item() for _ in range(self._few(3))]
                ),
                draw.choice(NAMES): lambda: self.value(2),
            },
            one_in=5,
        )

    def item(self) -> Any:
        return self.varied(
            lambda: self._some(
                {
                    "index": self.varied(self.index),
                    "type": lambda: self._draw.choice(("text", "x")),
                    "text": self.text,
                    self._draw.choice(NAMES): lambda: self.value(2),
                }
            )
        )()

    def parts(self) -> list[Any]:
        draw = self._draw
        return [
            draw.choice(
                (
                    {"type": "text", "text": self.text()},
                    {"type": "thinking", "thinking": [{"type": "text", "text": self.text()}]},
                    {"type": "thinking", "thinking": self.text()},
                    {"type": "reference", "ids": [1]},
                    {"type": "text", "text": self.value(2)},
                    self.value(2),
                )
            )
            for _ in range(self._few(3))
        ]

    def call(self) -> dict[str, Any]:
        draw = self._draw
        return self._some(
            {
                "index": self.varied(self.index),
                "id": self.varied(lambda: draw.choice(("c1", "c2", ""))),
                "type": self.varied(lambda: draw.choice(("function", "custom", ""))),
                "function": self.varied(self.function),
                draw.choice(NAMES): lambda: self.value(2),
            }
        ) | self._some(
            {
                "custom": self.varied(
                    lambda: self._some(
                        {
                            "name": self.varied(self.text),
                            "input": self.varied(self.text),
                            draw.choice(NAMES): lambda: self.value(2),
                        }
                    )
                ),
            },
            one_in=5,
        )

    def function(self) -> dict[str, Any]:
        return self._some(
            {
                "name": self.varied(lambda: self._draw.choice(("f", "g", "", self.text()))),
                "arguments": self.varied(lambda: self.value(1) if self.one_in(6) else self.text()),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def detail(self) -> dict[str, Any]:
        draw = self._draw
        return self._some(
            {
                "type": self.varied(
                    lambda: draw.choice(
                        ("reasoning.text", "reasoning.summary", "reasoning.encrypted")
                    )
                ),
                "index": self.varied(self.index),
                "text": self.varied(self.text),
                "summary": self.varied(self.text),
                "data": self.varied(self.text),
                "signature": self.varied(self.text),
                "id": self.varied(self.text),
                draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def logprobs(self) -> dict[str, Any]:
        return self._some(
            {
                "content": self.varied(
                    lambda: [self.varied(self.token)() for _ in range(self._few(3))]
                ),
                "refusal": self.varied(lambda: [self.token() for _ in range(self._few(3))]),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def token(self) -> dict[str, Any]:
        return self._some(
            {
                "token": self.varied(self.text),
                "logprob": self.varied(self.number),
                "bytes": self.varied(lambda: [226, 130, 172]),
                "top_logprobs": self.varied(
                    lambda: [{"token": self.text(), "logprob": self.number()}]
                ),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def usage(self) -> dict[str, Any]:
        return self._some(
            {
                "prompt_tokens": self.varied(lambda: 5),
                "completion_tokens": self.varied(lambda: 5),
                "total_tokens": self.varied(lambda: 10),
                "prompt_tokens_details": self.varied(lambda: {"cached_tokens": self.value(3)}),
                "completion_tokens_details": self.varied(
                    lambda: {"reasoning_tokens": 1, "x": self.value(3)}
                ),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def index(self) -> Any:
        return self._draw.choice(
            (0, 0, 0, 0, 0, 1, 1, 2, -1, 3, 4095, 4096, Raw(self._draw.choice(NUMBERS)))
        )

    def text(self) -> str:
        return "".join(
            self._draw.choice(TEXTS) for _ in range(self._draw.choice((0, 1, 1, 1, 2, 4)))
        )

    def number(self) -> Any:
        return Raw(self._draw.choice(NUMBERS))

    def value(self, depth: int = 0) -> Any:
        """Return a random JSON value."""
        draw = self._draw
        kind = draw.randrange(9 if depth < 4 else 5)
        if kind < 2:
            return self.text()
        if kind == 2:
            return self.number()
        if kind < 5:
            return draw.choice((None, True, False, "", 0, 1, [], {}))
        if kind == 8 and self.one_in(20):
            return nested(draw.choice((30, 120)), draw.choice("[{"))
        if kind < 7:
            return [self.value(depth + 1) for _ in range(self._few(4))]
        return {draw.choice(NAMES + TEXTS): self.value(depth + 1) for _ in range(self._few(4))}

    def varied(self, make: Callable[[], Any]) -> Callable[[], Any]:
        """Return a function that sometimes makes a random value instead."""
        return (lambda: self.value(2)) if self.one_in(12) else make

    def dumped(self, value: Any) -> str:
        """Return JSON in a random notation."""
        draw = self._draw
        return JSONWriter(
            escaped=self.one_in(3),
            colon=draw.choice((":", ": ", " :\t")),
            comma=draw.choice((",", ", ")),
        ).dump(value)

    def _some(self, fields: dict[str, Callable[[], Any]], *, one_in: int = 2) -> dict[str, Any]:
        chosen = [name for name in fields if self.one_in(one_in)]
        if self.one_in(6):
            self._draw.shuffle(chosen)
        return {name: fields[name]() for name in chosen}

    def _few(self, most: int = 6) -> int:
        return min(self._draw.randrange(most + 1), self._draw.randrange(most + 1))

    def _cut(self, text: str) -> str:
        return text[: self._draw.randrange(len(text) + 1)]

    def _pieces(self, text: str) -> list[str]:
        places = sorted(self._draw.randrange(len(text) + 1) for _ in range(self._draw.randrange(5)))
        return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]

    def _with_noise(self, text: str) -> bytes:
        body = text.encode("utf-8", "surrogatepass")
        if self.one_in(4):
            body = body[: self._draw.randrange(len(body) + 1)]
        if self.one_in(6):
            body = self.with_token(body)
        return body

    def with_token(self, body: bytes) -> bytes:
        """Insert a token at a random position."""
        at = self._draw.randrange(len(body) + 1)
        return body[:at] + self._draw.choice(RAW) + body[at + self._draw.randrange(3) :]


class Raw(str):
    """A JSON value as it's written."""

    __slots__ = ()


class JSONWriter:
    """JSON encoder that escapes lone surrogates and writes `Raw` values unchanged."""

    def __init__(self, *, escaped: bool, colon: str, comma: str) -> None:
        self._escaped = escaped
        self._colon = colon
        self._comma = comma

    def dump(self, value: Any) -> str:
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, dict):
            items = (
                f"{self.dump(name)}{self._colon}{self.dump(item)}" for name, item in value.items()
            )
            return "{" + self._comma.join(items) + "}"
        if isinstance(value, list):
            return "[" + self._comma.join(map(self.dump, value)) + "]"
        text = json.dumps(value, ensure_ascii=self._escaped)
        return text if text.isascii() else _escape_surrogates(text)


def _escape_surrogates(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in text)


def nested(depth: int, bracket: str) -> Any:
    """Return nested lists or objects."""
    value: Any = None
    for _ in range(depth):
        value = [value] if bracket == "[" else {"a": value}
    return value


class Generator(Protocol):
    """What `mutate()` needs of a generator of bodies."""

    def body(self) -> bytes: ...
    def block(self) -> str: ...
    def altered(self, value: Any, /) -> Any: ...
    def dumped(self, value: Any, /) -> str: ...
    def with_token(self, body: bytes, /) -> bytes: ...


def mutate(
    data: bytes, draw: random.Random, head: int, make: Callable[[random.Random], Generator]
) -> bytes:
    """Return a changed input: other options, events, JSON values or bytes."""
    generator = make(draw)
    options, body = data[:head].ljust(head, b"\0"), data[head:]
    for _ in range(draw.choice((1, 1, 2, 4))):
        action = draw.randrange(8)
        if action == 0:
            options = draw.randbytes(head)
        elif action == 1:
            body = generator.body()
        elif action == 2:
            body = generator.with_token(body)
        else:
            body = _mutate_block(body, generator, draw, action)
    return options + body


def _mutate_block(body: bytes, generator: Generator, draw: random.Random, action: int) -> bytes:
    blocks = body.split(b"\n\n")
    at = draw.randrange(len(blocks))
    if action == 3:
        blocks.insert(at, generator.block().encode("utf-8", "surrogatepass").removesuffix(b"\n\n"))
    elif action == 4:
        blocks.insert(draw.randrange(len(blocks) + 1), blocks[at])
    elif action == 5:
        del blocks[at]
    else:
        blocks[at] = _altered(blocks[at], generator)
    return b"\n\n".join(blocks)


def _altered(block: bytes, generator: Generator) -> bytes:
    start = block.find(b"{")
    try:
        value = json.loads(block[start:].decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return generator.with_token(block)
    return block[:start] + generator.dumped(generator.altered(value)).encode(
        "utf-8", "surrogatepass"
    )
