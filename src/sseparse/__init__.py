"""
Parsers for server-sent events and for the streamed LLM answers in them.

    bytes --Parser--> Event --ChunkDecoder--> chunk --Accumulator--> completion

Each step is a stage without I/O: `feed()` returns what the input completes, `close()` processes the
end. `ChunkReader` joins the stages; `Stream` and the other streams drive it over a response.
`sseparse.responses` and `sseparse.messages` have the same classes for two other APIs.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

# The redundant aliases mark the names as public for type checkers.
if TYPE_CHECKING:
    from . import adapters as adapters
    from . import messages as messages
    from . import moderation as moderation
    from . import reconnect as reconnect
    from . import responses as responses
    from . import testing as testing
    from . import timing as timing
    from . import tokens as tokens
    from ._deadlines import Deadlines as Deadlines
    from ._end import End as End
    from ._end import EndCause as EndCause
    from ._errors import BrokenStage as BrokenStage
    from ._errors import EncodingError as EncodingError
    from ._errors import IncompleteStream as IncompleteStream
    from ._errors import LimitExceeded as LimitExceeded
    from ._errors import NotEventStream as NotEventStream
    from ._errors import ParseError as ParseError
    from ._errors import ProxyError as ProxyError
    from ._errors import ServerSentError as ServerSentError
    from ._errors import SSEError as SSEError
    from ._errors import StreamTimeout as StreamTimeout
    from ._errors import TransportError as TransportError
    from ._recognize import recognize as recognize
    from ._stage import Stage as Stage
    from .chunks import Accumulator as Accumulator
    from .chunks import AsyncChatStream as AsyncChatStream
    from .chunks import AsyncCompletionStream as AsyncCompletionStream
    from .chunks import AsyncStream as AsyncStream
    from .chunks import ChatCompletion as ChatCompletion
    from .chunks import ChatCompletionChunk as ChatCompletionChunk
    from .chunks import ChatStream as ChatStream
    from .chunks import Chunk as Chunk
    from .chunks import ChunkDecoder as ChunkDecoder
    from .chunks import ChunkParser as ChunkParser
    from .chunks import ChunkReader as ChunkReader
    from .chunks import Completion as Completion
    from .chunks import CompletionChunk as CompletionChunk
    from .chunks import CompletionStream as CompletionStream
    from .chunks import Result as Result
    from .chunks import Stream as Stream
    from .chunks import ThinkTags as ThinkTags
    from .chunks import WrongKind as WrongKind
    from .chunks import encode_chunk as encode_chunk
    from .chunks import encode_error as encode_error
    from .chunks import to_chunks as to_chunks
    from .payloads._decoder import DecodeError as DecodeError
    from .sse._event import Comment as Comment
    from .sse._event import Event as Event
    from .sse._event import encode as encode
    from .sse._parser import ACCELERATED as ACCELERATED
    from .sse._parser import Parser as Parser
    from .streams import AsyncEventStream as AsyncEventStream
    from .streams import EventStream as EventStream
else:
    from . import _lazy

    _PACKAGES = (
        *("adapters", "messages", "moderation", "reconnect", "responses", "testing", "timing"),
        "tokens",
    )
    __getattr__, __dir__, __all__ = _lazy.names(
        __name__,
        {
            "_deadlines": "Deadlines",
            "_end": "End EndCause",
            "_errors": "BrokenStage EncodingError IncompleteStream LimitExceeded NotEventStream "
            "ParseError ProxyError SSEError ServerSentError StreamTimeout TransportError",
            "_recognize": "recognize",
            "_stage": "Stage",
            **dict.fromkeys(_PACKAGES, ""),
            "chunks": "Accumulator AsyncChatStream AsyncCompletionStream AsyncStream "
            "ChatCompletion ChatCompletionChunk ChatStream Chunk ChunkDecoder ChunkParser "
            "ChunkReader Completion CompletionChunk CompletionStream Result Stream ThinkTags "
            "WrongKind encode_chunk encode_error to_chunks",
            "payloads._decoder": "DecodeError",
            "sse._event": "Comment Event encode",
            "sse._parser": "ACCELERATED Parser",
            "streams": "AsyncEventStream EventStream",
        },
    )
