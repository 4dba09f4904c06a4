"""Lazy loading of the names of a package: most programs need few of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def names(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]], tuple[str, ...]]:
    """
    Return the `__getattr__` and the `__dir__` of a package (PEP 562), and the sorted names.

    Args:
        package: The name of the package.
        places: The names to load, separated by spaces, by the module that defines them. A module
            whose own name is public is itself found by that name, also if it loads no other name.
    """
    modules_by_name = {name: module for module, loaded in places.items() for name in loaded.split()}
    public_modules = {module for module in places if module.isalpha()}
    namespace = vars(sys.modules[package])

    def load(name: str) -> object:
        if name in public_modules:
            return import_module(f".{name}", package)
        if name not in modules_by_name:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{modules_by_name[name]}", package), name)
        namespace[name] = value  # so that the next access doesn't call this function
        return value

    def list_names() -> list[str]:
        special = (name for name in namespace if name.startswith("__"))
        return sorted({*special, *modules_by_name, *public_modules})

    return load, list_names, tuple(sorted(modules_by_name))
