"""Tokens of a prompt: messages and tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import Factory, define

from .._json import is_list, is_object

Count = Callable[[str], int]
Prompt = Sequence[Mapping[str, Any] | str | int | Sequence[int]]

_MESSAGE: Final = 3
_NAME: Final = 1
_REPLY: Final = 3


@define
class PromptTokens:
    """
    Add up the tokens of a prompt.

    Attributes:
        count: What counts the tokens of a text.
        tokens: Those so far.
        overheads: Whether published overheads are among them.
        uncounted: What has tokens that cannot be counted, by name.
        beyond: What is counted, but of which the published rule does not speak, by name.
    """

    count: Count
    tokens: int = 0
    overheads: bool = False
    uncounted: list[str] = Factory(list[str])
    beyond: list[str] = Factory(list[str])

    def add_text(self, *texts: str) -> None:
        """Add texts, each encoded by itself."""
        self.tokens += sum(map(self.count, texts))

    def add_overhead(self, tokens: int) -> None:
        """Add tokens that the server puts around what it is sent."""
        self.tokens += tokens
        self.overheads = True


def check_prompt(prompt: Prompt) -> None:
    """
    Refuse what is no prompt.

    Raises:
        TypeError: It is neither messages nor texts nor tokens.
    """
    parts = [prompt] if isinstance(prompt, str | Mapping) else prompt
    # One mapping is one message by mistake: listed, it would be the names of its fields.
    known = not isinstance(prompt, Mapping) and isinstance(prompt, Sequence)
    if not known or not any(all(map(is_kind, parts)) for is_kind in _KINDS):
        kinds = ", ".join(sorted({type(part).__name__ for part in parts})) if known else None
        raise TypeError(
            "expected a list of messages, each a mapping, or a text or texts, or tokens, "
            f"not {f'a list of {kinds}' if kinds else type(prompt).__name__}"
        )


def add_prompt(total: PromptTokens, prompt: Prompt) -> None:
    """
    Add a chat's messages, or the texts or tokens that a legacy completion continues.

    Raises:
        TypeError: It is neither.
    """
    check_prompt(prompt)
    parts: list[Any] = [prompt] if isinstance(prompt, str) else list(prompt)
    if all(map(_is_message, parts)):
        _add_messages(total, parts)
    elif all(map(_is_text, parts)):
        total.add_text(*parts)
    else:
        total.tokens += len(parts) if all(map(_is_token, parts)) else sum(map(len, parts))


def _is_message(part: object) -> bool:
    return isinstance(part, Mapping)


def _is_text(part: object) -> bool:
    return isinstance(part, str)


def _is_token(part: object) -> bool:
    return isinstance(part, int)


def _is_tokens(part: object) -> bool:
    return is_list(part) and all(map(_is_token, part))


_KINDS: Final = (_is_message, _is_text, _is_token, _is_tokens)


def _add_messages(total: PromptTokens, messages: Iterable[Mapping[str, Any]]) -> None:
    for message in messages:
        total.add_overhead(_MESSAGE)
        for name, value in message.items():
            if name == "name":
                total.add_overhead(_NAME)
            _add_field(total, name, value)
    total.add_overhead(_REPLY)


def _add_field(total: PromptTokens, name: str, value: Any) -> None:
    if isinstance(value, str):
        total.add_text(value)
    elif name == "content" and is_list(value):
        for part in value:
            _add_part(total, part)
    elif name == "tool_calls" and is_list(value):
        for call in value:
            _add_call(total, name, call)
    elif name == "function_call":
        _add_call(total, name, {"function": value})
    elif value is not None:
        total.uncounted.append(name)


def _add_part(total: PromptTokens, part: Any) -> None:
    kind = str(part.get("type")) if is_object(part) else "content"
    text = part.get(kind) if is_object(part) else part
    if isinstance(text, str):
        total.add_text(text)
    else:
        total.uncounted.append(kind)


def _add_call(total: PromptTokens, name: str, call: Any) -> None:
    called = (call.get("function") or call.get("custom")) if is_object(call) else None
    if not is_object(called):
        if call != {"function": None}:
            total.uncounted.append(name)
        return
    texts = (called.get("name"), called.get("arguments"), called.get("input"))
    total.add_text(*(text for text in texts if isinstance(text, str)))
    total.beyond.append(name)


_END: Final = 12
_PROPERTIES: Final = 3
_PROPERTY: Final = 3
_ENUM: Final = -3
_ENUM_VALUE: Final = 3
_COUNTED_OF_TOOL: Final = frozenset({"name", "description", "parameters", "strict"})
_COUNTED_OF_SCHEMA: Final = frozenset({"type", "properties", "required", "additionalProperties"})
_COUNTED_OF_PROPERTY: Final = frozenset({"type", "description", "enum"})


def check_tools(tools: Sequence[Mapping[str, Any]]) -> None:
    """
    Refuse what are no tools.

    Raises:
        TypeError: It is not a list of mappings.
    """
    listed: object = tools
    if not isinstance(listed, Sequence) or not all(isinstance(tool, Mapping) for tool in tools):
        raise TypeError("expected a list of tools, each a mapping, in the form of the request")


def add_tools(total: PromptTokens, tools: Sequence[Mapping[str, Any]], begin: int) -> None:
    """
    Add the tools that a request offers.

    Args:
        total: What to add to.
        tools: The tools, in the request's form.
        begin: The overhead that begins a tool, in tokens; it differs between models.

    Raises:
        TypeError: They are no tools.
    """
    check_tools(tools)
    for tool in tools:
        function = tool.get("function")
        if is_object(function):
            _add_function(total, function, begin)
        else:
            total.uncounted.append(f"{tool.get('type')} tool")


def _add_function(total: PromptTokens, function: dict[str, Any], begin: int) -> None:
    total.add_overhead(begin + _END)
    total.add_text(f"{function.get('name')}:{_described(function)}")
    schema = function.get("parameters")
    schema = schema if is_object(schema) else {}
    properties = schema.get("properties")
    properties = properties if is_object(properties) else {}
    _check(total, function, _COUNTED_OF_TOOL)
    _check(total, schema, _COUNTED_OF_SCHEMA)
    if properties:
        total.add_overhead(_PROPERTIES)
    for name, value in properties.items():
        _add_property(total, name, value if is_object(value) else {})


def _add_property(total: PromptTokens, name: str, schema: dict[str, Any]) -> None:
    total.add_overhead(_PROPERTY)
    values = schema.get("enum")
    if is_list(values):
        total.add_overhead(_ENUM + _ENUM_VALUE * len(values))
        total.add_text(*map(str, values))
    total.add_text(f"{name}:{schema.get('type', '')}:{_described(schema)}")
    _check(total, schema, _COUNTED_OF_PROPERTY)


def _described(schema: dict[str, Any]) -> str:
    return str(schema.get("description") or "").removesuffix(".")


def _check(total: PromptTokens, schema: dict[str, Any], counted: frozenset[str]) -> None:
    total.uncounted.extend(f"{name} of a tool" for name in schema if name not in counted)
