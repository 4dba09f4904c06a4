"""
Incremental token counter.

It reads tiktoken's private `Encoding._pat_str` (seen in 0.14.0). Without it the count is exact,
too, but memory isn't bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from attrs import frozen

from .._stage import Breakable, breaking
from ._vocabularies import Uncountable, find_encoding

if TYPE_CHECKING:
    from tiktoken import Encoding

# tiktoken's pattern uses stack for each blank of a run. At about 1,000,000 it panics, with an
# exception that isn't an Exception.
_MAX_BLANKS: Final = 500_000
_BLANKS: Final = re.compile(r"\s+")


def count_tokens(encoding: Encoding, text: str) -> int:
    """Count the tokens of a text; special tokens in it count as text."""
    if len(text) > _MAX_BLANKS:
        longest = max((len(run[0]) for run in _BLANKS.finditer(text)), default=0)
        if longest > _MAX_BLANKS:
            raise Uncountable(blanks=longest, maximum=_MAX_BLANKS)
    return len(encoding.encode_ordinary(text))


class Tokenizer(Protocol):
    """A tokenizer as those of the packages tokenizers and transformers."""

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        """Return a list of tokens, or an object that has it as `ids`."""
        ...


CountTokens: TypeAlias = Callable[[str], int]


@frozen
class TextCounter:
    """How the tokens of a text are counted."""

    name: str
    count: CountTokens
    pattern: str = ""
    """The pattern that splits a text in tiktoken, or "" if it's unknown."""


def find_text_counter(
    which: str | Encoding | Tokenizer | None,
    count: CountTokens | None = None,
    *,
    fallback: str | None = None,
    download: bool = False,
) -> TextCounter:
    """
    Return how to count tokens.

    Args:
        which: A name, an encoding or a tokenizer; None for a model without a name.
        count: A function that counts the tokens of a text, used instead of `which`.
        fallback: The name of the encoding for an unknown model.
        download: Whether to let tiktoken download a vocabulary.
    """
    if count is not None:
        if not callable(count):
            raise TypeError(f"count must be a function of a text, not {type(count).__name__}")
        return TextCounter(getattr(count, "__name__", "count"), partial(_check_count, count))
    if which is None or isinstance(which, str):
        which = find_encoding(which, fallback=fallback, download=download)
    encode: Any = getattr(which, "encode_ordinary", None)
    if callable(encode):  # tiktoken's
        encoding: Any = which
        pattern = str(getattr(encoding, "_pat_str", ""))
        return TextCounter(str(encoding.name), partial(count_tokens, encoding), pattern)
    encode = getattr(which, "encode", None)
    if not callable(encode):
        found = type(which).__name__
        raise TypeError(
            f"expected the name of a model or encoding, an encoding or a tokenizer, not {found}"
        )
    name = getattr(which, "name_or_path", "") or type(which).__name__
    return TextCounter(str(name), partial(_count_with_tokenizer, encode))


def _check_count(count: CountTokens, text: str) -> int:
    number: object = count(text)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise TypeError(f"count must return a number of tokens, not {number!r}")
    return number


def _count_with_tokenizer(encode: Callable[..., Any], text: str) -> int:
    found: Any = encode(text, add_special_tokens=False)
    tokens: Sequence[int] = getattr(found, "ids", found)
    return len(tokens)


# A border is a place between two characters at which each of the patterns below ends a match,
# whatever text follows. Only frequent characters make borders: other text stays exact, but is
# encoded later.
_LETTERS: Final = r"A-Za-z\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
_OTHERS: Final = (
    r"!-&(-/:-@\[-`{-~\u2014\u2026\u201c\u201d"
    r"\u3001\u3002\u300c-\u300f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
)
_LAST_BORDER: Final = re.compile(
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
_MATCHES_THREE_DIGITS: Final[Mapping[str, bool]] = {_R50K: False, _CL100K: True, _O200K: True}

_MIN_BATCH: Final = 4096


class TokenCounter(Breakable):
    """
    Exact token counter for text that arrives in pieces.

    Tokens don't end where pieces do, so the counts of pieces don't add up. Text whose tokens can
    no longer change is encoded once and dropped. The rest, usually the last word, is encoded when
    you read `count`.

    With OpenAI's encodings, time is linear in the length of the text, however it's split. Memory is
    bounded by about 4,096 characters plus the last unbroken run. A run is text without a place to
    split it, such as thousands of letters, spaces or dashes, or a script without spaces and
    punctuation. The last run is kept, and encoded again each time you read `count`. For other
    encodings and tokenizers, all text is one run.

    Use a counter from one thread at a time.

    Args:
        model_or_encoding: A model ("gpt-4o"), an encoding ("o200k_base"), a `tiktoken.Encoding`, or
            a tokenizer with the method `encode(text, add_special_tokens=False)`, as those of the
            packages tokenizers and transformers. Models are those that tiktoken knows, also with a
            provider's prefix ("openai/gpt-4o") or fine-tuned ("ft:gpt-4o:org::id").
        count: A function that returns the number of tokens of a text, for any other tokenizer.
        fallback: The name of the encoding for a model that tiktoken doesn't know. By default such a
            model raises `UnknownEncoding`.
        download: Whether tiktoken can download a vocabulary that isn't in its cache. Default:
            False. Encodings of tiktoken plugins are loaded by the plugin, whatever this option is.

    Attributes:
        encoding: The name of the encoding, tokenizer or function.

    Raises:
        ImportError: tiktoken isn't installed.
        UnknownEncoding: tiktoken knows no encoding or model of this name.
        VocabularyMissing: The vocabulary isn't in tiktoken's cache.
        TypeError: An argument has another type, or there isn't exactly one of `model_or_encoding`
            and `count`.
    """

    def __init__(
        self,
        model_or_encoding: str | Encoding | Tokenizer | None = None,
        *,
        count: CountTokens | None = None,
        fallback: str | None = None,
        download: bool = False,
    ) -> None:
        super().__init__()
        if (model_or_encoding is None) == (count is None):
            raise TypeError("give a model, an encoding or a tokenizer, or count=")
        counter = find_text_counter(model_or_encoding, count, fallback=fallback, download=download)
        self.encoding: str = counter.name
        self._count_text = counter.count
        self._pattern = counter.pattern
        self._final = 0
        self._tail = ""
        self._tail_count: int | None = 0
        self._pieces: list[str] = []
        self._pieces_length = 0
        self._max_unsettled = _MIN_BATCH

    @property
    def count(self) -> int:
        """
        The number of tokens of the text so far; special tokens in it count as text.

        Raises:
            Uncountable: The text has a run of more than 500,000 blanks, which tiktoken can't
                encode.
            TypeError: The function `count` returned something else than a number.
            BrokenStage: An exception interrupted an earlier call.
        """
        self._raise_error()
        if self._pieces:
            self._settle()
        if self._tail_count is None:
            self._tail_count = self._count_text(self._tail)
        return self._final + self._tail_count

    def add(self, text: str) -> None:
        """
        Add the next piece of the text.

        Args:
            text: The piece, of any length. Half of a surrogate pair is joined with the other half
                if that comes next. Otherwise it counts as U+FFFD, as in tiktoken.

        Raises:
            TypeError: The text isn't a str.
            Uncountable, BrokenStage: As for `count`.
        """
        if not isinstance(text, str):
            raise TypeError(f"add() takes str, not {type(text).__name__}; give chunk.text")
        if self.stopped:
            self._raise_error()
        try:
            self._pieces.append(text)
            self._pieces_length += len(text)
            if self._pieces_length >= self._max_unsettled:
                self._settle()
        except BaseException:
            self.stopped = True
            raise

    @breaking
    def _settle(self) -> None:
        """Count the start of the text whose tokens no further text can change."""
        searched = len(self._tail)
        self._tail = text = "".join((self._tail, *self._pieces))
        self._tail_count = None
        self._pieces.clear()
        self._pieces_length = 0
        if self._pattern in _MATCHES_THREE_DIGITS:
            # The searched characters have no border, but the last one can be the first of a border.
            border = _LAST_BORDER.match(text, max(searched - 1, 0))
            end = border.end() if border else 0
            threes = _THREES.match(text, end) if _MATCHES_THREE_DIGITS[self._pattern] else None
            end = threes.end() if threes else end
            if end:
                self._final += self._count_text(text[:end])
                self._tail = text[end:]
        # An unbroken run is joined again only after it has doubled, so that time stays linear.
        self._max_unsettled = max(_MIN_BATCH, len(self._tail))
