"""Chat and legacy completions: their chunks, decoding, and accumulating."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .accumulating._accumulator import Accumulator
    from .decoding._chunk_parser import ChunkParser
    from .decoding._decoder import ChunkDecoder
    from .encoding._encode_chunk import encode_chunk
    from .encoding._to_chunks import to_chunks
    from .models._chat_chunk import (
        AudioDelta,
        ChatCompletionChunk,
        ChoiceDelta,
        ChunkChoice,
        CustomToolDelta,
        FunctionDelta,
        ToolCallDelta,
    )
    from .models._chunk import Chunk
    from .models._completion_chunk import CompletionChunk, CompletionChunkChoice
    from .models._logprobs import ChoiceLogprobs, CompletionLogprobs, TokenLogprob, TopLogprob
    from .models._notes import Note, NoteKind
    from .models._results import (
        Audio,
        ChatChoice,
        ChatCompletion,
        ChatMessage,
        Completion,
        CompletionChoice,
        CustomTool,
        Function,
        Result,
        ToolCall,
    )
    from .models._updates import (
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
        Update,
        UsageReported,
    )
    from .models._usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails
    from .partial_json._parser import JSONFault, PartialJSON
else:
    from .. import _lazy

    __getattr__, __dir__ = _lazy.names(
        __name__,
        {
            "accumulating._accumulator": ("Accumulator",),
            "decoding._chunk_parser": ("ChunkParser",),
            "decoding._decoder": ("ChunkDecoder",),
            "encoding._encode_chunk": ("encode_chunk",),
            "encoding._to_chunks": ("to_chunks",),
            "models._chat_chunk": (
                "AudioDelta",
                "ChatCompletionChunk",
                "ChoiceDelta",
                "ChunkChoice",
                "CustomToolDelta",
                "FunctionDelta",
                "ToolCallDelta",
            ),
            "models._chunk": ("Chunk",),
            "models._completion_chunk": ("CompletionChunk", "CompletionChunkChoice"),
            "models._logprobs": (
                "ChoiceLogprobs",
                "CompletionLogprobs",
                "TokenLogprob",
                "TopLogprob",
            ),
            "models._notes": ("Note", "NoteKind"),
            "models._results": (
                "Audio",
                "ChatChoice",
                "ChatCompletion",
                "ChatMessage",
                "Completion",
                "CompletionChoice",
                "CustomTool",
                "Function",
                "Result",
                "ToolCall",
            ),
            "models._updates": (
                "ArgumentsDelta",
                "ChoiceFinished",
                "ContentDelta",
                "ContentDone",
                "LogprobsDelta",
                "ReasoningDelta",
                "ReasoningDone",
                "RefusalDelta",
                "RefusalDone",
                "TextUpdate",
                "ToolCallDone",
                "ToolCallStarted",
                "TranscriptDelta",
                "TranscriptDone",
                "Update",
                "UsageReported",
            ),
            "models._usage": ("CompletionTokensDetails", "CompletionUsage", "PromptTokensDetails"),
            "partial_json._parser": ("JSONFault", "PartialJSON"),
        },
    )

__all__ = (
    "Accumulator",
    "ArgumentsDelta",
    "Audio",
    "AudioDelta",
    "ChatChoice",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatMessage",
    "ChoiceDelta",
    "ChoiceFinished",
    "ChoiceLogprobs",
    "Chunk",
    "ChunkChoice",
    "ChunkDecoder",
    "ChunkParser",
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
    "Function",
    "FunctionDelta",
    "JSONFault",
    "LogprobsDelta",
    "Note",
    "NoteKind",
    "PartialJSON",
    "PromptTokensDetails",
    "ReasoningDelta",
    "ReasoningDone",
    "RefusalDelta",
    "RefusalDone",
    "Result",
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
    "to_chunks",
)
