"""Token counter for prompts: messages, texts, tokens and tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from attrs import Factory, define

from .._json import is_list, is_object
from ._counter import CountTokens
from ._images import count_image


class MessageObject(Protocol):
    """A message that isn't a mapping, such as a `ChatMessage` of a completion."""

    def to_dict(self) -> dict[str, Any]:
        """Return the message in the API's form."""
        ...


Message: TypeAlias = Mapping[str, Any] | MessageObject
Prompt: TypeAlias = Sequence[Message | str | int | Sequence[int]]
_Kind = Literal["message", "text", "token", "token list"]


def check_prompt(prompt: Prompt) -> _Kind:
    """Return what a prompt consists of; raise TypeError for anything else."""
    found = type(prompt).__name__
    if isinstance(prompt, Sequence):
        parts = [prompt] if isinstance(prompt, str) else prompt
        kinds: set[_Kind | None] = {_find_kind(part) for part in parts}
        kind = kinds.pop() if kinds else "message"
        if kind is not None and not kinds:
            return kind
        found = f"a list of {', '.join(sorted({type(part).__name__ for part in parts}))}"
    raise TypeError(
        f"expected a list of messages, each a mapping, or a text, texts or tokens, not {found}"
    )


def _find_kind(part: object) -> _Kind | None:
    if isinstance(part, Mapping) or callable(getattr(part, "to_dict", None)):
        return "message"
    if isinstance(part, str):
        return "text"
    if isinstance(part, int):
        return "token"
    return "token list" if is_list(part) and all(isinstance(id_, int) for id_ in part) else None


def check_tools(tools: Sequence[Mapping[str, Any]]) -> None:
    """Raise TypeError unless the tools are a list of mappings."""
    listed: object = tools
    if not isinstance(listed, Sequence) or not all(isinstance(tool, Mapping) for tool in tools):
        raise TypeError("expected a list of tools, each a mapping as in the request")


@define
class PromptCounter:
    """
    Token counter for a prompt.

    The overheads are those in OpenAI Cookbook, "How to count tokens with tiktoken".

    Attributes:
        count: A function that counts the tokens of a text.
        model: The model's name without the provider, for the rule of images.
    """

    count: CountTokens
    model: str
    tokens: int = 0
    has_overheads: bool = False
    has_ignored_tools: bool = False
    # Names of parts that can't be counted, and of those whose texts are counted without a rule.
    uncounted: list[str] = Factory(list[str])
    unpublished: list[str] = Factory(list[str])

    def add_request(
        self, prompt: Prompt | None, tools: Sequence[Mapping[str, Any]] | None, begin: int
    ) -> None:
        """Add a prompt and its tools. Tools alone are ignored."""
        if prompt is None:
            self.has_ignored_tools = bool(tools)
            return
        self._add_prompt(prompt)
        self._add_tools(tools or (), begin)

    def _add_prompt(self, prompt: Prompt) -> None:
        """Add the messages of a chat, or the texts or tokens of a legacy prompt."""
        kind = check_prompt(prompt)
        parts: list[Any] = [prompt] if isinstance(prompt, str) else list(prompt)
        if kind == "message":
            for part in parts:
                message: Mapping[str, Any] = part.to_dict() if hasattr(part, "to_dict") else part
                self._add_overhead(3 + ("name" in message))  # each message, and its name
                for name, value in message.items():
                    self._add_field(name, value)
            self._add_overhead(3)  # the start of the reply
        elif kind == "text":
            self._add_text(*parts)
        else:
            self.tokens += len(parts) if kind == "token" else sum(map(len, parts))

    def _add_tools(self, tools: Sequence[Mapping[str, Any]], begin: int) -> None:
        """Add the tools of a request, with a model's overhead at the beginning of each."""
        check_tools(tools)
        for tool in tools:
            # An entry of the legacy parameter `functions` is a function itself.
            function = tool if "type" not in tool and "name" in tool else tool.get("function")
            if is_object(function):
                self._add_overhead(begin + 12)  # the start and the end of a function
                self._add_function(function)
            else:
                self.uncounted.append(f"{tool.get('type')} tool")

    def _add_text(self, *texts: str) -> None:
        self.tokens += sum(map(self.count, texts))

    def _add_overhead(self, tokens: int) -> None:
        self.tokens += tokens
        self.has_overheads = True

    def _add_field(self, name: str, value: Any) -> None:
        if name == "tool_call_id":
            return  # it isn't in the text that the model reads
        if isinstance(value, str):
            self._add_text(value)
        elif name == "content" and is_list(value):
            for part in value:
                self._add_part(part)
        elif name == "tool_calls" and is_list(value):
            for call in value:
                self._add_call(name, call)
        elif name == "function_call" and value is not None:
            self._add_call(name, {"function": value})
        elif value is not None:
            self.uncounted.append(name)

    def _add_part(self, part: Any) -> None:
        kind = str(part.get("type")) if is_object(part) else "content"
        text = part.get(kind) if is_object(part) else part
        if isinstance(text, str):
            self._add_text(text)
        elif kind == "image_url" and (tokens := count_image(self.model, text)) is not None:
            self._add_overhead(tokens)
        else:
            self.uncounted.append(kind)

    def _add_call(self, name: str, call: Any) -> None:
        called = (call.get("function") or call.get("custom")) if is_object(call) else None
        if is_object(called):
            texts = map(called.get, ("name", "arguments", "input"))
            self._add_text(*(text for text in texts if isinstance(text, str)))
            self.unpublished.append(name)
        else:
            self.uncounted.append(name)

    def _add_function(self, function: dict[str, Any]) -> None:
        self._add_text(f"{function.get('name')}:{_get_description(function)}")
        schema = _as_object(function.get("parameters"))
        properties = _as_object(schema.get("properties"))
        self._add_uncounted(function, "name", "description", "parameters", "strict")
        self._add_uncounted(schema, "type", "properties", "required", "additionalProperties")
        if properties:
            self._add_overhead(3)
        for name, value in properties.items():
            schema = _as_object(value)
            self._add_text(f"{name}:{schema.get('type', '')}:{_get_description(schema)}")
            self._add_uncounted(schema, "type", "description", "enum")
            self._add_overhead(3)
            if is_list(values := schema.get("enum")):
                self._add_overhead(3 * len(values) - 3)
                self._add_text(*map(str, values))

    def _add_uncounted(self, schema: dict[str, Any], *counted: str) -> None:
        self.uncounted.extend(f"{name} of a tool" for name in schema if name not in counted)


def _as_object(value: Any) -> dict[str, Any]:
    return value if is_object(value) else {}


def _get_description(schema: dict[str, Any]) -> str:
    return str(schema.get("description") or "").removesuffix(".")
