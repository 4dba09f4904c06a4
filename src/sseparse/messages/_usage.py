"""Token counts of a message while events arrive."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from ..payloads._growing import OBJECT, Budget, unknown_fields
from ._results import MessageUsage

# The number of unknown fields. Each usage that is returned has a copy of them: without a limit,
# that would be quadratic.
MAX_UNKNOWN: Final = 256


def keep_field(store: dict[str, Any], name: str, value: Any, budget: Budget) -> None:
    """Keep the last value of an unknown field; null doesn't replace one."""
    if name not in store:
        budget.charge(name)
    elif value is None:
        return
    budget.replace(store.get(name), value)
    store[name] = value


class UsageState:
    """
    Token counts of a message. They are cumulative: of each, the last that isn't null is used.

    Some gateways end a message with `input_tokens: 0` (envoyproxy/ai-gateway#1631). No prompt is
    empty, so a zero doesn't replace a real count, unless all of the prompt was cached.

    Attributes:
        is_truncated: Whether a count was ignored, or unknown fields, because there were too many.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._usage = MessageUsage()
        self._result: MessageUsage | None = None
        self.is_truncated = False
        budget.left -= OBJECT

    def add(self, usage: MessageUsage) -> None:
        """Replace the counts that an event brings."""
        # In place, so that an event costs its own size. An event's own usage is never changed.
        self._result = None
        for name in usage.wire_fields():
            value = getattr(usage, name)
            if name == "input_tokens" and value == 0 and self._usage.input_tokens:
                cached = usage.cache_read_input_tokens or usage.cache_creation_input_tokens
                self.is_truncated |= not cached
                value = value if cached else None
            if value is not None:
                self._budget.replace(getattr(self._usage, name), value)
                setattr(self._usage, name, value)
        store = self._usage.extra
        for name, value in unknown_fields(usage).items():
            if name not in store and len(store) >= MAX_UNKNOWN:
                self.is_truncated = True
            else:
                keep_field(store, name, value, self._budget)

    def result(self) -> MessageUsage:
        """Return the counts so far, which later events don't change."""
        if self._result is None:
            self._result = replace(self._usage, extra={**self._usage.extra})
        return self._result
