"""Times of a stream: when its parts arrived, how fast, and where it stalled."""

from ._otel import Metric
from ._summary import Record, Spread, Stall, Summary
from ._timeline import Timeline, figure, plot

__all__ = ("Metric", "Record", "Spread", "Stall", "Summary", "Timeline", "figure", "plot")
