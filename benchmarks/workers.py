"""Contenders that live in a process of their own, are sent the work, and time themselves."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from measure import Missing, Refused, Turn
from ours import Stream

HERE = Path(__file__).parent
NODE_FOLDER = Path(sys.prefix) / "node"
"""Where `make bench` lets npm install."""


class Worker:
    """
    Speak with a process: a line of JSON and some bytes to it, a line of JSON from it.

    Args:
        command: What starts it.
        environment: What it finds in its environment beside what is in ours.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self.about = self.ask({"ask": "about"})
        """What the process says of itself."""

    def ask(self, question: dict[str, Any], body: bytes = b"") -> Any:
        """Ask, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({**question, "bytes": len(body)}).encode() + b"\n"
        try:
            self._process.stdin.write(line + body)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Missing("its process ended") from None
        answer = self._process.stdout.readline()
        if not answer:
            raise Missing("its process ended")
        return json.loads(answer)

    def turns(self, work: str) -> Callable[[Stream], Turn]:
        """Return what makes turns of a piece of work."""

        def prepare(stream: Stream) -> Turn:
            lengths = [len(piece) for piece in stream.feeds]
            self.ask({"ask": "take", "work": work, "lengths": lengths}, b"".join(stream.feeds))

            def turn() -> tuple[float, Any]:
                answer = self.ask({"ask": "run"})
                if "error" in answer:
                    raise Refused(f"raises {answer['error']}")
                return answer["seconds"], answer["outcome"]

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
    """Start each worker when it is first asked for, and end all of them."""

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
        """Return the Python process that uses no compiled core."""
        return self._get("pure", _start_pure)

    def node(self) -> Worker:
        """Return the Node process."""
        return self._get("node", _start_node)


def _start_pure() -> Worker:
    return Worker([sys.executable, str(HERE / "pure_worker.py")], {"SSEPARSE_PURE": "1"})


def _start_node() -> Worker:
    node = shutil.which("node")
    if node is None:
        raise Missing("node is not on this machine")
    if not (NODE_FOLDER / "node_modules" / "eventsource-parser").is_dir():
        raise Missing("npm did not install it; `make bench` does where npm is")
    return Worker([node, "--expose-gc", str(HERE / "node_worker.mjs"), str(NODE_FOLDER)], {})
