"""The tokens of an answer, choice by choice."""

from __future__ import annotations

from collections.abc import Callable

from ..chunks import ChatChoice, ChatMessage, CompletionChoice, Function, Result, ToolCall
from ..chunks.models._piece import reasoning_texts
from ._usage import ChoiceTokens

Count = Callable[[str], int]


def count_choices(result: Result, count: Count) -> list[ChoiceTokens]:
    """Return the counts of each choice."""
    return [_count_choice(choice, count) for choice in result.choices]


def has_sound(result: Result) -> bool:
    """Tell whether an answer is spoken."""
    return any(isinstance(choice, ChatChoice) and choice.message.audio for choice in result.choices)


def has_calls(result: Result) -> bool:
    """Tell whether an answer calls tools or functions."""
    return any(
        isinstance(choice, ChatChoice)
        and (choice.message.tool_calls or choice.message.function_call)
        for choice in result.choices
    )


def _count_choice(choice: ChatChoice | CompletionChoice, count: Count) -> ChoiceTokens:
    if isinstance(choice, CompletionChoice):
        return ChoiceTokens(index=choice.index, content=count(choice.text))
    message = choice.message
    names, arguments = _calls(message)
    transcript = message.audio.transcript if message.audio else None
    reasoning = reasoning_texts(
        message.reasoning_content or "", message.reasoning or "", message.reasoning_details
    )
    return ChoiceTokens(
        index=choice.index,
        content=count(message.content or ""),
        refusal=count(message.refusal or ""),
        reasoning=sum(map(count, reasoning)),
        tool_names=sum(map(count, names)),
        tool_arguments=sum(map(count, arguments)),
        transcript=count(transcript or ""),
    )


def _calls(message: ChatMessage) -> tuple[list[str], list[str]]:
    calls = [_called(call) for call in message.tool_calls or ()]
    if message.function_call:
        calls.append(_function(message.function_call))
    return [name for name, _ in calls], [arguments for _, arguments in calls]


def _called(call: ToolCall) -> tuple[str, str]:
    if call.custom:
        return call.custom.name, call.custom.input
    return _function(call.function) if call.function else ("", "")


def _function(function: Function) -> tuple[str, str]:
    return function.name, function.arguments
