"""The error of a gate."""

from __future__ import annotations

from .._errors import SSEError
from ._windows import Window


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
