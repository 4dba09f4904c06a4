"""Streams hand out items as they come, say how they ended, and close what they were given."""

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
    """Items come when their last byte has come, and a loop can be gone on with."""

    def test_items_as_they_come(self) -> None:
        """An item is handed out before the source is asked for more."""
        source = Source(chunk("a") + chunk("b")[:9], chunk("b")[9:], FINISH)
        stream = Stream(source)

        assert next(stream).text == "a"
        assert source.left == 2
        assert next(stream).text == "b"
        assert source.left == 1

    def test_a_second_loop_goes_on(self) -> None:
        """Breaking off and iterating again loses and repeats nothing."""
        stream = Stream([chunk("a") + chunk("b"), chunk("c"), FINISH, DONE])
        for each in stream:
            assert each.text == "a"
            break

        assert [each.text for each in stream] == ["b", "c", ""]
        assert list(stream) == []

    def test_any_iterable_of_bytes(self) -> None:
        """Lists, generators, bytearrays and empty pieces."""
        kinds: tuple[Any, ...] = (bytes, bytearray, memoryview)
        pieces = (kind(chunk("a") + FINISH) for kind in kinds)

        assert [each.text for each in Stream([b"", *pieces])] == ["a", ""] * 3

    def test_nothing_is_read_after_done(self) -> None:
        """The [DONE] mark ends the stream; a connection left open holds nobody."""
        source = Source(chunk("a"), DONE, AssertionError("read on"))
        stream = Stream(source)

        assert [each.text for each in stream] == ["a"]
        assert source.closed

    def test_text_deltas(self) -> None:
        """The new texts alone, without the empty ones."""
        stream = Stream([chunk(""), chunk("a") + chunk("b"), FINISH, DONE])

        assert list(stream.text_deltas()) == ["a", "b"]


class TestResults:
    """What the chunks amount to."""

    def test_result_reads_the_rest(self) -> None:
        """result() needs no loop; after one it reads what is left."""
        stream = Stream([chunk("a"), chunk("b"), FINISH, DONE])
        next(stream)

        result = stream.result()

        assert isinstance(result, ChatCompletion)
        assert result.text == "ab"
        assert stream.result() == result

    def test_snapshot_holds_what_was_handed_out(self) -> None:
        """Chunks still waiting are not in it."""
        stream = Stream([chunk("a") + chunk("b"), FINISH])
        assert stream.snapshot().text == ""
        next(stream)

        assert stream.snapshot().text == stream.accumulator.text == "a"


class TestEnds:
    """How a stream ended, each with its cause."""

    def test_goes_on(self) -> None:
        """None before the end."""
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
        """Each end has its cause, and those that are faults their error, raised ever after."""
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

    def test_chunks_before_a_fault_come_first(self) -> None:
        """The error is raised when all that came before it was handed out, and without waiting."""
        source = Source(chunk("a") + chunk("b") + data("no JSON") + chunk("c"), OSError())
        stream = Stream(source)

        assert [next(stream).text, next(stream).text] == ["a", "b"]
        with pytest.raises(DecodeError) as raised:
            next(stream)
        assert raised.value.partial.text == "ab"
        assert source.left == 1

    def test_incomplete_can_be_accepted(self) -> None:
        """on_incomplete="accept" ends quietly, and result() gives what came."""
        stream = Stream([chunk("half")], on_incomplete="accept")

        assert stream.result().text == "half"
        assert stream.end is not None
        assert stream.end.cause is EndCause.INCOMPLETE

    def test_transport_error(self) -> None:
        """It says how far the stream had come; the cause is the transport's own exception."""
        cause = ConnectionResetError("by peer")
        stream = Stream(Source(chunk("a") + b"data: {", cause))

        with pytest.raises(TransportError, match=r"after 1 event \(\d+ bytes\).*by peer") as raised:
            stream.result()

        assert raised.value.__cause__ is cause
        assert stream.end is not None
        assert stream.end.mid_event

    def test_timeout(self) -> None:
        """A transport's TimeoutError is a StreamTimeout that says whose clock it was."""
        with pytest.raises(StreamTimeout) as raised:
            next(Stream(Source(TimeoutError())))

        assert raised.value.clock == "transport"

    def test_a_whole_event_before_the_failure_is_used(self) -> None:
        """An event whose data is whole is not lost with the connection."""
        stream = Stream(Source(chunk("a")[:-2], OSError()))

        assert next(stream).text == "a"

    def test_an_error_of_ours_is_not_wrapped(self) -> None:
        """A source that raises SSEError is believed."""
        with pytest.raises(LimitExceeded):
            next(Stream(Source(LimitExceeded(limit="line", maximum=1, offset=0))))

    def test_misuse_of_the_source_is_no_failure(self) -> None:
        """RuntimeError and TypeError of the source pass as they are."""
        with pytest.raises(RuntimeError, match=r"already read"):
            next(Stream(Source(RuntimeError("already read"))))
        with pytest.raises(TypeError, match=r"not str"):
            next(Stream(["text"]))  # type: ignore[list-item] # misuse

    @pytest.mark.parametrize("status", [200, 502])
    def test_what_was_not_a_stream(self, status: int) -> None:
        """The error tells status, content type and the body's start."""
        stream = Stream(Response(status, "text/html", b"<html>" + b"x" * 600, b"y"))

        with pytest.raises(NotEventStream) as raised:
            next(stream)

        error = raised.value
        assert (error.status, error.content_type) == (status, "text/html")
        assert error.body_start == b"<html>" + b"x" * 506

    def test_an_empty_answer_with_another_status(self) -> None:
        """Nothing at all with a status that is not 200 was no stream."""
        with pytest.raises(NotEventStream, match="status 204"):
            next(Stream(Response(204, "")))


class TestClosing:
    """Streams close what they were given."""

    def test_leaving_the_block(self) -> None:
        """By its end, by break, by an exception: closed before the block is left."""

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
        """Iterating a stream closed before its end is a clear error; what came stays."""
        stream = Stream([chunk("a") + chunk("b")])
        next(stream)
        stream.close()

        for use in (lambda: next(stream), stream.result):
            with pytest.raises(RuntimeError, match=r"closed before its end"):
                use()
        assert stream.snapshot().text == "a"

    def test_close_after_the_end(self) -> None:
        """A stream read to its end keeps its result."""
        with Stream([chunk("a"), FINISH, DONE]) as stream:
            for _ in stream:
                pass
        stream.close()

        assert stream.result().text == "a"
        assert list(stream) == []

    def test_a_generator_is_closed(self) -> None:
        """A generator's finally runs when the block is left."""
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
        """It is nobody's failure: it passes, and the block closes the source."""
        source = Source(chunk("a"), KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt), Stream(source) as stream:
            list(stream)

        assert source.closed
        assert stream.snapshot().text == "a"


class TestEvents:
    """Streams of events."""

    def test_events(self) -> None:
        """Events as the parser gives them, with its state."""
        stream = EventStream([b"retry: 5\nid: 7\ndata: a\n\n", b"data: b\n\n: ping\n"])

        assert list(stream) == [Event("a", id="7", retry=5), Event("b", id="7")]
        assert (stream.last_event_id, stream.retry) == ("7", 5)
        assert stream.end is not None
        assert stream.end.cause is EndCause.FINISHED

    def test_comments(self) -> None:
        """Comments stand among them when asked for."""
        stream = EventStream([b": ping\ndata: a\n\n"], comments=True)

        assert list(stream) == [Comment(" ping"), Event("a")]

    def test_a_cut_is_told_and_not_raised(self) -> None:
        """As the standard says, an incomplete last event is dropped; `end` tells it."""
        stream = EventStream([b"data: a\n\ndata: b"])

        assert list(stream) == [Event("a")]
        assert stream.end is not None
        assert stream.end.cause is EndCause.INCOMPLETE
        assert list(EventStream([b"data: b"], incomplete="dispatch")) == [Event("b")]

    def test_faults(self) -> None:
        """Errors have no partial result; use after close is told."""
        stream = EventStream([b"data: a\n\n\xff"], errors="strict")
        assert next(stream) == Event("a")
        with pytest.raises(EncodingError) as raised:
            next(stream)
        assert raised.value.partial is None

        with EventStream([b"data: a\n\n"]) as stream:
            pass
        with pytest.raises(RuntimeError, match=r"open a new one"):
            next(stream)

    def test_not_a_stream(self) -> None:
        """HTML is no stream of events either."""
        with pytest.raises(NotEventStream):
            list(EventStream([b"<html>"]))


class TestBadSources:
    """What cannot be read says what can."""

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (b"data: a\n\n", r"not bytes itself; wrap a body of bytes in a list"),
            (bytearray(), r"not bytearray itself"),
            ("data: a\n\n", r"not str itself"),
            (5, r"cannot read int; pass an iterable of bytes"),
            (None, r"cannot read NoneType"),
        ],
    )
    def test_no_source(self, source: Any, message: str) -> None:
        """TypeError, at once."""
        for face in (Stream, EventStream):
            with pytest.raises(TypeError, match=message):
                face(source)

    def test_an_asynchronous_source(self) -> None:
        """It names the class that reads it."""

        class Pieces:
            def __aiter__(self) -> Any:
                return self

        with pytest.raises(TypeError, match=r"use AsyncStream"):
            Stream(Pieces())  # type: ignore[arg-type] # misuse
        with pytest.raises(TypeError, match=r"use AsyncEventStream"):
            EventStream(Pieces())  # type: ignore[call-overload] # misuse

    def test_options(self) -> None:
        """Values that mean nothing, and options that do not exist."""
        with pytest.raises(ValueError, match=r"on_incomplete is 'ignore'"):
            Stream([], on_incomplete="ignore")  # type: ignore[arg-type] # misuse
        with pytest.raises(ValueError, match=r"errors is 'x'"):
            Stream([], errors="x")  # type: ignore[arg-type] # misuse
        with pytest.raises(TypeError, match=r"'comments'"):
            Stream([], comments=True)  # type: ignore[call-arg] # misuse


class TestInterruptions:
    """What goes through the source without being its failure."""

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("x"), TypeError("x")])
    def test_an_end_after_it_is_not_believed(self, error: BaseException) -> None:
        """An iterator may be over once an exception has gone through it."""

        def pieces() -> Any:
            yield chunk("a") + FINISH
            raise error

        for face in (Stream, EventStream):
            stream: Any = face(pieces())
            next(stream), next(stream)
            with pytest.raises(type(error)):
                next(stream)
            with pytest.raises(RuntimeError, match=r"a read of it interrupted"):
                next(stream)
            assert stream.end.cause is EndCause.CANCELLED

    def test_a_source_that_goes_on_is_read_on(self) -> None:
        """One that survives the exception gives the rest."""
        stream = Stream(Source(chunk("a"), RuntimeError("busy"), chunk("b"), FINISH))
        next(stream)
        with pytest.raises(RuntimeError, match="busy"):
            next(stream)

        assert stream.result().text == "ab"

    @pytest.mark.parametrize("face", [Stream, EventStream])
    def test_an_interrupt(self, face: Any) -> None:
        """An iterator in C may have taken a piece before it: nothing more is read."""
        pieces = [chunk("a"), chunk("lost"), chunk("b"), FINISH, DONE]

        def interrupt(piece: bytes) -> bytes:
            if b"lost" in piece:
                _thread.interrupt_main(signal.SIGINT)
            return piece

        stream = face(map(interrupt, pieces))
        next(stream)
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        with pytest.raises(RuntimeError, match="a read of it interrupted"):
            list(stream)
        assert stream.end.cause is EndCause.CANCELLED

    @pytest.mark.parametrize("then", [None, OSError(), chunk("b")])
    def test_closed_while_it_waits(self, then: Any) -> None:
        """What the source does after that changes nothing."""

        class Pieces:
            def __iter__(self) -> Any:
                return self

            def __next__(self) -> bytes:
                stream.close()
                if then is None:
                    raise StopIteration
                if isinstance(then, Exception):
                    raise then
                return bytes(then)

        stream = Stream(Pieces())
        with pytest.raises(RuntimeError, match=r"closed before its end"):
            next(stream)
        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED


class TestSourcesThatCloseBadly:
    """A failing close() hides nothing."""

    class Pieces(Source):
        """Fails to close."""

        def close(self) -> None:
            super().close()
            raise OSError("close failed")

    def test_at_the_end(self) -> None:
        """How the stream ended is told; an explicit close() tells the failure."""
        stream = Stream(self.Pieces(chunk("a"), FINISH, DONE))
        assert stream.result().text == "a"
        with pytest.raises(OSError, match="close failed"):
            stream.close()

        with pytest.raises(IncompleteStream):
            Stream(self.Pieces(chunk("a"))).result()

    def test_both_are_closed(self) -> None:
        """A failing iterator does not keep its source from being closed."""
        inner = self.Pieces(chunk("a"))
        outer = Source()
        outer.__class__ = type("Outer", (Source,), {"__iter__": lambda _self: inner})
        stream = Stream(outer)
        next(stream)
        with pytest.raises(OSError, match="close failed"):
            stream.close()

        assert (inner.closed, outer.closed) == (1, 1)


class TestOdds:
    """Odd sources."""

    def test_none_is_no_end(self) -> None:
        """A piece that is None is misuse, not the end."""
        with pytest.raises(TypeError, match=r"not NoneType"):
            list(Stream([chunk("a"), None]))  # type: ignore[list-item] # misuse

    def test_no_headers(self) -> None:
        """A source may know nothing of its response."""
        source = Response(500, "", b"oops")
        source.headers = None  # type: ignore[assignment] # a source that has none

        with pytest.raises(NotEventStream):
            next(Stream(source))

    def test_a_source_that_cannot_begin(self) -> None:
        """A failure to begin is a failure of the connection too."""

        class Pieces:
            def __iter__(self) -> Any:
                raise ConnectionRefusedError

        with pytest.raises(TransportError):
            next(Stream(Pieces()))

    def test_a_servers_error_and_then_the_connection(self) -> None:
        """What the server said counts, though it did not end its event."""
        with pytest.raises(ServerSentError, match="boom"):
            next(Stream(Source(b'data: {"error":"boom"}', OSError())))

    def test_a_subclass_of_an_error(self) -> None:
        """The cause is found by the kind of error, its own subclasses included."""

        class Reset(TransportError):
            pass

        stream = EventStream(Source(b"data: a\n\n", Reset("x")))
        next(stream)
        with pytest.raises(Reset):
            next(stream)
        assert stream.end is not None
        assert stream.end.cause is EndCause.TRANSPORT

    def test_what_waits_is_dropped_by_close(self) -> None:
        """However the bytes were cut, closing before the last item is closing early."""
        with Stream([chunk("a") + chunk("b") + FINISH + DONE]) as stream:
            next(stream)
            assert stream.end is None

        assert stream.end is not None
        assert stream.end.cause is EndCause.CANCELLED
        with pytest.raises(RuntimeError):
            stream.result()

    def test_what_the_parser_knows(self) -> None:
        """Last event ID, reconnection time, and the number of events skipped."""
        stream = Stream(
            [b"id: 7\nretry: 5\n", data("no JSON"), DONE], on_bad_json="skip", last_event_id="1"
        )
        stream.result()

        assert (stream.last_event_id, stream.retry, stream.skipped) == ("7", 5, 1)
