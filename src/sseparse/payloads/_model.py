"""Base class of wire models, and the function that builds them from decoded JSON."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from .._json import is_list, is_object

# Private fields have names and bounds that no JSON can meet, so that they never get a value from
# the wire: the decoder rejects a value that has the name.
NEVER = msgspec.Meta(min_length=1 << 48)


class Model(
    msgspec.Struct,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    repr_omit_defaults=True,
):
    """
    Base class of the JSON objects of an API.

    A field is None if the object doesn't have it, or has it as null.

    Attributes:
        extra: Fields that the schema doesn't name, and fields whose value doesn't have the type
            that the schema requires, as decoded JSON.
        absent: Names of the fields that are never None and were missing on the wire.
    """

    _private: ClassVar[int] = 2  # how many fields precede those of the wire
    # Fields that are never None, and what makes the value of a missing one.
    required: ClassVar[Mapping[str, Callable[[], Any]]] = {}

    extra: Annotated[dict[str, Any], NEVER] = msgspec.field(  # pyright: ignore[reportUnknownVariableType]
        default_factory=dict,  # a bare `dict` is what msgspec makes without calling Python
        name=" extra",
    )
    absent: Annotated[tuple[str, ...], NEVER] = msgspec.field(default=(), name=" absent")

    @classmethod
    def wire_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields of the API's schema."""
        return cls.__struct_fields__[cls._private :]

    @classmethod
    def adapt(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a JSON object, with those in a known other form as in the schema."""
        return fields

    def to_dict(self) -> dict[str, Any]:
        """
        Return the object as JSON-ready dictionaries and lists.

        Unknown fields are at their own level, as on the wire. Fields that are None are left out,
        except those that the API always sends.
        """
        fields: dict[str, Any] = {}
        defaults = self.__struct_defaults__[self._private :]
        for name, default in zip(self.wire_fields(), defaults, strict=True):
            value = _to_builtins(getattr(self, name))
            if value is None and default is not msgspec.NODEFAULT:
                continue
            if value or name not in self.absent:
                fields[name] = value
        return {**fields, **_to_builtins(self.extra)}

    def to_json(self) -> str:
        """
        Return the object as JSON text: that of `to_dict()`.

        Half of a surrogate pair, which servers send when a token ends inside a character, is
        escaped. Don't use `msgspec.json.encode()` on the object itself: it can't write unknown
        fields at their own level. In a larger object, use `msgspec.Raw(model.to_json())`.
        """
        fields = self.to_dict()
        try:
            return msgspec.json.encode(fields).decode()
        except UnicodeEncodeError:
            return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def _to_builtins(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if is_list(value) and any(isinstance(item, Model) for item in value):
        return [_to_builtins(item) for item in value]
    # A copy, so that changing the dictionary doesn't change the model.
    return msgspec.to_builtins(value)


Kind = Literal["content", "reasoning", "refusal", "transcript", "arguments"]


class Piece(NamedTuple):
    """
    A piece of generated text.

    Attributes:
        kind: "content", "reasoning", "refusal", "transcript" of a spoken answer, or "arguments" of
            a function call or the input of a custom tool.
        text: The text, never empty.
        choice: Index of the choice.
    """

    kind: Kind
    text: str
    choice: int


class Item(Protocol):
    """An item of a stream that can bring generated text."""

    def only_text(self) -> str | None: ...  # of an item that brings only text, else None or ""
    def pieces(self) -> Iterable[Piece]: ...  # all the generated text


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

_MISMATCH: Final = (msgspec.ValidationError, UnicodeEncodeError)


def build(kind: type[ModelT], fields: dict[str, Any]) -> ModelT:
    """
    Build a model from a decoded JSON object, whatever its values are.

    A field that the schema doesn't name, or whose value doesn't have its type, goes to `extra`. A
    required field that is missing gets its empty value.
    """
    readers = _field_readers(kind)
    fields = kind.adapt(fields)
    extra = {name: value for name, value in fields.items() if name not in readers}
    known = {name: value for name, value in fields.items() if name in readers} if extra else fields
    # Fast path: all known fields are as the schema requires. Else each field is read on its own.
    try:
        model = msgspec.convert(known, kind)
    except _MISMATCH:
        return _build_by_field(kind, fields)
    model.extra = extra
    return model


def _build_by_field(kind: type[ModelT], fields: dict[str, Any]) -> ModelT:
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    readers = _field_readers(kind)
    for name, value in fields.items():
        reader = readers.get(name)
        if reader is None:
            extra[name] = value
        elif type(value) in reader.exact_types:
            known[name] = value
        elif value is not None:
            try:
                known[name] = reader.read(value)
            except _MISMATCH:
                extra[name] = value
            else:
                items = known[name]
                if is_list(items) and not (is_list(value) and len(items) == len(value)):
                    extra[name] = value  # it has more than the objects that were read
    missing = {name: make() for name, make in kind.required.items() if name not in known}
    return kind(**known, **missing, extra=extra, absent=tuple(missing))


class _FieldReader(NamedTuple):
    read: Callable[[Any], Any]
    exact_types: frozenset[type] = frozenset()  # values of these types need no conversion


@cache
def _field_readers(kind: type[Model]) -> dict[str, _FieldReader]:
    hints = typing.get_type_hints(kind)
    return {name: _field_reader(hints[name]) for name in kind.wire_fields()}


def _field_reader(annotation: Any) -> _FieldReader:
    kinds = typing.get_args(annotation)
    if typing.get_origin(annotation) is not types.UnionType:
        kinds = (annotation,)
    if _is_model(kinds[0]):
        return _FieldReader(partial(_read_object, kinds[0]))
    if typing.get_origin(kinds[0]) is list and _is_model(item := typing.get_args(kinds[0])[0]):
        return _FieldReader(partial(_read_list, item))
    exact_types = frozenset(_EXACT_TYPES[kind] for kind in kinds if kind in _EXACT_TYPES)
    return _FieldReader(partial(msgspec.convert, type=annotation), exact_types)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _read_object(kind: type[ModelT], value: Any) -> ModelT:
    if not is_object(value):
        raise msgspec.ValidationError("not an object")
    return build(kind, value)


def _read_list(kind: type[ModelT], value: Any) -> list[ModelT]:
    # Some servers send an only item without its list.
    items: Any = [value] if value and is_object(value) else value
    if not is_list(items):
        raise msgspec.ValidationError("not a list")
    return [build(kind, item) for item in items if is_object(item)]


# The annotations that every value of a Python type meets.
_EXACT_TYPES: Final[Mapping[Any, type]] = {
    **{kind: kind for kind in (str, int, float, bool)},
    dict[str, Any]: dict,
    list[Any]: list,
}
