"""The APIs that the command reads and asks, and which of them a body is from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from .. import Event, Parser, chunks, messages, recognize, responses
from ..payloads._decoder import Decoder
from ..streams._sync import ItemStream

# The most bytes that are read to find out the API: the largest event.
_MOST_READ: Final = 32 * 1024 * 1024
# The first bytes of a body, which nearly always show its API.
START_SIZE: Final = 2**20


@frozen
class API:
    """
    An API: its classes, the words of its messages, and where to send requests.

    Attributes:
        name: The value of the option --api.
        parts: Fields of a result, of which one isn't empty once something was received.
        finish: The field that says why the answer ended.
        terminal: What ends a complete stream.
        missing: What is missing from a truncated one.
        item: What an event of the API is.
        url: The default base URL.
        endpoint: The path of requests, after the version.
        environment: The prefix of the environment variables for the URL, the key and the model.
        model: The default model.
        stream: Returns the class of its streams. Only then is its package loaded.
        decoder: Returns the class of its decoders, as `stream` does.
        complete: How a stream is described that has its terminal event.
    """

    name: str
    parts: tuple[str, ...]
    finish: str
    terminal: str
    missing: str
    item: str
    url: str
    endpoint: str
    environment: str
    model: str
    stream: Callable[[], Callable[..., ItemStream[Any, Any, Any]]]
    decoder: Callable[[], Callable[..., Decoder[Any]]]
    complete: str = "complete"

    @property
    def url_variable(self) -> str:
        return f"{self.environment}_BASE_URL"

    @property
    def key_variable(self) -> str:
        return f"{self.environment}_API_KEY"

    @property
    def model_variable(self) -> str:
        return f"{self.environment}_MODEL"

    def open_stream(self, source: object, **options: Any) -> ItemStream[Any, Any, Any]:
        return self.stream()(source, **options)

    def make_decoder(self) -> Decoder[Any]:
        """Return a decoder that skips events of other APIs."""
        return self.decoder()(on_bad_json="skip")

    def has_parts(self, result: Any) -> bool:
        """Return whether something of an answer was received."""
        return any(getattr(result, name) for name in self.parts)


CHAT: Final = API(
    name="chat",
    parts=("choices",),
    finish="finish_reason",
    terminal="[DONE]",
    missing="[DONE] or a finish_reason",
    item="a chunk",
    url="https://api.openai.com/v1",
    endpoint="chat/completions",
    environment="OPENAI",
    model="gpt-4o-mini",
    stream=lambda: chunks.Stream,  # chat or legacy completions
    decoder=lambda: chunks.ChunkDecoder,
)
RESPONSES: Final = API(
    name="responses",
    parts=("id", "output"),
    finish="status",
    terminal="a terminal event",
    missing="a terminal event, such as response.completed",
    item="a JSON object",
    url="https://api.openai.com/v1",
    endpoint="responses",
    environment="OPENAI",
    model="gpt-4o-mini",
    complete="stream complete",  # its status can be "incomplete"
    stream=lambda: responses.ResponseStream,
    decoder=lambda: responses.ResponseDecoder,
)
MESSAGES: Final = API(
    name="messages",
    parts=("id", "content"),
    finish="stop_reason",
    terminal="message_stop",
    missing="message_stop or a stop_reason",
    item="a JSON object",
    url="https://api.anthropic.com",
    endpoint="messages",
    environment="ANTHROPIC",
    model="claude-haiku-4-5",
    stream=lambda: messages.MessageStream,
    decoder=lambda: messages.MessageDecoder,
)
APIS: Final[Mapping[str, API]] = {api.name: api for api in (CHAT, RESPONSES, MESSAGES)}


def api_of(source: Event | bytes) -> API | None:
    """Return the API that an event, or the start of a body, is from; None if it isn't known."""
    name = recognize(source)
    return None if name is None else APIS.get(name, CHAT)  # legacy completions are chat's


class Judge:
    """Decoder of events whose API can be unknown at first. It finds errors and the end."""

    def __init__(self, api: API | None = None) -> None:
        self.api = api
        self.decoder = (api or CHAT).make_decoder()

    def feed(self, event: Event) -> None:
        if self.api is None:
            self.api = api_of(event)
            if self.api not in (None, CHAT):
                self.decoder = self.api.make_decoder()
        if self.decoder.error is None:
            self.decoder.feed(event)


def find_api(pieces: Iterator[bytes], read: list[bytes]) -> API | None:
    """Read pieces, which are added to `read`, until their API is known or an error is found."""
    parser, judge = Parser(), Judge()
    with contextlib.suppress(OSError):  # reading on raises it again, in the stream
        for piece in pieces:
            read.append(piece)
            for event in parser.feed(piece):
                judge.feed(event)
                if judge.api is not None:
                    return judge.api
            if judge.decoder.error is not None or parser.error is not None:
                return None
            if parser.bytes_seen > _MOST_READ:
                return None
    # A JSON body, or one whose last event no blank line ends.
    return api_of(b"".join(read))
