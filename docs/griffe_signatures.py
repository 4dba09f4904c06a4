"""Extension of griffe: complete signatures in the reference, with the value of each default."""

from __future__ import annotations

import enum
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import attrs
import griffe
import msgspec

# Where the parameters are that a function receives as `**options`, by the path of their type.
SOURCES = {
    "chunks._stream.StreamOptions": (
        "streams._sync.ItemStream.__init__",
        "chunks._stream.ChunkReader.__init__",
        "chunks._decoder.ChunkParser.__init__",
        "payloads._parser.ItemParser.__init__",
    ),
    "chunks._decoder.ChunkOptions": (
        "chunks._decoder.ChunkParser.__init__",
        "payloads._parser.ItemParser.__init__",
    ),
    "responses._stream.StreamOptions": (
        "streams._sync.ItemStream.__init__",
        "responses._stream.ResponseReader.__init__",
        "responses._decoder.ResponseParser.__init__",
        "payloads._parser.ItemParser.__init__",
    ),
    "responses._decoder.ResponseOptions": (
        "responses._decoder.ResponseParser.__init__",
        "payloads._parser.ItemParser.__init__",
    ),
    "messages._stream.StreamOptions": (
        "streams._sync.ItemStream.__init__",
        "messages._stream.MessageReader.__init__",
        "messages._decoder.MessageParser.__init__",
        "payloads._parser.ItemParser.__init__",
    ),
    "messages._decoder.MessageOptions": (
        "messages._decoder.MessageParser.__init__",
        "payloads._parser.ItemParser.__init__",
    ),
    "_options.ParserOptions": ("payloads._parser.ItemParser.__init__",),
    "_options.EventOptions": ("sse._parser.Parser.__init__",),
    "reconnect._session.EventSourceOptions": (
        "reconnect._session.BaseEventSource.__init__",
        "sse._parser.Parser.__init__",
    ),
    "adapters._request.RequestOptions": ("adapters._request.prepare_request",),
    "timing._otel.MetricOptions": ("timing._otel._common_values",),
}
HIDDEN = {"absent"}  # a field of models that only the library sets


class Signatures(griffe.Extension):
    """Write out the signatures that attrs, msgspec and `**options` leave implicit."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Complete the signatures of a package."""
        functions = []
        public = _public(pkg)
        # The compiled core has the same methods as the Python core, but no source to read.
        core = griffe.Alias("Interpreter", pkg["sse._core.Interpreter"])
        pkg["sse._parser"].set_member("Interpreter", core)
        for module in _modules(pkg):
            functions += module.functions.values()
            for cls in module.classes.values():
                kind = _runtime(cls)
                if kind in public and "__init__" not in cls.members and _has_fields(kind):
                    cls.set_member("__init__", _constructor(pkg, kind))
                functions += cls.functions.values()
                for attribute in cls.attributes.values():
                    if not attribute.is_alias:
                        attribute.annotation = _without_constraints(attribute.annotation)
        functions = [each for each in functions if not each.is_alias]
        for function in functions:
            _write_defaults(function)
        for function in functions:
            _write_options(pkg, function)
        # Docstrings are parsed while the signatures have both the options and `**options`.
        classes = [cls for each in _modules(pkg) for cls in each.classes.values()]
        arguments = {cls.path: _arguments(cls) for cls in classes if not cls.is_alias}
        for path in arguments:
            _write_arguments(pkg, path, arguments)
        for function in functions:
            for each in [each for each in function.parameters if _options(each)]:
                del function.parameters[each.name]


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for each in module.modules.values():
        if not each.is_alias and each.name not in {"cli", "__main__"}:
            yield from _modules(each)


def _public(pkg: griffe.Module) -> list[Any]:
    modules = [each for each in _modules(pkg) if "._" not in each.path]
    imported = [importlib.import_module(each.path) for each in modules]
    return [getattr(each, name) for each in imported for name in getattr(each, "__all__", ())]


def _runtime(found: griffe.Object) -> Any:
    value: Any = importlib.import_module(found.module.path)
    for name in found.path.removeprefix(f"{found.module.path}.").split("."):
        value = inspect.getattr_static(value, name, None)
    return getattr(value, "__func__", value)


def _has_fields(kind: Any) -> bool:
    return isinstance(kind, type) and (attrs.has(kind) or issubclass(kind, msgspec.Struct))


def _constructor(pkg: griffe.Module, kind: type) -> griffe.Function:
    positional = griffe.ParameterKind.positional_or_keyword
    parameters = griffe.Parameters(griffe.Parameter("self", kind=positional))
    for name, each in inspect.signature(kind).parameters.items():
        if name in HIDDEN:
            continue
        field = _field(pkg, kind, name)
        parameters.add(
            griffe.Parameter(
                name,
                annotation=_without_constraints(field.annotation),
                kind=positional
                if each.kind is each.POSITIONAL_OR_KEYWORD
                else griffe.ParameterKind.keyword_only,
                default=None if each.default is each.empty else _default(each.default, field),
            )
        )
    return griffe.Function("__init__", parameters=parameters)


def _field(pkg: griffe.Module, kind: type, name: str) -> griffe.Attribute:
    for base in kind.__mro__:
        for written in (name, f"_{name}"):  # attrs removes underscores in the constructor
            if written in inspect.get_annotations(base):
                path = f"{base.__module__}.{base.__name__}".removeprefix(f"{pkg.name}.")
                return pkg[path].members[written]
    raise LookupError(f"{kind.__name__} has no field {name}")


def _without_constraints(annotation: Any) -> Any:
    if isinstance(annotation, griffe.ExprSubscript) and str(annotation.left) == "Annotated":
        return annotation.slice.elements[0]
    return annotation


def _default(value: Any, field: griffe.Attribute | None = None) -> str:
    """Return the code of a default value, or `...` for a value that is computed."""
    if isinstance(value, enum.Enum) and value is not attrs.NOTHING:
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, frozenset):
        return f"frozenset({{{str(sorted(value))[1:-1]}}})" if value else "frozenset()"
    if value is None or isinstance(value, str | int | float | bytes | tuple):
        return repr(value)
    for each in getattr(getattr(field, "value", None), "arguments", ()):
        if getattr(each, "name", "") in {"factory", "default_factory"}:
            return str(each.value).partition("[")[0] + "()"
    return "..."


def _write_defaults(function: griffe.Function) -> None:
    if function.name == "__init__":
        function.overloads = None  # they only give exact types to type checkers
    runtime = _runtime(function)
    if not inspect.isfunction(runtime):
        return
    signature = inspect.signature(runtime).parameters
    for each in function.parameters:
        if each.name in signature and each.default is not None:
            value = _default(signature[each.name].default)
            private = str(each.default).startswith("_")
            each.default = value if value != "..." or private else each.default


def _options(parameter: griffe.DocstringParameter | griffe.Parameter) -> str:
    """Return the path of the options that a parameter unpacks, or ""."""
    annotation = parameter.annotation
    if isinstance(annotation, griffe.ExprSubscript) and str(annotation.left) == "Unpack":
        annotation = annotation.slice
    path = getattr(annotation, "canonical_path", "").partition(".")[2]
    return path if path in SOURCES else ""


def _write_options(pkg: griffe.Module, function: griffe.Function) -> None:
    for found in [found for each in function.parameters if (found := _options(each))]:
        allowed = _runtime(pkg[found]).__optional_keys__
        for option in (option for path in SOURCES[found] for option in pkg[path].parameters):
            if option.name in allowed and option.name not in function.parameters:
                function.parameters.add(option)


def _arguments(cls: griffe.Class) -> list[griffe.DocstringParameter]:
    """Return the documented arguments of a class."""
    sections = [] if cls.docstring is None else cls.docstring.parsed
    parameters = griffe.DocstringSectionKind.parameters
    return next((each.value for each in sections if each.kind is parameters), [])


def _write_arguments(
    pkg: griffe.Module, path: str, documented: dict[str, list[griffe.DocstringParameter]]
) -> None:
    """Replace the argument `options` by the options; asynchronous classes refer to the others."""
    arguments = documented[path]
    for each in [each for each in arguments if each.name == "options"]:
        name = _options(each)
        each.annotation = None
        if not name or path.rpartition(".")[2].startswith("Async"):
            continue
        arguments.remove(each)
        owners = [pkg[source].parent.path for source in SOURCES[name]]
        # By name: a class can refer to the options of another one, whose list is complete already.
        found = {found.name: found for owner in owners for found in documented.get(owner, ())}
        given = {"options", *(argument.name for argument in arguments)}
        allowed = pkg[path.removeprefix(f"{pkg.name}.")].parameters
        arguments += [each for name, each in found.items() if name in allowed and name not in given]
