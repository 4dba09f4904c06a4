"""What a check may return, and what that means."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast


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


def is_flagged(verdict: object) -> bool:
    """
    Tell whether a verdict flags the text.

    Raises:
        TypeError: It is no verdict. Nothing at all is none: a check may have forgotten to return.
    """
    if isinstance(verdict, bool):
        return not verdict
    _refuse_awaitable(verdict)
    flagged = _field(verdict, "flagged")
    if flagged is not None:
        return bool(flagged)
    results = _field(verdict, "results")
    if isinstance(results, Sequence) and results:
        return any(is_flagged(result) for result in cast("Sequence[object]", results))
    raise TypeError(f"the check returned {_what(verdict)}; {_RETURN}")


def _field(verdict: object, name: str) -> object:
    if isinstance(verdict, Mapping):
        return cast("Mapping[object, object]", verdict).get(name)
    return getattr(verdict, name, None)


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
