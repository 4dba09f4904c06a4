"""A chunk of a legacy completion, and all that is inside it."""

from __future__ import annotations

from ._logprobs import CompletionLogprobs
from ._model import Model
from ._piece import Piece
from ._usage import CompletionUsage


class CompletionChunkChoice(Model, kw_only=True):
    """
    Carry a chunk's part for one choice.

    Attributes:
        index: Which choice: several prompts times several answers are counted through.
        text: The new text; "" where the server sent none.
        finish_reason: Why the choice ended, or None while it goes on.
        logprobs: The new tokens' log-probabilities, where the request asked for them.
    """

    index: int
    text: str
    finish_reason: str | None = None
    logprobs: CompletionLogprobs | None = None


class CompletionChunk(Model, kw_only=True):
    """
    Hold one chunk of a streamed legacy completion.

    Attributes:
        id: The completion's id.
        object: "text_completion" by the schema.
        created: When the completion was created, in seconds since 1970.
        model: The model that answers.
        choices: The choices that this chunk adds to.
        usage: Token counts, on the last chunk as a rule.
        system_fingerprint: The configuration that the server ran.

    Source: OpenAI API reference, "The completion object": streamed and whole share one shape.
    """

    id: str | None = None
    object: str | None = None
    created: int | float | None = None
    model: str | None = None
    choices: list[CompletionChunkChoice]
    usage: CompletionUsage | None = None
    system_fingerprint: str | None = None

    @property
    def text(self) -> str:
        """The new text of choice 0, "" if there is none."""
        return "".join([choice.text for choice in self.choices if choice.index == 0])

    def pieces(self) -> list[Piece]:
        """Return the pieces of generated text that the chunk brings, choice by choice."""
        return [Piece("content", each.text, each.index) for each in self.choices if each.text]
