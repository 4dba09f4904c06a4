"""Contenders in separate processes, which measure their own time."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from measure import Missing, Prepare, Refused, Turn
from ours import Stream

HERE = Path(__file__).parent
NODE_FOLDER = Path(sys.prefix) / "node"
"""Where `make bench` installs npm packages."""


class Worker:
    """
    A worker process. A request is a line of JSON and bytes, a response is a line of JSON.

    Args:
        command: Command that starts it.
        environment: Environment variables to add.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - own command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self.about = self.request({"ask": "about"})
        """Information from the process about itself."""

    def request(self, message: dict[str, Any], body: bytes = b"") -> Any:
        """Send a request; return the response."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({**message, "bytes": len(body)}).encode() + b"\n"
        try:
            self._process.stdin.write(line + body)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Missing("its process ended") from None
        response = self._process.stdout.readline()
        if not response:
            raise Missing("its process ended")
        return json.loads(response)

    def turns(self, task: str) -> Prepare:
        """Return a function that creates turns of a task."""

        def prepare(stream: Stream) -> Turn:
            lengths = [len(piece) for piece in stream.feeds]
            self.request({"ask": "take", "work": task, "lengths": lengths}, b"".join(stream.feeds))

            def turn() -> tuple[float, Any]:
                response = self.request({"ask": "run"})
                if "error" in response:
                    raise Refused(f"raises {response['error']}")
                return response["seconds"], response["outcome"]

            return turn

        return prepare

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


class Workers:
    """Worker processes that start on first use and end together."""

    def __init__(self) -> None:
        self._started: dict[str, Worker | Missing] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in self._started.values():
            if isinstance(worker, Worker):
                worker.close()

    def _get(self, name: str, start: Callable[[], Worker]) -> Worker:
        if name not in self._started:
            try:
                self._started[name] = start()
            except Missing as error:
                self._started[name] = error
        worker = self._started[name]
        if isinstance(worker, Missing):
            raise worker
        return worker

    def pure(self) -> Worker:
        """Return the Python process with the pure core."""
        return self._get("pure", _start_pure)

    def node(self) -> Worker:
        """Return the Node process."""
        return self._get("node", _start_node)


def _start_pure() -> Worker:
    return Worker([sys.executable, str(HERE / "pure_worker.py")], {"SSEPARSE_PURE": "1"})


def _start_node() -> Worker:
    node = shutil.which("node")
    if node is None:
        raise Missing("node is not installed")
    if not (NODE_FOLDER / "node_modules" / "eventsource-parser").is_dir():
        raise Missing("eventsource-parser is not installed; `make bench` installs it with npm")
    return Worker([node, "--expose-gc", str(HERE / "node_worker.mjs"), str(NODE_FOLDER)], {})
