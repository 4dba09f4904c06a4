"""`sseparse serve`."""

from __future__ import annotations

import contextlib
import os
import threading
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from attrs import evolve, frozen

from ..testing import FAULTS, Answered, ReceivedRequest, Replay, ReplayServer, faulty
from ..testing._replay import plain_text
from ._output import CommandError, report
from ._record import read_times

# A number is the seconds before each event. None means the recorded times, if there are any and
# no fault is requested.
_PaceOption = Literal["recorded", "fast"] | float


@frozen
class ServedFile:
    """A captured body, the response made from it, and a description of how it's sent."""

    path: Path
    replay: Replay
    description: str


class FileRouter:
    """Router to a single file, or to one of several by the first part of the path."""

    def __init__(self, files: Sequence[ServedFile]) -> None:
        if len(files) == 1:
            self.routes = {"": files[0]}
            return
        self.routes = {f"/{quote(os.fsencode(file.path.stem), safe='')}": file for file in files}
        if len(self.routes) < len(files):
            raise CommandError("two files have the same name: rename one, it's part of the path")

    def find_file(self, request: ReceivedRequest) -> ServedFile | None:
        if not request.path:
            return None
        name = quote(unquote_to_bytes(request.path.split("/")[1]), safe="")
        return self.routes.get("") or self.routes.get(f"/{name}")

    def respond(self, request: ReceivedRequest) -> Replay:
        file = self.find_file(request)
        if file is not None:
            return file.replay
        known = ", ".join(f"{route}/..." for route in self.routes)
        return plain_text(404, f"no file at {request.path}; known paths: {known}")


def load_file(path: Path, pace: _PaceOption | None, fault: str | None) -> ServedFile:
    """Read a captured body and make a response from it."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error
    if fault is not None:
        try:
            replay = faulty(fault, body)
        except ValueError as error:
            raise CommandError(f"--fault {fault}: {path} has no event to send before it") from error
        replay = evolve(replay, delays=pace) if isinstance(pace, float) else replay
        return ServedFile(path, replay, f"with a fault: {FAULTS[fault]}")
    if isinstance(pace, float):
        return ServedFile(path, Replay(body, delays=pace), f"{pace:g} s before each event")
    times = None if pace == "fast" else read_times(path, len(body))
    if times is not None:
        sizes, delays = times
        return ServedFile(path, Replay(body, pieces=sizes, delays=delays), "as recorded")
    if pace == "recorded":
        report(f"serve: no times were recorded with {path}: it is sent all at once")
    return ServedFile(path, Replay(body), "all at once")


def serve(options: Namespace) -> int:
    """Serve captured bodies until Ctrl-C and return the exit status."""
    pace, fault, host, port = options.pace, options.fault, options.host, options.port
    if fault is not None and pace == "recorded":
        return report("serve: --fault can't be combined with --pace recorded", 2)
    if fault not in (None, *FAULTS):
        return report(
            f"serve: unknown fault {fault!r}: `sseparse serve --help` lists the faults", 2
        )
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        try:
            router = FileRouter([load_file(path, pace, fault) for path in options.files])
            server = stack.enter_context(_make_server(router, host, port))
        except CommandError as error:
            return report(f"serve: {error}", 2)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            return report(f"serve: cannot listen on {host}, port {port}: {reason}", 2)
        _print_routes(router, server.url)
        threading.Event().wait()
    return report("stopped", 0)


def _make_server(router: FileRouter, host: str, port: int) -> ReplayServer:
    def report_response(answered: Answered) -> None:
        # The server would collect requests and connections for as long as it runs.
        server.requests.clear()
        server.connections.clear()
        sent, request = f"{answered.bytes_sent:,} bytes, {answered.how}", answered.request
        if request is None:
            report(f"bad request, {sent}")
            return
        file = router.find_file(request)
        name = ("404" if request.path else "400") if file is None else file.path.name
        report(f"{request.method} {request.target} -> {name}, {sent}")

    server = ReplayServer(router.respond, host=host, port=port, tell=report_response)
    return server


def _print_routes(router: FileRouter, url: str) -> None:
    for route, file in router.routes.items():
        size = f"{len(file.replay.body):,} bytes"
        print(f"{url}{route}/... -> {file.path}, {size}, {file.description}")
    base = f"{url}{next(iter(router.routes))}/v1"
    print(f"Try: curl -N -d '{{}}' {base}/chat/completions")
    print(f"     sseparse chat --base-url {base} hi")
    print("Press Ctrl-C to stop.", flush=True)
