"""
The core of a gateway: read a stream of any of the three APIs, and write it for its clients.

    curl -sSN ... | python examples/gateway.py

The items can pass a moderation gate. An upstream that fails or is truncated becomes an error in the
form of the API, which the client's own parser raises.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from typing import Protocol, TypeVar

from sseparse import (
    Chunk,
    End,
    EndCause,
    Event,
    Parser,
    SSEError,
    Stream,
    encode,
    encode_chunk,
    encode_error,
    messages,
    recognize,
    responses,
)
from sseparse.messages import MessageEvent, MessageStopEvent, MessageStream
from sseparse.moderation import Gate
from sseparse.responses import ResponseEvent, ResponseStream

ItemT = TypeVar("ItemT", Chunk, MessageEvent, ResponseEvent)
ItemT_co = TypeVar("ItemT_co", covariant=True)

# The most bytes that are read to find out the API.
MOST_READ = 1024 * 1024


class ItemStream(Protocol[ItemT_co]):
    """What the streams of the three APIs have in common."""

    @property
    def end(self) -> End | None: ...

    def __iter__(self) -> Iterator[ItemT_co]: ...


def relay(
    pieces: Iterable[bytes], *, api: str | None = None, gate: Gate | None = None
) -> Iterator[bytes]:
    """
    Yield the events for a client.

    Args:
        pieces: The body of the upstream's response. Close the response yourself, in a `with` block:
            also when the client disconnects.
        api: "chat", "completion", "responses" or "messages", if you know it. Otherwise, the first
            events decide; a body of none of these is read as chat.
        gate: A moderation gate.
    """
    body, read = iter(pieces), list[bytes]()
    try:
        api = api or find_api(body, read)
    except Exception as failure:  # of the source of the pieces
        yield encode_error(failure)
        return
    source = chain(read, body)
    match api:
        case "responses":
            yield from write(ResponseStream(source), gate, encode_response, responses.encode_error)
        case "messages":
            message = MessageStream(source)
            end = yield from write(message, gate, messages.encode_event, messages.encode_error)
            # A message with a stop reason is complete without message_stop; other clients want it.
            if end is not None and end.cause is EndCause.FINISHED:
                yield messages.encode_event(MessageStopEvent(type="message_stop"))
        case _:
            if (yield from write(Stream(source), gate, encode_chunk, encode_error)) is not None:
                yield encode(Event("[DONE]"))


def find_api(pieces: Iterator[bytes], read: list[bytes]) -> str | None:
    """Read pieces, which are added to `read`, until their API is known."""
    parser = Parser()
    for piece in pieces:
        read.append(piece)
        for event in parser.feed(piece):
            if (api := recognize(event)) is not None:
                return api
        if parser.bytes_seen > MOST_READ:
            return None
    return recognize(b"".join(read))  # a JSON body, for example


def write(
    stream: ItemStream[ItemT],
    gate: Gate | None,
    encode_item: Callable[[ItemT], bytes],
    encode_failure: Callable[[Exception], bytes],
) -> Generator[bytes, None, End | None]:
    """Yield the encoded items, and an error at the end; return the end without an error."""
    try:
        for item in stream if gate is None else gate.chunks(stream):
            if data := encode_item(item):
                yield data
    except SSEError as failure:
        yield encode_failure(failure)
        return None
    return stream.end


def encode_response(event: ResponseEvent) -> bytes:
    """Encode an event of a response. Errors are left out: the stream raises them next."""
    is_error = event.type in ("error", "response.failed")
    return b"" if is_error else responses.encode_event(event)


def main() -> None:
    """Relay standard input as it arrives."""
    for event in relay(iter(lambda: os.read(sys.stdin.fileno(), 65536), b"")):
        sys.stdout.buffer.write(event)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
