"""Faults by name."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from sseparse.testing import FAULTS, Framing, Replay, ReplayServer, bomb, faulty

EVENTS = [b"data: 1\n\n", b"data: 2\n\n", b"data: [DONE]\n\n"]
BODY = b"".join(EVENTS)


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=30) as client:
        yield client


def get(client: httpx2.Client, replay: Replay) -> httpx2.Response:
    with ReplayServer(replay) as server:
        return client.get(server.url)


def test_names() -> None:
    """Every name has a description and a response. Other names raise ValueError."""
    for name, description in FAULTS.items():
        assert description
        assert isinstance(faulty(name, BODY), Replay)
    with pytest.raises(ValueError, match="name is 'closed'; give one of 'close', "):
        faulty("closed", BODY)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("close", Replay(BODY, fault="close", fault_after=2)),
        ("close-inside", Replay(BODY, fault="close-inside", fault_after=2)),
        ("close-before-body", Replay(BODY, fault="close", fault_after=0)),
        ("no-answer", Replay(BODY, fault="no-answer")),
        ("reset", Replay(BODY, fault="reset", fault_after=2)),
        ("stall", Replay(BODY, fault="stall", fault_after=2)),
        ("comments", Replay(BODY, fault="comments", fault_after=2)),
        ("left-open", Replay(BODY, fault="stall")),
        ("bad-chunk", Replay(BODY, fault="bad-chunk", fault_after=2)),
        (
            "short-length",
            Replay(BODY, framing="content-length", fault="close", fault_after=2),
        ),
        ("truncated-gzip", Replay(BODY, framing="gzip", fault="truncate", fault_after=2)),
        ("corrupt-gzip", Replay(BODY, framing="gzip", fault="corrupt", fault_after=2)),
    ],
)
def test_faults_on_the_wire(name: str, expected: Replay) -> None:
    """Faults of the connection are those of `Replay`, after the given number of events."""
    assert faulty(name, BODY, after=2) == expected


def test_after_more_events_than_the_body_has() -> None:
    """`after` above the number of events raises ValueError."""
    for name in ("close", "bomb"):
        with pytest.raises(ValueError, match="is 4; the body has 3 "):
            faulty(name, BODY, after=4)


def test_drip(client: httpx2.Client) -> None:
    """The fault "drip" sends each byte as a piece."""
    replay = faulty("drip", BODY)
    assert len(replay.cut()) == len(BODY)
    assert min(replay.waits()) > 0
    assert get(client, replay).content == BODY


def test_wrong_content_type(client: httpx2.Client) -> None:
    """The content type is wrong and the body is correct."""
    response = get(client, faulty("wrong-content-type", BODY))
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.content == BODY


def test_html(client: httpx2.Client) -> None:
    """The fault "html" sends a page like that of a proxy."""
    response = get(client, faulty("html", BODY))
    assert (response.status_code, response.headers["content-type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    assert response.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("name", "status"),
    [("json-error", 200), ("unauthorized", 401), ("rate-limited", 429), ("server-error", 500)],
)
def test_errors_as_json(client: httpx2.Client, name: str, status: int) -> None:
    """Errors as JSON have the fields of OpenAI's errors."""
    response = get(client, faulty(name, BODY))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = json.loads(response.content)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers.get("retry-after") == ("7" if name == "rate-limited" else None)


def test_no_content(client: httpx2.Client) -> None:
    """The fault "no-content" sends 204 without a body."""
    response = get(client, faulty("no-content", BODY))
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(("name", "status"), [("moved", 301), ("redirect", 307)])
def test_redirects(client: httpx2.Client, name: str, status: int) -> None:
    """Redirects point to `location`, and a client can follow them."""
    replays: dict[str, bytes | Replay] = {
        "/": faulty(name, BODY),
        "/a": faulty(name, BODY, location="/b"),
        "/b": BODY,
    }
    with ReplayServer(replays) as server:
        response = client.get(server.url)
        assert (response.status_code, response.headers["location"]) == (status, "/elsewhere")
        assert client.get(f"{server.url}/a", follow_redirects=True).content == BODY


@pytest.mark.parametrize("after", [0, 1, 3])
def test_bomb(client: httpx2.Client, after: int) -> None:
    """A bomb is a comment of 32 MiB, of which under 100 kB are sent."""
    with ReplayServer(faulty("bomb", BODY, after=after)) as server:
        with client.stream("GET", server.url) as response:
            body = b"".join(response.iter_bytes())
            on_the_wire = response.num_bytes_downloaded
    before, later = b"".join(EVENTS[:after]), b"".join(EVENTS[after:])
    assert body.startswith(before + b": 000")
    assert body.endswith(b"0\n\n" + later)
    assert len(body) == len(BODY) + 32 * 2**20 + 2
    assert on_the_wire < 100_000


@pytest.mark.parametrize("framing", ["gzip", "br", "zstd", "chunked"])
def test_bombs_of_other_kinds(client: httpx2.Client, framing: Framing) -> None:
    """A bomb can have another size and framing, and can be an event."""
    replay = bomb(size=100_000, line="data", framing=framing)
    assert get(client, replay).content == b"data: " + b"0" * 99_994 + b"\n\n"


def test_bomb_with_an_unknown_line() -> None:
    """An unknown line raises ValueError that lists the known ones."""
    with pytest.raises(ValueError, match="line is 'event'; give one of 'comment', 'data'"):
        bomb(line="event")  # type: ignore[arg-type] # misuse
