"""A terminal that is none, for what looks different in one."""

import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pseudo_terminal() -> Iterator[tuple[int, list[bytes]]]:
    """Give a terminal, which the block has to close; what it was sent is in the list after that."""
    controller, terminal = pty.openpty()
    sent: list[bytes] = []

    def drain() -> None:
        try:
            while data := os.read(controller, 65536):
                sent.append(data)
        except OSError:
            # How Linux says that the other end was closed.
            pass

    reader = threading.Thread(target=drain)
    reader.start()
    yield terminal, sent
    reader.join()
    os.close(controller)
