"""Verdicts of moderation checks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, cast

from .._errors import SSEError
from ._windows import Window


class HasFlagged(Protocol):
    """Describe a verdict that says itself whether the text is flagged."""

    @property
    def flagged(self) -> bool:
        """Whether the text is flagged."""
        ...


class HasResults(Protocol):
    """Describe an answer of several verdicts, as OpenAI's moderation endpoint gives it."""

    @property
    def results(self) -> Sequence[HasFlagged]:
        """The verdicts; the text is flagged if one of them says so."""
        ...


Verdict = bool | HasFlagged | HasResults | Mapping[str, Any]
"""True for text that passed; False for flagged; or an object or a mapping that says so."""

_RETURN = (
    "return True for text that passed and False for flagged, or what has `flagged`, or `results` "
    "that have it"
)
_MISSING: Final = object()


def is_flagged(verdict: object) -> bool:
    """
    Tell whether a verdict flags the text.

    Where it has both `flagged` and `results`, one that says so is enough.

    Raises:
        TypeError: It is no verdict. Nothing at all is none: a check may have forgotten to return.
    """
    if isinstance(verdict, bool):
        return not verdict
    _refuse_awaitable(verdict)
    flagged = _field(verdict, "flagged")
    results = _field(verdict, "results")
    if flagged is _MISSING and results is _MISSING:
        raise TypeError(f"the check returned {_what(verdict)}; {_RETURN}")
    flags = [] if flagged is _MISSING else [_truth(flagged)]
    if results is not _MISSING:
        flags += map(is_flagged, _several(results))
    return any(flags)


def _field(verdict: object, name: str) -> object:
    if isinstance(verdict, Mapping):
        return cast("Mapping[object, object]", verdict).get(name, _MISSING)
    return getattr(verdict, name, _MISSING)


def _truth(flagged: object) -> bool:
    kind = type(flagged)
    if kind is bool or (kind.__module__ == "numpy" and kind.__name__ in {"bool", "bool_"}):
        return bool(flagged)
    raise TypeError(f"the check returned a `flagged` that is a {kind.__name__}, no bool; {_RETURN}")


def _several(results: object) -> Sequence[object]:
    kind = type(results).__name__
    if isinstance(results, Sequence) and not isinstance(results, str) and results:
        return cast("Sequence[object]", results)
    raise TypeError(f"the check returned `results` that list no verdict: a {kind}; {_RETURN}")


def _refuse_awaitable(verdict: object) -> None:
    if inspect.isawaitable(verdict):
        if inspect.iscoroutine(verdict):
            verdict.close()
        raise TypeError(
            "the check is async, and nothing awaits it here; iterate areleases() or "
            "atext_deltas(), or await the check and give decide() what it returns"
        )


def _what(verdict: object) -> str:
    if verdict is None:
        return "None"
    name = type(verdict).__name__
    return f"a {name}, in which nothing says whether the text is flagged"


class Flagged(SSEError):
    """
    Report that a window did not pass, which stops the whole stream.

    The message quotes nothing of the text, so of a failure it names the type alone. `held` and
    `partial` hold what did not pass: they are not for the reader.

    Attributes:
        window: What was checked; `window.text` is the text that the check got.
        choice: The choice it belongs to, by its index.
        released: The text of that choice that its reader has.
        held: The text of that choice that came and was not released.
        verdict: What the check returned; None where it failed.
        failure: What the check raised, or is wrong with what it returned; None for a verdict. The
            `__cause__` too.
    """

    def __init__(
        self,
        *,
        window: Window,
        released: str,
        held: str,
        verdict: object = None,
        failure: Exception | None = None,
    ) -> None:
        super().__init__(
            f"window {window.number} of choice {window.choice} {_what_happened(failure)}; "
            f"{len(released)} characters of the choice were released, {len(held)} are held"
        )
        self.window = window
        self.choice = window.choice
        self.released = released
        self.held = held
        self.verdict = verdict
        self.failure = failure


def _what_happened(failure: Exception | None) -> str:
    if failure is None:
        return "was flagged"
    return f"is blocked, because its check failed: {type(failure).__name__}"
