"""Events of a streamed message."""

# No `from __future__ import annotations`: see `payloads._model`.
from collections.abc import Callable, Container, Mapping
from typing import Any, ClassVar, Final, Self

from msgspec.structs import replace

from ..payloads._gated import GatedText, Outlet, Part, TextKey
from ..payloads._model import Kind, Model, Piece
from ..payloads._typed_event import TypedEvent
from ._results import CALLS, ContentBlock, Message, MessageUsage, empty_message


class MessageEvent(TypedEvent, kw_only=True):
    """
    Base class of the events of a streamed message.

    Attributes:
        type: The event's type, such as "content_block_delta".

    Source: Anthropic documentation, "Streaming messages".
    """

    @property
    def usage(self) -> MessageUsage | None:
        """The token counts in the event, or None."""
        return None

    def split_texts(self, unchecked: Container[Kind], /) -> list[Part]:
        """Return the parts of the event for a moderation gate."""
        from ._gated import split_event  # noqa: PLC0415 - most programs need none

        return split_event(self, unchecked)

    def make_outlet(self, kinds: Container[Kind], /) -> Outlet:
        """Return an outlet for the events of a message that a moderation gate releases."""
        from ._outlet import MessageOutlet  # noqa: PLC0415 - most programs need none

        return MessageOutlet(kinds)

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON-ready dictionaries and lists, as it was received."""
        fields = super().to_dict()
        for name in self.absent:
            # A missing object isn't empty here: it has a type.
            if name not in self.extra and getattr(self, name) == self.required[name]():
                fields.pop(name, None)
        return fields


class MessageStartEvent(MessageEvent, kw_only=True):
    """
    The start of a message.

    Attributes:
        message: The message. It can have content already; usually it has none.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {
        "type": str,
        "message": empty_message,
    }

    message: Message

    @property
    def usage(self) -> MessageUsage | None:
        """The first token counts, or None."""
        return self.message.usage

    def pieces(self) -> list[Piece]:
        """Return the generated text of a message that isn't empty."""
        content = self.message.content
        return [piece for index, block in enumerate(content) for piece in block.pieces(index)]

    def call_names(self) -> list[str]:
        """Return the names of the tools that a message that isn't empty calls."""
        return [each.name for each in self.message.content if each.type in CALLS and each.name]


class ContentBlockStartEvent(MessageEvent, kw_only=True):
    """
    The start of a block of the content.

    Attributes:
        index: The block's index.
        content_block: The block. Some types of blocks arrive complete, such as results of tools.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {
        "type": str,
        "index": int,
        "content_block": lambda: ContentBlock(type="", absent=("type",)),
    }

    index: int
    content_block: ContentBlock

    def pieces(self) -> list[Piece]:
        """Return the generated text with which the block begins."""
        return [*self.content_block.pieces(self.index)]

    def call_names(self) -> list[str]:
        """Return the name of the tool that the block calls."""
        block = self.content_block
        return [block.name] if block.type in CALLS and block.name else []


TEXT_DELTA: Final = "text_delta"
INPUT_DELTA: Final = "input_json_delta"
GENERATED: Final[Mapping[str, tuple[Kind, str]]] = {
    TEXT_DELTA: ("content", "text"),
    "thinking_delta": ("reasoning", "thinking"),
    INPUT_DELTA: ("arguments", "partial_json"),
}
"""The deltas with generated text, the kind of the text, and its field."""


class BlockDelta(Model, kw_only=True):
    """
    What an event adds to a block of the content. Other fields are in `extra`.

    Attributes:
        type: The type: "text_delta", "input_json_delta", "thinking_delta", "signature_delta",
            "citations_delta", "compaction_delta", or one that is new.
        text: The next piece of text.
        partial_json: The next piece of the text of a tool's input.
        thinking: The next piece of reasoning.
        signature: The signature of the reasoning.
        citation: A source of the text.
        estimated_tokens: About how many tokens of reasoning are new, for a display of the progress.
        content: The summary, in a "compaction_delta".
        encrypted_content: The encrypted summary, in a "compaction_delta".
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"type": str}

    @classmethod
    def adapt(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields with the type that they imply, if they have none."""
        if isinstance(fields.get("type"), str):
            return fields
        types = (
            kind for kind, (_, field) in GENERATED.items() if isinstance(fields.get(field), str)
        )
        kind = next(types, None)
        return fields if kind is None else {**fields, "type": kind}

    type: str
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    estimated_tokens: int | None = None
    content: Any = None
    encrypted_content: str | None = None


class ContentBlockDeltaEvent(MessageEvent, kw_only=True):
    """
    A piece of a block of the content.

    Attributes:
        index: The block's index.
        delta: What is new.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {
        "type": str,
        "index": int,
        "delta": lambda: BlockDelta(type="", absent=("type",)),
    }

    index: int
    delta: BlockDelta

    @property
    def text(self) -> str:
        """The new text of the message, or ""."""
        delta = self.delta
        return (delta.text or "") if delta.type == TEXT_DELTA else ""

    def only_text(self) -> str | None:
        """Return the text of an event that brings only text, else None."""
        delta = self.delta
        if delta.type != TEXT_DELTA or delta.extra or self.absent:
            return None
        return delta.text

    def pieces(self) -> list[Piece]:
        """Return the piece of generated text; `item` is the index of the block."""
        kind, field = GENERATED.get(self.delta.type, (None, ""))
        text = getattr(self.delta, field, None)
        return [Piece(kind, text, 0, self.index)] if kind and text else []

    def split_texts(self, unchecked: Container[Kind], /) -> list[Part]:
        """Return the parts of the event for a moderation gate."""
        text = self.only_text()
        if text and not self.extra and "content" not in unchecked:
            return [GatedText(TextKey("content", 0, self.index), text, self)]
        from ._gated import split_delta  # noqa: PLC0415 - most programs need none

        return split_delta(self, unchecked)

    def with_text(self, text: str, /) -> Self:
        """Return a copy with another text and nothing else."""
        kind = self.delta.type
        fields: dict[str, Any] = {GENERATED[kind][1]: text}
        return replace(self, delta=BlockDelta(type=kind, **fields), extra={})


class ContentBlockStopEvent(MessageEvent, kw_only=True):
    """
    The end of a block of the content.

    Attributes:
        index: The block's index.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {"type": str, "index": int}

    index: int


class MessageDelta(Model, kw_only=True):
    """What an event changes in the message. The fields are those of `Message`."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    container: dict[str, Any] | None = None


class MessageDeltaEvent(MessageEvent, kw_only=True):
    """
    What is known of the message at its end only. There can be several.

    Attributes:
        delta: What changes in the message.
        usage: Token counts, which replace earlier ones.
        context_management: What the server removed from the context.
    """

    required: ClassVar[Mapping[str, Callable[[], Any]]] = {
        "type": str,
        "delta": MessageDelta,
    }

    delta: MessageDelta
    # The base class has a property of this name.
    usage: MessageUsage | None = None  # pyright: ignore[reportIncompatibleMethodOverride]
    context_management: dict[str, Any] | None = None


class MessageStopEvent(MessageEvent, kw_only=True):
    """The end of the message, and of its stream."""


class OtherEvent(MessageEvent, kw_only=True):
    """An event of another type, such as "ping". Its fields are in `extra`."""


KINDS: Final[Mapping[str, type[MessageEvent]]] = {
    "message_start": MessageStartEvent,
    "content_block_start": ContentBlockStartEvent,
    "content_block_delta": ContentBlockDeltaEvent,
    "content_block_stop": ContentBlockStopEvent,
    "message_delta": MessageDeltaEvent,
    "message_stop": MessageStopEvent,
    "ping": OtherEvent,
}
"""The class of each known type of event."""


def is_other(one: str | None, other: str | None) -> bool:
    """Return whether two ids are those of different messages; False if one is missing."""
    return bool(one and other) and one != other
