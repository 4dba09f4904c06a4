"""The request that `sseparse chat` makes."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

from ._chat_options import ChatOptions
from ._chat_tools import read_tools
from ._misuse import Misuse
from ._terminal import is_terminal

OPENAI_URL: Final = "https://api.openai.com/v1"
CHAT_MODEL: Final = "gpt-4o-mini"
LEGACY_MODEL: Final = "gpt-3.5-turbo-instruct"

_KEY: Final = re.compile("[!-~]*")


@frozen
class Ask:
    """
    Hold a request.

    Attributes:
        url: Where it goes.
        host: The part of that which errors may show.
        key: The key, "" for none.
        body: What is sent as JSON.
    """

    url: str = field(repr=False)
    host: str
    key: str = field(repr=False)
    body: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send besides the usual ones."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def make_ask(options: ChatOptions) -> Ask:
    """
    Make a request of the options, the environment and standard input.

    Raises:
        Misuse: Something is missing, or is none that can be sent.
    """
    base = options.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    url, host = _endpoint(base, "completions" if options.completion else "chat/completions")
    key = os.environ.get("OPENAI_API_KEY", "")
    if not _KEY.fullmatch(key):
        raise Misuse(
            "OPENAI_API_KEY holds a blank, a line break or another character that no key has"
        )
    if not key and base == OPENAI_URL:
        raise Misuse("set OPENAI_API_KEY; or give --base-url, for a server that wants no key")
    body = _legacy_body(options) if options.completion else _chat_body(options)
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    if options.max_tokens is not None:
        body["max_tokens"] = options.max_tokens
    return Ask(url, host, key, body)


def _endpoint(base: str, path: str) -> tuple[str, str]:
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError as error:
        # Its words may hold a password.
        raise Misuse("the base URL is none: its host or its port cannot be read") from error
    host = f"{parts.hostname}:{port}" if port else f"{parts.hostname}"
    url = parts._replace(path=f"{parts.path.rstrip('/')}/{path}", fragment="")
    return urlunsplit(url), host


def _chat_body(options: ChatOptions) -> dict[str, Any]:
    messages = [{"role": "user", "content": _prompt(options.prompt)}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    body: dict[str, Any] = {"model": _model(options, CHAT_MODEL), "messages": messages}
    if options.tool:
        body["tools"] = read_tools(options.tool)
    return body


def _legacy_body(options: ChatOptions) -> dict[str, Any]:
    if options.system is not None or options.tool:
        raise Misuse("--completion goes with neither --system nor --tool")
    return {"model": _model(options, LEGACY_MODEL), "prompt": _prompt(options.prompt)}


def _model(options: ChatOptions, default: str) -> str:
    return options.model or os.environ.get("OPENAI_MODEL") or default


def _prompt(words: list[str]) -> str:
    prompt = _standard_input(asked=bool(words)) if words in ([], ["-"]) else " ".join(words)
    if not prompt.strip():
        raise Misuse("the prompt is empty")
    return prompt


def _standard_input(*, asked: bool) -> str:
    if sys.stdin is None:
        raise Misuse("there is no standard input")
    if not asked and is_terminal(sys.stdin):
        raise Misuse("give a prompt; - reads it from standard input")
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise Misuse("standard input is not UTF-8") from error
    except OSError as error:
        raise Misuse(f"cannot read standard input: {error.strerror}") from error
