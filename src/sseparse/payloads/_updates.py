"""What a chunk changed, as small values."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from attrs import define

from ._partial_json import JSONFault

LogprobsT = TypeVar("LogprobsT")
UsageT = TypeVar("UsageT")


@define
class TextUpdate:
    """
    Tell text of a choice: the base of all updates that do.

    Attributes:
        choice: The choice, by its index.
        text: The new text of a `...Delta`, the whole text of a `...Done`.
    """

    choice: int
    text: str


@define
class ContentDelta(TextUpdate):
    """
    Tell new text.
    """


@define
class ContentDone(TextUpdate):
    """
    Tell that a choice's text is whole.

    It comes with the choice's first finish reason, and again at the end where a server went on
    after that.
    """


@define
class ReasoningDelta(TextUpdate):
    """
    Tell new reasoning, whatever the server names it; what it sends under two names comes once.
    """


@define
class ReasoningDone(TextUpdate):
    """
    Tell that a choice's reasoning is whole; see `ContentDone` for when.
    """


@define
class RefusalDelta(TextUpdate):
    """
    Tell new text of a refusal.
    """


@define
class RefusalDone(TextUpdate):
    """
    Tell that a choice's refusal is whole; see `ContentDone` for when.
    """


@define
class TranscriptDelta(TextUpdate):
    """
    Tell new text of a spoken answer.
    """


@define
class TranscriptDone(TextUpdate):
    """
    Tell that the text of a choice's spoken answer is whole; see `ContentDone` for when.
    """


@define
class LogprobsDelta(Generic[LogprobsT]):
    """
    Tell the log-probabilities of new tokens.

    Attributes:
        choice: The choice they belong to, by its index.
        logprobs: The new ones alone, in the form of the chat API or of the legacy one.
    """

    choice: int
    logprobs: LogprobsT


@define
class ToolCallStarted:
    """
    Tell that a tool call begins.

    Attributes:
        choice: The choice it belongs to, by its index.
        call: Its place among the choice's tool calls; None for a function call of the form
            before tool calls.
        id: Its id, or None where its first piece has none.
        name: What is called, "" where its first piece does not say.
        type: "function", or "custom" for a custom tool, whose input is free text.
    """

    choice: int
    call: int | None
    id: str | None
    name: str
    type: str


@define
class ArgumentsDelta:
    """
    Tell new text of a tool call's arguments.

    Attributes:
        choice: The choice it belongs to, by its index.
        call: The call, as in its `ToolCallStarted`.
        text: The new text.
        value: The arguments so far, as `PartialJSON.value` gives them: the object grows on.
            None for a custom tool, whose input is free text.
    """

    choice: int
    call: int | None
    text: str
    value: Any


@define
class ToolCallDone:
    """
    Tell, once, that a tool call is whole.

    It comes when the arguments can become nothing else and another call begins or the choice
    finishes, and for all other calls at the end. Look at `fault` before you call anything: of an
    answer cut by its length, the arguments are cut too. And call nothing before the stream ended
    well, if you would ask again where it does not.

    Attributes:
        choice: The choice it belongs to, by its index.
        call: The call, as in its `ToolCallStarted`.
        id: Its id, or None where none came.
        name: What is called.
        type: "function", or "custom" for a custom tool.
        arguments: The arguments' JSON text, or a custom tool's input.
        value: The arguments, decoded, as far as they could be. None for a custom tool.
        fault: Where and why the arguments are no JSON; None where they are. Arguments that never
            came are a fault too, and a custom tool's input where the answer was cut.
    """

    choice: int
    call: int | None
    id: str | None
    name: str
    type: str
    arguments: str
    value: Any
    fault: JSONFault | None


@define
class ChoiceFinished:
    """
    Tell, once, that a choice has its finish reason; what is done by that comes before it.

    Attributes:
        choice: The choice, by its index.
        reason: The reason.
    """

    choice: int
    reason: str


@define
class UsageReported(Generic[UsageT]):
    """
    Tell the token counts that the server sent; some servers send them again and again.

    Attributes:
        usage: The counts; they replace those before.
    """

    usage: UsageT
