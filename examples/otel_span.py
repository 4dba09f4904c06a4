"""
Trace each answer as a span of OpenTelemetry, with the attributes for generative AI.

    pip install . httpx2 opentelemetry-sdk
    python examples/otel_span.py 'Count to 5.'

The server and the key are in OPENAI_BASE_URL and OPENAI_API_KEY. The spans are printed to
standard error. In your program, configure an exporter instead, and use `answer_span()`.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import httpx2
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from sseparse import ChatStream
from sseparse.timing import Timeline

MODEL = "gpt-4o-mini"


@contextmanager
def answer_span(
    tracer: trace.Tracer, model: str, *, provider: str = "openai"
) -> Generator[Timeline]:
    """
    Open the span of one request, and yield the timeline to pass to its stream.

    The span has times, token counts, finish reasons, and `error.type` if the request failed. It
    has no prompt, no answer and no message of an exception, which can contain them.
    """
    # The span ends with the block. OpenTelemetry would record the messages of exceptions.
    with tracer.start_as_current_span(
        f"chat {model}",
        kind=trace.SpanKind.CLIENT,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        timeline = Timeline()
        failure: str | None = None
        try:
            yield timeline
        except Exception as error:  # of the request or the stream
            failure = type(error).__qualname__
            raise
        finally:
            attributes = dict(timeline.otel_attributes(model=model, provider=provider))
            if failure is not None:  # also without a response, of which the timeline knows nothing
                attributes.setdefault("error.type", failure)
            if "error.type" in attributes:
                span.set_status(trace.StatusCode.ERROR)
            span.set_attributes(attributes)


def ask(client: httpx2.Client, tracer: trace.Tracer, prompt: str) -> str:
    """Return the answer to a prompt, and trace the request."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
        "stream_options": {"include_usage": True},  # the span gets the token counts
    }
    with (
        answer_span(tracer, MODEL) as timeline,
        client.stream("POST", "chat/completions", json=body) as response,
        ChatStream(response, timeline=timeline) as stream,
    ):
        return stream.result().text


def main() -> None:
    """Ask each argument, and print the answers and the spans."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)))
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    with httpx2.Client(base_url=os.environ["OPENAI_BASE_URL"], headers=headers) as client:
        for prompt in sys.argv[1:]:
            print(ask(client, provider.get_tracer("example"), prompt))
    provider.shutdown()


if __name__ == "__main__":
    main()
