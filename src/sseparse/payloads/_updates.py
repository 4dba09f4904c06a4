"""Updates: what one chunk changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from attrs import define

from ._model import Kind
from ._partial_json import JSONFault, PartialJSON

LogprobsT = TypeVar("LogprobsT")
UpdateT = TypeVar("UpdateT")
UsageT = TypeVar("UsageT")


@define
class TextUpdate:
    """
    Base class of the updates about text of a choice.

    Each `...Done` is emitted with the choice's first finish reason. If the server sends more text
    after that, another `...Done` is emitted at the end of the stream.

    Attributes:
        choice: Index of the choice.
        text: The new text (`...Delta`), or the complete text (`...Done`).
        item: Position among the result's output items or content blocks; None if the API has one
            text of each kind in a choice.
    """

    choice: int
    text: str
    item: int | None = None


@define
class ContentDelta(TextUpdate):
    """New text of a choice."""


@define
class ContentDone(TextUpdate):
    """The complete text of a choice; see `TextUpdate`."""


@define
class ReasoningDelta(TextUpdate):
    """New reasoning. Text that the server sends under two names is emitted once."""


@define
class ReasoningDone(TextUpdate):
    """The complete reasoning of a choice; see `TextUpdate`."""


@define
class RefusalDelta(TextUpdate):
    """New text of a refusal."""


@define
class RefusalDone(TextUpdate):
    """The complete refusal of a choice; see `TextUpdate`."""


@define
class TranscriptDelta(TextUpdate):
    """New text of a spoken answer."""


@define
class TranscriptDone(TextUpdate):
    """The complete text of a choice's spoken answer; see `TextUpdate`."""


TEXT_UPDATES: Final[Mapping[Kind, tuple[Callable[..., Any], Callable[..., Any]]]] = {
    "content": (ContentDelta, ContentDone),
    "reasoning": (ReasoningDelta, ReasoningDone),
    "refusal": (RefusalDelta, RefusalDone),
    "transcript": (TranscriptDelta, TranscriptDone),
}
"""For each kind of text, the updates of its pieces and of the complete text."""


@define
class LogprobsDelta(Generic[LogprobsT]):
    """
    Log-probabilities of new tokens.

    Attributes:
        choice: Index of the choice.
        logprobs: The log-probabilities of only the new tokens, in the API's form.
    """

    choice: int
    logprobs: LogprobsT


@define
class ToolCallStarted:
    """
    The start of a tool call, emitted before all its `ArgumentsDelta`.

    It is delayed until the name is complete: until arguments follow, another call begins or the
    choice finishes. A call whose name never arrives starts at the end of the stream.

    Attributes:
        choice: Index of the choice.
        call: Position among the choice's tool calls; None for a legacy function call.
        id: The call's id; None if the server sent none so far.
        name: Name of the function or tool; "" if the server sent none.
        type: "function", or "custom" for a custom tool, whose input is free text.
        item: Position among the result's output items or content blocks; None if the API has none.
    """

    choice: int
    call: int | None
    id: str | None
    name: str
    type: str
    item: int | None = None


@define
class ArgumentsDelta:
    """
    New text of a tool call's arguments. Other fields are those of `ToolCallStarted`.

    The texts, joined, are the arguments. Arguments that begin with `{}` are delayed, because some
    servers send it as a placeholder. They are emitted when other arguments follow or the choice
    finishes.

    Attributes:
        text: The new text.
        value: The decoded arguments so far, the live object of `PartialJSON.value`. None for a
            custom tool, whose input is free text.
    """

    choice: int
    call: int | None
    text: str
    value: Any
    item: int | None = None


@define
class ToolCallDone:
    """
    A completed tool call, emitted once for each. Other fields are those of `ToolCallStarted`.

    It is emitted when the arguments are complete JSON and another call begins or the choice
    finishes. If the arguments are `{}`, which can be a placeholder, only the finish counts. All
    other calls are emitted at the end of the stream. Check `fault` before you run a call: in an
    answer that was truncated by its maximum length, the arguments are truncated too. If you retry
    truncated streams, run no call before the stream has ended.

    Attributes:
        id: The call's id; None if the server sent none.
        name: Name of the function or tool, now complete.
        arguments: JSON text of the arguments, or the input of a custom tool.
        value: The decoded arguments, up to the fault if there is one. None for a custom tool.
        fault: Where and why the arguments aren't JSON; None if they are JSON. Missing arguments are
            a fault, and so is a custom tool's input in a truncated answer.
    """

    choice: int
    call: int | None
    id: str | None
    name: str
    type: str
    arguments: str
    value: Any
    fault: JSONFault | None
    item: int | None = None


@define
class ChoiceFinished:
    """
    A choice's finish reason; emitted once, after the updates that it completes.

    Attributes:
        choice: Index of the choice.
        reason: The first finish reason that the server sent.
    """

    choice: int
    reason: str


@define
class UsageReported(Generic[UsageT]):
    """
    Token counts of the server. Some servers report them repeatedly.

    Attributes:
        usage: The counts, which replace earlier ones.
    """

    usage: UsageT


class UpdateRecorder(Generic[UpdateT, UsageT]):
    """Base class of the recorders of updates: those that weren't returned yet."""

    def __init__(self) -> None:
        self._updates: list[Any] = []
        self._usage: UsageT | None = None

    def add_usage(self, usage: UsageT | None) -> None:
        if usage is not None and usage is not self._usage and usage != self._usage:
            self._usage = usage
            self._updates.append(UsageReported(usage))

    def pop_updates(self) -> list[UpdateT]:
        updates = [*self._updates]
        self._updates.clear()
        return updates


def decode_arguments(text: str) -> tuple[Any, JSONFault | None]:
    """Return the value of arguments, up to the place where they aren't JSON, and that place."""
    if not text:
        return None, JSONFault(0, "no arguments received")
    # Decoded again: the value in the updates can still grow, and its reader can change it.
    json = PartialJSON()
    json.feed(text)
    json.close()
    return json.value, json.fault
