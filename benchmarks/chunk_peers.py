"""Contenders that convert bytes to chunks, and the floor, which only decodes the payloads."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from measure import Contender, Prepare, Refused, count, decoding, local, on_feeds
from ours import Stream

from sseparse import ChatCompletionChunk, CompletionChunk


def floor() -> Prepare:
    """Decode into the models of sseparse, or into dicts if a payload doesn't fit them."""

    def prepare(stream: Stream) -> Callable[[], int]:
        legacy = stream.sample.expected.legacy
        typed = msgspec.json.Decoder[Any](CompletionChunk if legacy else ChatCompletionChunk)
        payloads = stream.sample.payloads
        try:
            for payload in payloads:
                typed.decode(payload)
            decode = typed.decode
        except msgspec.ValidationError:
            decode = msgspec.json.Decoder().decode
        return decoding(decode, payloads)

    return local(prepare)


def openai_dicts(feeds: list[bytes]) -> Iterator[Any]:
    """Decode to dicts, as openai-python does before it creates models."""
    from openai._streaming import SSEDecoder

    for event in SSEDecoder().iter_bytes(iter(feeds)):
        if not event.data.startswith("[DONE]"):
            yield event.json()


def openai_chunks(stream: Stream, feeds: list[bytes]) -> Iterator[Any]:
    """Create the models that users of openai-python receive."""
    from openai._models import construct_type
    from openai.types import Completion
    from openai.types.chat import ChatCompletionChunk as OpenAIChunk

    model = Completion if stream.sample.expected.legacy else OpenAIChunk
    for body in openai_dicts(feeds):
        yield construct_type(type_=model, value=body)


def openai() -> Prepare:
    import openai

    # Import openai completely first: lazy imports aren't part of the cost of a chunk.
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
    # Otherwise litellm downloads prices when it is imported.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from litellm.types.utils import ModelResponseStream

    return ModelResponseStream


def refuse_legacy(stream: Stream) -> None:
    """Raise Refused for legacy completions, which the peer doesn't support."""
    if stream.sample.expected.legacy:
        raise Refused("doesn't support legacy completions")


FLOOR = Contender("msgspec alone", "floor", floor)
CHUNK_PEERS = (
    Contender("openai", "peer", openai),
    Contender("litellm", "peer", litellm),
    Contender("openai, json.loads alone", "aside", openai_json),
)
