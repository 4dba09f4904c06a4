"""Where the server sends no token counts, a stream counts, if asked to."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sseparse import AsyncStream, IncompleteStream, Stream
from sseparse.chunks import CompletionUsage, EstimatedUsage
from sseparse.tokens import Uncountable, UnknownEncoding, VocabularyMissing

from .sources import DONE, FINISH, AsyncSource, Source, chunk, data

MESSAGES = [{"role": "user", "content": "What's 1+1? Answer in one word."}]


def of_model(model: str | None, text: str = "Two and two") -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
    return data(json.dumps({"model": model, "choices": [choice]}))


def reported(usage: dict[str, Any]) -> bytes:
    return data(json.dumps({"choices": [], "usage": usage}))


def test_no_counts_unless_asked_for() -> None:
    """By default the usage is the server's, and None where it sent none."""
    assert Stream([of_model("gpt-4o"), DONE]).result().usage is None


@pytest.mark.usefixtures("vocabularies")
def test_counted_by_the_model_that_answered() -> None:
    """The model that the chunks name says how to count."""
    usage = Stream([of_model("gpt-4o"), DONE], usage="estimate").result().usage

    assert isinstance(usage, EstimatedUsage)
    assert (usage.estimated, usage.encoding) == (True, "o200k_base")
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, 3, None)


@pytest.mark.usefixtures("vocabularies")
def test_the_prompt_is_counted_where_it_is_given() -> None:
    """Messages and tools are counted with the answer."""
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    body = [of_model("gpt-4o-2024-08-06"), DONE]

    plain = Stream(body, usage="estimate", messages=MESSAGES).result().usage
    with_tool = Stream(body, usage="estimate", messages=MESSAGES, tools=[tool]).result().usage

    assert plain is not None
    # 3 for the message, 1 for its role, 11 of text, 3 for the answer to begin.
    assert (plain.prompt_tokens, plain.total_tokens) == (18, 21)
    assert with_tool is not None
    assert (with_tool.prompt_tokens or 0) > 18


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("encoding", ["cl100k_base", "gpt-4"])
def test_an_encoding_wins_over_the_model(encoding: str) -> None:
    """By its name, or by a model's that has it."""
    stream = Stream([of_model("deepseek-chat"), DONE], usage="estimate", encoding=encoding)
    usage = stream.result().usage

    assert isinstance(usage, EstimatedUsage)
    assert usage.encoding == "cl100k_base"


@pytest.mark.usefixtures("vocabularies")
def test_the_servers_counts_win() -> None:
    """Whatever they are, and though the model is not known."""
    counts: dict[str, Any] = {"prompt_tokens": 5, "completion_tokens": 700, "total_tokens": 705}
    body = [of_model("deepseek-chat"), reported(counts), DONE]

    assert Stream(body, usage="estimate").result().usage == CompletionUsage(**counts)


@pytest.mark.usefixtures("vocabularies")
def test_an_empty_usage_is_none() -> None:
    """Some servers send the field without a count in it."""
    usage = Stream([of_model("gpt-4o"), reported({}), DONE], usage="estimate").result().usage

    assert isinstance(usage, EstimatedUsage)


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("model", ["deepseek-chat", None])
def test_a_model_without_a_known_encoding(model: str | None) -> None:
    """It is an error that names the way out; the answer rides along."""
    stream = Stream([of_model(model), DONE], usage="estimate")

    with pytest.raises(UnknownEncoding, match="name the encoding") as caught:
        stream.result()

    assert caught.value.partial.choices[0].message.content == "Two and two"
    assert caught.value.partial.usage is None


@pytest.mark.usefixtures("vocabularies")
def test_an_encoding_that_is_none_is_refused_at_once() -> None:
    """Before anything is read."""
    source = Source(of_model("gpt-4o"), DONE)

    with pytest.raises(UnknownEncoding, match="o300k"):
        Stream(source, usage="estimate", encoding="o300k")
    assert source.left == 2


def test_a_missing_vocabulary_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is fetched; where the encoding is named, it is told before anything is read."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))

    with pytest.raises(VocabularyMissing, match="p50k_base"):
        Stream([DONE], usage="estimate", encoding="p50k_base")


def test_without_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for an estimate says what to install, before anything is read."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)

    with pytest.raises(ImportError, match=r"pip install 'sseparse\[tiktoken\]'"):
        Stream([of_model("gpt-4o"), DONE], usage="estimate")


@pytest.mark.usefixtures("vocabularies")
@pytest.mark.parametrize("options", [{"messages": 123}, {"messages": [], "tools": [None]}])
def test_messages_and_tools_of_another_form(options: Any) -> None:
    """They are refused before anything is read."""
    source = Source(of_model("gpt-4o"), DONE)

    with pytest.raises(TypeError, match="expected a list of"):
        Stream(source, usage="estimate", **options)
    assert source.left == 2


@pytest.mark.usefixtures("vocabularies")
def test_an_answer_that_cannot_be_counted() -> None:
    """The answer rides along."""
    stream = Stream([of_model("gpt-4o", " " * 500_001), DONE], usage="estimate")

    with pytest.raises(Uncountable) as caught:
        stream.result()

    assert caught.value.partial == stream.snapshot()


def test_a_cut_stream_is_cut() -> None:
    """Counting does not make an answer whole."""
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
def test_options_that_make_no_sense(options: Any, message: str) -> None:
    """What would be ignored is refused."""
    with pytest.raises(ValueError, match=message):
        Stream([FINISH], **options)


@pytest.mark.anyio
@pytest.mark.usefixtures("vocabularies")
async def test_asynchronous_streams() -> None:
    """Asynchronous streams count alike."""
    stream = AsyncStream(AsyncSource(of_model("gpt-4o"), DONE), usage="estimate")
    usage = (await stream.result()).usage

    assert isinstance(usage, EstimatedUsage)
    assert usage.completion_tokens == 3
