"""The request of `sseparse chat`, for each API."""

from __future__ import annotations

import json
import os
import re
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from .._json import is_list, is_object
from ..adapters._proxy import Proxy
from . import _output
from ._apis import API, APIS, CHAT, MESSAGES
from ._output import CommandError

_URL_SHAPE: Final = "expected a URL such as http://127.0.0.1:8000/v1"
_LEGACY_MODEL: Final = "gpt-3.5-turbo-instruct"
_MESSAGES_VERSION: Final = "2023-06-01"
# Messages has no default, and some models allow no more.
_MAX_TOKENS: Final = 4096


@frozen
class APIRequest:
    """A request to the API. Messages show its host, but never its URL or key."""

    api: API
    url: str = field(repr=False)
    host: str
    key: str = field(repr=False)
    body: dict[str, Any]
    proxy: str | None = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the API, with the key if there is one."""
        if self.api is not MESSAGES:
            return {"Authorization": f"Bearer {self.key}"} if self.key else {}
        version = {"anthropic-version": _MESSAGES_VERSION}
        return {**version, "x-api-key": self.key} if self.key else version


def make_request(options: Namespace) -> APIRequest:
    """Make a request from the options, the environment and standard input."""
    api = APIS[options.api]
    base = options.base_url or os.environ.get(api.url_variable) or api.url
    try:
        parts = urlsplit(base)
        host = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    except ValueError as error:
        # The message of this error may contain a password.
        raise CommandError(f"--base-url: the host or port is invalid; {_URL_SHAPE}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError(f"--base-url: {_URL_SHAPE}")
    path = _path(parts.path.rstrip("/"), api, legacy=options.completion)
    url = parts._replace(path=path, fragment="").geturl()
    key = os.environ.get(api.key_variable, "")
    if not re.fullmatch("[!-~]*", key):
        raise CommandError(
            f"{api.key_variable} contains a space, a line break or a non-ASCII character"
        )
    if not key and base == api.url:
        raise CommandError(
            f"{host} needs a key: set {api.key_variable}, or set --base-url (or "
            f"{api.url_variable}) to a server that needs none"
        )
    proxy, shown = _find_proxy(parts.scheme, parts.netloc.rpartition("@")[2])
    return APIRequest(api, url, f"{host}{shown}", key, _make_body(options, api), proxy)


def _find_proxy(scheme: str, host: str) -> tuple[str | None, str]:
    """Return the proxy that the environment or the system sets for a host, and its description."""
    # Only `chat` needs it, and importing it takes long.
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - loads http.client

    proxies = getproxies()
    name = scheme if scheme in proxies else "all"
    if name not in proxies or proxy_bypass(host):
        return None, ""
    # Most programs also accept one without a scheme.
    url = proxies[name] if "://" in proxies[name] else f"http://{proxies[name]}"
    try:
        return url, f" (through the proxy {Proxy.from_url(url)})"
    except ValueError as error:
        raise CommandError(f"{name.upper()}_PROXY: {error}") from error


def _path(base: str, api: API, *, legacy: bool) -> str:
    if api is MESSAGES:
        # Anthropic's SDKs expect a base URL without the version, other servers document one.
        base = f"{base.removesuffix('/v1')}/v1"
    return f"{base}/{'completions' if legacy else api.endpoint}"


def _make_body(options: Namespace, api: API) -> dict[str, Any]:
    if options.completion and (options.system is not None or options.tool):
        raise CommandError("--completion can't be combined with --system or --tool")
    if options.completion and api is not CHAT:
        raise CommandError(f"--completion can't be combined with --api {api.name}")
    prompt = _read_prompt(options.prompt)
    tools = [_format_tool(path, tool, api) for path in options.tool for tool in _load_tools(path)]
    default = _LEGACY_MODEL if options.completion else api.model
    body = {
        "model": options.model or os.environ.get(api.model_variable) or default,
        **_make_prompt(prompt, options, api),
        "tools": tools or None,
        "stream": True,
    }
    return {name: value for name, value in body.items() if value is not None}


def _make_prompt(prompt: str, options: Namespace, api: API) -> dict[str, Any]:
    """Return the fields for the prompt, the system message, and what the API needs to stream."""
    system, limit = options.system, options.max_tokens
    messages = [{"role": "user", "content": prompt}]
    if api is MESSAGES:
        return {"messages": messages, "system": system, "max_tokens": limit or _MAX_TOKENS}
    if api is not CHAT:
        return {"input": prompt, "instructions": system, "max_output_tokens": limit}
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    question = {"prompt": prompt} if options.completion else {"messages": messages}
    return {**question, "stream_options": {"include_usage": True}, "max_tokens": limit}


def _read_prompt(words: list[str]) -> str:
    prompt = " ".join(words)
    if words in ([], ["-"]):
        if sys.stdin is None:
            raise CommandError("standard input is closed: add the prompt to the command")
        if not words and _output.is_terminal(sys.stdin):
            raise CommandError("no prompt: add it to the command, or - to read standard input")
        try:
            prompt = sys.stdin.buffer.read().decode().removesuffix("\n")
        except UnicodeDecodeError as error:
            raise CommandError("standard input isn't UTF-8") from error
        except OSError as error:
            raise CommandError(f"cannot read standard input: {error.strerror}") from error
    if not prompt.strip():
        raise CommandError("the prompt is empty")
    return prompt


_TOOL_SHAPES: Final = 'expected a definition, a list of definitions, or {"tools": [...]}'


def _load_tools(path: Path) -> list[Any]:
    try:
        tools = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise CommandError(f"--tool: cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--tool: {path} isn't JSON: {error}") from error
    if is_object(tools) and "tools" in tools:
        tools = tools["tools"]
    if is_object(tools):
        return [tools]
    if not is_list(tools) or not tools:
        raise CommandError(f"--tool: {path} has no tool definition: {_TOOL_SHAPES}")
    return tools


def _format_tool(path: Path, tool: Any, api: API) -> dict[str, Any]:
    """Return a tool in the form of the API, from the form of any of them."""
    if not is_object(tool):
        start = json.dumps(tool)[:40]
        raise CommandError(f"--tool: {path} has {start} where a tool should be: {_TOOL_SHAPES}")
    if tool.get("type", "function") != "function":
        return tool
    function: Any = tool.get("function")
    if function is None:
        function = {name: value for name, value in tool.items() if name != "type"}
    if not is_object(function) or not isinstance(function.get("name"), str):
        raise CommandError(f'--tool: {path} has a function without a "name"')
    if api is MESSAGES:
        return {
            "input_schema": {"type": "object"},
            **_renamed(function, "parameters", "input_schema"),
        }
    function = _renamed(function, "input_schema", "parameters")
    is_nested = api is CHAT
    return {"type": "function", **({"function": function} if is_nested else function)}


def _renamed(fields: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in fields.items()}
