"""A fault by name is the answer that its description tells of."""

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


def test_every_name_has_a_description_and_an_answer() -> None:
    """And no other name has one."""
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
    """They are those of `Replay`, after so many events."""
    assert faulty(name, BODY, after=2) == expected


def test_a_fault_cannot_come_after_more_events_than_there_are() -> None:
    """Whichever it is."""
    for name in ("close", "bomb"):
        with pytest.raises(ValueError, match="is 4; number of "):
            faulty(name, BODY, after=4)


def test_drip(client: httpx2.Client) -> None:
    """Each byte is a piece of its own."""
    replay = faulty("drip", BODY)
    assert len(replay.cut()) == len(BODY)
    assert min(replay.waits()) > 0
    assert get(client, replay).content == BODY


def test_wrong_content_type(client: httpx2.Client) -> None:
    """The body is as it should be."""
    response = get(client, faulty("wrong-content-type", BODY))
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.content == BODY


def test_html(client: httpx2.Client) -> None:
    """A page, as a proxy gives it."""
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
    """In the shape that OpenAI gives them."""
    response = get(client, faulty(name, BODY))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = json.loads(response.content)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers.get("retry-after") == ("7" if name == "rate-limited" else None)


def test_no_content(client: httpx2.Client) -> None:
    """A status without a body."""
    response = get(client, faulty("no-content", BODY))
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(("name", "status"), [("moved", 301), ("redirect", 307)])
def test_redirects(client: httpx2.Client, name: str, status: int) -> None:
    """They point where they are told to, and a client that follows gets there."""
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
    """32 MiB in one comment between the events, and next to nothing on the wire."""
    with ReplayServer(faulty("bomb", BODY, after=after)) as server:
        with client.stream("GET", server.url) as response:
            body = b"".join(response.iter_bytes())
            on_the_wire = response.num_bytes_downloaded
    before, behind = b"".join(EVENTS[:after]), b"".join(EVENTS[after:])
    assert body.startswith(before + b": 000")
    assert body.endswith(b"0\n\n" + behind)
    assert len(body) == len(BODY) + 32 * 2**20 + 2
    assert on_the_wire < 100_000


@pytest.mark.parametrize("framing", ["gzip", "br", "zstd", "chunked"])
def test_bombs_of_other_kinds(client: httpx2.Client, framing: Framing) -> None:
    """Of another size, compressed in another way, as an event."""
    replay = bomb(size=100_000, line="data", framing=framing)
    assert get(client, replay).content == b"data: " + b"0" * 99_994 + b"\n\n"


def test_a_bomb_is_one_of_two_lines() -> None:
    """Else it says which."""
    with pytest.raises(ValueError, match="line is 'event'; give one of 'comment', 'data'"):
        bomb(line="event")  # type: ignore[arg-type] # what is tested
