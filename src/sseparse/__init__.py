"""
Parse server-sent events, and the streamed completions in them.

    bytes --Parser--> Event --ChunkDecoder--> chunk --Accumulator--> completion

Every step is a stage: `feed()` returns what a piece of input completes, `close()` takes the end.
`Stream` and its kin drive the stages over a response: they read what they are given, and open
nothing of their own.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._accelerated import ACCELERATED
    from ._deadlines import Deadlines
    from ._encode import encode
    from ._ends import End, EndCause
    from ._errors import (
        BrokenStage,
        ChunkDecodeError,
        EncodingError,
        IncompleteStream,
        LimitExceeded,
        NotEventStream,
        ServerSentError,
        SSEError,
        StreamTimeout,
        TransportError,
    )
    from ._events import Comment, Event
    from ._parser import Parser
    from ._stage import Stage
    from .chunks import (
        Accumulator,
        ChatCompletion,
        ChatCompletionChunk,
        Chunk,
        ChunkDecoder,
        ChunkParser,
        Completion,
        CompletionChunk,
        Result,
        encode_chunk,
        to_chunks,
    )
    from .streams import AsyncEventStream, AsyncStream, EventStream, Stream
else:
    from . import _lazy

    __getattr__, __dir__ = _lazy.names(
        __name__,
        {
            "_accelerated": ("ACCELERATED",),
            "_deadlines": ("Deadlines",),
            "_encode": ("encode",),
            "_ends": ("End", "EndCause"),
            "_errors": (
                "BrokenStage",
                "ChunkDecodeError",
                "EncodingError",
                "IncompleteStream",
                "LimitExceeded",
                "NotEventStream",
                "SSEError",
                "ServerSentError",
                "StreamTimeout",
                "TransportError",
            ),
            "_events": ("Comment", "Event"),
            "_parser": ("Parser",),
            "_stage": ("Stage",),
            "chunks": (
                "Accumulator",
                "ChatCompletion",
                "ChatCompletionChunk",
                "Chunk",
                "ChunkDecoder",
                "ChunkParser",
                "Completion",
                "CompletionChunk",
                "Result",
                "encode_chunk",
                "to_chunks",
            ),
            "streams": ("AsyncEventStream", "AsyncStream", "EventStream", "Stream"),
        },
    )

__version__ = "0.1.0"

__all__ = (
    "ACCELERATED",
    "Accumulator",
    "AsyncEventStream",
    "AsyncStream",
    "BrokenStage",
    "ChatCompletion",
    "ChatCompletionChunk",
    "Chunk",
    "ChunkDecodeError",
    "ChunkDecoder",
    "ChunkParser",
    "Comment",
    "Completion",
    "CompletionChunk",
    "Deadlines",
    "EncodingError",
    "End",
    "EndCause",
    "Event",
    "EventStream",
    "IncompleteStream",
    "LimitExceeded",
    "NotEventStream",
    "Parser",
    "Result",
    "SSEError",
    "ServerSentError",
    "Stage",
    "Stream",
    "StreamTimeout",
    "TransportError",
    "__version__",
    "encode",
    "encode_chunk",
    "to_chunks",
)
