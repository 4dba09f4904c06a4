"""Options of a gate, and their checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, get_args

from attrs import Attribute, field, frozen

from .._options import check_choice
from ..payloads._model import Kind

if TYPE_CHECKING:
    from ._windows import Window

# The open text is copied with each piece of text, and the lookback with each window.
_MOST_CHARACTERS: Final = 100_000
_KINDS: Final = get_args(Kind)


def _check_check(_: object, attribute: Attribute[Any], check: object) -> None:
    if check is not None and not callable(check):
        kind, name = type(check).__name__, attribute.name
        raise TypeError(
            f"{name} is a {kind}; give a function of a {'text' if name == 'check' else 'window'}"
        )


def _check_only(options: GateOptions, _: Attribute[Any], check_window: object) -> None:
    if options.check is not None and check_window is not None:
        raise ValueError("both check and check_window are given; leave out one of them")


def _check_window(_: object, __: Attribute[Any], window: object) -> None:
    is_number = isinstance(window, int) and not isinstance(window, bool) and window > 0
    if not is_number and window != "sentence":
        raise ValueError(f'window is {window!r}; give "sentence", or a number of words above 0')


def _check_characters(_: object, attribute: Attribute[Any], value: object) -> None:
    least = 1 if attribute.name == "longest" else 0
    if not isinstance(value, int) or not least <= value <= _MOST_CHARACTERS:
        raise ValueError(
            f"{attribute.name} is {value!r}; give a number of characters, {least} to "
            f"{_MOST_CHARACTERS}"
        )


def _check_hold(
    options: GateOptions, attribute: Attribute[Any], hold: int | re.Pattern[Any]
) -> None:
    if not isinstance(hold, re.Pattern):
        _check_characters(options, attribute, hold)
    elif not isinstance(hold.pattern, str):
        raise ValueError("hold is a pattern of bytes; give one of text")
    if hold and options.releases_first:
        raise ValueError('release="first" releases all text at once; leave out hold')


def _check_concurrent(_: object, __: Attribute[Any], number: object) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"concurrent is {number!r}; give a number of checks above 0")


def _check_timeout(_: object, __: Attribute[Any], timeout: object) -> None:
    if timeout is not None and not (isinstance(timeout, int | float) and 0 < timeout <= 1e9):
        raise ValueError(f"timeout is {timeout!r}; give seconds above 0, or None for no timeout")


def _one_of(*known: str) -> Callable[[object, Attribute[Any], str], None]:
    return lambda _, attribute, value: check_choice(attribute.name, value, *known)


def _check_kinds(_: object, attribute: Attribute[Any], kinds: Collection[str]) -> None:
    if isinstance(kinds, str) or not set(kinds) <= {*_KINDS}:
        raise ValueError(
            f"{attribute.name} is {kinds!r}; give a tuple of {', '.join(map(repr, _KINDS))}"
        )
    if not kinds and attribute.name == "kinds":
        raise ValueError("kinds is empty; give the kinds of text to check")


@frozen(kw_only=True)
class GateOptions:
    """Options of a gate; `Gate` documents them."""

    check: Callable[[Any], Any] | None = field(validator=_check_check)
    check_window: Callable[[Any], Any] | None = field(validator=[_check_check, _check_only])
    kinds: tuple[Kind, ...] = field(validator=_check_kinds)
    unchecked: tuple[Kind, ...] = field(validator=_check_kinds)
    window: str | int = field(validator=_check_window)
    lookback: int = field(validator=_check_characters)
    longest: int = field(validator=_check_characters)
    release: str = field(validator=_one_of("checked", "first"))
    hold: int | re.Pattern[str] = field(validator=_check_hold)
    concurrent: int = field(validator=_check_concurrent)
    timeout: float | None = field(validator=_check_timeout)
    on_flagged: str = field(validator=_one_of("stop", "stop_choice"))
    on_failure: str = field(validator=_one_of("block", "release"))

    @property
    def has_check(self) -> bool:
        return self.check is not None or self.check_window is not None

    def call_check(self, window: Window) -> Any:
        """Call the check and return its verdict, or what the caller must await for it."""
        if self.check_window is not None:
            return self.check_window(window)
        return None if self.check is None else self.check(window.text)

    @property
    def releases_first(self) -> bool:
        return self.release == "first"
