"""Protocols of what a reader joins: parsers, accumulators and timelines."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from .._end import End
from .._errors import SSEError
from .._stage import Stage

ItemT = TypeVar("ItemT")
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


class TextItem(Protocol):
    """An item of an API, whose text is "" unless it brings text of choice 0."""

    @property
    def text(self) -> str: ...


TextItemT = TypeVar("TextItemT", bound=TextItem)


class StreamParser(Stage[bytes | bytearray | memoryview, ItemT], Protocol):
    """A parser of events or items, with what streams show of it."""

    @property
    def last_event_id(self) -> str: ...
    @property
    def retry(self) -> int | None: ...
    @property
    def events_seen(self) -> int: ...
    @property
    def comments_seen(self) -> int: ...


class ItemAccumulator(Protocol[ItemT_contra, ResultT_co]):
    """An accumulator of an API: its items to its result."""

    @property
    def error(self) -> SSEError | None: ...
    def add(self, item: ItemT_contra, /) -> None: ...
    def updates(self, item: ItemT_contra, /) -> list[Any]: ...
    def last_updates(self) -> list[Any]: ...
    def snapshot(self) -> ResultT_co: ...


class Recorder(Protocol):
    """
    What records when something is received; `sseparse.timing.Timeline` does.

    It can also have `on_open()`, which is called when a stream or reader is made with it.
    """

    def on_bytes(self, size: int, /, *, events: int, comments: int) -> None:
        """Record `size` bytes, and the number of events and comments that they complete."""
        ...

    def on_item(self, item: Any, /) -> None:
        """Record an item of the API."""
        ...

    def on_end(self, end: End, result: Any, /) -> None:
        """Record the end, and the accumulator with the result's `id`, `model` and `usage`."""
        ...
