"""The texts of output items, and the events that bring each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from .._json import is_list, is_object
from ..payloads._gated import TextKey
from ..payloads._model import Kind
from ._results import OutputItem


class Target(NamedTuple):
    """
    Where in a response the text of a delta belongs.

    Attributes:
        item_type: The type of the item; "" if the text belongs to the response.
        kind: The kind of the text; None for data.
        field: The field of the item, or of its part.
        parts: The item's list of parts, or "".
        part_type: The type of the part, or "".
    """

    item_type: str
    kind: Kind | None
    field: str
    parts: str = ""
    part_type: str = ""


_TARGETS: Final[Mapping[str, Target]] = {
    "output_text": Target("message", "content", "text", "content", "output_text"),
    "refusal": Target("message", "refusal", "refusal", "content", "refusal"),
    "reasoning_text": Target("reasoning", "reasoning", "text", "content", "reasoning_text"),
    "reasoning_summary_text": Target("reasoning", "reasoning", "text", "summary", "summary_text"),
    "function_call_arguments": Target("function_call", "arguments", "arguments"),
    "mcp_call_arguments": Target("mcp_call", "arguments", "arguments"),
    "custom_tool_call_input": Target("custom_tool_call", "arguments", "input"),
    "code_interpreter_call_code": Target("code_interpreter_call", "arguments", "code"),
    "apply_patch_call_operation_diff": Target("apply_patch_call", "arguments", "diff"),
    "shell_call_command": Target("shell_call", "arguments", "command"),
    "audio": Target("", None, "data"),
    "audio.transcript": Target("", "transcript", "transcript"),
}
DELTAS: Final = {f"response.{name}.delta": target for name, target in _TARGETS.items()}
"""The target of each type of `DeltaEvent`."""
DELTA_TYPES: Final = {target: kind for kind, target in DELTAS.items()}
"""The type of `DeltaEvent` of each target."""
DONES: Final = {
    "response.shell_call_command.added": _TARGETS["shell_call_command"],
    **{f"response.{name}.done": target for name, target in _TARGETS.items()},
}
"""The target of each type of `DoneEvent`."""
PARTS: Final = {
    # Of the routers that pass on another API's parts (sgl-project/sglang#12652).
    ("content", "text"): _TARGETS["output_text"],
    **{(target.parts, target.part_type): target for target in _TARGETS.values()},
}
"""The target of the texts of each type of part, by the list that the part is in."""
ITEM_TYPES: Final = frozenset(target.item_type for target in _TARGETS.values())
"""The types of items that deltas belong to."""
PART_TYPES: Final = frozenset(target.part_type for target in _TARGETS.values() if target.parts)
"""The types of parts that deltas belong to."""


def part_number(target: Target, index: int) -> int:
    """Return the number of a text among those of its kind in an item: summaries count down."""
    return -1 - index if target.parts == "summary" else index


class ItemText(NamedTuple):
    """
    A text of an output item.

    Attributes:
        delta: The type of its deltas.
        target: Its place in the item.
        at: Position among the parts, or the commands.
        text: The text.
    """

    delta: str
    target: Target
    at: int
    text: str

    @property
    def kind(self) -> Kind:
        return self.target.kind or "content"

    def key(self, item: int) -> TextKey:
        return TextKey(self.kind, 0, item, part_number(self.target, self.at))


def texts_of(item: OutputItem) -> Iterator[ItemText]:
    """Yield all texts of an item that deltas can bring, also empty ones."""
    for delta, target in DELTAS.items():
        if target.parts:
            for index, part in enumerate(getattr(item, target.parts) or ()):
                if PARTS.get((target.parts, part.type)) == target:
                    yield ItemText(delta, target, index, getattr(part, target.field) or "")
        elif target.item_type != item.type:
            continue
        elif target.field == "command":
            for index, text in enumerate(map(str, commands_of(item))):
                yield ItemText(delta, target, index, text)
        else:
            value = _value_of(item, target.field)
            if isinstance(value, str):
                yield ItemText(delta, target, 0, value)


def _value_of(item: OutputItem, field: str) -> Any:
    if field == "diff":
        return diff_of(item)
    return item.full_arguments if field == "arguments" else getattr(item, field, None)


def as_object(value: Any) -> dict[str, Any]:
    """Return a JSON object; an empty one for any other value."""
    return value if is_object(value) else {}


def commands_of(item: OutputItem) -> list[Any]:
    commands = as_object(item.extra.get("action")).get("commands")
    return commands if is_list(commands) else []


def diff_of(item: OutputItem) -> Any:
    return as_object(item.extra.get("operation")).get("diff")
