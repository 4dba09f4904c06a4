"""`sseparse serve`."""

from __future__ import annotations

import contextlib
import os
import threading
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

from attrs import evolve, frozen

from .._errors import count
from ..testing import FAULTS, Answered, ReceivedRequest, Replay, ReplayServer, faulty
from ..testing._replay import plain_text
from ._apis import CHAT, START_SIZE, api_of
from ._output import CommandError, report
from ._record import read_times

# A number is the seconds before each event. None means the recorded times, if there are any and
# no fault is requested.
_PaceOption = Literal["recorded", "fast"] | float
_HOW: Final = {
    "to its end": "complete",
    "closed before its end": "closed early",
    "the client went away": "closed by the client",
    "the server stopped": "closed because the server stopped",
}


@frozen
class ServedFile:
    """A captured body, the response made from it, and a description of how it's sent."""

    path: Path
    replay: Replay
    description: str


class FileServer(ReplayServer):
    """Server of a single file, or of several by the first part of the path."""

    def __init__(self, files: Sequence[ServedFile], host: str, port: int) -> None:
        super().__init__(self._respond, host=host, port=port, on_answered=self._report_response)
        self.routes = {f"/{quote(os.fsencode(file.path.stem), safe='')}": file for file in files}
        if len(self.routes) < len(files):
            raise CommandError("two files have the same name, which is part of the URL: rename one")
        if len(files) == 1:
            self.routes = {"": files[0]}

    def print_routes(self) -> None:
        for route, file in self.routes.items():
            size = count(len(file.replay.body), "byte")
            print(f"{self.url}{route}/... -> {file.path}, {size}, {file.description}")
        route, file = next(iter(self.routes.items()))
        base = f"{self.url}{route}/v1"
        api = api_of(file.replay.body[:START_SIZE]) or CHAT
        option = "" if api is CHAT else f" --api {api.name}"
        print(f"Try: curl -N -d '{{}}' {base}/{api.endpoint}")
        print(f"     sseparse chat{option} --base-url {base} hi")
        print("Press Ctrl-C to stop.", flush=True)

    def _find_file(self, path: str) -> ServedFile | None:
        name = quote(unquote_to_bytes(path.split("/")[1]), safe="")
        return self.routes.get("") or self.routes.get(f"/{name}")

    def _respond(self, request: ReceivedRequest) -> Replay:
        file = self._find_file(request.path)
        if file is not None:
            return file.replay
        known = ", ".join(f"{route}/..." for route in self.routes)
        return plain_text(404, f"no file at {request.path}; paths with a file: {known}")

    def _report_response(self, answered: Answered) -> None:
        # The server would collect requests and connections for as long as it runs.
        self.requests.clear()
        self.connections.clear()
        how = _HOW.get(answered.how, answered.how)
        # Unlike the size of the file, it includes the framing.
        sent = f"{count(answered.bytes_sent, 'byte')} with headers, {how}"
        request = answered.request
        if request is None:
            report(f"invalid request, {sent}")
            return
        file = self._find_file(request.path) if request.path else None
        name = ("404" if request.path else "400") if file is None else file.path.name
        report(f"{request.method} {request.target} -> {name}, {sent}")


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
            raise CommandError(
                f"--fault {fault}: {path} has no event to send before the fault"
            ) from error
        replay = evolve(replay, delays=pace) if isinstance(pace, float) else replay
        return ServedFile(path, replay, f"with a fault: {FAULTS[fault]}")
    if isinstance(pace, float):
        return ServedFile(path, Replay(body, delays=pace), f"{pace:g} s before each event")
    times = None if pace == "fast" else read_times(path, len(body))
    if times is not None:
        sizes, delays = times
        return ServedFile(path, Replay(body, pieces=sizes, delays=delays), "as recorded")
    if pace == "recorded":
        report(f"{path} has no recorded times: it is sent all at once")
    return ServedFile(path, Replay(body), "all at once")


def serve(options: Namespace) -> int:
    """Serve captured bodies until Ctrl-C and return the exit status."""
    pace, fault, host, port = options.pace, options.fault, options.host, options.port
    if fault is not None and pace == "recorded":
        raise CommandError("--fault can't be combined with --pace recorded")
    if fault not in (None, *FAULTS):
        raise CommandError(f"--fault: unknown fault {fault!r}; `sseparse serve --help` lists them")
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        files = [load_file(path, pace, fault) for path in options.files]
        try:
            server = stack.enter_context(FileServer(files, host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CommandError(f"cannot listen on {host}, port {port}: {reason}") from error
        server.print_routes()
        threading.Event().wait()
    return report("stopped", 0)
