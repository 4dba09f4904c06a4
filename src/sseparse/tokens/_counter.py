"""Incremental token counter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from .._stage import Breakable, breaking
from ._vocabularies import Uncountable, find_encoding

if TYPE_CHECKING:
    from tiktoken import Encoding


# tiktoken's matching of a run of blanks takes stack for each: at some 1,000,000 it panics, with
# what is no Exception.
_MOST_BLANKS: Final = 500_000
_BLANKS: Final = re.compile(r"\s+")


def count_tokens(encoding: Encoding, text: str) -> int:
    """
    Count the tokens of a text, encoded as ordinary text.

    Raises:
        Uncountable: It has a run of more than 500,000 blanks.
    """
    if len(text) > _MOST_BLANKS:
        longest = max((len(run[0]) for run in _BLANKS.finditer(text)), default=0)
        if longest > _MOST_BLANKS:
            raise Uncountable(blanks=longest, maximum=_MOST_BLANKS)
    return len(encoding.encode_ordinary(text))


_LETTERS: Final = r"A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
_OTHERS: Final = (
    r"!-&(-/:-@\[-`{-~\u2014\u2026\u201c\u201d"
    r"\u3001\u3002\u300c-\u300f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
)
_BORDER: Final = re.compile(
    r"(?s:.*)(?:"
    r"\S(?=[ \t])"
    rf"|[0-9{_LETTERS}](?=[\t\n\r {_OTHERS}])"
    rf"|[{_LETTERS}'{_OTHERS}](?=[0-9])"
    rf"|[0-9](?=[{_LETTERS}])"
    r")"
)
_THREES: Final = re.compile(r" ?(?:[0-9]{3})+")

_R50K: Final = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_CL100K: Final = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_O200K: Final = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
IN_THREES: Final[Mapping[str, bool]] = {_R50K: False, _CL100K: True, _O200K: True}
"""The patterns that this is true of, and whether they match digits in threes."""


def final_length(text: str, pattern: str, searched: int) -> int:
    """
    Return how much of a text is encoded alike whatever follows it.

    Args:
        text: The text, from a border on.
        pattern: The encoding's pattern. Of one that is not known here, nothing is final.
        searched: How many characters were looked at before, without a border among them.

    Returns:
        Characters, from its beginning.
    """
    in_threes = IN_THREES.get(pattern)
    if in_threes is None:
        return 0
    # A border is between two characters: the last one looked at can be the first of them.
    border = _BORDER.match(text, max(searched - 1, 0))
    end = border.end() if border else 0
    threes = _THREES.match(text, end) if in_threes else None
    return threes.end() if threes else end


_AT_ONCE: Final = 4096
"""Characters that are kept at most before what is final among them is encoded."""


class TokenCounter(Breakable):
    """
    Count the tokens of a text that arrives piece by piece, exactly, at every moment.

    Tokens do not end where pieces do, so the pieces' own counts do not add up. Text whose tokens
    can no longer change is encoded once and dropped. The rest, mostly the last word, is kept, and
    encoded when the count is asked for.

    So the work is linear in the text however it is cut, and so is memory bounded, at some 4,096
    characters and the last unbroken run, where the encoding is one of OpenAI's and runs are. Not
    bounded is a run that is one match of the encoding's pattern, as ten thousand letters, spaces,
    newlines or dashes are, or a script without spaces and punctuation: it is kept whole and, if
    the count is asked for while it lasts, encoded anew each time. Without asking, even that is
    linear. An encoding with a pattern of its own is exact too, but there all text is such a run.

    A counter is for one thread at a time.

    Args:
        model_or_encoding: A model ("gpt-4o"), an encoding ("o200k_base") or a tiktoken.Encoding.
            Models are those that tiktoken knows; a provider's prefix ("openai/gpt-4o") is not
            taken off.
        download: Whether tiktoken may fetch a vocabulary that its cache does not have. An
            encoding of another tiktoken plugin is loaded as the plugin does it, either way.

    Raises:
        ImportError: tiktoken is not installed.
        UnknownEncoding: tiktoken knows neither an encoding nor a model of that name.
        VocabularyMissing: The vocabulary is not in tiktoken's cache.
        TypeError: It is neither a name nor an encoding.
    """

    __slots__ = (
        "_at_most",
        "_encoding",
        "_final",
        "_fresh",
        "_fresh_length",
        "_pattern",
        "_tail",
        "_tail_count",
    )

    def __init__(self, model_or_encoding: str | Encoding, *, download: bool = False) -> None:
        super().__init__()
        self._encoding = find_encoding(model_or_encoding, download=download)
        self._pattern = str(getattr(self._encoding, "_pat_str", ""))
        self._final = 0
        self._tail = ""
        self._tail_count: int | None = 0
        self._fresh: list[str] = []
        self._fresh_length = 0
        self._at_most = _AT_ONCE

    @property
    def encoding(self) -> str:
        """The encoding's name."""
        return self._encoding.name

    @property
    def count(self) -> int:
        """
        How many tokens the text so far has, encoded as ordinary text.

        Raises:
            Uncountable: It has a run of more than 500,000 blanks, which tiktoken cannot take.
            BrokenStage: An exception interrupted an earlier call.
        """
        self._raise_error()
        if self._fresh:
            self._settle()
        if self._tail_count is None:
            self._tail_count = count_tokens(self._encoding, self._tail)
        return self._final + self._tail_count

    def add(self, text: str) -> None:
        """
        Add the next piece of the text.

        Args:
            text: The piece, of any length. Half of a surrogate pair joins its other half, if
                that comes next; else it counts as U+FFFD, as it does for tiktoken.

        Raises:
            TypeError: It is no text.
            Uncountable: As for `count`.
            BrokenStage: As for `count`.
        """
        if not isinstance(text, str):
            raise TypeError(f"add() takes text, not {type(text).__name__}; chunk.text is text")
        if self.stopped:
            self._raise_error()
        try:
            self._fresh.append(text)
            self._fresh_length += len(text)
            if self._fresh_length >= self._at_most:
                self._settle()
        except BaseException:
            self.stopped = True
            raise

    @breaking
    def _settle(self) -> None:
        searched = len(self._tail)
        self._tail = text = "".join((self._tail, *self._fresh))
        self._tail_count = None
        self._fresh.clear()
        self._fresh_length = 0
        end = final_length(text, self._pattern, searched)
        if end:
            self._final += count_tokens(self._encoding, text[:end])
            self._tail = text[end:]
        # Joined again only when it has doubled, an unbroken run takes linear work.
        self._at_most = max(_AT_ONCE, len(self._tail))
