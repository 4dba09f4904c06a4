"""A spoken answer out of its pieces."""

from __future__ import annotations

import base64
import re
from typing import Any

from ..models._chat_chunk import AudioDelta
from ..models._results import Audio
from ._budget import Budget
from ._merge import copy_fields, keep_last, unknown_fields
from ._text import GrowingText

_PADDED = re.compile("[^=]+=*")


class AudioState:
    """
    Collect a spoken answer.

    Attributes:
        transcript: What is said.
    """

    def __init__(self, budget: Budget) -> None:
        self.transcript = GrowingText(budget)
        self._budget = budget
        self._id: str | None = None
        self._data = GrowingText(budget)
        # The pieces of `_data` that are complete, decoded, and where they end in it.
        self._sound = bytearray()
        self._sound_end = 0
        self._expires_at: int | None = None
        self._extra: dict[str, Any] = {}

    def add(self, delta: AudioDelta) -> None:
        """Add a piece."""
        if delta.id and delta.id != self._id:
            self._budget.replace(self._id, delta.id)
            self._id = delta.id
        if delta.data is not None:
            self._data.add(delta.data)
        if delta.transcript is not None:
            self.transcript.add(delta.transcript)
        if delta.expires_at is not None:
            self._expires_at = delta.expires_at
        if delta.extra:
            keep_last(self._extra, unknown_fields(delta), self._budget)

    def result(self) -> Audio:
        """Return the answer so far."""
        return Audio(
            id=self._id,
            data=self._unpadded_data(),
            transcript=self.transcript.value,
            expires_at=self._expires_at,
            extra=copy_fields(self._extra),
        )

    def _unpadded_data(self) -> str | None:
        """Return the base64 of all pieces as one, also where each piece was padded on its own."""
        data = self._data.value
        if data is None or "=" not in data.rstrip("="):
            return data
        last = b""
        try:
            for piece in _PADDED.finditer(data, self._sound_end):
                last = base64.b64decode(piece[0], validate=True)
                if piece.end() < len(data):
                    self._sound += last
                    self._sound_end = piece.end()
                    self._budget.left -= len(last)
        except ValueError:  # not base64
            return data
        return base64.b64encode(self._sound + last).decode()
