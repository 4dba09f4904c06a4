"""Streams: iterate the events or the chunks of a response."""

from .._options import ChunkOptions, EventOptions
from ._async import AsyncEventStream, AsyncStream
from ._state import Recorder, StreamOptions
from ._sync import EventStream, Stream

__all__ = (
    "AsyncEventStream",
    "AsyncStream",
    "ChunkOptions",
    "EventOptions",
    "EventStream",
    "Recorder",
    "Stream",
    "StreamOptions",
)
