"""The base of all wire models: what every one of them keeps and can do."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

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

    extra: Annotated[dict[str, Any], _NEVER] = msgspec.field(default_factory=dict, name=_EXTRA)
    # Fields that always have a value for the reader's ease, but had none on the wire.
    absent: Annotated[tuple[str, ...], _NEVER] = msgspec.field(default=(), name=_ABSENT)

    def to_dict(self) -> dict[str, Any]:
        """
        Return the object as JSON-ready dictionaries and lists.

        Unknown fields stand at their own level, as they did on the wire. Fields that are None
        are left out, but for those that the API always sends.
        """
        return _merged(msgspec.to_builtins(self))


def _merged(value: Any) -> Any:
    if isinstance(value, list):
        return [_merged(item) for item in value]
    if not isinstance(value, dict):
        return value
    extra = value.pop(_EXTRA, {})
    absent = value.pop(_ABSENT, ())
    merged = {
        key: _merged(item) for key, item in value.items() if item or key not in absent
    }
    return {**merged, **extra}
