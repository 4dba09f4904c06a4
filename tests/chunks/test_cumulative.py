"""The option deltas="cumulative", for servers that repeat the text so far in each chunk."""

import json
import tracemalloc
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from line_counts import count_lines
from sseparse import ChunkReader, LimitExceeded, Stream
from sseparse.chunks import ArgumentsDelta, Note, NoteKind

Choice = dict[str, Any]


def choice(finish: str | None = None, index: int = 0, **delta: Any) -> Choice:
    return {"index": index, "delta": delta, "finish_reason": finish}


def body(choices: Iterable[Choice]) -> bytes:
    datas = [json.dumps({"id": "c1", "choices": [each]}) for each in choices]
    usage = '{"choices": [], "usage": {"completion_tokens": 1}}'
    return "".join(f"data: {data}\n\n" for data in [*datas, usage, "[DONE]"]).encode()


def read(*choices: Choice, **options: Any) -> ChunkReader:
    reader = ChunkReader(deltas="cumulative", **options)
    reader.feed(body(choices))
    return reader


def notes_of(reader: ChunkReader) -> list[Note]:
    return [note for note in reader.result().notes if note.kind is NoteKind.NOT_CUMULATIVE]


def message(*choices: Choice, **options: Any) -> Any:
    """Return the message of choice 0 of a cumulative stream."""
    reader = read(*choices, **options)
    result: Any = reader.result()
    assert not notes_of(reader)
    return result.choices[0].message


def tool(arguments: Any = None, name: str | None = "f", **fields: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**fields, "function": {key: each for key, each in function.items() if each is not None}}


def tools_of(*lists: list[dict[str, Any]]) -> list[tuple[str | None, str, str]]:
    """Return id, name and arguments of the calls of a stream with these lists of calls."""
    calls = message(*[choice(tool_calls=each) for each in lists], choice("tool_calls")).tool_calls
    return [(call.id, call.function.name, call.function.arguments) for call in calls]


def so_far(pieces: Iterable[str]) -> list[str]:
    return list(accumulate(pieces))


TEXTS = st.lists(st.text(st.characters(exclude_categories=()), max_size=5), max_size=8)


@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning", "refusal"])
@given(pieces=TEXTS)
def test_texts(name: str, pieces: list[str]) -> None:
    """A text that grows from chunk to chunk is read once, however it is cut."""
    deltas: list[dict[str, Any]] = [{name: text} for text in so_far(pieces)]
    found = message(*[choice(**delta) for delta in deltas], choice("stop"))

    whole = "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert (getattr(found, name) or "") == whole


@given(TEXTS)
def test_legacy_texts(pieces: list[str]) -> None:
    """So is the text of a legacy completion."""
    choices: list[Choice] = [{"index": 0, "text": text} for text in so_far(["x", *pieces])]
    result = read(*choices, {"index": 0, "text": "x" + "".join(pieces), "finish_reason": "stop"})

    assert result.result().text.encode("utf-16", "surrogatepass") == "".join(["x", *pieces]).encode(
        "utf-16", "surrogatepass"
    )


def test_deltas_have_what_is_new() -> None:
    """Chunks have the differences; the last one often repeats everything, or nothing."""
    reader = ChunkReader(deltas="cumulative")
    texts = ["Hel", "Hello", None, "Hello", "", "Hello, you"]
    chunks = reader.feed(body([choice(content=text) for text in texts]))

    assert [chunk.text for chunk in chunks if chunk.choices] == ["Hel", "lo", "", "", "", ", you"]


def test_both_names_of_reasoning() -> None:
    """A server that sends its reasoning under two names repeats both."""
    texts = ["a", "ab"]
    found = message(*[choice(reasoning=each, reasoning_content=each) for each in texts])

    assert (found.reasoning, found.reasoning_content) == ("ab", "ab")


def test_choices_are_independent() -> None:
    """Each choice has its own text."""
    result: Any = read(
        choice(content="a"),
        choice(content="b", index=1),
        choice("stop", content="ab"),
        choice("stop", content="bc", index=1),
    ).result()

    assert [each.message.content for each in result.choices] == ["ab", "bc"]


ARGUMENTS = '{"q": "\\ud83d\\ude00 {}"}'


@pytest.mark.parametrize(
    "fields",
    [
        {"index": 0, "id": "a"},
        {"index": 0},
        {"id": "a"},
        {},
        {"index": -1},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["each", "first"])
@given(cuts=st.sets(st.integers(0, len(ARGUMENTS)), max_size=6))
def test_arguments(fields: dict[str, Any], name: str, cuts: set[int]) -> None:
    """Arguments so far are read once, whatever the server repeats to identify the call."""
    sizes = [*sorted(cuts), len(ARGUMENTS), len(ARGUMENTS)]
    calls = [
        tool(ARGUMENTS[:size], "f" if name == "each" or not place else None, **fields)
        for place, size in enumerate(sizes)
    ]

    assert tools_of(*[[call] for call in calls]) == [(fields.get("id"), "f", ARGUMENTS)]


@pytest.mark.parametrize("one", [{"index": 0, "id": "a"}, {"index": 0}, {"id": "a"}, {}], ids=str)
@pytest.mark.parametrize("same", [True, False])
def test_parallel_calls(one: dict[str, Any], same: bool) -> None:
    """Calls that each chunk repeats stay apart by their index, id or order."""
    two = {
        **one,
        **({"index": 1} if "index" in one else {}),
        **({"id": "b"} if "id" in one else {}),
    }
    name = "f" if same else "g"
    lists = [
        [tool("{", **one)],
        [tool('{"x": 1}', **one), tool("{", name, **two)],
        [tool('{"x": 1}', **one), tool('{"y": 2}', name, **two)],
        [tool('{"x": 1}', **one), tool('{"y": 2}', name, **two)],
    ]

    assert tools_of(*lists) == [
        (one.get("id"), "f", '{"x": 1}'),
        (two.get("id"), name, '{"y": 2}'),
    ]


def test_calls_after_each_other() -> None:
    """A chunk can have the current call alone, under the index of the one before it."""
    lists = [
        [tool("{", index=0, id="a")],
        [tool("{}", index=0, id="a")],
        [tool("{", index=0, id="b")],
        [tool("{}", index=0, id="b")],
        [tool('{"x": 1}', "g", index=0)],
    ]

    assert tools_of(*lists) == [("a", "f", "{}"), ("b", "f", "{}"), (None, "g", '{"x": 1}')]


def test_new_ids_for_the_same_call() -> None:
    """A call whose id changes while its arguments grow is one call, with its first id."""
    sizes = [0, 1, 5, 8]
    lists = [[tool('{"x": 1}'[:size], index=0, id=f"id{size}")] for size in sizes]

    assert tools_of(*lists) == [("id0", "f", '{"x": 1}')]


def test_names_that_grow() -> None:
    """A name can grow, too."""
    lists = [[tool("", "get_", index=0)], [tool("", "get_time", index=0)], [tool("{}", "get_time")]]

    assert tools_of(*lists) == [(None, "get_time", "{}")]


def test_arguments_as_an_object() -> None:
    """Arguments that are an object and not a text are repeated, too."""
    lists = [[tool({"x": 1}, index=0)], [tool({"x": 1}, index=0)], [{"index": 0}]]

    assert tools_of(*lists) == [(None, "f", '{"x":1}')]


def test_custom_tools_and_function_calls() -> None:
    """The input of a custom tool and the arguments of a function call are read once."""
    customs = [{"index": 0, "custom": {"name": "c", "input": text}} for text in ("x", "xy")]
    (call,) = message(*[choice(tool_calls=[each]) for each in customs]).tool_calls
    assert (call.custom.name, call.custom.input) == ("c", "xy")

    functions = [{"name": "f", "arguments": text} for text in ("{", "{}", "{}")]
    function = message(*[choice(function_call=each) for each in functions]).function_call
    assert (function.name, function.arguments) == ("f", "{}")


def test_updates() -> None:
    """Updates have the differences."""
    lists = [[tool(text, index=0)] for text in ("{", '{"x": 1', '{"x": 1}')]
    whole = body([*[choice(tool_calls=each) for each in lists], choice("tool_calls")])
    updates = Stream([whole], deltas="cumulative").updates()

    texts = [each.text for each in updates if isinstance(each, ArgumentsDelta)]
    assert texts == ["{", '"x": 1', "}"]


def test_a_server_that_begins_again() -> None:
    """If a text doesn't begin with the one before it, all of it is added, with a note."""
    texts = ["Hel", "Hello", "H", "Hi", "Hi you", "Hi you"]
    reader = read(*[choice(content=text) for text in texts], choice("stop"))

    assert reader.result().text == "HelloHi you"
    assert notes_of(reader) == [Note(NoteKind.NOT_CUMULATIVE, 0, detail="content")]
    assert "a text doesn't begin with the one before it" in str(notes_of(reader)[0])


def test_a_text_that_is_repeated_after_a_new_beginning() -> None:
    """A server that begins again with the same text repeats nothing."""
    texts = ["Hel", "Hello", "H", "Hel", "Hello", "Hello you"]

    assert message(*[choice(content=text) for text in texts], choice("stop")).content == "Hello you"


def test_a_server_that_sends_pieces() -> None:
    """A text whose second piece doesn't begin with the first is read as pieces, with a note."""
    pieces = ["I", " say", ": ha", " ha", " ha", "", "I"]
    calls = [choice(tool_calls=[tool(text, index=0)]) for text in ("{", "{}", "{}")]
    reader = read(*[choice(content=text) for text in pieces], *calls, choice("stop"))
    result: Any = reader.result()

    assert result.text == "".join(pieces)
    assert result.choices[0].message.tool_calls[0].function.arguments == "{}"
    assert notes_of(reader) == [Note(NoteKind.NOT_CUMULATIVE, 0, detail="content")]


def test_arguments_that_begin_again() -> None:
    """Arguments of one call that begin again are added, with a note."""
    lists = [[tool(text, None, index=0, id="a")] for text in ('{"x', '{"x"', "{}")]
    reader = read(*[choice(tool_calls=each) for each in lists], choice("tool_calls"))
    result: Any = reader.result()

    assert result.choices[0].message.tool_calls[0].function.arguments == '{"x"{}'
    assert notes_of(reader) == [Note(NoteKind.NOT_CUMULATIVE, 0, detail="arguments")]


def test_characters_that_are_cut() -> None:
    """A cut character is corrected by the next text, or else released at the end."""
    texts = ["a\ufffd", "a\ufffd", "a\u00e9", "a\u00e9\ud83d", "a\u00e9\U0001f600\ufffd"]
    chunks = [choice(content=text) for text in texts]

    assert message(*chunks, choice("stop", content="a\u00e9\U0001f600b")).content == "aé😀b"
    assert message(*chunks, choice("stop")).content == "aé😀\ufffd"
    assert message(*chunks, choice("stop", content="")).content == "aé😀\ufffd"
    assert message(*chunks, choice("stop", content=texts[-1])).content == "aé😀\ufffd"
    assert message(choice("stop"), choice("stop", content="a\ufffd")).content == "a\ufffd"
    pieces = [choice(content="a\ud83d"), choice(content="\ude00b"), choice("stop")]
    assert read(*pieces).result().text == "a😀b"
    again = [*chunks, choice(content="b"), choice("stop")]
    assert read(*again).result().text == "aé😀\ufffdb"


@pytest.mark.parametrize("legacy", [False, True])
def test_a_cut_character_at_a_truncated_end(legacy: bool) -> None:
    """At the end, without a finish reason, nothing is lost."""
    reader = ChunkReader(deltas="cumulative", on_incomplete="accept")
    text = "a\ufffd"
    one = {"index": 0, "text": text} if legacy else choice(content=text)
    chunks = reader.feed(body([one]).removesuffix(b"data: [DONE]\n\n")) + reader.close()

    assert "".join(chunk.text for chunk in chunks) == text
    assert reader.result().text == text


def test_lists_of_parts() -> None:
    """A content that is a list of parts stays as it is."""
    parts = [{"type": "text", "text": "a"}]
    reader = read(choice(content=parts), choice("stop", content=parts))

    assert reader.result().text == "aa"


def test_with_tags() -> None:
    """Tags are found in the differences, also in what was held back."""
    texts = so_far(["<th", "ink>H", "m</thi", "nk>Yes", "</", "\ufffd"])
    found = message(*[choice(content=text) for text in texts], choice("stop"), think_tags=True)

    assert found.reasoning_content == "Hm"
    assert found.content == "Yes</\ufffd"


def test_after_an_error() -> None:
    """Text after an error is compared with the text before it."""
    reader = ChunkReader(deltas="cumulative")
    error = b'data: {"error": {"message": "overloaded"}}\n\n'
    start, late = [
        body([choice(content=text)]).removesuffix(b"data: [DONE]\n\n") for text in ("Hel", "Hello")
    ]
    reader.feed(start + error + late)
    reader.close()

    assert reader.snapshot().text == "Hello"


def test_the_option_is_checked() -> None:
    """Another value raises with the known ones."""
    with pytest.raises(ValueError, match="deltas is 'x'; give one of 'incremental', 'cumulative'"):
        ChunkReader(deltas="x")  # type: ignore[call-overload]


def test_cost_is_linear() -> None:
    """The work for a chunk doesn't depend on the length of the text before it."""
    size = 2_000

    def work(pieces: list[str]) -> None:
        read(*[choice(content=text) for text in pieces], choice("stop"))

    count_lines(lambda: work(["x" * length for length in range(size)]), most=size * 200)
    count_lines(lambda: work(["x", "y"] * (size // 2)), most=size * 200)


OTHER_NAMES = ["thinking", "thought", "reasoning_text", "thinking_content"]


@pytest.mark.parametrize("name", OTHER_NAMES)
@given(pieces=TEXTS)
def test_other_names_of_reasoning(name: str, pieces: list[str]) -> None:
    """Reasoning under a name that the schema doesn't have is read once, too."""
    deltas: list[dict[str, Any]] = [{name: text} for text in so_far(pieces)]
    found = message(*[choice(**delta) for delta in deltas], choice("stop"))

    whole = "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert (found.reasoning or "") == whole


def test_lists_and_two_names_of_reasoning() -> None:
    """Lists of parts stay as they are; the same text under two names counts once."""
    assert message(choice(thinking=["a"]), choice("stop", thinking=["b"])).reasoning == "ab"
    texts = ["a", "ab", "abc"]
    found = message(*[choice(reasoning_content=each, thinking=each) for each in texts])
    assert (found.reasoning_content, found.reasoning or "") == ("abc", "")


def close_incomplete(*choices: Choice) -> tuple[list[Any], Any]:
    """Return the chunks and the result of a stream without a finish reason."""
    reader = ChunkReader(deltas="cumulative", on_incomplete="accept")
    chunks = reader.feed(body(choices).removesuffix(b"data: [DONE]\n\n")) + reader.close()
    return chunks, reader.result()


def test_held_reasoning_is_released() -> None:
    """A cut character at the end of reasoning is released at the end, under any name."""
    assert message(choice(thinking="a\ufffd"), choice("stop")).reasoning == "a\ufffd"
    assert message(choice(thinking="a\ufffd"), choice(thinking="aé")).reasoning == "aé"
    _, result = close_incomplete(choice(thinking="a\ufffd"))
    assert result.choices[0].message.reasoning == "a\ufffd"
    for end in ([], [choice("stop")]):
        _, result = close_incomplete(choice(thinking="a\ufffd", thought="a\ufffd"), *end)
        assert result.choices[0].message.reasoning == "a\ufffd"


def detail(text: str, index: int | None = 0, **fields: Any) -> dict[str, Any]:
    where = {} if index is None else {"index": index}
    return {"type": "reasoning.text", "text": text, **where, **fields}


@pytest.mark.parametrize("index", [0, None])
def test_reasoning_details(index: int | None) -> None:
    """The texts of entries that each chunk repeats are read once; so is a signature."""
    texts = ["a", "ab\ufffd", "abé"]
    found = message(
        *[choice(reasoning_details=[detail(text, index)]) for text in texts],
        choice("stop", reasoning_details=[detail("abé", index, signature="s")]),
    )

    assert found.reasoning_details == [detail("abé", index, signature="s")]


def test_entries_of_reasoning_details() -> None:
    """Entries are compared by type and index, or by position; encrypted ones aren't split."""
    secret = {"type": "reasoning.encrypted", "data": "xx"}
    summary = {"type": "reasoning.summary", "summary": "s", "index": 1}
    lists = [
        [detail("a"), {**summary, "index": 1}],
        [detail("ab"), {**summary, "summary": "sum"}, secret],
        [detail("ab"), {**summary, "summary": "sum"}, secret, {**secret, "data": "xxy"}],
        [{"type": "reasoning.encrypted", "signature": "t"}],
    ]
    found = message(*[choice(reasoning_details=each) for each in lists], choice("stop"))

    assert found.reasoning_details == [
        detail("ab"),
        {**summary, "summary": "sum"},
        secret,
        {**secret, "data": "xxy", "signature": "t"},
    ]


def test_held_details_are_released() -> None:
    """A cut character at the end of an entry's text is released at the end."""
    first = choice(reasoning_details=[detail("a\ufffd")])
    for last in (choice("stop"), choice("stop", reasoning_details=[detail("a\ufffd")])):
        assert message(first, last).reasoning_details == [detail("a\ufffd")]
    _, result = close_incomplete(first)
    assert result.choices[0].message.reasoning_details == [detail("a\ufffd")]
    _, result = close_incomplete(choice(reasoning_details=[detail("a")]))
    assert result.choices[0].message.reasoning_details == [detail("a")]


def test_details_in_pieces() -> None:
    """Texts of entries that aren't repeated are added, with a note."""
    texts = [choice(reasoning_details=[detail(text)]) for text in ("ab", "cd")]
    reader = read(*texts, choice("stop"))
    result: Any = reader.result()

    assert result.choices[0].message.reasoning_details == [detail("abcd")]
    assert notes_of(reader) == [Note(NoteKind.NOT_CUMULATIVE, 0, detail="reasoning_details")]


def custom(text: str, **fields: Any) -> dict[str, Any]:
    return {"custom": {"name": "c", "input": text}, "type": "custom", **fields}


@pytest.mark.parametrize("fields", [{"index": 0, "id": "a"}, {"index": 0}, {"id": "a"}, {}])
def test_the_end_of_a_custom_input(fields: dict[str, Any]) -> None:
    """A cut character is corrected by the next input, or else released at the end."""
    first = choice(tool_calls=[custom("ab\ufffd", **fields)])
    ends = {
        "finish": [choice("tool_calls")],
        "repeated": [first, choice("tool_calls")],
        "empty": [choice("tool_calls", tool_calls=[custom("", **fields)])],
        "same": [choice("tool_calls", tool_calls=[custom("ab\ufffd", **fields)])],
    }
    for end in ends.values():
        (call,) = message(first, *end).tool_calls
        assert call.custom.input == "ab\ufffd"
    (call,) = close_incomplete(first)[1].choices[0].message.tool_calls
    assert call.custom.input == "ab\ufffd"
    corrected = choice("tool_calls", tool_calls=[custom("abé", **fields)])
    (call,) = message(first, corrected).tool_calls
    assert call.custom.input == "abé"


@pytest.mark.parametrize("ids", [("a", "b"), (None, None)])
def test_the_ends_of_custom_inputs(ids: tuple[str | None, str | None]) -> None:
    """Calls keep their ends, also those that follow each other under one index."""
    one, two = ({"index": 0, **({"id": each} if each else {})} for each in ids)
    other = {**custom("x\ufffd", **two), "custom": {"name": "d", "input": "x\ufffd"}}
    calls = message(
        choice(tool_calls=[custom("a\ufffd", **one)]),
        choice(tool_calls=[other]),
        choice("tool_calls"),
    ).tool_calls

    assert [call.custom.input for call in calls] == ["a\ufffd", "x\ufffd"]


def test_parallel_custom_inputs_under_one_index() -> None:
    """A cut character is corrected, also in a call under an index that another call took."""
    lists = [
        [custom(one, index=0, id="a"), custom(two, index=0, id="b")]
        for one, two in (("x\ufffd", "y\ufffd"), ("xé", "yé"))
    ]
    calls = message(*[choice(tool_calls=each) for each in lists], choice("stop")).tool_calls

    assert [call.custom.input for call in calls] == ["xé", "yé"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"custom": {}},
        {"custom": {"input": "\ufffd"}},
        {"function": {"arguments": "\ufffd"}},
        {"function": {"arguments": " "}},
        {"function": {"name": "f", "arguments": ""}},
        {"function": {"name": "f", "arguments": "{"}},
    ],
    ids=str,
)
def test_new_ids_are_limited(fields: dict[str, Any]) -> None:
    """Ids that change with each chunk don't take more memory than the limit allows."""
    reader = ChunkReader(max_accumulated_bytes=1_000_000, deltas="cumulative")
    tracemalloc.start()
    try:
        for number in range(400):
            call = {"index": 0, "id": "x" * 10_000 + str(number), **fields}
            data = json.dumps({"choices": [choice(tool_calls=[call])]})
            reader.feed(f"data: {data}\n\n".encode())
    except LimitExceeded:
        pass
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 2_500_000


def test_a_function_call_next_to_tool_calls() -> None:
    """A tool call without id that another one replaces doesn't touch the function call."""
    deltas: list[dict[str, Any]] = [
        {"function_call": {"name": "f", "arguments": "{"}, "tool_calls": [{"index": 0}]},
        {"tool_calls": [tool("", "g", index=0, id="b")]},
        {"tool_calls": [tool("", "h", index=0, id="c")]},
        {"function_call": {"name": "f", "arguments": "{}"}},
    ]
    found = message(*[choice(**each) for each in deltas], choice("stop"))

    assert found.function_call.arguments == "{}"
