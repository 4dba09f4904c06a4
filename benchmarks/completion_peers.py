"""Contenders that accumulate chunks; each receives chunks as its users do."""

from collections.abc import Callable
from typing import Any

from chunk_peers import litellm_chunk, openai_chunks, openai_dicts, refuse_legacy
from measure import Contender, Prepare, Refused, local
from ours import Stream


def openai() -> Prepare:
    from openai.lib.streaming.chat import ChatCompletionStreamState

    def prepare(stream: Stream) -> Callable[[], list[str]]:
        refuse_legacy(stream)

        def run() -> list[str]:
            state = ChatCompletionStreamState()
            for chunk in openai_chunks(stream, stream.feeds):
                state.handle_chunk(chunk)
            return _texts_of(state.get_final_completion())

        return run

    return local(prepare)


def _texts_of(completion: Any) -> list[str]:
    texts = [choice.message.content or "" for choice in completion.choices]
    calls = [call for choice in completion.choices for call in choice.message.tool_calls or ()]
    return texts + [call.function.arguments for call in calls]


def openai_updates() -> Prepare:
    from openai.lib.streaming.chat import ChatCompletionStreamState

    def prepare(stream: Stream) -> Callable[[], int]:
        refuse_legacy(stream)

        def run() -> int:
            state, characters = ChatCompletionStreamState(), 0
            for chunk in openai_chunks(stream, stream.feeds):
                for event in state.handle_chunk(chunk):
                    if event.type == "content.delta":
                        characters += len(event.delta)
                    elif event.type == "tool_calls.function.arguments.delta":
                        characters += len(event.arguments_delta)
            return characters

        return run

    return local(prepare)


def litellm() -> Prepare:
    chunk = litellm_chunk()
    from litellm import stream_chunk_builder

    def prepare(stream: Stream) -> Callable[[], list[str]]:
        refuse_legacy(stream)

        def run() -> list[str]:
            chunks = [chunk(**body) for body in openai_dicts(stream.feeds)]
            return _texts_of(stream_chunk_builder(chunks))

        return run

    return local(prepare)


def langchain_core() -> Prepare:
    from langchain_core.messages import AIMessageChunk

    def prepare(stream: Stream) -> Callable[[], list[str]]:
        refuse_legacy(stream)
        if len(stream.sample.expected.texts) > 1:
            raise Refused("supports only the first choice")

        def run() -> list[str]:
            total: Any = None
            for body in openai_dicts(stream.feeds):
                message = _message_chunk(AIMessageChunk, body)
                total = message if total is None else total + message
            calls = [call["args"] for call in total.tool_call_chunks]
            return [total.content, *calls]

        return run

    return local(prepare)


def _message_chunk(kind: Any, body: dict[str, Any]) -> Any:
    # As in langchain-openai: only the first choice, or the usage if there are no choices.
    if not body["choices"]:
        usage = body["usage"]
        counts = {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
            "total_tokens": usage["total_tokens"],
        }
        return kind(content="", usage_metadata=counts)
    choice = body["choices"][0]
    delta = choice["delta"]
    calls = [
        {
            "name": call["function"].get("name"),
            "args": call["function"].get("arguments"),
            "id": call.get("id"),
            "index": call["index"],
            "type": "tool_call_chunk",
        }
        for call in delta.get("tool_calls") or ()
    ]
    reason = choice["finish_reason"]
    about = {"finish_reason": reason, "model_name": body["model"]} if reason else {}
    if choice["logprobs"]:
        about["logprobs"] = choice["logprobs"]
    return kind(
        content=delta.get("content") or "",
        id=body["id"],
        tool_call_chunks=calls,
        response_metadata=about,
    )


COMPLETION_PEERS = (
    Contender("openai", "peer", openai),
    Contender("litellm", "peer", litellm),
    Contender("langchain-core", "peer", langchain_core),
)
UPDATE_PEERS = (Contender("openai", "peer", openai_updates),)
