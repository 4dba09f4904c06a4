"""
Times of a stream: when its parts arrived, how fast, and where it stalled.

    timeline = Timeline()  # when the request is sent
    # For each piece of the body:
    events = parser.feed(piece)
    timeline.on_bytes(len(piece), events=len(events))
    # For each chunk in it:
    timeline.on_item(chunk)
    # At the end:
    timeline.on_end(parser.end, accumulator.snapshot())
    print(timeline.summary())
    timeline.plot("answer.svg")

Streams call these hooks themselves: `Stream(response, timeline=timeline)`.
"""

from ._otel import Metric
from ._record import Record
from ._summary import Spread, Stall, Summary
from ._timeline import Timeline, plot

__all__ = ("Metric", "Record", "Spread", "Stall", "Summary", "Timeline", "plot")
