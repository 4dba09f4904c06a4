"""The neutral view of the tool calls of completions."""

from __future__ import annotations

import pytest

from sseparse import ChatCompletion, Completion, ParseError
from sseparse.chunks import (
    ChatChoice,
    ChatMessage,
    CompletionChoice,
    CustomTool,
    Function,
    ToolCall,
    ToolCallView,
)


def completion(**fields: object) -> ChatCompletion:
    message = ChatMessage(role="assistant", content=None, **fields)  # type: ignore[arg-type]
    choices = [ChatChoice(index=0, message=message, finish_reason="tool_calls")]
    return ChatCompletion(id="c", created=1, model="m", choices=choices)


def test_calls_of_functions_and_custom_tools() -> None:
    """The view has the id, name, arguments and decoded value of each call, in their order."""
    function = Function(name="weather", arguments='{"city":"Bonn"}')
    calls = [
        ToolCall(id="1", type="function", function=function),
        ToolCall(id="2", type="custom", custom=CustomTool(name="run", input="ls")),
        ToolCall(id=None, type="function"),
    ]
    legacy = Function(name="old", arguments="{}")
    views = completion(tool_calls=calls, function_call=legacy).tool_calls
    assert views == [
        ToolCallView("1", "weather", '{"city":"Bonn"}'),
        ToolCallView("2", "run", "ls", "custom"),
        ToolCallView(None, "", ""),
        ToolCallView(None, "old", "{}"),
    ]
    assert [view.value for view in views] == [{"city": "Bonn"}, None, None, {}]
    assert views[0].parse(dict[str, str]) == {"city": "Bonn"}


def test_truncated_arguments_have_no_value() -> None:
    """Arguments that aren't complete JSON have no value, and can't be parsed as a type."""
    view = ToolCallView("1", "weather", '{"city":"Bo')
    assert view.value is None
    with pytest.raises(ParseError, match="arguments of 'weather'") as raised:
        view.parse(dict[str, str])
    assert raised.value.text == '{"city":"Bo'


def test_completions_without_calls() -> None:
    """A message without calls, a completion without choice 0 and a legacy one have no calls."""
    legacy = CompletionChoice(index=0, text="a", finish_reason="stop", logprobs=None)
    assert completion().tool_calls == []
    assert ChatCompletion(id="c", created=1, model="m", choices=[]).tool_calls == []
    assert Completion(id="c", created=1, model="m", choices=[legacy]).tool_calls == []
