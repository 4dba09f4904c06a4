"""What `sseparse chat` is told."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class ChatOptions:
    """
    Hold the options of `sseparse chat`.

    Attributes:
        prompt: The words of the prompt; none, or "-" alone, for standard input.
        model: The model; None for that of the environment.
        base_url: Where the API is; None for that of the environment.
        system: What the model is told before the prompt, or None.
        tool: Files with definitions of tools.
        completion: Whether to use the legacy endpoint.
        max_tokens: How long the answer may become, in tokens; None for the server's limit.
        json: Whether to print the finished completion as JSON instead of its text.
        save: Where to write the body, or None.
        timeline: Where to draw the timeline, or None.
        timeout: How long to wait for the server each time, in seconds.
        no_color: Whether to do without colours.
    """

    prompt: list[str]
    model: str | None
    base_url: str | None
    system: str | None
    tool: list[Path]
    completion: bool
    max_tokens: int | None
    json: bool
    save: Path | None
    timeline: Path | None
    timeout: float
    no_color: bool
