"""Encodings that tests count with, and small ones with the same patterns."""

import pytest
import tiktoken
from tiktoken_ext import openai_public  # type: ignore[import-untyped] # it has no types

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
