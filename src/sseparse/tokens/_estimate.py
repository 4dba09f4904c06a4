"""The usage of a completion whose server sent none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..chunks import CompletionTokensDetails, Result
from ._answer import count_choices, has_calls, has_sound
from ._encode import count_tokens
from ._prompt import Prompt, PromptTokens, add_prompt
from ._prompt_tools import add_tools
from ._usage import EstimatedUsage
from ._vocabularies import find_encoding

if TYPE_CHECKING:
    from tiktoken import Encoding

_OLDER: Final = "gpt-4-0613"
_NEWER: Final = "gpt-4o-2024-08-06"
_LISTED: Final[Mapping[str, str]] = {
    "gpt-3.5-turbo-0125": _OLDER,
    "gpt-4-0314": _OLDER,
    "gpt-4-32k-0314": _OLDER,
    "gpt-4-0613": _OLDER,
    "gpt-4-32k-0613": _OLDER,
    "gpt-4o-mini-2024-07-18": _NEWER,
    "gpt-4o-2024-08-06": _NEWER,
}
"""The models of which OpenAI published overheads, and the one that stands for its kind."""
_TOOL_BEGINS: Final[Mapping[str, int]] = {_OLDER: 10, _NEWER: 7}


def estimate_usage(
    result: Result,
    *,
    messages: Prompt | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    encoding: str | Encoding | None = None,
) -> EstimatedUsage:
    """
    Count the tokens of a completion, whole or as far as it came.

    The answer's tokens are those of all that came in every choice: text, refusal, reasoning,
    the names and arguments of tool and function calls, the transcript of speech. Reasoning that
    came under several names is counted once.

    Args:
        result: The completion. It is not changed.
        messages: The request's messages, in the API's form, or the text, texts or tokens that a
            legacy completion continues. Without them the prompt's tokens and the total are None.
        tools: The request's tools, in the API's form; counted with the messages only.
        encoding: The encoding, or a model that has it; None for that of the completion's model.

    Returns:
        The counts, marked as estimated.

    Raises:
        ImportError: tiktoken is not installed.
        UnknownEncoding: No encoding is known by that name, or of the completion's model.
        VocabularyMissing: The vocabulary is not in tiktoken's cache.
        Uncountable: A text has a run of more than 500,000 blanks.
        TypeError: The messages or the tools are of another form.

    Source: OpenAI Cookbook, "How to count tokens with tiktoken".
    """
    counting = find_encoding(result.model if encoding is None else encoding)
    count = partial(count_tokens, counting)
    choices = count_choices(result, count)
    completion_tokens = sum(choice.total for choice in choices)
    prompt = PromptTokens(count)
    kind = _LISTED.get(result.model or "", _OLDER if counting.name == "cl100k_base" else _NEWER)
    counted = messages is not None
    if messages is not None:
        add_prompt(prompt, messages)
        add_tools(prompt, tools or (), _TOOL_BEGINS[kind])
    listed = result.model in _LISTED if prompt.overheads else None
    overheads = _overhead_notes(result.model, kind, listed=listed)
    reasoning = sum(choice.reasoning for choice in choices)
    return EstimatedUsage(
        prompt_tokens=prompt.tokens if counted else None,
        completion_tokens=completion_tokens,
        total_tokens=prompt.tokens + completion_tokens if counted else None,
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=reasoning),
        estimated=True,
        encoding=counting.name,
        choices=choices,
        prompt_listed=listed,
        prompt_partial=bool(prompt.uncounted or prompt.beyond),
        notes=[*_answer_notes(result), *_prompt_notes(prompt, tools, counted), *overheads],
    )


def _answer_notes(result: Result) -> Iterator[str]:
    if has_calls(result):
        yield "calls are counted by their names and arguments; what frames them is not known"
    if has_sound(result):
        yield "the answer's sound cannot be counted; its transcript is"


def _prompt_notes(
    prompt: PromptTokens, tools: Sequence[Mapping[str, Any]] | None, counted: bool
) -> Iterator[str]:
    if tools and not counted:
        yield "the tools are not counted without the messages"
    if prompt.uncounted:
        yield (
            f"the prompt has what cannot be counted ({_names(prompt.uncounted)}): "
            "its tokens are a lower bound"
        )
    if prompt.beyond:
        yield (
            f"the prompt has what the published rule does not speak of ({_names(prompt.beyond)}): "
            "its texts are counted"
        )


def _overhead_notes(model: str | None, kind: str, *, listed: bool | None) -> Iterator[str]:
    if listed:
        yield f"the prompt's overheads are those that OpenAI published for {model}"
    elif listed is not None:
        yield (
            f"OpenAI published no overheads for {model or 'a model without a name'}: "
            f"those of {kind} are used"
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
