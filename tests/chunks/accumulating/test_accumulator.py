"""The accumulator builds the completion that the non-streaming API would have returned."""

from json import dumps
from typing import Any

import pytest

from sseparse import (
    Accumulator,
    ChatCompletion,
    ChatCompletionChunk,
    ChunkDecoder,
    Completion,
    EndCause,
    Event,
    IncompleteStream,
    Parser,
    to_chunks,
)
from sseparse.chunks import ChatChoice, ChoiceDelta, ChunkChoice


def accumulate(*bodies: dict[str, Any]) -> Accumulator:
    decoder = ChunkDecoder()
    accumulator = Accumulator()
    for body in bodies:
        for chunk in decoder.feed(Event(dumps(body))):
            accumulator.add(chunk)
    return accumulator


def choice(delta: dict[str, Any] | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta or {}, **fields}]}


def message(*deltas: dict[str, Any]) -> dict[str, Any]:
    snapshot = accumulate(*(choice(delta) for delta in deltas)).snapshot().to_dict()
    only: dict[str, Any] = snapshot["choices"][0]["message"]
    return only


def legacy(text: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"object": "text_completion", "choices": [{"index": index, "text": text, **fields}]}


def chat_text(text: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return choice({"content": text}, index, **fields)


class TestHead:
    """Fields of the completion."""

    def test_first_nonempty_value(self) -> None:
        """The first id, created and model that aren't empty count; later values can differ."""
        snapshot = accumulate(
            {"id": "", "created": 0, "model": "", "choices": []},
            {"id": "a", "created": 5, "model": "m", "choices": []},
            {"id": "b", "created": 6, "model": "n", "choices": []},
        ).snapshot()

        assert (snapshot.id, snapshot.created, snapshot.model) == ("a", 5, "m")

    def test_last_value_that_is_not_null(self) -> None:
        """Of the other fields, the last value that isn't null counts."""
        snapshot = accumulate(
            {
                "system_fingerprint": "f",
                "service_tier": "t",
                "moderation": {"a": 1},
                "x": 1,
                "y": 1,
            },
            {"system_fingerprint": "g", "service_tier": "u", "moderation": {"a": 2}, "x": 2},
            {"system_fingerprint": None, "service_tier": None, "moderation": None, "x": None},
        ).snapshot()

        assert isinstance(snapshot, ChatCompletion)
        assert (snapshot.system_fingerprint, snapshot.service_tier) == ("g", "u")
        assert (snapshot.moderation, snapshot.extra) == ({"a": 2}, {"x": 2, "y": 1})

    def test_padding_is_dropped(self) -> None:
        """Padding isn't part of the completion."""
        assert accumulate({"obfuscation": "xx", "p": "xx"}).snapshot().to_dict() == {
            "id": None,
            "object": "chat.completion",
            "created": None,
            "model": None,
            "choices": [],
        }


class TestUsage:
    """Token counts are replaced, never added up."""

    def test_last_wins(self) -> None:
        """Cumulative usage on every chunk isn't summed, and null doesn't remove it."""
        accumulator = accumulate(
            {"usage": {"total_tokens": 1}},
            {"usage": {"total_tokens": 5, "cost": 2}},
            {"usage": None},
        )

        assert accumulator.usage is not None
        assert accumulator.usage.to_dict() == {"total_tokens": 5, "cost": 2}

    def test_no_usage(self) -> None:
        """Without reported token counts, usage is None."""
        assert accumulate(choice()).usage is None
        assert accumulate({"x_groq": {"id": "x"}}).usage is None
        assert accumulate({"x_groq": "x"}).usage is None

    def test_empty_usage(self) -> None:
        """An empty usage doesn't replace token counts, but counts if it is the only one."""
        usage = accumulate({"usage": {"total_tokens": 4}}, {"usage": {}}).usage
        assert usage is not None
        assert usage.total_tokens == 4

        assert accumulate({"usage": {}}).usage is not None

    def test_usage_in_a_choice(self) -> None:
        """Usage in a choice counts if no chunk has usage, and stays in the choice."""
        body = choice(usage={"total_tokens": 3})
        snapshot = accumulate(body, choice(usage=None)).snapshot()

        assert snapshot.usage is not None
        assert snapshot.usage.total_tokens == 3
        assert snapshot.choices[0].extra == {"usage": {"total_tokens": 3}}

    def test_usage_in_x_groq(self) -> None:
        """x_groq.usage counts if no chunk has usage."""
        groq = {"x_groq": {"usage": {"total_tokens": 3}}}

        snapshot = accumulate(groq, {"x_groq": {"id": "later"}}).snapshot()
        assert snapshot.usage is not None
        assert snapshot.usage.total_tokens == 3

        usage = accumulate({"usage": {"total_tokens": 4}}, groq).usage
        assert usage is not None
        assert usage.total_tokens == 4


class TestFilters:
    """Azure's asynchronous filter reports on one part of the text after the other."""

    def test_all_reports(self) -> None:
        """All reports are collected; the last one is part of the completion's JSON."""
        reports: list[dict[str, Any]] = [
            {"content_filter_offsets": {"end_offset": 5}, "content_filter_results": {"a": 1}},
            {"content_filter_offsets": {"end_offset": 9}, "content_filter_raw": []},
        ]
        snapshot = accumulate(
            choice({"content": "Hel"}, content_filter_results={}),
            *(choice(**fields) for fields in reports),
        ).snapshot()
        again = Accumulator()
        for chunk in to_chunks(snapshot):
            again.add(chunk)
        (kept,) = snapshot.choices

        assert again.snapshot() == snapshot
        assert isinstance(kept, ChatChoice)
        assert kept.content_filters == reports
        assert kept.extra == reports[0] | reports[1]
        assert "content_filters" not in kept.to_dict()


class TestChoices:
    """Choices are accumulated independently."""

    def test_any_order(self) -> None:
        """Choices can arrive in any order, several in a chunk, and with gaps."""
        accumulator = accumulate(
            choice({"content": "b"}, 3),
            {
                "choices": [
                    *choice({"content": "a"})["choices"],
                    *choice({"content": "c"}, 3)["choices"],
                ]
            },
        )
        snapshot = accumulator.snapshot()

        assert isinstance(snapshot, ChatCompletion)
        assert [(c.index, c.message.content) for c in snapshot.choices] == [(0, "a"), (3, "bc")]
        assert snapshot.text == accumulator.text == "a"

    def test_no_choice_0(self) -> None:
        """Without choice 0, the text is empty."""
        accumulator = accumulate(choice({"content": "b"}, 1))

        assert accumulator.text == accumulator.snapshot().text == ""

    def test_finish_reason(self) -> None:
        """The first finish reason counts; different ones are listed; later text is still added."""
        snapshot = accumulate(
            choice({"content": "a"}, finish_reason="length"),
            choice({"content": "b"}, finish_reason=""),
            choice(finish_reason="stop"),
        ).snapshot()

        assert isinstance(snapshot, ChatCompletion)
        assert snapshot.choices[0].finish_reason == "length"
        assert snapshot.choices[0].finish_reasons_seen == ["length", "stop"]
        assert snapshot.choices[0].message.content == "ab"

    def test_finish_reason_twice(self) -> None:
        """The same finish reason sent twice isn't listed."""
        snapshot = accumulate(choice(finish_reason="stop"), choice(finish_reason="stop")).snapshot()

        assert snapshot.to_dict()["choices"][0] == {
            "index": 0,
            "message": {"role": "assistant", "content": None},
            "finish_reason": "stop",
        }

    def test_unknown_fields(self) -> None:
        """Of unknown fields, the last value that isn't null counts; `message` is ignored."""
        snapshot = accumulate(
            choice(x=1, y=1, message={"content": "all so far"}), choice(x=2, y=None)
        ).snapshot()

        assert snapshot.choices[0].extra == {"x": 2, "y": 1}


class TestMessage:
    """The message of a choice."""

    def test_role(self) -> None:
        """The first role that isn't empty counts; without one, the role is "assistant"."""
        assert message({"role": ""}, {"role": "tool"}, {"role": "assistant"})["role"] == "tool"
        assert message({"content": "a"})["role"] == "assistant"

    @pytest.mark.parametrize(
        ("pieces", "content"),
        [
            (["a", None, "b"], "ab"),
            ([None], None),
            ([None, ""], ""),
            (["\ud83d", "\ude00"], "😀"),
            (["\ud83d", "a"], "\ud83da"),
        ],
    )
    def test_content(self, pieces: list[str | None], content: str | None) -> None:
        """Content is joined, also between surrogate halves, and null if none was sent."""
        assert message(*({"content": piece} for piece in pieces))["content"] == content

    def test_content_parts(self) -> None:
        """Text parts become content, thinking parts become reasoning; other parts are unchanged."""
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "h"}], "closed": True}
        reference = {"type": "reference", "reference_ids": [1]}
        assert message(
            {"content": [thinking, {"type": "thinking", "thinking": "m"}]},
            {"content": [{"type": "text", "text": "a"}, reference]},
            {"content": "b"},
        ) == {
            "role": "assistant",
            "content": "ab",
            "reasoning": "hm",
            "content_parts": [reference],
        }

    @pytest.mark.parametrize("field", ["refusal", "reasoning", "reasoning_content"])
    def test_texts(self, field: str) -> None:
        """Refusal and both names of reasoning are joined separately."""
        assert message({field: "a"}, {field: None}, {field: "b"})[field] == "ab"

    def test_audio_that_is_not_base64(self) -> None:
        """Audio data that isn't base64 stays unchanged."""
        assert message({"audio": {"data": "A=="}}, {"audio": {"data": "!"}})["audio"] == {
            "data": "A==!"
        }

    def test_annotations(self) -> None:
        """Annotations are appended, and one with the index of an earlier one updates it."""
        one, two = {"type": "url_citation", "index": 0}, {"type": "file"}

        assert message(
            {"annotations": [one, two]}, {"annotations": [{"index": 0, "url": "u"}, {}]}
        )["annotations"] == [{"type": "url_citation", "index": 0, "url": "u"}, two, {}]

    def test_parts_with_more_fields(self) -> None:
        """A part with more fields than its text is also part of content_parts."""
        signed = {"type": "thinking", "thinking": [{"type": "text", "text": "a"}], "signature": "s"}
        reference = {"type": "reference", "reference_ids": [1]}
        mixed = {"type": "thinking", "thinking": [{"type": "text", "text": "b"}, reference]}
        cited = {"type": "text", "text": "c", "citations": [1]}
        plain = {"type": "thinking", "thinking": "d", "closed": True}
        kept = message({"content": [signed, mixed, cited, plain]})

        assert (kept["reasoning"], kept["content"]) == ("abd", "c")
        assert kept["content_parts"] == [signed, mixed, cited]

    def test_unknown_lists(self) -> None:
        """Unknown lists are appended, also by a value that isn't a list; a channel is replaced."""
        assert message(
            {"images": [1], "executed_tools": [{"index": 0}], "channel": "a"},
            {"images": [2], "executed_tools": [{"index": 0, "output": "o"}], "channel": "b"},
            {"images": "not a list"},
        ) == {
            "role": "assistant",
            "content": None,
            "channel": "b",
            "images": [1, 2, "not a list"],
            "executed_tools": [{"index": 0, "output": "o"}],
        }

    def test_audio(self) -> None:
        """Data (also padded) and transcript are joined; id and expiry are replaced."""
        assert message(
            {"audio": {"id": "a", "data": "AA==", "transcript": "Hi"}},
            {"audio": {"data": "BB==", "transcript": "!", "x": 1}},
            {"audio": {"expires_at": 5}},
            {"audio": {"expires_at": 6}},
        )["audio"] == {
            "id": "a",
            "data": "AAQ=",
            "transcript": "Hi!",
            "expires_at": 6,
            "x": 1,
        }

    def test_function_call(self) -> None:
        """The name of a function call is used once, and its arguments are joined."""
        assert message(
            {"function_call": {"name": "f", "arguments": ""}},
            {"function_call": {"arguments": '{"a"'}},
            {"function_call": {"name": "f", "arguments": ":1}"}},
        )["function_call"] == {"name": "f", "arguments": '{"a":1}'}

    def test_function_call_with_an_object(self) -> None:
        """Arguments sent as an object are encoded as JSON."""
        assert message({"function_call": {"name": "f", "arguments": {"a": 1}}})[
            "function_call"
        ] == {
            "name": "f",
            "arguments": '{"a":1}',
        }


class TestLogprobs:
    """Each list of log-probabilities is joined separately."""

    def test_chat(self) -> None:
        """Content, refusal and lists of unknown fields are joined."""
        token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
        snapshot = accumulate(
            choice(logprobs={"content": [token], "refusal": None, "reasoning_content": [token]}),
            choice(logprobs={"content": [token], "reasoning_content": [token], "x": 1}),
            choice(logprobs={"content": None, "refusal": [token], "x": None}),
        ).snapshot()

        assert snapshot.to_dict()["choices"][0]["logprobs"] == {
            "content": [token, token],
            "refusal": [token],
            "reasoning_content": [token, token],
            "x": 1,
        }

    def test_legacy(self) -> None:
        """The four lists are joined, and unknown fields are kept."""
        first = {"tokens": ["a"], "token_logprobs": [None], "top_logprobs": [{"a": -1.0}]}
        second = {"tokens": ["b"], "token_logprobs": [-1.0], "top_logprobs": [None], "x": 1}
        snapshot = accumulate(
            legacy("a", logprobs=first), legacy("b", logprobs=second), legacy("c")
        ).snapshot()

        assert snapshot.to_dict()["choices"][0]["logprobs"] == {
            "tokens": ["a", "b"],
            "token_logprobs": [None, -1.0],
            "top_logprobs": [{"a": -1.0}, None],
            "x": 1,
        }

    def test_lists_of_the_other_api(self) -> None:
        """The lists of chat completions in legacy ones are joined, and the reverse."""
        token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
        lists = {"tokens": ["a"], "token_logprobs": [-0.5], "text_offset": [0]}
        cases: list[Any] = [(legacy, lists), (chat_text, {"content": [token]})]
        for make, own in cases:
            both: dict[str, Any] = {**lists, "content": [token], "refusal": None}
            result = accumulate(
                make("a", logprobs=both),
                make("x", 1, logprobs=both),
                make("b", logprobs=both),
                make("c", logprobs=own),
            ).snapshot()
            again = Accumulator()
            for chunk in to_chunks(result):
                again.add(chunk)
            assert again.snapshot() == result
            first, second = (each["logprobs"] for each in result.to_dict()["choices"])
            twice = {name: values * 2 for name, values in both.items() if values}
            assert first == twice | {name: values * 3 for name, values in own.items()}
            assert second == {name: values for name, values in both.items() if values}


class TestLegacy:
    """Legacy completions."""

    def test_shape(self) -> None:
        """The texts are joined by choice, in the shape of a non-streaming response."""
        accumulator = accumulate(
            {"choices": [], "id": "c"},
            legacy("4"),
            legacy("x", 1),
            legacy(",5", finish_reason="stop"),
            legacy("y", 1, finish_reason="length", stop_reason=7),
            {"object": "text_completion", "choices": [], "usage": {"total_tokens": 2}},
        )
        result = accumulator.result()

        assert isinstance(result, Completion)
        assert accumulator.text == result.text == "4,5"
        assert result.to_dict() == {
            "id": "c",
            "object": "text_completion",
            "created": None,
            "model": None,
            "choices": [
                {"index": 0, "text": "4,5", "finish_reason": "stop", "logprobs": None},
                {
                    "index": 1,
                    "text": "xy",
                    "finish_reason": "length",
                    "logprobs": None,
                    "stop_reason": 7,
                },
            ],
            "usage": {"total_tokens": 2},
        }

    def test_no_choice_0(self) -> None:
        """Without choice 0, the text is empty."""
        assert accumulate(legacy("b", 1)).snapshot().text == ""


class TestEnds:
    """Complete and incomplete streams."""

    def test_finished(self) -> None:
        """An accumulator is finished if it has a choice and every choice has a finish reason."""
        assert not Accumulator().finished
        accumulator = accumulate(choice(finish_reason="stop"), choice({"content": "a"}, 1))
        assert not accumulator.finished
        assert accumulate(
            choice(finish_reason="stop"), choice(index=1, finish_reason="stop")
        ).finished

    def test_result_of_an_incomplete_stream(self) -> None:
        """result() raises an error with the partial completion; snapshot() returns it."""
        accumulator = accumulate(choice({"content": "half"}))

        with pytest.raises(IncompleteStream) as raised:
            accumulator.result()

        assert raised.value.partial == accumulator.snapshot()
        assert raised.value.partial.text == "half"
        assert raised.value.end.cause is EndCause.INCOMPLETE

    @pytest.mark.parametrize(("body", "complete"), [(b"data: half\n\n", True), (b"data: h", False)])
    def test_end_of_an_event_parser(self, body: bytes, *, complete: bool) -> None:
        """The end of an event parser doesn't make a truncated completion complete."""
        parser = Parser()
        parser.feed(body)
        parser.close()
        assert parser.end is not None
        assert parser.end.complete is complete

        with pytest.raises(IncompleteStream, match="No finish_reason for choice 0"):
            accumulate(choice({"content": "half"})).result(parser.end)
        with pytest.raises(IncompleteStream):
            Accumulator().result(parser.end)
        finished = accumulate(choice({"content": "a"}, finish_reason="stop"))
        assert finished.result(parser.end) == finished.snapshot()

    def test_a_snapshot_does_not_change(self) -> None:
        """Adding chunks changes neither earlier snapshots nor the chunks."""
        body = choice(
            {"content": "a", "annotations": [{"index": 0}], "tool_calls": [{"index": 0}], "x": [1]}
        )
        accumulator = accumulate(body)
        snapshot = accumulator.snapshot()
        before = snapshot.to_dict()

        accumulator.add(accumulate_chunk({"content": "b", "annotations": [{"index": 0, "u": 1}]}))

        assert snapshot.to_dict() == before
        assert accumulator.snapshot() != snapshot


def accumulate_chunk(delta: dict[str, Any]) -> ChatCompletionChunk:
    return ChatCompletionChunk(choices=[ChunkChoice(index=0, delta=ChoiceDelta(**delta))])


def test_an_empty_accumulator() -> None:
    """Without chunks, the snapshot is an empty chat completion."""
    snapshot = Accumulator().snapshot()

    assert isinstance(snapshot, ChatCompletion)
    assert (snapshot.choices, snapshot.text) == ([], "")


def test_misuse() -> None:
    """An object that isn't a chunk, and chunks of both kinds, raise TypeError."""
    with pytest.raises(TypeError, match="not dict: ChunkParser parses bytes"):
        Accumulator().add({})  # type: ignore[arg-type] # misuse
    accumulator = accumulate(legacy("a"))
    with pytest.raises(TypeError, match="can't be mixed"):
        accumulator.add(accumulate_chunk({"content": "a"}))


@pytest.mark.parametrize("first", [legacy("a") | {"choices": []}, choice() | {"choices": []}])
def test_first_choices_decide_the_kind(first: dict[str, Any]) -> None:
    """The first chunk with choices decides the kind; until then, the latest chunk does."""
    assert accumulate(first, choice({"content": "a"}), legacy("x") | {"choices": []}).text == "a"
    assert isinstance(accumulate(first, legacy("a")).snapshot(), Completion)
    kind = Completion if "object" in first else ChatCompletion
    assert type(accumulate(first).snapshot()) is kind


class TestUnexpectedTypes:
    """A value with an unexpected type never replaces an accumulated value."""

    @pytest.mark.parametrize(
        "unexpected",
        [
            choice({"content": True}),
            choice({"role": True, "tool_calls": {}, "audio": 3, "refusal": []}),
            choice(finish_reason=False, logprobs=[]),
            {"choices": "x"},
            {"choices": [None]},
            {"choices": [{"index": 0, "delta": "hello"}]},
            {"choices": [], "usage": [], "id": 5, "object": 3, "created": "x", "model": {}},
        ],
        ids=str,
    )
    def test_in_mid_stream(self, unexpected: dict[str, Any]) -> None:
        """A chunk with unexpected types doesn't change the completion."""
        before = {"id": "c", "usage": {"total_tokens": 1}} | choice({"content": "a"})
        after = choice({"content": "b"}, finish_reason="stop")

        assert (
            accumulate(before, unexpected, after).snapshot() == accumulate(before, after).snapshot()
        )
        assert accumulate(before, unexpected, after).snapshot().to_dict()["choices"] == [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab"},
                "finish_reason": "stop",
            }
        ]

    def test_valid_items_of_a_list(self) -> None:
        """Of a list, the objects are used and other values are ignored."""
        good = choice({"content": "a", "tool_calls": [{"index": 0, "id": "t"}, None]})

        accumulator = accumulate({"choices": [*good["choices"], None, 3]})

        assert accumulator.text == "a"
        assert len(accumulator.snapshot().to_dict()["choices"][0]["message"]["tool_calls"]) == 1

    def test_half_of_a_surrogate_pair_in_an_object(self) -> None:
        """Arguments sent as an object with half of a surrogate pair are encoded."""
        call = {"function": {"name": "f", "arguments": {"a": "\ud83d"}}}

        tool_calls = message({"tool_calls": [call]})["tool_calls"]

        assert tool_calls[0]["function"]["arguments"] == '{"a":"\\ud83d"}'


def test_text_read_after_every_chunk() -> None:
    """Surrogate halves are joined even if the text was read between them."""
    accumulator = Accumulator()
    seen = []
    for piece in ("é", "\ud83d", "\ude00", "a", "ü", "\ud83d", "b"):
        accumulator.add(accumulate_chunk({"content": piece}))
        seen.append(accumulator.text)

    assert seen == ["é", "é\ud83d", "é😀", "é😀a", "é😀aü", "é😀aü\ud83d", "é😀aü\ud83db"]


class TestJSON:
    """Content and arguments can be read as JSON at any time."""

    def test_content(self) -> None:
        """The value grows with each chunk, and every call returns the same object."""
        accumulator = accumulate(choice({"content": '{"a": "x'}))
        seen = accumulator.json_content()
        assert seen.value == {"a": "x"}

        for chunk in ChunkDecoder().feed(Event(dumps(choice({"content": 'y", "b": 1}'})))):
            accumulator.add(chunk)
        assert accumulator.json_content() is seen
        assert seen.value == {"a": "xy", "b": 1}
        assert seen.complete

    def test_legacy(self) -> None:
        """The text of a legacy completion can be read as JSON."""
        assert accumulate(legacy("[1", 2)).json_content(choice=2).value == []

    def test_arguments(self) -> None:
        """The arguments of the given call and choice are returned."""
        calls = [
            {"index": index, "function": {"arguments": text}}
            for index, text in enumerate(("{}", '{"b": nul'))
        ]
        accumulator = accumulate(choice({"tool_calls": calls}, index=3))
        assert accumulator.json_arguments(choice=3).complete
        assert accumulator.json_arguments(1, choice=3).value == {}

    def test_nothing_yet(self) -> None:
        """For a missing choice or call, the value is None."""
        accumulator = accumulate(choice({"content": None}))
        for seen in (
            accumulator.json_content(),
            accumulator.json_content(choice=1),
            accumulator.json_arguments(),
            accumulator.json_arguments(-1),
            accumulator.json_arguments(choice=1),
        ):
            assert (seen.value, seen.complete, seen.fault) == (None, False, None)


# Fields that a chunk can have next to a text, by level.
DELTA_FIELDS: dict[str, Any] = {
    "role": "model",
    "refusal": "r",
    "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}],
    "function_call": {"name": "f", "arguments": "{}"},
    "audio": {"id": "a", "transcript": "t"},
    "annotations": [{"type": "url_citation"}],
    "reasoning_content": "r",
    "reasoning": "r",
    "reasoning_details": [{"type": "reasoning.text", "text": "r"}],
    "unknown": 1,
}
CHOICE_FIELDS: dict[str, Any] = {
    "finish_reason": "stop",
    "logprobs": {"content": [{"token": "b", "logprob": -1.0}]},
    "unknown": 1,
}
CHUNK_FIELDS: dict[str, Any] = {
    "id": "i",
    "created": 1,
    "model": "m",
    "usage": {"total_tokens": 1},
    "system_fingerprint": "f",
    "service_tier": "s",
    "moderation": {"flagged": False},
    "unknown": 1,
}


class TestFieldsNextToText:
    """A chunk that continues a text can have any other field."""

    def test_every_field_is_covered(self) -> None:
        """The tests below cover each field of the models that is accumulated."""
        known = {"unknown", "content", "index", "delta", "choices", "object", "obfuscation"}
        fields = {
            *ChoiceDelta.wire_fields(),
            *ChunkChoice.wire_fields(),
            *ChatCompletionChunk.wire_fields(),
        }
        assert fields - known == {*DELTA_FIELDS, *CHOICE_FIELDS, *CHUNK_FIELDS} - known

    @pytest.mark.parametrize(
        ("place", "name"),
        [
            *(("delta", name) for name in DELTA_FIELDS),
            *(("choice", name) for name in CHOICE_FIELDS),
            *(("chunk", name) for name in CHUNK_FIELDS),
        ],
    )
    def test_the_field_is_accumulated(self, place: str, name: str) -> None:
        """A field sent with a text has the same effect as a field sent alone."""
        first = choice({"content": "a"})
        other = {
            "delta": choice({name: DELTA_FIELDS.get(name)}),
            "choice": {"choices": [{"index": 0, "delta": {}, name: CHOICE_FIELDS.get(name)}]},
            "chunk": {**choice({}), name: CHUNK_FIELDS.get(name)},
        }[place]
        both = {**other, "choices": [{**other["choices"][0]}]}
        both["choices"][0]["delta"] = {**both["choices"][0]["delta"], "content": "b"}

        alone = accumulate(first, choice({"content": "b"}), other).snapshot()
        assert accumulate(first, both).snapshot().to_dict() == alone.to_dict()
        assert alone != accumulate(first, choice({"content": "b"})).snapshot()

    def test_first_or_last_value_of_each_field(self) -> None:
        """The first id, created and model count, and the last fingerprint and tier."""
        names = ("id", "created", "model", "system_fingerprint", "service_tier")
        bodies = [
            {**choice({"content": "a"}), **dict.fromkeys(names, value)} for value in (1, 2, None)
        ]
        for body in bodies:
            body.update({name: body[name] and str(body[name]) for name in names if name[0] != "c"})
        completion = accumulate(*bodies).snapshot().to_dict()
        assert [completion[name] for name in names] == ["1", 1, "1", "2", "2"]
