"""
Policy for reconnecting lost streams, without clock, randomness or I/O; and EventSource.

    policy = ReconnectPolicy(Kind.EVENTSOURCE)
    state = policy.start()
    # Send the request with state.headers and state.params, then:
    state, verdict = state.on_response(status, headers, time.time(), random())
    # Read: read the body, and pass on each event:
    state, replayed = state.on_event(event)
    # At the end of the connection:
    state, decision = state.on_end(stream.end.cause, random(), parser=parser)
    # Retry: wait decision.delay seconds and send the request again. Stop, Fail: don't.

`EventSource` does all of this over httpx2.
"""

from typing import TYPE_CHECKING

from ._policy import (
    Decision,
    Fail,
    FailReason,
    Kind,
    Read,
    ReconnectPolicy,
    Retry,
    Stop,
    StopReason,
    Verdict,
)
from ._state import Cursor, ReconnectState, retry_after

if TYPE_CHECKING:
    from ._async import AsyncEventSource
    from ._sync import EventSource
else:
    from .. import _lazy

    # These import httpx2, which the policy doesn't need.
    __getattr__, __dir__ = _lazy.names(
        __name__, {"_async": ("AsyncEventSource",), "_sync": ("EventSource",)}
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
    "Retry",
    "Stop",
    "StopReason",
    "Verdict",
    "retry_after",
]
