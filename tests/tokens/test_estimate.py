"""Usage estimates."""

import base64
import copy
from typing import Any

import msgspec
import pytest
import tiktoken

from sseparse.chunks import (
    Audio,
    ChatChoice,
    ChatCompletion,
    ChatMessage,
    ChoiceTokens,
    Completion,
    CompletionChoice,
    CompletionUsage,
    CustomTool,
    EstimatedUsage,
    Function,
    ToolCall,
    estimate_usage,
)
from sseparse.tokens import (
    Uncountable,
    UnknownEncoding,
)

# The examples of OpenAI's cookbook, with the counts of OpenAI's API.
SYSTEM = (
    "You are a helpful, pattern-following assistant that translates corporate jargon into "
    "plain English."
)
MESSAGES = [
    {"role": "system", "content": SYSTEM},
    *(
        {"role": "system", "name": name, "content": content}
        for name, content in [
            ("example_user", "New synergies will help drive top-line growth."),
            ("example_assistant", "Things working well together will increase revenue."),
            (
                "example_user",
                (
                    "Let's circle back when we have more bandwidth to touch base on opportunities "
                    "for increased leverage."
                ),
            ),
            (
                "example_assistant",
                "Let's talk later when we're less busy about how to do better.",
            ),
        ]
    ),
    {
        "role": "user",
        "content": (
            "This late pivot means we don't have time to boil the ocean for the client deliverable."
        ),
    },
]
WEATHER = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]
UNITS = {
    "type": "string",
    "description": "The unit of temperature to return",
    "enum": ["celsius", "fahrenheit"],
}
PLACE = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {"location": PLACE, "unit": UNITS},
            "required": ["location"],
        },
    },
}


def chat(model: str | None, *messages: ChatMessage) -> ChatCompletion:
    choices = [
        ChatChoice(index=index, message=message, finish_reason="stop")
        for index, message in enumerate(messages)
    ]
    return ChatCompletion(id="1", created=1, model=model, choices=choices)


def make_message(content: str | None, **fields: Any) -> ChatMessage:
    return ChatMessage(role="assistant", content=content, **fields)


def tokens(text: str, encoding: str = "o200k_base") -> int:
    return len(tiktoken.get_encoding(encoding).encode_ordinary(text))


@pytest.mark.parametrize(
    ("model", "count", "listed"),
    [
        *(("gpt-3.5-turbo-0125", 129, True), ("gpt-4-0613", 129, True), ("gpt-4", 129, False)),
        *(("gpt-4o-2024-08-06", 124, True), ("gpt-4o-mini", 124, False), ("gpt-4.1", 124, False)),
    ],
)
def test_cookbook_messages(model: str, count: int, listed: bool) -> None:
    """The cookbook's messages have its count; a note names models that it doesn't list."""
    usage = estimate_usage(chat(model, make_message("Hello")), messages=MESSAGES)

    assert (usage.prompt_tokens, usage.completion_tokens) == (count, 1)
    assert usage.total_tokens == count + 1
    assert usage.prompt_listed is listed
    assert usage.prompt_partial is False
    (note,) = usage.notes
    assert model in note
    assert note.startswith("the prompt's overheads" if listed else "OpenAI published no overheads")


@pytest.mark.parametrize(
    ("model", "count"),
    [("gpt-3.5-turbo", 105), ("gpt-4-0613", 105), ("gpt-4o-2024-08-06", 101), ("gpt-4o-mini", 101)],
)
def test_cookbook_tools(model: str, count: int) -> None:
    """The cookbook's tool has its count."""
    usage = estimate_usage(chat(model, make_message("")), messages=WEATHER, tools=[TOOL])
    assert usage.prompt_tokens == count
    assert usage.prompt_partial is False


def test_counts_of_choices() -> None:
    """Each kind of content of each choice is counted separately."""
    calls = [
        ToolCall(id="a", type="function", function=Function(name="get_time", arguments='{"a":1}')),
        ToolCall(id="b", type="custom", custom=CustomTool(name="run", input="print(1)")),
        ToolCall(id="c", type="function"),
    ]
    result = chat(
        "gpt-4o",
        make_message("Hello world", reasoning_content="Let me think", reasoning="Let me think"),
        make_message(None, tool_calls=calls, function_call=Function(name="old", arguments="{}")),
        make_message(None, refusal="I cannot", audio=Audio(data="AAAA", transcript="Good day")),
        make_message(
            "x", reasoning_details=[{"text": "one two"}, {"summary": "three"}, {"data": "zz"}]
        ),
        make_message("y", audio=Audio(id="a")),
    )
    before = copy.deepcopy(result)
    usage = estimate_usage(result)

    assert usage.choices == [
        ChoiceTokens(index=0, content=2, reasoning=3),
        ChoiceTokens(
            index=1,
            tool_names=tokens("get_time") + tokens("run") + tokens("old"),
            tool_arguments=tokens('{"a":1}') + tokens("print(1)") + tokens("{}"),
        ),
        ChoiceTokens(index=2, refusal=2, transcript=2),
        ChoiceTokens(index=3, content=1, reasoning=3),
        ChoiceTokens(index=4, content=1),
    ]
    assert usage.completion_tokens == sum(choice.total for choice in usage.choices)
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 6
    assert (usage.prompt_tokens, usage.total_tokens, usage.prompt_listed) == (None, None, None)
    assert [note.split()[0] for note in usage.notes] == ["calls", "the"]
    assert result == before


def test_estimated() -> None:
    """A saved estimate has the API's names, and `estimated`."""
    usage = estimate_usage(chat("gpt-4o", make_message("Hello")), messages=MESSAGES)
    saved = usage.to_dict()

    assert isinstance(usage, CompletionUsage)
    assert usage.estimated is True
    assert saved["estimated"] is True
    assert msgspec.json.decode(msgspec.json.encode(usage))["estimated"] is True
    assert (saved["prompt_tokens"], saved["completion_tokens"], saved["total_tokens"]) == (
        124,
        1,
        125,
    )
    assert saved["choices"][0]["content"] == 1
    assert "estimated=True" in repr(usage)
    assert usage == estimate_usage(chat("gpt-4o", make_message("Hello")), messages=MESSAGES)
    assert usage != CompletionUsage(prompt_tokens=124, completion_tokens=1, total_tokens=125)
    assert isinstance(usage, EstimatedUsage)


def test_legacy_completions() -> None:
    """The prompt of a legacy completion is one or more texts, without overheads."""
    choice = CompletionChoice(index=0, text="Hello world", finish_reason="stop", logprobs=None)
    result = Completion(id="1", created=1, model="davinci-002", choices=[choice])
    one = estimate_usage(result, messages="Say hello")
    two = estimate_usage(result, messages=["Say hello", "Say"])

    assert (one.prompt_tokens, one.completion_tokens, one.total_tokens) == (2, 2, 4)
    assert two.prompt_tokens == 3
    assert (one.encoding, one.prompt_listed, one.notes) == ("cl100k_base", None, [])


def test_named_encodings() -> None:
    """A model that tiktoken doesn't know needs a named encoding."""
    result = chat("llama-3", make_message("Hello"))
    with pytest.raises(UnknownEncoding, match="'llama-3'"):
        estimate_usage(result)
    with pytest.raises(UnknownEncoding, match="no model is named"):
        estimate_usage(chat(None, make_message("Hello")), messages=WEATHER)

    assert estimate_usage(result, encoding="cl100k_base").encoding == "cl100k_base"
    assert (
        estimate_usage(result, encoding=tiktoken.get_encoding("o200k_base")).completion_tokens == 1
    )
    nameless = estimate_usage(chat(None, make_message("Hi")), messages=WEATHER, encoding="gpt-4o")
    assert "a model without a name" in nameless.notes[0]


def test_parts_of_messages() -> None:
    """Text parts and calls are counted; a note names the other parts."""
    call = {"id": "a", "type": "function", "function": {"name": "get", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "refusal", "refusal": "No"},
                {"type": "image_url", "image_url": {"url": "data:,"}},
                "Go",
                7,
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call, {"id": "b"}, 3]},
        {"role": "assistant", "function_call": {"name": "get", "arguments": "{}"}},
        {"role": "assistant", "function_call": None, "audio": {"id": "x"}},
    ]
    usage = estimate_usage(chat("gpt-4o-2024-08-06", make_message("")), messages=messages)

    words = ("user", "Look", "No", "Go", *("assistant",) * 3, "get", "{}", "get", "{}")
    assert usage.prompt_tokens == 4 * 3 + 3 + sum(map(tokens, words))
    assert usage.prompt_partial is True
    assert "(image_url, content, tool_calls, audio): its tokens are a lower bound" in usage.notes[0]
    assert "(tool_calls, function_call): their texts are counted" in usage.notes[1]


def test_messages_of_completions() -> None:
    """A message of a completion counts as its mapping, and the id of a tool call isn't text."""
    function = Function(name="get", arguments="{}")
    message = make_message(
        "Hi", tool_calls=[ToolCall(id="call_1", type="function", function=function)]
    )
    answer = {"role": "tool", "tool_call_id": "call_1" * 9, "content": "42"}
    result = chat("gpt-4o-2024-08-06", make_message(""))

    objects = estimate_usage(result, messages=[message, answer])
    mappings = estimate_usage(result, messages=[message.to_dict(), answer])

    words = ("assistant", "Hi", "get", "{}", "tool", "42")
    assert objects.prompt_tokens == mappings.prompt_tokens == 9 + sum(map(tokens, words))


def test_legacy_functions() -> None:
    """The legacy parameter `functions` counts as the same functions in `tools`."""
    result = chat("gpt-4o-2024-08-06", make_message(""))
    tools = estimate_usage(result, messages=WEATHER, tools=[TOOL])
    functions = estimate_usage(result, messages=WEATHER, tools=[TOOL["function"]])

    assert functions.prompt_tokens == tools.prompt_tokens
    assert functions.notes == tools.notes


@pytest.mark.parametrize(
    ("model", "hidden"),
    [
        *(("o1", True), ("o3-mini", True), ("openai/gpt-5", True), ("gpt-5-mini-2025-08-07", True)),
        *(("gpt-4o", False), ("gpt-5-chat-latest", False), ("o200k_base", False)),
    ],
)
def test_hidden_reasoning(model: str, hidden: bool) -> None:
    """The reasoning tokens of a model that doesn't send its reasoning are unknown, not 0."""
    usage = estimate_usage(chat(model, make_message("Hi")))

    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == (None if hidden else 0)
    assert ("reasoning_tokens" in usage.estimated_fields) is not hidden
    assert any("reasoning isn't sent" in note for note in usage.notes) is hidden


@pytest.mark.parametrize(
    ("kind", "tokens"), [("reasoning.encrypted", None), ("reasoning.summary", 0)]
)
def test_encrypted_reasoning(kind: str, tokens: int | None) -> None:
    """Encrypted reasoning makes the count of reasoning tokens unknown."""
    message = make_message("Hi", reasoning_details=[{"type": kind, "data": "x" * 99}])
    usage = estimate_usage(chat("claude", message), encoding="o200k_base")

    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == tokens


def png(width: int, height: int) -> bytes:
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + b"\x08\x02\0\0\0" + b"\0" * 40


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0" * 40


def jpeg(width: int, height: int) -> bytes:
    segments = b"\xff\xe0\0\x10JFIF" + b"\0" * 10 + b"\xff\xc4\0\x04ab"
    frame = b"\xff\xc2\0\x11\x08" + height.to_bytes(2) + width.to_bytes(2)
    return b"\xff\xd8" + segments + frame + b"\0" * 40


def image_tokens(model: str, detail: str | None, image: bytes | str) -> int | None:
    """Return the tokens of an image, or None if a note says that it can't be counted."""
    if isinstance(image, bytes):
        image = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    part = {"type": "image_url", "image_url": {"url": image, "detail": detail}}
    result = chat(model, make_message(""))
    usage = estimate_usage(result, messages=[{"role": "user", "content": [part]}])
    empty = estimate_usage(result, messages=[{"role": "user", "content": []}])
    assert usage.prompt_tokens is not None
    assert empty.prompt_tokens is not None
    assert usage.prompt_partial is any("image_url" in note for note in usage.notes)
    return None if usage.prompt_partial else usage.prompt_tokens - empty.prompt_tokens


@pytest.mark.parametrize(
    ("model", "detail", "image", "expected"),
    [
        # OpenAI's examples: 1024 x 1024 has 4 tiles, 2048 x 4096 has 6.
        ("gpt-4o", "high", png(1024, 1024), 765),
        ("gpt-4o", "high", gif(2048, 4096), 1105),
        ("gpt-4o", "high", jpeg(4096, 2048), 1105),
        ("gpt-4o-2024-08-06", "high", png(300, 200), 255),
        ("openai/gpt-4o-mini", "high", png(512, 512), 2833 + 5667),
        ("gpt-4o", "low", "https://example.com/cat.png", 85),
        ("gpt-4o-mini", "low", png(9, 9), 2833),
        ("gpt-5", "low", png(9, 9), 70),
        # OpenAI's examples of patches: 1024 of them, and 1,800 x 2,400 scaled to 1,452.
        ("gpt-4.1-mini", "high", png(1024, 1024), 1659),
        ("gpt-4.1-mini", "high", png(1800, 2400), 2353),
        ("gpt-4.1-mini", "low", png(1024, 1024), None),
        # Not counted: no detail, no size, a model without a rule, and no image.
        ("gpt-4o", "auto", png(1024, 1024), None),
        ("gpt-4o", None, png(1024, 1024), None),
        ("gpt-4o", "high", "https://example.com/cat.png", None),
        ("gpt-4o", "high", "data:image/png;base64,ééééé", None),
        ("gpt-4o", "high", b"RIFF....WEBP" + b"\0" * 40, None),
        ("gpt-4o", "high", png(0, 10), None),
        ("gpt-4o", "high", b"\xff\xd8\xff\xe0\0\x04ab", None),
        ("gpt-4o", "high", b"\xff\xd8" + b"\0" * 20, None),
        ("gpt-4", "high", png(1024, 1024), None),
    ],
)
def test_images(model: str, detail: str | None, image: bytes | str, expected: int | None) -> None:
    """Images count by OpenAI's rule for the model; others leave a note."""
    assert image_tokens(model, detail, image) == expected


@pytest.mark.parametrize("image", [None, 7, ["https://example.com/cat.png"]])
def test_malformed_images(image: Any) -> None:
    """An image that isn't an object can't be counted, and a note says so."""
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": image}]}]
    usage = estimate_usage(chat("gpt-4o", make_message("")), messages=messages)
    assert usage.prompt_partial is True
    assert "image_url" in usage.notes[0]


@pytest.mark.parametrize("shape", [(1, 65535), (65535, 1), (60000, 60000)])
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1-mini"])
def test_extreme_images(model: str, shape: tuple[int, int]) -> None:
    """Images of any shape have a count within the rule's bounds."""
    tokens = image_tokens(model, "high", png(*shape))
    assert tokens is not None
    assert 0 < tokens <= 2489


def test_tools_without_a_published_rule() -> None:
    """A note names schemas without a published rule; the others are counted."""
    nested = {"type": "array", "items": {"type": "string"}}
    tools: list[dict[str, Any]] = [
        {"type": "custom", "custom": {"name": "run"}},
        {"type": "function", "function": {"name": "now"}},
        {
            "type": "function",
            "function": {
                "name": "find",
                "description": "Find it.",
                "parameters": {"$defs": {}, "properties": {"tags": nested, "any": True}},
            },
        },
    ]
    usage = estimate_usage(
        chat("gpt-4o-2024-08-06", make_message("")), messages=WEATHER, tools=tools
    )
    bare = estimate_usage(chat("gpt-4o-2024-08-06", make_message("")), messages=WEATHER)

    assert usage.prompt_tokens is not None
    assert bare.prompt_tokens is not None
    lines = ("now:", "find:Find it", "tags:array:", "any::")
    expected = 2 * (7 + 12) + 3 + 2 * 3 + sum(map(tokens, lines))
    assert usage.prompt_tokens - bare.prompt_tokens == expected
    assert "(custom tool, $defs of a tool, items of a tool)" in usage.notes[0]


def test_tools_alone() -> None:
    """Tools without messages aren't counted, and a note reports it."""
    usage = estimate_usage(chat("gpt-4o", make_message("Hi")), tools=[TOOL])
    assert usage.prompt_tokens is None
    assert usage.notes == ["the tools aren't counted without the messages"]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"role": "user"}, "dict"),
        (123, "int"),
        (["a", {}], "a list of dict, str"),
        ([[1], [None]], "a list of list"),
    ],
)
def test_wrong_messages(wrong: Any, found: str) -> None:
    """Messages of another form raise TypeError."""
    with pytest.raises(TypeError, match=f"not {found}"):
        estimate_usage(chat("gpt-4o", make_message("Hi")), messages=wrong)


@pytest.mark.parametrize("wrong", ["text", None])
def test_wrong_results(wrong: Any) -> None:
    """What isn't a completion raises TypeError."""
    with pytest.raises(TypeError, match=f"not {type(wrong).__name__}; count the text of others"):
        estimate_usage(wrong, count=len)


@pytest.mark.parametrize("wrong", [{"type": "function"}, "function", [None], 1])
def test_wrong_tools(wrong: Any) -> None:
    """Tools of another form raise TypeError."""
    with pytest.raises(TypeError, match="expected a list of tools, each a mapping"):
        estimate_usage(chat("gpt-4o", make_message("Hi")), messages=[], tools=wrong)


@pytest.mark.parametrize(("prompt", "count"), [([5, 6, 7], 3), ([[5, 6], [7]], 3), ([[]], 0)])
def test_prompts_of_tokens(prompt: Any, count: int) -> None:
    """A legacy prompt can be tokens, or lists of tokens."""
    assert (
        estimate_usage(chat("gpt-4o", make_message("Hi")), messages=prompt).prompt_tokens == count
    )


def test_too_many_blanks_in_a_message() -> None:
    """A run of blanks that would overflow tiktoken's stack raises Uncountable."""
    blank = " " * 500_001

    with pytest.raises(Uncountable, match="500,001 consecutive blanks") as caught:
        estimate_usage(chat("gpt-4o", make_message(f"{blank}x")))

    assert (caught.value.blanks, caught.value.maximum) == (500_001, 500_000)
    longest = estimate_usage(chat("gpt-4o", make_message(f"{blank[1:]}x"))).completion_tokens
    assert longest is not None
    assert longest > 1
