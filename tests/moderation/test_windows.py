"""Windows end at places that depend only on the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import CompletionChunk
from sseparse.chunks import CompletionChunkChoice
from sseparse.moderation import Gate, Window

from .answers import chunk

# Characters that can end a window are frequent.
TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from('ab1 .!?)"*\n\u3002\u4f60\u0301\u200d\U0001f469\U0001f3fb_'),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=120,
)
KINDS = st.one_of(st.just("sentence"), st.integers(1, 5))


def cut(text: str, *at: int) -> list[str]:
    """Split a text at some places."""
    places = sorted({0, len(text), *(each % (len(text) + 1) for each in at)})
    return [text[one:two] for one, two in pairwise(places)]


def windows_of(gate: Gate, pieces: list[str]) -> list[Window]:
    return [window for text in pieces for window in gate.feed_text(text)] + gate.close()


def ends(text: str, **options: object) -> list[str]:
    """Return the new texts of the windows of a text that is fed character by character."""
    gate = Gate(**options)  # type: ignore[arg-type]  # any option
    return [window.new for window in windows_of(gate, list(text))]


class TestSentences:
    """A window ends with a sentence."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("One. Two", ["One. ", "Two"]),
            ("One! Two? No\u2026 Four... 5", ["One! ", "Two? ", "No\u2026 ", "Four... ", "5"]),
            ("Pi is 3.14 or so. Yes", ["Pi is 3.14 or so. ", "Yes"]),
            ('He said "no." Then', ['He said "no." ', "Then"]),
            ("**Bold.** (In brackets.) Then", ["**Bold.** ", "(In brackets.) ", "Then"]),
            ("\u597d\u3002\u4f60\u597d\uff01", ["\u597d\u3002", "\u4f60\u597d\uff01"]),
            ("\u0928\u092e\u0903\u0964 \u0939", ["\u0928\u092e\u0903\u0964 ", "\u0939"]),
            ("Title\n- one\n- two", ["Title\n", "- one\n", "- two"]),
            ("1. First.\n2. Next", ["1. First.\n", "2. Next"]),
            ("End.\n\n---\n\nNext", ["End.\n", "\n---\n\nNext"]),
            ("...", ["..."]),
            ("", []),
            ("Ask Dr. No. Then", ["Ask Dr. No. ", "Then"]),
            ("Eat fruit, e.g. figs. Then", ["Eat fruit, e.g. figs. ", "Then"]),
            ("(cf. Fig. 2) ok. Then", ["(cf. Fig. 2) ok. ", "Then"]),
            ("No. Foodr. Then", ["No. ", "Foodr. ", "Then"]),
            ("A Dr.! Then a Dr.\nEnd", ["A Dr.! ", "Then a Dr.\n", "End"]),
            ("Card number:\n4111\nNext", ["Card number:\n4111\n", "Next"]),
            ("**Card:**  \n\n4111\nNext", ["**Card:**  \n\n4111\n", "Next"]),
        ],
    )  # fmt: skip
    def test_ends(self, text: str, expected: list[str]) -> None:
        """
        A window ends after a stop with closing marks and a space, a wide stop, or a line, but not
        after an abbreviation or a label.
        """
        assert ends(text) == expected

    def test_promptness(self) -> None:
        """A sentence ends at the space after a stop, at a wide stop, or at the end of a line."""
        gate = Gate()

        assert gate.feed_text("One.") == []
        assert [window.new for window in gate.feed_text(" ")] == ["One. "]
        assert [window.new for window in gate.feed_text("\u597d\u3002")] == ["\u597d\u3002"]
        assert [window.new for window in gate.feed_text("line\n")] == ["line\n"]


class TestTokens:
    """A window ends after a number of words, punctuation marks and CJK characters."""

    @pytest.mark.parametrize(
        ("text", "number", "expected"),
        [
            ("one two three", 1, ["one", " two", " three"]),
            ("one, two three", 2, ["one,", " two three"]),
            ("don't", 2, ["don'", "t"]),
            ("\u4f60\u597d\u5417 ok", 2, ["\u4f60\u597d", "\u5417 ok"]),
            ("a\u4f60b", 1, ["a", "\u4f60", "b"]),
            ("cafe\u0301 noir", 1, ["cafe\u0301", " noir"]),
            (
                "\U0001f469\u200d\U0001f4bb\U0001f44d\U0001f3fb!",
                1,
                ["\U0001f469\u200d\U0001f4bb", "\U0001f44d\U0001f3fb", "!"],
            ),
            ("snake_case  x", 1, ["snake_case", "  x"]),
            ("a ", 1, ["a", " "]),
        ],
    )
    def test_ends(self, text: str, number: int, expected: list[str]) -> None:
        """Letters continue a word, and accents continue any token."""
        assert ends(text, window=number) == expected


class TestLongest:
    """No window is longer than `longest`."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("abcdefghij", ["abcdefgh", "ij"]),
            ("abc def ghij", ["abc def", " ghij"]),
            ("abcdefgh ijkl", ["abcdefgh", " ijkl"]),
            ("ab cdefg ijkl", ["ab cdefg", " ijkl"]),
            ("abcdefge\u0301ij", ["abcdefg", "e\u0301ij"]),
            ("abcdefgh", ["abcdefgh"]),
            ("abc de. fg", ["abc de. ", "fg"]),
            ("a" + "\u0301" * 9, ["a" + "\u0301" * 7, "\u0301" * 2]),
            ("." * 9, ["." * 8, "."]),
        ],
    )
    def test_cut(self, text: str, expected: list[str]) -> None:
        """A long window is split at its last space, else between characters, else anywhere."""
        assert ends(text, longest=8) == expected

    def test_only_accents(self) -> None:
        """Accents at the beginning of a window are a token, however they are fed."""
        text = "a" + "\u0301" * 9 + "b"
        expected = ["a" + "\u0301" * 7, "\u0301" * 2, "b"]

        for pieces in ([text], list(text)):
            windows = windows_of(Gate(window=1, longest=8), pieces)
            assert [each.new for each in windows] == expected

    def test_many_accents(self) -> None:
        """The search for the beginning of a character is limited."""
        assert [len(each) for each in ends("a" + "\u0301" * 150, longest=100)] == [100, 51]


class TestOverlap:
    """A check sees the end of the text before a window."""

    def test_phrase_across_windows(self) -> None:
        """A phrase across two windows is complete in the text of the later one."""
        phrase = "wicked. Thing"
        windows = windows_of(Gate(lookback=len(phrase)), ["A wick", "ed. Thi", "ng. Then"])

        assert [phrase in window.text for window in windows] == [False, True, False]

    @given(st.data(), TEXTS, KINDS, st.integers(1, 30), st.integers(1, 40))
    def test_every_phrase_of_that_length(
        self, data: st.DataObject, text: str, kind: str | int, lookback: int, longest: int
    ) -> None:
        """Every phrase of up to `lookback` characters is complete in the text of one window."""
        gate = Gate(window=kind, lookback=lookback, longest=longest)  # type: ignore[arg-type]
        windows = windows_of(gate, [text])
        start = data.draw(st.integers(0, max(len(text) - lookback, 0)))

        if text:
            assert any(text[start : start + lookback] in window.text for window in windows)


class TestLaws:
    """Rules for every text."""

    @given(TEXTS, st.lists(st.integers(0, 200)), KINDS, st.integers(0, 30), st.integers(1, 40))
    def test_windows(
        self, text: str, at: list[int], kind: str | int, lookback: int, longest: int
    ) -> None:
        """
        Windows cover the text once, overlap by the lookback, and don't depend on how the text is
        fed.
        """
        gate = Gate(window=kind, lookback=lookback, longest=longest)  # type: ignore[arg-type]
        windows = windows_of(gate, cut(text, *at))

        assert "".join(window.new for window in windows) == text
        before = ""
        for number, window in enumerate(windows):
            assert (window.number, window.choice) == (number, 0)
            assert 0 < len(window.new) <= longest
            assert window.overlap == min(lookback, len(before))
            assert window.text == before[len(before) - window.overlap :] + window.new
            before += window.new

        for pieces in ([text], list(text)):
            again = Gate(window=kind, lookback=lookback, longest=longest)  # type: ignore[arg-type]
            assert windows_of(again, pieces) == windows

    @given(TEXTS, st.integers(0, 120), KINDS, st.integers(1, 40))
    def test_promptness(self, text: str, at: int, kind: str | int, longest: int) -> None:
        """A window is returned with the character that completes it."""
        early, late = (Gate(window=kind, longest=longest) for _ in "ab")  # type: ignore[arg-type]
        by_then = early.feed_text(text[:at])

        assert [each for char in text[:at] for each in late.feed_text(char)] == by_then
        assert early.held() == late.held() == text[:at]

    @given(TEXTS, TEXTS, KINDS)
    def test_choices(self, one: str, two: str, kind: str | int) -> None:
        """Each choice is split independently of the others."""
        gate = Gate(window=kind)  # type: ignore[arg-type]
        windows = [
            window
            for at in range(max(len(one), len(two)))
            for choice, text in enumerate((one, two))
            for window in gate.feed_text(text[at : at + 1], choice)
        ] + gate.close()

        for choice, text in enumerate((one, two)):
            separate = windows_of(Gate(window=kind), [text])  # type: ignore[arg-type]
            mine = [window for window in windows if window.choice == choice]
            assert [each.text for each in mine] == [each.text for each in separate]


class TestSurrogates:
    """Surrogate pairs that a server split are joined."""

    def test_joined(self) -> None:
        """The first half waits for the second, and the check sees the character."""
        gate = Gate(window=1)

        assert gate.feed_text("\ud83d") == []
        assert gate.held() == "\ud83d"
        assert gate.feed_text("\ude00\ud83d") == []
        assert [each.new for each in gate.feed_text("\ude00")] == ["\U0001f600"]
        assert [each.new for each in gate.close()] == ["\U0001f600"]

    def test_joined_within_a_sentence(self) -> None:
        """Only the half waits, not the text before it."""
        gate = Gate()

        assert [each.new for each in gate.feed_text("One. Hi \ud83d")] == ["One. "]
        assert gate.held() == "One. Hi \ud83d"
        assert [each.new for each in gate.feed_text("\ude00. ")] == ["Hi \U0001f600. "]

    def test_unpaired(self) -> None:
        """An unpaired surrogate isn't lost."""
        assert ends("a\ud83d") == ["a\ud83d"]
        assert ends("\ude00a\ud83db. c") == ["\ude00a\ud83db. ", "c"]

    @pytest.mark.parametrize("options", [{"longest": 1}, {"window": 1}], ids=str)
    def test_unpaired_at_the_end(self, options: dict[str, int]) -> None:
        """An unpaired surrogate at the end is split off like any other character."""
        assert ends("a\ud83d", **options) == ["a", "\ud83d"]


class TestChunks:
    """Text and finish reasons of chunks."""

    def test_finish_reason(self) -> None:
        """A finish reason completes the open window of its choice; more text can follow."""
        gate = Gate()

        assert gate.feed(chunk("On", 1)) == []
        assert [each.new for each in gate.feed(chunk("e", 1, "stop"))] == ["One"]
        assert gate.feed(chunk("", 2, "stop")) == []
        assert gate.feed(chunk(" more", 1)) == []
        assert [each.text for each in gate.close()] == ["One more"]

    def test_legacy(self) -> None:
        """The text of legacy chunks is split."""
        choice = CompletionChunkChoice(index=3, text="One. Two", finish_reason="stop")
        windows = Gate(lookback=0).feed(CompletionChunk(choices=[choice]))

        assert [(each.text, each.choice) for each in windows] == [("One. ", 3), ("Two", 3)]

    def test_parts(self) -> None:
        """A list of parts is split like its text."""
        parts = chunk("")
        parts.choices[0].delta.content = [{"type": "text", "text": "One. "}]

        assert [each.text for each in Gate().feed(parts)] == ["One. "]

    def test_not_a_chunk(self) -> None:
        """feed() rejects text, and names feed_text()."""
        with pytest.raises(TypeError, match=r"takes chunks, not str.*feed_text"):
            Gate().feed("One. ")  # type: ignore[arg-type]  # is rejected
