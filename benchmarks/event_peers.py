"""Contenders that convert bytes to events, used as their users do, without a network."""

from collections.abc import Iterator

from measure import Contender, Prepare, count, on_feeds

TYPE = {"content-type": "text/event-stream"}


class Feeds:
    """The pieces of a body, to combine with the base class that an HTTP library requires."""

    def __init__(self, feeds: list[bytes]) -> None:
        self._feeds = feeds

    def __iter__(self) -> Iterator[bytes]:
        yield from self._feeds


def httpx_sse() -> Prepare:
    import httpx
    from httpx_sse import EventSource

    class Body(Feeds, httpx.SyncByteStream):
        pass

    def events(feeds: list[bytes]) -> int:
        response = httpx.Response(200, headers=TYPE, stream=Body(feeds))
        return count(EventSource(response).iter_sse())

    return on_feeds(events)


def httpx2() -> Prepare:
    import httpx2

    class Body(Feeds, httpx2.SyncByteStream):
        pass

    request = httpx2.Request("GET", "http://127.0.0.1/")

    def events(feeds: list[bytes]) -> int:
        response = httpx2.Response(200, headers=TYPE, stream=Body(feeds), request=request)
        return count(httpx2.EventSource(response, max_event_size=None))

    return on_feeds(events)


def openai() -> Prepare:
    from openai._streaming import SSEDecoder

    return on_feeds(lambda feeds: count(SSEDecoder().iter_bytes(iter(feeds))))


def anthropic() -> Prepare:
    from anthropic._streaming import SSEDecoder

    return on_feeds(lambda feeds: count(SSEDecoder().iter_bytes(iter(feeds))))


def sseclient_py() -> Prepare:
    from sseclient import SSEClient

    return on_feeds(lambda feeds: count(SSEClient(iter(feeds)).events()))


def assel() -> Prepare:
    from assel import Parser

    def events(feeds: list[bytes]) -> int:
        parser = Parser()
        seen = 0
        for piece in feeds:
            for _ in parser.receive_bytes(piece):
                seen += 1
        return seen

    return on_feeds(events)


def launchdarkly() -> Prepare:
    from ld_eventsource.actions import Event
    from ld_eventsource.reader import _BufferedLineReader, _SSEReader

    def events(feeds: list[bytes]) -> int:
        reader = _SSEReader(_BufferedLineReader.lines_from(iter(feeds)))
        seen = 0
        for item in reader.events_and_comments():
            if type(item) is Event:
                seen += 1
        return seen

    return on_feeds(events)


EVENT_PEERS = (
    Contender("httpx-sse", "peer", httpx_sse),
    Contender("httpx2", "peer", httpx2),
    Contender("openai", "peer", openai),
    Contender("anthropic", "peer", anthropic),
    Contender("sseclient-py", "peer", sseclient_py),
    Contender("assel", "peer", assel),
    Contender("launchdarkly-eventsource", "peer", launchdarkly),
)
