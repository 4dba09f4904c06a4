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
from ._chunk_parser import ChunkParser
from ._completion_chunk import CompletionChunk, CompletionChunkChoice
from ._decoder import Chunk, ChunkDecoder
from ._logprobs import ChoiceLogprobs, CompletionLogprobs, TokenLogprob, TopLogprob
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
from ._usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

__all__ = (
    "Accumulator",
    "Audio",
    "AudioDelta",
    "ChatChoice",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatMessage",
    "ChoiceDelta",
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
    "CustomTool",
    "CustomToolDelta",
    "Function",
    "FunctionDelta",
    "PromptTokensDetails",
    "Result",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "TopLogprob",
)
