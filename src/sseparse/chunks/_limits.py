"""How much a stream may bring, by default, and how that is counted."""

from __future__ import annotations

from .._errors import LimitExceeded

MAX_OBJECTS = 1 << 19
MAX_CHOICES = 16384
MAX_TOOL_CALLS = 4096
MAX_ACCUMULATED = 512 * 1024 * 1024


def check_choice_limit(index: int, known: int, maximum: int | None) -> None:
    """
    Refuse a new choice that is one too many.

    Args:
        index: Its index. Choices are numbered from 0, so one beyond the limit says that there
            are more than it allows.
        known: How many choices there are.
        maximum: The limit; None for none.

    Raises:
        LimitExceeded: It is one too many.
    """
    if maximum is not None and (known >= maximum or index >= maximum):
        raise LimitExceeded(limit="choices", maximum=maximum)
