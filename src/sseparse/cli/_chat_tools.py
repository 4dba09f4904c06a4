"""Definitions of tools, from files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..chunks._json import is_list, is_object
from ._misuse import Misuse

_SHAPES = 'give a definition, a list of them, or {"tools": [...]}'


def read_tools(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """
    Read definitions of tools, each as the API wants it.

    Args:
        paths: JSON files: each holds a definition, a list of them, or an object with such a list
            as its "tools". A function's definition may lack what the API wants around it.

    Raises:
        Misuse: A file cannot be read, or holds something else.
    """
    return [_wrapped(path, definition) for path in paths for definition in _definitions(path)]


def _definitions(path: Path) -> list[Any]:
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise Misuse(f"--tool: cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Misuse(f"--tool: {path} is no JSON: {error}") from error
    if is_object(found) and "tools" in found:
        found = found["tools"]
    if is_object(found):
        return [found]
    if not is_list(found) or not found:
        raise Misuse(f"--tool: {path} holds no definition of a tool; {_SHAPES}")
    return found


def _wrapped(path: Path, definition: Any) -> dict[str, Any]:
    if not is_object(definition):
        raise Misuse(f"--tool: {path} holds {json.dumps(definition)[:40]} for a tool; {_SHAPES}")
    if definition.get("type", "function") != "function":
        return definition
    function: Any = definition.get("function")
    if function is None:
        function = {name: value for name, value in definition.items() if name != "type"}
    if not is_object(function) or not isinstance(function.get("name"), str):
        raise Misuse(f'--tool: {path} holds a function without a "name"')
    return {"type": "function", "function": function}
