"""When a lost stream is asked for again, by protocol."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sseparse import EndCause, Event, Parser
from sseparse.reconnect import (
    Decision,
    Fail,
    Kind,
    Read,
    ReconnectPolicy,
    ReconnectState,
    Retry,
    Stop,
    Verdict,
    retry_after,
)

STREAM = {"Content-Type": "text/event-stream"}
# Sat, 21 Nov 2026 00:00:00 GMT
NOW = 1795219200.0
ENDS = [EndCause.FINISHED, EndCause.INCOMPLETE, EndCause.TRANSPORT, EndCause.TIMEOUT]


def answered(policy: ReconnectPolicy, **start: Any) -> ReconnectState:
    state, verdict = policy.start(**start).on_response(200, STREAM, NOW, 0.0)
    assert verdict == Read()
    return state


def response_event(number: int | None, kind: str = "response.x", **more: Any) -> Event:
    body = {"type": kind, **more}
    if number is not None:
        body["sequence_number"] = number
    return Event(json.dumps(body), kind)


class TestRetryAfter:
    """The Retry-After headers."""

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"retry-after": "2"}, 2.0),
            ({"Retry-After": " 1.5 "}, 1.5),
            ({"retry-after": "0"}, 0.0),
            ({"retry-after-ms": "250"}, 0.25),
            ({"Retry-After-Ms": "250", "retry-after": "9"}, 0.25),
            ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
            ({"retry-after": "Sat, 21 Nov 2026 00:01:30 GMT"}, 90.0),
            ({"retry-after": "Saturday, 21-Nov-26 00:01:30 GMT"}, 90.0),
            ({"retry-after": "Sat Nov 21 00:01:30 2026"}, 90.0),
            ({"retry-after": "Tue Dec  1 00:00:00 2026"}, 864000.0),
            ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
            ({"retry-after": "Sunday, 06-Nov-94 08:49:37 GMT"}, 0.0),
            ({"retry-after": "9" * 400}, math.inf),
            ({"retry-after-ms": "9" * 400}, math.inf),
        ],
    )
    def test_readable(self, headers: Mapping[str, str], seconds: float | None) -> None:
        """Milliseconds before seconds before a date, in each of HTTP's three forms."""
        assert retry_after(headers, NOW) == seconds

    @pytest.mark.parametrize(
        "value",
        [
            *("", "-1", "+1", "inf", "nan", "1e400", "1_0", "\u0661", "soon", ".5"),
            "Sat, 32 Nov 2026 00:00:00 GMT",
            "Sat, 21 Nix 2026 00:00:00 GMT",
            "Sat, 21 Nov 2026 00:00:00 CET",
            "Sat, 21 Nov 0000 00:00:00 GMT",
        ],
    )
    def test_unreadable(self, value: str) -> None:
        """What is neither a number nor a date is as good as no header."""
        assert retry_after({"retry-after": value}, NOW) is None

    @given(st.text() | st.from_regex(r"[0-9A-Za-z :,.+-]*"), st.floats(0, 1e10))
    def test_anything(self, value: str, now: float) -> None:
        """Whatever comes, the answer is None or a number of seconds not below 0."""
        seconds = retry_after({"retry-after": value, "retry-after-ms": value}, now)
        assert seconds is None or seconds >= 0


class TestOptions:
    """The options of a policy."""

    @pytest.mark.parametrize(
        "options",
        [
            *({"base": -1}, {"base": math.nan}, {"cap": math.inf}, {"retry_cap": math.inf}),
            *({"honor_retry_after": -1}, {"factor": 0.5}, {"factor": math.inf}),
            *({"jitter": -0.1}, {"jitter": 1.1}, {"base": 5, "cap": 1}, {"max_attempts": -1}),
            {"reset_on": "never"},
        ],
    )
    def test_refused(self, options: dict[str, Any]) -> None:
        """What no policy could keep to is a ValueError that names the option."""
        with pytest.raises(ValueError, match=f"^{list(options)[-1]} is "):
            ReconnectPolicy(**options)

    @pytest.mark.parametrize(
        "seed", ["a\rb", "a\nb", "a\0b", "\x7f", " \t", "\ud800", "a" * 8193, "é" * 4097]
    )
    def test_seeds_refused(self, seed: str) -> None:
        """An ID to begin with that can be no header is the caller's mistake."""
        with pytest.raises(ValueError, match="last_event_id") as raised:
            ReconnectPolicy().start(seed)
        assert len(str(raised.value)) < 300

    @pytest.mark.parametrize("kind", [Kind.EVENTSOURCE, Kind.MCP_2025_11])
    def test_large_ids(self, kind: Kind) -> None:
        """An ID of more than 8,192 bytes is in no header, and the state says why."""
        for last_event_id, sent in [
            *((" " + "a" * 8192, True), ("a" * 8193, False), ("a" * 70_000, False)),
            *(("é" * 4096, True), ("é" * 4097, False)),
        ]:
            state, _ = answered(ReconnectPolicy(kind)).on_event(Event("x", id=last_event_id))
            assert (b"Last-Event-ID" in state.headers) is sent
            assert (state.header_error is None) is sent
            _, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=None)
            if kind is Kind.EVENTSOURCE or sent:
                assert isinstance(decision, Retry)
                assert decision.headers == state.headers
            else:
                assert decision == Fail("no_cursor")
        error = state.header_error
        assert error is not None
        assert (error.limit, error.maximum) == ("last_event_id", 8192)

    def test_ids_of_other_kinds(self) -> None:
        """Where no ID is ever sent, none is too large."""
        state, _ = answered(ReconnectPolicy(Kind.NEVER)).on_event(Event("x", id="a" * 8193))
        assert (state.headers, state.header_error) == ({}, None)

    def test_values(self) -> None:
        """Policies are values: equal when their options are, and usable as keys."""
        assert {ReconnectPolicy(): 1}[ReconnectPolicy(Kind.EVENTSOURCE)] == 1


class TestDelay:
    """How long to wait."""

    def test_growth(self) -> None:
        """The first wait is the base; each further one without progress grows, up to the cap."""
        policy = ReconnectPolicy(base=1, factor=3, cap=10, jitter=0)
        assert [policy.delay(n, 0.9, retry=None) for n in range(5)] == [1, 3, 9, 10, 10]
        assert policy.delay(10**6, 0.9, retry=None) == 10
        # A float's power overflows.
        policy = ReconnectPolicy(base=1, factor=2.5, cap=10, jitter=0)
        assert policy.delay(1000, 0.9, retry=None) == 10
        policy = ReconnectPolicy(base=0.0, factor=2.5, cap=10, least=0, jitter=0)
        assert policy.delay(1000, 0.9, retry=None) == 0
        assert ReconnectPolicy(base=0, cap=0, least=0).delay(10**6, 0.9, retry=None) == 0

    def test_jitter(self) -> None:
        """Chance takes away up to `jitter` of a wait, and never of what the server asked for."""
        policy = ReconnectPolicy(base=8, jitter=0.5)
        assert policy.delay(0, 0.0, retry=None) == 8
        assert policy.delay(0, 0.5, retry=None) == 6
        assert policy.delay(0, 0.5, retry=8000) == 8
        assert policy.delay(1, 0.5, retry=8000) == 12
        assert policy.delay(0, 0.5, retry=None, at_least=7.5) == 7.5

    def test_retry(self) -> None:
        """The server's time takes the place of the base, beyond the cap too, to retry_cap."""
        policy = ReconnectPolicy(base=1, cap=30, jitter=0, retry_cap=100)
        assert policy.delay(0, 0, retry=250) == 0.25
        assert policy.delay(0, 0, retry=60_000) == 60
        assert policy.delay(0, 0, retry=10**600) == 100

    def test_no_hot_loop(self) -> None:
        """`retry: 0` makes the shortest wait, once; without progress the base counts again."""
        policy = ReconnectPolicy(base=1, factor=2, jitter=0)
        assert [policy.delay(n, 0, retry=0) for n in range(3)] == [0.05, 2, 4]
        assert ReconnectPolicy(least=0).delay(0, 0, retry=0) == 0

    @given(
        st.integers(0, 10**9),
        st.floats(0, 1, exclude_max=True),
        st.none() | st.integers(0, 10**400),
        st.floats(0, 100),
    )
    def test_bounds(self, attempts: int, rnd: float, retry: int | None, at_least: float) -> None:
        """No wait is below what was asked for, nor above the cap and what was asked for."""
        policy = ReconnectPolicy(base=0.5, factor=1.5, cap=20, jitter=1, retry_cap=50)
        asked = max(at_least, min(retry or 0, 50_000) / 1000)
        delay = policy.delay(attempts, rnd, retry=retry, at_least=at_least)
        assert asked <= delay <= max(20, asked)


class TestEventSource:
    """WHATWG HTML, 9.2.3."""

    policy = ReconnectPolicy(jitter=0)

    @pytest.mark.parametrize("status", [201, 205, 210, 299, 301, 404, 410, 429, 500, 503])
    def test_statuses(self, status: int) -> None:
        """Any status but 200 fails for good, and stays so; no header changes that."""
        headers = {**STREAM, "Retry-After": "1", "x-should-retry": "true"}
        state, verdict = self.policy.start().on_response(status, headers, NOW, 0.0)
        assert verdict == Fail("status")
        assert state.on_end(EndCause.TRANSPORT, 0.0, parser=None) == (state, verdict)
        assert state.on_response(200, STREAM, NOW, 0.0) == (state, verdict)

    def test_no_content(self) -> None:
        """204 stops for good."""
        state, verdict = self.policy.start().on_response(204, {}, NOW, 0.0)
        assert verdict == Stop("no_content")
        assert state.outcome == verdict

    @pytest.mark.parametrize(
        ("content_type", "verdict"),
        [
            ("text/event-stream", Read()),
            ("TEXT/Event-Stream ; charset=windows-1251", Read()),
            ("text/event-stream;", Read()),
            ("text/event-streamx", Fail("content_type")),
            ("text/html", Fail("content_type")),
            ("", Fail("content_type")),
            (None, Fail("content_type")),
        ],
    )
    def test_content_types(self, content_type: str | None, verdict: Verdict) -> None:
        """The type has to be text/event-stream; its parameters do not matter."""
        headers = {} if content_type is None else {"content-type": content_type}
        assert self.policy.start().on_response(200, headers, NOW, 0.0)[1] == verdict

    @pytest.mark.parametrize("cause", ENDS)
    def test_ends(self, cause: EndCause) -> None:
        """However the connection ended, it is made again, with the last event ID."""
        state = answered(self.policy)
        state, _ = state.on_event(Event("x", id="5"))
        _, decision = state.on_end(cause, 0.0, parser=None)
        assert decision == Retry(1.0, headers={b"Last-Event-ID": b"5"})
        assert hash(decision) == hash(Retry(1.0))

    @pytest.mark.parametrize(
        ("cause", "decision"),
        [
            (EndCause.DONE, Stop("finished")),
            (EndCause.CANCELLED, Stop("cancelled")),
            (EndCause.SERVER_ERROR, Fail("server_error")),
            (EndCause.NOT_A_STREAM, Fail("not_a_stream")),
        ],
    )
    def test_ends_for_good(self, cause: EndCause, decision: Decision) -> None:
        """What was no lost connection is not asked for again."""
        state, decided = answered(self.policy).on_end(cause, 0.0, parser=None)
        assert (decided, state.outcome) == (decision, decision)

    def test_blocks_without_data(self) -> None:
        """What the parser knows of an id and a retry without data counts; so does an empty id."""
        parser = Parser()
        state = answered(self.policy)
        parser.feed(b"id: 7\nretry: 2500\n\ndata: cut off")
        state, decision = state.on_end(EndCause.INCOMPLETE, 0.0, parser=parser)
        assert decision == Retry(2.5, headers={b"Last-Event-ID": b"7"})

        parser.reset()
        parser.feed(b"id\n\n")
        state, decision = state.on_end(EndCause.FINISHED, 0.0, parser=parser)
        assert decision == Retry(2.5)

    def test_ids_as_headers(self) -> None:
        """An ID goes out as UTF-8 without blanks around it; one with control characters not."""
        for last_event_id, sent in {
            "é…": "é…".encode(),
            " a\tb ": b"a\tb",
            "a\nb": None,
            "a\x0bb": None,
            "\ud800": None,
            " ": None,
        }.items():
            state, _ = answered(self.policy).on_event(Event("x", id=last_event_id))
            assert state.headers == ({} if sent is None else {b"Last-Event-ID": sent})

    def test_statuses_of_ones_own(self) -> None:
        """A policy may call statuses passing, and then waits as Retry-After says, to a limit."""
        policy = ReconnectPolicy(jitter=0, retry_statuses=frozenset({503}))
        state = policy.start("seed")
        state, verdict = state.on_response(503, {"retry-after": "7"}, NOW, 0.0)
        assert verdict == Retry(7.0, headers={b"Last-Event-ID": b"seed"})
        state, verdict = state.on_response(503, {}, NOW, 0.0)
        assert verdict == Retry(2.0, headers={b"Last-Event-ID": b"seed"})
        state, verdict = state.on_response(503, {"retry-after": "121"}, NOW, 0.0)
        assert verdict == Fail("retry_after")

    def test_terminator(self) -> None:
        """The terminal event, told by its data or by a function, ends the stream for good."""
        for terminator in ("[DONE]", lambda event: event.data == "[DONE]"):
            state = answered(ReconnectPolicy(terminator=terminator))
            state, _ = state.on_event(Event("x"))
            assert state.outcome is None
            state, replayed = state.on_event(Event("[DONE]", id="9"))
            assert (state.outcome, state.last_event_id, replayed) == (Stop("finished"), "9", False)
            assert state.on_event(Event("late", id="10")) == (state, False)
            assert state.on_end(EndCause.TRANSPORT, 0.0, parser=None) == (state, state.outcome)

    def test_attempts(self) -> None:
        """Events start the count anew; without them the policy gives up."""
        policy = ReconnectPolicy(max_attempts=2, jitter=0)
        state = answered(policy)
        delays = []
        for event in (None, Event("x"), None, None):
            if event:
                state, _ = state.on_event(event)
            state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=None)
            delays.append(decision.delay if isinstance(decision, Retry) else decision)
        assert delays == [1, 1, 2, Fail("attempts")]

    def test_reset_on_response(self) -> None:
        """Where an answer is progress, it starts the count anew."""
        state = ReconnectPolicy(reset_on="response", jitter=0).start()
        for _ in range(3):
            state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=None)
            assert decision == Retry(1.0)
            state, _ = state.on_response(200, STREAM, NOW, 0.0)

    def test_nothing_new(self) -> None:
        """An event that changes nothing costs no new state."""
        state = answered(self.policy)
        assert state.on_event(Event("x"))[0] is state


class TestResponses:
    """OpenAI's Responses API."""

    policy = ReconnectPolicy(Kind.RESPONSES, jitter=0)

    def test_resume(self) -> None:
        """A lost stream is resumed by GET after the highest number; replays are told."""
        state = answered(self.policy)
        created = response_event(0, "response.created", response={"id": "resp_1"})
        state, _ = state.on_event(created)
        state, replayed = state.on_event(response_event(1))
        assert (state.response_id, state.sequence_number, replayed) == ("resp_1", 1, False)
        state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=None)
        assert decision == Retry(1.0, "GET", {}, {"stream": "true", "starting_after": "1"})

        assert state.on_event(response_event(1)) == (state, True)
        state, replayed = state.on_event(response_event(2))
        assert (state.sequence_number, state.attempts, replayed) == (2, 0, False)

    @pytest.mark.parametrize("kind", ["completed", "failed", "incomplete"])
    def test_terminal(self, kind: str) -> None:
        """A terminal event ends it."""
        state, _ = answered(self.policy).on_event(response_event(3, f"response.{kind}"))
        assert state.outcome == Stop("finished")

    def test_error(self) -> None:
        """So does an error event, badly."""
        state, _ = answered(self.policy).on_event(response_event(3, "error"))
        assert state.outcome == Fail("server_error")

    @pytest.mark.parametrize("data", ["", "{", "[]", '{"sequence_number": true}', "[" * 100_000])
    def test_odd_events(self, data: str) -> None:
        """Events without a number leave the place where it was; their type may be SSE's."""
        state, replayed = answered(self.policy, sequence_number=4).on_event(Event(data))
        assert (state.sequence_number, replayed) == (4, False)
        state, _ = state.on_event(Event(data, "response.completed"))
        assert state.outcome == Stop("finished")

    def test_before_the_first_number(self) -> None:
        """Without an answer the request is repeated; with one and no number, it is lost."""
        _, decision = self.policy.start().on_end(EndCause.TRANSPORT, 0.0, parser=None)
        assert decision == Retry(1.0)
        _, decision = answered(self.policy).on_end(EndCause.TRANSPORT, 0.0, parser=None)
        assert decision == Fail("no_cursor")

    def test_statuses(self) -> None:
        """A resumption that a passing status meets is tried again."""
        state, verdict = self.policy.start(sequence_number=4).on_response(503, {}, NOW, 0.0)
        assert verdict == Retry(1.0, "GET", {}, {"stream": "true", "starting_after": "4"})
        assert state.on_response(404, {}, NOW, 0.0)[1] == Fail("status")


class TestMCP:
    """The Model Context Protocol, 2025-11-25."""

    policy = ReconnectPolicy(Kind.MCP_2025_11, jitter=0)

    def test_priming(self) -> None:
        """An id without data is enough to go on from; retry is respected; polling is no failure."""
        parser = Parser()
        state = answered(self.policy)
        parser.feed(b"id: prime\nretry: 4000\ndata:\n\n")
        for _ in range(10):
            state, decision = state.on_end(EndCause.FINISHED, 0.0, parser=parser)
            assert decision == Retry(4.0, "GET", {b"Last-Event-ID": b"prime"})
            state, _ = state.on_response(200, STREAM, NOW, 0.0)

    @pytest.mark.parametrize(
        ("status", "verdict"),
        [
            (204, Stop("no_content")),
            (404, Stop("gone")),
            (405, Stop("not_offered")),
            (400, Fail("status")),
            (503, Retry(1.0, "GET", {b"Last-Event-ID": b"a"})),
        ],
    )
    def test_statuses(self, status: int, verdict: Verdict) -> None:
        """404 is the end of the session, 405 of the offer."""
        assert self.policy.start("a").on_response(status, {}, NOW, 0.0)[1] == verdict

    def test_without_an_id(self) -> None:
        """A request that may have called a tool is never repeated."""
        start = self.policy.start()
        assert start.on_end(EndCause.TRANSPORT, 0.0, parser=None)[1] == Fail("no_cursor")
        assert start.on_response(503, {}, NOW, 0.0)[1] == Fail("status")
        json_body = {"content-type": "application/json"}
        assert start.on_response(200, json_body, NOW, 0.0)[1] == Fail("content_type")


class TestNever:
    """Chat completions."""

    policy = ReconnectPolicy(Kind.NEVER, jitter=0)

    @pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
    def test_passing(self, status: int) -> None:
        """Before an answer a passing status is retried, as the server's headers say."""
        start = self.policy.start()
        assert start.on_response(status, {}, NOW, 0.0)[1] == Retry(1.0)
        headers = {"retry-after-ms": "3000"}
        assert start.on_response(status, headers, NOW, 0.0)[1] == Retry(3.0)
        headers = {"X-Should-Retry": "false"}
        assert start.on_response(status, headers, NOW, 0.0)[1] == Fail("status")

    def test_other_statuses(self) -> None:
        """Other failures are not, unless the server says so; any success is read."""
        start = self.policy.start()
        assert start.on_response(400, {}, NOW, 0.0)[1] == Fail("status")
        assert start.on_response(400, {"x-should-retry": "true"}, NOW, 0.0)[1] == Retry(1.0)
        assert start.on_response(201, {}, NOW, 0.0)[1] == Read()
        assert start.on_response(204, {}, NOW, 0.0)[1] == Stop("no_content")

    def test_connection_failed(self) -> None:
        """A connection that failed before any answer is tried again, so often."""
        state = self.policy.start("not sent")
        for delay in (1, 2, 4, 8, 16):
            state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=None)
            assert decision == Retry(delay)
        assert state.on_end(EndCause.TIMEOUT, 0.0, parser=None)[1] == Fail("attempts")

    @pytest.mark.parametrize("cause", [EndCause.INCOMPLETE, EndCause.TRANSPORT, EndCause.TIMEOUT])
    def test_mid_stream(self, cause: EndCause) -> None:
        """Once the answer began, it is never asked for again."""
        state = answered(self.policy)
        assert state.on_end(cause, 0.0, parser=None)[1] == Fail("mid_stream")
        state, _ = state.on_event(Event("{}"))
        assert state.on_end(cause, 0.0, parser=None)[1] == Fail("mid_stream")

    def test_finished(self) -> None:
        """An answer with its finish reasons is whole."""
        for cause in (EndCause.FINISHED, EndCause.DONE):
            decision = answered(self.policy).on_end(cause, 0.0, parser=None)[1]
            assert decision == Stop("finished")


IDS = st.text(max_size=4) | st.sampled_from(["", "1", "a\nb", "a\0", "\r", "é", " 7 ", "\x7f"])
RANDOM = st.floats(0, 1, exclude_max=True)
STEPS = st.one_of(
    st.tuples(
        st.just("response"),
        st.sampled_from([200, 200, 200, 204, 404, 429, 503]),
        st.sampled_from([STREAM, {**STREAM, "retry-after": "5"}, {"retry-after": "500"}]),
        RANDOM,
    ),
    st.tuples(st.just("event"), IDS, st.none() | st.integers(0, 10**6), st.integers(0, 9)),
    st.tuples(st.just("end"), st.sampled_from([*ENDS, *EndCause]), RANDOM, st.none() | IDS),
)
TRACES = st.lists(STEPS, max_size=30)
POLICIES = st.builds(
    ReconnectPolicy,
    st.sampled_from(Kind),
    base=st.floats(0, 2),
    factor=st.floats(1, 4),
    cap=st.floats(2, 40),
    jitter=st.floats(0, 1),
    max_attempts=st.none() | st.integers(0, 4),
    reset_on=st.sampled_from(["event", "response"]),
    retry_cap=st.floats(0, 100),
    honor_retry_after=st.floats(0, 100),
    terminator=st.none() | st.just("9"),
)


class Known:
    """What a parser knows."""

    def __init__(self, last_event_id: str) -> None:
        self.last_event_id = last_event_id
        self.retry = None


def event_of(step: Any) -> Event:
    _, last_event_id, retry, number = step
    return Event(json.dumps({"sequence_number": number}), id=last_event_id, retry=retry)


def take(state: ReconnectState, step: Any) -> tuple[ReconnectState, Any]:
    if step[0] == "response":
        return state.on_response(step[1], step[2], NOW, step[3])
    if step[0] == "event":
        return state.on_event(event_of(step))
    known = None if step[3] is None else Known(step[3])
    return state.on_end(step[1], step[2], parser=known)


def run(policy: ReconnectPolicy, trace: list[Any]) -> list[tuple[ReconnectState, Any]]:
    state = policy.start()
    steps = []
    for step in trace:
        state, said = take(state, step)
        steps.append((state, said))
    return steps


class TestProperties:
    """What holds of every policy over every trace."""

    @given(POLICIES, TRACES)
    def test_the_end_is_the_end(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """After Stop or Fail, and after 204 and a terminal event, nothing else is ever said."""
        outcome = None
        for (state, said), step in zip(run(policy, trace), trace, strict=True):
            if outcome is not None:
                assert state.outcome == outcome
                assert said == (False if step[0] == "event" else outcome)
            outcome = state.outcome
            assert not (step[:2] == ("response", 204) and outcome is None)

    @given(POLICIES, TRACES)
    def test_delays(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """No delay is below 0 or above the largest cap."""
        most = max(policy.cap, policy.retry_cap, policy.honor_retry_after)
        for _, said in run(policy, trace):
            if isinstance(said, Retry):
                assert 0 <= said.delay <= most

    @given(POLICIES, TRACES)
    def test_ids(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """The ID is the one last committed, and goes out only where it can be a header."""
        committed = ""
        ended = False
        for (state, said), step in zip(run(policy, trace), trace, strict=True):
            replayed = step[0] == "event" and said
            if step[0] == "event" and not replayed and not ended:
                committed = step[1]
            elif step[0] == "end" and step[3] is not None and not ended:
                committed = step[3]
            ended = state.outcome is not None
            assert state.last_event_id == committed
            headers = said.headers if isinstance(said, Retry) else state.headers
            for value in headers.values():
                assert value.decode() == committed.strip(" \t") != ""
                assert not set(value) & {*range(9), *range(10, 32), 127}

    @given(POLICIES, TRACES)
    def test_attempts(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """Between one progress and the next there are no more retries than allowed."""
        retries = 0
        before = policy.start()
        for (state, said), step in zip(run(policy, trace), trace, strict=True):
            event = step[0] == "event" and not said
            answer = policy.reset_on == "response" and isinstance(said, Read)
            if event or answer or state.last_event_id != before.last_event_id:
                retries = 0
            retries += isinstance(said, Retry)
            assert policy.max_attempts is None or retries <= policy.max_attempts
            before = state

    @given(POLICIES, TRACES)
    def test_replay(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """The same trace gives the same states and the same words."""
        assert run(policy, trace) == run(policy, trace)

    @given(TRACES)
    def test_chat_is_never_repeated(self, trace: list[Any]) -> None:
        """Once an event came, or the answer it could come in, no request follows."""
        begun = False
        for (_, said), step in zip(run(ReconnectPolicy(Kind.NEVER), trace), trace, strict=True):
            assert not (begun and isinstance(said, Retry))
            begun = begun or step[0] == "event" or isinstance(said, Read)

    @given(st.sampled_from(["a", "é", "0"]), st.integers(1, 5))
    def test_drops_before_any_event(self, seed: str, drops: int) -> None:
        """However often the connection drops before a new event, the seed is sent."""
        parser = Parser(last_event_id=seed)
        state = ReconnectPolicy().start(seed)
        for _ in range(drops):
            state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=parser)
            assert isinstance(decision, Retry)
            assert decision.headers == {b"Last-Event-ID": seed.encode()}
            parser.reset()
