"""Base class of wire models, and the builder that reads them from JSON."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from .._json import is_list, is_object

# The private fields have names and bounds that no JSON can meet, so that they never take
# anything from the wire: a decoder that meets the name refuses the value.
NEVER = msgspec.Meta(min_length=1 << 48)
_EXTRA = " extra"
_ABSENT = " absent"


class Model(
    msgspec.Struct,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    repr_omit_defaults=True,
):
    """
    Hold one JSON object of the API.

    A known field that the object did not have is None, and so is one that was null.

    Attributes:
        extra: The fields that the API's schema does not name, and those whose value has a type
            that the schema does not foresee, as decoded JSON.
        absent: The names of the fields that always have a value for the reader's ease, but had
            none on the wire.
    """

    _private: ClassVar[int] = 2
    """How many fields stand before those of the wire."""
    required: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    """Fields that are never None, with what makes the value of one that is missing."""

    extra: Annotated[dict[str, Any], NEVER] = msgspec.field(  # pyright: ignore[reportUnknownVariableType]
        default_factory=dict,  # a bare `dict` is what msgspec makes without calling Python
        name=_EXTRA,
    )
    absent: Annotated[tuple[str, ...], NEVER] = msgspec.field(default=(), name=_ABSENT)

    @classmethod
    def wire_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields that the API's schema names."""
        return cls.__struct_fields__[cls._private :]

    def to_dict(self) -> dict[str, Any]:
        """
        Return the object as JSON-ready dictionaries and lists.

        Unknown fields stand at their own level, as they did on the wire. Fields that are None
        are left out, but for those that the API always sends.
        """
        fields = {name: _plain(getattr(self, name)) for name in self.wire_fields()}
        defaults = self.__struct_defaults__[self._private :]
        said = {
            name: value
            for (name, value), default in zip(fields.items(), defaults, strict=True)
            if (value is not None or default is msgspec.NODEFAULT)
            and (value or name not in self.absent)
        }
        return {**said, **_plain(self.extra)}


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if is_list(value) and any(isinstance(item, Model) for item in value):
        return [_plain(item) for item in value]
    # A copy, so that changing the dictionary does not change the model.
    return msgspec.to_builtins(value)


Kind = Literal["content", "reasoning", "refusal", "transcript", "arguments"]


class Piece(NamedTuple):
    """
    A piece of generated text.

    Attributes:
        kind: "content", "reasoning", "refusal", "transcript" of a spoken answer, or "arguments" of
            a function call or the input of a custom tool.
        text: The text, never empty.
        choice: The choice it belongs to, by its index.
    """

    kind: Kind
    text: str
    choice: int


class Item(Protocol):
    """An item of a stream that can bring generated text."""

    def only_text(self) -> str | None:
        """Return the text of an item that brings only text, else None or ""."""
        ...

    def pieces(self) -> Iterable[Piece]:
        """Return all the generated text that the item brings."""
        ...


class TokenCounts(NamedTuple):
    """
    Token counts of a request and its answer; None where a count is unknown.

    Attributes:
        input: Tokens of the request.
        output: Tokens of the answer.
        cached: Tokens of the request that the server read from its cache.
        reasoning: Tokens of the answer that are reasoning.
        estimated: Whether the counts are an estimate, not the server's report.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    estimated: bool = False


ModelT = TypeVar("ModelT", bound=Model)

_UNFIT: Final = (msgspec.ValidationError, UnicodeEncodeError)


def build(kind: type[ModelT], fields: dict[str, Any]) -> ModelT:
    """
    Make a model of a decoded JSON object, whatever it holds.

    A field that the schema does not name, or whose value does not fit it, goes to `extra`. A
    field that the model must have and the object has not gets its empty value.
    """
    ways = _ways(kind)
    extra = {name: value for name, value in fields.items() if name not in ways}
    known = {name: value for name, value in fields.items() if name in ways} if extra else fields
    try:
        # Nearly always all the rest is of the schema.
        model = msgspec.convert(known, kind)
    except _UNFIT:
        return _build_piecemeal(kind, fields)
    model.extra = extra
    return model


def _build_piecemeal(kind: type[ModelT], fields: dict[str, Any]) -> ModelT:
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    ways = _ways(kind)
    for name, value in fields.items():
        way = ways.get(name)
        if way is None:
            extra[name] = value
        elif type(value) in way.as_they_are:
            known[name] = value
        elif value is not None:
            try:
                known[name] = way.read(value)
            except _UNFIT:
                extra[name] = value
            else:
                # Of a list the objects are used, and it is kept if it was more than they are.
                if isinstance(known[name], list) and not _says_all(known[name], value):
                    extra[name] = value
    missing = [name for name in kind.required if name not in known]
    for name in missing:
        known[name] = kind.required[name]()
    return kind(**known, extra=extra, absent=tuple(missing))


def _says_all(items: list[Any], value: Any) -> bool:
    return is_list(value) and len(items) == len(value)


class _Way(NamedTuple):
    """Say how a field is read: values of which types as they are, and all others how."""

    as_they_are: frozenset[type]
    read: Callable[[Any], Any]


def _object_reader(kind: type[Model]) -> Callable[[Any], Model]:
    def read(value: Any) -> Model:
        if not is_object(value):
            raise msgspec.ValidationError("no object")
        return build(kind, value)

    return read


def _list_reader(kind: type[Model]) -> Callable[[Any], list[Model]]:
    def read(value: Any) -> list[Model]:
        # Some servers send an only item without its list.
        items: Any = [value] if value and is_object(value) else value
        if not is_list(items):
            raise msgspec.ValidationError("no list")
        return [build(kind, item) for item in items if is_object(item)]

    return read


def _value_reader(kind: Any) -> Callable[[Any], Any]:
    return lambda value: msgspec.convert(value, kind)


def _way(annotation: Any) -> _Way:
    """Choose how to read a field by its type, `X | None` being read as X."""
    kinds = [annotation]
    if typing.get_origin(annotation) is types.UnionType:
        kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
        annotation = kinds[0] if len(kinds) == 1 else annotation
    inner = typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return _Way(frozenset(), _object_reader(annotation))
    if typing.get_origin(annotation) is list and _is_model(inner[0]):
        return _Way(frozenset(), _list_reader(inner[0]))
    as_they_are = frozenset(_OPEN[kind] for kind in kinds if kind in _OPEN)
    return _Way(as_they_are, _value_reader(annotation))


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


@cache
def _ways(kind: type[Model]) -> dict[str, _Way]:
    hints = typing.get_type_hints(kind)
    return {name: _way(hints[name]) for name in kind.wire_fields()}


_OPEN: Final[Mapping[Any, type]] = {
    **{kind: kind for kind in (str, int, float, bool)},
    dict[str, Any]: dict,
    list[Any]: list,
}
"""Types of which every value of a Python type is one."""
