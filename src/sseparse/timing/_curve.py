"""What of a stream is drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from attrs import Factory, field, frozen

from .._errors import count
from ._record import Record
from ._summary import Summary, duration, rate, summarize

_LONGEST_LABEL: Final = 48


def _sum_up(curve: Curve) -> Summary:
    return summarize(curve.record, None, stall=None)


@frozen
class Curve:
    """
    Hold a stream as it is drawn.

    Attributes:
        label: Its label, in letters that any picture can hold.
        record: What was noted.
        colour: Its colour.
        events: Whether events are drawn in place of text.
        summary: Its figures.
    """

    label: str
    record: Record
    colour: str
    events: bool = False
    summary: Summary = field(init=False, default=Factory(_sum_up, takes_self=True))

    @property
    def times(self) -> Sequence[float]:
        """When something of it came."""
        return self.record.pieces if self.events else self.record.chunks

    @property
    def _amounts(self) -> Sequence[int]:
        return self.record.piece_events if self.events else self.record.sizes

    @property
    def levels(self) -> list[int]:
        """How much had come at each of these times."""
        return list(accumulate(self._amounts))

    @property
    def level(self) -> int:
        """How much came in all."""
        return sum(self._amounts)

    def level_at(self, time: float) -> int:
        """Say how much had come by a time."""
        return sum(self._amounts[: bisect_right(self.times, time)])

    @property
    def first(self) -> float | None:
        """When the first of it came."""
        return self.record.first_event if self.events else self.record.first_token

    @property
    def last(self) -> float:
        """The last time that is drawn."""
        times = [*self.record.arrivals[-1:], *self.record.comments[-1:], self.record.ended or 0.0]
        return max([*times, *(at for at, _ in self.record.releases[-1:])])

    @property
    def bad_end(self) -> str:
        """How it ended, where that was not well; else ""."""
        end = self.record.end
        return "" if end is None or end.complete else end.cause.value.replace("_", " ")

    def figures(self) -> str:
        """Write the key figures."""
        summary, unit = self.summary, "event" if self.events else "character"
        said: list[str] = []
        if self.first is not None:
            said.append(f"first {'event' if self.events else 'token'} {duration(self.first)}")
        if summary.total is not None:
            said.append(f"end {duration(summary.total)}")
        if summary.tokens is not None:
            said.append(f"{count(summary.tokens, 'token')}{rate(summary.tokens_per_second)}")
        pace = None if self.events else summary.characters_per_second
        said.append(f"{count(self.level, unit)}{rate(pace)}" if self.level else "nothing came")
        if summary.gaps is not None:
            said.append(f"longest gap {duration(summary.gaps.max)}")
        return "  \u00b7  ".join(said)


def printable(label: str) -> str:
    """Make a label of one line that XML can hold."""
    line = "".join(letter if letter.isprintable() else " " for letter in label)
    return line if len(line) <= _LONGEST_LABEL else f"{line[: _LONGEST_LABEL - 1]}\u2026"
