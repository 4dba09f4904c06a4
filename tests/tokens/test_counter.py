"""Incremental counts equal the count of the complete text."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import tiktoken
from hypothesis import example, given
from hypothesis import strategies as st
from tiktoken_ext import openai_public  # type: ignore[import-untyped] # it has no types

from sseparse.tokens import TokenCounter, Uncountable

PIECES = [
    *(
        "hello",
        "World",
        "HELLOworld",
        "iPhone",
        "don't",
        "I'LL",
        "we've",
        "'s",
        "'",
        "''re",
        "x'\u017f",
    ),
    *(
        " ",
        "  ",
        "   ",
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " \n ",
        "\x85",
        "\u00a0",
        "\u2003",
        "\x1c",
        "\x0b",
    ),
    *("1", "12", "1234567", "3.14", "\u0663\u0664", "\u00bd", "a1b2", "0x1F", " 123456", "\u2167"),
    *(
        "\u4f60\u597d\uff0c\u6211\u662f\u3002",
        "\u3053\u3093\u306b\u3061\u306f",
        "\u30ab\u30bf\u30ab\u30ca\u30fc",
        "\ud55c\uad6d\uc5b4",
        "\u201c\u4e2d\u201d",
    ),
    *(
        "\U0001f600",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u2764\ufe0f",
        "\U0001f1e9\U0001f1ea",
    ),
    *(
        "e\u0301",
        "\u0301",
        "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
        "\u01c5",
        "\u02b0",
        "\u00df",
        "\u0130",
    ),
    *(
        "def f(x):\n    return x\n",
        "//",
        "/\n/",
        ".\n/",
        "==",
        "->",
        "!?",
        "<|endoftext|>",
        "\\",
        "$5",
        "-",
    ),
    *("\ud83d", "\ude00", "\ufeff", "\ufffd", "\x00", "\u180e", "\u2028"),
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
    st.text(st.characters(), max_size=30),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=10).map("".join),
)
CURRENT = ("cl100k_base", "o200k_base")


def patterns() -> dict[str, str]:
    """Return the pattern of each of tiktoken's encodings, without their vocabularies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
        patch.setattr(openai_public, "data_gym_to_mergeable_bpe_ranks", lambda **_: {})
        made = {name: make() for name, make in openai_public.ENCODING_CONSTRUCTORS.items()}
    return {name: parts["pat_str"] for name, parts in made.items()}


def small(pattern: str) -> tiktoken.Encoding:
    """Return a small encoding of a pattern whose merges make wrong borders change the count."""
    words = [bytes([byte]) for byte in range(256)]
    letters = b" \n\r\t'01234abdefhlorstvxHELOW.,/-="
    words += [bytes([left, right]) for left in letters for right in letters]
    ranks = {word: rank for rank, word in enumerate(words)}
    return tiktoken.Encoding("small", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


PATTERNS = patterns()
SMALL = {name: small(pattern) for name, pattern in PATTERNS.items()}


def encoding_of(name: str) -> tiktoken.Encoding:
    return SMALL[name[6:]] if name.startswith("small ") else tiktoken.get_encoding(name)


NAMES = [*CURRENT, *(f"small {name}" for name in SMALL)]


def count_all(encoding: tiktoken.Encoding, text: str) -> int:
    return len(encoding.encode_ordinary(text))


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS, data=st.data())
def test_random_cuts(name: str, text: str, data: st.DataObject) -> None:
    """After each piece the count is that of the text so far, however it's cut."""
    encoding = encoding_of(name)
    counter = TokenCounter(encoding)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    for begin, end in pairwise(cuts):
        counter.add(text[begin:end])
        if data.draw(st.booleans()):
            assert counter.count == count_all(encoding, text[:end])
    assert counter.count == count_all(encoding, text)


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS)
@example(text="I'll don't WE'VE x's 12345 678  9\n\n  a")
@example(text="a \ud83d\ude00 b")
def test_every_character(name: str, text: str) -> None:
    """After each character the count is that of the text so far."""
    encoding = encoding_of(name)
    counter = TokenCounter(encoding)
    for at, character in enumerate(text):
        counter.add(character)
        assert counter.count == count_all(encoding, text[: at + 1])


@pytest.mark.parametrize("name", NAMES)
def test_every_pair_at_a_border(name: str) -> None:
    """Each pair of pieces, added separately, counts as the complete text."""
    encoding = encoding_of(name)
    for left in PIECES:
        for right in PIECES:
            counter = TokenCounter(encoding)
            for piece in ("a", left, right, "b"):
                counter.add(piece)
                _ = counter.count
            assert counter.count == count_all(encoding, f"a{left}{right}b"), (left, right)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", ["a", " ", "\n", "7", "\u4e2d", "=-", "aB", "\u0301", " 1"])
def test_long_runs(name: str, unit: str) -> None:
    """A run of 20,000 units counts as the complete text, also after its end."""
    encoding = encoding_of(name)
    counter = TokenCounter(encoding)
    text = unit * 20_000
    for at in range(0, len(text), 7):
        counter.add(text[at : at + 7])
    assert counter.count == count_all(encoding, text)
    counter.add("x y")
    assert counter.count == count_all(encoding, f"{text}x y")


def record_lengths(encoding: tiktoken.Encoding, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the length of each encoded text is appended."""
    lengths: list[int] = []
    encode = encoding.encode_ordinary

    def recorded(text: str) -> list[int]:
        lengths.append(len(text))
        return encode(text)

    monkeypatch.setattr(encoding, "encode_ordinary", recorded)
    return lengths


@pytest.mark.parametrize("name", NAMES)
def test_final_text_is_dropped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prose, code and Chinese are encoded about once, however often the count is read."""
    encoding = encoding_of(name)
    lengths = record_lengths(encoding, monkeypatch)
    text = (
        "It's prose, and code: f(x1, 22)\n    return x\n\u4f60\u597d\uff0c\u6211\u662f\u3002" * 300
    )
    counter = TokenCounter(encoding)
    for at in range(0, len(text), 4):
        counter.add(text[at : at + 4])
        _ = counter.count

    assert max(lengths) <= 40
    assert sum(lengths) <= 8 * len(text)


def test_memory_without_reading_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Final text is encoded even if the count isn't read, so that little text is kept."""
    encoding = small(PATTERNS["o200k_base"])
    expected = count_all(encoding, "word " * 10_000)
    lengths = record_lengths(encoding, monkeypatch)
    counter = TokenCounter(encoding)
    for _ in range(10_000):
        counter.add("word ")
    lengths.clear()

    assert counter.count == expected
    assert sum(lengths) <= 2 * 4096


def test_border_between_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A border between two pieces is found, and the text before it is dropped."""
    encoding = small(PATTERNS["cl100k_base"])
    lengths = record_lengths(encoding, monkeypatch)
    counter = TokenCounter(encoding)
    for _ in range(100):
        counter.add(" word")
        _ = counter.count

    assert max(lengths) <= 10


def test_long_numbers() -> None:
    """A long number is counted exactly if the pattern matches three digits."""
    counter = TokenCounter(SMALL["cl100k_base"])
    digits = "".join(random.Random(5).choices("0123456789", k=3000))  # noqa: S311 - no secret
    for at in range(0, len(digits), 2):
        counter.add(digits[at : at + 2])
        assert counter.count == count_all(SMALL["cl100k_base"], digits[: at + 2])


def test_unknown_pattern() -> None:
    """An encoding with an unknown pattern is counted exactly, even with look-behind."""
    encoding = small(r"(?<=a )b|[^b]+|b")
    counter = TokenCounter(encoding)
    for at, character in enumerate("xa bb a b ab"):
        counter.add(character)
        assert counter.count == count_all(encoding, "xa bb a b ab"[: at + 1])
    assert counter.encoding == "small"


def test_empty_text() -> None:
    """Empty text has no tokens."""
    counter = TokenCounter("o200k_base")
    assert counter.count == 0
    counter.add("")
    assert counter.count == 0


@pytest.mark.parametrize("name", [*PATTERNS])
def test_known_patterns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is dropped with each pattern of tiktoken's own encodings."""
    encoding = small(PATTERNS[name])
    lengths = record_lengths(encoding, monkeypatch)
    counter = TokenCounter(encoding)
    counter.add("word " * 2000)
    _ = counter.count
    counter.add("more")
    _ = counter.count

    assert lengths[-1] <= 10


def test_too_many_blanks() -> None:
    """A run of too many blanks raises an error each time the count is read."""
    counter = TokenCounter("o200k_base")
    for _ in range(6):
        counter.add(" " * 100_000)

    for _ in range(2):
        with pytest.raises(Uncountable, match="600,000 consecutive blanks"):
            _ = counter.count


@pytest.mark.parametrize("wrong", [None, 5, b"bytes"])
def test_wrong_types(wrong: Any) -> None:
    """A piece that isn't str raises TypeError and doesn't change the count."""
    counter = TokenCounter("o200k_base")
    counter.add("Hello")

    with pytest.raises(TypeError, match=r"add\(\) takes str, not "):
        counter.add(wrong)

    assert counter.count == 1


class ListTokenizer:
    """A tokenizer as those of transformers."""

    name_or_path = "words"

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [0] * add_special_tokens + [len(word) for word in text.split()]


class EncodingWithIds:
    def __init__(self, ids: list[int]) -> None:
        self.ids = ids


class IdsTokenizer:
    """A tokenizer as those of tokenizers."""

    def encode(self, text: str, *, add_special_tokens: bool) -> EncodingWithIds:
        return EncodingWithIds(ListTokenizer().encode(text, add_special_tokens=add_special_tokens))


def count_words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("counter", "name"),
    [
        (lambda: TokenCounter(ListTokenizer()), "words"),
        (lambda: TokenCounter(IdsTokenizer()), "IdsTokenizer"),
        (lambda: TokenCounter(count=count_words), "count_words"),
    ],
    ids=["transformers", "tokenizers", "function"],
)
def test_other_tokenizers(counter: Callable[[], TokenCounter], name: str) -> None:
    """Tokenizers of other libraries, and functions, count all text so far, without tiktoken."""
    counted = counter()
    assert counted.encoding == name
    counts = []
    for piece in ("one tw", "o thr", "", "ee " * 5000):
        counted.add(piece)
        counts.append(counted.count)
    assert counts == [2, 3, 3, 5002]


@pytest.mark.parametrize("count", [None, True, -1, 1.0, "1"])
def test_wrong_counts(count: Any) -> None:
    """A function that doesn't return a number of tokens raises TypeError."""
    counter = TokenCounter(count=lambda _text: count)
    counter.add("text")
    with pytest.raises(TypeError, match="count must return a number of tokens"):
        _ = counter.count


@pytest.mark.parametrize(
    "options", [{}, {"model_or_encoding": "gpt-4o", "count": len}, {"count": 3}]
)
def test_wrong_arguments(options: Any) -> None:
    """A counter needs exactly one of a model and a function."""
    with pytest.raises(TypeError, match="count"):
        TokenCounter(**options)
