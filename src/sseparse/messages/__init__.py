"""Anthropic Messages: their events, decoding, and accumulating."""

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
    from ..payloads._updates import ReasoningDelta as ReasoningDelta
    from ..payloads._updates import ReasoningDone as ReasoningDone
    from ..payloads._updates import TextUpdate as TextUpdate
    from ..payloads._updates import ToolCallDone as ToolCallDone
    from ..payloads._updates import ToolCallStarted as ToolCallStarted
    from ..payloads._updates import UsageReported as UsageReported
    from ._accumulator import MessageAccumulator as MessageAccumulator
    from ._async_stream import AsyncMessageStream as AsyncMessageStream
    from ._decoder import MessageDecoder as MessageDecoder
    from ._decoder import MessageOptions as MessageOptions
    from ._decoder import MessageParser as MessageParser
    from ._encode import encode_error as encode_error
    from ._encode import encode_event as encode_event
    from ._encode import to_events as to_events
    from ._events import BlockDelta as BlockDelta
    from ._events import ContentBlockDeltaEvent as ContentBlockDeltaEvent
    from ._events import ContentBlockStartEvent as ContentBlockStartEvent
    from ._events import ContentBlockStopEvent as ContentBlockStopEvent
    from ._events import MessageDelta as MessageDelta
    from ._events import MessageDeltaEvent as MessageDeltaEvent
    from ._events import MessageEvent as MessageEvent
    from ._events import MessageStartEvent as MessageStartEvent
    from ._events import MessageStopEvent as MessageStopEvent
    from ._events import OtherEvent as OtherEvent
    from ._results import ContentBlock as ContentBlock
    from ._results import Message as Message
    from ._results import MessageUsage as MessageUsage
    from ._results import NoteKind as NoteKind
    from ._stream import MessageReader as MessageReader
    from ._stream import MessageStream as MessageStream
    from ._stream import ReaderOptions as ReaderOptions
    from ._stream import StreamOptions as StreamOptions
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
            "ReasoningDelta ReasoningDone TextUpdate ToolCallDone ToolCallStarted UsageReported",
            "_accumulator": "MessageAccumulator",
            "_async_stream": "AsyncMessageStream",
            "_decoder": "MessageDecoder MessageOptions MessageParser",
            "_encode": "encode_error encode_event to_events",
            "_events": "BlockDelta ContentBlockDeltaEvent ContentBlockStartEvent "
            "ContentBlockStopEvent MessageDelta MessageDeltaEvent MessageEvent MessageStartEvent "
            "MessageStopEvent OtherEvent",
            "_results": "ContentBlock Message MessageUsage NoteKind",
            "_stream": "MessageReader MessageStream ReaderOptions StreamOptions",
            "_updates": "Update",
        },
    )
