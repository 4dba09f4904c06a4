"""What httpx and httpx2 raise, told as errors of a stream."""

from __future__ import annotations

import sys

from .._errors import StreamTimeout, TransportError

_LIBRARIES = ("httpx", "httpx2")


def failures() -> tuple[type[Exception], ...]:
    """Find the root of the exceptions of each of the libraries that is loaded."""
    modules = (sys.modules.get(name) for name in _LIBRARIES)
    return tuple(module.RequestError for module in modules if module is not None)


def translated(error: Exception) -> TransportError:
    """Tell of a library's exception, which the caller makes the cause."""
    message = f"{type(error).__module__.partition('.')[0]} failed: {type(error).__name__}: {error}"
    if any(kind.__name__ == "TimeoutException" for kind in type(error).__mro__):
        return StreamTimeout(message, clock="transport")
    return TransportError(message)
