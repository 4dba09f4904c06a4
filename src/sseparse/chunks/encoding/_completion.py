"""A legacy completion as the chunks that would have streamed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..models._completion_chunk import CompletionChunk, CompletionChunkChoice
from ..models._logprobs import CompletionLogprobs
from ..models._results import Completion, CompletionChoice
from ._cut import Cut, shares
from ._endings import endings


def to_completion_chunks(completion: Completion, cut: Cut) -> Iterator[CompletionChunk]:
    """
    Yield the chunks of a completion.

    Args:
        completion: The completion.
        cut: Cuts each text.
    """
    for choice in completion.choices:
        for part in _parts(choice, cut):
            yield _chunk(completion, choices=[part])
    usage, extra = completion.usage, completion.extra
    if usage is not None or extra or not completion.choices:
        yield _chunk(completion, choices=[], usage=usage, extra={**extra})


def _chunk(completion: Completion, **fields: Any) -> CompletionChunk:
    return CompletionChunk(
        id=completion.id,
        object="text_completion",
        created=completion.created,
        model=completion.model,
        system_fingerprint=completion.system_fingerprint,
        **fields,
    )


def _parts(choice: CompletionChoice, cut: Cut) -> Iterator[CompletionChunkChoice]:
    index, extra = choice.index, {**choice.extra}
    pieces = cut(choice.text) or [""]
    for piece, logprobs in zip(pieces, _logprobs(choice.logprobs, pieces), strict=True):
        yield CompletionChunkChoice(index=index, text=piece, logprobs=logprobs)
    for reason, fields in endings(choice, extra):
        yield CompletionChunkChoice(index=index, text="", finish_reason=reason, extra=fields)


def _logprobs(
    logprobs: CompletionLogprobs | None, pieces: list[str]
) -> Iterator[CompletionLogprobs | None]:
    """Yield each piece's part of the lists; what is unknown comes with the first."""
    if logprobs is None:
        yield from [None] * len(pieces)
        return
    names = logprobs.wire_fields()
    lists: dict[str, list[Any] | None] = {name: getattr(logprobs, name) for name in names}
    extra = {**logprobs.extra}
    for share in shares(pieces, map(len, logprobs.tokens or [])):
        parts: dict[str, Any] = {
            name: None if items is None else items[share] for name, items in lists.items()
        }
        yield CompletionLogprobs(**parts, extra=extra)
        extra = {}
