"""
Count tokens while text streams, and estimate the usage that a server did not send.

    counter = TokenCounter("gpt-4o")
    for delta in deltas:
        counter.add(delta)
        print(counter.count)

    usage = estimate_usage(completion, messages=messages)

The counting is tiktoken's: `pip install 'sseparse[tiktoken]'`. It reads a vocabulary of some
megabytes, which it would fetch over HTTP when it is first used. Nothing here does so unasked: a
vocabulary that is not in tiktoken's cache is a VocabularyMissing.
"""

from ._counter import TokenCounter
from ._vocabularies import Uncountable, UnknownEncoding, VocabularyMissing

__all__ = (
    "TokenCounter",
    "Uncountable",
    "UnknownEncoding",
    "VocabularyMissing",
)
