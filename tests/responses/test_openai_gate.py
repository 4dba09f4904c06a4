"""The openai package's client reads the events that a moderation gate releases."""

from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from sseparse.moderation import Gate, Replace
from sseparse.responses import ResponseEvent, encode_event
from sseparse.testing import ReplayServer

from .events import added, arguments, call, completed, created, delta, done, parse

# The client warns of values that the schema doesn't have.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")

openai = pytest.importorskip("openai", reason="the openai package is not installed")

REQUEST = {"model": "m", "input": "Hello"}
SUMMARY = "response.reasoning_summary"
ALL = ("content", "reasoning", "arguments")


def reasoning(*texts: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": summary}


def part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message(*texts: str, status: str = "completed") -> dict[str, Any]:
    fields = {"type": "message", "id": "msg_1", "role": "assistant", "status": status}
    return {**fields, "content": [part(text) for text in texts]}


HEAD: dict[str, Any] = {"model": "m", "created_at": 5, "tools": [], "parallel_tool_calls": True}
USAGE = {"input_tokens": 9, "output_tokens": 7, "total_tokens": 16}
THOUGHT, TEXT, CITY = "Who asks? Somebody.", "One. Call 555. Two.", '{"city": "Bonn"}'
OF_REASONING = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
OF_TEXT = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
OF_CALL = {"item_id": "fc_1", "output_index": 2}
OUTPUT = [reasoning(THOUGHT), message(TEXT), call(CITY, status="completed")]
EVENTS: list[dict[str, Any]] = [
    *(created(**HEAD), added(reasoning(), 0)),
    {"type": f"{SUMMARY}_part.added", **OF_REASONING, "part": {"type": "summary_text", "text": ""}},
    *(
        delta(each, 0, f"{SUMMARY}_text.delta", item_id="rs_1", summary_index=0)
        for each in ("Who asks? ", "Somebody.")
    ),
    {"type": f"{SUMMARY}_text.done", **OF_REASONING, "text": THOUGHT},
    {
        "type": f"{SUMMARY}_part.done",
        **OF_REASONING,
        "part": {"type": "summary_text", "text": THOUGHT},
    },
    *(done(OUTPUT[0], 0), added(message(status="in_progress"), 1)),
    {"type": "response.content_part.added", **OF_TEXT, "part": part("")},
    *(delta(each, 1, logprobs=[], obfuscation="x") for each in ("One. ", "Call 555. ", "Two.")),
    {"type": "response.output_text.done", **OF_TEXT, "text": TEXT, "logprobs": []},
    {"type": "response.content_part.done", **OF_TEXT, "part": part(TEXT)},
    *(done(OUTPUT[1], 1), added(call(), 2)),
    *(arguments(each, 2, item_id="fc_1") for each in ('{"city":', ' "Bonn"}')),
    {"type": "response.function_call_arguments.done", **OF_CALL, "arguments": CITY},
    *(done(OUTPUT[2], 2), completed(output=OUTPUT, usage=USAGE, **HEAD)),
]
NUMBER = count()
STREAM = [{**event, "sequence_number": next(NUMBER)} for event in EVENTS]


def approve(_: str) -> bool:
    return True


def mask(text: str) -> Replace:
    return Replace(text.replace("555", "***").replace("Somebody", "[name]"))


def read(events: Iterable[ResponseEvent]) -> list[Any]:
    """Return the events that the client's `stream()` returns."""
    body = b"".join(map(encode_event, events))
    with (
        ReplayServer({"/responses": body}) as server,
        openai.DefaultHttpxClient(trust_env=False) as http_client,
        openai.OpenAI(
            api_key="none",
            base_url=server.url,
            max_retries=0,
            timeout=30,
            http_client=http_client,
        ) as client,
        client.responses.stream(**REQUEST) as stream,
    ):
        return list(stream)


def output_of(response: Any) -> list[Any]:
    output = []
    for item in response.output:
        if item.type == "message":
            output.append(("message", [each.text for each in item.content]))
        elif item.type == "reasoning":
            output.append(("reasoning", [each.text for each in item.summary]))
        else:
            output.append(("call", item.arguments))
    return output


REASONING = ("reasoning", [THOUGHT])
MESSAGE = ("message", [TEXT])
CALL = ("call", CITY)
MASKED = ("message", ["One. Call ***. Two."])


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({}, [MESSAGE, CALL]),
        ({"unchecked": ()}, [MESSAGE]),
        ({"unchecked": ("reasoning",)}, [REASONING, MESSAGE]),
        ({"kinds": ALL}, [REASONING, MESSAGE, CALL]),
        ({"kinds": ALL, "concurrent": 4, "hold": 5}, [REASONING, MESSAGE, CALL]),
        ({"check": mask}, [MASKED, CALL]),
        ({"check": mask, "kinds": ALL}, [("reasoning", ["Who asks? [name]."]), MASKED, CALL]),
    ],
    ids=["content", "no tools", "passing", "all", "hold", "mask", "mask all"],
)
def test_released(options: dict[str, Any], output: list[Any]) -> None:
    """The client has the items that were released, and the token counts."""
    settings: dict[str, Any] = {"check": approve, **options}
    gate = Gate(**settings)
    events = read(gate.chunks(parse(*STREAM)))
    last = events[-1]

    assert last.type == "response.completed"
    assert output_of(last.response) == output
    assert last.response.usage.output_tokens == 7
    calls = [each for each in events if each.type == "response.function_call_arguments.delta"]
    assert ("".join(each.delta for each in calls) == CITY) == (CALL in output)


@pytest.mark.parametrize("kinds", [("content",), ALL])
def test_stopped(kinds: Any) -> None:
    """A stopped response is incomplete for the client, with what was released before."""
    gate = Gate(lambda text: "555" not in text, kinds=kinds, on_flagged="stop_choice")
    events = read(gate.chunks(parse(*STREAM)))
    last = events[-1]

    assert [event.type for event in events[-4:]] == [
        *("response.output_text.done", "response.content_part.done"),
        *("response.output_item.done", "response.incomplete"),
    ]
    response = last.response
    assert output_of(response) == [*([REASONING] if kinds is ALL else []), ("message", ["One. "])]
    assert (response.id, response.model, response.created_at) == ("resp_1", "m", 5)
    assert response.incomplete_details.reason == "content_filter"
    assert response.usage.output_tokens == 7
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
