"""The base of all wire models: what every one of them keeps and can do."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ._json import is_list, is_object

# The two private fields have names and bounds that no JSON can meet, so that they never take
# anything from the wire: a decoder that meets the name refuses the value.
_NEVER = msgspec.Meta(min_length=1 << 48)
_EXTRA = " extra"
_ABSENT = " absent"


class Model(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Hold one JSON object of the API.

    A known field that the object did not have is None, and so is one that was null.

    Attributes:
        extra: The fields that the API's schema does not name, and those whose value has a type
            that the schema does not foresee, as decoded JSON.
    """

    extra: Annotated[dict[str, Any], _NEVER] = msgspec.field(  # pyright: ignore[reportUnknownVariableType]
        default_factory=dict,  # a bare `dict` is what msgspec makes without calling Python
        name=_EXTRA,
    )
    # Fields that always have a value for the reader's ease, but had none on the wire.
    absent: Annotated[tuple[str, ...], _NEVER] = msgspec.field(default=(), name=_ABSENT)

    def to_dict(self) -> dict[str, Any]:
        """
        Return the object as JSON-ready dictionaries and lists.

        Unknown fields stand at their own level, as they did on the wire. Fields that are None
        are left out, but for those that the API always sends.
        """
        fields: dict[str, Any] = _merged(msgspec.to_builtins(self))
        return fields


def _merged(value: Any) -> Any:
    if is_list(value):
        return [_merged(item) for item in value]
    if not is_object(value):
        return value
    extra = value.pop(_EXTRA, {})
    absent = value.pop(_ABSENT, ())
    merged = {key: _merged(item) for key, item in value.items()}
    for key in absent:
        if not merged.get(key):
            merged.pop(key, None)
    return {**merged, **extra}
