"""Parts of a message that take more than joining texts: audio and structured reasoning."""

from __future__ import annotations

import base64
import re
from typing import Any

from ..payloads._growing import Budget, GrowingText, copy_fields, keep_last, unknown_fields
from ._models import ENCRYPTED, KEY, TEXTS, AudioDelta
from ._results import Audio

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


class ReasoningDetails:
    """
    Collect the entries of `reasoning_details`.

    Pieces of one type and index are one entry: texts are appended, the last signature stays, of
    all else the first. Encrypted entries come whole. Sent back otherwise than they came, the
    entries are refused by the API.

    Source: OpenRouter documentation, "Reasoning tokens", and recordings.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._entries: list[_Entry] = []
        self._by_key: dict[tuple[str, int], _Entry] = {}

    def add(self, detail: dict[str, Any]) -> None:
        """Add a piece to the entry that it belongs to, or begin a new entry with it."""
        kind, index = str(detail.get("type")), detail.get("index")
        entry = self._find(kind, index, detail)
        if entry is None:
            entry = _Entry(kind, detail, self._budget)
            self._entries.append(entry)
            if isinstance(index, int):
                self._by_key[kind, index] = entry
        entry.add(detail)

    def _find(self, kind: str, index: Any, detail: dict[str, Any]) -> _Entry | None:
        last = self._entries[-1] if self._entries else None
        same = self._by_key.get((kind, index)) if isinstance(index, int) else None
        continues = last if last is not None and last.kind == kind else None
        if detail.get("signature") and not any(detail.get(name) for name in TEXTS):
            # It signs what comes before it, whatever its index: OpenRouter sends it apart.
            return same or (continues if "type" in detail else last)
        if kind == ENCRYPTED:
            return None
        return same if isinstance(index, int) else continues

    def result(self) -> list[dict[str, Any]] | None:
        """Return the entries so far; None for none."""
        return [entry.result() for entry in self._entries] or None


class _Entry:
    def __init__(self, kind: str, first: dict[str, Any], budget: Budget) -> None:
        self.kind = kind
        self._budget = budget
        # Those of its first piece; a signature may come with others.
        self._fields: dict[str, Any] = {name: first[name] for name in KEY if name in first}
        budget.charge(self._fields)

    def add(self, detail: dict[str, Any]) -> None:
        fields = self._fields
        for name, value in detail.items():
            if name in TEXTS and isinstance(value, str):
                if not isinstance(fields.get(name), GrowingText):
                    fields[name] = GrowingText(self._budget)
                fields[name].add(value)
            elif name == "signature":
                keep_last(fields, {name: value or None}, self._budget)
            elif name not in KEY and (
                name not in fields or (fields[name] is None and value is not None)
            ):
                fields[name] = value
                self._budget.charge({name: value})

    def result(self) -> dict[str, Any]:
        return {
            name: value.value if isinstance(value, GrowingText) else value
            for name, value in self._fields.items()
        }
