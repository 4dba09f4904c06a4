"""Base class of wire models, and the function that builds them from decoded JSON."""

# No `from __future__ import annotations` here and in the modules of the models: msgspec evaluates
# annotations that are text one by one, which would take a tenth of the time to import `ChatStream`.
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from .._json import is_list, is_object, read_as_null

# Private fields have names and bounds that no JSON can meet, so that they never get a value from
# the wire: the decoder rejects a value that has the name.
NEVER = msgspec.Meta(min_length=1 << 48)


class Model(
    msgspec.Struct,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    repr_omit_defaults=True,
    gc=False,  # JSON has no cycles, and tracking takes a tenth of the time of decoding
):
    """
    Base class of the JSON objects of an API.

    A field is None if the object doesn't have it, or has it as null.
    """

    _private: ClassVar[int] = 2  # how many fields precede those of the wire
    # Fields that are never None, and what makes the value of a missing one.
    required: ClassVar[Mapping[str, Callable[[], Any]]] = {}

    extra: Annotated[dict[str, Any], NEVER] = msgspec.field(  # pyright: ignore[reportUnknownVariableType]
        default_factory=dict,  # a bare `dict` is what msgspec makes without calling Python
        name=" extra",
    )
    """
    Fields that the schema doesn't name, and fields whose value doesn't have the type that the
    schema requires, as decoded JSON. A number sent for a text, and a numeric text sent for a
    number, are here and converted in their fields. Empty by default.
    """
    absent: Annotated[tuple[str, ...], NEVER] = msgspec.field(default=(), name=" absent")
    """Names of the fields that are never None and were missing on the wire."""

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
        return encode_json(self.to_dict()).decode()


def encode_json(value: Any) -> bytes:
    """Encode a decoded value as JSON; its strings can have half of a surrogate pair."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        import json  # noqa: PLC0415 - most programs don't need it

        # NaN and Infinity become null, as in the fast path.
        value = json.loads(json.dumps(value), parse_constant=read_as_null)
        return json.dumps(value, separators=(",", ":")).encode()


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
        choice: Index of the choice; 0 if the API has no choices.
        item: Position among the result's output items or content blocks; None if the API has one
            text of each kind in a choice.
    """

    kind: Kind
    text: str
    choice: int = 0
    item: int | None = None


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

    A field that the schema doesn't name, or whose value doesn't have its type, goes to `extra`. So
    does a value that is read as another: a number where a text is expected is read as its text, an
    integral float or a numeric text where an integer is expected as that integer. A required field
    that is missing gets its empty value.
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
                if not _is_exact(known[name], value):
                    extra[name] = value  # the model is encoded as it was received
    missing = {name: make() for name, make in kind.required.items() if name not in known}
    return kind(**known, **missing, extra=extra, absent=tuple(missing))


def _is_exact(read: Any, value: Any) -> bool:
    """Return whether what was read from a value is encoded as that value."""
    if isinstance(read, Model):
        return True
    if is_list(read) and read and isinstance(read[0], Model):
        return is_list(value) and len(read) == len(value)
    return bool(read == value)


def ignored_fields(model: Model) -> Iterator[str]:
    """Yield the known fields of which a value, or a part of it, couldn't be read."""
    known = model.wire_fields()
    for name, value in model.extra.items():
        if name not in known:
            continue
        read = getattr(model, name)
        if is_list(read) and is_list(value):
            is_ignored = len(read) < len(value)
        else:
            is_ignored = read is None or is_list(read) or name in model.absent
        if is_ignored:
            yield name


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
    if typing.get_origin(kinds[0]) is list and kinds[0] != list[Any]:
        item = typing.get_args(kinds[0])[0]
        of_objects = _is_model(item) or typing.get_origin(item) is dict
        return _FieldReader(partial(_read_list, _field_reader(item), of_objects))
    exact_types = frozenset(_EXACT_TYPES[kind] for kind in kinds if kind in _EXACT_TYPES)
    return _FieldReader(partial(_read_value, annotation, kinds), exact_types)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _read_object(kind: type[ModelT], value: Any) -> ModelT:
    if not is_object(value):
        raise msgspec.ValidationError("not an object")
    return build(kind, value)


def _read_list(reader: _FieldReader, of_objects: bool, value: Any) -> list[Any]:
    # Some servers send an only item without its list.
    items: Any = [value] if of_objects and value and is_object(value) else value
    if not is_list(items):
        raise msgspec.ValidationError("not a list")
    if of_objects:
        items = [item for item in items if is_object(item)]
    return [item if type(item) in reader.exact_types else reader.read(item) for item in items]


def _read_value(annotation: Any, kinds: tuple[Any, ...], value: Any) -> Any:
    try:
        return msgspec.convert(value, annotation)
    except _MISMATCH:
        # Some servers send a token that is a number as a number.
        if str in kinds and type(value) in (int, float):
            return str(value)
        number = to_integer(value) if int in kinds else None
        if number is None:
            raise
        return number


_INTEGER: Final = re.compile(r"(-?[0-9]{1,18})(\.0+)?")


def to_integer(value: Any) -> int | None:
    """Return the integer that an integral float or a numeric text stands for, or None."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    digits = _INTEGER.fullmatch(value) if isinstance(value, str) else None
    return int(digits[1]) if digits else None


# The annotations that every value of a Python type meets.
_EXACT_TYPES: Final[Mapping[Any, type]] = {
    **{kind: kind for kind in (str, int, float, bool)},
    dict[str, Any]: dict,
    list[Any]: list,
}
