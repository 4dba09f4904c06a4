"""What an accumulator knows of the response itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..payloads._accumulator import ResultAccumulator
from ._events import LifecycleEvent, ResponseEvent
from ._results import Response, ResponseUsage

if TYPE_CHECKING:
    from ..payloads._growing import GrowingText
    from ._item_table import ItemTable
    from ._updates import Update
else:
    Update: TypeAlias = Any  # most programs do without updates

_CREATED: Final = "response.created"


class ResponseHead(ResultAccumulator[ResponseEvent, Response, Update]):
    """The response of the last event that had one, and its fields."""

    __slots__ = ("_audio", "_head", "_is_finished", "_items")

    _audio: dict[str, GrowingText] | None
    _head: Response | None
    _items: ItemTable | None
    _is_finished: bool

    @property
    def finished(self) -> bool:
        """Whether the terminal event was added."""
        return self._is_finished

    def _is_another(self, event: LifecycleEvent, response: Response) -> bool:
        """Return whether a response isn't the one before it; some servers change its id."""
        is_start = event.type == _CREATED
        if self._head is None or response.id is None:
            return is_start and self._is_finished
        return response.id != self._head.id and (is_start or self._is_finished)

    @property
    def _is_empty(self) -> bool:
        """Whether no event of a response was added."""
        return self._head is None and not self._items and self._audio is None

    @property
    def _transcript(self) -> str | None:
        text = (self._audio or {}).get("transcript")
        return None if text is None else text.value

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
