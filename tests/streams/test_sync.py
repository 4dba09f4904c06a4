"""Synchronous streams: iteration, results, ends, closing and unusual sources."""

import _thread
import signal
from contextlib import nullcontext
from typing import Any

import pytest

from sseparse import (
    ChatCompletion,
    Comment,
    DecodeError,
    EncodingError,
    EndCause,
    Event,
    EventStream,
    IncompleteStream,
    LimitExceeded,
    NotEventStream,
    ServerSentError,
    SSEError,
    Stream,
    StreamTimeout,
    TransportError,
)

from .sources import DONE, FINISH, Response, Source, chunk, data


class TestIterating:
    """Iteration returns items without delay and can be resumed."""

    def test_items_are_returned_without_delay(self) -> None:
        """A stream returns a complete item before it reads the source again."""
        source = Source(chunk("a") + chunk("b")[:9], chunk("b")[9:], FINISH)
        stream = Stream(source)

        assert next(stream).text == "a"
        assert source.left == 2
        assert next(stream).text == "b"
        assert source.left == 1

    def test_second_loop_continues(self) -> None:
        """A second loop continues where the first one stopped."""
        stream = Stream([chunk("a") + chunk("b"), chunk("c"), FINISH, DONE])
        for each in stream:
            assert each.text == "a"
            break

        assert [each.text for each in stream] == ["b", "c", ""]
        assert list(stream) == []

    def test_any_iterable_of_bytes(self) -> None:
        """A stream reads any iterable of bytes-like objects, including empty ones."""
        kinds: tuple[Any, ...] = (bytes, bytearray, memoryview)
        pieces = (kind(chunk("a") + FINISH) for kind in kinds)

        assert [each.text for each in Stream([b"", *pieces])] == ["a", ""] * 3

    def test_nothing_is_read_after_done(self) -> None:
        """A stream stops reading at [DONE] and closes its source."""
        source = Source(chunk("a"), DONE, AssertionError("read after [DONE]"))
        stream = Stream(source)

        assert [each.text for each in stream] == ["a"]
        assert source.closed

    def test_text_deltas(self) -> None:
        """text_deltas() iterates over the texts that aren't empty."""
        stream = Stream([chunk(""), chunk("a") + chunk("b"), FINISH, DONE])

        assert list(stream.text_deltas()) == ["a", "b"]


class TestResults:
    """Results of streams."""

    def test_result_reads_the_rest(self) -> None:
        """result() reads the rest of the stream and returns the same result again."""
        stream = Stream([chunk("a"), chunk("b"), FINISH, DONE])
        next(stream)

        result = stream.result()

        assert isinstance(result, ChatCompletion)
        assert result.text == "ab"
        assert stream.result() == result

    def test_snapshot(self) -> None:
        """A snapshot has the chunks returned so far, but no pending ones."""
        stream = Stream([chunk("a") + chunk("b"), FINISH])
        assert stream.snapshot().text == ""
        next(stream)

        assert stream.snapshot().text == stream.accumulator.text == "a"


class TestEnds:
    """How streams end, with the cause of each end."""

    def test_no_end_yet(self) -> None:
        """A stream that hasn't ended has no end."""
        stream = Stream([chunk("a"), FINISH])
        next(stream)

        assert stream.end is None

    @pytest.mark.parametrize(
        ("pieces", "cause", "kind"),
        [
            ([chunk(), FINISH, DONE], EndCause.DONE, None),
            ([chunk(), DONE], EndCause.DONE, None),
            ([chunk(), b"data: [DONE]"], EndCause.DONE, None),
            ([chunk(), FINISH], EndCause.FINISHED, None),
            ([chunk()], EndCause.INCOMPLETE, IncompleteStream),
            ([chunk(), b"data: {"], EndCause.INCOMPLETE, IncompleteStream),
            ([b""], EndCause.INCOMPLETE, IncompleteStream),
            ([b": ping\n\n"], EndCause.INCOMPLETE, IncompleteStream),
            ([b"\xef\xbb\xbf\n\nretry"], EndCause.INCOMPLETE, IncompleteStream),
            ([chunk(), data('{"error": "m"}')], EndCause.SERVER_ERROR, ServerSentError),
            ([chunk(), data("no JSON")], EndCause.INCOMPLETE, DecodeError),
            ([b"<html>"], EndCause.NOT_A_STREAM, NotEventStream),
            ([b'{"error"', b': "m"}\n'], EndCause.SERVER_ERROR, ServerSentError),
            ([b"datum: 5\n"], EndCause.NOT_A_STREAM, NotEventStream),
            ([chunk(), OSError("reset")], EndCause.TRANSPORT, TransportError),
            ([chunk(), TimeoutError("late")], EndCause.TIMEOUT, StreamTimeout),
        ],
    )
    def test_cause(self, pieces: list[Any], cause: EndCause, kind: type[SSEError] | None) -> None:
        """Each end has its cause, and each read after an end with an error raises that error."""
        source = Source(*pieces)
        stream = Stream(source)
        if kind is None:
            stream.result()
        else:
            for _ in range(2):
                with pytest.raises(kind) as raised:
                    stream.result()
                assert raised.value.partial == stream.snapshot()

        assert stream.end is not None
        assert stream.end.cause is cause
        assert source.closed

    def test_chunks_before_an_error_are_returned_first(self) -> None:
        """A stream raises an error after the chunks before it, without another read."""
        source = Source(chunk("a") + chunk("b") + data("no JSON") + chunk("c"), OSError())
        stream = Stream(source)

        assert [next(stream).text, next(stream).text] == ["a", "b"]
        with pytest.raises(DecodeError) as raised:
            next(stream)
        assert raised.value.partial.text == "ab"
        assert source.left == 1

    def test_accept_incomplete(self) -> None:
        """on_incomplete="accept" accepts a truncated stream, with its partial result."""
        stream = Stream([chunk("half")], on_incomplete="accept")

        assert stream.result().text == "half"
        assert stream.end is not None
        assert stream.end.cause is EndCause.INCOMPLETE

    def test_transport_error(self) -> None:
        """A TransportError has the progress of the stream and the transport's exception."""
        cause = ConnectionResetError("by peer")
        stream = Stream(Source(chunk("a") + b"data: {", cause))

        with pytest.raises(TransportError, match=r"after 1 event \(\d+ bytes\).*by peer") as raised:
            stream.result()

        assert raised.value.__cause__ is cause
        assert stream.end is not None
        assert stream.end.mid_event

    def test_timeout(self) -> None:
        """A TimeoutError of the transport is reported with the transport as the clock."""
        with pytest.raises(StreamTimeout) as raised:
            next(Stream(Source(TimeoutError())))

        assert raised.value.clock == "transport"

    def test_complete_event_before_a_failure(self) -> None:
        """An event with complete data is returned before the failure of the connection."""
        stream = Stream(Source(chunk("a")[:-2], OSError()))

        assert next(stream).text == "a"

    def test_sse_error_is_not_wrapped(self) -> None:
        """A stream raises an SSEError of its source unchanged."""
        with pytest.raises(LimitExceeded):
            next(Stream(Source(LimitExceeded(limit="line", maximum=1, offset=0))))

    def test_misuse_of_the_source(self) -> None:
        """A RuntimeError or TypeError of the source isn't converted to a TransportError."""
        with pytest.raises(RuntimeError, match=r"already read"):
            next(Stream(Source(RuntimeError("already read"))))
        with pytest.raises(TypeError, match=r"not str"):
            next(Stream(["text"]))  # type: ignore[list-item] # misuse

    @pytest.mark.parametrize("status", [200, 502])
    def test_not_an_event_stream(self, status: int) -> None:
        """A NotEventStream has the status, the content type and the start of the body."""
        stream = Stream(Response(status, "text/html", b"<html>" + b"x" * 600, b"y"))

        with pytest.raises(NotEventStream) as raised:
            next(stream)

        error = raised.value
        assert (error.status, error.content_type) == (status, "text/html")
        assert error.body_start == b"<html>" + b"x" * 506

    def test_empty_body_with_another_status(self) -> None:
        """An empty body with another status than 200 isn't an event stream."""
        with pytest.raises(NotEventStream, match="status 204"):
            next(Stream(Response(204, "")))


class TestClosing:
    """Closing a stream closes its source."""

    def test_leaving_the_block(self) -> None:
        """Leaving the block early, by break or by an exception, closes the source."""

        def leave_by(error: Exception | None) -> None:
            with Stream(source) as stream:
                streams.append(stream)
                for _ in stream:
                    if error is not None:
                        raise error
                    break

        for error in (None, KeyError()):
            source, streams = Source(chunk("a"), chunk("b")), list[Stream]()
            with pytest.raises(KeyError) if error else nullcontext():
                leave_by(error)
            assert source.closed
            assert streams[0].end is not None
            assert streams[0].end.cause is EndCause.CANCELLED

    def test_use_after_close(self) -> None:
        """A read of a closed stream raises RuntimeError, and the result so far is kept."""
        stream = Stream([chunk("a") + chunk("b")])
        next(stream)
        stream.close()

        for use in (lambda: next(stream), stream.result):
            with pytest.raises(RuntimeError, match=r"closed before its end"):
                use()
        assert stream.snapshot().text == "a"

    def test_close_after_the_end(self) -> None:
        """A stream that ended before it was closed keeps its result."""
        with Stream([chunk("a"), FINISH, DONE]) as stream:
            for _ in stream:
                pass
        stream.close()

        assert stream.result().text == "a"
        assert list(stream) == []

    def test_generator_is_closed(self) -> None:
        """Leaving the block closes a generator, so that its finally clause runs."""
        left = []

        def pieces() -> Any:
            try:
                yield chunk("a")
                yield chunk("b")
            finally:
                left.append(True)

        with Stream(pieces()) as stream:
            next(stream)
        assert left == [True]

    def test_keyboard_interrupt(self) -> None:
        """A KeyboardInterrupt isn't wrapped, and the block closes the source."""
        source = Source(chunk("a"), KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt), Stream(source) as stream:
            list(stream)

        assert source.closed
        assert stream.snapshot().text == "a"


class TestEvents:
    """Streams of events."""

    def test_events(self) -> None:
        """An event stream has the events, last event ID and retry of a parser."""
        stream = EventStream([b"retry: 5\nid: 7\ndata: a\n\n", b"data: b\n\n: ping\n"])

        assert list(stream) == [Event("a", id="7", retry=5), Event("b", id="7")]
        assert (stream.last_event_id, stream.retry) == ("7", 5)
        assert stream.end is not None
        assert stream.end.cause is EndCause.FINISHED

    def test_comments(self) -> None:
        """comments=True returns the comments in order with the events."""
        stream = EventStream([b": ping\ndata: a\n\n"], comments=True)

        assert list(stream) == [Comment(" ping"), Event("a")]

    def test_truncated_event_stream(self) -> None:
        """A truncated event stream drops its incomplete event, unless incomplete="dispatch"."""
        stream = EventStream([b"data: a\n\ndata: b"])

        assert list(stream) == [Event("a")]
        assert stream.end is not None
        assert stream.end.cause is EndCause.INCOMPLETE
        assert list(EventStream([b"data: b"], incomplete="dispatch")) == [Event("b")]

    def test_errors(self) -> None:
        """Errors of event streams have no partial result, and closed ones raise RuntimeError."""
        stream = EventStream([b"data: a\n\n\xff"], errors="strict")
        assert next(stream) == Event("a")
        with pytest.raises(EncodingError) as raised:
            next(stream)
        assert raised.value.partial is None

        with EventStream([b"data: a\n\n"]) as stream:
            pass
        with pytest.raises(RuntimeError, match=r"open a new one"):
            next(stream)

    def test_not_an_event_stream(self) -> None:
        """An HTML page isn't an event stream."""
        with pytest.raises(NotEventStream):
            list(EventStream([b"<html>"]))


class TestUnreadableSources:
    """Objects that can't be read as a source, and invalid options."""

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (b"data: a\n\n", r"not bytes itself; wrap a body of bytes in a list"),
            (bytearray(), r"not bytearray itself"),
            ("data: a\n\n", r"not str itself; pass the response, or \[text\.encode\(\)\]"),
            (5, r"cannot read int; pass an iterable of bytes"),
            (None, r"cannot read NoneType"),
        ],
    )
    def test_unreadable_source(self, source: Any, message: str) -> None:
        """An unreadable source raises TypeError when the stream is created."""
        for stream_type in (Stream, EventStream):
            with pytest.raises(TypeError, match=message):
                stream_type(source)

    def test_source_of_text(self) -> None:
        """A piece of text raises a TypeError that says what to do."""
        for stream_type in (Stream, EventStream):
            source: Any = ["data: a"]
            with pytest.raises(TypeError, match=r"^expected bytes, .*, not str; encode the text"):
                next(stream_type(source))

    def test_asynchronous_source(self) -> None:
        """An asynchronous source raises a TypeError that names the class to use instead."""

        class Pieces:
            def __aiter__(self) -> Any:
                return self

        with pytest.raises(TypeError, match=r"use AsyncStream"):
            Stream(Pieces())  # type: ignore[arg-type] # misuse
        with pytest.raises(TypeError, match=r"use AsyncEventStream"):
            EventStream(Pieces())  # type: ignore[call-overload] # misuse

    def test_options(self) -> None:
        """Invalid values raise ValueError and unknown options raise TypeError."""
        with pytest.raises(ValueError, match=r"on_incomplete is 'ignore'"):
            Stream([], on_incomplete="ignore")  # type: ignore[arg-type] # misuse
        with pytest.raises(ValueError, match=r"errors is 'x'"):
            Stream([], errors="x")  # type: ignore[arg-type] # misuse
        with pytest.raises(TypeError, match=r"'comments'"):
            Stream([], comments=True)  # type: ignore[call-arg] # misuse


class TestInterruptions:
    """Exceptions during a read that aren't failures of the connection."""

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("x"), TypeError("x")])
    def test_end_after_an_exception_is_not_trusted(self, error: BaseException) -> None:
        """A stream doesn't mistake an iterator that an exception exhausted for its end."""

        def pieces() -> Any:
            yield chunk("a") + FINISH
            raise error

        for stream_type in (Stream, EventStream):
            stream: Any = stream_type(pieces())
            next(stream), next(stream)
            with pytest.raises(type(error)):
                next(stream)
            with pytest.raises(RuntimeError, match=r"a read of it interrupted"):
                next(stream)
            assert stream.end.cause is EndCause.CANCELLED

    def test_source_that_continues(self) -> None:
        """A stream continues to read a source that isn't exhausted by the exception."""
        stream = Stream(Source(chunk("a"), RuntimeError("busy"), chunk("b"), FINISH))
        next(stream)
        with pytest.raises(RuntimeError, match="busy"):
            next(stream)

        assert stream.result().text == "ab"

    @pytest.mark.parametrize("stream_type", [Stream, EventStream])
    def test_interrupt(self, stream_type: Any) -> None:
        """An interrupt ends the stream, because an iterator in C can have lost a piece."""
        pieces = [chunk("a"), chunk("lost"), chunk("b"), FINISH, DONE]

        def interrupt(piece: bytes) -> bytes:
            if b"lost" in piece:
                _thread.interrupt_main(signal.SIGINT)
            return piece

        stream = stream_type(map(interrupt, pieces))
        next(stream)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        with pytest.raises(RuntimeError, match="a read of it interrupted"):
            list(stream)
        assert stream.end.cause is EndCause.CANCELLED

    @pytest.mark.parametrize("outcome", [None, OSError(), chunk("b")])
    def test_closed_during_a_read(self, outcome: Any) -> None:
        """A stream that was closed during a read ignores what its source returns or raises."""

        class Pieces:
            def __iter__(self) -> Any:
                return self

            def __next__(self) -> bytes:
                stream.close()
                if outcome is None:
                    raise StopIteration
                if isinstance(outcome, Exception):
                    raise outcome
                return bytes(outcome)

        stream = Stream(Pieces())
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            next(stream)
        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED


class TestFailingClose:
    """Sources whose close() raises an error."""

    class FailingCloseSource(Source):
        """A source whose close() raises an error."""

        def close(self) -> None:
            super().close()
            raise OSError("close failed")

    def test_close_at_the_end(self) -> None:
        """A close() that fails at the end is ignored, and an explicit one raises the error."""
        stream = Stream(self.FailingCloseSource(chunk("a"), FINISH, DONE))
        assert stream.result().text == "a"
        with pytest.raises(OSError, match="close failed"):
            stream.close()

        with pytest.raises(IncompleteStream):
            Stream(self.FailingCloseSource(chunk("a"))).result()

    def test_iterator_and_source(self) -> None:
        """A stream closes its source even if closing the iterator fails."""
        inner = self.FailingCloseSource(chunk("a"))
        outer = Source()
        outer.__class__ = type("Outer", (Source,), {"__iter__": lambda _self: inner})
        stream = Stream(outer)
        next(stream)
        with pytest.raises(OSError, match="close failed"):
            stream.close()

        assert (inner.closed, outer.closed) == (1, 1)


class TestEdgeCases:
    """Edge cases of sources and of closing."""

    def test_none_is_not_the_end(self) -> None:
        """A piece that is None raises TypeError instead of ending the stream."""
        with pytest.raises(TypeError, match=r"not NoneType"):
            list(Stream([chunk("a"), None]))  # type: ignore[list-item] # misuse

    def test_no_headers(self) -> None:
        """A body is rejected even if the headers of its response are None."""
        source = Response(500, "", b"oops")
        source.headers = None  # type: ignore[assignment] # a response without headers

        with pytest.raises(NotEventStream):
            next(Stream(source))

    def test_failure_of_iter(self) -> None:
        """An exception in the source's __iter__() is a failure of the connection."""

        class Pieces:
            def __iter__(self) -> Any:
                raise ConnectionRefusedError

        with pytest.raises(TransportError):
            next(Stream(Pieces()))

    def test_server_error_before_a_failure(self) -> None:
        """A server's error whose event isn't complete is raised instead of the failure."""
        with pytest.raises(ServerSentError, match="boom"):
            next(Stream(Source(b'data: {"error":"boom"}', OSError())))

    def test_subclass_of_an_error(self) -> None:
        """A subclass of an SSEError has the cause of its base class."""

        class Reset(TransportError):
            pass

        stream = EventStream(Source(b"data: a\n\n", Reset("x")))
        next(stream)
        with pytest.raises(Reset):
            next(stream)
        assert stream.end is not None
        assert stream.end.cause is EndCause.TRANSPORT

    def test_close_drops_pending_items(self) -> None:
        """A stream that is closed before its last item is cancelled and has no result."""
        with Stream([chunk("a") + chunk("b") + FINISH + DONE]) as stream:
            next(stream)
            assert stream.end is None

        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED
        with pytest.raises(RuntimeError):
            stream.result()

    def test_parser_state(self) -> None:
        """A stream has the last event ID, the retry and the skipped events of its parser."""
        stream = Stream(
            [b"id: 7\nretry: 5\n", data("no JSON"), DONE],
            on_bad_json="skip",
            on_incomplete="accept",
            last_event_id="1",
        )
        stream.result()

        assert (stream.last_event_id, stream.retry, stream.skipped) == ("7", 5, 1)
