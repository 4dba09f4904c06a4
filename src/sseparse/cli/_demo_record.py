"""What came in the demo, and when."""

from __future__ import annotations

import json
from collections.abc import Callable

from attrs import frozen

from ..chunks import ChatCompletionChunk, Chunk, Result


@frozen
class Arrival:
    """
    Hold a chunk, and when it came.

    Attributes:
        seconds: The time after the request.
        chunk: The chunk.
    """

    seconds: float
    chunk: Chunk

    @property
    def news(self) -> str:
        """What the chunk adds, as JSON: a chat's delta, a legacy completion's text."""
        if isinstance(self.chunk, ChatCompletionChunk):
            return json.dumps(self.chunk.choices[0].delta.to_dict())
        return json.dumps(self.chunk.text)


@frozen
class Record:
    """
    Hold all that came.

    Attributes:
        arrivals: The chunks.
        result: The completion that they amount to.
    """

    arrivals: list[Arrival]
    result: Result

    @property
    def first_token(self) -> float:
        """When the first text came, in seconds after the request."""
        return next(arrival.seconds for arrival in self.arrivals if arrival.chunk.text)

    @property
    def total(self) -> float:
        """When the last chunk came, in seconds after the request."""
        return self.arrivals[-1].seconds

    @property
    def sooner(self) -> float:
        """How much sooner the first text came than the whole, in seconds."""
        return self.total - self.first_token


Listen = Callable[[Callable[[Arrival], None]], Record]
"""Sends a request; calls back with each chunk as it comes; returns all of them."""
