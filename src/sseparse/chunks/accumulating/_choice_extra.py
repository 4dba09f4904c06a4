"""The fields of a choice that the schema does not name."""

from __future__ import annotations

from typing import Any

from .._json import is_list
from ..models._results import FILTER_OFFSETS
from ._budget import Budget
from ._merge import copy_fields, keep_last

# Azure's asynchronous filter says these of one stretch of the text after the other.
_FILTER = "content_filter_"
# vLLM: the tokens of each piece.
_TOKEN_IDS = "token_ids"  # noqa: S105 - no password
# Some servers repeat the whole answer so far; nothing in it is new.
_MESSAGE = "message"


class ChoiceExtra:
    """
    Collect the fields; the last of each stays, but for those that come piece by piece.

    Attributes:
        filters: What a filter said of stretches of the text, one after the other.

    Source: Azure OpenAI documentation, "Content streaming"; vLLM, `return_token_ids`.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._fields: dict[str, Any] = {}
        self._token_ids: list[Any] | None = None
        self.filters: list[dict[str, Any]] = []

    def add(self, fields: dict[str, Any]) -> None:
        """Add a chunk's fields."""
        fields = {name: value for name, value in fields.items() if name != _MESSAGE}
        if is_list(fields.get(_TOKEN_IDS)):
            self._token_ids = self._token_ids or []
            self._token_ids += fields[_TOKEN_IDS]
            self._budget.charge(fields.pop(_TOKEN_IDS))
        if fields.get(FILTER_OFFSETS) is not None:
            filters = {name: fields[name] for name in fields if name.startswith(_FILTER)}
            self.filters.append(filters)
            self._budget.charge(filters)
        keep_last(self._fields, fields, self._budget)

    def result(self) -> dict[str, Any]:
        """Return the fields so far."""
        token_ids = {} if self._token_ids is None else {_TOKEN_IDS: [*self._token_ids]}
        return {**copy_fields(self._fields), **token_ids}
