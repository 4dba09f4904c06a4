"""
Decide whether, when and how to reconnect, without a clock, chance or I/O.

    policy = ReconnectPolicy(Kind.EVENTSOURCE)
    state = policy.start()
    # Send the request with state.headers and state.params, then:
    state, verdict = state.on_response(status, headers, time.time(), random())
    # Read: read the body, and tell each event:
    state, replayed = state.on_event(event)
    # The connection ended:
    state, decision = state.on_end(stream.end.cause, random(), parser=parser)
    # Retry: wait decision.delay seconds and send the request again. Stop, Fail: it is over.

`EventSource` does all this over httpx2.
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

    # They import httpx2, which the policy does without.
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
