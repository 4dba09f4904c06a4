"""Vocabularies, and the errors where one is missing."""

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
    Report a name of which tiktoken knows no encoding.

    Attributes:
        name: The name, of a model or an encoding; None where there is none, as
            in a completion that names no model.
        known: The names of the encodings that there are.
    """

    def __init__(self, *, name: str | None, known: tuple[str, ...]) -> None:
        seen = "no model is named" if name is None else f"no encoding for {name!r}"
        super().__init__(
            f"{seen}: name the encoding that counts its tokens, one of {', '.join(known)}; "
            "none is guessed"
        )
        self.name = name
        self.known = known


class VocabularyMissing(SSEError):
    """
    Report a vocabulary that is not on this machine, and that nobody asked to fetch.

    Attributes:
        encoding: The encoding's name.
        path: The file that was looked for in tiktoken's cache; None where it is not known, or
            where the cache is turned off.
        reason: What is wrong with it.
    """

    def __init__(self, *, encoding: str, reason: str, path: Path | None = None) -> None:
        place = "" if path is None else f" ({path})"
        by_hand = "" if path is None else ", or put the file there"
        super().__init__(
            f"the vocabulary of {encoding} is not here: {reason}{place}; "
            f'TokenCounter("{encoding}", download=True) once lets tiktoken fetch it{by_hand}'
        )
        self.encoding = encoding
        self.path = path
        self.reason = reason


class Uncountable(SSEError, ValueError):
    """
    Report a text that tiktoken cannot take.

    Attributes:
        blanks: How long its longest run of blanks is, in characters.
        maximum: How long one may be.
    """

    def __init__(self, *, blanks: int, maximum: int) -> None:
        super().__init__(
            f"the text has {blanks:,} blanks on end: more than {maximum:,} are more than tiktoken "
            "can take; shorten the run before it is counted"
        )
        self.blanks = blanks
        self.maximum = maximum


_BASE: Final = "https://openaipublic.blob.core.windows.net"
_CL100K: Final = (
    f"{_BASE}/encodings/cl100k_base.tiktoken",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
)
_O200K: Final = (
    f"{_BASE}/encodings/o200k_base.tiktoken",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
)
_P50K: Final = (
    f"{_BASE}/encodings/p50k_base.tiktoken",
    "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
)
_R50K: Final = (
    f"{_BASE}/encodings/r50k_base.tiktoken",
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
)
_GPT2_BPE: Final = (
    f"{_BASE}/gpt-2/encodings/main/vocab.bpe",
    "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
)
_GPT2_JSON: Final = (
    f"{_BASE}/gpt-2/encodings/main/encoder.json",
    "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
)
FILES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "cl100k_base": (_CL100K,),
    "gpt2": (_GPT2_BPE, _GPT2_JSON),
    "o200k_base": (_O200K,),
    "o200k_harmony": (_O200K,),
    "p50k_base": (_P50K,),
    "p50k_edit": (_P50K,),
    "r50k_base": (_R50K,),
}
"""URL and SHA-256 of the files of tiktoken's own encodings (tiktoken_ext/openai_public.py)."""
_OWN: Final = "tiktoken_ext.openai_public"


def check_installed() -> None:
    """
    Refuse to go on without tiktoken.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import_module("tiktoken")  # who counts no tokens does without it
    except ImportError as error:
        raise ImportError("counting tokens needs: pip install 'sseparse[tiktoken]'") from error


def find_encoding(which: str | Encoding | None, *, download: bool = False) -> Encoding:
    """
    Return an encoding.

    Args:
        which: The name of an encoding or of a model, or an encoding; None is a model without name.
        download: Whether tiktoken may fetch the vocabulary.

    Raises:
        ImportError: tiktoken is not installed.
        UnknownEncoding: tiktoken knows neither an encoding nor a model of that name.
        VocabularyMissing: Its vocabulary is not in tiktoken's cache, or could not be fetched.
        TypeError: It is neither a name nor an encoding.
    """
    check_installed()
    import tiktoken  # noqa: PLC0415 - who counts no tokens does without it

    if isinstance(which, tiktoken.Encoding):
        return which
    if which is not None and not isinstance(which, str):
        raise TypeError(
            f"expected the name of a model or encoding, or an encoding, not {type(which).__name__}"
        )
    name = _encoding_name(which)
    if not download:
        _check_is_here(name)
    try:
        return tiktoken.get_encoding(name)
    except OSError as error:  # of requests, or of the file system
        raise VocabularyMissing(
            encoding=name, reason=f"tiktoken could not fetch it: {type(error).__name__}: {error}"
        ) from error


def _encoding_name(name: str | None) -> str:
    import tiktoken  # noqa: PLC0415 - as above

    known = tiktoken.list_encoding_names()
    if name in known:
        return name
    try:
        return tiktoken.encoding_name_for_model(name or "")
    except KeyError:
        raise UnknownEncoding(name=name, known=tuple(sorted(known))) from None


def _check_is_here(encoding: str) -> None:
    from tiktoken import registry  # noqa: PLC0415 - as above

    if encoding in registry.ENCODINGS:
        return
    constructors = registry.ENCODING_CONSTRUCTORS or {}
    if getattr(constructors.get(encoding), "__module__", None) != _OWN:
        return  # another plugin's, which brings its vocabulary in its own way
    if encoding not in FILES:
        raise VocabularyMissing(
            encoding=encoding, reason="tiktoken is newer, and which files it reads is not known"
        )
    for url, sha256 in FILES[encoding]:
        _check_file(encoding, url, sha256)


def _check_file(encoding: str, url: str, sha256: str) -> None:
    folder = _cache_folder()
    if not folder:
        raise VocabularyMissing(
            encoding=encoding,
            reason="tiktoken's cache is turned off by an empty TIKTOKEN_CACHE_DIR or "
            "DATA_GYM_CACHE_DIR, so that each process fetches it",
        )
    # The name is no secret: it is where tiktoken looks.
    path = Path(folder) / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VocabularyMissing(
            encoding=encoding, reason=f"{url} is not in tiktoken's cache", path=path
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise VocabularyMissing(
            encoding=encoding, reason=f"the cached file is not {url}, its hash differs", path=path
        )


def _cache_folder() -> str:
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return os.environ[variable]
    return str(Path(tempfile.gettempdir()) / "data-gym-cache")
