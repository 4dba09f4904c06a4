"""
Cost of a Gate: how long a character waits for its release, how long an answer takes with slow
checks, and the gate's own time.

The first two use simulated clocks, so they are the same on every machine. In the first, a token
arrives each 20 ms, and a check takes a fixed time, in which the gate doesn't read the stream. In
the second, checks run at the same time. The third is the least of several rounds over chunks, with
a check that approves at once, without the loop.
"""

import platform
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import trio
import trio.testing
from measure import least

import sseparse
from sseparse import ChatCompletionChunk
from sseparse.chunks import ChoiceDelta, ChunkChoice
from sseparse.moderation import Gate

ROUNDS = 7
PACE = 20
"""Milliseconds between tokens."""
WINDOWS: tuple[int | str, ...] = ("sentence", 8, 16, 32)
PROSE = (
    "Rivers carry more than water. On its way from the mountains to the sea a river picks up sand, "
    "gravel and clay, and lays them down again wherever it slows. That is why the land beside it "
    "is flat, and why farmers have settled there for as long as there have been farmers. Floods "
    "were feared, but they were also counted on: each spring they left a layer of fresh soil, rich "
    "in what plants need. Is that still so? Not everywhere. Dams hold back the sand together with "
    "the water, so the fields below them get neither. Since the middle of the last century about "
    "half of the great rivers have been dammed, some of them many times, and deltas from the Nile "
    "to the Mekong have begun to shrink, because what the waves take away is no longer replaced. "
    "Some engineers now open the gates on purpose! A short, strong flood can move as much sand as "
    "a whole year of gentle flow.\n\n"
)
CHINESE = "\u6cb3\u6d41\u643a\u5e26\u7684\u4e0d\u4ec5\u4ec5\u662f\u6c34\u3002" * 90


def tokens_of(text: str) -> list[str]:
    """Split a text roughly as a tokenizer does."""
    return re.findall(r" ?[A-Za-z]{1,9}|\s+|.", text, re.DOTALL)


class Simulation:
    """Simulated arrival of tokens and checks of windows, with the wait of each character."""

    def __init__(self, tokens: list[str], check_takes: float) -> None:
        self._tokens = tokens
        self._check_takes = check_takes
        self._now = 0.0
        self._arrived = [
            PACE * number for number, token in enumerate(tokens, 1) for _ in range(len(token))
        ]
        self.waits: list[float] = []

    def chunks(self) -> Iterator[ChatCompletionChunk]:
        for number, token in enumerate(self._tokens, 1):
            self._now = max(self._now, PACE * number)
            yield chunk(token)

    def check(self, text: str) -> bool:
        assert text
        self._now += self._check_takes
        return True

    def on_release(self, text: str) -> None:
        start = len(self.waits)
        arrived = self._arrived[start : start + len(text)]
        self.waits += [self._now - each for each in arrived]


def chunk(text: str) -> ChatCompletionChunk:
    return ChatCompletionChunk(choices=[ChunkChoice(index=0, delta=ChoiceDelta(content=text))])


def waits(window: int | str, check_takes: float) -> list[float]:
    """Return how long each character waited, in milliseconds, in ascending order."""
    tokens = tokens_of(PROSE * 5)
    simulation = Simulation(tokens, check_takes)
    gate = Gate(simulation.check, window=window, timeline=simulation)  # type: ignore[arg-type] # a number or a name
    assert "".join(gate.text_deltas(simulation.chunks())) == "".join(tokens)
    return sorted(simulation.waits)


def duration(texts: list[str], interval: float, **options: Any) -> float:
    """Return how many seconds an answer takes with checks of 0.3 s."""

    async def check(text: str) -> bool:
        assert text
        await trio.sleep(0.3)
        return True

    async def chunks() -> AsyncIterator[ChatCompletionChunk]:
        start = trio.current_time()
        for number, text in enumerate(texts, 1):
            await trio.sleep_until(start + interval * number)
            yield chunk(text)

    async def read() -> float:
        start = trio.current_time()
        async for _ in Gate(check, **options).areleases(chunks()):
            pass
        return trio.current_time() - start

    return trio.run(read, clock=trio.testing.MockClock(autojump_threshold=0))


def cost(window: int | str, text: str, hold: int = 0) -> float:
    """Return the gate's own time for a chunk, in microseconds."""
    chunks = [chunk(token) for token in tokens_of(text)]

    def gated() -> None:
        for _ in Gate(lambda _: True, window=window, hold=hold).releases(chunks):  # type: ignore[arg-type] # a number or a name
            pass

    def empty() -> None:
        for _ in chunks:
            pass

    return (least(gated, ROUNDS) - least(empty, ROUNDS)) / len(chunks) / 1000


def main() -> None:
    print(f"CPython {platform.python_version()}, sseparse {sseparse.__version__}")
    print(f"\nHow long a character waits, in ms (a token each {PACE} ms):\n")
    print(f"{'window':>10}  {'check takes':>11}  {'p50':>6}  {'p95':>6}  {'max':>6}")
    for check_takes in (0, 100):
        for window in WINDOWS:
            found = waits(window, check_takes)
            p50, p95 = (found[int(share * (len(found) - 1))] for share in (0.5, 0.95))
            print(f"{window:>10}  {check_takes:>11}  {p50:>6.0f}  {p95:>6.0f}  {found[-1]:>6.0f}")
    print("\nHow long an answer takes, in s, with async checks of 0.3 s:\n")
    print(f"{'concurrent':>10}  {'120 tokens, 20/s':>16}  {'burst of 10 sentences':>21}")
    sentences = " ".join(re.findall(r"[^.?!\s][^.?!]*[.?!]", PROSE * 2)[:10])
    for concurrent in (1, 2, 4, 10):
        stream = duration([" word"] * 120, 0.05, window=5, concurrent=concurrent)
        burst = duration([sentences], 0, concurrent=concurrent)
        print(f"{concurrent:>10}  {stream:>16.2f}  {burst:>21.2f}")
    print("\nThe Gate's own time, in \u00b5s a chunk:\n")
    print(f"{'window':>10}  {'English':>8}  {'Chinese':>8}")
    for window in WINDOWS:
        figures = [cost(window, text) for text in (PROSE * 5, CHINESE)]
        print(f"{window:>10}  " + "  ".join(f"{figure:>8.2f}" for figure in figures))
    print(f"\nWindow of 8 with hold=18, English: {cost(8, PROSE * 5, hold=18):.2f}")


if __name__ == "__main__":
    main()
