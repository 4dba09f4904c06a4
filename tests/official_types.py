"""Comparison of results with the types and the clients of the official SDKs."""

from typing import Any

Place = tuple[str | int, ...]

LISTS = ("output", "tools", "content")
"""The fields with a list whose entries can have many types."""


def misfits(model: Any, fields: dict[str, Any]) -> set[Place]:
    """Validate a result with an SDK's type, and return the places that don't fit."""
    import pydantic

    try:
        valid = model.model_validate(fields)
    except pydantic.ValidationError as failure:
        return {place_of(error["loc"]) for error in failure.errors()}
    assert valid.to_dict(mode="json") == fields
    return set()


def place_of(location: Place) -> Place:
    """Return the place without the fields of a list's entry, which depend on its type."""
    return location[:2] if location and location[0] in LISTS else location


def missing(theirs: Any, ours: Any, path: str = "") -> set[str]:
    """Return the places where their value is missing or differs from ours."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        named: list[tuple[Any, Any, Any]] = [(name, theirs.get(name), ours[name]) for name in ours]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        named = [*zip(range(len(ours)), theirs, ours, strict=True)]
    else:
        return set() if theirs == ours else {path}
    return {place for name, one, other in named for place in missing(one, other, f"{path}.{name}")}
