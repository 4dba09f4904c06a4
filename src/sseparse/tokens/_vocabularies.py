"""
Encodings by name, their vocabularies, and the errors of both.

It reads tiktoken's `registry.ENCODINGS` and `registry.ENCODING_CONSTRUCTORS`, and the layout of
its cache (seen in 0.14.0). An encoding that isn't listed here raises `VocabularyMissing`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .._errors import SSEError

if TYPE_CHECKING:
    from tiktoken import Encoding


class UnknownEncoding(SSEError, ValueError):
    """
    Raised for a name for which tiktoken has no encoding.

    Attributes:
        name: The unknown name of a model or an encoding; None for a completion without a model.
        known: The names of the known encodings.
    """

    def __init__(self, *, name: str | None, known: tuple[str, ...]) -> None:
        what = "no model is named" if name is None else f"tiktoken has no encoding for {name!r}"
        super().__init__(f"{what}: name the encoding or a fallback, one of {', '.join(known)}")
        self.name = name
        self.known = known


class VocabularyMissing(SSEError):
    """
    Raised for a vocabulary that isn't on this machine and wasn't downloaded.

    Attributes:
        encoding: The name of the encoding.
        path: The expected file in tiktoken's cache; None if it's unknown or the cache is off.
        reason: Why the vocabulary is missing.
        failed: Whether a download failed.
    """

    def __init__(
        self, *, encoding: str, reason: str, path: Path | None = None, failed: bool = False
    ) -> None:
        place, by_hand = ("", "") if path is None else (f" ({path})", ", or put the file there")
        advice = f'call TokenCounter("{encoding}", download=True) once to download it{by_hand}'
        if failed:
            advice = (
                "check the network and the proxy, or copy TIKTOKEN_CACHE_DIR of another machine"
            )
        super().__init__(f"the vocabulary of {encoding} is missing: {reason}{place}; {advice}")
        self.encoding = encoding
        self.path = path
        self.reason = reason
        self.failed = failed


class Uncountable(SSEError, ValueError):
    """
    Raised for a text that tiktoken can't encode.

    Attributes:
        blanks: The length of its longest run of blanks, in characters.
        maximum: The maximum length of a run.
    """

    def __init__(self, *, blanks: int, maximum: int) -> None:
        super().__init__(
            f"the text has {blanks:,} consecutive blanks, and tiktoken can encode {maximum:,}; "
            "shorten the run before you count it"
        )
        self.blanks = blanks
        self.maximum = maximum


_URL: Final = "https://openaipublic.blob.core.windows.net"
_CL100K: Final = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_O200K: Final = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
_P50K: Final = "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069"
_R50K: Final = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
_GPT2_BPE: Final = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
_GPT2_JSON: Final = "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
FILES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "cl100k_base": ((f"{_URL}/encodings/cl100k_base.tiktoken", _CL100K),),
    "gpt2": (
        (f"{_URL}/gpt-2/encodings/main/vocab.bpe", _GPT2_BPE),
        (f"{_URL}/gpt-2/encodings/main/encoder.json", _GPT2_JSON),
    ),
    "o200k_base": ((f"{_URL}/encodings/o200k_base.tiktoken", _O200K),),
    "o200k_harmony": ((f"{_URL}/encodings/o200k_base.tiktoken", _O200K),),
    "p50k_base": ((f"{_URL}/encodings/p50k_base.tiktoken", _P50K),),
    "p50k_edit": ((f"{_URL}/encodings/p50k_base.tiktoken", _P50K),),
    "r50k_base": ((f"{_URL}/encodings/r50k_base.tiktoken", _R50K),),
}
"""URL and SHA-256 of the files of tiktoken's own encodings (tiktoken_ext/openai_public.py)."""


def check_installed() -> None:
    """Raise ImportError if tiktoken isn't installed."""
    try:
        import_module("tiktoken")
    except ImportError as error:
        raise ImportError("counting tokens needs: pip install 'sseparse[tiktoken]'") from error


def base_model(name: str) -> str:
    """
    Return a model's name without the provider and the fine-tuning.

    "openai/gpt-4o" is gpt-4o, and so are "ft:gpt-4o:org::id" and "gpt-4o:free". tiktoken looks for
    prefixes, and "ft:gpt-4" is one of "ft:gpt-4.1:org::id", which has another encoding.
    """
    return name.rpartition("/")[2].removeprefix("ft:").partition(":")[0]


def find_encoding(
    which: str | None, *, fallback: str | None = None, download: bool = False
) -> Encoding:
    """
    Return the encoding of a name of an encoding or a model.

    Args:
        which: The name; None stands for a model without a name.
        fallback: The name for a model that tiktoken doesn't know; None to raise UnknownEncoding.
        download: Whether to let tiktoken download the vocabulary.
    """
    check_installed()
    import tiktoken  # noqa: PLC0415 - an optional dependency

    known = tiktoken.list_encoding_names()
    try:
        name = (
            which if which in known else tiktoken.encoding_name_for_model(base_model(which or ""))
        )
    except KeyError:
        if fallback is not None:
            return find_encoding(fallback, download=download)
        raise UnknownEncoding(name=which, known=tuple(sorted(known))) from None
    if not download:
        _check_cached(name)
    try:
        return tiktoken.get_encoding(name)
    except OSError as error:  # of requests, or of the file system
        reason = f"tiktoken can't download it ({type(error).__name__})"
        raise VocabularyMissing(encoding=name, reason=reason, failed=True) from error


def _check_cached(encoding: str) -> None:
    from tiktoken import registry  # noqa: PLC0415 - an optional dependency

    if encoding in registry.ENCODINGS:
        return
    constructor = (registry.ENCODING_CONSTRUCTORS or {}).get(encoding)
    if getattr(constructor, "__module__", None) != "tiktoken_ext.openai_public":
        return  # another plugin's, which has its own way to load its vocabulary
    if encoding not in FILES:
        reason = "this version of tiktoken is newer, and its files are unknown"
        raise VocabularyMissing(encoding=encoding, reason=reason)
    folder = str(Path(tempfile.gettempdir()) / "data-gym-cache")
    for variable in ("DATA_GYM_CACHE_DIR", "TIKTOKEN_CACHE_DIR"):
        folder = os.environ.get(variable, folder)
    if not folder:
        reason = (
            "an empty TIKTOKEN_CACHE_DIR or DATA_GYM_CACHE_DIR turns tiktoken's cache off, "
            "so that each process downloads it"
        )
        raise VocabularyMissing(encoding=encoding, reason=reason)
    for url, sha256 in FILES[encoding]:
        # As tiktoken names its files; nothing is secret.
        path = Path(folder) / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            reason = f"{url} isn't in tiktoken's cache"
            raise VocabularyMissing(encoding=encoding, reason=reason, path=path) from error
        if found != sha256:
            reason = f"the hash of the cached file isn't that of {url}"
            raise VocabularyMissing(encoding=encoding, reason=reason, path=path)
