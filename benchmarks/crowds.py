"""Crowds: many live streams in one process that are fed without an event loop."""

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Protocol

from attrs import define

from sseparse import Accumulator, AsyncStream, ChunkParser


class Crowd(Protocol):
    """Many live streams."""

    def feed(self, stream: int, piece: bytes) -> int:
        """Feed the next piece of a stream; return the number of chunks it completed."""
        ...

    def text(self, stream: int) -> str:
        """Return the text of a stream so far."""
        ...


class Stages:
    """A parser and an accumulator for each stream."""

    def __init__(self, streams: int) -> None:
        self._streams = [(ChunkParser(), Accumulator()) for _ in range(streams)]

    def feed(self, stream: int, piece: bytes) -> int:
        parser, accumulator = self._streams[stream]
        chunks = parser.feed(piece)
        for chunk in chunks:
            accumulator.add(chunk)
        return len(chunks)

    def text(self, stream: int) -> str:
        return self._streams[stream][1].text


class Inbox:
    """A source that yields the pieces that are sent into the coroutine that reads it."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = 0

    def __aiter__(self) -> "Inbox":
        return self

    @coroutine
    def __anext__(self) -> Generator[None, bytes, bytes]:
        return (yield)


@define
class _Reader:
    inbox: Inbox
    task: Coroutine[None, bytes, None]
    text: Callable[[], str]


class _Coroutines:
    """A coroutine for each stream that is resumed with each piece."""

    def __init__(self, streams: int) -> None:
        self._streams = [self.open(Inbox()) for _ in range(streams)]
        for reader in self._streams:
            reader.task.send(None)  # type: ignore[arg-type] # starts the coroutine

    def open(self, inbox: Inbox) -> _Reader:
        raise NotImplementedError

    def feed(self, stream: int, piece: bytes) -> int:
        reader = self._streams[stream]
        seen = reader.inbox.seen
        try:  # noqa: SIM105 - suppress() would be measured too
            reader.task.send(piece)
        except StopIteration:
            pass  # the piece contained [DONE]
        return reader.inbox.seen - seen

    def text(self, stream: int) -> str:
        return self._streams[stream].text()


class Streams(_Coroutines):
    """An `AsyncStream` for each stream."""

    def open(self, inbox: Inbox) -> _Reader:
        stream = AsyncStream(inbox)

        async def read() -> None:
            async for _chunk in stream:
                inbox.seen += 1

        return _Reader(inbox, read(), lambda: stream.accumulator.text)


class OpenAI(_Coroutines):
    """The decoder and the completion state of openai-python for each stream."""

    def __init__(self, streams: int) -> None:
        from openai._models import construct_type
        from openai._streaming import SSEDecoder
        from openai.lib.streaming.chat import ChatCompletionStreamState
        from openai.types.chat import ChatCompletionChunk

        self._decoder: Any = SSEDecoder
        self._state: Any = ChatCompletionStreamState
        self._construct: Callable[[Any], Any] = lambda value: construct_type(
            type_=ChatCompletionChunk, value=value
        )
        super().__init__(streams)

    def open(self, inbox: Inbox) -> _Reader:
        decoder, state = self._decoder(), self._state()

        async def read() -> None:
            async for event in decoder.aiter_bytes(inbox):
                if event.data.startswith("[DONE]"):
                    break
                state.handle_chunk(self._construct(event.json()))
                inbox.seen += 1

        def text() -> str:
            return state.current_completion_snapshot.choices[0].message.content or ""

        return _Reader(inbox, read(), text)


CROWDS: dict[str, Callable[[int], Crowd]] = {
    "stages": Stages,
    "AsyncStream": Streams,
    "openai": OpenAI,
}
