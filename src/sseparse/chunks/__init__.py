"""Chat and legacy completions: their chunks, decoding, and accumulating."""

from ._accumulator import Accumulator, Result
from ._chat_chunk import (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from ._chunk import Chunk
from ._chunk_parser import ChunkParser
from ._completion_chunk import CompletionChunk, CompletionChunkChoice
from ._decoder import ChunkDecoder
from ._encode_chunk import encode_chunk
from ._logprobs import ChoiceLogprobs, CompletionLogprobs, TokenLogprob, TopLogprob
from ._notes import Note, NoteKind
from ._partial_json import JSONFault, PartialJSON
from ._results import (
    Audio,
    ChatChoice,
    ChatCompletion,
    ChatMessage,
    Completion,
    CompletionChoice,
    CustomTool,
    Function,
    ToolCall,
)
from ._to_chunks import to_chunks
from ._updates import (
    ArgumentsDelta,
    ChoiceFinished,
    ContentDelta,
    ContentDone,
    LogprobsDelta,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ToolCallDone,
    ToolCallStarted,
    TranscriptDelta,
    TranscriptDone,
    Update,
    UsageReported,
)
from ._usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

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
