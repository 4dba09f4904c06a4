"""The one shape that every step of the chain has."""

from __future__ import annotations

from typing import Protocol, TypeVar

from ._ends import End
from ._errors import SSEError

InT_contra = TypeVar("InT_contra", contravariant=True)
OutT = TypeVar("OutT")


class Stage(Protocol[InT_contra, OutT]):
    """
    Describe a step that turns input into output without I/O, clocks or waiting.

    A feed that meets a fault returns what came before it and sets `error`; every later call
    raises that error. However the input is cut, the same items come out, and the same error.
    """

    @property
    def error(self) -> SSEError | None:
        """The fault that stopped the stage, or None."""

    @property
    def end(self) -> End | None:
        """How the input ended, or None while it goes on."""

    def feed(self, data: InT_contra, /) -> list[OutT]:
        """Take a piece of input; return all the items that it completes."""
        ...

    def close(self) -> list[OutT]:
        """Take the end of the input; return the items that it completes."""
        ...
