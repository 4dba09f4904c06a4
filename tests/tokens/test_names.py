"""Encodings by name, and vocabularies without unrequested downloads."""

import hashlib
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from tiktoken import load, registry
from tiktoken_ext import openai_public  # type: ignore[import-untyped] # it has no types

from sseparse import SSEError
from sseparse.tokens import TokenCounter, UnknownEncoding, VocabularyMissing
from sseparse.tokens._vocabularies import FILES


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ENCODINGS", {})


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        *(("gpt-4o", "o200k_base"), ("gpt-5.1", "o200k_base"), ("gpt-4-0613", "cl100k_base")),
        *(("o200k_base", "o200k_base"), ("gpt-oss-20b", "o200k_harmony")),
        *(("openai/gpt-4o", "o200k_base"), ("openrouter/openai/gpt-4", "cl100k_base")),
        *(("ft:gpt-4.1-mini-2025-04-14:org::id", "o200k_base"), ("gpt-4o:free", "o200k_base")),
        *(("ft:gpt-4o-mini:org::id", "o200k_base"), ("ft:gpt-4-0613:org::id", "cl100k_base")),
        *(("ft:o4-mini-2025-04-16:org::id", "o200k_base"), ("davinci-002:ft-org", "cl100k_base")),
    ],
)
def test_names(name: str, encoding: str) -> None:
    """The name of a model or an encoding leads to tiktoken's encoding."""
    assert TokenCounter(name).encoding == encoding


@pytest.mark.parametrize(
    "name", ["meta/llama-3-70b", "ft:llama-3:org::id", "llama-3-70b", "GPT-4o", "", "/", "ft:"]
)
def test_unknown_names(name: str) -> None:
    """A name that tiktoken doesn't know raises an error with the known encodings."""
    with pytest.raises(UnknownEncoding, match="name the encoding") as caught:
        TokenCounter(name)

    assert caught.value.name == name
    assert "o200k_base" in caught.value.known
    assert isinstance(caught.value, SSEError)
    assert isinstance(caught.value, ValueError)
    assert pickle.loads(pickle.dumps(caught.value)).name == name


@pytest.mark.parametrize("name", ["llama-3-70b", "meta/llama-3", "", "gpt-4"])
def test_fallback(name: str) -> None:
    """A fallback is the encoding of the models that tiktoken doesn't know, and of no other."""
    expected = "cl100k_base" if name == "gpt-4" else "o200k_base"
    assert TokenCounter(name, fallback="o200k_base").encoding == expected


def test_unknown_fallback() -> None:
    """A fallback that tiktoken doesn't know raises an error that names it."""
    with pytest.raises(UnknownEncoding, match="o300k") as caught:
        TokenCounter("llama-3-70b", fallback="o300k")
    assert caught.value.name == "o300k"


def test_other_types() -> None:
    """An argument that is neither a name nor an encoding raises TypeError."""
    wrong: Any = 4
    with pytest.raises(TypeError, match="not int"):
        TokenCounter(wrong)


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize("download", [False, True])
def test_cached(vocabularies: Path, download: bool) -> None:
    """A cached vocabulary is used, whether a download is allowed or not."""
    counter = TokenCounter("gpt-4", download=download)
    counter.add("hello world")
    assert counter.count == 2


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR", None])
@pytest.mark.parametrize("name", [*FILES])
def test_missing(
    name: str, variable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vocabulary that isn't in tiktoken's cache raises an error that names the file."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "data-gym-cache"
    if variable:
        folder = tmp_path / "mine"
        monkeypatch.setenv(variable, str(folder))
    with pytest.raises(VocabularyMissing, match="download=True") as caught:
        TokenCounter(name)

    url = FILES[name][0][0]
    assert caught.value.encoding == name
    assert (
        caught.value.path == folder / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    )
    assert str(caught.value.path) in str(caught.value)
    assert isinstance(caught.value, SSEError)
    assert pickle.loads(pickle.dumps(caught.value)).path == caught.value.path


@pytest.mark.usefixtures("nothing_loaded")
def test_wrong_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with another hash raises an error and stays; tiktoken would replace it."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    path = tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
    path.write_bytes(b"YQ== 0\n")
    with pytest.raises(VocabularyMissing, match="the hash of the cached file isn't that of"):
        TokenCounter("cl100k_base")

    assert path.read_bytes() == b"YQ== 0\n"


@pytest.mark.usefixtures("nothing_loaded")
def test_cache_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a cache, which makes tiktoken download each time, an error is raised."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    with pytest.raises(VocabularyMissing, match="turns tiktoken's cache off") as caught:
        TokenCounter("cl100k_base")

    assert caught.value.path is None


@pytest.mark.usefixtures("nothing_loaded")
def test_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With download=True tiktoken downloads a missing vocabulary."""
    requested: list[str] = []

    def fetch(url: str, **_: object) -> dict[bytes, int]:
        requested.append(url)
        return {bytes([byte]): byte for byte in range(256)}

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", fetch)

    assert TokenCounter("cl100k_base", download=True).encoding == "cl100k_base"
    assert requested == [FILES["cl100k_base"][0][0]]
    assert TokenCounter("cl100k_base").encoding == "cl100k_base"  # it's in memory now


@pytest.mark.usefixtures("nothing_loaded")
def test_unknown_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoding of a newer tiktoken, with unknown files, raises an error."""

    def newer() -> dict[str, Any]:
        raise AssertionError("it would download")

    newer.__module__ = openai_public.__name__
    tiktoken.list_encoding_names()
    constructors = {**(registry.ENCODING_CONSTRUCTORS or {}), "o300k_base": newer}
    monkeypatch.setattr(registry, "ENCODING_CONSTRUCTORS", constructors)
    with pytest.raises(VocabularyMissing, match="tiktoken is newer"):
        TokenCounter("o300k_base")


@pytest.mark.usefixtures("nothing_loaded")
def test_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoding of another plugin loads in the plugin's own way."""

    def bytewise() -> dict[str, Any]:
        ranks = {bytes([byte]): byte for byte in range(256)}
        return {"name": "bytes", "pat_str": ".", "mergeable_ranks": ranks, "special_tokens": {}}

    tiktoken.list_encoding_names()
    constructors = {**(registry.ENCODING_CONSTRUCTORS or {}), "bytes": bytewise}
    monkeypatch.setattr(registry, "ENCODING_CONSTRUCTORS", constructors)
    counter = TokenCounter("bytes")
    counter.add("abc")
    assert counter.count == 3


def test_files_are_tiktokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URLs and hashes are those in tiktoken, for all its encodings."""
    requested: list[tuple[str, str]] = []

    def load(url: str, expected_hash: str) -> dict[bytes, int]:
        requested.append((url, expected_hash))
        return {}

    def load_two(
        vocab_bpe_file: str, encoder_json_file: str, vocab_bpe_hash: str, encoder_json_hash: str
    ) -> dict[bytes, int]:
        requested.extend([(vocab_bpe_file, vocab_bpe_hash), (encoder_json_file, encoder_json_hash)])
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", load)
    monkeypatch.setattr(openai_public, "data_gym_to_mergeable_bpe_ranks", load_two)
    assert FILES.keys() == openai_public.ENCODING_CONSTRUCTORS.keys()
    for name, make in openai_public.ENCODING_CONSTRUCTORS.items():
        requested.clear()
        make()
        assert tuple(requested) == FILES[name]


def test_counters_without_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tiktoken the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(ImportError, match=r"pip install 'sseparse\[tiktoken\]'"):
        TokenCounter("gpt-4o")


def test_failed_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed download raises VocabularyMissing."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(registry, "ENCODINGS", {})

    def fail(*_: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(load, "read_file", fail)

    with pytest.raises(VocabularyMissing, match=r"it \(ConnectionError\); check the network"):
        TokenCounter("cl100k_base", download=True)
