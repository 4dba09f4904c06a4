"""
Search for bytes that the compiled core and the Python core parse differently.

    python fuzz/fuzz_cores.py --seconds 60

If there are any, they are printed with the options of the parser, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cores import LARGE, WORDS, load_pure_library, record_steps
from sseparse import ACCELERATED, Parser

# Sometimes in bulk, as ChunkParser parses, and sometimes after a reset.
WAYS = ["feed"] * 5 + ["bulk"] * 5 + ["reset"]
LIMITS = [None, None, *range(1, 9), 12, 20, 1023, 1024, 1025, 5000, 65536]
BYTES = b"dateivnr: \n\r\0\xff"


def make_body(chance: random.Random) -> bytes:
    def word() -> bytes:
        if chance.random() < 0.003:
            return chance.choice(LARGE)
        if chance.random() < 0.03:
            return bytes(chance.choices(BYTES, k=chance.randrange(6)))
        return chance.choice(WORDS)

    return b"".join(word() for _ in range(chance.randrange(40)))


def cut(body: bytes, chance: random.Random) -> list[bytes]:
    most = chance.choice([1, 3, 10, 50, 1000, 1 << 20])
    # A large body isn't cut into single bytes, which would take too long.
    least = 0 if len(body) < 20_000 else 500
    pieces, at = [], 0
    while at < len(body):
        size = chance.randrange(least, max(most, least) + 1)
        pieces.append(body[at : at + size])
        at += size
    return pieces


def make_options(chance: random.Random) -> dict[str, Any]:
    return {
        "comments": chance.random() < 0.5,
        "errors": chance.choice(["replace", "replace", "strict"]),
        "incomplete": chance.choice(["discard", "dispatch"]),
        "max_line_bytes": chance.choice(LIMITS),
        "max_event_bytes": chance.choice(LIMITS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="duration of the search")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of a search to repeat; 0 selects a random one"
    )
    arguments = parser.parse_args()
    if not ACCELERATED:
        print("The compiled core isn't built, or SSEPARSE_PURE disables it: nothing to compare.")
        return
    seed = arguments.seed or random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    tried, until = 0, time.monotonic() + arguments.seconds
    while time.monotonic() < until:
        pieces, options = cut(make_body(chance), chance), make_options(chance)
        ways = chance.choices(WAYS, k=len(pieces))
        parsers = (Parser(**options), load_pure_library().Parser(**options))
        stray = chance.random() < 0.5
        compiled, reference = (
            record_steps(parser, pieces, ways, keeps_stray=stray) for parser in parsers
        )
        if compiled != reference:
            print(f"different: {pieces!r} with {options!r}, {ways!r}, {stray}")
            print(f"  {compiled}\n  {reference}")
            sys.exit(1)
        tried += 1
    print(f"{tried} bodies in pieces, each with the same result in both cores")


if __name__ == "__main__":
    main()
