"""Chat and legacy completions: their chunks, decoding, and accumulating."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..payloads._partial_json import JSONFault, PartialJSON
    from ..payloads._updates import (
        ArgumentsDelta,
        ChoiceFinished,
        ContentDelta,
        ContentDone,
        LogprobsDelta,
        ReasoningDelta,
        ReasoningDone,
        RefusalDelta,
        RefusalDone,
        TextUpdate,
        ToolCallDone,
        ToolCallStarted,
        TranscriptDelta,
        TranscriptDone,
        UsageReported,
    )
    from ._accumulator import Accumulator
    from ._decoder import ChunkDecoder, ChunkOptions, ChunkParser
    from ._encode import encode_chunk, to_chunks
    from ._estimate import ChoiceTokens, EstimatedUsage, estimate_usage
    from ._models import (
        AudioDelta,
        ChatCompletionChunk,
        ChoiceDelta,
        ChoiceLogprobs,
        Chunk,
        ChunkChoice,
        CompletionChunk,
        CompletionChunkChoice,
        CompletionLogprobs,
        CompletionTokensDetails,
        CompletionUsage,
        CustomToolDelta,
        FunctionDelta,
        PromptTokensDetails,
        TokenLogprob,
        ToolCallDelta,
        TopLogprob,
    )
    from ._results import (
        Audio,
        ChatChoice,
        ChatCompletion,
        ChatMessage,
        Completion,
        CompletionChoice,
        CustomTool,
        Function,
        Note,
        NoteKind,
        Result,
        ToolCall,
    )
    from ._stream import AsyncStream, ChunkReader, ReaderOptions, Stream, StreamOptions
    from ._updates import Update
else:
    from .. import _lazy

    _NAMES = {
        ".payloads._partial_json": "JSONFault PartialJSON",
        ".payloads._updates": "ArgumentsDelta ChoiceFinished ContentDelta ContentDone "
        "LogprobsDelta ReasoningDelta ReasoningDone RefusalDelta RefusalDone TextUpdate "
        "ToolCallDone ToolCallStarted TranscriptDelta TranscriptDone UsageReported",
        "_accumulator": "Accumulator",
        "_decoder": "ChunkDecoder ChunkOptions ChunkParser",
        "_encode": "encode_chunk to_chunks",
        "_estimate": "ChoiceTokens EstimatedUsage estimate_usage",
        "_models": "AudioDelta ChatCompletionChunk ChoiceDelta ChoiceLogprobs Chunk ChunkChoice "
        "CompletionChunk CompletionChunkChoice CompletionLogprobs CompletionTokensDetails "
        "CompletionUsage CustomToolDelta FunctionDelta PromptTokensDetails TokenLogprob "
        "ToolCallDelta TopLogprob",
        "_results": "Audio ChatChoice ChatCompletion ChatMessage Completion CompletionChoice "
        "CustomTool Function Note NoteKind Result ToolCall",
        "_stream": "AsyncStream ChunkReader ReaderOptions Stream StreamOptions",
        "_updates": "Update",
    }
    __getattr__, __dir__ = _lazy.names(
        __name__, {module: names.split() for module, names in _NAMES.items()}
    )

__all__ = (
    "Accumulator",
    "ArgumentsDelta",
    "AsyncStream",
    "Audio",
    "AudioDelta",
    "ChatChoice",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatMessage",
    "ChoiceDelta",
    "ChoiceFinished",
    "ChoiceLogprobs",
    "ChoiceTokens",
    "Chunk",
    "ChunkChoice",
    "ChunkDecoder",
    "ChunkOptions",
    "ChunkParser",
    "ChunkReader",
    "Completion",
    "CompletionChoice",
    "CompletionChunk",
    "CompletionChunkChoice",
    "CompletionLogprobs",
    "CompletionTokensDetails",
    "CompletionUsage",
    "ContentDelta",
    "ContentDone",
    "CustomTool",
    "CustomToolDelta",
    "EstimatedUsage",
    "Function",
    "FunctionDelta",
    "JSONFault",
    "LogprobsDelta",
    "Note",
    "NoteKind",
    "PartialJSON",
    "PromptTokensDetails",
    "ReaderOptions",
    "ReasoningDelta",
    "ReasoningDone",
    "RefusalDelta",
    "RefusalDone",
    "Result",
    "Stream",
    "StreamOptions",
    "TextUpdate",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallDone",
    "ToolCallStarted",
    "TopLogprob",
    "TranscriptDelta",
    "TranscriptDone",
    "Update",
    "UsageReported",
    "encode_chunk",
    "estimate_usage",
    "to_chunks",
)
