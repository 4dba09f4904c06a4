"""How a choice ends on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..models._results import ChatChoice, CompletionChoice


def endings(
    choice: ChatChoice | CompletionChoice, extra: dict[str, Any]
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Yield the finish reasons that came; what is unknown of the choice comes with the first."""
    reasons: Sequence[str | None] = choice.finish_reasons_seen or [choice.finish_reason]
    for reason in reasons:
        if reason is not None or extra:
            yield reason, extra
            extra = {}
