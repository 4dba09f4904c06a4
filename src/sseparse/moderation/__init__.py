"""Moderation of a stream: readers get text only after a check has approved it."""

from ..payloads._gated import GatedItem
from ._gate import AsyncCheck, AsyncWindowCheck, Check, Gate, HasOnRelease, WindowCheck
from ._verdicts import Flagged, HasFlagged, HasResults, Replace, Verdict
from ._windows import Release, Window

__all__ = [
    "AsyncCheck", "AsyncWindowCheck", "Check", "Flagged", "Gate", "GatedItem", "HasFlagged",
    "HasOnRelease", "HasResults", "Release", "Replace", "Verdict", "Window", "WindowCheck",
]  # fmt: skip
