"""An answer as bytes on the wire: HTTP/1.1 framing, by h11, without I/O."""

from __future__ import annotations

import zlib
from http import HTTPStatus

import h11
from attrs import frozen

from ._replay import Replay

_GZIP = 16 + zlib.MAX_WBITS
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@frozen
class Wire:
    """
    Hold an answer as it goes onto the wire.

    Attributes:
        head: The status line and the headers.
        frames: For each piece, the seconds to wait before it and its bytes, framing included.
        tail: What ends the body.
    """

    head: bytes
    frames: list[tuple[float, bytes]]
    tail: bytes


def frame(http: h11.Connection, replay: Replay, *, to_head: bool = False) -> Wire:
    """
    Frame an answer to the request that a connection has read.

    Args:
        http: The connection.
        replay: The answer.
        to_head: Whether the request was for the head alone.
    """
    if replay.framing == "close":
        # h11 leaves the length out only where the client speaks no later HTTP than 1.0.
        http.their_http_version = b"1.0"
    head = _send(http, _response(replay))
    frames, tail = ([], b"") if to_head or replay.status in (204, 304) else _body(http, replay)
    return Wire(head, frames, tail + _send(http, h11.EndOfMessage()))


def _response(replay: Replay) -> h11.Response:
    headers = dict(replay.headers)
    if replay.content_type is not None:
        headers["Content-Type"] = replay.content_type
    if replay.framing == "content-length":
        headers["Content-Length"] = str(len(replay.body))
    elif replay.framing in ("gzip", "gzip-unflushed"):
        headers["Content-Encoding"] = "gzip"
    return h11.Response(
        status_code=replay.status,
        reason=_REASONS.get(replay.status, ""),
        headers=list(headers.items()),
    )


def _body(http: h11.Connection, replay: Replay) -> tuple[list[tuple[float, bytes]], bytes]:
    pieces = replay.cut()
    match replay.framing:
        case "one-chunk":
            frames, tail = _one_chunk(http, pieces)
        case "gzip" | "gzip-unflushed":
            frames, tail = _gzip(http, pieces, flush=replay.framing == "gzip")
        case _:
            frames, tail = _piece_by_piece(http, pieces), b""
    return list(zip(replay.waits(), frames, strict=True)), tail


def _piece_by_piece(http: h11.Connection, pieces: list[bytes]) -> list[bytes]:
    return [_send(http, h11.Data(data=piece)) for piece in pieces]


def _one_chunk(http: h11.Connection, pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    if not pieces:
        return [], b""
    body = b"".join(pieces)
    # The chunk is announced whole, and cut only on its way out.
    parts = http.send_with_data_passthrough(h11.Data(data=body)) or []
    at = parts.index(body)
    first, *others = pieces
    return [b"".join([*parts[:at], first]), *others], b"".join(parts[at + 1 :])


def _gzip(http: h11.Connection, pieces: list[bytes], flush: bool) -> tuple[list[bytes], bytes]:
    packer = zlib.compressobj(wbits=_GZIP)
    packed = [
        packer.compress(piece) + (packer.flush(zlib.Z_SYNC_FLUSH) if flush else b"")
        for piece in pieces
    ]
    return _piece_by_piece(http, packed), _send(http, h11.Data(data=packer.flush()))


def _send(http: h11.Connection, event: h11.Event) -> bytes:
    return http.send(event) or b""
