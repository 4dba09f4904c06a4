"""Which core is in use: the compiled one where it was built, else the plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._interpreter import Interpreter

    ACCELERATED: bool
    """Whether the compiled core is in use; the plain one does the same, slower."""
else:
    import importlib.util
    import os

    from . import _interpreter

    _name = f"{__package__}._fast"
    _wanted = os.environ.get("SSEPARSE_PURE", "") in {"", "0"}
    ACCELERATED = _wanted and importlib.util.find_spec(_name) is not None
    _module = importlib.import_module(_name) if ACCELERATED else _interpreter
    Interpreter = _module.Interpreter

__all__ = ("ACCELERATED", "Interpreter")
