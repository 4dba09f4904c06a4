"""Simulated arrivals: what many servers send to many streams, and when each piece comes."""

import random
from bisect import bisect_left
from collections.abc import Iterator

from attrs import Factory, define

PACE = 50
"""Events a second of each stream."""
JITTER = 0.5
"""By how much of the time between two events one can be late."""
CUT = 0.25
"""The share of events that come in two pieces."""
GAP = 0.1
"""After how much of the time between two events the second piece comes, at most."""
SHORTEST = 250
"""Bytes that every event has."""
AT_ONCE = 1000
"""How many pieces are made before they come; they are memory that is not the streams'."""
WORDS = ("The", " answer", " is", " forty", "-two", ",", " of course", ".", " \u00e9t\u00e9", "\\n")
DONE = b"data: [DONE]\n\n"


def delta_of(stream: int, number: int) -> str:
    """Return the new text of an event as it stands in JSON: no other stream has the same."""
    word = WORDS[(stream + number) % len(WORDS)]
    return f"{word} {stream}.{number}" if number % 5 else word * (stream % 4 + 1)


def text_of(stream: int, count: int) -> str:
    """Return the text that so many events of a stream bring."""
    text = "".join(delta_of(stream, number) for number in range(count))
    return text.replace("\\n", "\n")


def event_of(stream: int, number: int) -> bytes:
    """Return an event that brings text."""
    role = '"role":"assistant",' if number == 0 else ""
    return _event(stream, f'{{{role}"content":"{delta_of(stream, number)}"}}', "null")


def end_of(stream: int) -> bytes:
    """Return what ends a stream."""
    return _event(stream, "{}", '"stop"') + DONE


def _event(stream: int, delta: str, finish: str) -> bytes:
    return (
        f'data: {{"id":"chatcmpl-8Xq2kLmN0pQrStUvWxYz{stream:08d}",'
        '"object":"chat.completion.chunk","created":1755878837,"model":"gpt-4o-mini-2024-07-18",'
        '"service_tier":"default","system_fingerprint":"fp_560af6e559","choices":[{"index":0,'
        f'"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]}}\n\n'
    ).encode()


Arrival = tuple[float, int, int, int, int | None]
"""When, to which stream, which event of it, and what of that."""


@define
class Batch:
    """
    Hold pieces in the order in which they come.

    Three lists, for they hold nothing that the garbage collector would look at.

    Attributes:
        due: When each piece comes, in seconds.
        streams: Whose each is.
        pieces: The pieces.
    """

    due: list[float] = Factory(list)
    streams: list[int] = Factory(list)
    pieces: list[bytes] = Factory(list)


def batches(streams: int, count: int, seed: int = 7) -> Iterator[Batch]:
    """Yield what comes to so many streams of so many events each, a short time at once."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    phases = [chance.random() for _ in range(streams)]
    late: list[Arrival] = []
    for number in range(count):
        coming = late + [
            arrival
            for stream, phase in enumerate(phases)
            for arrival in _arrivals(chance, stream, number, phase)
        ]
        coming.sort()
        # What is due later than the next event of some stream waits for that.
        ends = bisect_left(coming, ((number + 1) / PACE,)) if number + 1 < count else len(coming)
        late = coming[ends:]
        del coming[ends:]
        coming.reverse()
        while coming:
            yield _batch([coming.pop() for _ in range(min(AT_ONCE, len(coming)))])


def _arrivals(chance: random.Random, stream: int, number: int, phase: float) -> Iterator[Arrival]:
    due = (number + phase + chance.random() * JITTER) / PACE
    if chance.random() < CUT:
        cut = chance.randrange(1, SHORTEST)
        yield due, stream, number, 0, cut
        yield due + chance.random() * GAP / PACE, stream, number, cut, None
    else:
        yield due, stream, number, 0, None


def _batch(arrivals: list[Arrival]) -> Batch:
    return Batch(
        [due for due, *_ in arrivals],
        [stream for _, stream, *_ in arrivals],
        [event_of(stream, number)[begin:end] for _, stream, number, begin, end in arrivals],
    )
