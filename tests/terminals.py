"""A pseudo-terminal for tests of terminal output."""

import os
import pty
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pseudo_terminal() -> Iterator[tuple[int, list[bytes]]]:
    """Yield a terminal, which the block must close, and the list of the bytes written to it."""
    controller, terminal = pty.openpty()
    sent: list[bytes] = []

    def drain() -> None:
        try:
            while data := os.read(controller, 65536):
                sent.append(data)
        except OSError:
            # Linux raises this after the other end was closed.
            pass

    reader = threading.Thread(target=drain)
    reader.start()
    yield terminal, sent
    reader.join()
    os.close(controller)
