"""
An adapter for libcurl (pycurl): the source of a stream, in one class.

    with Stream(request("https://...", {"stream": True}, ["Authorization: Bearer ..."])) as stream:
        for chunk in stream:
            print(chunk.text, end="", flush=True)

libcurl's multi interface never blocks; the caller waits for the socket. So the adapter yields each
piece as soon as it arrives, limits each read to its timeout, and closes the connection at once in
`close()`, without a thread.
"""

import json
import math
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

import pycurl  # type: ignore[import-untyped] # has no types

from sseparse import StreamTimeout, TransportError

MAX_WAIT = 1.0  # seconds between two calls of libcurl
NO_SOCKET_WAIT = 0.01  # seconds to wait while there is no socket, during name resolution


class CurlSource:
    """
    Iterator of the bytes of a response body, as they arrive.

    Args:
        handle: The request: a `pycurl.Curl` with its options. The source closes it.
        timeout: Maximum seconds of a read; None for no limit.
        pooled: Whether the handle has a share that keeps connections.
    """

    def __init__(self, handle: Any, timeout: float | None = None, *, pooled: bool = False) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.pooled = pooled
        self._pieces: deque[bytes] = deque()
        self._next_status = 0  # status of the response head that is being read
        self._over = self._closed = False
        self._failure: TransportError | None = None
        self._timeout = self._read_timeout = timeout
        self._handle = handle
        self._multi: Any = pycurl.CurlMulti()
        handle.setopt(pycurl.WRITEFUNCTION, self._pieces.append)
        handle.setopt(pycurl.HEADERFUNCTION, self._read_header)
        self._multi.add_handle(handle)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        deadline = _deadline(self._read_timeout)
        while not self._pieces:
            # A failure is raised after the data received before it.
            if self._failure is not None:
                raise self._failure
            if self._over:
                raise StopIteration
            self._perform(deadline)
        return self._pieces.popleft()

    def read_head(self) -> None:
        """Wait for status and headers."""
        deadline = _deadline(self._timeout)
        while self.status is None and not self._over:
            self._perform(deadline)

    def wait_at_most(self, seconds: float | None) -> None:
        """Limit later reads to so many seconds, in addition to the timeout."""
        limits = [each for each in (seconds, self._timeout) if each is not None]
        self._read_timeout = min(limits, default=None)

    def close(self) -> None:
        """Close the connection, unless the body was read to its end and a share keeps it."""
        if not self._closed:
            self._closed = True
            self._multi.remove_handle(self._handle)
            self._handle.close()
            self._multi.close()

    def _perform(self, deadline: float) -> None:
        """Let libcurl process the available data; wait if there was none."""
        self._multi.perform()
        _, completed, failed = self._multi.info_read()
        self._over = bool(completed or failed)
        for _, code, reason in failed:
            self._fail(code, reason)
        if not self._over and not self._pieces:
            left = deadline - time.monotonic()
            if left <= 0:
                self._over = True
                self._fail(pycurl.E_OPERATION_TIMEDOUT, "no data was received in time")
            # -1 means that there is no socket yet: the name is being resolved.
            elif self._multi.select(min(left, MAX_WAIT)) < 0:
                time.sleep(NO_SOCKET_WAIT)

    def _fail(self, code: int, reason: str) -> None:
        """Store the error to raise, with pycurl's error as its cause."""
        message = f"pycurl failed: error {code}: {reason}"
        if code == pycurl.E_OPERATION_TIMEDOUT:
            self._failure = StreamTimeout(message, clock="transport")
        else:
            self._failure = TransportError(message)
        self._failure.__cause__ = pycurl.error(code, reason)

    def _read_header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        name, colon, value = text.partition(":")
        if not text:
            # The end of a response head, which may be an interim one ("100 Continue").
            self.status = self._next_status if self._next_status >= 200 else None
        elif not colon:
            self._next_status = int(text.split()[1])  # "HTTP/1.1 200 OK"
            self.headers = {}
        else:
            known = self.headers.get(name.lower())
            value = value.strip()
            self.headers[name.lower()] = value if known is None else f"{known}, {value}"


def request(
    url: str,
    body: object,
    headers: Iterable[str] = (),
    *,
    share: Any = None,
    timeout: float | None = None,
) -> CurlSource:
    """
    Post JSON and wait for the head of the response.

    Args:
        url: URL of the request.
        body: Value to send as JSON.
        headers: Lines such as "Authorization: Bearer ...".
        share: A `pycurl.CurlShare` that keeps connections; see `sharing_connections`.
        timeout: Maximum seconds to wait for the head, and later for each read.
    """
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.POSTFIELDS, json.dumps(body))
    # Compression delays events. The empty `Expect` turns off libcurl's "100-continue".
    known = ["Content-Type: application/json", "Accept-Encoding: identity", "Expect:"]
    handle.setopt(pycurl.HTTPHEADER, [*known, *headers])
    if share is not None:
        handle.setopt(pycurl.SHARE, share)
    source = CurlSource(handle, timeout, pooled=share is not None)
    try:
        source.read_head()
    except BaseException:  # including KeyboardInterrupt
        source.close()
        raise
    return source


def sharing_connections() -> Any:
    """Return a share that keeps connections, for the requests of one thread."""
    share = pycurl.CurlShare()
    share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_CONNECT)
    return share


def _deadline(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds
