"""Token counts that were made here, and say so."""

from __future__ import annotations

from ..chunks import CompletionUsage
from ..chunks.models._model import Model


class ChoiceTokens(Model, kw_only=True):
    """
    Count the tokens of one choice, by what they are.

    Attributes:
        index: The choice's place among the choices.
        content: Those of the text.
        refusal: Those of the refusal.
        reasoning: Those of the reasoning that came. Some servers reason and do not send it.
        tool_names: Those of the names of the tools and functions called.
        tool_arguments: Those of their arguments, and of custom tools' input.
        transcript: Those of the words of a spoken answer; its sound cannot be counted.
    """

    index: int
    content: int = 0
    refusal: int = 0
    reasoning: int = 0
    tool_names: int = 0
    tool_arguments: int = 0
    transcript: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        said = self.content + self.refusal + self.reasoning + self.transcript
        return said + self.tool_names + self.tool_arguments


class EstimatedUsage(CompletionUsage, kw_only=True):
    """
    Count the tokens of a request and its answer, where the server did not.

    It stands where a server's CompletionUsage would, with the same names, and `to_dict()` has
    its mark too. It holds what can be seen. Servers also count what cannot: reasoning that is not
    sent, sound, images, and the frame around tool calls.

    Attributes:
        estimated: True, always.
        encoding: The encoding that it was counted with.
        choices: The answer's tokens, choice by choice.
        prompt_listed: Whether OpenAI published the overheads for the model, so that the count of
            the prompt follows a rule; False where they are another model's; None where none are
            part of the count.
        prompt_partial: Whether the prompt has what cannot be counted, as images, or what the
            published rule does not speak of; the server then counts more, or otherwise.
        notes: What is to be known of the counts, in words.
    """

    estimated: bool
    encoding: str
    choices: list[ChoiceTokens]
    prompt_listed: bool | None = None
    prompt_partial: bool = False
    notes: list[str]
