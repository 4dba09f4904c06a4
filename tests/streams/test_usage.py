"""Streams with usage="estimate"."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sseparse import AsyncStream, IncompleteStream, Stream
from sseparse.chunks import CompletionUsage, EstimatedUsage, NoteKind
from sseparse.tokens import UnknownEncoding, VocabularyMissing

from .sources import DONE, FINISH, AsyncSource, Source, chunk, data

MESSAGES = [{"role": "user", "content": "What's 1+1? Answer in one word."}]


class CharacterTokenizer:
    """A tokenizer whose tokens are characters."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [*map(ord, text)]


def of_model(model: str | None, text: str = "Two and two") -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    return data(json.dumps({"model": model, "choices": [choice]}))


def reported(usage: dict[str, Any]) -> bytes:
    return data(json.dumps({"choices": [], "usage": usage}))


def test_no_estimate_by_default() -> None:
    """By default the usage is the server's, or None."""
    assert Stream([of_model("gpt-4o"), DONE]).result().usage is None


@pytest.mark.usefixtures("vocabularies")
def test_encoding_of_the_model() -> None:
    """The model in the chunks determines the encoding."""
    usage = Stream([of_model("gpt-4o"), DONE], usage="estimate").result().usage

    assert isinstance(usage, EstimatedUsage)
    assert (usage.estimated, usage.encoding) == (True, "o200k_base")
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, 3, None)


@pytest.mark.usefixtures("vocabularies")
def test_prompts() -> None:
    """Messages and tools are counted if they're given."""
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    body = [of_model("gpt-4o-2024-08-06"), DONE]

    without_tool = Stream(body, usage="estimate", messages=MESSAGES).result().usage
    with_tool = Stream(body, usage="estimate", messages=MESSAGES, tools=[tool]).result().usage

    assert without_tool is not None
    # 3 for the message, 1 for its role, 11 for the text, 3 for the start of the reply.
    assert (without_tool.prompt_tokens, without_tool.total_tokens) == (18, 21)
    assert with_tool is not None
    assert (with_tool.prompt_tokens or 0) > 18


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("encoding", ["cl100k_base", "gpt-4"])
def test_encoding_option(encoding: str) -> None:
    """The option `encoding`, an encoding or a model, takes precedence over the chunks."""
    stream = Stream([of_model("deepseek-chat"), DONE], usage="estimate", encoding=encoding)
    usage = stream.result().usage

    assert isinstance(usage, EstimatedUsage)
    assert usage.encoding == "cl100k_base"


@pytest.mark.usefixtures("vocabularies")
def test_reported_usage() -> None:
    """Usage that the server reports takes precedence, even for an unknown model."""
    counts: dict[str, Any] = {"prompt_tokens": 5, "completion_tokens": 700, "total_tokens": 705}
    body = [of_model("deepseek-chat"), reported(counts), DONE]

    assert Stream(body, usage="estimate").result().usage == CompletionUsage(**counts)


@pytest.mark.usefixtures("vocabularies")
def test_empty_usage() -> None:
    """A usage object without counts is replaced by an estimate."""
    usage = Stream([of_model("gpt-4o"), reported({}), DONE], usage="estimate").result().usage

    assert isinstance(usage, EstimatedUsage)


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("model", ["deepseek-chat", None])
def test_unknown_models(model: str | None) -> None:
    """The usage of an unknown model stays None, and a note says what to do."""
    completion = Stream([of_model(model), DONE], usage="estimate").result()

    assert completion.text == "Two and two"
    assert completion.usage is None
    (note,) = [note for note in completion.notes if note.kind is NoteKind.NOT_COUNTED]
    assert "name the encoding or a fallback" in str(note)


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize(
    "options", [{"fallback": "o200k_base"}, {"encoding": "o200k_base"}, {"count": len}]
)
def test_other_encodings(options: Any) -> None:
    """The tokens of an unknown model count by a fallback, an encoding or a function."""
    stream = Stream([of_model("deepseek-chat"), DONE], usage="estimate", **options)
    usage = stream.result().usage

    assert isinstance(usage, EstimatedUsage)
    assert usage.completion_tokens == (11 if "count" in options else 3)


@pytest.mark.parametrize("options", [{"count": len}, {"encoding": CharacterTokenizer()}])
def test_other_tokenizers(monkeypatch: pytest.MonkeyPatch, options: Any) -> None:
    """A function or a tokenizer of another library needs no tiktoken."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    usage = Stream([of_model("gpt-4o"), DONE], usage="estimate", **options).result().usage

    assert usage is not None
    assert usage.completion_tokens == 11


def test_unknown_fallback() -> None:
    """An unknown fallback raises an error before anything is read."""
    with pytest.raises(UnknownEncoding, match="o300k"):
        Stream([DONE], usage="estimate", fallback="o300k")


@pytest.mark.usefixtures("vocabularies")
def test_unknown_encodings() -> None:
    """An unknown encoding raises an error before anything is read."""
    source = Source(of_model("gpt-4o"), DONE)

    with pytest.raises(UnknownEncoding, match="o300k"):
        Stream(source, usage="estimate", encoding="o300k")
    assert source.left == 2


def test_missing_vocabularies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing vocabulary of a named encoding raises an error before anything is read."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))

    with pytest.raises(VocabularyMissing, match="p50k_base"):
        Stream([DONE], usage="estimate", encoding="p50k_base")


def test_estimates_without_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tiktoken the error names the extra to install, before anything is read."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)

    with pytest.raises(ImportError, match=r"pip install 'sseparse\[tiktoken\]'"):
        Stream([of_model("gpt-4o"), DONE], usage="estimate")


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("options", [{"messages": 123}, {"messages": [], "tools": [None]}])
def test_wrong_messages_and_tools(options: Any) -> None:
    """Messages or tools of another form raise TypeError before anything is read."""
    source = Source(of_model("gpt-4o"), DONE)

    with pytest.raises(TypeError, match="expected a list of"):
        Stream(source, usage="estimate", **options)
    assert source.left == 2


@pytest.mark.usefixtures("vocabularies")
def test_uncountable_content() -> None:
    """A text that tiktoken can't count leaves the usage as it is, with a note."""
    completion = Stream([of_model("gpt-4o", " " * 500_001), DONE], usage="estimate").result()

    assert completion.usage is None
    assert "500,001 consecutive blanks" in str(completion.notes[-1])


def test_missing_vocabulary_of_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing vocabulary of the completion's model leaves a note that says what to do."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})
    completion = Stream([of_model("gpt-4o"), DONE], usage="estimate").result()

    assert completion.usage is None
    assert "download=True" in str(completion.notes[-1])


def test_truncated_streams() -> None:
    """A truncated stream raises IncompleteStream, with or without an estimate."""
    with pytest.raises(IncompleteStream):
        Stream([chunk()], usage="estimate").result()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"usage": "guess"}, "usage is 'guess'; give one of 'server', 'estimate'"),
        ({"messages": MESSAGES}, 'are for usage="estimate"'),
        ({"tools": []}, 'are for usage="estimate"'),
        ({"encoding": "gpt-4o"}, 'are for usage="estimate"'),
    ],
)
def test_invalid_usage_options(options: Any, message: str) -> None:
    """Options that would be ignored raise ValueError."""
    with pytest.raises(ValueError, match=message):
        Stream([FINISH], **options)


@pytest.mark.anyio
@pytest.mark.usefixtures("vocabularies")
async def test_asynchronous_streams() -> None:
    """Asynchronous streams estimate usage, too."""
    stream = AsyncStream(AsyncSource(of_model("gpt-4o"), DONE), usage="estimate")
    usage = (await stream.result()).usage

    assert isinstance(usage, EstimatedUsage)
    assert usage.completion_tokens == 3


PROMPT = 18  # tokens of MESSAGES


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize(
    ("counts", "expected", "estimated"),
    [
        pytest.param(
            {"prompt_tokens": 11, "total_tokens": 11}, (11, 3, 11), ["completion_tokens"], id="one"
        ),
        pytest.param({"prompt_tokens": 11}, (11, 3, 14), ["completion_tokens", "total_tokens"]),
        pytest.param(
            {"completion_tokens": 700},
            (PROMPT, 700, PROMPT + 700),
            ["prompt_tokens", "total_tokens"],
        ),
        pytest.param(
            {"prompt_tokens": 5, "completion_tokens": 7}, (5, 7, 12), ["total_tokens"], id="total"
        ),
        pytest.param(
            {"total_tokens": 3},
            (PROMPT, 3, 3),
            ["prompt_tokens", "completion_tokens"],
            id="only total",
        ),
        *(
            pytest.param(
                zeros,
                (PROMPT, 3, PROMPT + 3),
                ["prompt_tokens", "completion_tokens", "total_tokens"],
                id=f"zeros {len(zeros)}",
            )
            for zeros in (
                {"total_tokens": 0},
                {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            )
        ),
    ],
)
def test_partial_usage(
    counts: dict[str, int], expected: tuple[int, ...], estimated: list[str]
) -> None:
    """Missing counts are estimated one by one, and named; zeros after a text are missing, too."""
    body = [of_model("gpt-4o-2024-08-06"), reported({**counts, "cost": 0.5}), DONE]
    usage = Stream(body, usage="estimate", messages=MESSAGES).result().usage

    assert isinstance(usage, EstimatedUsage)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == expected
    assert usage.estimated_fields == [*estimated, "reasoning_tokens"]
    assert usage.extra == {"cost": 0.5}
    assert usage.to_dict()["estimated_fields"] == usage.estimated_fields
    assert usage.token_counts().estimated


@pytest.mark.usefixtures("vocabularies")
def test_partial_details() -> None:
    """Details that the server reported are kept; without messages the prompt stays unknown."""
    counts = {
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 6, "x": 1},
    }
    body = [of_model("gpt-4o"), reported(counts), DONE]
    usage = Stream(body, usage="estimate").result().usage

    assert isinstance(usage, EstimatedUsage)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, 9, None)
    assert usage.estimated_fields == []
    assert counts.items() <= usage.to_dict().items()

    del counts["completion_tokens_details"]["reasoning_tokens"]  # type: ignore[attr-defined]
    usage = Stream([of_model("gpt-4o"), reported(counts), DONE], usage="estimate").result().usage
    assert isinstance(usage, EstimatedUsage)
    assert usage.estimated_fields == ["reasoning_tokens"]
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.to_dict() == {"reasoning_tokens": 0, "x": 1}


@pytest.mark.usefixtures("vocabularies")
def test_zeros_without_text() -> None:
    """Zeros are the counts of a completion without text."""
    zeros: dict[str, Any] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    body = [of_model("deepseek-chat", ""), reported(zeros), DONE]

    assert Stream(body, usage="estimate").result().usage == CompletionUsage(**zeros)
