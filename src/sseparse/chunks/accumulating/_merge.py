"""Rules for what is neither text nor tool call: keep the last, append, update by index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._json import is_object
from ..models._model import Model
from ._budget import Budget

# Google's field: features of a provider arrive on different chunks and are sent back together.
_MERGED = ("extra_content",)
# The name of a provider and the name of a feature. Deeper values are replaced.
_MERGED_LEVELS = 3


def keep_last(store: dict[str, Any], fields: dict[str, Any], budget: Budget) -> None:
    """Keep each field's last value that isn't null."""
    for name, value in fields.items():
        if value is not None:
            _merge(store, name, value, _MERGED_LEVELS if name in _MERGED else 0, budget)


def _merge(store: dict[str, Any], name: str, new: Any, levels: int, budget: Budget) -> None:
    """
    Set a field, or merge an object into the object that the field already holds.

    Merging is in place and charges only the difference, so that a chunk costs what it brings and
    not what earlier chunks brought. The objects down to `levels` are therefore copies that
    belong to the store: a chunk is never changed.
    """
    old = store.get(name)
    if levels and is_object(old) and is_object(new):
        for key, value in new.items():
            _merge(old, key, value, levels - 1, budget)
        return
    if name not in store:
        budget.charge(name)
    budget.replace(old, new)
    store[name] = _copy_objects(new, levels)


def _copy_objects(value: Any, levels: int) -> Any:
    if not levels or not is_object(value):
        return value
    return {name: _copy_objects(inner, levels - 1) for name, inner in value.items()}


def copy_fields(store: dict[str, Any]) -> dict[str, Any]:
    """Copy what `keep_last` collected, down to the objects that later chunks are merged into."""
    return {
        name: _copy_objects(value, _MERGED_LEVELS) if name in _MERGED else value
        for name, value in store.items()
    }


def unknown_fields(model: Model) -> dict[str, Any]:
    """
    Return what a model's `extra` holds that the schema does not name.

    A known field of an unforeseen type is there too; it must not stand in for the values that
    came in the type it should have.
    """
    if not model.extra:
        return model.extra
    known = model.wire_fields()
    return {name: value for name, value in model.extra.items() if name not in known}


class ItemList:
    """Collect items; one that names the index of an earlier one updates that."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._items: list[Any] = []
        self._by_index: dict[int, dict[str, Any]] = {}

    def add(self, items: Iterable[Any]) -> None:
        """Append items."""
        for item in items:
            index = item.get("index") if is_object(item) else None
            if isinstance(index, int) and index in self._by_index:
                keep_last(self._by_index[index], item, self._budget)
                continue
            self._budget.charge(item)
            kept = copy_fields(item) if isinstance(index, int) else item
            if isinstance(index, int):
                self._by_index[index] = kept
            self._items.append(kept)

    def result(self) -> list[Any]:
        """Return the items so far."""
        return [copy_fields(item) if is_object(item) else item for item in self._items]
