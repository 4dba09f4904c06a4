"""Bodies made by chance: what servers send, what they should not, and what lies between."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

HALVES = ("\ud83d", "\ude00", "\udbff", "\udc00")
TEXTS = (
    "", "a", "Hello", " world", "é", "\U0001f600", *HALVES, "\u2028", "\u0085", "\ufeff", "\u00a0",
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
# As they stand in JSON, for some have no Python value.
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


class Maker:
    """
    Make bodies.

    Args:
        draw: What decides.
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def one_in(self, times: int) -> bool:
        return self._draw.randrange(times) == 0

    def body(self) -> bytes:
        """A body: mostly a stream of events, sometimes something else."""
        kind = self._draw.randrange(12)
        if kind == 0:
            return self._sprinkled(self.completion())
        if kind == 1:
            lines = [self.dumped(self.chunk()) for _ in range(self._few())]
            return self._sprinkled(self._draw.choice(("\n", "\r\n", " ", "\n\n")).join(lines))
        if kind == 2:
            return self._sprinkled(self._draw.choice(PAGES) + self._draw.choice(("", "\n")))
        if kind == 3:
            return self._sprinkled(self._cut(self.dumped(self.value(0))))
        stream = self.stream()
        return self._sprinkled(stream)

    def stream(self) -> str:
        if self.one_in(2):
            blocks = [self.block() for _ in range(self._few())]
        else:
            blocks = [*map(self.event, self.answer())]
            for _ in range(self._draw.randrange(3)):
                blocks.insert(self._draw.randrange(len(blocks) + 1), self.block())
        return "".join(blocks)

    def answer(self) -> list[str]:
        """The chunks of one answer: a text, or JSON, or calls, cut into pieces."""
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
        return [self.dumped(self._touched(chunk)) for chunk in chunks]

    def _touched(self, chunk: dict[str, Any]) -> dict[str, Any]:
        return self.altered(chunk) if self.one_in(4) else chunk

    def altered(self, value: Any) -> Any:
        """Change something, somewhere in a value."""
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
        """An event, or what else stands between blank lines."""
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
        """An event of that data, written in one of the ways there are."""
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
        """A whole answer, as it comes without streaming."""
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
                "created": self.odd(lambda: 5),
                "usage": self.odd(self.usage),
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
                "id": self.odd(lambda: "c"),
                "object": self.odd(
                    lambda: draw.choice(("chat.completion.chunk", "text_completion", "", "error"))
                ),
                "created": self.odd(lambda: 5),
                "model": self.odd(lambda: draw.choice(("m", "n", ""))),
                "usage": self.odd(self.usage),
                "system_fingerprint": self.odd(self.text),
                "service_tier": self.odd(self.text),
                "moderation": self.odd(lambda: {"x": self.value(2)}),
                "obfuscation": self.odd(self.text),
                "x_groq": self.odd(lambda: {"usage": self.usage()}),
                draw.choice(NAMES): lambda: self.value(1),
            },
            one_in=5,
        )
        if not self.one_in(8):
            fields["choices"] = self.odd(
                lambda: [choice() for _ in range(draw.choice((0, 1, 1, 1, 2)))]
            )()
        return fields

    def choice(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if not self.one_in(10):
            fields["index"] = self.odd(self.index)()
        if not self.one_in(10):
            fields["delta"] = self.odd(self.delta)()
        return fields | self._some(
            {
                "finish_reason": self.odd(
                    lambda: self._draw.choice(("stop", "length", "", "tool_calls"))
                ),
                "logprobs": self.odd(self.logprobs),
                "text": self.odd(self.text),
                "message": self.odd(self.delta),
                self._draw.choice(NAMES): lambda: self.value(2),
            },
            one_in=6,
        )

    def legacy_choice(self) -> dict[str, Any]:
        tokens = self._draw.randrange(4)
        return self._some(
            {
                "index": self.odd(self.index),
                "text": self.odd(self.text),
                "finish_reason": self.odd(lambda: "stop"),
                "logprobs": self.odd(
                    lambda: self._some(
                        {
                            "tokens": self.odd(lambda: [self.text() for _ in range(tokens)]),
                            "token_logprobs": self.odd(
                                lambda: [self.number() for _ in range(tokens)]
                            ),
                            "top_logprobs": self.odd(
                                lambda: [{self.text(): self.number()} for _ in range(tokens)]
                            ),
                            "text_offset": self.odd(lambda: [*range(tokens)]),
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
                "role": self.odd(lambda: draw.choice(("assistant", "", "user"))),
                "content": self.odd(lambda: self.parts() if self.one_in(4) else self.text()),
                "refusal": self.odd(self.text),
                "tool_calls": self.odd(
                    lambda: [self.odd(self.call)() for _ in range(self._few(3))]
                ),
                "function_call": self.odd(self.function),
                "audio": self.odd(
                    lambda: self._some(
                        {
                            "id": self.odd(self.text),
                            "data": self.odd(lambda: draw.choice(("AAAA", "AA==", "A"))),
                            "transcript": self.odd(self.text),
                            "expires_at": self.odd(lambda: 5),
                            draw.choice(NAMES): lambda: self.value(2),
                        }
                    )
                ),
                "annotations": self.odd(lambda: [self.item() for _ in range(self._few(3))]),
                "reasoning_content": self.odd(self.text),
                "reasoning": self.odd(self.text),
                "reasoning_details": self.odd(
                    lambda: [self.odd(self.detail)() for _ in range(self._few(3))]
                ),
                draw.choice(("images", "executed_tools", "content_parts")): self.odd(
                    lambda: [self.item() for _ in range(self._few(3))]
                ),
                draw.choice(NAMES): lambda: self.value(2),
            },
            one_in=5,
        )

    def item(self) -> Any:
        return self.odd(
            lambda: self._some(
                {
                    "index": self.odd(self.index),
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
                "index": self.odd(self.index),
                "id": self.odd(lambda: draw.choice(("c1", "c2", ""))),
                "type": self.odd(lambda: draw.choice(("function", "custom", ""))),
                "function": self.odd(self.function),
                draw.choice(NAMES): lambda: self.value(2),
            }
        ) | self._some(
            {
                "custom": self.odd(
                    lambda: self._some(
                        {
                            "name": self.odd(self.text),
                            "input": self.odd(self.text),
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
                "name": self.odd(lambda: self._draw.choice(("f", "g", "", self.text()))),
                "arguments": self.odd(lambda: self.value(1) if self.one_in(6) else self.text()),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def detail(self) -> dict[str, Any]:
        draw = self._draw
        return self._some(
            {
                "type": self.odd(
                    lambda: draw.choice(
                        ("reasoning.text", "reasoning.summary", "reasoning.encrypted")
                    )
                ),
                "index": self.odd(self.index),
                "text": self.odd(self.text),
                "summary": self.odd(self.text),
                "data": self.odd(self.text),
                "signature": self.odd(self.text),
                "id": self.odd(self.text),
                draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def logprobs(self) -> dict[str, Any]:
        return self._some(
            {
                "content": self.odd(lambda: [self.odd(self.token)() for _ in range(self._few(3))]),
                "refusal": self.odd(lambda: [self.token() for _ in range(self._few(3))]),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def token(self) -> dict[str, Any]:
        return self._some(
            {
                "token": self.odd(self.text),
                "logprob": self.odd(self.number),
                "bytes": self.odd(lambda: [226, 130, 172]),
                "top_logprobs": self.odd(
                    lambda: [{"token": self.text(), "logprob": self.number()}]
                ),
                self._draw.choice(NAMES): lambda: self.value(2),
            }
        )

    def usage(self) -> dict[str, Any]:
        return self._some(
            {
                "prompt_tokens": self.odd(lambda: 5),
                "completion_tokens": self.odd(lambda: 5),
                "total_tokens": self.odd(lambda: 10),
                "prompt_tokens_details": self.odd(lambda: {"cached_tokens": self.value(3)}),
                "completion_tokens_details": self.odd(
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
        """Any JSON value."""
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

    def odd(self, make: Callable[[], Any]) -> Callable[[], Any]:
        """Now and then, make something else instead."""
        return (lambda: self.value(2)) if self.one_in(12) else make

    def dumped(self, value: Any) -> str:
        """Write JSON, in one of the ways there are."""
        draw = self._draw
        return Writer(
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

    def _sprinkled(self, text: str) -> bytes:
        body = text.encode("utf-8", "surrogatepass")
        if self.one_in(4):
            body = body[: self._draw.randrange(len(body) + 1)]
        if self.one_in(6):
            body = self.sprinkled(body)
        return body

    def sprinkled(self, body: bytes) -> bytes:
        """Put a token somewhere."""
        at = self._draw.randrange(len(body) + 1)
        return body[:at] + self._draw.choice(RAW) + body[at + self._draw.randrange(3) :]


class Raw(str):
    """A JSON value as it is written."""

    __slots__ = ()


class Writer:
    """Write JSON: halves of surrogate pairs escaped, numbers as they are given."""

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
        return text if text.isascii() else _escape_halves(text)


def _escape_halves(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in text)


def nested(depth: int, bracket: str) -> Any:
    """A list in a list in a list, or an object."""
    value: Any = None
    for _ in range(depth):
        value = [value] if bracket == "[" else {"a": value}
    return value


def mutated(data: bytes, draw: random.Random, head: int) -> bytes:
    """Change an input: its options, its events, the JSON in them, or a few bytes."""
    maker = Maker(draw)
    options, body = data[:head].ljust(head, b"\0"), data[head:]
    for _ in range(draw.choice((1, 1, 2, 4))):
        action = draw.randrange(8)
        if action == 0:
            options = draw.randbytes(head)
        elif action == 1:
            body = maker.body()
        elif action == 2:
            body = maker.sprinkled(body)
        else:
            body = _shuffled(body, maker, draw, action)
    return options + body


def _shuffled(body: bytes, maker: Maker, draw: random.Random, action: int) -> bytes:
    blocks = body.split(b"\n\n")
    at = draw.randrange(len(blocks))
    if action == 3:
        blocks.insert(at, maker.block().encode("utf-8", "surrogatepass").removesuffix(b"\n\n"))
    elif action == 4:
        blocks.insert(draw.randrange(len(blocks) + 1), blocks[at])
    elif action == 5:
        del blocks[at]
    else:
        blocks[at] = _altered(blocks[at], maker)
    return b"\n\n".join(blocks)


def _altered(block: bytes, maker: Maker) -> bytes:
    start = block.find(b"{")
    try:
        value = json.loads(block[start:].decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return maker.sprinkled(block)
    return block[:start] + maker.dumped(maker.altered(value)).encode("utf-8", "surrogatepass")
