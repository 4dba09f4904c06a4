"""Whether the events of a body are chunks, and so how their stream ended."""

from __future__ import annotations

from typing import cast

from attrs import evolve

from .. import ChunkDecoder, End, Event, IncompleteStream, SSEError


class Judge:
    """Look at events as they pass; judge their stream as one of chunks, if it is one."""

    def __init__(self) -> None:
        self._decoder = ChunkDecoder(on_bad_json="skip")
        self._saw_choices = False

    def see(self, event: Event) -> None:
        """Look at an event; what comes after an error counts no more."""
        if self._decoder.error is None:
            chunks = self._decoder.feed(event)
            self._saw_choices = self._saw_choices or any(chunk.choices for chunk in chunks)

    def verdict(self, end: End) -> tuple[End, SSEError | None]:
        """Return how the stream ended, which was well enough as one of events."""
        if self._decoder.error is not None:
            return end, self._decoder.error
        if not self._saw_choices and not self._decoder.done:
            return end, None
        self._decoder.close()
        chunks = cast(End, self._decoder.end)
        judged = evolve(
            end,
            cause=chunks.cause,
            done_seen=chunks.done_seen,
            finish_seen=chunks.finish_seen,
            finish_reasons=chunks.finish_reasons,
        )
        return judged, None if judged.complete else IncompleteStream(end=judged)
