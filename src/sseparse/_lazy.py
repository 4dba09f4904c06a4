"""Names that a package loads when they are first asked for: most programs need few of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def names(
    package: str, places: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """
    Make the `__getattr__` and the `__dir__` of a package (PEP 562).

    Args:
        package: The package.
        places: Its modules, each with the names that the package takes from it. Those that are
            public themselves are found by their own names, too.

    Returns:
        The two functions. What was asked for once is an attribute of the package like any other.
    """
    homes = {name: module for module, taken in places.items() for name in taken}
    modules = {module for module in places if module.isalpha()}
    namespace = vars(sys.modules[package])

    def find(name: str) -> object:
        if name in modules:
            return import_module(f".{name}", package)
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{homes[name]}", package), name)
        namespace[name] = value
        return value

    def listed() -> list[str]:
        return sorted({*namespace, *homes, *modules})

    return find, listed
