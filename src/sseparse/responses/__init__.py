"""OpenAI Responses API: the events of a streamed response, decoding, and accumulating."""

from typing import TYPE_CHECKING

# The redundant aliases mark the names as public for type checkers.
if TYPE_CHECKING:
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
    from ._accumulator import ResponseAccumulator as ResponseAccumulator
    from ._async_stream import AsyncResponseStream as AsyncResponseStream
    from ._decoder import ResponseDecoder as ResponseDecoder
    from ._decoder import ResponseOptions as ResponseOptions
    from ._decoder import ResponseParser as ResponseParser
    from ._encode import encode_error as encode_error
    from ._encode import encode_event as encode_event
    from ._encode import to_events as to_events
    from ._events import AnnotationEvent as AnnotationEvent
    from ._events import ContentPartEvent as ContentPartEvent
    from ._events import DeltaEvent as DeltaEvent
    from ._events import DoneEvent as DoneEvent
    from ._events import ErrorEvent as ErrorEvent
    from ._events import ItemEvent as ItemEvent
    from ._events import LifecycleEvent as LifecycleEvent
    from ._events import OtherEvent as OtherEvent
    from ._events import OutputItemEvent as OutputItemEvent
    from ._events import PartEvent as PartEvent
    from ._events import PartialImageEvent as PartialImageEvent
    from ._events import ProgressEvent as ProgressEvent
    from ._events import ResponseEvent as ResponseEvent
    from ._results import ContentPart as ContentPart
    from ._results import InputTokensDetails as InputTokensDetails
    from ._results import NoteKind as NoteKind
    from ._results import OutputItem as OutputItem
    from ._results import OutputTokensDetails as OutputTokensDetails
    from ._results import Response as Response
    from ._results import ResponseUsage as ResponseUsage
    from ._stream import ReaderOptions as ReaderOptions
    from ._stream import ResponseReader as ResponseReader
    from ._stream import ResponseStream as ResponseStream
    from ._stream import StreamOptions as StreamOptions
    from ._updates import Update as Update
else:
    from .. import _lazy

    __getattr__, __dir__, __all__ = _lazy.names(
        __name__,
        {
            ".payloads._partial_json": "JSONFault PartialJSON",
            ".payloads._results": "Note ToolCallView",
            ".payloads._updates": "ArgumentsDelta ChoiceFinished ContentDelta ContentDone "
            "LogprobsDelta ReasoningDelta ReasoningDone RefusalDelta RefusalDone TextUpdate "
            "ToolCallDone ToolCallStarted TranscriptDelta TranscriptDone UsageReported",
            "_accumulator": "ResponseAccumulator",
            "_async_stream": "AsyncResponseStream",
            "_decoder": "ResponseDecoder ResponseOptions ResponseParser",
            "_encode": "encode_error encode_event to_events",
            "_events": "AnnotationEvent ContentPartEvent DeltaEvent DoneEvent ErrorEvent ItemEvent "
            "LifecycleEvent OtherEvent OutputItemEvent PartEvent PartialImageEvent "
            "ProgressEvent ResponseEvent",
            "_results": "ContentPart InputTokensDetails NoteKind OutputItem OutputTokensDetails "
            "Response ResponseUsage",
            "_stream": "ReaderOptions ResponseReader ResponseStream StreamOptions",
            "_updates": "Update",
        },
    )
