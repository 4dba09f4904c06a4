"""What an accumulator knows of the response itself, besides its items."""

from __future__ import annotations

from .._stage import Breakable
from ._events import LifecycleEvent
from ._results import Response, ResponseUsage

CREATED = "response.created"


class ResponseHead(Breakable):
    """The response of the last event that had one, without the items streamed since."""

    __slots__ = ("_head", "finished")

    _head: Response | None
    finished: bool

    def _is_another(self, event: LifecycleEvent, response: Response) -> bool:
        """Return whether a response isn't the one before it; some servers change its id."""
        is_start = event.type == CREATED
        if self._head is None or response.id is None:
            return is_start and self.finished
        return response.id != self._head.id and (is_start or self.finished)

    @property
    def id(self) -> str | None:
        """The id of the response, or None."""
        return None if self._head is None else self._head.id

    @property
    def model(self) -> str | None:
        """The model of the response, or None."""
        return None if self._head is None else self._head.model

    @property
    def usage(self) -> ResponseUsage | None:
        """The token counts that the server sent; None if it sent none so far."""
        return None if self._head is None else self._head.usage
