"""Checks for adapters of other HTTP libraries, run over a server that replays streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import MappingProxyType
from typing import cast

from .._deadlines import TimeUp
from .._errors import SSEError, StreamTimeout, TransportError
from .._options import check_choice
from ._replay import Framing, Replay, faulty
from ._runner import Adapter, AsyncReader, Backend, Check, Manager, Reader, Trial

_BODY = (
    b'\xef\xbb\xbfdata: {"choices":[{"index":0,"delta":{"content":"H\xc3\xa9l"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\r\n\r\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\r'
    b"data: [DONE]\n\n"
)
_FIRST = Replay(_BODY).cut()[0]
# More than a read asks for, and no two stretches of it alike.
_LARGE = b": %b\n\n" % b" ".join(b"%d" % number for number in range(50_000)) + _BODY
_PLAIN: tuple[Framing, ...] = ("chunked", "one-chunk", "close", "content-length")
_CUTS = ("close", "close-inside", "short-length")
_CUTS_AT_ONCE = ("close-before-body", "no-answer", "reset", "bad-chunk")
"""Those that a client may meet before it has read any of the body."""
_SOON = 0.05
_RESPONSES = 3

_Cases = Callable[[Adapter], Iterator[tuple[str, Replay]]]


def check_adapter(
    open_response: Callable[..., Manager],
    *,
    client: Callable[[], Manager] | None = None,
    backend: Backend | None = None,
    decodes: Iterable[Framing] = (),
    checks: Iterable[str] | None = None,
    limit: float = 30.0,
) -> None:
    """
    Check an adapter for an HTTP library over real connections on the loopback interface.

        def test_adapter() -> None:
            check_adapter(open_with_my_library)

    The checks are those of `ADAPTER_CHECKS`. What an adapter may leave out, such as `wake()`, is
    checked where it is there. Needs h11: `pip install 'sseparse[h11]'`.

    Args:
        open_response: Sends a request to the URL that it is given. Makes a context manager that
            gives what `Stream` or `AsyncStream` can read: what the adapter makes.
        client: Makes a context manager that gives a client. Then `open_response` is called with
            that, and the URL after it; and responses must share the client's connections where
            the adapter says `pooled`.
        backend: The event loop that an asynchronous adapter is to run on: "asyncio" or "trio".
            None for a synchronous adapter.
        decodes: Which framings it decompresses: "gzip", "br", "zstd". See `Framing`.
        checks: The names of the checks to run; None for all of them.
        limit: How long each response may take before it is said to hang, in seconds.

    Raises:
        AssertionError: The adapter failed in a check. The message names that, and says what was
            seen and what to do.
        ValueError: An option has no such value.
        ModuleNotFoundError: h11 is not installed, or what one of the framings needs.
    """
    if backend is not None:
        check_choice("backend", backend, "asyncio", "trio")
    adapter = Adapter(open_response, client, backend, tuple(decodes))
    for name in ADAPTER_CHECKS if checks is None else checks:
        check_choice("checks", name, *ADAPTER_CHECKS)
        _, cases, check = _KNOWN[name]
        for case, replay in cases(adapter):
            Trial(adapter, f"check {name!r}, case {case!r}", case, replay, limit).run(check)


def _cases_of_bytes(adapter: Adapter) -> Iterator[tuple[str, Replay]]:
    for framing in (*_PLAIN, *cast("tuple[Framing, ...]", adapter.decodes)):
        yield framing, Replay(_LARGE, framing=framing)
    yield "byte by byte", Replay(_BODY, pieces="bytes")
    yield "empty", Replay(b"", framing="content-length")
    yield "no content", Replay(b"", status=204, content_type=None)


async def _check_bytes(trial: Trial) -> None:
    async with trial.open() as reader:
        received = await _read_to_end(trial, reader)
    expected = trial.replay.body
    if received == expected:
        return
    pairs = enumerate(zip(received, expected, strict=False))
    shorter = min(len(received), len(expected))
    differs = next((at for at, (a, b) in pairs if a != b), shorter)
    trial.fail(
        f"{len(received)} bytes came of {len(expected)}, and differ from byte {differs} on",
        "hand out every piece of the body as it is, the last one too, and nothing else",
    )


def _cases_of_prompt(adapter: Adapter) -> Iterator[tuple[str, Replay]]:
    for framing in (*_PLAIN, *cast("tuple[Framing, ...]", adapter.decodes)):
        # What was never flushed waits in the server.
        if framing != "gzip-unflushed":
            yield framing, Replay(_BODY, framing=framing, gated=True)


async def _check_prompt(trial: Trial) -> None:
    pieces = trial.replay.cut()
    received, sent = b"", 0
    async with trial.open() as reader:
        for number, piece in enumerate(pieces, 1):
            sent += len(piece)
            while len(received) < sent:
                trial.doing(
                    f"reading event {number} of {len(pieces)}, which was sent, while the next "
                    "one waits for it,",
                    "hand out what has come: ask for what is there, not for a number of bytes",
                )
                received += await _read_more(trial, reader, received)
            trial.server.release()


def _cases_of_head(_: Adapter) -> Iterator[tuple[str, Replay]]:
    headers = [("X-Request-ID", "r-1"), ("X-Twice", "one"), ("X-Twice", "two")]
    for status in (200, 429):
        yield str(status), Replay(_BODY, status=status, headers=headers)


async def _check_head(trial: Trial) -> None:
    async with trial.open() as reader:
        await _read_to_end(trial, reader)
        source, expected = reader.source, trial.replay.status
        trial.doing("looking at the status and the headers", "give the source both")
        if source.status != expected:
            trial.fail(f"status is {source.status!r}, not {expected}", "set the source's status")
        if source.headers.get("x-request-id") != "r-1":
            trial.fail(
                f"headers has no 'x-request-id' among {sorted(source.headers)}",
                "let headers be found by their names in lower case",
            )
        if (twice := source.headers.get("x-twice")) not in ("one", "two", "one, two"):
            trial.fail(
                f"headers has {twice!r} for x-twice, which came as 'one' and as 'two'",
                "give one value, or both with a comma between them",
            )


def _cases_of_faults(adapter: Adapter) -> Iterator[tuple[str, Replay]]:
    for fault in (*_CUTS, *_CUTS_AT_ONCE):
        yield fault, faulty(fault, _BODY)
    if "gzip" in adapter.decodes:
        yield "corrupt-gzip", faulty("corrupt-gzip", _BODY)


async def _check_fault(trial: Trial) -> None:
    expected = b"" if trial.case in _CUTS_AT_ONCE else _FIRST
    try:
        async with trial.open() as reader:
            trial.doing("reading", "end, with an exception")
            received, error = await _read_until_it_fails(reader)
            _judge(trial, error)
            if not received.startswith(expected) or not _BODY.startswith(received):
                trial.fail(
                    f"{received!r} came before the fault, where {expected!r} was sent",
                    "hand out what has come before raising",
                )
            await _close(trial, reader, gone=trial.case == "reset")
    except Exception:  # an adapter may raise anything
        if trial.opened or expected:
            raise


def _judge(trial: Trial, error: Exception | None) -> None:
    """Take the library's own exceptions too: streams make a TransportError of them."""
    advice = "raise TransportError from the library's own exception"
    if error is None:
        trial.fail("a body that is not whole came to a good end", advice)
    if isinstance(error, TransportError):
        # That nothing came at all, a library may not find worth an exception.
        if error.__cause__ is None and trial.case != "no-answer":
            trial.fail(f"{type(error).__name__} has no __cause__: {error}", advice)
    elif isinstance(error, SSEError | RuntimeError | TypeError):
        # To a stream these say that the source was misused.
        trial.fail(f"reading raised {type(error).__name__}: {error}", advice)


def _cases_of_encoded(adapter: Adapter) -> Iterator[tuple[str, Replay]]:
    if "gzip" not in adapter.decodes:
        yield "gzip", Replay(_BODY, framing="gzip")


async def _check_encoded(trial: Trial) -> None:
    async with trial.open() as reader:
        trial.doing("reading a stream", "do not decompress, or say decodes=['gzip']")
        if await reader.read_stream(0) is None:
            trial.fail(
                "a compressed stream was read well, though decodes has no 'gzip'",
                "say decodes=['gzip'], to have that checked",
            )


def _cases_of_close(_: Adapter) -> Iterator[tuple[str, Replay]]:
    for case in ("unread", "begun"):
        yield case, Replay(_BODY, gated=True)
    yield "read to the end", Replay(_BODY)


async def _check_close(trial: Trial) -> None:
    async with trial.open() as reader:
        if trial.case == "read to the end":
            await _read_to_end(trial, reader)
            await _close(trial, reader, gone=True)
        else:
            if trial.case == "begun":
                await _read_first(trial, reader)
            await _close(trial, reader)


def _cases_of_time(_: Adapter) -> Iterator[tuple[str, Replay]]:
    yield "stall", faulty("stall", _BODY)


async def _check_time(trial: Trial) -> None:
    async with trial.open() as reader:
        await _read_first(trial, reader)
        if isinstance(reader, AsyncReader):
            trial.doing("a read that is cancelled", "let it be cancelled")
            with suppress(TimeUp):
                await reader.read_within(_SOON)
                trial.fail("a silent server was read", "wait for bytes, or for the cancellation")
        elif hasattr(reader.source, "wait_at_most"):
            await _check_wait_at_most(trial, reader)
        await _close(trial, reader)


async def _check_wait_at_most(trial: Trial, reader: Reader) -> None:
    trial.doing(f"a read after wait_at_most({_SOON})", "raise StreamTimeout after so many seconds")
    for seconds in (trial.limit, None, _SOON):
        reader.source.wait_at_most(seconds)
    _, error = await _read_until_it_fails(reader)
    _judge(trial, error)
    if not isinstance(error, StreamTimeout) or error.clock != "transport":
        trial.fail(
            f"the read that waited too long raised {type(error).__name__}: {error}",
            "raise StreamTimeout(..., clock='transport') from the library's own exception",
        )


async def _check_wake(trial: Trial) -> None:
    async with trial.open() as reader:
        await _read_first(trial, reader)
        wake = getattr(reader.source, "wake", None)
        if wake is None or trial.adapter.backend is not None:
            return

        def wake_twice() -> None:
            time.sleep(_SOON)  # for the read to wait; if it does not yet, it must end as well
            wake()
            wake()

        trial.doing(
            "wake() from another thread, of a read that waits,",
            "shut the socket down, so that this read ends and each one after it; raise nothing",
        )
        with ThreadPoolExecutor(1) as other:
            woken = other.submit(wake_twice)
            with suppress(Exception):  # any end of the read will do
                await reader.read()
        woken.result()
        await _close(trial, reader)


def _cases_of_pool(adapter: Adapter) -> Iterator[tuple[str, Replay]]:
    if adapter.client is not None:
        yield "[DONE]", Replay(_BODY)


async def _check_pool(trial: Trial) -> None:
    for _ in range(_RESPONSES):
        async with trial.open() as reader:
            if not getattr(reader.source, "pooled", False):
                return
            trial.doing("reading a stream to [DONE] and beyond", "end at the end of the body")
            error = await reader.read_stream(trial.limit)
            if error is not None:
                trial.fail(f"a stream ended with {error!r}", "see to the check 'bytes' first")
    if (connections := len(trial.server.connections)) > 1:
        trial.fail(
            f"pooled is true, but {_RESPONSES} requests took {connections} connections",
            "give the connection back at the end of the body, or say pooled = False",
        )


async def _read_to_end(trial: Trial, reader: Reader) -> bytes:
    trial.doing("reading", "end the iteration at the end of the body")
    received = bytearray()
    while (piece := await reader.read()) is not None:
        _check_piece(trial, piece)
        received += piece
    return bytes(received)


async def _read_first(trial: Trial, reader: Reader) -> None:
    received = b""
    while len(received) < len(_FIRST):
        trial.doing("reading the first event, which was sent,", "see to the check 'prompt' first")
        received += await _read_more(trial, reader, received)


async def _read_more(trial: Trial, reader: Reader, received: bytes) -> bytes:
    piece = await reader.read()
    if piece is None:
        trial.fail(
            f"the body ended after {len(received)} bytes, while the server had more to send",
            "end the iteration at the end of the body alone",
        )
    _check_piece(trial, piece)
    return piece


def _check_piece(trial: Trial, piece: object) -> None:
    if not isinstance(piece, bytes | bytearray):
        trial.fail(f"a piece is {type(piece).__name__}", "hand out bytes, as the server sent them")


async def _read_until_it_fails(reader: Reader) -> tuple[bytes, Exception | None]:
    received = b""
    try:
        while (piece := await reader.read()) is not None:
            received += piece
    except Exception as error:  # an adapter may raise anything
        return received, error
    return received, None


async def _close(trial: Trial, reader: Reader, *, gone: bool = False) -> None:
    """Close twice; the server sees it, unless there is no connection any more or it is kept."""
    trial.doing("close()", "let it be called at any time, also again; it raises nothing")
    await reader.close()
    await reader.close()
    if not gone:
        trial.doing(
            "the server, waiting to see that close() closed the connection,",
            "let close() close the response, and with it the connection that is not read to its "
            "end",
        )
        await trial.see_closed(trial.server.connections[0])


_KNOWN: dict[str, tuple[str, _Cases, Check]] = {
    "bytes": ("every byte comes, in every framing", _cases_of_bytes, _check_bytes),
    "prompt": (
        "each event is in hand before the next one is sent",
        _cases_of_prompt,
        _check_prompt,
    ),
    "head": (
        "status and headers, of error responses too; headers by lower-case name",
        _cases_of_head,
        _check_head,
    ),
    "faults": (
        "what is cut ends with an exception, after all that came",
        _cases_of_faults,
        _check_fault,
    ),
    "encoded": (
        "a compressed body that is not decompressed does not look like a stream",
        _cases_of_encoded,
        _check_encoded,
    ),
    "close": (
        "close() closes the connection; again it does nothing",
        _cases_of_close,
        _check_close,
    ),
    "time": (
        "wait_at_most() bounds a read; an asynchronous read can be cancelled",
        _cases_of_time,
        _check_time,
    ),
    "wake": ("wake() ends a read that waits in another thread", _cases_of_time, _check_wake),
    "pool": ("where pooled is true, requests share a connection", _cases_of_pool, _check_pool),
}

ADAPTER_CHECKS = MappingProxyType({name: about for name, (about, _, _) in _KNOWN.items()})
"""The names that `check_adapter` knows, each with what is checked."""
