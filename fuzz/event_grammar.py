"""Random streams of the APIs whose events have a type: OpenAI Responses and Anthropic Messages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from grammar import NAMES, SEPARATORS, BodyGenerator

INDEXES = (0, 0, 0, 1, 1, 2, 3)
ITEM_TYPES = (
    *("message", "message", "reasoning", "function_call", "function_call", "custom_tool_call"),
    *("mcp_call", "code_interpreter_call", "web_search_call", "shell_call", "x"),
)
BLOCK_TYPES = (
    *("text", "text", "thinking", "tool_use", "tool_use", "server_tool_use", "redacted_thinking"),
    *("web_search_tool_result", "compaction", "fallback", "x"),
)
ARGUMENTS = ("", "{", '{"a":', "1", "}", '{"a":1}', "{}", '"b', "[", "x")


class EventStreamGenerator:
    """
    Generator of random streams of typed events.

    Args:
        draw: Source of the random choices.
        api: "responses" or "messages".
    """

    def __init__(self, draw: random.Random, api: str) -> None:
        self._draw = draw
        self._values = BodyGenerator(draw)
        self._makers = _RESPONSES if api == "responses" else _MESSAGES
        self._frame = _RESPONSE_FRAME if api == "responses" else _MESSAGE_FRAME

    def body(self) -> bytes:
        """Return a body: a stream of events, mostly in an order that servers use."""
        events = [make(self) for make in self._draw.choices(self._makers, k=self.number(12))]
        if not self.one_in(6):
            events = [make(self) for make in self._frame[0]] + events
        if not self.one_in(4):
            events += [make(self) for make in self._frame[1]]
        if self.one_in(20):
            return self._values.dumped(events[-1] if events else {}).encode("utf-8", "replace")
        return "".join(map(self.block, events)).encode("utf-8", "surrogatepass")

    def block(self, event: dict[str, Any] | None = None) -> str:
        """Return an event, sometimes altered, without a name, or replaced by other lines."""
        if event is None:
            event = self._draw.choice(self._makers)(self)
        kind = str(event.get("type"))
        if self.one_in(8):
            event = self._values.altered(event)
        name = f"event: {kind}\n" if not self.one_in(5) and "\n" not in kind else ""
        end = self._draw.choice(SEPARATORS) if self.one_in(6) else "\n\n"
        if self.one_in(12):
            return self._values.block()
        return f"{name}data: {self._values.dumped(event)}{end}"

    def altered(self, value: Any) -> Any:
        """Change a random part of a value."""
        return self._values.altered(value)

    def dumped(self, value: Any) -> str:
        """Return a value as JSON in a random notation."""
        return self._values.dumped(value)

    def with_token(self, body: bytes) -> bytes:
        """Put a random token into a body."""
        return self._values.with_token(body)

    def one_in(self, times: int) -> bool:
        return self._draw.randrange(times) == 0

    def number(self, most: int) -> int:
        return self._draw.randrange(most + 1)

    def pick(self, *values: Any) -> Any:
        return self._draw.choice(values)

    def text(self) -> Any:
        return self.pick("a", "b c", "", "é", self._values.text())

    def arguments(self) -> Any:
        return self._draw.choice(ARGUMENTS)

    def index(self) -> int:
        return self._draw.choice(INDEXES)

    def some(self, **fields: Any) -> dict[str, Any]:
        """Return some of the fields, and sometimes an unknown one."""
        kept = {name: value for name, value in fields.items() if not self.one_in(8)}
        if self.one_in(10):
            kept[self._draw.choice(NAMES)] = self._values.value(2)
        return kept

    # OpenAI Responses.

    def position(self) -> dict[str, Any]:
        output = self.index()
        return self.some(
            item_id=f"i{output if not self.one_in(6) else self.number(3)}",
            output_index=output,
            content_index=self.index(),
            sequence_number=self.number(9),
        )

    def response(self, status: str) -> dict[str, Any]:
        return self.some(
            id=self.pick("r", "r", "r", "s"),
            object="response",
            status=status,
            model="m",
            output=[self.item(at) for at in range(self.number(2))],
            usage=self.pick(None, {"input_tokens": 1, "output_tokens": 2}),
            error=self.pick(None, None, {"code": "c", "message": "m"}),
        )

    def item(self, at: int | None = None) -> dict[str, Any]:
        kind = self._draw.choice(ITEM_TYPES)
        fields: dict[str, Any] = {
            "message": {"content": [self.part() for _ in range(self.number(2))]},
            "reasoning": {"summary": [self.part() for _ in range(self.number(1))]},
            "custom_tool_call": {"name": "f", "input": self.text(), "call_id": "c"},
            "shell_call": {"action": {"commands": [self.text()]}},
            "code_interpreter_call": {"code": self.text()},
        }.get(kind, {"name": "f", "arguments": self.arguments(), "call_id": "c"})
        place = self.index() if at is None else at
        return {"type": kind, **self.some(id=f"i{place}", status="completed", **fields)}

    def part(self) -> dict[str, Any]:
        kind = self.pick("output_text", "refusal", "reasoning_text", "summary_text")
        name = "refusal" if kind == "refusal" else "text"
        return self.some(**{"type": kind, name: self.text(), "annotations": []})

    # Anthropic Messages.

    def message(self) -> dict[str, Any]:
        return self.some(
            id=self.pick("m", "m", "m", "n"),
            type="message",
            role="assistant",
            model="m",
            content=[self.content_block() for _ in range(self.pick(0, 0, 0, 2))],
            stop_reason=self.pick(None, None, None, "end_turn"),
            usage={"input_tokens": 1, "output_tokens": 1},
        )

    def content_block(self) -> dict[str, Any]:
        kind = self._draw.choice(BLOCK_TYPES)
        fields: dict[str, Any] = {
            "text": {"text": self.text()},
            "thinking": {"thinking": self.text(), "signature": ""},
            "compaction": {"content": self.pick(None, "s")},
            "fallback": {"from": {"model": "m"}, "to": {"model": "n"}},
        }.get(kind, {"id": "t", "name": "f", "input": self.pick({}, {}, {"a": 1})})
        return {"type": kind, **self.some(**fields)}

    def delta(self) -> Any:
        return self.pick(
            {"type": "text_delta", "text": self.text()},
            {"type": "text_delta", "text": self.text()},
            {"type": "input_json_delta", "partial_json": self.arguments()},
            {"type": "thinking_delta", "thinking": self.text()},
            {"type": "signature_delta", "signature": self.text()},
            {"type": "citations_delta", "citation": {"type": "char_location"}},
            {"type": "compaction_delta", "content": self.text()},
            {"type": "x_delta", "x": self.text()},
        )

    def message_delta(self) -> dict[str, Any]:
        delta = self.some(stop_reason=self.pick("end_turn", "max_tokens", None))
        usage = self.some(output_tokens=self.number(9), input_tokens=self.pick(None, 5))
        return {"type": "message_delta", **self.some(delta=delta, usage=usage)}


_Make = Callable[[EventStreamGenerator], Any]


def _of_item(kind: str, **makers: _Make) -> _Make:
    def make(g: EventStreamGenerator) -> dict[str, Any]:
        fields = {name: maker(g) for name, maker in makers.items()}
        return {"type": f"response.{kind}", **g.position(), **g.some(**fields)}

    return make


def _lifecycle(status: str) -> _Make:
    return lambda g: {"type": f"response.{status}", **g.some(response=g.response(status))}


def _of_block(kind: str, **makers: _Make) -> _Make:
    def make(g: EventStreamGenerator) -> dict[str, Any]:
        fields = {name: maker(g) for name, maker in makers.items()}
        return {"type": f"content_block_{kind}", **g.some(index=g.index(), **fields)}

    return make


_TEXT = EventStreamGenerator.text
_ARGUMENTS = EventStreamGenerator.arguments
_ITEM = EventStreamGenerator.item
_PART = EventStreamGenerator.part
_RESPONSES: tuple[_Make, ...] = (
    *[_of_item("output_text.delta", delta=_TEXT, logprobs=lambda _: [])] * 4,
    *[_of_item("function_call_arguments.delta", delta=_ARGUMENTS)] * 2,
    *[_of_item("output_item.added", item=_ITEM)] * 4,
    *[_of_item("output_item.done", item=_ITEM)] * 2,
    _of_item("content_part.added", part=_PART),
    _of_item("content_part.done", part=_PART),
    _of_item("output_text.done", text=_TEXT),
    _of_item("output_text.annotation.added", annotation=lambda _: {"type": "url_citation"}),
    _of_item("refusal.delta", delta=_TEXT),
    _of_item("refusal.done", refusal=_TEXT),
    _of_item("reasoning_text.delta", delta=_TEXT),
    _of_item("reasoning_summary_part.added", part=_PART, summary_index=lambda _: 0),
    _of_item("reasoning_summary_text.delta", delta=_TEXT, summary_index=lambda _: 0),
    _of_item("reasoning_summary_text.done", text=_TEXT, summary_index=lambda _: 0),
    _of_item("function_call_arguments.done", arguments=_ARGUMENTS),
    _of_item("custom_tool_call_input.delta", delta=_TEXT),
    _of_item("mcp_call_arguments.delta", delta=_ARGUMENTS),
    _of_item("code_interpreter_call_code.delta", delta=_TEXT),
    _of_item("shell_call_command.delta", delta=_TEXT, command_index=lambda g: g.number(2)),
    _of_item("shell_call_output_content.delta", delta=lambda g: {"stdout": g.text()}),
    _of_item("web_search_call.searching"),
    _of_item("x.delta", delta=_TEXT),
    lambda g: {"type": "keepalive", "sequence_number": g.number(9)},
    lambda g: {"type": "response.audio.transcript.delta", "delta": g.text()},
    lambda g: {"type": "error", **g.some(error=g.pick({"message": "m"}, "m"), message="m")},
    *map(_lifecycle, ("in_progress", "completed", "failed")),
)
_RESPONSE_FRAME: tuple[tuple[_Make, ...], tuple[_Make, ...]] = (
    (_lifecycle("created"), _of_item("output_item.added", item=_ITEM)),
    (_lifecycle("completed"),),
)
_MESSAGES: tuple[_Make, ...] = (
    *[_of_block("delta", delta=EventStreamGenerator.delta)] * 8,
    *[_of_block("start", content_block=EventStreamGenerator.content_block)] * 4,
    *[_of_block("stop")] * 3,
    EventStreamGenerator.message_delta,
    lambda g: {"type": "message_start", **g.some(message=g.message())},
    lambda _: {"type": "message_stop"},
    lambda _: {"type": "ping"},
    lambda g: {"type": "x", **g.some(x=g.text())},
    lambda g: {"type": "error", **g.some(error=g.pick({"type": "t", "message": "m"}, "m"))},
)
_MESSAGE_FRAME: tuple[tuple[_Make, ...], tuple[_Make, ...]] = (
    (lambda g: {"type": "message_start", "message": g.message()},),
    (EventStreamGenerator.message_delta, lambda _: {"type": "message_stop"}),
)
