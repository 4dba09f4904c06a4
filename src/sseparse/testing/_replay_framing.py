"""An answer into HTTP/1.1 framing, by h11, without I/O."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import h11

from ._replay import Replay
from ._replay_codings import CONTENT_ENCODINGS, Coding, make_coding
from ._replay_wire import Wire, break_off

_KEEP_ALIVE = b": keep-alive\n\n"
# Bytes that no compressed format goes on with: each one's reserved or impossible block.
_DAMAGED = b"\xff"
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def frame(http: h11.Connection, replay: Replay, *, to_head: bool = False) -> Wire:
    """
    Frame an answer to the request that a connection has read.

    Args:
        http: The connection.
        replay: The answer, with its fault if it has one.
        to_head: Whether the request was for the head alone.
    """
    if replay.fault == "no-answer":
        return Wire(b"", [], b"", ending="close")
    if replay.framing == "close":
        # h11 leaves the length out only where the client speaks no later HTTP than 1.0.
        http.their_http_version = b"1.0"
    head = _send(http, _response(replay))
    if to_head or replay.status in (204, 304):
        return Wire(head, [], _end(http))
    if replay.framing == "one-chunk":
        wire = _one_chunk(http, replay, head)
    else:
        wire = _piece_by_piece(http, replay, head)
    return break_off(wire, replay.fault, replay.fault_after)


def _response(replay: Replay) -> h11.Response:
    headers = replay.header_pairs()
    if replay.content_type is not None:
        headers.append(("Content-Type", replay.content_type))
    if replay.framing == "content-length":
        headers.append(("Content-Length", str(len(replay.body))))
    if replay.framing in CONTENT_ENCODINGS:
        headers.append(("Content-Encoding", CONTENT_ENCODINGS[replay.framing]))
    return h11.Response(
        status_code=replay.status, reason=_REASONS.get(replay.status, ""), headers=headers
    )


def _one_chunk(http: h11.Connection, replay: Replay, head: bytes) -> Wire:
    pieces = replay.cut()
    if not pieces:
        return Wire(head, [], _end(http))
    body = b"".join(pieces)
    # The chunk is announced whole, and cut only on its way out.
    parts = http.send_with_data_passthrough(h11.Data(data=body)) or []
    at = parts.index(body)
    first, *others = pieces
    frames = [b"".join([*parts[:at], first]), *others]
    return Wire(head, _timed(replay, frames), b"".join([*parts[at + 1 :], _end(http)]))


def _piece_by_piece(http: h11.Connection, replay: Replay, head: bytes) -> Wire:
    coding = make_coding(replay.framing)
    pieces = replay.cut()
    if replay.fault in ("comments", "truncate"):
        pieces = pieces[: replay.fault_after]
    coded = [coding.compress(piece) + coding.flush() for piece in pieces]
    if replay.fault == "comments":
        frames = _timed(replay, [_data(http, data) for data in coded])
        return Wire(head, frames, b"", _comments(http, coding, replay.keep_alive))
    last = b"" if replay.fault == "truncate" else coding.finish()
    if replay.fault == "corrupt":
        sound = len(coded) if replay.fault_after is None else replay.fault_after
        coded[sound:] = [_DAMAGED * len(data) for data in coded[sound:]]
        last = _DAMAGED * len(last)
    frames = _timed(replay, [_data(http, data) for data in coded])
    return Wire(head, frames, _data(http, last) + _end(http))


def _comments(http: h11.Connection, coding: Coding, pause: float) -> Iterator[tuple[float, bytes]]:
    while True:
        yield pause, _data(http, coding.compress(_KEEP_ALIVE) + coding.flush())


def _timed(replay: Replay, frames: list[bytes]) -> list[tuple[float, bytes]]:
    # A fault may leave fewer frames than there are pieces.
    return list(zip(replay.waits(), frames, strict=False))


def _data(http: h11.Connection, data: bytes) -> bytes:
    return _send(http, h11.Data(data=data))


def _end(http: h11.Connection) -> bytes:
    return _send(http, h11.EndOfMessage())


def _send(http: h11.Connection, event: h11.Event) -> bytes:
    return http.send(event) or b""
