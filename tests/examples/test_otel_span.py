"""Tests of the example `otel_span.py`."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sseparse import IncompleteStream
from sseparse.testing import Replay, ReplayServer

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

CHUNKS: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "delta": {"content": "s3cret"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}},
]
BODY = b"".join(
    b"data: " + json.dumps({"id": "r-1", "model": "m-1", **chunk}).encode() + b"\n\n"
    for chunk in CHUNKS
)
DONE = b"data: [DONE]\n\n"


def load(name: str) -> Any:
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"examples_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


otel_span = load("otel_span")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Iterator[Any]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("test")
    provider.shutdown()


def ask(answer: bytes | Replay, tracer: Any) -> str:
    with ReplayServer(answer) as server, httpx2.Client(base_url=server.url) as client:
        text: str = otel_span.ask(client, tracer, "pr0mpt")
    return text


def test_spans(exporter: InMemorySpanExporter, tracer: Any) -> None:
    """The span of an answer has the names of the conventions, and lasts until the answer's end."""
    with tracer.start_as_current_span("parent") as parent:
        assert ask(BODY + DONE, tracer) == "s3cret"
    span = exporter.get_finished_spans()[0]
    assert (span.name, span.kind.name, span.status.status_code.name) == (
        *("chat gpt-4o-mini", "CLIENT", "UNSET"),
    )
    assert span.parent is not None
    assert span.parent.span_id == parent.get_span_context().span_id
    attributes = dict(span.attributes or {})
    first: Any = attributes.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < first <= ((span.end_time or 0) - (span.start_time or 0)) / 1e9
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.id": "r-1",
        "gen_ai.response.model": "m-1",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 5,
    }


def test_failures(exporter: InMemorySpanExporter, tracer: Any) -> None:
    """A failed request has the status ERROR and a type, but neither prompt nor answer."""
    with pytest.raises(IncompleteStream):
        ask(BODY[:80], tracer)
    with httpx2.Client(base_url="http://127.0.0.1:1") as client:
        with pytest.raises(httpx2.ConnectError):
            otel_span.ask(client, tracer, "pr0mpt")
    spans = exporter.get_finished_spans()
    types = [dict(span.attributes or {})["error.type"] for span in spans]
    assert types == ["incomplete", "ConnectError"]
    for span in spans:
        assert span.status.status_code.name == "ERROR"
        assert not any(word in span.to_json() for word in ("s3cret", "pr0mpt"))


def test_the_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The example prints the answer and the span."""
    with ReplayServer(BODY + DONE) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setattr(sys, "argv", ["otel_span.py", "hi"])
        otel_span.main()
    out, err = capsys.readouterr()
    assert out == "s3cret\n"
    assert '"gen_ai.usage.output_tokens": 5' in err
