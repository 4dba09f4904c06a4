"""Chat and legacy completions: their chunks, decoding, and accumulating."""

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
