"""Chunk decoders: events to chunks, with the variations that servers send."""

import json
from typing import Any

import pytest

from sseparse import (
    ChatCompletionChunk,
    ChunkDecoder,
    CompletionChunk,
    DecodeError,
    EndCause,
    Event,
    ServerSentError,
)

CHUNK: dict[str, Any] = {"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}}]}
LEGACY = {"object": "text_completion", "choices": [{"index": 0, "text": "a"}]}


def event(data: Any, kind: str = "message") -> Event:
    return Event(data if isinstance(data, str) else json.dumps(data), kind)


def decode(*events: Event, **options: Any) -> tuple[list[Any], ChunkDecoder]:
    decoder = ChunkDecoder(**options)
    chunks: list[Any] = []
    for each in events:
        chunks += decoder.feed(each)
        if decoder.error is not None:
            break
    return chunks, decoder


def decode_server_error(*events: Event) -> ServerSentError:
    _, decoder = decode(*events)
    assert isinstance(decoder.error, ServerSentError)
    return decoder.error


class TestChunks:
    """The kinds of chunks and their text."""

    def test_chat(self) -> None:
        """A chat chunk has its known fields as attributes."""
        (chunk,), _ = decode(event(CHUNK))

        assert isinstance(chunk, ChatCompletionChunk)
        assert (chunk.id, chunk.text, chunk.choices[0].delta.content) == ("c", "a", "a")
        assert chunk.extra == {}

    def test_legacy(self) -> None:
        """A chunk with the object "text_completion" is a legacy chunk."""
        (chunk,), _ = decode(event(LEGACY))

        assert isinstance(chunk, CompletionChunk)
        assert chunk.text == "a"

    @pytest.mark.parametrize("kind", ["", "completion.chunk", None])
    def test_legacy_by_its_choices(self, kind: str | None) -> None:
        """A chunk whose choices have text but no delta is a legacy chunk, whatever its object."""
        (chunk,), _ = decode(event(LEGACY | {"object": kind}))

        assert isinstance(chunk, CompletionChunk)

    def test_kind_of_a_stream(self) -> None:
        """The first choices of a stream decide the kind of its later chunks."""
        chunks, _ = decode(
            event(LEGACY),
            event({"object": "chat.completion.chunk", "choices": []}),
            event({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
        )
        assert [type(chunk) for chunk in chunks] == [CompletionChunk] * 3
        assert chunks[2].choices[0].extra == {"delta": {}}

        chunks, _ = decode(event(CHUNK | {"x": 1}), event(LEGACY))
        assert [type(chunk) for chunk in chunks] == [ChatCompletionChunk] * 2

    @pytest.mark.parametrize("legacy", [False, True])
    def test_text_of_choice_0_only(self, legacy: bool) -> None:
        """`text` is the text of choice 0, or "" if the chunk has none for it."""
        one = {"index": 1, "text": "b"} if legacy else {"index": 1, "delta": {"content": "b"}}
        base: dict[str, Any] = LEGACY if legacy else CHUNK
        chunks, _ = decode(
            event(base | {"choices": [one, *base["choices"]]}), event(base | {"choices": [one]})
        )

        assert [chunk.text for chunk in chunks] == ["a", ""]

    def test_text_of_parts(self) -> None:
        """The text of a content with parts is that of its text parts."""
        parts = [
            {"type": "text", "text": "a"},
            {"type": "reference"},
            {"type": "text", "text": "b"},
        ]
        chunks, _ = decode(
            event({"choices": [{"index": 0, "delta": {"content": parts}}]}),
            event({"choices": [{"index": 0, "delta": {"content": None}}]}),
        )

        assert [chunk.text for chunk in chunks] == ["ab", ""]


class TestUnknownData:
    """Unknown fields, unexpected types and missing fields are preserved."""

    @pytest.mark.parametrize(
        "body",
        [
            {"choices": []},
            {"id": "c"},
            {"choices": [{"index": 0}]},
            {"choices": [{"delta": {}}]},
            {"choices": [{"index": 0, "delta": {}}]},
            {"choices": [{"index": 0, "delta": {}, "native_finish_reason": "x"}], "provider": "p"},
            {"choices": [{"index": "0", "delta": []}]},
            {"choices": [3]},
            {"choices": {"0": {}}},
            {"choices": "x", "created": 1.5, "id": 7, "usage": [1]},
            {"choices": [], "usage": {"prompt_tokens": 1.5, "cost": {"usd": 0.1}}},
            {"choices": [], "usage": {}},
            {
                "choices": [
                    {"index": 0, "delta": {"tool_calls": [{"function": {"name": 1, "x": 2}}]}}
                ]
            },
            {
                "choices": [
                    {"index": 0, "delta": {"tool_calls": [{"index": 0, "custom": {"input": ""}}]}}
                ]
            },
            {"choices": [{"index": 0, "delta": {"audio": {"data": "AA==", "y": []}}}]},
            {"choices": [{"index": 0, "delta": {"function_call": {"arguments": {"a": 1}}}}]},
            {"choices": [{"index": 0, "delta": {}, "logprobs": [1, 2]}]},
            {
                "choices": [
                    {"index": 0, "delta": {}, "logprobs": {"content": [{"token": "a", "x": 1}]}}
                ]
            },
            {"choices": [{"index": True, "delta": {}}]},
            {" extra": {"a": 1}, "choices": []},
            {"choices": [{"index": 0, "delta": {" extra": {}, " absent": []}}]},
            {"object": "text_completion"},
            {"object": "text_completion", "choices": [{"text": ""}]},
            {"object": "text_completion", "choices": [{"index": 0, "finish_reason": "stop"}]},
            {
                "object": "text_completion",
                "choices": [{"index": 0, "text": "a", "logprobs": {"tokens": ["a"], "x": [1]}}],
            },
        ],
        ids=json.dumps,
    )
    def test_to_dict_is_the_body(self, body: dict[str, Any]) -> None:
        """to_dict() returns the JSON object of the event, on the fast path and the slow path."""
        for before in ([], [event(CHUNK | {"x": 1})] * 5):
            if before and body.get("object") == "text_completion":
                continue
            chunks, decoder = decode(*before, event(body))

            assert decoder.error is None
            assert chunks[-1].to_dict() == body

    def test_null_is_absent(self) -> None:
        """A known field that is null is None and isn't in to_dict()."""
        (chunk,), _ = decode(event({"choices": None, "usage": None, "x": None}))

        assert chunk.choices == []
        assert chunk.to_dict() == {"x": None}

    def test_lone_surrogate(self) -> None:
        """A lone surrogate is kept, because the next chunk can have the other half of the pair."""
        (chunk,), _ = decode(event('{"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}'))

        assert chunk.text == "\ud83d"

    def test_large_numbers(self) -> None:
        """A number larger than the schema expects is kept."""
        (chunk,), _ = decode(event('{"choices":[],"created":123456789012345678901234567890}'))

        assert chunk.created == 123456789012345678901234567890


class TestDoneAndInvalidData:
    """[DONE], and data that isn't a chunk."""

    @pytest.mark.parametrize("data", ["[DONE]", " [DONE] ", "[DONE]\n"])
    def test_done(self, data: str) -> None:
        """[DONE] sets `done`, with or without blanks, and later events are only counted."""
        chunks, decoder = decode(event(CHUNK), event(data), event("no JSON"), event(CHUNK))

        assert (len(chunks), decoder.done, decoder.after_done) == (1, True, 2)

    @pytest.mark.parametrize("data", ["", " ", "\n"])
    def test_no_data(self, data: str) -> None:
        """Events without data are ignored."""
        assert decode(event(data), event(data, "ping"))[0] == []

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            ("<html>", "Expecting value"),
            ('{"a": 1', "Expecting"),
            ("[]", "expected a JSON object, got list"),
            ("5", "expected a JSON object, got int"),
            ('{"a": NaN}', "NaN is not JSON"),
            ('{"a": 1' + "0" * 5000 + "}", "digit"),
            ("[" * 100_000, "nested deeper than 500"),
            ("[DONE] and more", "Expecting"),
        ],
        ids=lambda value: value[:12],
    )
    def test_bad_json(self, data: str, reason: str) -> None:
        """Bad JSON is a DecodeError with the event, or is skipped and counted."""
        _, decoder = decode(event(CHUNK), event(data))
        assert isinstance(decoder.error, DecodeError)
        assert decoder.error.event.data == data
        assert reason in decoder.error.reason

        chunks, decoder = decode(event(data), event(CHUNK), on_bad_json="skip")
        assert (len(chunks), decoder.skipped, decoder.error) == (1, 1, None)


class TestServerErrors:
    """Errors that the server sends in the stream."""

    @pytest.mark.parametrize(
        ("sent", "message", "type_", "code"),
        [
            (event({"error": {"message": "m", "type": "t", "code": "c"}}), "m", "t", "c"),
            (event({"error": {"message": "m", "code": 502}}), "m", None, 502),
            (event({"error": {"message": None, "code": [1]}}), "", None, None),
            (event({"error": "m"}), "m", None, None),
            (event({"error": {}}), "", None, None),
            (event({"error": {"detail": "m"}}, "error"), "m", None, None),
            (event({"message": "m", "code": 1}, "error"), "m", None, 1),
            (event("overloaded", "error"), "overloaded", None, None),
            (event({"object": "error", "message": "m", "type": "t"}), "m", "t", None),
            (event({"type": "error", "error": {"type": "t", "message": "m"}}), "m", "t", None),
            (event({"type": "error", "message": "m"}), "m", "error", None),
        ],
        ids=str,
    )
    def test_forms_of_errors(self, sent: Event, message: str, type_: str | None, code: Any) -> None:
        """Each form of a server's error is a ServerSentError with its body."""
        chunks, decoder = decode(event(CHUNK), sent)

        error = decoder.error
        assert len(chunks) == 1
        assert isinstance(error, ServerSentError)
        assert (error.message, error.type, error.code, error.param) == (message, type_, code, None)
        assert error.body == (sent.data if sent.data == "overloaded" else sent.json())
        assert decoder.end is not None
        assert decoder.end.cause is EndCause.SERVER_ERROR

    def test_param(self) -> None:
        """A ServerSentError has the parameter that the server reports as invalid."""
        assert (
            decode_server_error(event({"error": {"message": "m", "param": "model"}})).param
            == "model"
        )

    @pytest.mark.parametrize(
        "fields", [{"choices": CHUNK["choices"]}, {"usage": {"total_tokens": 1}}]
    )
    def test_error_in_a_chunk(self, fields: dict[str, Any]) -> None:
        """Choices and usage in the event of an error are returned before the error."""
        chunks, decoder = decode(event(fields | {"error": {"message": "m"}}))

        assert len(chunks) == 1
        assert isinstance(decoder.error, ServerSentError)

    @pytest.mark.parametrize("empty", [None, {}, "", False])
    def test_empty_error(self, empty: object) -> None:
        """An empty error in a chunk with choices is ignored."""
        chunks, decoder = decode(event(CHUNK | {"error": empty}))

        assert (len(chunks), decoder.error) == (1, None)

    def test_chunk_of_type_error(self) -> None:
        """Data of the type "error" that has choices is a chunk."""
        assert decode(event(CHUNK | {"type": "error"}))[1].error is None

    def test_error_is_raised_again(self) -> None:
        """Each call of feed() or close() after an error raises the error."""
        _, decoder = decode(event({"error": "m"}))

        with pytest.raises(ServerSentError):
            decoder.feed(event(CHUNK))
        with pytest.raises(ServerSentError):
            decoder.close()


class TestEnd:
    """How a stream of events ends."""

    @pytest.mark.parametrize(
        ("events", "cause"),
        [
            ([], EndCause.INCOMPLETE),
            ([event(CHUNK)], EndCause.INCOMPLETE),
            ([event(CHUNK), event("[DONE]")], EndCause.DONE),
            (
                [event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})],
                EndCause.FINISHED,
            ),
            ([event({"choices": [{"delta": {}, "finish_reason": "stop"}]})], EndCause.FINISHED),
            ([event("no JSON")], EndCause.INCOMPLETE),
        ],
    )
    def test_cause(self, events: list[Event], cause: EndCause) -> None:
        """The cause is DONE after [DONE], FINISHED after a finish reason, otherwise INCOMPLETE."""
        _, decoder = decode(*events)
        if decoder.error is None:
            assert decoder.end is None
            assert decoder.close() == []
            assert decoder.close() == []

        assert decoder.end is not None
        assert decoder.end.cause is cause
        assert decoder.end.events_seen == len(events)


def test_misuse() -> None:
    """A value that isn't an Event, feed() after close() and an invalid option raise errors."""
    decoder = ChunkDecoder()
    with pytest.raises(TypeError, match=r"takes an Event, not bytes"):
        decoder.feed(b"data: a\n\n")  # type: ignore[arg-type] # misuse
    decoder.close()
    with pytest.raises(RuntimeError, match=r"after close"):
        decoder.feed(event(CHUNK))
    with pytest.raises(ValueError, match=r"on_bad_json is 'ignore'"):
        ChunkDecoder(on_bad_json="ignore")  # type: ignore[call-overload] # misuse


def test_set_an_absent_field() -> None:
    """to_dict() includes a field that was absent in the event and set later."""
    (chunk,), _ = decode(event({"id": "c"}))
    (full,), _ = decode(event(CHUNK))

    chunk.choices = full.choices

    assert chunk.to_dict() == CHUNK


SURROGATES = [
    '{"created":"\\ud83d","choices":[]}',
    '{"choices":"\\ud83d"}',
    '{"choices":[{"index":"\\ud83d","delta":"\\ud83d"}]}',
    '{"choices":[],"usage":{"total_tokens":"\\ud83d"}}',
]


@pytest.mark.parametrize("data", SURROGATES)
def test_lone_surrogate_in_any_field(data: str) -> None:
    """A lone surrogate in a field of another type is kept, as other unexpected types are."""
    (chunk,), _ = decode(event(data))

    assert chunk.to_dict() == json.loads(data)


@pytest.mark.parametrize(
    "free",
    [
        {" extra": 1},
        {" absent": ["b"], "b": 0},
        [{" extra": {"a": 1}, "b": 2}],
        json.loads("[" * 400 + "]" * 400),
    ],
    ids=["extra", "absent", "list", "deep"],
)
def test_free_form_values(free: Any) -> None:
    """to_dict() returns values without a schema unchanged, whatever their keys and depth are."""
    for body in (
        {"choices": [], "moderation": {"x": free}},
        {"choices": [{"index": 0, "delta": {"annotations": [{"x": free}], "y": free}}]},
        {"choices": [{"index": 0, "delta": {"content": [free]}}]},
    ):
        (chunk,), _ = decode(event(body))
        assert chunk.to_dict() == body


def test_to_dict_is_a_copy() -> None:
    """Changing the dictionary that to_dict() returned doesn't change the chunk."""
    (chunk,), _ = decode(event({"choices": [], "moderation": {"a": [1]}, "x": {"b": [1]}}))
    fields = chunk.to_dict()
    fields["moderation"]["a"].append(2)
    fields["x"]["b"].append(2)

    assert (chunk.moderation, chunk.extra) == ({"a": [1]}, {"x": {"b": [1]}})


def test_number_out_of_range() -> None:
    """A number that overflows to infinity is a DecodeError; other large numbers are read."""
    _, decoder = decode(event('{"choices":[],"x":1e400}'))
    assert isinstance(decoder.error, DecodeError)
    assert "out of range" in decoder.error.reason

    (chunk,), _ = decode(event('{"choices":[],"x":"\\ud83d","y":1.5e300}'))
    assert chunk.extra["y"] == 1.5e300


def test_kind_does_not_depend_on_the_path() -> None:
    """A stream has the same kind on the fast path as with unknown fields."""
    for extra in ({}, {"x": 1}):
        chunks, decoder = decode(
            event(CHUNK | extra),
            event(LEGACY | extra),
            event(CHUNK | extra),
            event(CHUNK | extra),
            event({"object": "error", "choices": []}),
        )
        assert [type(chunk) for chunk in chunks] == [ChatCompletionChunk] * 4
        assert isinstance(decoder.error, ServerSentError)


def test_finish_of_every_choice() -> None:
    """A stream is finished if every choice is, even if an error is in the last chunk."""
    finish = {"delta": {}, "finish_reason": "stop"}
    two = {"choices": [{"index": 0, "delta": {}}, {"index": 1, **finish}]}
    _, decoder = decode(event(two))
    decoder.close()
    assert decoder.end is not None
    assert (decoder.end.finish_seen, decoder.end.cause) == (False, EndCause.INCOMPLETE)

    _, decoder = decode(event(two), event({"choices": [{"index": 0, **finish}], "error": "m"}))
    assert decoder.end is not None
    assert (decoder.end.finish_seen, decoder.end.cause) == (True, EndCause.SERVER_ERROR)


@pytest.mark.parametrize("blank", ["\u00a0", "\x1c", "\u2028"])
def test_only_json_blanks_are_blank(blank: str) -> None:
    """[DONE] can be surrounded only by the blanks of JSON, not by other spaces."""
    _, decoder = decode(event(f"{blank}[DONE]"))

    assert isinstance(decoder.error, DecodeError)


def test_text_of_a_repeated_choice() -> None:
    """The text of a chunk with two entries for choice 0 is the text of both."""
    (chunk,), _ = decode(event({"choices": CHUNK["choices"] * 2}))

    assert chunk.text == "aa"


def test_repr_is_short() -> None:
    """The repr of a chunk has only the fields that are set."""
    (chunk,), _ = decode(event(CHUNK))

    assert repr(chunk) == (
        "ChatCompletionChunk(id='c', choices=[ChunkChoice(index=0, "
        "delta=ChoiceDelta(content='a'))])"
    )
