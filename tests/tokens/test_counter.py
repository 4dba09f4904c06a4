"""Incremental counts equal the count of the complete text."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import tiktoken

from sseparse.tokens import TokenCounter, Uncountable

from .encodings import NAMES, PATTERNS, SMALL, count_all, encoding_of, small


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
