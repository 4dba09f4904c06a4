"""
Token counts of text that is still streaming, with tiktoken.

Install it with `pip install 'sseparse[tiktoken]'`. tiktoken downloads a vocabulary of a few
megabytes on first use. This package never downloads it unless you request that: a vocabulary that
isn't in tiktoken's cache raises `VocabularyMissing`.
"""

from ._counter import TokenCounter, Tokenizer
from ._vocabularies import Uncountable, UnknownEncoding, VocabularyMissing

__all__ = ("TokenCounter", "Tokenizer", "Uncountable", "UnknownEncoding", "VocabularyMissing")
