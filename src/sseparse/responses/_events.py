"""Events of a streamed response."""

# No `from __future__ import annotations`: see `payloads._model`.
from collections.abc import Callable, Container, Mapping
from typing import Any, ClassVar, Final, Self

from msgspec.structs import replace

from ..payloads._gated import Dropped, GatedText, Outlet, Part, Rest, TextKey, dropped_fields
from ..payloads._model import Kind, Piece
from ..payloads._typed_event import TypedEvent
from ._results import ContentPart, OutputItem, Response, ResponseUsage
from ._targets import DELTAS, DONES, PARTS, Target, part_number, texts_of


class ResponseEvent(TypedEvent, kw_only=True):
    """
    Base class of the events of a streamed response.

    Attributes:
        type: The event's type, such as "response.output_text.delta".
        sequence_number: Position of the event in the response; None if the server sent none.

    Source: OpenAI API reference, "Streaming events" of the Responses API.
    """

    sequence_number: int | None = None

    @property
    def usage(self) -> ResponseUsage | None:
        """The token counts in the event, or None."""
        return None

    def split_texts(self, unchecked: Container[Kind], /) -> list[Part]:
        """Return the parts of the event for a moderation gate."""
        from ._gated import split_event  # noqa: PLC0415 - most programs need none

        return split_event(self, unchecked)

    def with_approved(self, approved: Callable[[TextKey], str | None], /) -> Self:
        """Return a copy whose complete texts are those that a gate released."""
        from ._gated import approve_event  # noqa: PLC0415 - most programs need none

        return approve_event(self, approved)

    def make_outlet(self, kinds: Container[Kind], /) -> Outlet:
        """Return an outlet for the events of a response that a moderation gate releases."""
        from ._outlet import ResponseOutlet  # noqa: PLC0415 - most programs need none

        return ResponseOutlet(kinds)


class LifecycleEvent(ResponseEvent, kw_only=True):
    """
    A response at one stage of its life: created, queued, in progress or ended.

    Its types are "response.created", "response.queued", "response.in_progress", and the terminal
    ones: "response.completed", "response.incomplete" and "response.failed".

    Attributes:
        response: The response, complete if the event is terminal.
    """

    response: Response | None = None

    @property
    def usage(self) -> ResponseUsage | None:
        """The token counts in the event, or None."""
        return None if self.response is None else self.response.usage


class OutputItemEvent(ResponseEvent, kw_only=True):
    """
    The beginning or the end of an output item.

    Attributes:
        output_index: The item's place in the response's output.
        item: The item; complete in "response.output_item.done".
    """

    output_index: int | None = None
    item: OutputItem | None = None

    def pieces(self) -> list[Piece]:
        """Return the generated text with which an item begins; usually there is none."""
        if self.item is None or not self.type.endswith(".added"):
            return []
        texts = texts_of(self.item)
        return [Piece(each.kind, each.text, 0, self.output_index) for each in texts if each.text]

    def call_names(self) -> list[str]:
        """Return the names of functions and custom tools whose call begins."""
        if self.item is None or not self.type.endswith(".added"):
            return []
        call = self.item.tool_call()
        return [call.name] if call is not None and call.name else []


class ItemEvent(ResponseEvent, kw_only=True):
    """
    Base class of the events about an output item that don't have the item.

    Attributes:
        item_id: The item's id. Some servers send another one in each event.
        output_index: The item's place in the response's output.
    """

    item_id: str | None = None
    output_index: int | None = None


class PartEvent(ItemEvent, kw_only=True):
    """
    Base class of the events about a part of an output item.

    Attributes:
        content_index: The part's place in the item's content.
        summary_index: The part's place in the item's summary.
        command_index: The command's place among the commands of a shell call.
    """

    content_index: int | None = None
    summary_index: int | None = None
    command_index: int | None = None


def valid_index(index: int | None) -> int | None:
    """Return an index; None for a negative one, which some servers send."""
    return None if index is None or index < 0 else index


def index_of(event: PartEvent, parts: str) -> int | None:
    """Return an event's index in a list of parts of its item, or that of a command for ""."""
    if not parts:
        return valid_index(event.command_index)
    return valid_index(event.summary_index if parts == "summary" else event.content_index)


def key_of(event: PartEvent, target: Target) -> TextKey:
    number = part_number(target, index_of(event, target.parts) or 0)
    return TextKey(target.kind or "content", 0, event.output_index or 0, number)


class ContentPartEvent(PartEvent, kw_only=True):
    """
    The beginning or the end of a part of an item.

    Attributes:
        part: The part; complete if the type ends with ".done".
    """

    part: ContentPart | None = None

    @property
    def parts(self) -> str:
        """The item's list of parts that the part is in: "content" or "summary"."""
        return "summary" if "_summary_" in self.type else "content"

    def pieces(self) -> list[Piece]:
        """Return the generated text with which a part begins; usually there is none."""
        target = None if self.part is None else PARTS.get((self.parts, self.part.type))
        if target is None or target.kind is None or not self.type.endswith(".added"):
            return []
        text = getattr(self.part, target.field)
        return [Piece(target.kind, text, 0, self.output_index)] if text else []


_OBFUSCATION: Final = Dropped("obfuscation")


class DeltaEvent(PartEvent, kw_only=True):
    """
    A piece of generated text: of an answer, a refusal, reasoning or the input of a tool.

    Attributes:
        delta: The piece.
        logprobs: Log-probabilities of its tokens, if requested.
        obfuscation: Padding, so that the size of the event doesn't reveal that of the text.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"type": str, "delta": str}

    delta: str
    logprobs: list[dict[str, Any]] | None = None
    obfuscation: str | None = None

    @property
    def text(self) -> str:
        """The new text of the answer, or ""."""
        return self.delta if self.type == "response.output_text.delta" else ""

    def only_text(self) -> str | None:
        """Return the text of an event that brings text of the answer, else None."""
        return self.delta if self.type == "response.output_text.delta" else None

    def split_texts(self, unchecked: Container[Kind], /) -> list[Part]:
        """Return the parts of the event for a moderation gate."""
        target = DELTAS.get(self.type)
        item = self.output_index or 0
        if target is None or target.kind is None:
            if "transcript" not in unchecked:
                return [Dropped("audio")]
            parts: list[Part] = [Rest(self._known(), 0, kind="transcript")]
        elif target.kind in unchecked:
            parts = [Rest(self._known(), 0, item, target.kind)]
        elif self.delta:
            parts = [GatedText(key_of(self, target), self.delta, self)]
            if self.logprobs:
                parts.append(Dropped("logprobs"))
        else:
            return []
        if self.obfuscation:
            parts.append(_OBFUSCATION)
        return parts + dropped_fields(self) if self.extra else parts

    def _known(self) -> Self:
        is_known = not self.extra and self.obfuscation is None
        return self if is_known else replace(self, obfuscation=None, extra={})

    def with_text(self, text: str, /) -> Self:
        """Return a copy with another text, and only other fields that have none."""
        logprobs: list[dict[str, Any]] | None = None if self.logprobs is None else []
        return replace(self, delta=text, logprobs=logprobs, obfuscation=None, extra={})

    def pieces(self) -> list[Piece]:
        """Return the new generated text."""
        target = DELTAS.get(self.type)
        if target is None or target.kind is None or not self.delta:
            return []
        return [Piece(target.kind, self.delta, 0, self.output_index)]


class DoneEvent(PartEvent, kw_only=True):
    """
    The complete text that the deltas before it added up to.

    `value` is that text. On the wire it has a name of its own for each type, such as `text`,
    `arguments` or `code`, under which it's in `extra`.

    Attributes:
        logprobs: Log-probabilities of the text's tokens, if requested.
        name: Name of the function that is called; few servers send it.
    """

    logprobs: list[dict[str, Any]] | None = None
    name: str | None = None

    @property
    def value(self) -> str | None:
        """The complete text; None if the server sent none."""
        target = DONES.get(self.type)
        value = None if target is None else self.extra.get(target.field)
        return value if isinstance(value, str) else None


class AnnotationEvent(PartEvent, kw_only=True):
    """
    An annotation of a text, such as a citation.

    Attributes:
        annotation_index: The annotation's place among those of the part.
        annotation: The annotation.
    """

    annotation_index: int | None = None
    annotation: dict[str, Any] | None = None


class ProgressEvent(ItemEvent, kw_only=True):
    """The progress of a tool that the server runs, such as "response.web_search_call.searching"."""

    @property
    def status(self) -> str:
        """What the tool does now: the last word of the type."""
        return self.type.rpartition(".")[2]


class PartialImageEvent(ItemEvent, kw_only=True):
    """
    A preview of an image. It isn't part of the response.

    Attributes:
        partial_image_b64: The preview, in base64.
        partial_image_index: Its place among the previews.
    """

    partial_image_b64: str | None = None
    partial_image_index: int | None = None


class ErrorEvent(ResponseEvent, kw_only=True):
    """
    An error of the server; `ServerSentError` is raised for it.

    Attributes:
        error: The error, from servers that nest it.
        code: The error's code.
        message: What happened.
        param: The parameter of the request that caused it.
    """

    error: dict[str, Any] | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None


class OtherEvent(ResponseEvent, kw_only=True):
    """An event of a type that isn't known; its fields are in `extra`."""


TERMINAL_TYPES: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
ERROR_TYPE: Final = "error"
_PARTS: Final = ("content_part", "reasoning_summary_part", "reasoning_part")
_TOOLS: Final[Mapping[str, str]] = {
    "mcp_call": "in_progress completed failed",
    "mcp_list_tools": "in_progress completed failed",
    "code_interpreter_call": "in_progress interpreting completed",
    "web_search_call": "in_progress searching completed",
    "file_search_call": "in_progress searching completed",
    "image_generation_call": "in_progress generating completed",
    "compaction": "compacting",
}
KINDS: Final[Mapping[str, type[ResponseEvent]]] = {
    **dict.fromkeys(DELTAS, DeltaEvent),
    **dict.fromkeys(DONES, DoneEvent),
    **dict.fromkeys(TERMINAL_TYPES, LifecycleEvent),
    **{f"response.{n}": LifecycleEvent for n in ("created", "queued", "in_progress")},
    **{f"response.output_item.{n}": OutputItemEvent for n in ("added", "done")},
    **{f"response.{part}.{n}": ContentPartEvent for part in _PARTS for n in ("added", "done")},
    "response.output_text.annotation.added": AnnotationEvent,
    "response.image_generation_call.partial_image": PartialImageEvent,
    **{
        f"response.{tool}.{status}": ProgressEvent
        for tool, statuses in _TOOLS.items()
        for status in statuses.split()
    },
    ERROR_TYPE: ErrorEvent,
}
"""The class of each known type of event."""
_STATUSES: Final = ("completed", "incomplete", "failed", "cancelled")
UNFINISHED: Final = (None, "queued", "in_progress")
"""The statuses of a response that hasn't ended."""


def is_terminal(event: LifecycleEvent) -> bool:
    """Return whether an event ends its response."""
    if event.type in TERMINAL_TYPES:
        return True
    # A type that isn't known yet.
    return event.type not in KINDS and (
        event.response is not None and event.response.status in _STATUSES
    )


def status_of(event: LifecycleEvent) -> str:
    """Return the status that an event gives its response: it ends with a terminal event."""
    status = event.response.status if event.response is not None else None
    if status is None or (status in UNFINISHED and is_terminal(event)):
        return event.type.rpartition(".")[2]
    return status
