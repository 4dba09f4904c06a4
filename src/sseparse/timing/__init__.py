"""Times of a stream: when its parts arrived, how fast, and where it stalled."""

from ._otel import Metric
from ._pool import PooledSummary
from ._spread import Spread
from ._summary import Record, Stall, Summary
from ._timeline import Timeline, figure, plot

__all__ = (
    "Metric",
    "PooledSummary",
    "Record",
    "Spread",
    "Stall",
    "Summary",
    "Timeline",
    "figure",
    "plot",
)
