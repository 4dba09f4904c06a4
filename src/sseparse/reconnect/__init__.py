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

`sseparse.adapters.eventsource` does all this over httpx2.
"""

from ._policy import Kind, ReconnectPolicy
from ._retry_after import retry_after
from ._state import Cursor, ReconnectState
from ._verdicts import Decision, Fail, FailReason, Read, Retry, Stop, StopReason, Verdict

__all__ = [
    "Cursor",
    "Decision",
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
