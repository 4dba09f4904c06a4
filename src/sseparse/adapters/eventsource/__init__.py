"""
EventSource as browsers have it, over httpx2: a stream of events that outlives its connections.

    with EventSource("https://example.org/events") as events:
        for event in events:
            print(event.data)
"""

try:
    from ._async import AsyncEventSource
    from ._sync import EventSource
except ModuleNotFoundError as _error:
    _message = "EventSource needs httpx2: pip install 'sseparse[httpx2]'"
    raise ModuleNotFoundError(_message, name=_error.name) from _error

__all__ = ["AsyncEventSource", "EventSource"]
