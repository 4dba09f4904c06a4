"""Which libraries of the extras are there."""

from __future__ import annotations

import importlib.util


def missing(*names: str) -> list[str]:
    """Return those of the modules that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]
