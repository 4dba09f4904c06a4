"""Headers of the requests of an EventSource, and its connections over any library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .._errors import SSEError
from ..adapters._http import checked_headers, loaded_exceptions
from ..adapters._registry import open_async, open_sync, wait_at_most
from ._policy import Kind, ReconnectPolicy

HEADERS: Final[Mapping[str, str]] = {
    "Accept": "text/event-stream",
    # A server that compresses without flushing delays events.
    "Accept-Encoding": "identity",
    # Fetch, 4.5 "HTTP-network-or-cache fetch": what the cache mode "no-store" sends.
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
}
# What libraries raise if a connection fails; another attempt can succeed.
_FAILURES: Final = (
    ("builtins", "OSError"),  # including those of requests and curl_cffi
    *(("httpx", "RequestError"), ("httpx2", "RequestError")),
    *(("aiohttp", "ClientError"), ("urllib3.exceptions", "HTTPError")),
    ("http.client", "HTTPException"),
    *(("trio", "BrokenResourceError"), ("trio", "TooSlowError")),
    ("anyio", "BrokenResourceError"),
)
_NO_RESPONSE: Final = (
    "connect= returned a connection whose response wasn't read; return a response, such as that of "
    "sseparse.adapters.sockets.request()"
)


def merge_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of each request with the caller's; raise ValueError if one is invalid."""
    pairs = checked_headers(headers)
    given = {name.lower() for name, _ in pairs}
    if "last-event-id" in given:
        raise ValueError("headers contains Last-Event-ID; give last_event_id= instead")
    kept = {name: value for name, value in HEADERS.items() if name.lower() not in given}
    return kept | dict(pairs)


class CallableConnector:
    """Connections that the caller's function opens, with any library."""

    permanent: tuple[type[Exception], ...] = ()
    owned: Any = None
    method: str | None = None
    content: bytes | None = None

    def __init__(
        self, connect: Callable[[Mapping[str, str]], Any], policy: ReconnectPolicy
    ) -> None:
        if not callable(connect):
            raise TypeError(f"connect is {type(connect).__name__}; give a callable")
        if policy.kind in (Kind.RESPONSES, Kind.MCP_2025_11):
            raise ValueError(
                f"connect= receives only headers, and {policy.kind} also changes the method or the "
                "query of requests; give url= instead"
            )
        self._connect = connect

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        return SSEError, *loaded_exceptions(*_FAILURES)

    def open(
        self, headers: Mapping[str, str], resume: Mapping[bytes, bytes], _: Mapping[str, str]
    ) -> Any:
        """Open a synchronous source."""
        source: Any = open_sync(self._connect(_join(headers, resume)), "EventSource")
        if getattr(source, "status", 0) is None:
            source.close()
            raise TypeError(_NO_RESPONSE)
        return source

    async def aopen(
        self, headers: Mapping[str, str], resume: Mapping[bytes, bytes], _: Mapping[str, str]
    ) -> Any:
        """Open an asynchronous source."""
        opened = await self._connect(_join(headers, resume))
        source: Any = open_async(opened, "AsyncEventSource")
        if getattr(source, "status", 0) is None:
            await source.aclose()
            raise TypeError(_NO_RESPONSE)
        return source

    def limit_reads(self, source: Any, seconds: float | None) -> None:
        """Limit each wait for bytes of a source, in seconds."""
        if seconds is None:
            return
        if not hasattr(source, "wait_at_most"):
            raise TypeError(
                f"read_timeout can't be applied to a {type(source).__name__}, which has no "
                "wait_at_most(); set the timeout of your library in connect="
            )
        wait_at_most(source, seconds)


def _join(headers: Mapping[str, str], resume: Mapping[bytes, bytes]) -> dict[str, str]:
    resumed = {name.decode(): value.decode() for name, value in resume.items()}
    return {**headers, **resumed}
