"""Checks of adapters for other HTTP libraries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import accumulate, zip_longest
from types import MappingProxyType

from .._deadlines import TimeUp, running_timers
from .._errors import SSEError, StreamTimeout, TransportError
from .._options import check_choice
from ._replay import Framing, Replay, faulty
from ._runner import Backend, Check, CheckRun, Manager

_BODY = (
    b'\xef\xbb\xbfdata: {"choices":[{"index":0,"delta":{"content":"H\xc3\xa9l"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\r\n\r\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\r'
    b"data: [DONE]\n\n"
)
_FIRST = Replay(_BODY).cut()[0]
# Larger than one read, and without repetition.
_LARGE = b": %b\n\n" % b" ".join(b"%d" % number for number in range(50_000)) + _BODY
_UNCOMPRESSED: tuple[Framing, ...] = ("chunked", "one-chunk", "close", "content-length")
_CUTS = ("close", "close-inside", "short-length")
# A client may notice these before it has read any of the body.
_CUTS_AT_ONCE = ("close-before-body", "no-answer", "reset", "bad-chunk")
_SHORT_WAIT = 0.05
_RESPONSES = 3


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

    `ADAPTER_CHECKS` describes the checks. Optional methods of an adapter, such as `wake()`, are
    checked if it has them. Needs h11: `pip install 'sseparse[h11]'`.

    Args:
        open_response: Sends a request to the URL that it's given. Returns a context manager of the
            response: of an object that `Stream` or `AsyncStream` can read.
        client: Returns a context manager of a client. `open_response` is then called with the
            client and the URL, and responses must share the client's connections if the adapter
            says `pooled`.
        backend: The event loop for an asynchronous adapter; None for a synchronous adapter.
        decodes: The framings that it decompresses: "gzip", "br", "zstd". See `Framing`.
        checks: The names of the checks to run; None for all.
        limit: Seconds after which a response counts as hanging.

    Raises:
        AssertionError: The adapter failed a check. The message names the check, and says what was
            seen and what to do.
        ValueError: An option has an invalid value.
        ModuleNotFoundError: h11 isn't installed, or a package that a framing needs.
    """
    if backend is not None:
        check_choice("backend", backend, "asyncio", "trio")
    decodes = tuple(decodes)
    for name in ADAPTER_CHECKS if checks is None else checks:
        check_choice("checks", name, *ADAPTER_CHECKS)
        for case, replay in _make_cases(name, decodes, has_client=client is not None).items():
            run = CheckRun(open_response, client, backend, name, case, replay, limit)
            run.run(_CHECKS[name][1])


def _make_cases(check: str, decodes: tuple[Framing, ...], *, has_client: bool) -> dict[str, Replay]:
    framings = (*_UNCOMPRESSED, *decodes)
    has_gzip = "gzip" in decodes
    cases: dict[str, Replay]
    match check:
        case "bytes":
            cases = {
                **{framing: Replay(_LARGE, framing=framing) for framing in framings},
                "byte by byte": Replay(_BODY, pieces="bytes"),
                "empty": Replay(b"", framing="content-length"),
                "no content": Replay(b"", status=204, content_type=None),
            }
        case "prompt":
            # With "gzip-unflushed" the server itself holds pieces back.
            cases = {framing: Replay(_BODY, framing=framing, gated=True) for framing in framings}
            cases.pop("gzip-unflushed", None)
        case "head":
            headers = [("X-Request-ID", "r-1"), ("X-Twice", "one"), ("X-Twice", "two")]
            cases = {str(code): Replay(_BODY, status=code, headers=headers) for code in (200, 429)}
        case "faults":
            names = (*_CUTS, *_CUTS_AT_ONCE, *(["corrupt-gzip"] if has_gzip else []))
            cases = {name: faulty(name, _BODY) for name in names}
        case "encoded":
            cases = {} if has_gzip else {"gzip": Replay(_BODY, framing="gzip")}
        case "close":
            gated = Replay(_BODY, gated=True)
            cases = {"unread": gated, "begun": gated, "read to the end": Replay(_BODY)}
        case "pool":
            cases = {"[DONE]": Replay(_BODY)} if has_client else {}
        case _:
            cases = {"stall": faulty("stall", _BODY)}
    return cases


async def _check_bytes(run: CheckRun) -> None:
    async with run.open_response():
        await _read_to_end(run)
    received, expected = run.received, run.replay.body
    if received != expected:
        pairs = enumerate(zip_longest(received, expected))
        differs = next(at for at, (byte, other) in pairs if byte != other)
        run.fail(
            f"received {len(received)} bytes of {len(expected)}; they differ at byte {differs}",
            "return every piece of the body unchanged, also the last one, and nothing else",
        )


async def _check_prompt(run: CheckRun) -> None:
    ends = list(accumulate(map(len, run.replay.cut())))
    async with run.open_response():
        for number, end in enumerate(ends, 1):
            run.begin(
                f"reading event {number} of {len(ends)} before the server sends the next one",
                "read the data that is available, not a number of bytes",
            )
            await _read_up_to(run, end)
            run.server.release()


async def _check_head(run: CheckRun) -> None:
    async with run.open_response():
        await _read_to_end(run)
        run.begin("reading the status and the headers", "set both on the source")
        status, headers, expected = run.source.status, run.source.headers, run.replay.status
        if status != expected:
            run.fail(f"status is {status!r}, not {expected}", "set the source's status")
        if headers.get("x-request-id") != "r-1":
            run.fail(
                f"headers has no 'x-request-id', only {sorted(headers)}",
                "make each header available by its lower-case name",
            )
        if (twice := headers.get("x-twice")) not in ("one", "two", "one, two"):
            run.fail(
                f"headers has {twice!r} for x-twice, which was sent as 'one' and 'two'",
                "return one value, or both joined by a comma",
            )


async def _check_fault(run: CheckRun) -> None:
    expected = b"" if run.case in _CUTS_AT_ONCE else _FIRST
    try:
        async with run.open_response():
            run.begin("reading", "raise an exception at the end of a truncated body")
            await _read_until_error(run)
            received = bytes(run.received)
            if not received.startswith(expected) or not _BODY.startswith(received):
                run.fail(
                    f"received {received!r} before the error, but the server sent {expected!r}",
                    "return the data received so far before raising",
                )
            await run.close(is_gone=run.case == "reset")
    except Exception:  # an adapter may raise anything
        if run.has_opened or expected:
            raise


async def _check_encoded(run: CheckRun) -> None:
    async with run.open_response():
        run.begin("reading a stream", "don't decompress, or pass decodes=['gzip']")
        if await run.read_stream(0) is None:
            run.fail(
                "a compressed stream was read without an error, but decodes has no 'gzip'",
                "pass decodes=['gzip'] to check that",
            )


async def _check_close(run: CheckRun) -> None:
    async with run.open_response():
        if run.case == "begun":
            await _read_first(run)
        elif run.case == "read to the end":
            await _read_to_end(run)
        await run.close(is_gone=run.case == "read to the end")


async def _check_time(run: CheckRun) -> None:
    async with run.open_response():
        await _read_first(run)
        if run.backend is not None:
            run.begin("cancelling a read", "support cancellation")
            timers = running_timers()
            assert timers is not None  # noqa: S101 - a backend runs
            with suppress(TimeUp):
                await timers.within(_SHORT_WAIT, run.read())
                run.fail(
                    "a read returned although the server sent nothing",
                    "wait for bytes or for the cancellation",
                )
        elif hasattr(run.source, "wait_at_most"):
            await _check_wait_at_most(run)
        await run.close()


async def _check_wait_at_most(run: CheckRun) -> None:
    run.begin(f"a read after wait_at_most({_SHORT_WAIT})", "raise StreamTimeout after that time")
    for seconds in (run.limit, None, _SHORT_WAIT):
        run.source.wait_at_most(seconds)
    error = await _read_until_error(run)
    if not isinstance(error, StreamTimeout) or error.clock != "transport":
        run.fail(
            f"a read past its time limit raised {type(error).__name__}: {error}",
            "raise StreamTimeout(..., clock='transport') from the library's own exception",
        )


async def _check_wake(run: CheckRun) -> None:
    async with run.open_response():
        await _read_first(run)
        wake = getattr(run.source, "wake", None)
        if wake is None or run.backend is not None:
            return

        def wake_twice() -> None:
            # Usually the read waits by then. If it starts later, it must end too.
            time.sleep(_SHORT_WAIT)
            wake()
            wake()

        run.begin(
            "wake() during a read in another thread",
            "shut the socket down, so that this read and later ones end; raise nothing",
        )
        with ThreadPoolExecutor(1) as executor:
            woken = executor.submit(wake_twice)
            with suppress(Exception):  # the read may end in any way
                await run.read()
        woken.result()
        await run.close()


async def _check_pool(run: CheckRun) -> None:
    for _ in range(_RESPONSES):
        async with run.open_response():
            if not getattr(run.source, "pooled", False):
                return
            run.begin("reading a stream past [DONE]", "end at the end of the body")
            error = await run.read_stream(run.limit)
            if error is not None:
                run.fail(f"a stream ended with {error!r}", "fix the check 'bytes' first")
    if (connections := len(run.server.connections)) > 1:
        run.fail(
            f"pooled is true, but {_RESPONSES} requests used {connections} connections",
            "return the connection to the pool at the end of the body, or set pooled = False",
        )


_CHECKS: dict[str, tuple[str, Check]] = {
    "bytes": ("every byte is returned, in every framing", _check_bytes),
    "prompt": ("each event is returned before the next one is sent", _check_prompt),
    "head": ("status and headers, also of errors; headers by lower-case name", _check_head),
    "faults": ("a truncated body raises, after the data received before", _check_fault),
    "encoded": ("a body that isn't decompressed doesn't look like a stream", _check_encoded),
    "close": ("close() closes the connection; again it does nothing", _check_close),
    "time": ("wait_at_most() limits a read; async reads can be cancelled", _check_time),
    "wake": ("wake() ends a read in another thread", _check_wake),
    "pool": ("if pooled is true, requests share a connection", _check_pool),
}

ADAPTER_CHECKS = MappingProxyType({name: about for name, (about, _) in _CHECKS.items()})
"""The names of the checks of `check_adapter`, each with a description."""


async def _read_to_end(run: CheckRun) -> None:
    run.begin("reading", "end the iteration at the end of the body")
    while await run.read() is not None:
        pass


async def _read_first(run: CheckRun) -> None:
    run.begin("reading the first event", "fix the check 'prompt' first")
    await _read_up_to(run, len(_FIRST))


async def _read_up_to(run: CheckRun, size: int) -> None:
    while len(run.received) < size:
        if await run.read() is None:
            run.fail(
                f"the body ended after {len(run.received)} bytes, before the server sent its end",
                "end the iteration only at the end of the body",
            )


async def _read_until_error(run: CheckRun) -> Exception:
    """Read a truncated body; check that it raises TransportError, or what streams convert to it."""
    error: Exception | None = None
    advice = "raise TransportError from the library's own exception"
    try:
        while await run.read() is not None:
            pass
    except Exception as raised:  # an adapter may raise anything
        error = raised
    if error is None:
        run.fail("an incomplete body ended without an exception", advice)
    if isinstance(error, TransportError):
        # If no byte was received, the library may have raised nothing.
        if error.__cause__ is None and run.case != "no-answer":
            run.fail(f"{type(error).__name__} has no __cause__: {error}", advice)
    elif isinstance(error, SSEError | RuntimeError | TypeError):
        # Streams don't convert these, which report misuse of the source.
        run.fail(f"reading raised {type(error).__name__}: {error}", advice)
    return error
