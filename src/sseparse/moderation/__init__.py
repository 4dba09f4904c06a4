"""
Moderation of a stream: readers get text only after a check has approved it.

    gate = Gate(check)
    for text in gate.text_deltas(Stream(response)):
        print(text, end="")

`check` gets the text window by window and returns True to approve it. To run the checks yourself,
use the gate as a stage: `feed()` returns the windows to check, and `decide()` releases text in
order, in whatever order the verdicts arrive.
"""

from ._core import HasOnRelease
from ._gate import AsyncCheck, Check, Gate
from ._verdicts import Flagged, HasFlagged, HasResults, Verdict
from ._windows import Release, Window

__all__ = (
    "AsyncCheck",
    "Check",
    "Flagged",
    "Gate",
    "HasFlagged",
    "HasOnRelease",
    "HasResults",
    "Release",
    "Verdict",
    "Window",
)
