"""`sseparse demo`: two completions, streamed from a server on this machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import httpx2

from .. import Stream
from ..testing import ReplayServer
from ._demo_plain import show_plain
from ._demo_record import Arrival, Record
from ._demo_rich import show_rich
from ._demo_script import Ask, make_asks

_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


def demo(*, fast: bool) -> int:
    """
    Stream two completions, and show how they come.

    Args:
        fast: Whether to do it without waiting between the tokens.

    Returns:
        The exit status: 0.
    """
    asks = make_asks(fast=fast)
    replays = {ask.path: ask.replay for ask in asks}
    show = show_rich if _in_terminal() else show_plain
    # Settings of the environment, a proxy for one, are not for a server on this very machine.
    with ReplayServer(replays) as server, httpx2.Client(trust_env=False) as client:
        for number, ask in enumerate(asks, 1):

            def listen(take: Callable[[Arrival], None], ask: Ask = ask) -> Record:
                return _listen(client, server.url, ask, take)

            show(f"{number}. {ask.title}", ask, listen)
    return 0


def _in_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _listen(client: httpx2.Client, url: str, ask: Ask, take: Callable[[Arrival], None]) -> Record:
    arrivals: list[Arrival] = []
    started = time.perf_counter()
    with (
        client.stream("POST", url + ask.path, json=ask.request, headers=_HEADERS) as response,
        Stream(response) as stream,
    ):
        for chunk in stream:
            arrivals.append(Arrival(time.perf_counter() - started, chunk))
            take(arrivals[-1])
        return Record(arrivals, stream.result())
