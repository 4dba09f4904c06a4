"""
Adapter for curl_cffi, which isn't imported.

Undocumented attributes used, seen in curl_cffi 0.17.0:

* `Response.queue`, of which `queue` and `not_empty` are used, and `quit_now`. Fallback: none; a
  response without `queue` is taken for one that was read.
* `Response.astream_task`. Fallback: the response is taken for a synchronous one.

libcurl decompresses, and rejects a Content-Encoding that it doesn't know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from .._errors import StreamTimeout, translated
from .._stage import Uncopyable
from ._http import loaded_exceptions

_FAILURES: Final = (("curl_cffi.requests.exceptions", "RequestException"),)


class _CurlSource(Uncopyable):
    """What both sources share."""

    def __init__(self, response: Any) -> None:
        self.status: int | None = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._is_finished = False


class CurlSource(_CurlSource, Iterator[bytes]):
    """Bytes of a response of a `Session` of curl_cffi, decompressed, as they arrive."""

    def __init__(self, response: Any) -> None:
        super().__init__(response)
        self._pieces: Iterator[bytes] = response.iter_content()
        self._bound: float | None = None

    def __next__(self) -> bytes:
        try:
            self._wait()
            return next(self._pieces)
        except StopIteration:
            self._is_finished = True
            raise
        except loaded_exceptions(*_FAILURES) as error:
            self._is_finished = True
            raise translated("curl_cffi", error) from error

    def _wait(self) -> None:
        """Wait for the next piece in the queue, which `iter_content()` would do without a limit."""
        queue = self._response.queue
        if self._bound is None or self._is_finished:
            return
        with queue.not_empty:
            if not queue.not_empty.wait_for(lambda: queue.queue, self._bound):
                raise StreamTimeout(
                    f"curl_cffi received no bytes for {self._bound} s", clock="transport"
                )

    def wait_at_most(self, seconds: float | None) -> None:
        """Limit each further wait for bytes, in seconds; None leaves only the library's timeout."""
        self._bound = seconds

    def close(self) -> None:
        """Close the response. A transfer that isn't finished ends later, at its next bytes."""
        if self._is_finished:
            self._response.close()
        else:
            self._response.quit_now.set()


class AsyncCurlSource(_CurlSource, AsyncIterator[bytes]):
    """Bytes of a response of an `AsyncSession` of curl_cffi, decompressed, as they arrive."""

    def __init__(self, response: Any) -> None:
        super().__init__(response)
        self._pieces: AsyncIterator[bytes] = response.aiter_content()

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            self._is_finished = True
            raise
        except loaded_exceptions(*_FAILURES) as error:
            self._is_finished = True
            raise translated("curl_cffi", error) from error

    async def aclose(self) -> None:
        """Close the response. A transfer that isn't finished ends later, at its next bytes."""
        if self._is_finished:
            await self._response.aclose()
        else:
            self._response.quit_now.set()


def source(response: Any) -> CurlSource | AsyncCurlSource:
    """Return the bytes of a response of curl_cffi that was requested with stream=True."""
    if getattr(response, "queue", None) is None:
        raise TypeError(
            "this response of curl_cffi was read already; request it with stream=True, or pass "
            "[response.content]"
        )
    is_async = getattr(response, "astream_task", None) is not None
    return AsyncCurlSource(response) if is_async else CurlSource(response)
