"""The base of all wire models: what every one of them keeps and can do."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

from .._json import is_list

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
