"""How many tokens a text has, encoded at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ._errors import Uncountable

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
