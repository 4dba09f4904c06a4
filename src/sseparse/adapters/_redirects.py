"""Redirects that a client followed, and of which something else came than was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .._errors import NotEventStream
from ..streams._faults import refused

Hop = tuple[str, int, Mapping[str, str]]
"""The method of a request, and the status and the headers of its answer."""


def turned_into_get(hops: Iterable[Hop], method: str) -> NotEventStream | None:
    """
    Tell of a POST that became a GET on the way, as clients do where they are not told otherwise.

    Args:
        hops: The redirects that were followed, the first one first.
        method: The method of the request that the response answers.
    """
    for asked, status, headers in hops:
        if asked != method:
            return refused(status, headers)
    return None
