"""
Measure the count of a text that is still arriving: microseconds a chunk, the count asked at each.

Ours encodes what can no longer change once. The other way encodes all that came anew at each
chunk; it is measured at chunks spread evenly over the text, and the mean is the figure. Each
figure is the least of three rounds. The vocabularies have to be in tiktoken's cache.
"""

import gc
import platform
import time
from importlib import metadata

import tiktoken

import sseparse
from sseparse.tokens import TokenCounter

ROUNDS = 3
CHUNK = 4
"""Characters in a chunk: about a token."""
SAMPLES = 100
SIZES = (1_000, 8_000)
TEXTS = {
    "prose": (
        "It's the quick brown fox, jumping over 12 lazy dogs; \u201cwhy?\u201d nobody knows.\n\n"
    ),
    "code": "def total(rows):\n    return sum(row.price * row.count for row in rows)\n\n\n",
    "Chinese": (
        "\u4f60\u597d\uff0c\u6211\u662f\u4e00\u4e2a\u8bed\u8a00\u6a21\u578b\u3002"
        "\u6211\u53ef\u4ee5\u56de\u7b54\u95ee\u9898\uff01"
    ),
    "one run of letters": "a",
}
RUNS = {"one run of letters"}
"""What has no place to cut: ours encodes it anew too, so the small size says enough."""


def ours(encoding: tiktoken.Encoding, chunks: list[str]) -> float:
    """Add the chunks, and ask for the count after each."""
    counter = TokenCounter(encoding)
    start = time.perf_counter()
    for chunk in chunks:
        counter.add(chunk)
        _ = counter.count
    return (time.perf_counter() - start) / len(chunks) * 1e6


def adds_alone(encoding: tiktoken.Encoding, chunks: list[str]) -> float:
    """Add the chunks, and ask for the count at the end."""
    counter = TokenCounter(encoding)
    start = time.perf_counter()
    for chunk in chunks:
        counter.add(chunk)
    _ = counter.count
    return (time.perf_counter() - start) / len(chunks) * 1e6


def anew(encoding: tiktoken.Encoding, chunks: list[str]) -> float:
    """Encode some of the texts that a count at each chunk would encode."""
    text = "".join(chunks)
    step = len(text) / SAMPLES
    prefixes = [text[: int(step * (number + 0.5))] for number in range(SAMPLES)]
    start = time.perf_counter()
    for prefix in prefixes:
        _ = len(encoding.encode_ordinary(prefix))
    return (time.perf_counter() - start) / SAMPLES * 1e6


def main() -> None:
    # The collector's passes depend on what else is alive.
    gc.disable()
    print(
        f"CPython {platform.python_version()}, sseparse {sseparse.__version__}, "
        f"tiktoken {metadata.version('tiktoken')}"
    )
    print(f"\n\u00b5s a chunk of {CHUNK} characters; in brackets, times ours\n")
    print(
        f"{'encoding':>11}  {'text':>18}  {'chunks':>6}  {'adds alone':>10}  "
        f"{'count at each':>13}  {'encoded anew at each':>22}"
    )
    for name in ("cl100k_base", "o200k_base"):
        encoding = tiktoken.get_encoding(TokenCounter(name).encoding)
        for label, unit in TEXTS.items():
            for size in SIZES[:1] if label in RUNS else SIZES:
                text = (unit * (size * CHUNK))[: size * CHUNK]
                chunks = [text[at : at + CHUNK] for at in range(0, len(text), CHUNK)]
                alone, each, all_anew = (
                    min(work(encoding, chunks) for _ in range(ROUNDS))
                    for work in (adds_alone, ours, anew)
                )
                print(
                    f"{name:>11}  {label:>18}  {size:>6}  {alone:10.2f}  {each:13.2f}  "
                    f"{all_anew:12.2f} ({all_anew / each:6.1f}x)"
                )


if __name__ == "__main__":
    main()
