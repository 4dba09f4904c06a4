"""Rules for what is neither text nor tool call: keep the last, append, update by index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._json import is_object
from ..models._model import Model
from ._budget import Budget, weigh

# Has parts of several features, which come on different chunks and are sent back together.
_MERGED = ("extra_content",)
# The name of a provider, and that of a feature; deeper down nothing is known to be merged.
_MERGED_LEVELS = 3


def keep_last(store: dict[str, Any], fields: dict[str, Any], budget: Budget) -> None:
    """Keep each field's last value that is not null."""
    for name, value in fields.items():
        if value is not None:
            old = store.get(name)
            new = _merged(old, value, _MERGED_LEVELS) if name in _MERGED else value
            budget.left -= weigh(new) - (weigh(old) if name in store else -len(name))
            store[name] = new


def _merged(old: Any, new: Any, levels: int) -> Any:
    if not levels or not is_object(old) or not is_object(new):
        return new
    later = {name: _merged(old.get(name), value, levels - 1) for name, value in new.items()}
    return {**old, **later}


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
            kept = dict(item) if isinstance(index, int) else item
            if isinstance(index, int):
                self._by_index[index] = kept
            self._items.append(kept)

    def result(self) -> list[Any]:
        """Return the items so far."""
        return [{**item} if is_object(item) else item for item in self._items]
