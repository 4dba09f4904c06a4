"""Chat and legacy completions: their chunks, decoding, and accumulating."""

from typing import TYPE_CHECKING

# The redundant aliases mark the names as public for type checkers.
if TYPE_CHECKING:
    from ..payloads._model import TokenCounts as TokenCounts
    from ..payloads._partial_json import JSONFault as JSONFault
    from ..payloads._partial_json import PartialJSON as PartialJSON
    from ..payloads._results import Note as Note
    from ..payloads._results import ToolCallView as ToolCallView
    from ..payloads._updates import ArgumentsDelta as ArgumentsDelta
    from ..payloads._updates import ChoiceFinished as ChoiceFinished
    from ..payloads._updates import ContentDelta as ContentDelta
    from ..payloads._updates import ContentDone as ContentDone
    from ..payloads._updates import LogprobsDelta as LogprobsDelta
    from ..payloads._updates import ReasoningDelta as ReasoningDelta
    from ..payloads._updates import ReasoningDone as ReasoningDone
    from ..payloads._updates import RefusalDelta as RefusalDelta
    from ..payloads._updates import RefusalDone as RefusalDone
    from ..payloads._updates import TextUpdate as TextUpdate
    from ..payloads._updates import ToolCallDone as ToolCallDone
    from ..payloads._updates import ToolCallStarted as ToolCallStarted
    from ..payloads._updates import TranscriptDelta as TranscriptDelta
    from ..payloads._updates import TranscriptDone as TranscriptDone
    from ..payloads._updates import UsageReported as UsageReported
    from ._accumulator import Accumulator as Accumulator
    from ._async_stream import AsyncChatStream as AsyncChatStream
    from ._async_stream import AsyncCompletionStream as AsyncCompletionStream
    from ._async_stream import AsyncStream as AsyncStream
    from ._decoder import ChunkDecoder as ChunkDecoder
    from ._decoder import ChunkOptions as ChunkOptions
    from ._decoder import ChunkParser as ChunkParser
    from ._encode import encode_chunk as encode_chunk
    from ._encode import encode_error as encode_error
    from ._encode import to_chunks as to_chunks
    from ._errors import WrongKind as WrongKind
    from ._estimate import ChoiceTokens as ChoiceTokens
    from ._estimate import EstimatedUsage as EstimatedUsage
    from ._estimate import estimate_usage as estimate_usage
    from ._models import AudioDelta as AudioDelta
    from ._models import ChatCompletionChunk as ChatCompletionChunk
    from ._models import ChoiceDelta as ChoiceDelta
    from ._models import ChoiceLogprobs as ChoiceLogprobs
    from ._models import Chunk as Chunk
    from ._models import ChunkChoice as ChunkChoice
    from ._models import CompletionChunk as CompletionChunk
    from ._models import CompletionChunkChoice as CompletionChunkChoice
    from ._models import CompletionLogprobs as CompletionLogprobs
    from ._models import CompletionTokensDetails as CompletionTokensDetails
    from ._models import CompletionUsage as CompletionUsage
    from ._models import CustomToolDelta as CustomToolDelta
    from ._models import FunctionDelta as FunctionDelta
    from ._models import PromptTokensDetails as PromptTokensDetails
    from ._models import TokenLogprob as TokenLogprob
    from ._models import ToolCallDelta as ToolCallDelta
    from ._models import TopLogprob as TopLogprob
    from ._results import Audio as Audio
    from ._results import ChatChoice as ChatChoice
    from ._results import ChatCompletion as ChatCompletion
    from ._results import ChatMessage as ChatMessage
    from ._results import Completion as Completion
    from ._results import CompletionChoice as CompletionChoice
    from ._results import CustomTool as CustomTool
    from ._results import Function as Function
    from ._results import NoteKind as NoteKind
    from ._results import Result as Result
    from ._results import ToolCall as ToolCall
    from ._stream import ChatStream as ChatStream
    from ._stream import ChunkReader as ChunkReader
    from ._stream import CompletionStream as CompletionStream
    from ._stream import ReaderOptions as ReaderOptions
    from ._stream import Stream as Stream
    from ._stream import StreamOptions as StreamOptions
    from ._think_tags import ThinkTags as ThinkTags
    from ._updates import Update as Update
else:
    from .. import _lazy

    __getattr__, __dir__, __all__ = _lazy.names(
        __name__,
        {
            ".payloads._model": "TokenCounts",
            ".payloads._partial_json": "JSONFault PartialJSON",
            ".payloads._results": "Note ToolCallView",
            ".payloads._updates": "ArgumentsDelta ChoiceFinished ContentDelta ContentDone "
            "LogprobsDelta ReasoningDelta ReasoningDone RefusalDelta RefusalDone TextUpdate "
            "ToolCallDone ToolCallStarted TranscriptDelta TranscriptDone UsageReported",
            "_accumulator": "Accumulator",
            "_async_stream": "AsyncChatStream AsyncCompletionStream AsyncStream",
            "_decoder": "ChunkDecoder ChunkOptions ChunkParser",
            "_encode": "encode_chunk encode_error to_chunks",
            "_errors": "WrongKind",
            "_estimate": "ChoiceTokens EstimatedUsage estimate_usage",
            "_models": "AudioDelta ChatCompletionChunk ChoiceDelta ChoiceLogprobs Chunk "
            "ChunkChoice CompletionChunk CompletionChunkChoice CompletionLogprobs "
            "CompletionTokensDetails CompletionUsage CustomToolDelta FunctionDelta "
            "PromptTokensDetails TokenLogprob ToolCallDelta TopLogprob",
            "_results": "Audio ChatChoice ChatCompletion ChatMessage Completion CompletionChoice "
            "CustomTool Function NoteKind Result ToolCall",
            "_stream": "ChatStream ChunkReader CompletionStream ReaderOptions Stream StreamOptions",
            "_think_tags": "ThinkTags",
            "_updates": "Update",
        },
    )
