"""Generated text as types of the caller."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NewType, Protocol, TypeAlias, TypeGuard, TypeVar, get_origin, overload

import msgspec

from .._errors import ParseError
from .._json import UNREADABLE
from ._model import Model

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class JSONValidator(Protocol[T_co]):
    """A validator of JSON text, such as a `TypeAdapter` of pydantic."""

    def validate_json(self, data: str, /) -> T_co: ...


TextType: TypeAlias = type[T] | JSONValidator[T] | Callable[[str], T]
"""
A type that msgspec converts JSON to (a Struct, a dataclass, a class of attrs, a TypedDict,
`list[int]`, …); a pydantic model or `TypeAdapter`; or another callable, which gets the text and
raises a ValueError to reject it.
"""


class Parsable:
    """Base class of objects with one generated text."""

    __slots__ = ()

    @overload
    def parse(self, kind: TextType[T], /) -> T: ...
    @overload
    def parse(self, kind: object, /) -> Any: ...
    def parse(self, kind: Any, /) -> Any:
        """
        Parse the text as a type.

        Args:
            kind: A type that msgspec converts JSON to (a Struct, a dataclass, a class of attrs, a
                TypedDict, `list[int]`, …); a pydantic model or `TypeAdapter`; or another callable,
                such as `json.loads`, which is called with the text.

        Raises:
            ParseError: There is no text, or it can't be parsed as that type.
            TypeError: `kind` is neither such a type nor a callable.
        """
        what, text = self._generated_text()
        return parse_text(text, kind, what=what, source=self)

    def _generated_text(self) -> tuple[str, str | None]:
        """Return what the text is, for errors, and the text; None if there is none."""
        raise NotImplementedError


class ParsableModel(Parsable, Model):
    """Base class of models with one generated text."""


def parse_text(text: str | None, kind: Any, *, what: str, source: Any, why_none: str = "") -> Any:
    """
    Return text as a type of the caller.

    Args:
        text: The text; None or "" if there is none.
        kind: The type; see `TextType`.
        what: What the text is, for errors.
        source: What has the text, the `partial` of errors.
        why_none: Why there is no text, for errors.

    Raises:
        ParseError: There is no text, or it can't be parsed as that type.
        TypeError: `kind` is neither such a type nor a callable.
    """
    if not text:
        raise ParseError(f"There is no {what}{why_none}.", text="", partial=source)
    parse = _find_parser(kind)
    try:
        return parse(text)
    except UNREADABLE as error:
        name = getattr(kind, "__name__", "") if get_origin(kind) is None else ""
        # That of pydantic has several lines, of which the first is a summary.
        reason = str(error).partition("\n")[0] or type(error).__name__
        message = f"The {what} can't be parsed as {name or repr(kind)}: {reason}. It is in .text."
        raise ParseError(message, text=text, partial=source) from error


def _find_parser(kind: Any) -> Callable[[str], Any]:
    # By their methods, so that pydantic isn't imported: models, TypeAdapter, dataclasses.
    for owner, name in (
        (kind, "model_validate_json"),
        (kind, "validate_json"),
        (getattr(kind, "__pydantic_validator__", None), "validate_json"),
    ):
        validate: Callable[[str], Any] | None = getattr(owner, name, None)
        if callable(validate):
            return validate
    if _is_called(kind):
        return kind
    return partial(msgspec.json.decode, type=kind, dec_hook=_convert)


def _is_called(kind: object) -> TypeGuard[Callable[[str], Any]]:
    """Return whether a type or callable is called with the text, because it's none of msgspec's."""
    if not callable(kind) or isinstance(kind, NewType) or get_origin(kind) is not None:
        return False
    if not isinstance(kind, type):
        return True
    return isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType)


def _convert(kind: Any, value: Any) -> Any:
    """Convert a value inside another type to a pydantic model; msgspec rejects other classes."""
    validate = getattr(kind, "model_validate", None)
    return value if validate is None else validate(value)
