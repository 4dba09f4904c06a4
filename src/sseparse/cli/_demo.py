"""`sseparse demo`."""

from __future__ import annotations

import json
import random
import re
import sys
from argparse import Namespace
from functools import partial
from typing import Any, cast

import httpx2
from attrs import evolve, frozen
from rich.console import Console, Group, RenderableType
from rich.json import JSON
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from .. import Event, Stream, encode
from ..chunks import ChatCompletionChunk, Chunk
from ..testing import Replay, ReplayServer
from ..timing import Timeline
from ._output import is_terminal, supports_escapes

_ACCENT = "cyan"
_print = partial(print, sep="\n", flush=True)


@frozen
class Example:
    """A request of the demo and the server's response."""

    title: str
    path: str
    prompt: str
    request: dict[str, Any]
    replay: Replay


def make_examples(*, fast: bool) -> list[Example]:
    """Make the examples; if `fast`, the server sends each response at once."""
    examples = [_make_chat_example(), _make_legacy_example()]
    if fast:
        examples = [evolve(example, replay=Replay(example.replay.body)) for example in examples]
    return examples


def _make_chat_example() -> Example:
    prompt = "Count to 100, with a comma between each number and no newlines. E.g., 1, 2, 3, ..."
    messages = [{"role": "user", "content": prompt}]
    request = {"model": "gpt-3.5-turbo", "messages": messages, "temperature": 0, "stream": True}
    tokens = re.findall(r"\d+|\D", ", ".join(map(str, range(1, 101))))
    deltas = [{"role": "assistant"}, *({"content": token} for token in tokens), {}]
    common: dict[str, Any] = {"id": "chatcmpl-count-to-100", "object": "chat.completion.chunk"}
    common |= {"created": 1677825464, "model": "gpt-3.5-turbo-0301"}
    replay = _make_replay(common, [{"delta": delta} for delta in deltas], "stop")
    return Example("1. Chat completion", "/v1/chat/completions", prompt, request, replay)


def _make_legacy_example() -> Example:
    prompt = "1,2,3,"
    request: dict[str, Any] = {"model": "text-davinci-002", "prompt": prompt, "max_tokens": 193}
    request |= {"temperature": 0, "stream": True}
    tokens = re.findall(r"\d+|\D", ",".join(map(str, range(4, 101))))
    choices = [{"text": token, "logprobs": None} for token in tokens]
    common: dict[str, Any] = {"id": "cmpl-count-to-100", "object": "text_completion"}
    common |= {"created": 1661990400, "model": "text-davinci-002"}
    # "length": these are the 193 tokens that the request allows.
    replay = _make_replay(common, choices, "length")
    return Example("2. Legacy completion", "/v1/completions", prompt, request, replay)


def _make_replay(common: dict[str, Any], choices: list[dict[str, Any]], finish: str) -> Replay:
    chunks = [
        {**common, "choices": [{"index": 0, **choice, "finish_reason": None}]} for choice in choices
    ]
    chunks[-1]["choices"][0]["finish_reason"] = finish
    body = b"".join(encode(Event(data)) for data in [*map(json.dumps, chunks), "[DONE]"])
    draw = random.Random(100)  # noqa: S311 - the same delays in each run
    # A model needs longer for its first token.
    return Replay(body, delays=[0.1, *(draw.uniform(0.01, 0.02) for _ in chunks)])


def _delta_json(chunk: Chunk) -> str:
    if isinstance(chunk, ChatCompletionChunk):
        return json.dumps(chunk.choices[0].delta.to_dict())
    return json.dumps(chunk.text)


def _measure(timeline: Timeline) -> tuple[float, float]:
    """Return the seconds from the request to the first text and to the end."""
    summary = timeline.summary()
    return cast(float, summary.time_to_first_text), cast(float, summary.total)


def _describe_times(first: float, total: float) -> str:
    return f"First words after {_seconds(first)}, complete answer after {_seconds(total)}."


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds:.3f} s"


def show_plain(example: Example, stream: Stream, timeline: Timeline) -> None:
    """Print each chunk when it arrives, then the text, its times and the result."""
    _print(f"{example.title}: POST {example.path}", f"Prompt: {example.prompt}")
    for number, chunk in enumerate(stream):
        seconds = timeline.record().chunks[number]
        _print(f"Chunk {number + 1} after {seconds:.3f} s: {_delta_json(chunk)}")
    result = stream.result()
    first, total = _measure(timeline)
    _print(
        f"Full text: {result.text}",
        _describe_times(first, total),
        "result(): the same object as without streaming:",
        json.dumps(result.to_dict(), indent=2),
        "",
    )


# How many chunks are shown while they arrive, and of each end afterwards.
_LATEST = 7
_ENDS = 3


def show_rich(example: Example, stream: Stream, timeline: Timeline) -> None:
    """Show the growing text and the latest chunks, then the times and the result."""
    console = Console()
    console.width = min(console.width, 160)
    title = Text(example.title, style=f"bold {_ACCENT}")
    console.print(Text(), Rule(title, align="left", style="dim"))
    heading = Table.grid(Column(style="dim"), Column(), padding=(0, 2))
    heading.add_row("POST", example.path)
    heading.add_row("prompt", example.prompt)
    console.print(Padding(heading, (1, 2)))
    chunks: list[Chunk] = []
    render = partial(_render_stream, console.width, timeline, chunks)
    # A thread draws it: drawing at each chunk would delay the next one.
    with Live(get_renderable=render, console=console, refresh_per_second=24) as live:
        live.refresh()
        for chunk in stream:
            chunks.append(chunk)  # noqa: PERF402 - the thread reads the list meanwhile
    console.print(_render_times(console.width, timeline))
    result = JSON(json.dumps(stream.result().to_dict()))
    result.text.no_wrap = False
    result.text.overflow = "fold"
    console.print(_panel("result(): the same object as without streaming", result))


def _render_stream(width: int, timeline: Timeline, received: list[Chunk]) -> RenderableType:
    is_wide = width >= 120
    chunks = list(received)
    text = Text("".join(chunk.text for chunk in chunks), overflow="fold")
    panels = [
        _panel("text", text, height=_LATEST + 2 if is_wide else None),
        _panel("chunks", _render_chunks(timeline, chunks)),
    ]
    if not is_wide:
        return Group(*panels)
    columns = Table.grid(Column(ratio=3), Column(ratio=2), expand=True, padding=(0, 1))
    columns.add_row(*panels)
    return columns


def _render_chunks(timeline: Timeline, chunks: list[Chunk]) -> Table:
    is_complete = bool(chunks) and chunks[-1].choices[0].finish_reason is not None
    arrivals = enumerate(zip(timeline.record().chunks, chunks, strict=False), 1)
    rows = [
        (str(number), f"{seconds:.3f} s", Text(_delta_json(chunk)))
        for number, (seconds, chunk) in list(arrivals)[0 if is_complete else -_LATEST :]
    ]
    if is_complete:
        more = Text(f"{len(rows) - 2 * _ENDS} more", style="dim")
        rows = [*rows[:_ENDS], ("", "", more), *rows[-_ENDS:]]
    number = Column(justify="right", style="dim", min_width=3)
    seconds = Column(justify="right", style=_ACCENT, min_width=7)
    delta = Column(no_wrap=True, overflow="ellipsis")
    table = Table.grid(number, seconds, delta, padding=(0, 2))
    for row in [*rows, *[()] * (_LATEST - len(rows))]:
        table.add_row(*row)
    return table


def _panel(title: str, content: RenderableType, height: int | None = None) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim", height=height)


def _render_times(width: int, timeline: Timeline) -> RenderableType:
    first, total = _measure(timeline)
    name_column, time_column = Column(style="dim"), Column(justify="right", style=_ACCENT)
    rows = Table.grid(name_column, time_column, Column(), padding=(0, 2))
    for name, seconds, style in (
        ("first words", first, _ACCENT),
        ("complete answer", total, "dim"),
    ):
        length = max(1, round((width - 34) * seconds / total))  # 34 columns are for other cells
        bar = ProgressBar(total=1, completed=1, width=length, finished_style=style)
        rows.add_row(name, f"{seconds:.3f} s", bar)
    return Padding(Group(rows, Text(), Text(_describe_times(first, total), style="bold")), (1, 2))


def demo(options: Namespace) -> int:
    """Stream two completions and show when their chunks arrive."""
    examples = make_examples(fast=options.fast)
    replays = {example.path: example.replay for example in examples}
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    show = show_rich if is_terminal(sys.stdout) and supports_escapes() else show_plain
    # Settings of the environment, such as a proxy, aren't for a server on this machine.
    with ReplayServer(replays) as server, httpx2.Client(trust_env=False, headers=headers) as client:
        for example in examples:
            timeline = Timeline()
            with (
                client.stream("POST", server.url + example.path, json=example.request) as response,
                Stream(response, timeline=timeline) as stream,
            ):
                show(example, stream, timeline)
    return 0
