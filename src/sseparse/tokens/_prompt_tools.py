"""
The tokens of a request's tools, with the overheads that OpenAI published.

Source: OpenAI Cookbook, "How to count tokens with tiktoken", section 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..chunks._json import is_list, is_object
from ._prompt import PromptTokens

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
