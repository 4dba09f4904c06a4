"""
A proxy for an OpenAI-compatible server that relays responses unchanged and records them.

The proxy sends each piece to the client before it reads the next one. Then it feeds the piece to a
parser, which records the token usage, the tool calls and the end. A parser error doesn't stop the
relaying.
"""

import argparse
import importlib
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import anyio
import httpx2
from attrs import Factory, define, evolve, frozen

import sseparse as sse
from sseparse.chunks import ChoiceFinished, CompletionUsage, ToolCallDone, Update, UsageReported

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

# Headers of a single connection, in addition to those that `Connection` names (RFC 9110, 7.6.1).
HOP_BY_HOP = b"""connection keep-alive proxy-authenticate proxy-authorization proxy-connection te
    trailer transfer-encoding upgrade""".split()
REWRITTEN = (b"host", b"content-length", b"accept-encoding", b"expect")


@define
class Record:
    """The parsed content of one response."""

    status: int | None = None  # of the upstream; None if it didn't respond
    end: sse.End | None = None  # None until the end
    completion: sse.Result | None = None  # as received; None until the end
    usage: CompletionUsage | None = None
    tool_calls: list[ToolCallDone] = Factory(list)  # completed; `fault` marks malformed arguments
    finish_reasons: dict[int, str] = Factory(dict)
    error: Exception | None = None  # the first error of the body or the connection
    parser: sse.ChunkParser = Factory(sse.ChunkParser)
    accumulator: sse.Accumulator = Factory(sse.Accumulator)

    def feed(self, piece: bytes) -> None:
        """Feed a piece of the body."""
        self._read(lambda: self.parser.feed(piece))

    def close(self, cut: sse.EndCause | None = None, failure: Exception | None = None) -> None:
        """Record the end. `cut` is the cause of an early end, which is ignored after [DONE]."""
        cut, parser_error = None if self.parser.done else cut, self.error
        self._read(self.parser.close)
        # If the accumulator raised LimitExceeded, the parser wasn't closed.
        self.end = self.parser.end or sse.End(sse.EndCause.INCOMPLETE)
        if cut is not None:
            # An error of closing the parser early doesn't matter.
            self.end, self.error = evolve(self.end, cause=cut), parser_error or failure
        elif self.end.complete:
            self._note(self.accumulator.last_updates())
        elif self.error is None:
            self.error = sse.IncompleteStream(end=self.end)
        self.completion = self.accumulator.snapshot()

    def _read(self, chunks: Callable[[], list[sse.Chunk]]) -> None:
        if self.error is None:
            try:
                for chunk in chunks():
                    self._note(self.accumulator.updates(chunk))
                self.error = self.parser.error
            except Exception as error:  # must not stop the relaying
                self.error = error

    def _note(self, updates: list[Update]) -> None:
        for update in updates:
            match update:
                case UsageReported():
                    self.usage = update.usage
                case ToolCallDone():
                    self.tool_calls.append(update)
                case ChoiceFinished():
                    self.finish_reasons[update.choice] = update.reason


def log_record(record: Record) -> None:
    """Log a record in one line."""
    cause = record.end and record.end.cause.value
    tokens = record.usage and record.usage.total_tokens
    facts = (record.status, cause, tokens, [call.name for call in record.tool_calls], record.error)
    logging.getLogger("proxy").info("status %s, %s, tokens: %s, calls: %s, error: %r", *facts)


@frozen
class Proxy:
    """ASGI application that relays each request, read completely, and its streamed response."""

    upstream: httpx2.URL  # its path is a prefix of the requested path
    client: httpx2.AsyncClient
    on_record: Callable[[Record], None] = log_record

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this proxy relays only HTTP, not {scope['type']}")
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request, record = self._request(scope, bytes(body)), Record()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_on_disconnect, tasks.cancel_scope, receive)
                with suppress(OSError):  # which send() can raise if the client has disconnected
                    await self._relay(request, send, record)
                tasks.cancel_scope.cancel()
        finally:
            if record.end is None:
                record.close(sse.EndCause.CANCELLED)
            self.on_record(record)

    def _request(self, scope: Mapping[str, Any], body: bytes) -> httpx2.Request:
        path = scope.get("raw_path") or quote(scope["path"]).encode()
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        target = self.upstream.raw_path.rstrip(b"/") + b"/" + path.lstrip(b"/") + query
        headers = [*_relayed(scope["headers"], REWRITTEN), (b"accept-encoding", b"identity")]
        # The client's build_request() would add cookies that other requests received.
        url = self.upstream.copy_with(raw_path=target)
        return httpx2.Request(scope["method"], url, headers=headers, content=body)

    async def _relay(self, request: httpx2.Request, send: Send, record: Record) -> None:
        response, is_stream, last = None, False, b""
        try:
            response = await self.client.send(request, stream=True)
            pieces = response.aiter_raw()
            record.status, known = response.status_code, response.headers
            kind = known.get("content-type", "").lower()
            is_stream = kind.startswith("text/event-stream") and "content-encoding" not in known
            # A truncated stream gets an error event, which isn't in its content length.
            await send(_head(record.status, known.raw, [b"content-length"] if is_stream else []))
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                record.feed(piece)
            record.close()
        except httpx2.RequestError as failure:
            late = isinstance(failure, httpx2.TimeoutException)
            record.close(sse.EndCause.TIMEOUT if late else sse.EndCause.TRANSPORT, failure)
            error = json.dumps({"error": {"message": repr(failure), "type": "upstream_error"}})
            if response is None:
                await send(_head(502, [(b"content-type", b"application/json")]))
                last = error.encode()
            elif not is_stream:
                raise  # makes the server close the connection, the only way to report an error
            elif not record.parser.done:
                # The blank line ends the truncated event.
                last = b"\n\n" + sse.encode(sse.Event(error))
        finally:
            if response is not None:
                with anyio.CancelScope(shield=True):
                    await pieces.aclose()  # not left to the garbage collector
                    await response.aclose()
        await send({"type": "http.response.body", "body": last, "more_body": False})


async def _cancel_on_disconnect(scope: anyio.CancelScope, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _head(status: int, headers: Headers, dropped: Collection[bytes] = ()) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": _relayed(headers, dropped)}


def _relayed(headers: Headers, dropped: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    lower = [(name.lower(), value) for name, value in headers]
    named = b",".join(value.lower() for name, value in lower if name == b"connection").split(b",")
    excluded = {*HOP_BY_HOP, *dropped, *(name.strip() for name in named)}
    return [(name, value) for name, value in lower if name not in excluded]


def main() -> None:
    """Serve the proxy with uvicorn."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument(
        "--upstream", required=True, help="URL of the server, such as https://api.openai.com"
    )
    upstream = httpx2.URL(options.parse_args().upstream)
    try:
        uvicorn = importlib.import_module("uvicorn")
    except ModuleNotFoundError:
        sys.exit("uvicorn is not installed: pip install uvicorn")
    logging.basicConfig(level=logging.INFO)
    client = httpx2.AsyncClient(timeout=httpx2.Timeout(600, connect=10), limits=httpx2.Limits())
    uvicorn.run(Proxy(upstream, client), lifespan="off", server_header=False, date_header=False)


if __name__ == "__main__":
    main()
