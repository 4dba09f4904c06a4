"""Streams: iterate the events or the chunks of a response."""

from .._options import ChunkOptions, EventOptions, StreamOptions
from ._async import AsyncEventStream, AsyncStream
from ._sources import AsyncSource, HTTPXResponse, SyncSource
from ._sync import EventStream, Stream

__all__ = (
    "AsyncEventStream",
    "AsyncSource",
    "AsyncStream",
    "ChunkOptions",
    "EventOptions",
    "EventStream",
    "HTTPXResponse",
    "Stream",
    "StreamOptions",
    "SyncSource",
)
