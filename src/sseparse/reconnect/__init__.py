"""
Policy for reconnecting lost streams, without clock, randomness or I/O; and EventSource.

`ReconnectPolicy.start()` returns the state of a stream. The state decides, after each response and
each end of a connection, whether to read, retry, stop or fail. `EventSource` obeys it over
httpx2, or over any library.
"""

from typing import TYPE_CHECKING

from ._decisions import Decision, Fail, FailReason, Read, ResponseDecision, Retry, Stop, StopReason
from ._headers import retry_after
from ._policy import Cursor, Kind, ReconnectPolicy, ReconnectState

if TYPE_CHECKING:
    from ._async import AsyncEventSource
    from ._sync import EventSource
else:
    from .. import _lazy

    # These read streams; the policy doesn't.
    __getattr__, __dir__, _ = _lazy.names(
        __name__, {"_async": "AsyncEventSource", "_sync": "EventSource"}
    )

__all__ = [
    "AsyncEventSource",
    "Cursor",
    "Decision",
    "EventSource",
    "Fail",
    "FailReason",
    "Kind",
    "Read",
    "ReconnectPolicy",
    "ReconnectState",
    "ResponseDecision",
    "Retry",
    "Stop",
    "StopReason",
    "retry_after",
]  # fmt: skip
