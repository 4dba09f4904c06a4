"""Protocol of items that a moderation gate can release in parts."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from msgspec.structs import replace

from .._json import is_object
from ._model import Kind, Model, ModelT


class TextKey(NamedTuple):
    """
    The text of a result that an item continues.

    Attributes:
        kind: Kind of the text, as in `Piece`.
        choice: Index of the choice; 0 if the API has no choices.
        item: Position among the result's output items or content blocks; None if the API has none.
        part: Position among the texts of that kind in the item, such as that of a tool call's
            arguments, or of a part of a summary.
    """

    kind: Kind
    choice: int = 0
    item: int | None = None
    part: int = 0


class GatedText(NamedTuple):
    """
    New text that must be approved before it is released.

    Attributes:
        key: The text that it continues.
        text: The new text, or the complete text of the key.
        template: An item that brings this text and nothing else, for `with_text()`.
        is_complete: Whether the text is complete, so that only its end is new, if anything.
    """

    key: TextKey
    text: str
    template: Any
    is_complete: bool = False


class TextEnd(NamedTuple):
    """
    The end of the texts of a choice, or of one of its items: their last words can be checked.

    Attributes:
        choice: Index of the choice.
        item: Position of the item; None if the API has none.
        kind: Kind of the texts; None for all.
        is_final: Whether no text can follow, so that all approved text can be released.
    """

    choice: int = 0
    item: int | None = None
    kind: Kind | None = None
    is_final: bool = True


class Rest(NamedTuple):
    """
    An item without text that must be approved. It is released after the texts before it.

    Attributes:
        rest: The item.
        choice: Index of the choice it belongs to; None if it belongs to all, such as usage.
        item: Position of the item whose texts it follows; None if the API has none.
        kind: Kind of the text that it has, introduces or ends, such as "arguments" for the name of
            a tool. It is withheld if that kind is, and completes a text of another kind before it.
            None if it doesn't depend on a text.
        signs: The text that it signs. It's released only if that text was, without a change.
    """

    rest: Any
    choice: int | None = None
    item: int | None = None
    kind: Kind | None = None
    signs: TextKey | None = None


class Dropped(NamedTuple):
    """
    A field that a gate drops because it can have text in another form.

    Attributes:
        name: Its name.
        item: The item that is withheld because it makes no sense without the field, or None.
    """

    name: str
    item: Any = None


Part = GatedText | TextEnd | Rest | Dropped


def dropped_fields(*models: Model) -> list[Part]:
    """Return the unknown fields of models as dropped."""
    return [Dropped(name) for model in models for name in model.extra]


def numbers_in(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are numbers, and objects of them, such as those of token counts."""
    kept: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, int | float):
            kept[name] = value
        elif is_object(value) and (inner := numbers_in(value)):
            kept[name] = inner
    return kept


def with_numbers(usage: ModelT) -> ModelT:
    """Return token counts without unknown fields, except numbers such as a cost."""
    fields: dict[str, Any] = {name: getattr(usage, name) for name in usage.wire_fields()}
    details = {
        name: with_numbers(value) for name, value in fields.items() if isinstance(value, Model)
    }
    return replace(usage, **details, extra=numbers_in(usage.extra))


class Withheld:
    """The indexes of what was withheld, so that what follows leaves no gap."""

    def __init__(self) -> None:
        self._indexes: list[int] = []  # sorted

    def __contains__(self, index: int) -> bool:
        at = bisect_left(self._indexes, index)
        return at < len(self._indexes) and self._indexes[at] == index

    def add(self, index: int) -> None:
        if index not in self:
            insort(self._indexes, index)

    def place(self, index: int) -> int:
        """Return the index without the gaps before it."""
        return index - bisect_left(self._indexes, index)

    def clear(self) -> None:
        self._indexes.clear()


class Outlet:
    """
    The released items of one answer, in the form in which a gate returns them.

    This base class changes nothing. An API whose items depend on each other has a subclass, so that
    clients can read the released items when others were withheld, or the answer was stopped.

    Args:
        kinds: The kinds of text that leave, checked or not.
    """

    def __init__(self, kinds: Container[Kind] = ()) -> None:
        self._kinds = kinds

    def add(self, item: Any, /) -> Sequence[Any]:
        """Return the items to send for one that is released."""
        return [item]

    def withhold(self, item: Any, /) -> None:
        """Note that an item is withheld, because its kind of text is."""

    def stop(self, choice: int, template: Any, /) -> Sequence[Any]:
        """Return the items that end a choice at once; the template is one of its items."""
        return [*template.with_stop(choice)]

    def close(self) -> Sequence[Any]:
        """Return the items that end a stopped answer whose stream didn't end it."""
        return []


class GatedItem(Protocol):
    """
    An item that a gate takes and releases: a chunk, or an event of Responses or Messages.

    A function of your own that wraps a gate can have a type variable with this bound. The methods
    are internal: a gate uses them to release an item in parts, after its texts were approved. None
    of them changes the item. Parts can share values with it.
    """

    def split_texts(self, unchecked: Container[Kind], /) -> Iterable[Part]:
        """
        Return the parts of the item, in the order of their release.

        Text of a kind in `unchecked` is in a `Rest`. Any other text is only in a `GatedText`. A
        `Rest` has only fields that can't have such text: log-probabilities, audio, unknown fields
        and anything else that can have it in another form is `Dropped`.
        """
        ...

    def with_text(self, text: str, /) -> Self:
        """Return a copy of a template with another text."""
        ...

    def with_approved(self, approved: Callable[[TextKey], str | None], /) -> Self:
        """
        Return a copy of a `Rest` whose complete texts, such as those of a last event, are approved.

        `approved` returns the released text of a key, or None if its kind isn't checked. Return the
        item itself if it has no complete texts.
        """
        ...

    def make_outlet(self, kinds: Container[Kind], /) -> Outlet:
        """Return an outlet for the items of an answer like this one."""
        ...
