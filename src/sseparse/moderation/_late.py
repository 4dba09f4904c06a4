"""A check that takes too long."""

from __future__ import annotations

import contextvars
import queue
import threading  # noqa: TID251 - nothing else leaves a call that hangs behind
from collections.abc import Callable


def check_is_late(seconds: float) -> TimeoutError:
    """Make the error of a check that took longer than it might."""
    return TimeoutError(f"no verdict within {seconds} s")


def call_within(seconds: float, check: Callable[[str], object], text: str) -> object:
    """
    Call a check, in a thread of its own, and wait for at most so many seconds.

    A check that hangs stays behind in its thread, which does not keep the interpreter alive.

    Raises:
        TimeoutError: They passed.
        BaseException: Whatever the check raised.
    """
    outcomes: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcomes.put((context.run(check, text), None))
        except BaseException as error:  # it is raised again where it is waited for
            outcomes.put((None, error))

    thread = threading.Thread(target=work, name="sseparse-check", daemon=True)
    thread.start()
    try:
        verdict, error = outcomes.get(timeout=min(seconds, threading.TIMEOUT_MAX))
    except queue.Empty:
        raise check_is_late(seconds) from None
    thread.join()
    if error is not None:
        raise error
    return verdict
