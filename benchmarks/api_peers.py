"""Contenders on the Responses and Messages APIs: their official SDKs, and the floor."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec
from event_peers import TYPE, Feeds
from measure import Contender, Prepare, count, decoding, local
from ours import Stream

QUESTION: Any = [{"role": "user", "content": "hi"}]
RESPONSE: dict[str, Any] = {"model": "gpt-5.1", "input": "hi"}
MESSAGE: dict[str, Any] = {"model": "claude-opus-4-6", "max_tokens": 9000, "messages": QUESTION}


class ResponseEvent(msgspec.Struct):
    """Every field of the events of the Responses API, of all types."""

    type: str
    sequence_number: int | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    command_index: int | None = None
    annotation_index: int | None = None
    partial_image_index: int | None = None
    delta: Any = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    code: str | None = None
    diff: str | None = None
    command: str | None = None
    name: str | None = None
    obfuscation: str | None = None
    partial_image_b64: str | None = None
    message: str | None = None
    param: str | None = None
    response: dict[str, Any] | None = None
    item: dict[str, Any] | None = None
    part: dict[str, Any] | None = None
    annotation: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    logprobs: list[Any] | None = None
    output: list[Any] | None = None
    status: str | None = None


class MessageDelta(msgspec.Struct):
    """Every field of the deltas of the Messages API."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    content: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    container: dict[str, Any] | None = None


class MessageEvent(msgspec.Struct):
    """Every field of the events of the Messages API, of all types."""

    type: str
    index: int | None = None
    delta: MessageDelta | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None


def floor(model: type[msgspec.Struct]) -> Callable[[], Prepare]:
    """Decode each payload into one flat struct, which fits all types of events."""

    def prepare(stream: Stream) -> Callable[[], int]:
        return decoding(msgspec.json.Decoder(model).decode, stream.sample.payloads)

    return lambda: local(prepare)


def http_client(feeds: list[bytes]) -> Any:
    """Return an HTTP client that answers each request with the stream, without a network."""
    import httpx2

    class Body(Feeds, httpx2.SyncByteStream):
        pass

    def respond(_request: object) -> Any:
        return httpx2.Response(200, headers=TYPE, stream=Body(feeds))

    return httpx2.Client(transport=httpx2.MockTransport(respond))


def on_client(package: str, client: str, task: Callable[[Any], Any]) -> Callable[[], Prepare]:
    """Run a task on a new client of a package for each stream."""

    def load() -> Prepare:
        create = getattr(import_module(package), client)

        def prepare(stream: Stream) -> Callable[[], Any]:
            ready = create(api_key="none", http_client=http_client(stream.feeds))
            return lambda: task(ready)

        return local(prepare)

    return load


def on_openai(task: Callable[[Any], Any]) -> Contender:
    return Contender("openai", "peer", on_client("openai", "OpenAI", task))


def on_anthropic(task: Callable[[Any], Any]) -> Contender:
    return Contender("anthropic", "peer", on_client("anthropic", "Anthropic", task))


def openai_events(client: Any) -> int:
    return count(client.responses.create(**RESPONSE, stream=True))


def openai_response(client: Any) -> list[str]:
    with client.responses.stream(**RESPONSE) as stream:
        result = stream.get_final_response()
    calls = [item.arguments for item in result.output if item.type == "function_call"]
    return [result.output_text, *calls]


def openai_input(client: Any) -> int:
    """Return the number of characters of arguments; each event has the text of all so far."""
    characters = 0
    with client.responses.stream(**RESPONSE) as stream:
        for event in stream:
            if event.type == "response.function_call_arguments.delta":
                characters += len(event.delta)
    return characters


def anthropic_events(client: Any) -> int:
    return count(client.messages.create(**MESSAGE, stream=True))


def anthropic_message(client: Any) -> list[str]:
    with client.messages.stream(**MESSAGE) as stream:
        result = stream.get_final_message()
    return ["".join(block.text for block in result.content if block.type == "text")]


def anthropic_input(client: Any) -> int:
    """Return the number of characters of input; each event has the parsed input so far."""
    characters = 0
    with client.messages.stream(**MESSAGE) as stream:
        for event in stream:
            if event.type == "input_json":
                characters += len(event.partial_json)
    return characters


RESPONSE_FLOOR = Contender("msgspec alone", "floor", floor(ResponseEvent))
MESSAGE_FLOOR = Contender("msgspec alone", "floor", floor(MessageEvent))
RESPONSE_EVENT_PEERS = (RESPONSE_FLOOR, on_openai(openai_events))
RESPONSE_PEERS = (RESPONSE_FLOOR, on_openai(openai_response))
RESPONSE_INPUT_PEERS = (on_openai(openai_input),)
MESSAGE_EVENT_PEERS = (MESSAGE_FLOOR, on_anthropic(anthropic_events))
MESSAGE_PEERS = (MESSAGE_FLOOR, on_anthropic(anthropic_message))
MESSAGE_INPUT_PEERS = (on_anthropic(anthropic_input),)
