"""The way back: a finished completion as the chunks that would have streamed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..models._chunk import Chunk
from ..models._results import ChatCompletion, Completion, Result
from ._chat import to_chat_chunks
from ._completion import to_completion_chunks
from ._cut import cutter


def to_chunks(
    completion: Result, *, pieces: int | Callable[[str], Iterable[str]] | None = None
) -> Iterator[Chunk]:
    """
    Return the chunks that would have streamed a completion, in the shape of OpenAI's streams.

    Put into an `Accumulator` they give an equal completion, be it whole or not: nothing is
    added that did not come. One choice follows the other; token counts and unknown fields of the
    completion come last, in a chunk without choices. `encode_chunk()` writes chunks to the wire.

    Args:
        completion: The chat or legacy completion.
        pieces: How to cut each text: into pieces of so many characters; by a function, which
            returns the pieces of the text it is given; or None, not at all. Base64 is cut so
            that each piece can be decoded, and the log-probability of a token comes with the
            piece in which the token begins.

    Returns:
        The chunks, made as they are asked for. What is innermost in them (token counts,
        log-probabilities, unknown fields) is the completion's own.

    Raises:
        ValueError: The pieces would be shorter than a character. The iterator raises it too,
            when the pieces that the function made do not join to the text.
        TypeError: It is no completion, or `pieces` is of another type.

    Source: OpenAI API reference, "The chat completion chunk object", and recordings.
    """
    cut = cutter(pieces)
    if isinstance(completion, ChatCompletion):
        return to_chat_chunks(completion, cut)
    if isinstance(completion, Completion):
        return to_completion_chunks(completion, cut)
    raise TypeError(
        f"to_chunks() takes a ChatCompletion or a Completion, not {type(completion).__name__}; "
        "the snapshot() of an Accumulator is one"
    )
