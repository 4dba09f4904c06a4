"""Incremental counts equal the count of the complete text, wherever it is cut."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sseparse.tokens import TokenCounter

from .encodings import NAMES, count_all, encoding_of

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
