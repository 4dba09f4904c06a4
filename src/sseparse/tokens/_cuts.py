r"""
Where a text can be cut so that, whatever follows, its tokens are those of the two parts.

tiktoken matches a pattern over the text, from left to right, and encodes each match by itself.
Say that a place between two characters x and y is a border when, whatever follows y,

1. no match spans it, and
2. each match before it is the same as if the text ended there.

By 1 and 2 what stands before a border is final. And since no pattern looks behind, what stands
after it is matched as if the text began there. So the rule may be applied again to the rest.

The patterns below share this shape. Every branch matches either whitespace alone, or a single
optional character and then a run of letters and marks, of digits, or of neither; a run of neither
may end in CR, LF or "/", and letters may end or, with the apostrophe as their single character,
begin with a contraction ('s, 'LL). Nothing looks ahead but the branches for whitespace, and those
see whether the whitespace ends the text. It follows, for x and y:

* x no whitespace, y a space or tab. Only whitespace, or the first character of a match, can be a
  space or tab: no match holds x and then y. Every run that could reach x ends there, as it would
  at the end of the text; whitespace before x is followed by x either way.
* x a letter or digit, y neither of them, no mark and no apostrophe. Letters and digits end all
  matches that they are in but for marks, more of their own kind, and contractions.
* x a letter and y a digit, or the other way round: no run holds both.
* x neither letter, mark, digit nor whitespace, and y a digit: the same, and a single first
  character goes before letters only, but for spaces.

Digits: two patterns match them in threes. Where a text begins, or begins again at a border, with
a space or none and then digits, no match spans the place after each third digit.

Letters and digits are named here by ranges that no version of Unicode has changed, for Python and
tiktoken can be of different versions. A character outside of them is no reason to cut. White
space is what Python takes for it, which is more than the patterns do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

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
