"""Simulated traffic: the pieces of many streams, and when each arrives."""

import random
from bisect import bisect_left
from collections.abc import Iterator

from attrs import Factory, define

PACE = 50
"""Events per second and stream."""
JITTER = 0.5
"""Maximum delay of an event, as a share of the time between two events."""
CUT = 0.25
"""Share of the events that arrive in two pieces."""
GAP = 0.1
"""Maximum delay of the second piece, as a share of the time between two events."""
MIN_SIZE = 250
"""Minimum size of an event in bytes."""
BATCH_SIZE = 1000
"""Pieces in a batch: few, since their memory isn't that of the streams."""
WORDS = ("The", " answer", " is", " forty", "-two", ",", " of course", ".", " \u00e9t\u00e9", "\\n")
DONE = b"data: [DONE]\n\n"


def delta_of(stream: int, number: int) -> str:
    """Return the text of an event, escaped for JSON and unique to the stream."""
    word = WORDS[(stream + number) % len(WORDS)]
    return f"{word} {stream}.{number}" if number % 5 else word * (stream % 4 + 1)


def text_of(stream: int, count: int) -> str:
    """Return the joined text of the first events of a stream."""
    text = "".join(delta_of(stream, number) for number in range(count))
    return text.replace("\\n", "\n")


def event_of(stream: int, number: int) -> bytes:
    """Return an event with text."""
    role = '"role":"assistant",' if number == 0 else ""
    return _event(stream, f'{{{role}"content":"{delta_of(stream, number)}"}}', "null")


def end_of(stream: int) -> bytes:
    """Return the last events of a stream."""
    return _event(stream, "{}", '"stop"') + DONE


def _event(stream: int, delta: str, finish: str) -> bytes:
    return (
        f'data: {{"id":"chatcmpl-8Xq2kLmN0pQrStUvWxYz{stream:08d}",'
        '"object":"chat.completion.chunk","created":1755878837,"model":"gpt-4o-mini-2024-07-18",'
        '"service_tier":"default","system_fingerprint":"fp_560af6e559","choices":[{"index":0,'
        f'"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]}}\n\n'
    ).encode()


Arrival = tuple[float, int, int, int, int | None]
"""Time, stream, number of the event, and the start and end of the piece in it."""


@define
class Batch:
    """
    Pieces in the order of their arrival.

    Their items are in three lists, so that the garbage collector has no objects to visit.

    Attributes:
        due: Arrival of each piece, in seconds.
        streams: Stream of each piece.
        pieces: The pieces.
    """

    due: list[float] = Factory(list)
    streams: list[int] = Factory(list)
    pieces: list[bytes] = Factory(list)


def batches(streams: int, count: int, seed: int = 7) -> Iterator[Batch]:
    """Yield the pieces of the streams in batches, with `count` events per stream."""
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
        # Pieces that are due after the next event of any stream go to a later batch.
        ends = bisect_left(coming, ((number + 1) / PACE,)) if number + 1 < count else len(coming)
        late = coming[ends:]
        del coming[ends:]
        coming.reverse()
        while coming:
            yield _batch([coming.pop() for _ in range(min(BATCH_SIZE, len(coming)))])


def _arrivals(chance: random.Random, stream: int, number: int, phase: float) -> Iterator[Arrival]:
    due = (number + phase + chance.random() * JITTER) / PACE
    if chance.random() < CUT:
        cut = chance.randrange(1, MIN_SIZE)
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
