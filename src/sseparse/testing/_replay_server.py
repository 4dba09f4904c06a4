"""An HTTP server on this machine that replays streams."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from ._replay import Replay
from ._replay_request import ReceivedRequest

_Serve = Callable[[socket.socket], None]


class ReplayServer:
    """
    Serve recorded streams over real HTTP/1.1 connections on the loopback interface.

    A context manager: it listens from the start of the block to its end, and then closes every
    connection and waits for its threads. Connections are kept alive between requests. Needs
    h11: `pip install 'sseparse[h11]'`.

        body = b'data: {"choices": []}\\n\\ndata: [DONE]\\n\\n'
        with ReplayServer(Replay(body, delays=0.01, framing="gzip")) as server:
            with httpx2.stream("POST", server.url, json={"stream": True}) as response:
                ...
        assert server.requests[0].json() == {"stream": True}

    Args:
        replay: What to answer: one body or `Replay`, to every request; or several, by the path
            that is asked for. Other paths are answered with 404.

    Attributes:
        requests: The requests that came, oldest first. One is here before its answer begins.
    """

    def __init__(self, replay: bytes | Replay | Mapping[str, bytes | Replay]) -> None:
        self._replays: Mapping[str, bytes | Replay] | None = None
        self._replay: bytes | Replay = b""
        if isinstance(replay, bytes | Replay):
            self._replay = replay
        else:
            self._replays = replay
        self.requests: list[ReceivedRequest] = []
