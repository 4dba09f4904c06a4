"""An answer as bytes on the wire, and what becomes of the connection, without I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from attrs import evolve, frozen

Ending = Literal["http", "close", "reset", "open"]
"""
What becomes of a connection after an answer.

"http"
    What HTTP says: it is kept alive, or closed properly.
"close"
    It is closed at once, by a FIN.
"reset"
    It is cut at once, by an RST.
"open"
    It stays open, and nothing comes any more.
"""


@frozen
class Wire:
    """
    Hold an answer as it goes onto the wire.

    Attributes:
        head: The status line and the headers.
        frames: For each piece, the seconds to wait before it and its bytes, framing included.
        tail: What ends the body.
        refrain: More frames after the tail, without an end.
        ending: What becomes of the connection then.
    """

    head: bytes
    frames: list[tuple[float, bytes]]
    tail: bytes
    refrain: Iterable[tuple[float, bytes]] = ()
    ending: Ending = "http"


def break_off(wire: Wire, fault: str | None, after: int | None) -> Wire:
    """
    Do to an answer what a fault of the connection does.

    Args:
        wire: The answer without the fault.
        fault: The fault; others than those of the connection change nothing.
        after: How many pieces are sent whole; None for all.
    """
    frames = wire.frames[:after]
    following = [data for _, data in wire.frames[len(frames) :]]
    following.append(wire.tail)
    broken = evolve(wire, frames=frames, tail=b"")
    match fault:
        case "close":
            return evolve(broken, ending="close")
        case "close-inside":
            half = following[0][: len(following[0]) // 2]
            return evolve(broken, tail=half, ending="close")
        case "reset":
            return evolve(broken, ending="reset")
        case "stall":
            return evolve(broken, ending="open")
        case "bad-chunk":
            _, end_of_header, rest = following[0].partition(b"\r\n")
            return evolve(broken, tail=b"zz" + end_of_header + rest, ending="open")
        case _:
            return wire
