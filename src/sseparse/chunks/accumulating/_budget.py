"""How much one accumulator may hold."""

from __future__ import annotations

from typing import Any, NoReturn

from ..._errors import LimitExceeded
from .._json import is_list, is_object
from ..models._model import Model

# Roughly what an object takes beside its text.
OVERHEAD = 64
# Roughly what the state of a choice, or of a tool call, takes without its texts.
OBJECT = 512


class Budget:
    """
    Count down what may still be kept, for all choices of a completion together.

    Attributes:
        left: How many bytes more may be kept; below 0 once they are too many.
    """

    __slots__ = ("_calls_left", "_max_bytes", "_max_calls", "left")

    def __init__(self, max_bytes: int | None, max_calls: int | None) -> None:
        self._max_bytes = max_bytes
        self._max_calls = max_calls
        self._calls_left = max_calls
        self.left: float = float("inf") if max_bytes is None else max_bytes

    def charge(self, value: Any) -> None:
        """Count a JSON value, or a model, that is kept."""
        self.left -= weigh(value)

    def replace(self, old: Any, new: Any) -> None:
        """Count a JSON value that is kept in place of another one."""
        self.left -= weigh(new) - weigh(old)

    def charge_values(self, text: str) -> None:
        """Count the values that a JSON text becomes: each stands after one of a few marks."""
        self.left -= OVERHEAD * sum(map(text.count, "[{,:"))

    def charge_call(self) -> None:
        """
        Count a tool call, without its texts.

        Raises:
            LimitExceeded: It is one too many.
        """
        self.left -= OBJECT
        if self._calls_left is not None:
            self._calls_left -= 1
            if self._calls_left < 0:
                raise LimitExceeded(limit="tool_calls", maximum=self._max_calls or 0)

    def raise_overrun(self) -> NoReturn:
        """Raise `LimitExceeded`, because nothing is left."""
        raise LimitExceeded(limit="accumulated", maximum=self._max_bytes or 0)


def weigh(value: Any) -> int:
    """Return roughly how many bytes a JSON value or a model takes in memory."""
    weight = 0
    values: list[Any] = [value]
    while values:
        value = values.pop()
        if value is None:
            continue
        weight += OVERHEAD
        if isinstance(value, str):
            weight += len(value)
        elif is_list(value):
            # The bytes of a token: small numbers, which take a place in the list and no more.
            weight += sum(8 + (item.bit_length() >> 3) for item in value if type(item) is int)
            values += (item for item in value if type(item) is not int)
        elif isinstance(value, int):
            weight += value.bit_length() >> 3
        elif is_object(value):
            values += value.keys()
            values += value.values()
        elif isinstance(value, Model):
            weight += OVERHEAD  # for its own dictionary of unknown fields, be it empty
            values += (getattr(value, name) for name in value.wire_fields())
            if value.extra:
                values.append(value.extra)
    return weight
