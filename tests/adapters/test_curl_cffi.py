"""Tests of the adapter for curl_cffi."""

import asyncio
from typing import Any, get_args

import pytest

from sseparse import AsyncStream, Deadlines, Stream, StreamTimeout, TransportError
from sseparse.adapters import source
from sseparse.testing import Framing, Replay, ReplayServer

from .scripted_server import CHUNKED, SAFETY, sending, serving

requests = pytest.importorskip("curl_cffi.requests", reason="curl_cffi is not installed")

BODY = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
FRAMINGS: list[Any] = [each for each in get_args(Framing) if each != "gzip-unflushed"]
CUT = CHUNKED + b"%x\r\n%b\r\n" % (len(BODY[:59]), BODY[:59])


@pytest.mark.parametrize("framing", FRAMINGS)
class TestFramings:
    """Each framing and content encoding."""

    def test_sync(self, framing: Framing) -> None:
        """Each event is returned before the server sends the next one."""
        with ReplayServer(Replay(BODY, framing=framing, gated=True)) as server:
            server.release()
            with requests.Session(timeout=SAFETY) as client:
                with Stream(client.post(server.url, json={}, stream=True)) as stream:
                    for _ in stream:
                        server.release()
                assert stream.result().text == "Hello"

    def test_async(self, framing: Framing) -> None:
        """Each event is returned before the server sends the next one."""
        with ReplayServer(Replay(BODY, framing=framing, gated=True)) as server:
            server.release()

            async def main() -> None:
                async with requests.AsyncSession(timeout=SAFETY) as client:
                    response = await client.post(server.url, json={}, stream=True)
                    async with AsyncStream(response) as stream:
                        async for _ in stream:
                            server.release()
                    assert (await stream.result()).text == "Hello"

            asyncio.run(main())


class TestSync:
    """Responses of a Session."""

    def test_status_and_headers(self) -> None:
        """Status and headers are the response's."""
        replay = Replay(BODY, status=201, headers={"X-One": "1"})
        with ReplayServer(replay) as server, requests.Session() as client:
            opened = source(client.get(server.url, stream=True))
            assert (opened.status, opened.headers["x-one"]) == (201, "1")
            assert b"".join(opened) == BODY
            opened.close()
            assert list(opened) == []

    def test_deadlines(self) -> None:
        """A deadline is met, although the response isn't finished."""
        with ReplayServer(Replay(BODY, delays=[0, 2, 0])) as server, requests.Session() as client:
            deadlines = Deadlines(between_bytes=0.2)
            with Stream(client.post(server.url, stream=True), deadlines=deadlines) as stream:
                with pytest.raises(StreamTimeout) as raised:
                    stream.result()
        assert raised.value.clock == "between_bytes"
        assert raised.value.partial.text == "Hel"

    def test_a_truncated_body(self) -> None:
        """A truncated body raises TransportError with the partial result."""
        with serving(sending(CUT, then="hang up")) as server, requests.Session() as client:
            stream = Stream(client.get(server.url, stream=True), deadlines=Deadlines(total=SAFETY))
            with pytest.raises(TransportError, match="curl_cffi failed") as raised:
                stream.result()
        assert raised.value.partial.text == "Hel"

    def test_read_already(self) -> None:
        """A response that wasn't streamed raises TypeError with what to pass instead."""
        with ReplayServer(BODY) as server, requests.Session() as client:
            response = client.post(server.url)
        with pytest.raises(TypeError, match=r"stream=True, or pass \[response.content\]"):
            Stream(response)
        assert Stream([response.content]).result().text == "Hello"


class TestAsync:
    """Responses of an AsyncSession."""

    def test_deadlines(self) -> None:
        """A deadline is met, although the response isn't finished."""
        with ReplayServer(Replay(BODY, delays=[0, 600, 0])) as server:

            async def main() -> None:
                async with requests.AsyncSession() as client:
                    response = await client.post(server.url, stream=True)
                    deadlines = Deadlines(between_bytes=0.2)
                    async with AsyncStream(response, deadlines=deadlines) as stream:
                        with pytest.raises(StreamTimeout):
                            await stream.result()

            asyncio.run(main())

    def test_a_truncated_body(self) -> None:
        """A truncated body raises TransportError."""
        with serving(sending(CUT, then="hang up")) as server:

            async def main() -> None:
                async with requests.AsyncSession() as client:
                    response = await client.get(server.url, stream=True)
                    with pytest.raises(TransportError, match="curl_cffi failed"):
                        await AsyncStream(response).result()

            asyncio.run(main())

    def test_to_the_end(self) -> None:
        """A source returns the complete body, and then nothing more."""
        with ReplayServer(BODY) as server:

            async def main() -> None:
                async with requests.AsyncSession() as client:
                    opened: Any = source(await client.get(server.url, stream=True))
                    assert b"".join([piece async for piece in opened]) == BODY
                    await opened.aclose()

            asyncio.run(main())

    def test_the_other_stream(self) -> None:
        """A stream of the other kind rejects the response."""
        with ReplayServer(BODY) as server:

            async def main() -> None:
                async with requests.AsyncSession() as client:
                    response = await client.get(server.url, stream=True)
                    with pytest.raises(TypeError, match="use AsyncStream"):
                        Stream(response)
                    assert (await AsyncStream(response).result()).text == "Hello"

            asyncio.run(main())
