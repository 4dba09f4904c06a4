"""
An adapter for libcurl, by way of pycurl: what a stream needs of an HTTP library, in one class.

    with Stream(request("https://...", {"stream": True}, ["Authorization: Bearer ..."])) as stream:
        for chunk in stream:
            print(chunk.text, end="", flush=True)

libcurl's multi interface does what it can without waiting, and leaves the waiting to the caller.
So each piece is in hand as soon as it is there, a read takes no longer than it may, and `close()`
closes the connection at once. No thread is needed.
"""

import json
import math
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

import pycurl  # type: ignore[import-untyped] # it says nothing of types

from sseparse import StreamTimeout, TransportError

LONGEST_WAIT = 1.0  # seconds, after which libcurl is asked again
NO_SOCKET_YET = 0.01  # seconds to wait where there is nothing to wait on: the host is looked up


class CurlSource:
    """
    Iterate the bytes of a response's body, as they come.

    Args:
        handle: What to ask, with all its options. It is closed with the source.
        timeout: For how long a read waits, in seconds; None for ever.
        pooled: Whether the handle has a share that keeps connections.
    """

    def __init__(self, handle: Any, timeout: float | None = None, *, pooled: bool = False) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.pooled = pooled
        self._pieces: deque[bytes] = deque()
        self._coming = 0  # the status of the head that is being read
        self._over = self._closed = False
        self._failure: TransportError | None = None
        self._timeout = self._longest = timeout
        self._handle = handle
        self._multi: Any = pycurl.CurlMulti()
        handle.setopt(pycurl.WRITEFUNCTION, self._pieces.append)
        handle.setopt(pycurl.HEADERFUNCTION, self._take_header)
        self._multi.add_handle(handle)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        late = _after(self._longest)
        while not self._pieces:
            # What came before a failure was handed out before it.
            if self._failure is not None:
                raise self._failure
            if self._over:
                raise StopIteration
            self._work(late)
        return self._pieces.popleft()

    def read_head(self) -> None:
        """Wait for the status and the headers."""
        late = _after(self._timeout)
        while self.status is None and not self._over:
            self._work(late)

    def wait_at_most(self, seconds: float | None) -> None:
        """Bound the reads to come, in seconds; the timeout bounds them too."""
        bounds = [each for each in (seconds, self._timeout) if each is not None]
        self._longest = min(bounds, default=None)

    def close(self) -> None:
        """Close the connection, unless its body was read to the end and a share keeps it."""
        if not self._closed:
            self._closed = True
            self._multi.remove_handle(self._handle)
            self._handle.close()
            self._multi.close()

    def _work(self, late: float) -> None:
        """Let libcurl take what is there, and wait for more where that was nothing."""
        self._multi.perform()
        _, whole, failed = self._multi.info_read()
        self._over = bool(whole or failed)
        for _, code, words in failed:
            self._fail(code, words)
        if not self._over and not self._pieces:
            left = late - time.monotonic()
            if left <= 0:
                self._over = True
                self._fail(pycurl.E_OPERATION_TIMEDOUT, "no bytes came in time")
            # -1 says that there is no socket yet: the host is looked up.
            elif self._multi.select(min(left, LONGEST_WAIT)) < 0:
                time.sleep(NO_SOCKET_YET)

    def _fail(self, code: int, words: str) -> None:
        """Keep an adapter's error, whose cause is that of its library."""
        message = f"pycurl failed: error {code}: {words}"
        if code == pycurl.E_OPERATION_TIMEDOUT:
            self._failure = StreamTimeout(message, clock="transport")
        else:
            self._failure = TransportError(message)
        self._failure.__cause__ = pycurl.error(code, words)

    def _take_header(self, line: bytes) -> None:
        text = line.decode("latin-1").strip()
        name, colon, value = text.partition(":")
        if not text:
            # A blank line; the head that went before it may be one to wait on, "100 Continue".
            self.status = self._coming if self._coming >= 200 else None
        elif not colon:
            self._coming = int(text.split()[1])  # "HTTP/1.1 200 OK"
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
    Post JSON; return the response once its head has come.

    Args:
        url: Where to.
        body: What to send as JSON.
        headers: Lines such as "Authorization: Bearer ...".
        share: A `pycurl.CurlShare` that keeps connections; see `sharing_connections`.
        timeout: For how long to wait for the head, and then for bytes, in seconds.
    """
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.POSTFIELDS, json.dumps(body))
    # Compressed events come late; the empty `Expect` keeps libcurl from asking before it sends.
    known = ["Content-Type: application/json", "Accept-Encoding: identity", "Expect:"]
    handle.setopt(pycurl.HTTPHEADER, [*known, *headers])
    if share is not None:
        handle.setopt(pycurl.SHARE, share)
    source = CurlSource(handle, timeout, pooled=share is not None)
    try:
        source.read_head()
    except BaseException:  # an interrupt, too, leaves no connection open
        source.close()
        raise
    return source


def sharing_connections() -> Any:
    """Make a share that keeps connections, for the requests of one thread."""
    share = pycurl.CurlShare()
    share.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_CONNECT)
    return share


def _after(seconds: float | None) -> float:
    return math.inf if seconds is None else time.monotonic() + seconds
