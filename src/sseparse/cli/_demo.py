"""`sseparse demo`."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
from attrs import define, field, frozen
from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from .. import Event, Stream, encode
from ..chunks import ChatCompletionChunk, Chunk, Result
from ..testing import Replay, ReplayServer

_MESSAGE = "Count to 100, with a comma between each number and no newlines. E.g., 1, 2, 3, ..."
_PROMPT = "1,2,3,"

# Seconds: a model takes longer to begin than to go on.
_BEFORE_FIRST = 0.1
_BETWEEN = (0.01, 0.02)


@frozen
class Ask:
    """
    Hold one request of the demo, and the answer to it.

    Attributes:
        title: What it is.
        path: Where it goes.
        prompt: What the model is asked.
        request: The request's JSON body.
        replay: What the server answers.
    """

    title: str
    path: str
    prompt: str
    request: dict[str, Any]
    replay: Replay


def make_asks(*, fast: bool) -> list[Ask]:
    """
    Make the requests of the demo, and the answers to them.

    Args:
        fast: Whether the server answers without waiting between the tokens.
    """
    chat = {
        "model": "gpt-3.5-turbo",
        "messages": [{"role": "user", "content": _MESSAGE}],
        "temperature": 0,
        "stream": True,
    }
    legacy = {
        "model": "text-davinci-002",
        "prompt": _PROMPT,
        "max_tokens": 193,
        "temperature": 0,
        "stream": True,
    }
    return [
        Ask("Chat completion", "/v1/chat/completions", _MESSAGE, chat, _paced(_chat(), fast=fast)),
        Ask("Legacy completion", "/v1/completions", _PROMPT, legacy, _paced(_legacy(), fast=fast)),
    ]


def _chat() -> list[dict[str, Any]]:
    tokens = _joined(range(1, 101), [",", " "])
    deltas = [{"role": "assistant"}, *({"content": token} for token in tokens), {}]
    about = {
        "id": "chatcmpl-count-to-100",
        "object": "chat.completion.chunk",
        "created": 1677825464,
        "model": "gpt-3.5-turbo-0301",
    }
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices[-1]["finish_reason"] = "stop"
    return [{**about, "choices": [choice]} for choice in choices]


def _legacy() -> list[dict[str, Any]]:
    about = {
        "id": "cmpl-count-to-100",
        "object": "text_completion",
        "created": 1661990400,
        "model": "text-davinci-002",
    }
    choices: list[dict[str, Any]] = [
        {"index": 0, "text": token, "logprobs": None, "finish_reason": None}
        for token in _joined(range(4, 101), [","])
    ]
    # The 193 tokens that the request allows are used up.
    choices[-1]["finish_reason"] = "length"
    return [{**about, "choices": [choice]} for choice in choices]


def _joined(numbers: Iterable[int], between: list[str]) -> list[str]:
    tokens: list[str] = []
    for number in numbers:
        tokens += [*(between if tokens else ()), str(number)]
    return tokens


def _paced(chunks: list[dict[str, Any]], *, fast: bool) -> Replay:
    events = [*(Event(json.dumps(chunk)) for chunk in chunks), Event("[DONE]")]
    body = b"".join(encode(event) for event in events)
    if fast:
        return Replay(body)
    draw = random.Random(100)  # noqa: S311 - the same times at every run
    return Replay(body, delays=[_BEFORE_FIRST, *(draw.uniform(*_BETWEEN) for _ in events[1:])])


@frozen
class Arrival:
    """
    Hold a chunk, and when it came.

    Attributes:
        seconds: The time after the request.
        chunk: The chunk.
    """

    seconds: float
    chunk: Chunk

    @property
    def news(self) -> str:
        """What the chunk adds, as JSON: a chat's delta, a legacy completion's text."""
        if isinstance(self.chunk, ChatCompletionChunk):
            return json.dumps(self.chunk.choices[0].delta.to_dict())
        return json.dumps(self.chunk.text)


@frozen
class Record:
    """
    Hold all that came.

    Attributes:
        arrivals: The chunks.
        result: The completion that they amount to.
    """

    arrivals: list[Arrival]
    result: Result

    @property
    def first_token(self) -> float:
        """When the first text came, in seconds after the request."""
        return next(arrival.seconds for arrival in self.arrivals if arrival.chunk.text)

    @property
    def total(self) -> float:
        """When the last chunk came, in seconds after the request."""
        return self.arrivals[-1].seconds

    @property
    def sooner(self) -> float:
        """How much sooner the first text came than the whole, in seconds."""
        return self.total - self.first_token


Listen = Callable[[Callable[[Arrival], None]], Record]
"""Sends a request; calls back with each chunk as it comes; returns all of them."""


def show_plain(title: str, ask: Ask, listen: Listen) -> None:
    """
    Print each chunk as it comes, then the whole and its times.

    Args:
        title: What is shown.
        ask: The request.
        listen: Sends it, and hands over the chunks.
    """
    _say(f"{title}: POST {ask.path}")
    _say(f"Asked: {ask.prompt}")
    record = listen(_say_arrival)
    _say(f"Whole text: {record.result.text}")
    _say(f"First token received {record.first_token:.3f} seconds after the request")
    _say(f"Whole answer received {record.total:.3f} seconds after the request")
    _say(f"The first word came {record.sooner:.3f} seconds sooner than the whole")
    _say("result(), as the API answers without streaming:")
    _say(json.dumps(record.result.to_dict(), indent=2))
    _say("")


def _say_arrival(arrival: Arrival) -> None:
    _say(f"Received {arrival.seconds:.3f} seconds after the request: {arrival.news}")


def _say(line: str) -> None:
    print(line, flush=True)


_ACCENT = "cyan"
_FRAMES_PER_SECOND = 24
# Chunks shown at a time.
_LATEST = 7
_ENDS = 3
# From so many columns on, the answer and its chunks stand side by side.
_WIDE = 120
_WIDEST = 160
# The columns of a line that its bar does not have.
_BESIDE_BAR = 32


def show_rich(title: str, ask: Ask, listen: Listen) -> None:
    """
    Show the text as it grows and the latest chunks; then the whole, its times and the result.

    Args:
        title: What is shown.
        ask: The request.
        listen: Sends it, and hands over the chunks.
    """
    console = Console()
    console.width = min(console.width, _WIDEST)
    console.print(_heading(title, ask))
    view = _View(console)
    # Drawn by a thread of its own, for drawing at each chunk would hold back the next one.
    with Live(view, console=console, refresh_per_second=_FRAMES_PER_SECOND) as live:
        live.refresh()
        record = listen(view.arrivals.append)
        view.whole = True
    console.print(_times(console, record))
    console.print(_whole(record.result))


@define
class _View:
    """What is drawn again and again while the answer comes, and once when it is whole."""

    console: Console
    arrivals: list[Arrival] = field(factory=list[Arrival])
    whole: bool = False

    def __rich__(self) -> RenderableType:
        arrivals = list(self.arrivals)
        text = "".join([arrival.chunk.text for arrival in arrivals])
        return _frame(self.console, text, _feed(arrivals, whole=self.whole))


def _heading(title: str, ask: Ask) -> RenderableType:
    lines = Table.grid(padding=(0, 2))
    lines.add_row(Text("POST", style="dim"), ask.path)
    lines.add_row(Text("asked", style="dim"), ask.prompt)
    rule = Rule(Text(title, style=f"bold {_ACCENT}"), align="left", style="dim")
    return Group(Text(), rule, Padding(lines, (1, 2)))


def _frame(console: Console, text: str, feed: RenderableType) -> RenderableType:
    wide = console.width >= _WIDE
    answer = _panel("text", Text(text, overflow="fold"), height=_LATEST + 2 if wide else None)
    chunks = _panel("chunks", feed)
    if not wide:
        return Group(answer, chunks)
    columns = Table.grid(expand=True, padding=(0, 1))
    columns.add_column(ratio=3)
    columns.add_column(ratio=2)
    columns.add_row(answer, chunks)
    return columns


def _panel(title: str, content: RenderableType, height: int | None = None) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim", height=height)


def _feed(arrivals: list[Arrival], *, whole: bool) -> RenderableType:
    numbered = list(enumerate(arrivals, 1))
    rows = _rows()
    if whole:
        for number, arrival in numbered[:_ENDS]:
            _add_row(rows, number, arrival)
        rows.add_row("", "", Text(f"{len(numbered) - 2 * _ENDS} more", style="dim"))
    for number, arrival in numbered[-_ENDS if whole else -_LATEST :]:
        _add_row(rows, number, arrival)
    for _ in range(_LATEST - rows.row_count):
        rows.add_row()
    return rows


def _rows() -> Table:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(justify="right", style="dim", min_width=3)
    rows.add_column(justify="right", style=_ACCENT, min_width=7)
    rows.add_column(no_wrap=True, overflow="ellipsis")
    return rows


def _add_row(rows: Table, number: int, arrival: Arrival) -> None:
    rows.add_row(str(number), f"{arrival.seconds:.3f} s", Text(arrival.news))


def _times(console: Console, record: Record) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column(justify="right", style=_ACCENT)
    for name, seconds, style in (
        ("first token", record.first_token, _ACCENT),
        ("whole answer", record.total, "dim"),
    ):
        length = max(1, round((console.width - _BESIDE_BAR) * seconds / record.total))
        bar = ProgressBar(total=1, completed=1, width=length, finished_style=style)
        rows.add_row(name, f"{seconds:.3f} s", bar)
    verdict = Text.assemble(
        "The first word came ",
        (f"{record.sooner:.3f} s", f"bold {_ACCENT}"),
        " sooner than the whole.",
    )
    return Padding(Group(rows, Text(), verdict), (1, 2))


def _whole(result: Result) -> RenderableType:
    shown = JSON(json.dumps(result.to_dict()))
    shown.text.no_wrap = False
    shown.text.overflow = "fold"
    return _panel("result(), as the API answers without streaming", shown)


_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


def demo(*, fast: bool) -> int:
    """
    Stream two completions, and show how they come.

    Args:
        fast: Whether to do it without waiting between the tokens.

    Returns:
        The exit status: 0.
    """
    asks = make_asks(fast=fast)
    replays = {ask.path: ask.replay for ask in asks}
    show = show_rich if _in_terminal() else show_plain
    # Settings of the environment, a proxy for one, are not for a server on this very machine.
    with ReplayServer(replays) as server, httpx2.Client(trust_env=False) as client:
        for number, ask in enumerate(asks, 1):

            def listen(take: Callable[[Arrival], None], ask: Ask = ask) -> Record:
                return _listen(client, server.url, ask, take)

            show(f"{number}. {ask.title}", ask, listen)
    return 0


def _in_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _listen(client: httpx2.Client, url: str, ask: Ask, take: Callable[[Arrival], None]) -> Record:
    arrivals: list[Arrival] = []
    started = time.perf_counter()
    with (
        client.stream("POST", url + ask.path, json=ask.request, headers=_HEADERS) as response,
        Stream(response) as stream,
    ):
        for chunk in stream:
            arrivals.append(Arrival(time.perf_counter() - started, chunk))
            take(arrivals[-1])
        return Record(arrivals, stream.result())
