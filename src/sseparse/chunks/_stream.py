"""Reader and blocking streams of chat completions and legacy completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, Unpack, cast, overload

from .._options import check_choice
from ..adapters._registry import SyncReadable
from ..payloads._growing import MAX_ACCUMULATED
from ..payloads._results import Note
from ..streams._protocols import Recorder
from ..streams._reader import Reader
from ..streams._sync import ItemStream
from ._accumulator import MAX_TOOL_CALLS, Accumulator
from ._decoder import ChunkOptions, ChunkParser
from ._errors import incomplete
from ._models import (
    ChatCompletionChunk,
    Chunk,
    ChunkT,
    CompletionChunk,
    CompletionKind,
    CompletionUsage,
)
from ._results import ChatCompletion, Completion, NoteKind, Result, ResultT

if TYPE_CHECKING:
    from .._deadlines import Deadlines
    from ..payloads._parser import ItemParser
    from ..tokens._counter import CountTokens, Tokenizer
    from ..tokens._prompt import Prompt
    from ._estimate import UsageEstimate
    from ._rewriting import Rewriter
    from ._think_tags import ThinkTags
    from ._updates import Update
else:
    Update: TypeAlias = Any  # most programs do without updates


class ReaderOptions(ChunkOptions, total=False):
    """Options of a reader; see `ChunkReader`."""

    on_incomplete: Literal["raise", "accept"]
    max_tool_calls: int | None
    max_accumulated_bytes: int | None
    timeline: Recorder | None
    usage: Literal["server", "estimate"]
    messages: Prompt | None
    tools: Sequence[Mapping[str, Any]] | None
    encoding: str | Tokenizer | None
    count: CountTokens | None
    fallback: str | None
    think_tags: ThinkTags | bool
    deltas: Literal["incremental", "cumulative"]


class StreamOptions(ReaderOptions, total=False):
    """Options of a stream of chunks; see `ChatStream`."""

    deadlines: Deadlines | None
    drain: float


class ChunkReader(Reader[ChunkT, ResultT]):
    """
    Reader of a streamed completion, without I/O: parser, accumulator and completeness check.

        reader = ChunkReader()
        for data in pieces:
            for chunk in reader.feed(data):
                forward(chunk)
        reader.close()
        completion = reader.result()

    Push bytes with `feed()` and finish with `close()`, or with `fail()` if the connection failed.
    Then `end` says how the stream ended, and `error` is set unless it's complete.

    Args:
        response: An object with the `status` and `headers` of the response, which errors report; or
            None.
        kind: Kind of the completion, "chat" or "completion"; None, the default, detects it. See
            `ChunkDecoder`.
        on_incomplete: What to do if the stream ends without [DONE] or a finish reason: "raise", the
            default, sets `error` to an `IncompleteStream`; "accept" accepts the end.
        max_tool_calls: Maximum number of tool calls in all choices together; None for no limit.
            Default: 4,096.
        max_accumulated_bytes: Maximum size of the accumulated completion, approximately in bytes of
            memory; None for no limit. Default: 512 MiB.
        timeline: Recorder of arrival times, such as a `sseparse.timing.Timeline`. Default: None.
        usage: What to do if the server sent no token counts: "server", the default, leaves them
            out; "estimate" counts them in `result()`, as `sseparse.chunks.estimate_usage()` does.
            An estimate needs tiktoken and never uses the network.
        messages: For an estimate: the messages of the request, or the prompt of a legacy request.
            Without them, only the answer is counted.
        tools: For an estimate: the tools of the request.
        encoding: For an estimate: the name of an encoding or of a model that uses it, or a
            tokenizer, as for `sseparse.tokens.TokenCounter`. By default, the encoding of the
            completion's model.
        count: For an estimate: a function that returns the number of tokens of a text.
        fallback: For an estimate: the name of the encoding for a model that tiktoken doesn't know.
            Without it, or if the vocabulary isn't on this machine, the completion has no usage, and
            a note (`NOT_COUNTED`).
        think_tags: Whether text between `<think>` and `</think>` in the content is moved to the
            reasoning. For other tags, or for an answer that begins inside the reasoning, pass a
            `ThinkTags`: the reader creates a new one with the same arguments. Default: False.
        deltas: What each chunk contains: "incremental", the default, if only the new text;
            "cumulative" if the server repeats all text so far. Cumulative texts and arguments of
            tool calls are reduced to what is new. A text that doesn't begin with the previous one
            is added completely, with a note (`NOT_CUMULATIVE`).
        options: The options of `ChunkParser`.

    Attributes:
        accumulator: The accumulator of the chunks returned so far.

    Raises:
        ValueError: An option has an invalid value.
        TypeError: `think_tags` isn't True, False or a `ThinkTags`.
        ImportError: An estimate is requested, and tiktoken isn't installed.
        SSEError: An estimate is requested, and its encoding is unknown or not on this machine.
    """

    _split_note = Note(NoteKind.EVENT_SPLIT)

    __slots__ = (
        "_estimate",
        "_rewriters",
    )

    accumulator: Accumulator[ChunkT, ResultT]

    @overload
    def __init__(
        self: ChunkReader[ChatCompletionChunk, ChatCompletion],
        response: object = None,
        *,
        kind: Literal["chat"],
        **options: Unpack[ReaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ChunkReader[CompletionChunk, Completion],
        response: object = None,
        *,
        kind: Literal["completion"],
        **options: Unpack[ReaderOptions],
    ) -> None: ...

    @overload
    def __init__(
        self: ChunkReader[Chunk, Result],
        response: object = None,
        *,
        kind: CompletionKind | None = ...,
        **options: Unpack[ReaderOptions],
    ) -> None: ...

    def __init__(
        self,
        response: object = None,
        *,
        kind: CompletionKind | None = None,
        on_incomplete: Literal["raise", "accept"] = "raise",
        max_tool_calls: int | None = MAX_TOOL_CALLS,
        max_accumulated_bytes: int | None = MAX_ACCUMULATED,
        timeline: Recorder | None = None,
        usage: Literal["server", "estimate"] = "server",
        messages: Prompt | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        encoding: str | Tokenizer | None = None,
        count: CountTokens | None = None,
        fallback: str | None = None,
        think_tags: ThinkTags | bool = False,
        deltas: Literal["incremental", "cumulative"] = "incremental",
        **options: Unpack[ChunkOptions],
    ) -> None:
        check_choice("on_incomplete", on_incomplete, "raise", "accept")
        check_choice("usage", usage, "server", "estimate")
        self._estimate: UsageEstimate | None = None
        if usage == "estimate":
            from ._estimate import UsageEstimate  # noqa: PLC0415 - loads the counting of tokens

            self._estimate = UsageEstimate(messages, tools, encoding, count, fallback)
        elif any(given is not None for given in (messages, tools, encoding, count, fallback)):
            raise ValueError(
                'messages, tools, encoding, count and fallback are for usage="estimate"; '
                "give that too"
            )
        accumulator: Accumulator[Any, Any] = Accumulator(
            kind=kind,
            max_choices=None,  # the parser counts them
            max_tool_calls=max_tool_calls,
            max_accumulated_bytes=max_accumulated_bytes,
        )
        parser: ChunkParser[Any] = ChunkParser(kind=kind, **options)
        super().__init__(
            self._add_rewriters(parser, think_tags, deltas),
            accumulator,
            response=response,
            timeline=timeline,
            incomplete=incomplete if on_incomplete == "raise" else None,
        )

    def _add_rewriters(
        self, parser: ItemParser[ChunkT], think_tags: ThinkTags | bool, deltas: str
    ) -> ItemParser[ChunkT]:
        """Return the parser, or one whose chunks are rewritten if an option requests it."""
        check_choice("deltas", deltas, "incremental", "cumulative")
        self._rewriters: tuple[Rewriter, ...] = ()
        if deltas == "cumulative":
            from ._cumulative import DeltaRewriter  # noqa: PLC0415 - most streams need none

            self._rewriters = (DeltaRewriter(),)
        if think_tags:
            from ._think_tags import make_rewriter  # noqa: PLC0415 - most streams need none

            self._rewriters = (*self._rewriters, make_rewriter(think_tags))
        if not self._rewriters:
            return parser
        from ._rewriting import RewritingParser  # noqa: PLC0415 - most streams need none

        return cast("ItemParser[ChunkT]", RewritingParser(cast("Any", parser), self._rewriters))

    def snapshot(self) -> ResultT:
        """Return the completion of the chunks returned so far."""
        result = super().snapshot()
        for rewriter in self._rewriters:
            result = rewriter.correct(result)
        return result

    @property
    def usage(self) -> CompletionUsage | None:
        """The token counts that the server reported, or None."""
        return self.accumulator.usage

    def result(self) -> ResultT:
        """
        Return the completion of a stream that has ended.

        Raises:
            SSEError: The stream ended with an error, or its tokens can't be counted as requested;
                `partial` has the completion so far.
            RuntimeError: The stream hasn't ended.
        """
        result = super().result()
        if self._estimate is None:
            return result
        return cast("ResultT", self._estimate.complete(result))


class ChunkStream(ItemStream[ChunkT, ResultT, Update], Generic[ChunkT, ResultT]):
    """Base class of `Stream`, `ChatStream` and `CompletionStream`."""

    _kind: ClassVar[CompletionKind | None] = None
    accumulator: Accumulator[ChunkT, ResultT]

    def __init__(self, source: SyncReadable, **options: Unpack[StreamOptions]) -> None:
        super().__init__(source, ChunkReader, kind=self._kind, **options)


class ChatStream(ChunkStream[ChatCompletionChunk, ChatCompletion]):
    """
    Iterator over the chunks of a chat completion.

        with ChatStream(response) as stream:
            for chunk in stream:
                print(chunk.text, end="")
        completion = stream.result()

    A second loop continues where the first one stopped. As a context manager, the stream closes the
    source at the end of the block. A chunk of a legacy completion is a `WrongKind` error. Every
    `SSEError` has the completion so far as `partial`.

    Args:
        source: An iterable of bytes, a streamed response of requests, urllib3, httpx, httpx2 or
            http.client, or a socket on which a request was sent.
        deadlines: Limits on the wait for the source; None, the default, for no limit. The wait for
            the head of a response isn't included: the HTTP client limits it. Deadlines are exact
            for sockets and for the adapters of HTTP libraries. For any other iterable, and over
            HTTP/2, they are checked only when a piece arrives.
        drain: Maximum time to read on after [DONE], in seconds, so that the connection can return
            to its pool; 0 closes it at once. If the server never ends the body, closing the stream
            takes this long. Default: 0.1.
        options: The options of `ChunkReader`.

    Attributes:
        accumulator: The accumulator of the chunks returned so far.

    Raises:
        TypeError: The source can't be read.
        ValueError: An option has an invalid value.
        ImportError: An estimate is requested, and tiktoken isn't installed.
        SSEError: An estimate is requested, and its encoding is unknown or not on this machine.
    """

    _kind = "chat"


class CompletionStream(ChunkStream[CompletionChunk, Completion]):
    """
    Iterator over the chunks of a legacy completion.

    The options are those of `ChatStream`. A chunk of a chat completion is a `WrongKind` error.
    """

    _kind = "completion"


class Stream(ChunkStream[Chunk, Result]):
    """
    Iterator over the chunks of a streamed completion, chat or legacy.

    The first chunk with choices decides which. The options are those of `ChatStream`. If you know
    the kind, use `ChatStream` or `CompletionStream`, whose types are exact.
    """
