"""Streams: a reader, and a source of bytes that it's driven from."""

from .._options import EventOptions
from ._async import AsyncEventStream
from ._protocols import Recorder
from ._reader import EventReader, Reader
from ._sync import EventStream

__all__ = ("AsyncEventStream", "EventOptions", "EventReader", "EventStream", "Reader", "Recorder")
