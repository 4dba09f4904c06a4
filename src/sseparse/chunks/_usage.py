"""Token counts of a completion while chunks arrive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from ..payloads._growing import OBJECT, Budget, unknown_fields
from ..payloads._model import Model, build
from ._models import CompletionUsage

ModelT = TypeVar("ModelT", bound=Model)

# The names of other APIs, which some servers use: OpenAI Responses and Anthropic Messages.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}

# The number of unknown fields in a usage, or in one of its details. Each usage that is returned has
# a copy of them: without a limit, that would be quadratic.
MAX_UNKNOWN: Final = 256


class UsageState:
    """
    Token counts of a completion. Of each count, the last that isn't null is used.

    Servers send all counts on each chunk, some first and some last, or once: they are never added.

    Attributes:
        is_truncated: Whether unknown fields were ignored, because there were too many.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._usage = CompletionUsage()
        self._others: CompletionUsage | None = None  # the counts under other names
        self.is_truncated = False
        self._result: CompletionUsage | None = None
        budget.left -= OBJECT

    @property
    def is_zero(self) -> bool:
        """Whether all counts are 0 or missing."""
        return is_zero(self._usage)

    def add(self, usage: CompletionUsage) -> list[Model]:
        """Add the counts of a chunk, and return the models that can have ignored values."""
        self._result = None
        sources = [usage]
        names = [name for name in _OTHER_NAMES if name in usage.extra] if usage.extra else []
        if names:
            renamed = {_OTHER_NAMES[name]: usage.extra[name] for name in names}
            others = build(CompletionUsage, renamed)
            sources.insert(0, others)
            self._others = self._others or CompletionUsage()
            self._merge(self._others, others)
        if all(map(is_zero, sources)) and not self.is_zero:
            # Some servers end with zeros. They don't replace counts.
            known, unknown = self._usage.extra, unknown_fields(usage).items()
            news = {name: value for name, value in unknown if value or name not in known}
            self._keep(known, {name: news[name] for name in news if name not in _OTHER_NAMES})
            return [*sources]
        return [
            model for source in sources for model in self._merge(self._usage, source, self._others)
        ]

    def _merge(self, old: Model, new: Model, others: Model | None = None) -> list[Model]:
        """
        Merge counts into those before them, and return the merged models.

        Args:
            old: The counts so far.
            new: The counts of a chunk.
            others: Counts that zeros don't replace.
        """
        # In place, so that a chunk costs its own size. A chunk's own usage is never changed.
        merged = [new]
        for name in new.wire_fields():
            value = getattr(new, name)
            if isinstance(value, Model):
                if getattr(old, name) is None:
                    setattr(old, name, type(value)())
                merged += self._merge(getattr(old, name), value, getattr(others, name, None))
            elif value or (value is not None and not getattr(others, name, None)):
                setattr(old, name, value)
        if new.extra:
            self._keep(old.extra, unknown_fields(new))
        return merged

    def _keep(self, store: dict[str, Any], fields: dict[str, Any]) -> None:
        for name, value in fields.items():
            if value is None:
                continue
            if name not in store:
                if len(store) >= MAX_UNKNOWN:
                    self.is_truncated = True
                    continue
                self._budget.charge(name)
            self._budget.replace(store.get(name), value)
            store[name] = value

    def result(self) -> CompletionUsage:
        """Return the counts so far, which later chunks don't change."""
        if self._result is None:
            self._result = _copy(self._usage)
        return self._result


def is_zero(usage: Model) -> bool:
    """Return whether all counts of a usage, or of its details, are 0 or missing."""
    for name in usage.wire_fields():
        count = getattr(usage, name)
        if count and not (isinstance(count, Model) and is_zero(count)):
            return False
    return True


def _copy(model: ModelT) -> ModelT:
    fields = {name: getattr(model, name) for name in model.wire_fields()}
    copies: dict[str, Any] = {
        name: _copy(each) if isinstance(each, Model) else each for name, each in fields.items()
    }
    return type(model)(**copies, extra={**model.extra})
