"""Values that grow while a stream arrives, within a memory budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .._errors import LimitExceeded
from .._json import is_list, is_object
from ._json_tokens import has_halves, join_halves
from ._model import Model

if TYPE_CHECKING:
    from ._partial_json import PartialJSON


OVERHEAD = 64  # roughly the bytes of an object without its text
OBJECT = 512  # roughly the bytes of the state of a choice or a tool call without its texts


class Budget:
    """
    Memory budget of one result, for all its choices together. A limit can be None.

    Attributes:
        left: How many bytes are left; negative once the limit is exceeded.
    """

    __slots__ = ("_calls_left", "_max_bytes", "_max_calls", "left")

    def __init__(self, max_bytes: int | None, max_calls: int | None) -> None:
        self._max_bytes = max_bytes
        self._max_calls = max_calls
        self._calls_left: float = float("inf") if max_calls is None else max_calls
        self.left: float = float("inf") if max_bytes is None else max_bytes

    def charge(self, value: Any) -> None:
        self.left -= weigh(value)

    def replace(self, old: Any, new: Any) -> None:
        self.left -= weigh(new) - weigh(old)

    def charge_call(self) -> None:
        """Charge for a tool call without its texts; raise `LimitExceeded` beyond the limit."""
        self.left -= OBJECT
        self._calls_left -= 1
        if self._calls_left < 0:
            raise LimitExceeded(
                limit="tool_calls",
                maximum=self._max_calls or 0,
                what=f"More than {self._max_calls:,} tool calls",
                advice="raise max_tool_calls if you trust the server",
            )

    def raise_overrun(self) -> NoReturn:
        raise LimitExceeded(
            limit="accumulated",
            maximum=self._max_bytes or 0,
            what=f"Result larger than {self._max_bytes:,} bytes",
            advice="raise max_accumulated_bytes if you trust the server",
        )


def weigh(value: Any) -> int:
    """Return roughly how many bytes of memory a JSON value or a model takes."""
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
            # Small integers, such as the bytes of a token, take only their place in the list.
            weight += sum(8 + (item.bit_length() >> 3) for item in value if type(item) is int)
            values += (item for item in value if type(item) is not int)
        elif isinstance(value, int):
            weight += value.bit_length() >> 3
        elif is_object(value):
            values += value.keys()
            values += value.values()
        elif isinstance(value, Model):
            weight += OVERHEAD  # its dictionary of unknown fields, which may be empty
            values += (getattr(value, name) for name in value.wire_fields())
            if value.extra:
                values.append(value.extra)
    return weight


def no_json() -> PartialJSON:
    from ._partial_json import PartialJSON  # noqa: PLC0415 # most programs don't need it

    return PartialJSON()


# Pieces are joined once there are this many: each takes about ten times the memory of its text.
# In a long text that is one piece for so many characters, because joining can copy the text.
_MIN_PIECES: Final = 64
_CHARACTERS_PER_PIECE: Final = 256


class GrowingText:
    """Text that is built from pieces, which are joined on demand and when there are many."""

    __slots__ = ("_budget", "_json", "_max_pieces", "_pieces", "_text")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._text: str | None = None
        self._pieces: list[str] = []
        self._max_pieces = _MIN_PIECES
        self._json: PartialJSON | None = None

    def add(self, piece: str) -> None:
        pieces = self._pieces
        pieces.append(piece)
        self._budget.left -= len(piece) + OVERHEAD
        if len(pieces) == self._max_pieces:
            self._join()
        if self._json is not None:
            self._feed_json(self._json, piece)

    @property
    def value(self) -> str | None:
        """The text so far; None before the first piece, which may be empty."""
        if self._pieces:
            self._join()
        return self._text

    def _join(self) -> None:
        new = "".join(self._pieces)
        self._budget.left += OVERHEAD * len(self._pieces)
        self._pieces.clear()
        # CPython appends in place if a local variable has the only reference to the text.
        text = self._text or ""
        self._text = None
        if not new.isascii() and has_halves(new):
            text, new = text[:-1], join_halves(text[-1:] + new)
        text += new
        self._text = text
        self._max_pieces = max(_MIN_PIECES, len(text) // _CHARACTERS_PER_PIECE)

    @property
    def json(self) -> PartialJSON:
        """The text so far, parsed as JSON; from the first use on, `add()` feeds it each piece."""
        if self._json is None:
            self._json = no_json()
            self._feed_json(self._json, self.value or "")
        return self._json

    def _feed_json(self, json: PartialJSON, text: str) -> None:
        json.feed(text)
        # Each decoded value follows one of these characters.
        self._budget.left -= OVERHEAD * sum(map(text.count, "[{,:"))


# Google's field: the features of a provider arrive on different chunks and are sent back together.
# The levels are those of the field, a provider and a feature; deeper values are replaced.
_MERGED_FIELD = "extra_content"
_MERGED_LEVELS = 3


def keep_last(store: dict[str, Any], fields: dict[str, Any], budget: Budget) -> None:
    """Store each field's last value that isn't null."""
    for name, value in fields.items():
        if value is not None:
            _merge(store, name, value, _MERGED_LEVELS if name == _MERGED_FIELD else 0, budget)


def _merge(store: dict[str, Any], name: str, new: Any, levels: int, budget: Budget) -> None:
    # Merging is in place, so that a chunk costs its own size and not that of earlier chunks. The
    # objects down to `levels` are therefore copies: a chunk is never changed.
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
    """Copy what `keep_last` stored, down to the objects that later chunks are merged into."""
    fields = {**store}
    if _MERGED_FIELD in fields:
        fields[_MERGED_FIELD] = _copy_objects(fields[_MERGED_FIELD], _MERGED_LEVELS)
    return fields


def unknown_fields(model: Model) -> dict[str, Any]:
    """Return the fields of a model's `extra` that the schema doesn't name."""
    # The others are known fields with a value of the wrong type, which must not replace the values
    # that had the right type.
    if not model.extra:
        return model.extra
    known = model.wire_fields()
    return {name: value for name, value in model.extra.items() if name not in known}


class ItemList:
    """List of JSON values, where an item that has the index of an earlier one updates it."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._items: list[Any] = []
        self._by_index: dict[int, dict[str, Any]] = {}

    def add(self, items: Iterable[Any]) -> None:
        for item in items:
            index = item.get("index") if is_object(item) else None
            if isinstance(index, int) and index in self._by_index:
                keep_last(self._by_index[index], item, self._budget)
                continue
            self._budget.charge(item)
            if isinstance(index, int):
                item = self._by_index[index] = copy_fields(item)  # noqa: PLW2901
            self._items.append(item)

    def result(self) -> list[Any]:
        return [copy_fields(item) if is_object(item) else item for item in self._items]
