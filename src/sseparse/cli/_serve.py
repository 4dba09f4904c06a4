"""`sseparse serve`: replays captured bodies to clients that are tried out."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ..testing import Answered, ReplayServer
from ._misuse import Misuse
from ._say import say
from ._serve_files import Pace, Shelf, read_served


def serve(
    files: Sequence[Path], *, pace: Pace | None, fault: str | None, host: str, port: int
) -> int:
    """
    Serve files until Ctrl-C.

    Args:
        files: The bodies.
        pace: How fast they are sent; None for the recorded times, if there are any and no fault.
        fault: What goes wrong, by its name; None for nothing.
        host: The address to listen at.
        port: The port to listen at; 0 for one that is free.

    Returns:
        The exit status: 0 stopped by Ctrl-C, 2 there was nothing to serve or no place for it.
    """
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        try:
            shelf = Shelf([read_served(path, pace, fault) for path in files])
            server = stack.enter_context(_make_server(shelf, host, port))
        except Misuse as error:
            return say(f"serve: {error}", 2)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            return say(f"serve: cannot listen at {host}, port {port}: {reason}", 2)
        _announce(shelf, server.url)
        threading.Event().wait()
    return say("stopped", 0)


def _make_server(shelf: Shelf, host: str, port: int) -> ReplayServer:
    def tell(answered: Answered) -> None:
        # A server may run for long: what came is told, and then forgotten.
        server.requests.clear()
        server.connections.clear()
        sent, request = f"{answered.bytes_sent:,} bytes, {answered.how}", answered.request
        if request is None:
            say(f"bad request, {sent}")
            return
        served = shelf.find(request)
        name = ("404" if request.path else "400") if served is None else served.path.name
        say(f"{request.method} {request.target} -> {name}, {sent}")

    server = ReplayServer(shelf.answer, host=host, port=port, tell=tell)
    return server


def _announce(shelf: Shelf, url: str) -> None:
    places = shelf.places()
    for place, served in places:
        size = f"{len(served.replay.body):,} bytes"
        print(f"{url}{place}/... -> {served.path}, {size}, {served.manner}")
    base = f"{url}{places[0][0]}/v1"
    print(f"Try: curl -N -d '{{}}' {base}/chat/completions")
    print(f"     sseparse chat --base-url {base} hi")
    print("Ctrl-C stops it.")
    sys.stdout.flush()
