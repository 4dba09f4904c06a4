"""What a thread of the server can wait for beside a socket."""

from __future__ import annotations

import selectors
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Final, Protocol

# poll() needs no descriptor of its own, as epoll and kqueue do: waiting works when none is left.
_Selector: Final[type[selectors.BaseSelector]] = (
    selectors.SelectSelector if sys.platform == "win32" else selectors.PollSelector
)


class HasFileno(Protocol):
    """What a selector waits for."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...


def wait_for(events: Mapping[HasFileno, int], timeout: float | None = None) -> None:
    """
    Wait until one of several files is ready.

    Args:
        events: The files, with the events of each: `selectors.EVENT_READ`, for one.
        timeout: The longest time to wait, in seconds; None for no limit. After a million
            seconds it returns in any case: poll() can't wait for much longer.
    """
    with _Selector() as selector:
        for file, mask in events.items():
            selector.register(file, mask)
        selector.select(None if timeout is None else min(timeout, 1_000_000))


class Signal:
    """Raise a flag that a selector sees: its file can be read while the flag is up."""

    def __init__(self) -> None:
        self._seen, self._raised = socket.socketpair()
        self.is_set = False

    def fileno(self) -> int:
        """Return what a selector waits on."""
        return self._seen.fileno()

    def set(self) -> None:
        """Raise the flag, which is down."""
        self.is_set = True
        self._raised.send(b"\0")

    def clear(self) -> None:
        """Take down the flag, which is up."""
        self.is_set = False
        self._seen.recv(1)

    def close(self) -> None:
        """Close its files."""
        self._seen.close()
        self._raised.close()


class Gate:
    """Count permits; a selector sees whether there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._permits = 0
        self._open = Signal()

    def fileno(self) -> int:
        """Return what a selector waits on."""
        return self._open.fileno()

    def release(self, permits: int) -> None:
        """Give permits."""
        with self._lock:
            self._permits += permits
            if self._permits and not self._open.is_set:
                self._open.set()

    def take(self) -> bool:
        """Take a permit; tell whether there was one."""
        with self._lock:
            if not self._permits:
                return False
            self._permits -= 1
            if not self._permits:
                self._open.clear()
            return True

    def close(self) -> None:
        """Close its files."""
        self._open.close()
