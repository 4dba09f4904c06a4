"""Parts of a message that need more than joining text: audio and structured reasoning."""

from __future__ import annotations

import binascii
import re
from typing import Any

from ..payloads._growing import (
    Budget,
    GrowingText,
    copy_grown,
    grow_fields,
    keep_last,
    unknown_fields,
)
from ._models import ENCRYPTED, KEY, TEXTS, AudioDelta
from ._results import Audio

_PADDED = re.compile("[^=]+=*")


class AudioState:
    """Spoken answer while its pieces arrive."""

    def __init__(self, budget: Budget) -> None:
        self.transcript = GrowingText(budget)
        self._budget = budget
        self._id: str | None = None
        self._data = GrowingText(budget)
        # The complete base64 texts in `_data`, decoded, and where the last one ends.
        self._decoded = bytearray()
        self._decoded_end = 0
        self._expires_at: int | None = None
        self._extra: dict[str, Any] = {}

    def add(self, delta: AudioDelta) -> None:
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
            grow_fields(self._extra, unknown_fields(delta), self._budget)

    def result(self) -> Audio:
        return Audio(
            id=self._id,
            data=self._join_base64(),
            transcript=self.transcript.value,
            expires_at=self._expires_at,
            extra=copy_grown(self._extra),
        )

    def _join_base64(self) -> str | None:
        """Return all pieces as one base64 text, also if each piece has its own padding."""
        data = self._data.value
        if data is None or "=" not in data.rstrip("="):
            return data
        last = b""
        try:
            for piece in _PADDED.finditer(data, self._decoded_end):
                last = binascii.a2b_base64(piece[0], strict_mode=True)
                if piece.end() < len(data):
                    self._decoded += last
                    self._decoded_end = piece.end()
                    self._budget.left -= len(last)
        except ValueError:  # not base64
            return data
        return binascii.b2a_base64(self._decoded + last, newline=False).decode()


class ReasoningDetails:
    """
    Entries of `reasoning_details` while their pieces arrive.

    Pieces of the same type and index are one entry: their texts are joined; of the signature the
    last value is used, of other fields the first. Encrypted entries are never split. The API
    rejects entries that are sent back in any other form.

    Source: OpenRouter documentation, "Reasoning tokens", and recordings.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._entries: list[_Entry] = []
        self._by_key: dict[tuple[str, int], _Entry] = {}

    def add(self, detail: dict[str, Any]) -> None:
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
        continued = last if last is not None and last.kind == kind else None
        if detail.get("signature") and not any(detail.get(name) for name in TEXTS):
            # OpenRouter sends a signature after what it signs, in some cases with another index.
            return same or (continued if "type" in detail else last)
        if kind == ENCRYPTED:
            return None
        return same if isinstance(index, int) else continued

    def result(self) -> list[dict[str, Any]] | None:
        return [entry.result() for entry in self._entries] or None


class _Entry:
    def __init__(self, kind: str, first: dict[str, Any], budget: Budget) -> None:
        self.kind = kind
        self._budget = budget
        # The key is that of the first piece: a signature can have another one.
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
