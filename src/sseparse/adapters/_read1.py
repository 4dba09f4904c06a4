"""
Adapters for http.client, urllib3, requests and niquests, which read with read1().

Private attributes used:

* `HTTPResponse.fp.raw._sock` (Python 3.11 to 3.14), and `socket` of a socket that pyOpenSSL wraps.
  Fallback: waits aren't limited, and wake() does nothing.
* `_fp` (the http.client response) and `_body` of a urllib3 response (2.8.0). Fallback: without
  `_fp` it's an error; without `_body` a response that was read already is.
* The class name of `_fp`, and its `_sock`, of urllib3-future (2.25.904), which replaces urllib3
  where niquests is installed. Fallback: as for a socket that isn't found.
* `HTTPResponse.fp`, which vcrpy's response lacks (9.4.2). Fallback: a recorded one is an error.
* `_content` of a requests response (2.34.2). Fallback: a response that was read already is an
  error.

Undocumented method used: `HTTPResponse.begin()` (Python 3.11 to 3.14), which reads the head of a
response if `headers` is None. There is no fallback: after an interim response, reading fails.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from attrs import define, field

from .._errors import TransportError, translated
from .._response import content_codings, lower_case, status_of
from .._stage import Uncopyable
from ._http import (
    READ_SIZE,
    BodyCheck,
    check_redirected,
    is_socket,
    loaded_exceptions,
    shortest_timeout,
    shut_down,
)

if TYPE_CHECKING:
    from urllib.error import HTTPError

    from requests import Response
    from urllib3 import BaseHTTPResponse


_FAILURES: Final = (
    ("builtins", "OSError"),
    ("http.client", "HTTPException"),
    ("urllib3.exceptions", "HTTPError"),
    ("urllib3_future.exceptions", "HTTPError"),  # where niquests doesn't replace urllib3
)


@define(eq=False, repr=False, slots=False)
class BlockingSource(Uncopyable, Iterator[bytes]):
    """Bytes of a response of these libraries, as they arrive."""

    library: str
    response: Any
    http_response: object  # of http.client, underneath; its socket is read
    # Returns the check of the response and what reads its body; called after interim responses.
    open_body: Callable[[], tuple[BodyCheck, _Read]]
    is_finished: Callable[[], bool]  # then the connection can be another response's
    pooled: bool = True
    status: int | None = field(default=None, init=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], init=False)
    # Whether the connection stays open after the body.
    _stays_open: bool = field(default=True, init=False)
    # Whether the socket must be restored as soon as the body ends, not at the read after that.
    _must_restore: bool = field(default=False, init=False)
    _check: BodyCheck | None = field(default=None, init=False)
    _read: _Read = field(init=False)
    _error: TransportError | None = field(default=None, init=False)
    _is_woken: bool = field(default=False, init=False)
    _bound: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._socket = _ResponseSocket(self.http_response)
        if not _is_interim(self.http_response):
            self._set_head()

    def _set_head(self) -> BodyCheck:
        check, self._read = self.open_body()
        self._check = check
        self.status, self.headers = check.status, check.headers
        if self.status == 101:
            # The libraries treat it as a response without a body.
            self._socket.shut_down()
        return check

    def _skip_interim(self) -> BodyCheck:
        # RFC 9110, 15.2: "A client MUST be able to parse one or more 1xx responses received prior
        # to a final response". http.client skips those with the status 100 only.
        response: Any = self.http_response
        while _is_interim(response):
            response.headers = response.msg = None
            response.begin()
        # The libraries decided by the first head whether the connection stays open.
        self._stays_open, self._must_restore = False, True
        return self._set_head()

    def __next__(self) -> bytes:
        if self._error is not None:
            # After an error the libraries close the response, which then looks complete.
            raise self._error
        if self._bound is not None:
            # A piece can take many reads.
            self._socket.begin_piece(monotonic() + self._bound)
        try:
            check = self._check or self._skip_interim()
            piece = b"" if check.error else self._read()
            if not piece and self._is_woken:
                raise ConnectionAbortedError("wake() shut the connection down during a read")
        except loaded_exceptions(*_FAILURES) as error:
            # If the connection were reused, the rest of this body would be its next response.
            self._socket.shut_down()
            self._socket.release()
            self._error = translated(self.library, error)
            raise self._error from error
        if not piece or (self._must_restore and self.is_finished()):
            if not self._stays_open:
                self._socket.shut_down()
            self._socket.release()
        if check.error is not None:
            raise check.error
        if not piece:
            raise StopIteration
        return piece if check.passed else check.release(piece)

    def wait_at_most(self, seconds: float | None) -> None:
        self._bound, self._must_restore = seconds, True
        self._socket.limit_reads()
        if seconds is None:
            self._socket.begin_piece(None)

    def wake(self) -> None:
        """Make a read that waits in another thread fail. The response isn't closed."""
        self._is_woken = True
        if not self.is_finished():
            self._socket.shut_down()

    def close(self) -> None:
        try:
            if not self.is_finished():
                # If the connection stayed open, the rest of this body would be its next response.
                self._socket.shut_down()
            self.response.close()
            if hasattr(self.response, "release_conn"):
                # A urllib3 pool with a fixed number of connections needs even a closed one back.
                self.response.release_conn()
        finally:
            self._socket.release()


_Read = Callable[[], bytes]  # returns b"" at the end of the body


def _is_interim(response: object) -> bool:
    """Return whether a response of http.client is followed by another one to the same request."""
    if not isinstance(response, HTTPResponse) or response.isclosed():
        return False
    return 100 <= response.status < 200 and response.status != 101


def http_client_source(response: HTTPResponse | HTTPError) -> BlockingSource:
    """Return the bytes of a response of http.client or `urllib.request.urlopen()`."""
    # An HTTPError wraps the response that it reports.
    is_response = isinstance(response, HTTPResponse)
    inner: Any = response if is_response else getattr(response, "fp", None)
    # vcrpy's response is a closed one, which has no file of a socket, and says that it's open.
    file: Any = getattr(inner, "fp", None)
    is_real = isinstance(inner, HTTPResponse) and (file is not None or inner.isclosed())
    if not is_real and hasattr(inner, "read1"):
        check = BodyCheck(status_of(response), cast("Any", response).headers, ())
        return _file_source("http.client", response, inner, check)
    if not isinstance(inner, HTTPResponse):
        raise TypeError(
            f"{type(response).__name__} isn't a response of http.client and wraps none; pass an "
            "http.client.HTTPResponse, what urlopen() returns for a URL of http or https, or the "
            "HTTPError that it raises"
        )
    if inner.isclosed():
        raise RuntimeError(
            "this response was read or closed already; pass a response that hasn't been read"
        )

    def open_body() -> tuple[BodyCheck, _Read]:
        headers = cast("Mapping[str, str]", inner.headers)
        return BodyCheck(inner.status, headers, ()), partial(_read_http_client, inner)

    return BlockingSource(
        "http.client",
        response,
        http_response=inner,
        open_body=open_body,
        is_finished=inner.isclosed,
        pooled=not inner.will_close,
    )


def _file_source(
    library: str, response: Any, file: Any, check: BodyCheck, *, pooled: bool = False
) -> BlockingSource:
    """Return the bytes of a file: a body in memory, or what a test has instead of a connection."""
    if file.closed:
        raise RuntimeError("this response was read or closed already; pass one that hasn't been")
    return BlockingSource(
        library,
        response,
        http_response=None,
        open_body=lambda: (check, partial(file.read1, READ_SIZE)),
        is_finished=lambda: file.closed,
        pooled=pooled,
    )


def _read_http_client(response: HTTPResponse) -> bytes:
    piece = response.read1(READ_SIZE)
    left = response.length
    if left and not piece:
        # read1() doesn't report a body shorter than its Content-Length.
        raise IncompleteRead(b"", left)
    if left == 0:
        # Before Python 3.13, read1() does this at the end of a chunked body only.
        response.close()
    return piece


def urllib3_source(response: BaseHTTPResponse) -> BlockingSource:
    """Return the bytes of a response of urllib3, decompressed."""
    codings = response.CONTENT_DECODERS
    # `data` would read a body that wasn't read yet.
    body = getattr(response, "_body", None)
    if isinstance(body, bytes):
        check = BodyCheck(response.status, response.headers, codings)
        return _file_source("urllib3", response, BytesIO(body), check, pooled=True)

    def read_head() -> BodyCheck:
        _copy_head(response)
        check = BodyCheck(response.status, response.headers, codings)
        _drop_unknown_codings(response)
        return check

    return _connection_source("urllib3", response, response, read_head)


def refuse_async(response: object) -> NoReturn:
    """Raise TypeError for an asynchronous response of niquests."""
    raise TypeError(
        f"{type(response).__name__} of niquests can't be read here; pass "
        "await response.iter_content(-1), which returns bytes as they arrive"
    )


def requests_source(response: Response) -> BlockingSource:
    """Return the bytes of a response of requests or niquests, decompressed."""
    # `iter_content()` and `iter_lines()` delay bytes unless the server sends each event as one
    # chunk; urllib3's response underneath doesn't.
    body = getattr(response, "_content", None)
    raw: Any = response.raw
    codings = getattr(raw, "CONTENT_DECODERS", None)
    if isinstance(body, bytes):
        if raw is None:
            response.raw = BytesIO()  # without it, requests can't close a response made by hand
        check = check_redirected(response, codings)
        return _file_source("requests", response, BytesIO(body), check, pooled=True)
    if codings is None:
        if not hasattr(raw, "read1"):
            raise TypeError(
                f"this response is read from {type(raw).__name__}, and not by urllib3; "
                "pass response.iter_content(None) instead"
            )
        # Nothing decompresses what such a file returns.
        return _file_source("requests", response, raw, check_redirected(response, ()))

    def read_head() -> BodyCheck:
        if _copy_head(raw):
            response.status_code, response.reason = raw.status, raw.reason
            response.headers = type(response.headers)(raw.headers)
        _drop_unknown_codings(raw)
        return check_redirected(response, codings)

    return _connection_source("requests", response, raw, read_head)


def _connection_source(
    library: str, response: Any, raw: Any, read_head: Callable[[], BodyCheck]
) -> BlockingSource:
    """Return the bytes of `raw`, the response of urllib3, from its connection."""
    if not (hasattr(raw, "_fp") and hasattr(raw, "read1")):
        raise TypeError(
            f"{type(raw).__name__} can't be read piece by piece: it is of HTTP/2, or of "
            "urllib3 before 2.7; pass [response.data] to parse the complete body at once"
        )
    if raw.closed:
        option = "stream=True" if library == "requests" else "preload_content=False"
        raise RuntimeError(
            "this response was read or closed already, and its body wasn't kept; pass a response "
            f"that hasn't been read, requested with {option}"
        )

    def open_body() -> tuple[BodyCheck, _Read]:
        check = read_head()
        # Decoding takes time for each piece even if there is nothing to decode.
        is_coded = bool(content_codings(lower_case(raw.headers)))
        # Without a size, a short Content-Length isn't noticed, and decompressing has no bounds.
        return check, partial(raw.read1, READ_SIZE, decode_content=is_coded)

    return BlockingSource(
        library,
        response,
        http_response=getattr(raw, "_fp", None),
        open_body=open_body,
        is_finished=lambda: raw.closed,
    )


def _copy_head(raw: Any) -> bool:
    """Copy the head of the response underneath to urllib3's, if that was an interim response."""
    inner = getattr(raw, "_fp", None)
    if not isinstance(inner, HTTPResponse) or raw.status == inner.status:
        return False
    raw.status, raw.reason, raw.version = inner.status, inner.reason, inner.version
    raw.headers = type(raw.headers)(inner.headers.items())
    raw.length_remaining, raw.chunked = inner.length, inner.chunked
    return True


def _drop_unknown_codings(raw: BaseHTTPResponse) -> None:
    """Remove the names from Content-Encoding that urllib3 would take for "deflate"."""
    names = content_codings(lower_case(raw.headers))
    known = [name for name in names if name in raw.CONTENT_DECODERS]
    if known:
        raw.headers["Content-Encoding"] = ", ".join(known)


class _ResponseSocket:
    """Socket under a response of `http.client`, until the response is done with it, if found."""

    # The libraries read framing byte by byte, and a body until some of it is decompressed: a
    # timeout of the socket would start again at each read. So this object replaces the socket in
    # its file while reads are limited, and gives each read the time that is left.

    def __init__(self, http_response: object) -> None:
        # There is no public way: the connection has forgotten the socket of its last response.
        # That of urllib3-future reads the socket itself; it makes a file only on request.
        is_direct = type(http_response).__name__ == "LowLevelResponse"
        file = None if is_direct else getattr(http_response, "fp", None)
        self._file: Any = getattr(file, "raw", None)
        self._read_from: Any = getattr(self._file, "_sock", None)
        found = self._read_from
        if is_direct:
            found = getattr(http_response, "_sock", None)
        elif not is_socket(found):
            # TLS inside TLS, or TLS by pyOpenSSL: the plain socket is inside.
            found = getattr(found, "socket", None)
        self._socket = found if is_socket(found) else None
        self._own_timeout = None if self._socket is None else self._socket.gettimeout()
        self.until: float | None = None

    def begin_piece(self, until: float | None) -> None:
        """Set the time at which the reads of the next piece end, or None."""
        self.until = until
        if self._file is None and self._socket is not None:
            # Without a file, the reads are limited one by one.
            self._socket.settimeout(shortest_timeout(self._own_timeout, until))

    def limit_reads(self) -> None:
        if self._socket is not None:
            self._replace(self._read_from, self)

    def _replace(self, old: object, new: object) -> None:
        if self._file is not None and self._file._sock is old:  # noqa: SLF001 - as below
            self._file._sock = new  # noqa: SLF001 - there is no public way

    def recv_into(self, buffer: Any) -> int:
        sock = cast("socket.socket", self._socket)
        sock.settimeout(shortest_timeout(self._own_timeout, self.until))
        count: int = self._read_from.recv_into(buffer)
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read_from, name)

    def shut_down(self) -> None:
        if self._socket is not None:
            shut_down(self._socket)

    def release(self) -> None:
        if self._socket is not None:
            self._replace(self, self._read_from)
            with suppress(OSError):  # closed already
                self._socket.settimeout(self._own_timeout)
            self._socket = None
