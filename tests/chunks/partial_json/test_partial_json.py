"""Tests of the incremental JSON parser."""

import json
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import FrameType
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse.chunks import JSONFault, PartialJSON

HIGH, LOW = "\ud83d", "\ude00"
"""The halves of U+1F600."""


def parsed(*pieces: str, read_value: bool = True) -> PartialJSON:
    """Feed pieces, and read the value after each."""
    parser = PartialJSON()
    for piece in pieces:
        parser.feed(piece)
        if read_value:
            _ = parser.value
    return parser


def closed(*pieces: str, read_value: bool = True) -> PartialJSON:
    parser = parsed(*pieces, read_value=read_value)
    parser.close()
    return parser


def joined(text: str) -> str:
    """Join adjacent raw halves of surrogate pairs."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def outcome(parser: PartialJSON) -> tuple[str, bool, JSONFault | None]:
    """Return the public state; repr() distinguishes 1, 1.0 and True, and the order of keys."""
    return repr(parser.value), parser.complete, parser.fault


def load(text: str) -> Any:
    """
    Decode JSON as defined by RFC 8259.

    Raises:
        ValueError: The text isn't JSON.
    """

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def is_json(text: str) -> bool:
    try:
        load(text)
    except ValueError:
        return False
    return True


STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
NUMBER_AT_END = re.compile(r"(?:-|-?[0-9][-+.0-9eE]*)\Z")
HALF = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
"""A half of a surrogate pair, raw or escaped."""
HALF_AT_END = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z"
)


def open_parts(prefix: str) -> tuple[bool, str]:
    """Return whether a text ends in a string, and the brackets that close its open containers."""
    outside, quote, _ = STRING.sub("", prefix).partition('"')
    closers = ""
    for char in outside:
        if char in "[{":
            closers = {"[": "]", "{": "}"}[char] + closers
        elif char in "]}":
            closers = closers[1:]
    return bool(quote), closers


def value_so_far(prefix: str) -> Any:
    """
    Return the value of a prefix of JSON, computed by another, slow method.

    Remove the end that can still change: a number, an escape, half of a surrogate pair. Then
    decode the longest prefix of the rest that is JSON once its string and containers are closed.
    """
    if "\ud800" <= prefix[-1:] <= "\udbff":
        prefix = prefix[:-1]
    if open_parts(prefix)[0]:
        prefix = HALF_AT_END.sub(r"\1", prefix)
    else:
        prefix = NUMBER_AT_END.sub("", prefix)
    for end in range(len(prefix), 0, -1):
        in_string, closers = open_parts(prefix[:end])
        completed = prefix[:end] + '"' * in_string + closers
        if is_json(completed):
            return load(completed)
    return None


def can_be_completed(prefix: str) -> bool:
    """Return whether some continuation makes a prefix JSON."""
    _, closers = open_parts(prefix)
    words = [word[start:] for word in ("true", "false", "null") for start in range(5)]
    texts = [f'{escape}"' for escape in ("", "n", "0", "00", "000", "0000")]
    keys = [f"{text}:0" for text in (*texts, '""', "")]
    return any(is_json(prefix + ending + closers) for ending in ("", "0", *words, *texts, *keys))


JSON_TEXTS = [
    "null",
    " true ",
    "\r\n\tfalse",
    "0",
    "-0",
    "-0.0",
    "12 ",
    "-120e-2",
    "1E+2",
    "0.5e1",
    "1e999",
    "123456789012345678901234567890",
    '""',
    '"a"',
    '"\x7f\u2028\ufeff"',
    r'"\"\\\/\b\f\n\r\t"',
    r'"\u00e9\u0000\uD83D\uDE00\ud83d\ude00"',
    r'"\ud800\udc00\udbff\udfff\ue000\ud7ff"',
    r'"\ud83d"',
    r'"\ude00"',
    r'"\ud800"',
    r'"\udbff"',
    r'"\ud83d\ud83d\ude00"',
    r'"\ud83d\n\ud83dx\ud83d\u0041\ude00\ud83d"',
    r'"\\ud83d\\"',
    '"h\u00e9\u4f60\U0001f600"',
    f'"{LOW}{HIGH}"',
    rf'"\ud83d{LOW}{HIGH}\ude00"',
    "[]",
    "[ ]",
    "{}",
    "{ }",
    '[1,2.0,-3,"a",null,true,false,[],{}]',
    ' [ 1 , "a" , [ 2 ] , { } ] ',
    '{"a":1,"b":{"c":[{"d":"e"}]},"":""}',
    ' { "a" : 1 , "b" : { } , "c" : null } ',
    '{"a":1,"b":2,"a":"x"}',
    '{"a":[1,2],"a":{"b":"c"},"a":null}',
    r'{"\ud83d\ude00\"":1,"\ud83d":2}',
    '[[[["a"]]]]',
]


class TestValue:
    """The value so far."""

    @pytest.mark.parametrize(
        ("pieces", "expected"),
        [
            pytest.param(["", " "], [None, None], id="None before anything"),
            pytest.param(
                ["[", '"', "a", "b", '"', "]"],
                [[], [""], ["a"], ["ab"], ["ab"], ["ab"]],
                id="a string from its opening quote on",
            ),
            pytest.param(['"', "a", '"', " "], ["", "a", "a", "a"], id="a string at the top level"),
            pytest.param(
                ["{", '"a', '"', ":", " ", '"'],
                [{}, {}, {}, {}, {}, {"a": ""}],
                id="a key with its value's first character",
            ),
            pytest.param(
                ['{"a":', "[", '],"b":', "{"],
                [{}, {"a": []}, {"a": []}, {"a": [], "b": {}}],
                id="a container with its opening bracket",
            ),
            pytest.param(
                ["[", "1", "2", ",", "3", "]"],
                [[], [], [], [12], [12], [12, 3]],
                id="a number with the character after it",
            ),
            pytest.param(["1", "2", " "], [None, None, 12], id="a number with a blank after it"),
            pytest.param(["[t", "ru", "e"], [[], [], [True]], id="a literal with its last letter"),
            pytest.param(
                ['"a', "\\", "n", "\\", "u00", "e", "9"],
                ["a", "a", "a\n", "a\n", "a\n", "a\n", "a\n\u00e9"],
                id="an escape with its last character",
            ),
            pytest.param(
                [r'"\ud83d', "\\", "ude0", "0"],
                ["", "", "", "\U0001f600"],
                id="both halves of an escaped pair at once",
            ),
            pytest.param(
                [r'"\ud83d', "x"], ["", HIGH + "x"], id="an escaped half with what follows it"
            ),
            pytest.param(
                [r'"\ud83d', "\\", "n"],
                ["", "", HIGH + "\n"],
                id="an escaped half with the escape that follows it",
            ),
            pytest.param(
                [r'"\ud83d', r"\ud83", "d", '"'],
                ["", "", HIGH, HIGH + HIGH],
                id="an escaped half with the half that follows it",
            ),
            pytest.param(
                ['"a' + HIGH, LOW, HIGH, "b"],
                ["a", "a\U0001f600", "a\U0001f600", f"a\U0001f600{HIGH}b"],
                id="a raw half with what follows it",
            ),
            pytest.param(
                ['{"a":1,"b":2', ',"a":', '"', "x"],
                [{"a": 1}, {"a": 1, "b": 2}, {"a": "", "b": 2}, {"a": "x", "b": 2}],
                id="a duplicate key: the last value at the first position",
            ),
        ],
    )
    def test_appears(self, pieces: list[str], expected: list[Any]) -> None:
        """The value contains only what can no longer change, and unfinished strings."""
        parser = PartialJSON()
        assert parser.value is None
        for piece, value in zip(pieces, expected, strict=True):
            parser.feed(piece)
            assert repr(parser.value) == repr(value)
            assert parser.fault is None

    @pytest.mark.parametrize("text", JSON_TEXTS)
    def test_at_every_prefix(self, text: str) -> None:
        """The value at a prefix is that of json.loads for the completed prefix."""
        parser = PartialJSON()
        for end, char in enumerate(text, 1):
            parser.feed(char)
            assert repr(parser.value) == repr(value_so_far(text[:end]))
            assert parser.fault is None

    @pytest.mark.parametrize("text", JSON_TEXTS)
    def test_at_the_end(self, text: str) -> None:
        """The value is that of json.loads, including types, order and lone surrogates."""
        parser = closed(text)

        assert outcome(parser) == (repr(load(text)), True, None)

    def test_a_number_ends_with_the_text(self) -> None:
        """close() ends a number, even inside a container."""
        assert outcome(parsed("12")) == ("None", False, None)
        assert outcome(closed("12")) == ("12", True, None)
        assert closed("[1").value == [1]
        assert closed("[1.").value == []

    def test_an_unfinished_escape_at_the_end(self) -> None:
        """An unfinished escape isn't part of the value; a raw half of a pair is."""
        assert closed(r'"a\ud83d').value == "a"
        assert closed(r'"a\u00e').value == "a"
        assert closed('"a' + HIGH).value == "a" + HIGH

    def test_is_complete(self) -> None:
        """A value is complete with its last character; a number with the character after it."""
        assert not parsed("").complete
        assert not parsed("[1]"[:2]).complete
        assert parsed("[1]").complete
        assert parsed('"a"').complete
        assert parsed("null").complete
        assert not parsed("1").complete
        assert parsed("1\n").complete
        assert closed("1").complete

    @pytest.mark.parametrize("text", ["[1] x", "{}}", '"a""', "null,", "1 2", "1x"])
    def test_stays_complete(self, text: str) -> None:
        """Text after the value is a fault, and the value stays complete."""
        parser = closed(text)

        assert parser.complete
        assert parser.fault is not None
        assert parser.fault.reason.startswith("expected the end, got ")


class TestLiveObject:
    """The value is one object, which later pieces extend."""

    def test_is_the_same(self) -> None:
        """Each read returns the same object."""
        parser = parsed('{"a": [1, "x')
        value = parser.value
        inner = value["a"]
        parser.feed('y", {}], "b": "z')

        assert parser.value is value
        assert value == {"a": [1, "xy", {}], "b": "z"}
        assert value["a"] is inner

    def test_a_string_does_not_change(self) -> None:
        """A string that was read before isn't changed by later pieces."""
        parser = parsed('["ab')
        kept = parser.value[0]
        parser.feed("cd")

        assert parser.value == ["abcd"]
        assert kept == "ab"

    @pytest.mark.parametrize("rest", ['b", 2, {"k": "v"}]}', 'b"', "b", "\\n", '", "c'])
    def test_changes_by_the_reader(self, rest: str) -> None:
        """After the reader changes the object, no later piece raises."""
        parser = parsed('{"a": ["x", "a')
        parser.value["a"].clear()
        parser.value.clear()
        parser.feed(rest)

        assert parser.value == {}
        assert parser.fault is None

    @pytest.mark.parametrize(
        ("start", "expected"),
        [('{"a": "x", "b": "a', {"b": "ab"}), ('["x", "a', ["ab"])],
    )
    def test_an_unfinished_string_is_restored(self, start: str, expected: Any) -> None:
        """An unfinished string that the reader removed is in the value at the next read."""
        parser = parsed(start)
        parser.value.clear()
        parser.feed("b")

        assert parser.value == expected


FAULTS: list[tuple[str, int, str, Any]] = [
    ("", 0, "ends before a value", None),
    (" \n", 2, "ends before a value", None),
    ("x", 0, "expected a value, got 'x'", None),
    ("\ufeff[]", 0, r"expected a value, got '\ufeff'", None),
    ("\xa0[]", 0, r"expected a value, got '\xa0'", None),
    ("\v", 0, r"expected a value, got '\x0b'", None),
    ("\U0001f600", 0, r"expected a value, got '\U0001f600'", None),
    (HIGH, 0, r"expected a value, got '\ud83d'", None),
    (f"[{LOW}", 1, r"expected a value, got '\ude00'", []),
    ("'a'", 0, 'expected a value, got "\'"', None),
    ("NaN", 0, "expected a value, got 'N'", None),
    ("[Infinity]", 1, "expected a value, got 'I'", []),
    ("-Infinity", 1, "expected a digit, got 'I'", None),
    ("nul", 3, "ends inside a literal", None),
    ("nan", 1, "expected null, got 'a'", None),
    ("[tRue]", 2, "expected true, got 'R'", []),
    ("falsy", 4, "expected false, got 'y'", None),
    ("truex", 4, "expected the end, got 'x'", True),
    ("+1", 0, "expected a value, got '+'", None),
    (".5", 0, "expected a value, got '.'", None),
    ("-", 1, "ends inside a number", None),
    ("[-]", 2, "expected a digit, got ']'", []),
    ("[1.]", 3, "expected a digit, got ']'", []),
    ("1e", 2, "ends inside a number", None),
    ("[1e+,", 4, "expected a digit, got ','", []),
    ("1.5.5", 3, "expected the end, got '.'", 1.5),
    ("01", 1, "expected no digit after a leading zero, got '1'", None),
    ("[-00]", 3, "expected no digit after a leading zero, got '0'", []),
    ("1_0", 1, "expected the end, got '_'", 1),
    ("1\u0661", 1, r"expected the end, got '\u0661'", 1),
    ("0x1", 1, "expected the end, got 'x'", 0),
    ("[1", 2, "ends inside an array", [1]),
    ("[", 1, "ends inside an array", []),
    ("[1,", 3, "ends inside an array", [1]),
    ("[1,]", 3, "expected a value, got ']'", [1]),
    ("[,", 1, "expected a value, got ','", []),
    ("[1 2]", 3, "expected ',' or ']', got '2'", [1]),
    ("[1}", 2, "expected ',' or ']', got '}'", [1]),
    ("[}", 1, "expected a value, got '}'", []),
    ("]", 0, "expected a value, got ']'", None),
    ("{", 1, "ends inside an object", {}),
    ('{"a', 3, "ends inside a key", {}),
    ('{"a"', 4, "ends inside an object", {}),
    ('{"a":', 5, "ends inside an object", {}),
    ('{"a":"b', 7, "ends inside a string", {"a": "b"}),
    ('{"a":"b"', 8, "ends inside an object", {"a": "b"}),
    ('{"a":1,}', 7, "expected a key, got '}'", {"a": 1}),
    ("{a:1}", 1, "expected a key, got 'a'", {}),
    ("{]", 1, "expected a key, got ']'", {}),
    ('{"a" 1}', 5, "expected ':', got '1'", {}),
    ('{"a":}', 5, "expected a value, got '}'", {}),
    ('{"a":1 "b"', 7, "expected ',' or '}', got '\"'", {"a": 1}),
    ('{"a":[1}', 7, "expected ',' or ']', got '}'", {"a": [1]}),
    ('{"a\n', 3, r"control character '\n' in a string", {}),
    ('"ab\0"', 3, r"control character '\x00' in a string", "ab"),
    ('"a\x1f', 2, r"control character '\x1f' in a string", "a"),
    (r'"a\x', 3, "expected an escape, got 'x'", "a"),
    (r'"a\U0041', 3, "expected an escape, got 'U'", "a"),
    (r'"a\u00g0', 6, "expected a hex digit, got 'g'", "a"),
    (r'"a\u"', 4, "expected a hex digit, got '\"'", "a"),
    (r'"a\u+041', 4, "expected a hex digit, got '+'", "a"),
    ('"a\\u\u0661', 4, r"expected a hex digit, got '\u0661'", "a"),
    (r'"a\ud83d\x', 9, "expected an escape, got 'x'", "a"),
    ('"a\\', 3, "ends inside a string", "a"),
    ('"a' + HIGH, 3, "ends inside a string", "a" + HIGH),
    ("[] []", 3, "expected the end, got '['", []),
    (f'"{HIGH}{LOW}" x', 4, "expected the end, got 'x'", "\U0001f600"),
    (f"[] {HIGH}{LOW}", 3, r"expected the end, got '\U0001f600'", []),
    (f"[] {HIGH}", 3, r"expected the end, got '\ud83d'", []),
]


class TestFault:
    """Text that isn't JSON."""

    @pytest.mark.parametrize(("text", "offset", "reason", "value"), FAULTS)
    def test_is_a_value(self, text: str, offset: int, reason: str, value: Any) -> None:
        """A fault has an offset and a reason; the value is that of the text before it."""
        parser = closed(text)

        assert parser.fault == JSONFault(offset, reason)
        assert repr(parser.value) == repr(value)

    @pytest.mark.parametrize(
        ("text", "offset"),
        [fault[:2] for fault in FAULTS if not fault[2].startswith("ends")],
    )
    def test_is_found_at_its_character(self, text: str, offset: int) -> None:
        """A fault is found at its character: the text before it can be completed to JSON."""
        text = joined(text)

        assert can_be_completed(text[:offset])
        assert parsed(text[:offset]).fault is None
        assert closed(text[: offset + 1]).fault == closed(text).fault

    def test_stays(self) -> None:
        """After a fault, pieces and close() are ignored."""
        parser = parsed("[1, x", "2]", HIGH, LOW)
        parser.close()
        parser.close()

        assert outcome(parser) == ("[1]", False, JSONFault(4, "expected a value, got 'x'"))

    def test_integer_that_python_refuses(self) -> None:
        """An integer with too many digits for int() is a fault at its first digit."""
        limit = sys.get_int_max_str_digits()
        digits = "1" * (limit + 1)
        reason = "an integer of more digits than Python converts"

        assert closed(digits[1:]).value == int(digits[1:])
        assert closed(digits).fault == JSONFault(0, reason)
        for cut in (1, 100, len(digits)):
            parser = parsed("[ 5, -" + digits[:cut], digits[cut:])
            assert parser.fault is None
            parser.feed(",")
            assert outcome(parser) == ("[5]", False, JSONFault(5, reason))
        assert closed(digits + ".5").value == float(digits)

    def test_depth(self) -> None:
        """Nested containers are limited, adjacent ones aren't."""
        assert closed("[" * 500 + "]" * 500).complete
        fault = JSONFault(500, "nested deeper than 500")
        assert parsed("[" * 100_000, read_value=False).fault == fault
        assert parsed(*"[" * 1001, read_value=False).fault == fault

        parser = PartialJSON(max_depth=2)
        parser.feed('[[],{"a":1},[1],{"a":{')
        assert parser.fault == JSONFault(21, "nested deeper than 2")
        assert parser.value == [[], {"a": 1}, [1], {}]

        parser = PartialJSON(max_depth=1)
        parser.feed("[1]")
        assert parser.complete


class TestUse:
    """Arguments, and the order of calls."""

    @pytest.mark.parametrize("max_depth", [0, -1])
    def test_max_depth(self, max_depth: int) -> None:
        """A max_depth below 1 is rejected."""
        with pytest.raises(ValueError, match=f"max_depth is {max_depth}; give a number above 0"):
            PartialJSON(max_depth=max_depth)

    @pytest.mark.parametrize("piece", [b"[]", None, 1])
    def test_only_text(self, piece: Any) -> None:
        """feed() rejects everything except str."""
        with pytest.raises(TypeError, match=f"takes str, not {type(piece).__name__}"):
            PartialJSON().feed(piece)

    def test_close(self) -> None:
        """close() can be called again; feed() after it raises."""
        parser = closed("12")
        parser.close()

        with pytest.raises(RuntimeError, match="use a new parser"):
            parser.feed("")
        assert outcome(parser) == ("12", True, None)


BLANKS = st.text(" \t\r\n", max_size=2)
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
# No halves of surrogate pairs, which not every parser accepts.
CHARACTERS = st.one_of(
    st.characters(exclude_characters='"\\', exclude_categories=["Cs"], min_codepoint=0x20),
    st.sampled_from(["\x7f", "\u2028", "\U0001f600", *(f"\\{char}" for char in '"\\/bfnrt')]),
    st.sampled_from([r"\u0000", r"\u00E9", r"\u4f60", r"\ud83d\ude00", r"\uD83D\uDe00"]),
)
HALVES = st.sampled_from([HIGH, LOW, r"\ud83d", r"\ude00", r"\uD83D", r"\uDE00"])


def strings(characters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(characters, max_size=5).map(lambda parts: f'"{"".join(parts)}"')


def documents(characters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Make JSON texts."""
    # Few letters, so that keys repeat.
    keys = st.one_of(strings(st.sampled_from("ab")), strings(characters))
    scalars = st.one_of(st.sampled_from(["null", "true", "false"]), NUMBERS, strings(characters))

    def spaced(text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.tuples(BLANKS, text, BLANKS).map("".join)

    def containers(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        members = st.tuples(spaced(keys), items).map(":".join)
        return st.one_of(
            st.one_of(st.lists(items, min_size=1, max_size=4).map(",".join), BLANKS).map(
                "[{}]".format
            ),
            st.one_of(st.lists(members, min_size=1, max_size=4).map(",".join), BLANKS).map(
                "{{{}}}".format
            ),
        )

    return st.recursive(spaced(scalars), lambda items: spaced(containers(items)), max_leaves=12)


DOCUMENTS = documents(CHARACTERS | HALVES)
GARBAGE = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from([*'[]{},:"\\-+.01eEtfn \n\0x', "true", "null", "NaN", '"a":', HIGH, LOW]),
        max_size=12,
    ).map("".join),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Make a JSON text with characters removed or inserted."""
    text = draw(DOCUMENTS)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 3)))
    return text[:start] + draw(st.just("") | GARBAGE) + text[end:]


def cut(text: str, data: st.DataObject) -> list[str]:
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
    return [text[start:end] for start, end in pairwise([0, *places, len(text)])]


def values(text: str) -> Iterator[str]:
    """Yield the value after each character."""
    parser = PartialJSON()
    for char in text:
        parser.feed(char)
        yield repr(parser.value)


class TestAnyText:
    """Properties of all texts."""

    @pytest.mark.parametrize("text", [*JSON_TEXTS, *(fault[0] for fault in FAULTS)])
    def test_every_cut(self, text: str) -> None:
        """The value and the fault don't depend on how the text is cut."""
        expected = outcome(closed(text))

        assert outcome(closed(*text)) == expected
        for at in range(len(text)):
            assert outcome(closed(text[:at], text[at:])) == expected
            assert outcome(closed(text[:at], "", text[at:], read_value=False)) == expected

    @given(DOCUMENTS, st.data())
    def test_json(self, text: str, data: st.DataObject) -> None:
        """JSON has no fault at any prefix and the value of json.loads, at any cut."""
        expected = (repr(load(joined(text))), True, None)

        assert outcome(closed(text)) == expected
        assert outcome(closed(*text)) == expected
        assert outcome(closed(*cut(text, data))) == expected
        assert outcome(closed(*cut(text, data), read_value=False)) == expected
        parser = PartialJSON()
        for char in text:
            parser.feed(char)
            assert parser.fault is None

    @given(DOCUMENTS)
    def test_prefixes_of_json(self, text: str) -> None:
        """The value at a prefix is that of json.loads for the completed prefix."""
        text = joined(text)
        for end, value in enumerate(values(text), 1):
            assert value == repr(value_so_far(text[:end]))

    @given(GARBAGE | mutated(), st.data())
    def test_anything(self, text: str, data: st.DataObject) -> None:
        """A text has a fault if and only if json.loads raises, at any cut."""
        parser = closed(text)
        expected = outcome(parser)

        assert (parser.fault is None) == is_json(joined(text))
        assert outcome(closed(*text)) == expected
        assert outcome(closed(*cut(text, data))) == expected
        assert outcome(closed(*cut(text, data), read_value=False)) == expected

    @given(GARBAGE | mutated(), st.data())
    def test_prefixes_of_anything(self, text: str, data: st.DataObject) -> None:
        """The value at a prefix doesn't depend on how the prefix is cut."""
        pieces = cut(text, data)
        parser = PartialJSON()
        one_by_one = ["None", *values(text)]
        fed = 0
        for piece in pieces:
            parser.feed(piece)
            fed += len(piece)
            assert repr(parser.value) == one_by_one[fed]
            assert repr(parsed(text[:fed]).value) == one_by_one[fed]

    @given(GARBAGE | mutated())
    def test_earliest(self, text: str) -> None:
        """A fault is at the first character after which no continuation is JSON."""
        text = joined(text)
        fault = closed(text).fault
        if fault is not None:
            assert can_be_completed(text[: fault.offset])
            assert fault.offset == len(text) or not can_be_completed(text[: fault.offset + 1])


def in_jiter(text: str) -> str:
    """
    Return the value of a prefix in jiter's partial mode, which parses it from the start.

    Raises:
        ValueError: It finds no value.
    """
    jiter = pytest.importorskip("jiter", reason="jiter is not installed")
    return repr(jiter.from_json(text.encode(), partial_mode="trailing-strings"))


class TestJiter:
    """Differences from jiter, which are the only ones."""

    @given(documents(CHARACTERS))
    def test_every_prefix_of_json(self, text: str) -> None:
        """
        jiter's value of a prefix is ours after close(); before any value, jiter raises.

        Before close(), only a number at the end of the prefix differs: jiter returns 1, then 12,
        then 12.5; ours waits until the number can no longer change.
        """
        for end in range(len(text) + 1):
            prefix = text[:end]
            parser = parsed(prefix)
            before = repr(parser.value)
            parser.close()
            try:
                theirs = in_jiter(prefix)
            except ValueError:
                assert outcome(parser)[:2] == ("None", False)
            else:
                assert theirs == repr(parser.value)
            in_number = not open_parts(prefix)[0] and NUMBER_AT_END.search(prefix)
            assert in_number or before == repr(parser.value)

    @given((GARBAGE | mutated()).filter(lambda text: not HALF.search(text)))
    def test_anything(self, text: str) -> None:
        """
        A text that jiter rejects has a fault; of other texts the value is the same.

        Except NaN and the infinities, which jiter accepts.
        """
        parser = closed(text)
        try:
            theirs = in_jiter(text)
        except ValueError:
            assert parser.fault is not None
        else:
            assert theirs == repr(parser.value) or re.search("NaN|Infinity", text)

    @pytest.mark.parametrize(
        "text", ["[] x", "[1 2", '{"a":[1}', '"a\\u"', "NaN", "-Infinity", "[Infinity"]
    )
    def test_faults_without_an_error(self, text: str) -> None:
        """jiter stops without an error at text after a value and at some invalid escapes."""
        assert in_jiter(text)
        assert parsed(text).fault is not None

    @pytest.mark.parametrize("text", [r'"\ud83d"', r'"\ude00"', r'["a\ud83d\n"]', r'{"\ud83d":1}'])
    def test_lone_halves(self, text: str) -> None:
        """jiter rejects a lone escaped half of a pair, which json.loads accepts."""
        with pytest.raises(ValueError, match="line 1 column"):
            in_jiter(text)
        assert closed(text).value == load(text)

    def test_depth(self) -> None:
        """jiter accepts 200 nested containers."""
        with pytest.raises(ValueError, match="recursion limit"):
            in_jiter("[" * 202)
        assert parsed("[" * 202).fault is None


LOADS: dict[str, Callable[[int], str]] = {
    "one long string": lambda count: '{"a":"' + "x" * 16 * count + '"}',
    "a long string of escapes": lambda count: '["' + r"\n\u00e9\ud83d\ude00" * count + '"]',
    "one long number": lambda count: "0." + "1" * 16 * count,
    "blanks": lambda count: "[" + " " * 16 * count + "]",
    "many keys": lambda count: (
        '{"a":{' + ",".join(f'"{n}":[{n},null]' for n in range(count)) + "}}"
    ),
    "a fault and text after it": lambda count: "x" * 16 * count,
}


def operations(text: str, size: int) -> int:
    """Count the lines of Python that run to parse a text and read the value after each piece."""
    counted = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal counted
        counted += event == "line"
        return trace

    parser = PartialJSON()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for at in range(0, len(text), size):
            parser.feed(text[at : at + size])
            _ = parser.value
        parser.close()
    finally:
        sys.settrace(before)
    return counted


class TestGrowth:
    """The work is linear in the length of the text, measured in lines that run."""

    @pytest.mark.parametrize("size", [1, 4, 1 << 30])
    @pytest.mark.parametrize("load", LOADS)
    def test_doubling_the_text(self, load: str, size: int) -> None:
        """Twice the text takes at most twice the lines, whatever its content and cuts."""
        once = operations(LOADS[load](128), size)
        twice = operations(LOADS[load](256), size)

        assert twice <= 2.2 * once

    @pytest.mark.skipif(
        sys.implementation.name != "cpython", reason="only CPython appends in place"
    )
    @pytest.mark.parametrize("start", ['"', '["', '{"a":["b",{"c":"'])
    @pytest.mark.parametrize("character", ["x", "\u00e9", "\u4f60", "\U0001f600"])
    def test_reading_does_not_copy_a_long_string(self, start: str, character: str) -> None:
        """A piece of a long string takes memory for itself, not for the complete string again."""
        parser = parsed(start + character * 100_000)
        # With a trace function, the interpreter copies to append.
        before = sys.gettrace()
        sys.settrace(None)
        tracemalloc.start()
        try:
            for _ in range(100):
                parser.feed(character)
                assert parser.value
            tracemalloc.reset_peak()
            used, _ = tracemalloc.get_traced_memory()
            for _ in range(100):
                parser.feed(character)
                assert parser.value
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            sys.settrace(before)

        assert peak - used < 50_000
