"""The text of a response as it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sseparse.responses import AsyncResponseStream, ResponseStream

from .events import body, completed, created, delta

DONE = {"type": "response.output_text.done", "item_id": "i0", "output_index": 0, "content_index": 0}


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([delta("a"), delta("b"), {**DONE, "text": "ab"}], ["a", "b"]),
        ([{**DONE, "text": "ab"}], ["ab"]),
        ([delta("a"), {"type": "keepalive"}], ["a"]),
    ],
    ids=["deltas", "only complete", "other events"],
)
@pytest.mark.anyio
async def test_texts(events: list[dict[str, Any]], texts: list[str]) -> None:
    """Each text is returned once, also if the server sends it only when it is complete."""
    data = body(created(), *events, completed())
    stream = ResponseStream([data])
    assert [*stream.text_deltas()] == texts
    assert stream.result().text == "".join(texts)

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    assert [text async for text in AsyncResponseStream(pieces()).text_deltas()] == texts
