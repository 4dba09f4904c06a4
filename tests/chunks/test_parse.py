"""`parse()`: generated text as types of the caller."""

import copy
import json
import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NewType, TypedDict

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest

from sseparse import (
    AsyncStream,
    ChatCompletion,
    ChunkReader,
    Completion,
    IncompleteStream,
    ParseError,
    SSEError,
    Stream,
)
from sseparse.chunks import (
    ChatChoice,
    ChatMessage,
    CompletionChoice,
    CustomTool,
    Function,
    ToolCall,
)
from sseparse.payloads._parse import ParsableModel

pytestmark = pytest.mark.anyio


class Struct(msgspec.Struct):
    a: int


class Tagged(msgspec.Struct, tag="b"):
    a: int


@dataclass
class Data:
    a: int


@attrs.define
class Attrs:
    a: int


class Typed(TypedDict):
    a: int


class Pydantic(pydantic.BaseModel):
    a: int


@pydantic.dataclasses.dataclass
class PydanticData:
    a: int

    @pydantic.field_validator("a")
    @classmethod
    def small(cls, value: int) -> int:
        if value > 9:
            raise ValueError("too large")
        return value


class Nested(msgspec.Struct):
    items: list[Pydantic]


class OwnClass:
    """A class that no library knows, made of the text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnClass) and self.text == other.text

    __hash__ = None  # type: ignore[assignment] # as other mutable classes


class FakeModel:
    """A model of another library with pydantic's method, which isn't a class of pydantic."""

    @classmethod
    def model_validate_json(cls, text: str) -> str:
        return f"validated {text}"


class FakeAdapter:
    """An adapter with pydantic's method."""

    def validate_json(self, text: str) -> str:
        return f"validated {text}"


class Misleading(msgspec.Struct):
    """A type with a field that has the name of pydantic's method."""

    validate_json: bool = True


Number = NewType("Number", int)


def chat(text: str | None, finish_reason: str | None = "stop", **message: Any) -> ChatCompletion:
    """Return a chat completion whose choice 1 has the text, and choice 0 another."""
    contents: list[tuple[int, str | None]] = [(0, "other"), (1, text)]
    return ChatCompletion(
        id="1",
        created=1,
        model="m",
        choices=[
            ChatChoice(
                index=index,
                message=ChatMessage(role="assistant", content=content, **message),
                finish_reason=finish_reason,
            )
            for index, content in contents
        ],
    )


def legacy(text: str) -> Completion:
    choice = CompletionChoice(index=1, text=text, finish_reason="stop", logprobs=None)
    return Completion(id="1", created=1, model="m", choices=[choice])


def call(arguments: str) -> ToolCall:
    return ToolCall(id="c", type="function", function=Function(name="f", arguments=arguments))


def custom(text: str) -> ToolCall:
    return ToolCall(id="c", type="custom", custom=CustomTool(name="f", input=text))


# What has a text, made of it, and its parse().
SOURCES: list[tuple[Callable[[str], Any], Callable[[Any], Callable[..., Any]]]] = [
    (chat, lambda source: partial(source.parse, choice=1)),
    (legacy, lambda source: partial(source.parse, choice=1)),
    (call, lambda source: source.parse),
    (custom, lambda source: source.parse),
    (lambda text: Function(name="f", arguments=text), lambda source: source.parse),
]
OBJECT = '{"a": 1}'


@pytest.mark.parametrize(("make", "parse"), SOURCES)
@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Struct, OBJECT, Struct(1)),
        (Data, OBJECT, Data(1)),
        (Attrs, OBJECT, Attrs(1)),
        (Typed, OBJECT, {"a": 1}),
        (dict, OBJECT, {"a": 1}),
        (dict[str, int], OBJECT, {"a": 1}),
        (Any, OBJECT, {"a": 1}),
        (Struct | None, OBJECT, Struct(1)),
        (Struct | None, "null", None),
        (list[Struct], f"[{OBJECT}]", [Struct(1)]),
        (int, " 7\n", 7),
        (str, '"x"', "x"),
        (Annotated[int, msgspec.Meta(ge=1)], "7", 7),
        (Literal["x", "y"], '"x"', "x"),
        (Number, "7", 7),
        (Misleading, "{}", Misleading()),
        (Pydantic, OBJECT, Pydantic(a=1)),
        (PydanticData, OBJECT, PydanticData(1)),
        (pydantic.TypeAdapter(list[int]), "[1]", [1]),
        (list[Pydantic], f"[{OBJECT}]", [Pydantic(a=1)]),
        (Nested, f'{{"items": [{OBJECT}]}}', Nested([Pydantic(a=1)])),
        (FakeModel, OBJECT, f"validated {OBJECT}"),
        (FakeAdapter(), OBJECT, f"validated {OBJECT}"),
        (json.loads, OBJECT, {"a": 1}),
        (partial(json.loads, parse_int=str), OBJECT, {"a": "1"}),
        (str.split, "no JSON", ["no", "JSON"]),
        (OwnClass, "no JSON", OwnClass("no JSON")),
    ],
)
def test_types(make: Any, parse: Any, kind: Any, text: str, expected: Any) -> None:
    """JSON is converted by msgspec or pydantic; any other callable gets the text."""
    assert parse(make(text))(kind) == expected


@pytest.mark.parametrize(("make", "parse"), SOURCES)
@pytest.mark.parametrize(
    ("kind", "text", "cause", "message"),
    [
        (Struct, '{"a": "x"}', msgspec.ValidationError, "parsed as Struct: Expected `int`, got"),
        (Struct, '{"a": 1', msgspec.DecodeError, "truncated"),
        (Struct, '{"a": "\ud83d"}', UnicodeEncodeError, "surrogates"),
        (list[int], "{}", msgspec.ValidationError, "list[int]: Expected `array`"),
        (int | str, "{}", msgspec.ValidationError, "int | str: Expected `int | str`"),
        (list[OwnClass], "[1]", msgspec.ValidationError, "OwnClass"),
        (Any, "[" * 100_000, RecursionError, "parsed as Any: "),
        (Pydantic, "{}", pydantic.ValidationError, "Pydantic: 1 validation error for Pydantic. It"),
        (PydanticData, '{"a": 10}', pydantic.ValidationError, "PydanticData: 1 validation error"),
        (list[Pydantic], "[{}]", msgspec.ValidationError, "1 validation error"),
        (json.loads, "{", json.JSONDecodeError, "loads: Expecting property name"),
        (int, "x", msgspec.DecodeError, "malformed"),
        (partial(int, base=2), "x", ValueError, "invalid literal"),
    ],
)
def test_text_of_another_type(
    make: Any, parse: Any, kind: Any, *, text: str, cause: type[Exception], message: str
) -> None:
    """A text that isn't of the type raises ParseError, with the text and where it is from."""
    source = make(text)
    with pytest.raises(ParseError) as caught:
        parse(source)(kind)

    assert isinstance(caught.value, SSEError)
    assert isinstance(caught.value.__cause__, cause)
    assert caught.value.text == text
    assert caught.value.partial is source
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def reject(_: str) -> Any:
    raise ValueError


@pytest.mark.parametrize(
    ("source", "choice", "message"),
    [
        (chat(None, "tool_calls"), 1, "no text of choice 1 (finish_reason 'tool_calls')."),
        (chat("", None), 1, "There is no text of choice 1 (no finish_reason)."),
        (chat(None, refusal="I can't."), 1, "(finish_reason 'stop'): the model refused: I can't."),
        (chat(OBJECT, refusal="I can't."), 1, "the model refused: I can't."),
        (chat("{}"), 2, "There is no choice 2 in a completion of 2 choices."),
        (chat("{}"), -1, "There is no choice -1 in a completion of 2 choices."),
        (legacy("{}"), 0, "There is no choice 0 in a completion of 1 choice."),
        (legacy(""), 1, "There is no text of choice 1 (finish_reason 'stop')."),
        (call(""), None, "There is no text of the arguments of 'f'."),
        (custom(""), None, "There is no input of 'f'."),
        (ToolCall(id="c", type="x"), None, "no function or custom tool of the tool call 'c'."),
        (chat('{"a": ', "length"), 1, "(finish_reason 'length') can't be parsed as Struct: Input"),
    ],
)
def test_missing_text(source: Any, choice: int | None, message: str) -> None:
    """A refusal, a missing text and a missing choice raise ParseError, with what is known."""
    arguments = () if choice is None else (choice,)
    with pytest.raises(ParseError) as caught:
        source.parse(Struct, *arguments)

    assert message in str(caught.value)
    assert caught.value.partial is source


def test_reason_without_a_message() -> None:
    """An exception without a message is named."""
    with pytest.raises(ParseError, match=r"as reject: ValueError\. It is in \.text"):
        call("x").parse(reject)


@pytest.mark.parametrize("kind", [3, "x", Tagged | Struct, list[Struct | Data]])
def test_types_that_nothing_converts(kind: Any) -> None:
    """What is neither a type nor callable, or a union that msgspec can't decode: TypeError."""
    with pytest.raises(TypeError):
        call(OBJECT).parse(kind)


def test_other_exceptions_of_a_callable() -> None:
    """A callable rejects the text by a ValueError; its other exceptions are its own."""
    with pytest.raises(KeyError):
        call(OBJECT).parse(lambda text: json.loads(text)["b"])


def test_model_without_text() -> None:
    """A subclass says what its text is."""
    with pytest.raises(NotImplementedError):
        ParsableModel().parse(Struct)


def test_error_is_copied() -> None:
    """A ParseError keeps its text and the result when it's copied or pickled."""
    source = chat("{", None)
    with pytest.raises(ParseError) as caught:
        source.parse(Struct, 1)

    for copied in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert str(copied) == str(caught.value)
        assert (copied.text, copied.partial) == ("{", source)


BODY = b"".join(
    b"data: " + json.dumps({"choices": [{"index": 0, **choice}]}).encode() + b"\n\n"
    for choice in (
        {"delta": {"content": '{"a"'}},
        {"delta": {"content": ": 1}"}},
        {"delta": {}, "finish_reason": "stop"},
    )
)


async def later(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class TestStreams:
    """`parse()` of streams and readers."""

    async def test_text_of_choice_0(self) -> None:
        """parse() reads the rest of the stream; a reader's parses what was fed."""
        reader = ChunkReader()
        reader.feed(BODY)
        with pytest.raises(RuntimeError, match="hasn't ended"):
            reader.parse(Struct)
        reader.close()

        assert reader.parse(Struct) == Struct(1)
        assert Stream([BODY]).parse(Struct) == Struct(1)
        assert await AsyncStream(later(BODY)).parse(Struct) == Struct(1)

    async def test_errors(self) -> None:
        """An incomplete stream raises its own error, a text of another type a ParseError."""
        with pytest.raises(ParseError) as caught:
            Stream([BODY]).parse(list[int])
        assert caught.value.partial.text == OBJECT
        with pytest.raises(ParseError):
            await AsyncStream(later(BODY)).parse(list[int])
        with pytest.raises(IncompleteStream):
            Stream([BODY[:90]]).parse(Struct)
        accepted = Stream([BODY[:90]], on_incomplete="accept")
        with pytest.raises(ParseError, match="no finish_reason"):
            accepted.parse(Struct)
