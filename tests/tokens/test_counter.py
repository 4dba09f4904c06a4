"""The count is that of the whole text, at every moment."""

import random
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
BOTH = ("cl100k_base", "o200k_base")


def patterns() -> dict[str, str]:
    """Return the pattern of each of tiktoken's encodings, without their vocabularies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
        patch.setattr(openai_public, "data_gym_to_mergeable_bpe_ranks", lambda **_: {})
        made = {name: make() for name, make in openai_public.ENCODING_CONSTRUCTORS.items()}
    return {name: parts["pat_str"] for name, parts in made.items()}


def small(pattern: str) -> tiktoken.Encoding:
    """Return an encoding of a pattern, with merges enough that borders show in the count."""
    words = [bytes([byte]) for byte in range(256)]
    letters = b" \n\r\t'01234abdefhlorstvxHELOW.,/-="
    words += [bytes([left, right]) for left in letters for right in letters]
    ranks = {word: rank for rank, word in enumerate(words)}
    return tiktoken.Encoding("small", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


PATTERNS = patterns()
SMALL = {name: small(pattern) for name, pattern in PATTERNS.items()}


def encoding_of(name: str) -> tiktoken.Encoding:
    return SMALL[name[6:]] if name.startswith("small ") else tiktoken.get_encoding(name)


NAMES = [*BOTH, *(f"small {name}" for name in SMALL)]


def whole(encoding: tiktoken.Encoding, text: str) -> int:
    return len(encoding.encode_ordinary(text))


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS, data=st.data())
def test_random_cuts(name: str, text: str, data: st.DataObject) -> None:
    """However the text is cut, the count after each piece is that of all so far."""
    encoding = encoding_of(name)
    counter = TokenCounter(encoding)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    for begin, end in pairwise(cuts):
        counter.add(text[begin:end])
        if data.draw(st.booleans()):
            assert counter.count == whole(encoding, text[:end])
    assert counter.count == whole(encoding, text)


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS)
@example(text="I'll don't WE'VE x's 12345 678  9\n\n  a")
@example(text="a \ud83d\ude00 b")
def test_every_character(name: str, text: str) -> None:
    """Asked after every character, the count is that of all so far."""
    encoding = encoding_of(name)
    counter = TokenCounter(encoding)
    for at, character in enumerate(text):
        counter.add(character)
        assert counter.count == whole(encoding, text[: at + 1])


@pytest.mark.parametrize("name", NAMES)
def test_every_pair_at_a_border(name: str) -> None:
    """Each piece before each other piece, in one and in two adds, counts as the whole does."""
    encoding = encoding_of(name)
    for left in PIECES:
        for right in PIECES:
            counter = TokenCounter(encoding)
            for piece in ("a", left, right, "b"):
                counter.add(piece)
                _ = counter.count
            assert counter.count == whole(encoding, f"a{left}{right}b"), (left, right)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unit", ["a", " ", "\n", "7", "\u4e2d", "=-", "aB", "\u0301", " 1"])
def test_long_runs(name: str, unit: str) -> None:
    """A run of twenty thousand is counted as the whole, added bit by bit, and after its end."""
    encoding = encoding_of(name)
    counter = TokenCounter(encoding)
    text = unit * 20_000
    for at in range(0, len(text), 7):
        counter.add(text[at : at + 7])
    assert counter.count == whole(encoding, text)
    counter.add("x y")
    assert counter.count == whole(encoding, f"{text}x y")


def watch(encoding: tiktoken.Encoding, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the length of each text that is encoded."""
    seen: list[int] = []
    encode = encoding.encode_ordinary

    def watched(text: str) -> list[int]:
        seen.append(len(text))
        return encode(text)

    monkeypatch.setattr(encoding, "encode_ordinary", watched)
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_what_is_final_is_dropped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of prose, code and Chinese all is encoded about once, however often the count is asked."""
    encoding = encoding_of(name)
    seen = watch(encoding, monkeypatch)
    text = (
        "It's prose, and code: f(x1, 22)\n    return x\n\u4f60\u597d\uff0c\u6211\u662f\u3002" * 300
    )
    counter = TokenCounter(encoding)
    for at in range(0, len(text), 4):
        counter.add(text[at : at + 4])
        _ = counter.count

    assert max(seen) <= 40
    assert sum(seen) <= 8 * len(text)


def test_memory_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is final is encoded also when nobody asks for the count: little is left to do then."""
    encoding = small(PATTERNS["o200k_base"])
    expected = whole(encoding, "word " * 10_000)
    seen = watch(encoding, monkeypatch)
    counter = TokenCounter(encoding)
    for _ in range(10_000):
        counter.add("word ")
    seen.clear()

    assert counter.count == expected
    assert sum(seen) <= 2 * 4096


def test_border_between_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A border that lies between two adds is found: what stands before it is dropped."""
    encoding = small(PATTERNS["cl100k_base"])
    seen = watch(encoding, monkeypatch)
    counter = TokenCounter(encoding)
    for _ in range(100):
        counter.add(" word")
        _ = counter.count

    assert max(seen) <= 10


def test_digits_go_in_threes() -> None:
    """A long number is no open run where the pattern matches digits in threes."""
    counter = TokenCounter(SMALL["cl100k_base"])
    digits = "".join(random.Random(5).choices("0123456789", k=3000))  # noqa: S311 - no secret
    for at in range(0, len(digits), 2):
        counter.add(digits[at : at + 2])
        assert counter.count == whole(SMALL["cl100k_base"], digits[: at + 2])


def test_pattern_of_its_own() -> None:
    """An encoding with another pattern is counted exactly too, look-behind and all."""
    encoding = small(r"(?<=a )b|[^b]+|b")
    counter = TokenCounter(encoding)
    for at, character in enumerate("xa bb a b ab"):
        counter.add(character)
        assert counter.count == whole(encoding, "xa bb a b ab"[: at + 1])
    assert counter.encoding == "small"


def test_nothing_yet() -> None:
    """No text, no tokens; an empty piece adds none."""
    counter = TokenCounter("o200k_base")
    assert counter.count == 0
    counter.add("")
    assert counter.count == 0


@pytest.mark.parametrize("name", [*PATTERNS])
def test_patterns_are_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The borders of every pattern of tiktoken's own encodings are known: memory is freed."""
    encoding = small(PATTERNS[name])
    seen = watch(encoding, monkeypatch)
    counter = TokenCounter(encoding)
    counter.add("word " * 2000)
    _ = counter.count
    counter.add("more")
    _ = counter.count

    assert seen[-1] <= 10


def test_more_blanks_than_tiktoken_takes() -> None:
    """Piece by piece too they are an error, each time the count is asked for."""
    counter = TokenCounter("o200k_base")
    for _ in range(6):
        counter.add(" " * 100_000)

    for _ in range(2):
        with pytest.raises(Uncountable, match="600,000 blanks"):
            _ = counter.count


@pytest.mark.parametrize("wrong", [None, 5, b"bytes"])
def test_what_is_no_text(wrong: Any) -> None:
    """It is refused, and the counter goes on without it."""
    counter = TokenCounter("o200k_base")
    counter.add("Hello")

    with pytest.raises(TypeError, match=r"add\(\) takes text, not "):
        counter.add(wrong)

    assert counter.count == 1
