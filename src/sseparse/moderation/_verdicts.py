"""Verdicts of moderation checks."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, cast

from attrs import frozen

from .._errors import SSEError, count
from ._windows import Window


class HasFlagged(Protocol):
    """A verdict that has its own flag."""

    @property
    def flagged(self) -> bool:
        """Whether the text is flagged."""
        ...


class HasResults(Protocol):
    """Several verdicts, as OpenAI's moderation endpoint returns them."""

    @property
    def results(self) -> Sequence[HasFlagged]:
        """The verdicts; the text is flagged if one of them flags it."""
        ...


@frozen
class Replace:
    """
    A verdict that replaces text, for example to mask a number.

    Attributes:
        text: The text that the check got, with the changes. The part of it that was released can't
            change: `Gate(hold=...)` keeps enough text back.
    """

    text: str


Verdict = bool | Replace | HasFlagged | HasResults | Mapping[str, Any]
"""True approves the text, False or a true `flagged` flags it, and `Replace` changes it."""

_ADVICE: Final = (
    "return True to approve the text, False to flag it, Replace(text) to change it, or an object "
    "with `flagged`, or with `results` that have it"
)
# Under these names, moderation services return the text with masks.
_TEXT_NAMES: Final = (
    *("text", "replacement", "replace", "output", "content", "masked", "masked_text"),
    *("redacted", "redacted_text", "sanitized", "anonymized", "anonymized_text", "fixed"),
)
_MISSING: Final = object()
# Of the message of a failed check, in the message of `Flagged`.
_LONGEST_MESSAGE: Final = 200
# From this number of letters and digits on, a failure that has them quotes the text.
_QUOTE: Final = 12


def is_flagged(verdict: object) -> bool:
    """
    Return whether a verdict flags the text: its `flagged`, or one of its `results`.

    Raises:
        TypeError: It isn't a verdict. None isn't one: a check may have forgotten to return.
    """
    if isinstance(verdict, bool):
        return not verdict
    if isinstance(verdict, Replace):
        if not isinstance(verdict.text, str):  # pyright: ignore[reportUnnecessaryIsInstance] # of the user
            kind = type(verdict.text).__name__
            raise TypeError(f"the check returned a Replace of type {kind}; {_ADVICE}")
        return False
    if inspect.isawaitable(verdict):
        if inspect.iscoroutine(verdict):
            verdict.close()
        raise TypeError(
            "the check is async, and isn't awaited here; iterate areleases() or atext_deltas(), "
            "or await the check and pass its result to decide()"
        )
    flagged, results = _field(verdict, "flagged"), _field(verdict, "results")
    if flagged is _MISSING and results is _MISSING:
        found = "None" if verdict is None else f"{type(verdict).__name__} without `flagged`"
        raise TypeError(f"the check returned {found}; {_ADVICE}")
    flags = [] if flagged is _MISSING else [_flag(flagged)]
    if results is not _MISSING:
        kind = type(results).__name__
        if not isinstance(results, Sequence) or isinstance(results, str) or not results:
            raise TypeError(
                f"the check returned `results` without a verdict, of type {kind}; {_ADVICE}"
            )
        flags += map(is_flagged, cast("Sequence[object]", results))
    if any(flags):
        return True
    for name in _TEXT_NAMES:
        if isinstance(_field(verdict, name), str):
            raise TypeError(f"the check returned `{name}` without a true `flagged`; {_ADVICE}")
    return False


def _field(verdict: object, name: str) -> object:
    if isinstance(verdict, Mapping):
        return cast("Mapping[object, object]", verdict).get(name, _MISSING)
    return getattr(verdict, name, _MISSING)


def _flag(flagged: object) -> bool:
    kind = type(flagged)
    if kind is bool or (kind.__module__ == "numpy" and kind.__name__ in {"bool", "bool_"}):
        return bool(flagged)
    raise TypeError(
        f"the check returned a `flagged` of type {kind.__name__} instead of bool; {_ADVICE}"
    )


def _describe(failure: Exception, text: str) -> str:
    """Return the type of a check's failure, and its message unless that quotes the text."""
    name = type(failure).__name__
    try:
        message = " ".join(str(failure).split())[:_LONGEST_MESSAGE]
    except Exception:  # of its own __str__()
        return name
    return name if not message or _quotes(message, text) else f"{name}: {message}"


def _quotes(message: str, text: str) -> bool:
    """Return whether a message has a part of a text, perhaps escaped or with other blanks."""
    found = _letters_and_digits(message)
    for known in (_letters_and_digits(text), _letters_and_digits(ascii(text))):
        size = min(_QUOTE, len(known))
        if any(known[at : at + size] in found for at in range(len(known) - size + 1)):
            return True
    return False


def _letters_and_digits(text: str) -> str:
    return "".join(filter(str.isalnum, text))


class Flagged(SSEError):
    """
    Raised if a window wasn't approved, which stops the stream.

    The message doesn't quote the text, and quotes a failure only if that doesn't quote the text.
    `held` and `partial` have text that wasn't approved, and `partial`, the result of the stream so
    far, has no replacements: don't show them to the reader.

    Attributes:
        window: The window; `window.text` is the text that the check got.
        choice: The choice it belongs to, by its index.
        released: What was released of its choice and kind, as in `gate.released()`, or of its tool
            call. With release="first", the window is part of it: retract it.
        held: What was received of that and not released.
        verdict: The return value of the check, or None if it failed.
        failure: The exception that the check raised, or that describes its invalid verdict; None
            for a verdict. It is the `__cause__` too.
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
        reason = "was flagged"
        if failure is not None:
            reason = f"is blocked because its check failed: {_describe(failure, window.text)}"
        where = f"choice {window.choice}"
        if window.kind != "content":
            where = f"the {window.kind} of {where}"
        super().__init__(
            f"window {window.number} of {where} {reason}; "
            f"{count(len(released), 'character')} of the choice released, {len(held):,} held"
        )
        self.window = window
        self.choice: int = window.choice
        self.released = released
        self.held = held
        self.verdict = verdict
        self.failure = failure
