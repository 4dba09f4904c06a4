"""Values that grow while a stream arrives, within a memory budget."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from .._errors import LimitExceeded
from .._json import is_list, is_object
from ._json_tokens import has_halves, join_halves
from ._model import Model

if TYPE_CHECKING:
    from ._partial_json import PartialJSON


MAX_ITEMS: Final = 16384
"""Default limit of the output items or content blocks of a result."""
MAX_ACCUMULATED: Final = 512 * 1024 * 1024
"""Default limit of the size of a result, approximately in bytes of memory."""
OVERHEAD = 64  # roughly the bytes of an object without its text
OBJECT = 512  # roughly the bytes of the state of a choice or a tool call without its texts


def check_count(
    limit: str, what: str, maximum: int | None, known: int, index: int | None = None
) -> None:
    """Raise LimitExceeded if one more than `known`, with an index from 0 if any, is too many."""
    if maximum is not None and (known >= maximum or (index is not None and index >= maximum)):
        what = f"More than {maximum:,} {what}" + ("" if index is None else ", or an index as large")
        advice = f"raise max_{limit} if you trust the server"
        raise LimitExceeded(limit=limit, maximum=maximum, what=what, advice=advice)


class Budget:
    """
    Memory budget of one result, for all its choices together. A limit can be None.

    Attributes:
        left: How many bytes are left; negative once the limit is exceeded.
    """

    __slots__ = ("_calls", "_max_bytes", "_max_calls", "left")

    def __init__(self, max_bytes: int | None, max_calls: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._max_calls = max_calls
        self._calls = 0
        self.left: float = float("inf") if max_bytes is None else max_bytes

    def charge(self, value: Any) -> None:
        self.left -= weigh(value)

    def replace(self, old: Any, new: Any) -> None:
        self.left -= weigh(new) - weigh(old)

    def charge_call(self) -> None:
        """Charge for a tool call without its texts; raise `LimitExceeded` beyond the limit."""
        self.left -= OBJECT
        check_count("tool_calls", "tool calls", self._max_calls, self._calls)
        self._calls += 1

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
    from ._partial_json import PartialJSON  # noqa: PLC0415 - most programs don't need it

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

    def release(self) -> None:
        """Give back what the text takes of the budget, because another value replaces it."""
        text = self.value or ""
        self._budget.left += len(text)
        if self._json is not None:
            self._budget.left += weigh_json(text)

    @property
    def json(self) -> PartialJSON:
        """The text so far, parsed as JSON; from the first use on, `add()` feeds it each piece."""
        if self._json is None:
            self._json = no_json()
            self._feed_json(self._json, self.value or "")
        return self._json

    def _feed_json(self, json: PartialJSON, text: str) -> None:
        json.feed(text)
        self._budget.left -= weigh_json(text)


KeyT = TypeVar("KeyT", bound=Hashable)


class GrowingTexts(dict[KeyT, GrowingText]):
    """The texts of a model that deltas continue, by a key such as the name of the field."""

    __slots__ = ("_budget",)

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget

    def begin(self, key: KeyT, first: str | None) -> GrowingText:
        """Add a text, which begins with what the model had before the first delta."""
        text = self[key] = GrowingText(self._budget)
        if first is not None:
            text.add(first)
        return text

    def replace(self, key: KeyT, value: str) -> None:
        """Replace a text by another one."""
        if key in self:
            self[key].release()
        self.begin(key, value)

    def drop(self) -> None:
        """Drop all texts."""
        for text in self.values():
            text.release()
        self.clear()

    def read(self, key: KeyT, first: str | None) -> str:
        """Return a text so far."""
        text = self.get(key)
        return (first if text is None else text.value) or ""

    def read_all(self) -> dict[KeyT, str | None]:
        return {key: text.value for key, text in self.items()}


def weigh_json(text: str) -> int:
    """Return roughly how many bytes of memory the decoded value of JSON text takes."""
    # Each decoded value follows one of these characters. sum(map(text.count, ...)) takes five times
    # as long.
    count = text.count("[") + text.count("{") + text.count(",") + text.count(":")
    return OVERHEAD * count


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


# Fields of a delta that are a word, never a text in pieces; so are those that end with "_id".
_WORDS: Final = frozenset(("id", "type", "name", "role", "status", "channel", "format"))
# Entries of lists can have lists of entries. Lists that are nested deeper are only appended.
_LEVELS: Final = 8


def grow_fields(
    store: dict[str, Any], fields: dict[str, Any], budget: Budget, levels: int = _LEVELS
) -> None:
    """
    Add the unknown fields of a delta, or of a piece of an entry, to those received before.

    Nothing says which of them are sent in pieces. Lists are appended. A string is `RepeatedText`,
    except for words. Of other values, the last that isn't null counts.
    """
    for name, value in fields.items():
        if value is None:
            continue
        if name not in store:
            budget.charge(name)
        old = store.setdefault(name)
        if isinstance(old, ItemList):
            # Some servers send an only item without its list.
            old.add(value if is_list(value) else [value])
        elif is_list(value):
            items = store[name] = ItemList(budget, levels - 1)
            items.add(value)
        elif not isinstance(value, str) or name in _WORDS or name.endswith("_id"):
            _merge(store, name, value, _MERGED_LEVELS if name == _MERGED_FIELD else 0, budget)
        elif isinstance(old, RepeatedText):
            old.add(value)
        else:
            store[name] = RepeatedText(value, budget)


def copy_grown(store: dict[str, Any]) -> dict[str, Any]:
    """Copy what `grow_fields` stored, down to the values that can still grow."""
    fields = copy_fields(store)
    for name, value in fields.items():
        if isinstance(value, RepeatedText | ItemList):
            fields[name] = value.result()
    return fields


class RepeatedText:
    """
    String of a field whose meaning isn't known, while its pieces arrive.

    It's a label, which the server repeats, as long as all pieces are equal. The first piece that
    differs shows that it's a text: then all pieces are joined. Empty pieces don't matter.
    """

    __slots__ = ("_budget", "_count", "_text", "first")

    def __init__(self, first: str, budget: Budget) -> None:
        self.first = first
        self._budget = budget
        self._count = 1
        self._text: GrowingText | None = None
        budget.charge(first)

    def add(self, piece: str) -> None:
        if self._text is not None:
            self._text.add(piece)
        elif not self.first:
            self.first = piece
            self._budget.left -= len(piece)
        elif piece == self.first:
            self._count += 1
        elif piece:
            self._text = self._join_repetitions()
            self._text.add(piece)

    def _join_repetitions(self) -> GrowingText:
        # The budget wasn't charged for repetitions, so that they are checked before they are made.
        if len(self.first) * self._count > self._budget.left:
            self._budget.raise_overrun()
        text = GrowingText(self._budget)
        text.add(self.first * self._count)
        return text

    def result(self) -> str:
        return self.first if self._text is None else self._text.value or ""


# The entry of a piece with the same index is another one if one of these fields differs: some
# servers number the images or citations of each chunk from 0.
_IDENTITY: Final = ("id", "url", "image_url", "url_citation")


class ItemList:
    """
    List of JSON values that arrives in pieces.

    An object with the index or the id of an earlier one is a piece of it, unless it has another
    id or URL. A block of Anthropic's thinking has no index: its signature is its end.

    Args:
        budget: The budget of the result.
        levels: How deep lists in entries are merged; 0 appends all objects.
        unique: Whether exact repetitions of an item are ignored.

    Source: LiteLLM documentation, "thinking_blocks"; recordings of Groq (`executed_tools`).
    """

    def __init__(self, budget: Budget, levels: int = _LEVELS, *, unique: bool = False) -> None:
        self._budget = budget
        self._levels = levels
        self._items: list[Any] = []
        # By index and id, either of which can be None; by index alone, the latest.
        self._by_key: dict[tuple[int | None, str | int | None], dict[str, Any]] = {}
        self._seen: set[str] | None = set() if unique else None
        budget.left -= OBJECT

    def add(self, items: Iterable[Any]) -> None:
        for item in items:
            if self._seen is not None and self._is_repeated(item, self._seen):
                continue
            keys = _keys_of(item) if self._levels and is_object(item) else []
            if not keys and not (self._levels and _is_thinking(item)):
                self._items.append(item)
                self._budget.charge(item)
                continue
            entry = self._find(keys, item)
            if entry is None:
                entry = dict.fromkeys(item)
                self._items.append(entry)
                self._budget.charge(entry)
            self._by_key.update(dict.fromkeys(keys, entry))
            grow_fields(entry, item, self._budget, self._levels)

    def _is_repeated(self, item: Any, seen: set[str]) -> bool:
        import json  # noqa: PLC0415 - most programs don't need it

        text = json.dumps(item, sort_keys=True, default=repr)
        if text in seen:
            return True
        seen.add(text)
        self._budget.charge(text)
        return False

    def _find(
        self, keys: list[tuple[int | None, str | int | None]], item: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Return the entry that an object is a piece of, or None."""
        found: list[Any] = [self._by_key.get(key) for key in keys]
        if not keys:
            found = [entry for entry in self._items[-1:] if _is_thinking(entry)]
        return next((entry for entry in found if entry and not _differ(entry, item)), None)

    def result(self) -> list[Any]:
        return [copy_grown(item) if is_object(item) else item for item in self._items]


def _keys_of(item: dict[str, Any]) -> list[tuple[int | None, str | int | None]]:
    index, name = item.get("index"), item.get("id")
    index = index if isinstance(index, int) else None
    keys: list[tuple[int | None, str | int | None]] = [] if index is None else [(index, None)]
    return [*keys, (index, name)] if name and isinstance(name, str | int) else keys


def _is_thinking(item: Any) -> bool:
    if not is_object(item) or item.get("type") not in (None, "thinking"):
        return False
    return "thinking" in item or ("signature" in item and item.keys() <= {"type", "signature"})


def _differ(entry: dict[str, Any], item: dict[str, Any]) -> bool:
    """Return whether an object can't be a piece of an entry with the same key."""
    for name in _IDENTITY:
        old, new = _first(entry.get(name)), item.get(name)
        if old and new and old != new:
            return True
    if not _is_thinking(item):
        return False
    signature, text = _first(entry.get("signature")), item.get("thinking")
    repeated = item.get("signature") in (None, "", signature)
    return bool(signature) and (bool(text) or not repeated)


def _first(value: Any) -> Any:
    return value.first if isinstance(value, RepeatedText) else value
