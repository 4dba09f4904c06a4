"""Streams: a reader, and a source of bytes that it's driven from."""

from typing import TYPE_CHECKING

# The redundant aliases mark the names as public for type checkers.
if TYPE_CHECKING:
    from .._options import EventOptions as EventOptions
    from ._async import AsyncEventStream as AsyncEventStream
    from ._event_reader import EventReader as EventReader
    from ._protocols import Recorder as Recorder
    from ._reader import Reader as Reader
    from ._sync import EventStream as EventStream
else:
    from .. import _lazy

    __getattr__, __dir__, __all__ = _lazy.names(
        __name__,
        {
            "._options": "EventOptions",
            "_async": "AsyncEventStream",
            "_event_reader": "EventReader",
            "_protocols": "Recorder",
            "_reader": "Reader",
            "_sync": "EventStream",
        },
    )
