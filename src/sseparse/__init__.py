"""
Parsers for server-sent events and for the streamed completions in them.

    bytes --Parser--> Event --ChunkDecoder--> chunk --Accumulator--> completion

Each step is a stage without I/O: `feed()` returns what the input completes, `close()` processes the
end. `ChunkReader` joins the stages; `Stream` and the other streams drive it over a response.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._deadlines import Deadlines
    from ._end import End, EndCause
    from ._errors import (
        BrokenStage,
        EncodingError,
        IncompleteStream,
        LimitExceeded,
        NotEventStream,
        ServerSentError,
        SSEError,
        StreamTimeout,
        TransportError,
    )
    from ._stage import Stage
    from .chunks import (
        Accumulator,
        AsyncStream,
        ChatCompletion,
        ChatCompletionChunk,
        Chunk,
        ChunkDecoder,
        ChunkParser,
        ChunkReader,
        Completion,
        CompletionChunk,
        Result,
        Stream,
        encode_chunk,
        to_chunks,
    )
    from .payloads._decoder import DecodeError
    from .sse._event import Comment, Event, encode
    from .sse._parser import ACCELERATED, Parser
    from .streams import AsyncEventStream, EventStream
else:
    from . import _lazy

    __getattr__, __dir__ = _lazy.names(
        __name__,
        {
            "_deadlines": ("Deadlines",),
            "_end": ("End", "EndCause"),
            "_errors": (
                "BrokenStage",
                "EncodingError",
                "IncompleteStream",
                "LimitExceeded",
                "NotEventStream",
                "SSEError",
                "ServerSentError",
                "StreamTimeout",
                "TransportError",
            ),
            "_stage": ("Stage",),
            "chunks": (
                "Accumulator",
                "AsyncStream",
                "ChatCompletion",
                "ChatCompletionChunk",
                "Chunk",
                "ChunkDecoder",
                "ChunkParser",
                "ChunkReader",
                "Completion",
                "CompletionChunk",
                "Result",
                "Stream",
                "encode_chunk",
                "to_chunks",
            ),
            "payloads._decoder": ("DecodeError",),
            "sse._event": ("Comment", "Event", "encode"),
            "sse._parser": ("ACCELERATED", "Parser"),
            "streams": ("AsyncEventStream", "EventStream"),
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
    "ChunkDecoder",
    "ChunkParser",
    "ChunkReader",
    "Comment",
    "Completion",
    "CompletionChunk",
    "Deadlines",
    "DecodeError",
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
