"""Tests of the public names and their docstrings."""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import sseparse
from sseparse import adapters

ADAPTERS = ("anyio", "sockets", "trio")
MODULES = [
    *("sseparse", "sseparse.chunks", "sseparse.streams", "sseparse.reconnect", "sseparse.testing"),
    *("sseparse.adapters", *(f"sseparse.adapters.{name}" for name in ADAPTERS)),
    *("sseparse.messages", "sseparse.moderation", "sseparse.responses", "sseparse.timing"),
    "sseparse.tokens",
]


def public(module_name: str) -> list[tuple[str, Any]]:
    module = importlib.import_module(module_name)
    return [(name, getattr(module, name)) for name in module.__all__]


def public_names(module: ModuleType) -> set[str]:
    """Return the public names of a package, or those that a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name != "TYPE_CHECKING"
        and not inspect.ismodule(value)
        and (hasattr(module, "__path__") or getattr(value, "__module__", "") == module.__name__)
    }


@pytest.mark.parametrize("module", MODULES)
def test_all_is_exact(module: str) -> None:
    """`__all__` has each public name of the module once."""
    loaded = importlib.import_module(module)
    names = list(loaded.__all__)

    assert len(names) == len(set(names))
    assert public_names(loaded) == {name for name in names if not name.startswith("_")}


def test_all_adapters_are_listed() -> None:
    """ADAPTERS has each public module of the adapters."""
    found = {name for _, name, _ in pkgutil.iter_modules(adapters.__path__) if name[0] != "_"}
    assert found == {*ADAPTERS}


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [(module, name, value) for module in MODULES for name, value in public(module)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_docstrings(where: str, name: str, value: Any) -> None:
    """Every public class, function, method and property has a docstring."""
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return
    assert inspect.getdoc(value), f"{where}.{name}"
    if inspect.isclass(value) and value.__module__.startswith("sseparse"):
        for attribute, member in vars(value).items():
            if attribute.startswith("_") or not (
                inspect.isfunction(member) or isinstance(member, property)
            ):
                continue
            assert inspect.getdoc(member), f"{where}.{name}.{attribute}"


def test_stable_names() -> None:
    """The package exports the names that users depend on."""
    assert set(vars(sseparse)["__all__"]) >= {
        *("Parser", "Event", "Comment", "encode"),
        *("ChunkParser", "ChunkDecoder", "ChunkReader", "ChatCompletionChunk", "CompletionChunk"),
        *("Accumulator", "ChatCompletion", "Completion"),
        *("EventStream", "AsyncEventStream", "Stream", "AsyncStream", "End", "EndCause"),
        *("SSEError", "LimitExceeded", "NotEventStream", "DecodeError", "ServerSentError"),
        *("IncompleteStream", "TransportError", "StreamTimeout", "Deadlines", "BrokenStage"),
        *("ParseError", "ProxyError"),
    }


def test_parsers_share_no_state() -> None:
    """Two parsers fed in turn, byte by byte, don't affect each other."""
    one, two = sseparse.Parser(), sseparse.Parser()
    body = "id: 1\ndata: é\n\n".encode()

    for at in range(len(body) - 1):
        one.feed(body[at : at + 1])
        two.feed(body[at : at + 1])
        assert sseparse.Parser().feed(b"data: x\n\n") == [sseparse.Event("x")]

    assert one.feed(body[-1:]) == two.feed(body[-1:]) == [sseparse.Event("é", id="1")]
