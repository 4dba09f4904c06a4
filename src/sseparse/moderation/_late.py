"""A check that takes too long."""

from __future__ import annotations

import contextvars
import queue
import threading  # noqa: TID251 - nothing else leaves a call that hangs behind
from collections.abc import Callable


def check_is_late(seconds: float) -> TimeoutError:
    """Make the error of a check that took longer than it might."""
    return TimeoutError(f"no verdict within {seconds} s")


class Bounded:
    """
    Call a check, in a thread of its own, and wait for at most so many seconds.

    A check that hangs stays behind in its thread, which does not keep the interpreter alive. For
    as long as it does every other call is late at once: so no more than one thread stays behind.

    Args:
        seconds: How long a call is waited for.
        check: What to call.

    Raises:
        TimeoutError: They passed, or an earlier call still hangs.
        BaseException: Whatever the check raised.
    """

    def __init__(self, seconds: float, check: Callable[[str], object]) -> None:
        self._seconds = seconds
        self._check = check
        self._behind: threading.Thread | None = None

    def __call__(self, text: str) -> object:
        if self._behind is not None and self._behind.is_alive():
            raise check_is_late(self._seconds)
        outcomes: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                outcomes.put((context.run(self._check, text), None))
            except BaseException as error:  # it is raised again where it is waited for
                outcomes.put((None, error))

        thread = threading.Thread(target=work, name="sseparse-check", daemon=True)
        thread.start()
        try:
            verdict, error = outcomes.get(timeout=min(self._seconds, threading.TIMEOUT_MAX))
        except queue.Empty:
            self._behind = thread
            raise check_is_late(self._seconds) from None
        thread.join()
        if error is not None:
            raise error
        return verdict
