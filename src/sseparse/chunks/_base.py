"""Base class of chunks."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from ..payloads._model import Kind, Model

if TYPE_CHECKING:
    from ..payloads._gated import Outlet, Part, TextKey


class BaseChunk(Model, kw_only=True):
    """Base class of chunks, with what a moderation gate needs of both kinds."""

    def bare(self, choices: list[Any]) -> Self:
        """Return a copy with other choices and only what all chunks of a stream repeat."""
        fields: dict[str, Any] = {"choices": choices, "usage": None, "extra": {}}
        if hasattr(self, "obfuscation"):
            fields.update(moderation=None, obfuscation=None)
        return replace(self, **fields)

    # The protocol `GatedItem`.

    def split_texts(self, unchecked: Container[Kind], /) -> list[Part]:
        """Return the parts of the chunk for a moderation gate."""
        from ._gated import split_chunk  # noqa: PLC0415 - most programs need no gate

        return split_chunk(self, unchecked)

    def with_text(self, text: str, /) -> Self:
        """Return a copy of a chunk with one text and nothing else, with another text."""
        from ._gated import with_text  # noqa: PLC0415 - most programs need no gate

        copy: Self = with_text(self, text)
        return copy

    def with_approved(self, _: Callable[[TextKey], str | None], /) -> Self:
        """Return the chunk itself: chunks don't repeat texts."""
        return self

    def make_outlet(self, kinds: Container[Kind], /) -> Outlet:
        """Return an outlet that changes nothing, and ends a choice by `with_stop()`."""
        from ..payloads._gated import Outlet  # noqa: PLC0415 - most programs need no gate

        return Outlet(kinds)

    def with_stop(self, choice: int, /) -> list[Self]:
        """Return a chunk that ends the choice with the finish reason "content_filter"."""
        chunk: Any = self
        first: Any = chunk.choices[0]
        fields = {name: make() for name, make in first.required.items()}
        fields.update(index=choice, finish_reason="content_filter")
        return [self.bare([type(first)(**fields)])]
