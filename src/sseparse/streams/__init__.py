"""Streams: iterate the events or the chunks of a response."""

from .._options import ChunkOptions, EventOptions
from ._async import AsyncEventStream, AsyncStream
from ._options import Recorder, StreamOptions
from ._sources import (
    AiohttpResponse,
    AsyncReadable,
    AsyncSource,
    HTTPXResponse,
    SyncReadable,
    SyncSource,
)
from ._sync import EventStream, Stream

__all__ = (
    "AiohttpResponse",
    "AsyncEventStream",
    "AsyncReadable",
    "AsyncSource",
    "AsyncStream",
    "ChunkOptions",
    "EventOptions",
    "EventStream",
    "HTTPXResponse",
    "Recorder",
    "Stream",
    "StreamOptions",
    "SyncReadable",
    "SyncSource",
)
