"""
Let a reader see the text of an answer only after a check has passed it.

    gate = Gate(check)
    for text in gate.text_deltas(Stream(response)):
        print(text, end="")

`check` gets the text window by window and returns True to let it through. The gate is a stage
too, for those who ask for verdicts themselves: `feed()` tells which windows want one, and
`decide()` lets text out in order, in whatever order the verdicts come.
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
