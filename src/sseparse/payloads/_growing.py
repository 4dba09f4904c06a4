"""Values that grow piece by piece within a budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .._errors import LimitExceeded
from .._json import is_list, is_object
from ._json_tokens import has_halves, join_halves
from ._model import Model

if TYPE_CHECKING:
    from ._partial_json import PartialJSON


# Roughly what an object takes beside its text.
OVERHEAD = 64
# Roughly what the state of a choice, or of a tool call, takes without its texts.
OBJECT = 512


class Budget:
    """
    Count down what may still be kept, for all choices of a completion together.

    Attributes:
        left: How many bytes more may be kept; below 0 once they are too many.
    """

    __slots__ = ("_calls_left", "_max_bytes", "_max_calls", "left")

    def __init__(self, max_bytes: int | None, max_calls: int | None) -> None:
        self._max_bytes = max_bytes
        self._max_calls = max_calls
        self._calls_left = max_calls
        self.left: float = float("inf") if max_bytes is None else max_bytes

    def charge(self, value: Any) -> None:
        """Count a JSON value, or a model, that is kept."""
        self.left -= weigh(value)

    def replace(self, old: Any, new: Any) -> None:
        """Count a JSON value that is kept in place of another one."""
        self.left -= weigh(new) - weigh(old)

    def charge_values(self, text: str) -> None:
        """Count the values that a JSON text becomes: each stands after one of a few marks."""
        self.left -= OVERHEAD * sum(map(text.count, "[{,:"))

    def charge_call(self) -> None:
        """
        Count a tool call, without its texts.

        Raises:
            LimitExceeded: It is one too many.
        """
        self.left -= OBJECT
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left < 0:
                maximum = self._max_calls or 0
                raise LimitExceeded(
                    limit="tool_calls",
                    maximum=maximum,
                    what=f"More than {maximum:,} tool calls",
                    advice="raise max_tool_calls if you trust the server",
                )

    def raise_overrun(self) -> NoReturn:
        """Raise `LimitExceeded`, because nothing is left."""
        maximum = self._max_bytes or 0
        raise LimitExceeded(
            limit="accumulated",
            maximum=maximum,
            what=f"Result larger than {maximum:,} bytes",
            advice="raise max_accumulated_bytes if you trust the server",
        )


def weigh(value: Any) -> int:
    """Return roughly how many bytes a JSON value or a model takes in memory."""
    weight = 0
    values: list[Any] = [value]
    while values:
        value = values.pop()
        if value is None:
            continue
        weight += OVERHEAD
        if isinstance(value, str):
            weight += len(value)
        elif is_list(value):
            # The bytes of a token: small numbers, which take a place in the list and no more.
            weight += sum(8 + (item.bit_length() >> 3) for item in value if type(item) is int)
            values += (item for item in value if type(item) is not int)
        elif isinstance(value, int):
            weight += value.bit_length() >> 3
        elif is_object(value):
            values += value.keys()
            values += value.values()
        elif isinstance(value, Model):
            weight += OVERHEAD  # for its own dictionary of unknown fields, be it empty
            values += (getattr(value, name) for name in value.wire_fields())
            if value.extra:
                values.append(value.extra)
    return weight


def no_json() -> PartialJSON:
    """Make a reader of JSON that has read nothing."""
    # Most programs do without.
    from ._partial_json import PartialJSON  # noqa: PLC0415

    return PartialJSON()


# So many pieces are kept before they are joined: each takes some ten times its text.
_MANY: Final = 64
# Or one for so many characters of a long text, which a join may copy.
_SHARE: Final = 256


class GrowingText:
    """
    Collect pieces of text; join them when asked, and when they are many.

    The join is kept, so that asking often does not join the same pieces again.
    """

    __slots__ = ("_budget", "_json", "_many", "_pieces", "_text")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._text: str | None = None
        self._pieces: list[str] = []
        self._many = _MANY
        self._json: PartialJSON | None = None

    def add(self, piece: str) -> None:
        """Append a piece."""
        pieces = self._pieces
        pieces.append(piece)
        self._budget.left -= len(piece) + OVERHEAD
        if len(pieces) == self._many:
            self._join()
        if self._json is not None:
            self._read(self._json, piece)

    def _read(self, json: PartialJSON, text: str) -> None:
        json.feed(text)
        self._budget.charge_values(text)

    @property
    def value(self) -> str | None:
        """The whole text so far; None where nothing ever came, not even an empty piece."""
        if self._pieces:
            self._join()
        return self._text

    def _join(self) -> None:
        new = "".join(self._pieces)
        self._budget.left += OVERHEAD * len(self._pieces)
        self._pieces.clear()
        # CPython appends in place to a text that a local variable alone holds.
        text = self._text or ""
        self._text = None
        if not new.isascii() and has_halves(new):
            text, new = text[:-1], join_halves(text[-1:] + new)
        text += new
        self._text = text
        self._many = max(_MANY, len(text) // _SHARE)

    @property
    def json(self) -> PartialJSON:
        """The text so far, read as JSON: from now on as it comes."""
        if self._json is None:
            self._json = no_json()
            self._read(self._json, self.value or "")
        return self._json


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
