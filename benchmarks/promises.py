"""
Measure the table of the README: what clients do with recorded and with broken streams.

    SSEPARSE_CORPUS=folder .venv-bench/bin/python benchmarks/promises.py

Each client is used as its users do. httpx answers its requests from memory; only the row on
inputs uses a server on this machine. The column of a client that isn't installed is left out.
"""

import contextlib
import http.client
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Sized
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx
from attrs import frozen
from shapes import SHAPES

from sseparse import ChatStream, Parser, encode
from sseparse.testing import Replay, ReplayServer

Answer = list[tuple[str, list[tuple[str, str]], str | None]]
"""Text, tool calls and finish reason of each choice."""
Ask = Callable[[httpx.Client], Answer]
QUESTION: Any = [{"role": "user", "content": "hi"}]
CHUNKS = 2_000
URL = "http://127.0.0.1/v1"


@frozen
class Client:
    """
    A client to measure.

    Attributes:
        ask: Reads a response to its end through an HTTP client, and returns the answer.
        read: Reads the texts of a response or of bytes; None if no entry point accepts these.
    """

    ask: Ask
    read: Callable[[Any], object] | None


def answer_of(choices: Any) -> Answer:
    return [
        (
            choice.message.content or "",
            [
                (call.function.name, call.function.arguments or "{}")
                for call in choice.message.tool_calls or ()
            ],
            choice.finish_reason,
        )
        for choice in choices
    ]


def sseparse() -> Client:
    def ask(http: httpx.Client) -> Answer:
        with http.stream("POST", URL) as response:
            return answer_of(ChatStream(response).result().choices)

    return Client(ask, lambda source: list(ChatStream(source)))


def openai_python() -> Client:
    import openai
    from openai.types.chat import ChatCompletionChunk

    def client(http: httpx.Client) -> Any:
        return openai.OpenAI(base_url=URL, api_key="none", http_client=http, max_retries=0)

    def ask(http: httpx.Client) -> Answer:
        with client(http).chat.completions.stream(model="m", messages=QUESTION) as stream:
            try:
                return answer_of(stream.get_final_completion().choices)
            except openai.LengthFinishReasonError as error:  # has the completion
                return answer_of(error.completion.choices)

    def read(source: Any) -> object:
        sdk = client(httpx.Client())
        return list(openai.Stream(cast_to=ChatCompletionChunk, response=source, client=sdk))

    return Client(ask, read)


def httpx_sse() -> Client:
    from httpx_sse import EventSource, connect_sse

    def ask(http: httpx.Client) -> Answer:
        with connect_sse(http, "POST", URL) as source:
            for event in source.iter_sse():
                if event.data != "[DONE]":
                    event.json()
        return []  # events only

    return Client(ask, lambda source: list(EventSource(source).iter_sse()))


def litellm() -> Client:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm
    import openai

    def ask(http: httpx.Client) -> Answer:
        sdk = openai.OpenAI(base_url=URL, api_key="none", http_client=http, max_retries=0)
        stream = litellm.completion(model="openai/m", messages=QUESTION, stream=True, client=sdk)
        return answer_of(litellm.stream_chunk_builder(list(stream)).choices)

    return Client(ask, None)


def langchain() -> Client:
    from langchain_openai import ChatOpenAI

    def ask(http: httpx.Client) -> Answer:
        model = ChatOpenAI(model="m", base_url=URL, api_key="none", http_client=http, max_retries=0)
        total: Any = None
        for chunk in model.stream("hi"):
            total = chunk if total is None else total + chunk
        calls = [(call["name"] or "", call["args"] or "{}") for call in total.tool_call_chunks]
        return [(total.text, calls, total.response_metadata.get("finish_reason"))]

    return Client(ask, None)


CLIENTS = {
    "sseparse": sseparse,
    "openai-python": openai_python,
    "httpx-sse": httpx_sse,
    "litellm": litellm,
    "langchain": langchain,
}


class Body(httpx.SyncByteStream):
    """The pieces of a body; then it ends, or the connection fails."""

    def __init__(self, feeds: Sequence[bytes], *, fails: bool) -> None:
        self._feeds, self._fails = feeds, fails

    def __iter__(self) -> Iterator[bytes]:
        yield from self._feeds
        if self._fails:
            raise httpx.ReadError("connection reset")


def serving(*feeds: bytes, fails: bool = False) -> httpx.Client:
    """Return a client that gets a body as its answer, without a network."""

    def respond(_request: httpx.Request) -> httpx.Response:
        kind = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=kind, stream=Body(feeds, fails=fails))

    return httpx.Client(transport=httpx.MockTransport(respond))


@frozen
class Recording:
    """A recorded chat stream that is complete, and its answer."""

    name: str
    body: bytes
    answer: Answer


def recordings(corpus: Path) -> Iterator[Recording]:
    for path in sorted((corpus / "expected").glob("*.json")):
        expected = json.loads(path.read_text())
        choices = expected["final"]["choices"]
        finished = choices and all(choice.get("finish_reason") for choice in choices)
        if expected["errors"] or not finished:
            continue
        body = (corpus / "streams" / expected["stream"]).read_bytes()
        yield Recording(path.stem, body, [expected_choice(choice) for choice in choices])


def expected_choice(choice: Any) -> tuple[str, list[tuple[str, str]], str | None]:
    message = choice["message"]
    functions = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    calls = [(each.get("name") or "", each.get("arguments") or "{}") for each in functions]
    return (message.get("content") or "", calls, choice["finish_reason"])


def truncated(body: bytes) -> bytes:
    """Return the first half of the events before a finish reason: the rest of a clean close."""
    events = []
    for event in Parser().feed(body):
        if re.search(r'"finish_reason"\s*:\s*"', event.data) or event.data == "[DONE]":
            break
        events.append(event)
    return b"".join(encode(event) for event in events[: (len(events) + 1) // 2])


def outcome(ask: Ask, http: httpx.Client) -> Answer | Exception:
    try:
        with http:
            return ask(http)
    except Exception as error:  # a client can raise any exception, which the table shows
        return error


def has_text(error: BaseException | None, text: str) -> bool:
    """Return whether an error, or one that caused it, has the text in an attribute."""
    while error is not None:
        if any(text in str(getattr(value, "text", value)) for value in vars(error).values()):
            return True
        partial = getattr(error, "partial", None)
        if text in str(getattr(partial, "text", "")):
            return True
        error = error.__cause__ or error.__context__
    return False


def share(found: list[bool]) -> str:
    return f"{sum(found)} of {len(found)}"


def inputs(read: Callable[[Any], object] | None) -> str:
    """Count the inputs that a client reads: bytes, and the responses of five libraries."""
    chunk = b'data: {"choices": [{"index": 0, "delta": {"content": "hi"}}]}\n\n'
    done = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    body = chunk + done + b"data: [DONE]\n\n"
    good: list[bool] = []
    with ReplayServer(Replay(body)) as server:
        for opened in (bytes_of, from_httpx, from_httpx2, from_requests, from_urllib3, standard):
            with contextlib.ExitStack() as stack:
                source = opened(body, server.url, stack)
                try:
                    found = read(source) if read is not None else None
                except Exception:  # a client can raise any exception for a source it can't read
                    found = None
                good.append(isinstance(found, Sized) and len(found) >= 2)
    return share(good)


def bytes_of(body: bytes, _url: str, _stack: contextlib.ExitStack) -> Any:
    return [body]


def from_httpx(_body: bytes, url: str, stack: contextlib.ExitStack) -> Any:
    return stack.enter_context(httpx.stream("GET", url))


def from_httpx2(_body: bytes, url: str, stack: contextlib.ExitStack) -> Any:
    import httpx2

    return stack.enter_context(httpx2.stream("GET", url))


def from_requests(_body: bytes, url: str, stack: contextlib.ExitStack) -> Any:
    import requests

    return stack.enter_context(requests.get(url, stream=True, timeout=10))


def from_urllib3(_body: bytes, url: str, stack: contextlib.ExitStack) -> Any:
    import urllib3

    return stack.enter_context(urllib3.request("GET", url, preload_content=False))


def standard(_body: bytes, url: str, stack: contextlib.ExitStack) -> Any:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    stack.callback(connection.close)
    connection.request("GET", "/")
    return connection.getresponse()


def measure(name: str, client: Client, streams: list[Recording]) -> list[str]:
    """Return the cells of a client's column."""
    right, cut, partial = [], [], []
    for stream in streams:
        result = outcome(client.ask, serving(stream.body))
        right.append(result == stream.answer)
        if not right[-1]:
            reason = repr(result) if isinstance(result, Exception) else _difference(result, stream)
            print(f"{name}: {stream.name}: {reason[:200]}", file=sys.stderr)
        half = truncated(stream.body)
        if not half:
            continue
        raised = isinstance(outcome(client.ask, serving(half)), Exception)
        # A client that can't read the complete stream didn't notice that this one is truncated.
        cut.append(raised and not isinstance(result, Exception))
        text = received_text(half)
        # Shorter texts can be part of any message, and most clients mix several choices.
        if len(text) > 5 and len(stream.answer) == 1:
            failed = outcome(client.ask, serving(half, fails=True))
            partial.append(isinstance(failed, Exception) and has_text(failed, text))
    right_cell = "events only" if name == "httpx-sse" else share(right)
    return [share(cut), right_cell, share(partial), inputs(client.read), cost(client.ask)]


def _difference(result: Answer, stream: Recording) -> str:
    pairs = [pair for pair in zip(result, stream.answer, strict=False) if pair[0] != pair[1]]
    return f"{pairs}" if pairs else f"{len(result)} of {len(stream.answer)} choices"


def cost(ask: Ask) -> str:
    """Return the processor time of a chunk, in feeds of one event, from httpx to the answer."""
    feeds = next(shape for shape in SHAPES if shape.name == "token chat").build(CHUNKS).blocks
    times = []
    for _ in range(5):
        start = time.process_time()
        ask(serving(*feeds))
        times.append(time.process_time() - start)
    return f"{median(times) / CHUNKS * 1e6:,.0f} µs"


def received_text(half: bytes) -> str:
    """Return the text of the events, decoded without any client."""
    chunks = [event.json() for event in Parser().feed(half)]
    choices = [choice for chunk in chunks for choice in (chunk.get("choices") or [])[:1]]
    texts = [(choice.get("delta") or {}).get("content") or "" for choice in choices]
    return "".join(texts) if all(isinstance(text, str) for text in texts) else ""


ROWS = (
    "truncated streams that raise an error",
    "recorded streams with the right result",
    "errors with the partial text, after a broken connection",
    "inputs it reads, of bytes and five HTTP libraries",
    "processor time a chunk, from httpx to the result",
)


def columns_of(streams: list[Recording]) -> Iterator[tuple[str, list[str]]]:
    for name, load in CLIENTS.items():
        try:
            client = load()
        except ImportError as error:
            print(f"{name}: not installed: {error}")
        else:
            yield name, measure(name, client, streams)


def main() -> None:
    streams = list(recordings(Path(os.environ["SSEPARSE_CORPUS"])))
    with contextlib.redirect_stdout(sys.stderr):  # litellm prints advice
        columns = dict(columns_of(streams))
    print("| |", " | ".join(columns), "|")
    print("|---|" + "---|" * len(columns))
    for number, row in enumerate(ROWS):
        print(f"| {row} |", " | ".join(cells[number] for cells in columns.values()), "|")


if __name__ == "__main__":
    main()
