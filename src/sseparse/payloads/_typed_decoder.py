"""Base class of the decoders of APIs whose events have a type of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, Literal, TypeVar

from .._json import UNREADABLE, is_deep
from ._decoder import DataT, Decoder
from ._typed_event import TypedEvent

UNNAMED: Final = "message"
"""The type of an event without a name."""
# After so many events of a type in a row with unknown fields, only each `_RETRY`th one is tried in
# the fast path: trying all costs more than it saves.
_MISSES: Final = 3
_RETRY: Final = 32


TypedItemT = TypeVar("TypedItemT", bound=TypedEvent)


class TypedDecoder(Decoder[TypedItemT]):
    """
    Base class of decoders of events whose JSON has a type, which most servers repeat as the name.

    The events of a type with unknown fields leave the fast path, those of the other types don't.

    Args:
        decoders: The functions that decode the data of an event, by the names of events; the one of
            `UNNAMED` decodes events without a name.
        unnamed: The types of events that have a fast path without a name.
        noted: The names of the events that `_note()` gets.
        on_bad_json, max_objects: As for `Decoder`.
    """

    __slots__ = ("_decoders", "_misses", "_noted", "_unnamed")

    # `+=` below would leave its type to be inferred, which type checkers do differently.
    events_seen: int

    def __init__(
        self,
        decoders: Mapping[str, Callable[[str | bytes], TypedItemT]],
        unnamed: Collection[str],
        noted: Collection[str],
        *,
        on_bad_json: Literal["raise", "skip"],
        max_objects: int | None,
    ) -> None:
        super().__init__(on_bad_json=on_bad_json, max_objects=max_objects)
        self._decoders = decoders
        self._unnamed = unnamed
        self._noted = noted
        self._misses: dict[str, int] = {}  # in a row, by the name of the event

    def decode_run(
        self, event_type: str, values: Iterator[DataT], items: list[TypedItemT]
    ) -> DataT | None:
        """
        Decode the data of events of one type as long as it has known fields only.

        msgspec decodes such data in one call. Unknown types and fields, errors, what follows the
        end, and large or deep JSON fall through to the general case.
        """
        decode = self._decoders.get(event_type)
        if decode is None or self.done:
            return next(values, None)
        misses, small, unnamed = self._misses, self._small, self._unnamed
        is_noted, has_missed = event_type in self._noted, event_type in misses
        for data in values:
            is_large = len(data) > small and (not self.fits(data) or is_deep(data))
            if is_large or (has_missed and self._skips(event_type)):
                return data
            try:
                item = decode(data)
            except UNREADABLE:
                return data
            kind = item.type
            if kind != event_type and (event_type != UNNAMED or kind not in unnamed):
                return data
            self.events_seen += 1
            items.append(item)
            if has_missed:
                has_missed = False
                del misses[event_type]
            if is_noted:
                self._note_last(items)
                if self.done:
                    return next(values, None)
        return None

    def _note_last(self, items: list[TypedItemT]) -> None:
        if not self._note(items[-1]):
            items.pop()

    def _skips(self, name: str) -> bool:
        """Return whether the fast path isn't tried for an event; count if it isn't."""
        count = self._misses.get(name, 0)
        is_skipped = _MISSES <= count < _RETRY
        if count >= _MISSES:
            self._misses[name] = count + 1 if is_skipped else _MISSES - 1
        return is_skipped

    def _miss(self, kind: str) -> None:
        """Count an event of a type that has a fast path but wasn't decoded on it."""
        for name in (kind, UNNAMED) if kind in self._unnamed else (kind,):
            count = self._misses.get(name, 0)
            if name in self._decoders and count < _MISSES:
                self._misses[name] = count + 1

    # What an API decides.

    @abstractmethod
    def _note(self, item: TypedItemT, /) -> bool:
        """Record what an item says about the end; return whether the item is kept."""
