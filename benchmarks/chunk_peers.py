"""Those that make chunks of bytes, and the floor: decoding the same payloads and nothing else."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from measure import Contender, Refused, Turn, count, local, on_feeds
from ours import Stream

from sseparse import ChatCompletionChunk, CompletionChunk

Prepare = Callable[[Any], Turn]


def floor() -> Prepare:
    """Decode into the models of this library; into dicts where a key has no place in them."""

    def prepare(stream: Stream) -> Callable[[], int]:
        legacy = stream.made.expected.legacy
        typed = msgspec.json.Decoder[Any](CompletionChunk if legacy else ChatCompletionChunk)
        payloads = stream.made.payloads
        try:
            for payload in payloads:
                typed.decode(payload)
            decode = typed.decode
        except msgspec.ValidationError:
            decode = msgspec.json.Decoder().decode

        def run() -> int:
            seen = 0
            for payload in payloads:
                decode(payload)
                seen += 1
            return seen

        return run

    return local(prepare)


def openai_dicts(feeds: list[bytes]) -> Iterator[Any]:
    """Decode as far as openai-python does before it makes models."""
    from openai._streaming import SSEDecoder

    for event in SSEDecoder().iter_bytes(iter(feeds)):
        if not event.data.startswith("[DONE]"):
            yield event.json()


def openai_chunks(stream: Stream, feeds: list[bytes]) -> Iterator[Any]:
    """Make the models that users of openai-python get."""
    from openai._models import construct_type
    from openai.types import Completion
    from openai.types.chat import ChatCompletionChunk as OpenAIChunk

    model = Completion if stream.made.expected.legacy else OpenAIChunk
    for body in openai_dicts(feeds):
        yield construct_type(type_=model, value=body)


def openai() -> Prepare:
    import openai

    # What is made lazily at the first chunk is no part of a chunk's cost, nor of its failure.
    assert openai.VERSION
    return local(lambda stream: lambda: count(openai_chunks(stream, stream.feeds)))


def openai_json() -> Prepare:
    import openai

    assert openai.VERSION
    return on_feeds(lambda feeds: count(openai_dicts(feeds)))


def litellm() -> Prepare:
    chunk = litellm_chunk()

    def prepare(stream: Stream) -> Callable[[], int]:
        refuse_legacy(stream)
        return lambda: count(chunk(**body) for body in openai_dicts(stream.feeds))

    return local(prepare)


def litellm_chunk() -> Any:
    """Return litellm's model of a chunk."""
    # It would ask the network for prices when it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm.types.utils import ModelResponseStream

    return ModelResponseStream


def refuse_legacy(stream: Stream) -> None:
    """Raise where the peer has nothing for completions of the form before chat."""
    if stream.made.expected.legacy:
        raise Refused("has none for legacy completions")


FLOOR = Contender("msgspec alone", "floor", floor)
CHUNK_PEERS = (
    Contender("openai", "peer", openai),
    Contender("litellm", "peer", litellm),
    Contender("openai, json.loads alone", "aside", openai_json),
)
