"""Named, repeatable sample streams of the Responses and Messages APIs."""

from random import Random
from typing import Any

from shapes import WORDS, Sample, SampleBuilder, Shape, arguments_text, letters, seeded

RESPONSE_ID = "resp_02ce8deeb6197db200698c5196e9588197a572bbea62d38cd1"
MESSAGE_ID = "msg_02ce8deeb6197db200698c5198ca0c81979bedbe6c98a8ab93"
CALL_ID = "fc_02ce8deeb6197db200698c51a1b2c481979bedbe6c98a8ab93"


class NamedEvents(SampleBuilder):
    """Builder of a stream whose events have the name that is their type."""

    def named(self, kind: str, **fields: Any) -> None:
        self.raw(b"event: " + kind.encode() + b"\n")
        self.chunk({"type": kind, **fields})


class ResponseEvents(NamedEvents):
    """Builder of a stream of the Responses API, with obfuscated deltas."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self._number = 0

    def numbered(self, kind: str, **fields: Any) -> None:
        self.named(kind, sequence_number=self._number, **fields)
        self._number += 1

    def delta(self, kind: str, **fields: Any) -> None:
        padding = letters(self._random, self._random.randrange(1, 16))
        self.numbered(kind, **fields, obfuscation=padding)

    def begin(self) -> None:
        for kind in ("response.created", "response.in_progress"):
            self.numbered(kind, response=_response("in_progress", [], None))

    def end(self, item: dict[str, Any], count: int) -> None:
        usage = {
            "input_tokens": 12,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": count,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 12 + count,
        }
        self.numbered("response.completed", response=_response("completed", [item], usage))


def _response(status: str, output: list[Any], usage: Any) -> dict[str, Any]:
    return {
        "id": RESPONSE_ID,
        "object": "response",
        "created_at": 1770803606,
        "status": status,
        "background": False,
        "completed_at": 1770803607 if usage else None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": "gpt-5.1-2025-11-13",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": "none", "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
        "metadata": {},
    }


def _response_text(count: int) -> Sample:
    random = seeded(21)
    writer = ResponseEvents(random)
    words = random.choices(WORDS, k=count)
    text = "".join(words)
    item = {"id": MESSAGE_ID, "type": "message", "role": "assistant"}
    part = {"type": "output_text", "annotations": [], "logprobs": []}
    done = {**item, "status": "completed", "content": [{**part, "text": text}]}
    at = {"item_id": MESSAGE_ID, "output_index": 0, "content_index": 0}
    added = {**item, "status": "in_progress", "content": []}
    writer.begin()
    writer.numbered("response.output_item.added", output_index=0, item=added)
    writer.numbered("response.content_part.added", **at, part={**part, "text": ""})
    for word in words:
        writer.delta("response.output_text.delta", **at, delta=word, logprobs=[])
    writer.numbered("response.output_text.done", **at, text=text, logprobs=[])
    writer.numbered("response.content_part.done", **at, part={**part, "text": text})
    writer.numbered("response.output_item.done", output_index=0, item=done)
    writer.end(done, count)
    return writer.finish(texts=(text,), api="responses")


def _response_tool(count: int) -> Sample:
    random = seeded(22)
    writer = ResponseEvents(random)
    text = arguments_text(random, max(count, 8))
    item = {"id": CALL_ID, "type": "function_call", "call_id": "call_9f8e7d6c5b4a", "name": "apply"}
    done = {**item, "status": "completed", "arguments": text}
    at = {"item_id": CALL_ID, "output_index": 0}
    added = {**item, "status": "in_progress", "arguments": ""}
    writer.begin()
    writer.numbered("response.output_item.added", output_index=0, item=added)
    for start in range(0, len(text), 4):
        delta = text[start : start + 4]
        writer.delta("response.function_call_arguments.delta", **at, delta=delta)
    writer.numbered("response.function_call_arguments.done", **at, arguments=text)
    writer.numbered("response.output_item.done", output_index=0, item=done)
    writer.end(done, count)
    return writer.finish(texts=("",), arguments=(text,), api="responses")


def _begin_message(writer: NamedEvents) -> None:
    cache = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    usage = {
        "input_tokens": 12,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": cache,
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "global",
    }
    message: dict[str, Any] = {
        "model": "claude-opus-4-6",
        "id": "msg_01WJn2D9FrjipEZ9u51siJHC",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    writer.named("message_start", message=message)


def _end_message(writer: NamedEvents, reason: str, count: int) -> None:
    usage = {
        "input_tokens": 12,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": count,
    }
    writer.named("content_block_stop", index=0)
    delta = {"stop_reason": reason, "stop_sequence": None}
    writer.named("message_delta", delta=delta, usage=usage)
    writer.named("message_stop")


def _message_text(count: int) -> Sample:
    writer = NamedEvents()
    words = seeded(23).choices(WORDS, k=count)
    _begin_message(writer)
    writer.named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in words:
        writer.named("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    _end_message(writer, "end_turn", count)
    return writer.finish(texts=("".join(words),), api="messages")


def _message_tool(count: int) -> Sample:
    writer = NamedEvents()
    text = arguments_text(seeded(24), max(count, 8))
    block = {"type": "tool_use", "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "name": "apply"}
    _begin_message(writer)
    writer.named("content_block_start", index=0, content_block={**block, "input": {}})
    for at in range(0, len(text), 4):
        delta = {"type": "input_json_delta", "partial_json": text[at : at + 4]}
        writer.named("content_block_delta", index=0, delta=delta)
    _end_message(writer, "tool_use", count)
    return writer.finish(texts=("",), arguments=(text,), api="messages")


RESPONSE_TEXT = Shape(
    "Responses text",
    "deltas of text, in events with names and obfuscation",
    "event",
    _response_text,
)
RESPONSE_TOOL = Shape(
    "Responses arguments",
    "JSON of a function call, four characters per event",
    "event",
    _response_tool,
)
MESSAGE_TEXT = Shape(
    "Messages text", "deltas of text, in small events with names", "event", _message_text
)
MESSAGE_TOOL = Shape(
    "Messages input", "JSON of a tool's input, four characters per event", "event", _message_tool
)
API_SHAPES = (RESPONSE_TEXT, RESPONSE_TOOL, MESSAGE_TEXT, MESSAGE_TOOL)
