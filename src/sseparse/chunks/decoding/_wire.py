"""JSON into models, by two paths: a fast one for the schema, a general one that loses nothing."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from .._json import is_list, is_object
from ..models._chat_chunk import (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChunkChoice,
    CustomToolDelta,
    FunctionDelta,
    ToolCallDelta,
)
from ..models._completion_chunk import CompletionChunk, CompletionChunkChoice
from ..models._logprobs import ChoiceLogprobs, CompletionLogprobs, TokenLogprob, TopLogprob
from ..models._model import Model
from ..models._usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

ModelT = TypeVar("ModelT", bound=Model)


def build(kind: type[ModelT], fields: dict[str, Any]) -> ModelT:
    """
    Make a model of a decoded JSON object, whatever it holds.

    A field that the schema does not name, or whose value does not fit it, goes to `extra`. A
    field that the model must have and the object has not gets its empty value.
    """
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    readers = _READERS[kind]
    for name, value in fields.items():
        if name not in readers:
            extra[name] = value
        elif value is not None:
            try:
                known[name] = readers[name](value)
            except (msgspec.ValidationError, UnicodeEncodeError):
                extra[name] = value
            else:
                # Of a list the objects are used, and it is kept if it was more than they are.
                if isinstance(known[name], list) and not _says_all(known[name], value):
                    extra[name] = value
    empty = {name: make() for name, make in _EMPTY.get(kind, {}).items() if name not in known}
    return kind(**known, **empty, extra=extra, absent=tuple(empty))


def _says_all(items: list[Any], value: Any) -> bool:
    return is_list(value) and len(items) == len(value)


def _object_reader(kind: type[Model]) -> Callable[[Any], Model]:
    return lambda value: build(kind, msgspec.convert(value, dict[str, Any]))


def _list_reader(kind: type[Model]) -> Callable[[Any], list[Model]]:
    def read(value: Any) -> list[Model]:
        # Some servers send an only item without its list.
        items = [value] if value and is_object(value) else msgspec.convert(value, list[Any])
        return [build(kind, item) for item in items if is_object(item)]

    return read


def _value_reader(kind: Any) -> Callable[[Any], Any]:
    return lambda value: msgspec.convert(value, kind)


def _reader(annotation: Any) -> Callable[[Any], Any]:
    """Choose how to read a field by its type, `X | None` being read as X."""
    kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    if typing.get_origin(annotation) is types.UnionType and len(kinds) == 1:
        annotation = kinds[0]
    inner = typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return _object_reader(annotation)
    if typing.get_origin(annotation) is list and _is_model(inner[0]):
        return _list_reader(inner[0])
    return _value_reader(annotation)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _readers(kind: type[Model]) -> dict[str, Callable[[Any], Any]]:
    hints = typing.get_type_hints(kind)
    return {name: _reader(hints[name]) for name in kind.wire_fields()}


_MODELS = (
    AudioDelta,
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceLogprobs,
    ChunkChoice,
    CompletionChunk,
    CompletionChunkChoice,
    CompletionLogprobs,
    CompletionTokensDetails,
    CompletionUsage,
    CustomToolDelta,
    FunctionDelta,
    PromptTokensDetails,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
)
_READERS: Final[Mapping[type[Model], dict[str, Callable[[Any], Any]]]] = {
    kind: _readers(kind) for kind in _MODELS
}


_EMPTY: Final[Mapping[type[Model], dict[str, Callable[[], Any]]]] = {
    ChatCompletionChunk: {"choices": list},
    CompletionChunk: {"choices": list},
    ChunkChoice: {"index": int, "delta": ChoiceDelta},
    CompletionChunkChoice: {"index": int, "text": str},
}
