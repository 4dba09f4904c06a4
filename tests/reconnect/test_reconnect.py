"""Reconnection policy of each protocol."""

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
    ResponseDecision,
    Retry,
    Stop,
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
    def test_valid_values(self, headers: Mapping[str, str], seconds: float | None) -> None:
        """Milliseconds take precedence; dates are read in each of HTTP's three formats."""
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
    def test_invalid_values(self, value: str) -> None:
        """A value that is neither a number nor a date is ignored."""
        assert retry_after({"retry-after": value}, NOW) is None

    @given(st.text() | st.from_regex(r"[0-9A-Za-z :,.+-]*"), st.floats(0, 1e10))
    def test_any_value(self, value: str, now: float) -> None:
        """Any value leads to None or to seconds that aren't negative."""
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
    def test_invalid_options(self, options: dict[str, Any]) -> None:
        """An option out of range raises a ValueError that names it."""
        with pytest.raises(ValueError, match=f"^{list(options)[-1]} is "):
            ReconnectPolicy(**options)

    @pytest.mark.parametrize(
        "last_event_id", ["a\rb", "a\nb", "a\0b", "\x7f", " \t", "\ud800", "a" * 8193, "é" * 4097]
    )
    def test_invalid_first_ids(self, last_event_id: str) -> None:
        """A first ID that can't be sent as a header raises ValueError."""
        with pytest.raises(ValueError, match="last_event_id") as raised:
            ReconnectPolicy().start(last_event_id)
        assert len(str(raised.value)) < 300

    @pytest.mark.parametrize("kind", [Kind.EVENTSOURCE, Kind.MCP_2025_11])
    def test_large_ids(self, kind: Kind) -> None:
        """An ID of more than 8,192 bytes isn't sent, and `header_error` is set."""
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

    def test_large_ids_that_are_never_sent(self) -> None:
        """A protocol that sends no IDs reports no error for large ones."""
        state, _ = answered(ReconnectPolicy(Kind.NEVER)).on_event(Event("x", id="a" * 8193))
        assert (state.headers, state.header_error) == ({}, None)

    def test_equality(self) -> None:
        """Policies with equal options are equal and have the same hash."""
        assert {ReconnectPolicy(): 1}[ReconnectPolicy(Kind.EVENTSOURCE)] == 1


class TestDelay:
    """The delay before a request."""

    def test_growth(self) -> None:
        """The first delay is the base; further ones without progress grow up to the cap."""
        policy = ReconnectPolicy(base=1, factor=3, cap=10, jitter=0)
        assert [policy.delay(n, 0.9, retry=None) for n in range(5)] == [1, 3, 9, 10, 10]
        assert policy.delay(10**6, 0.9, retry=None) == 10
        # The power of a float overflows.
        policy = ReconnectPolicy(base=1, factor=2.5, cap=10, jitter=0)
        assert policy.delay(1000, 0.9, retry=None) == 10
        policy = ReconnectPolicy(base=0.0, factor=2.5, cap=10, least=0, jitter=0)
        assert policy.delay(1000, 0.9, retry=None) == 0
        assert ReconnectPolicy(base=0, cap=0, least=0).delay(10**6, 0.9, retry=None) == 0

    def test_jitter(self) -> None:
        """Jitter shortens a delay by at most its part, but never below the server's request."""
        policy = ReconnectPolicy(base=8, jitter=0.5)
        assert policy.delay(0, 0.0, retry=None) == 8
        assert policy.delay(0, 0.5, retry=None) == 6
        assert policy.delay(0, 0.5, retry=8000) == 8
        assert policy.delay(1, 0.5, retry=8000) == 12
        assert policy.delay(0, 0.5, retry=None, at_least=7.5) == 7.5

    def test_retry(self) -> None:
        """The server's time replaces the base, even above the cap, up to `retry_cap`."""
        policy = ReconnectPolicy(base=1, cap=30, jitter=0, retry_cap=100)
        assert policy.delay(0, 0, retry=250) == 0.25
        assert policy.delay(0, 0, retry=60_000) == 60
        assert policy.delay(0, 0, retry=10**600) == 100

    def test_no_hot_loop(self) -> None:
        """`retry: 0` leads to the shortest delay once; without progress the base applies again."""
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
        """No delay is below the server's request, or above both the cap and this request."""
        policy = ReconnectPolicy(base=0.5, factor=1.5, cap=20, jitter=1, retry_cap=50)
        asked = max(at_least, min(retry or 0, 50_000) / 1000)
        delay = policy.delay(attempts, rnd, retry=retry, at_least=at_least)
        assert asked <= delay <= max(20, asked)


class TestEventSource:
    """WHATWG HTML, 9.2.3."""

    policy = ReconnectPolicy(jitter=0)

    @pytest.mark.parametrize("status", [201, 205, 210, 299, 301, 404, 410, 429, 500, 503])
    def test_statuses(self, status: int) -> None:
        """Any status but 200 fails permanently; no header changes that."""
        headers = {**STREAM, "Retry-After": "1", "x-should-retry": "true"}
        state, verdict = self.policy.start().on_response(status, headers, NOW, 0.0)
        assert verdict == Fail("status")
        assert state.on_end(EndCause.TRANSPORT, 0.0, parser=None) == (state, verdict)
        assert state.on_response(200, STREAM, NOW, 0.0) == (state, verdict)

    def test_no_content(self) -> None:
        """Status 204 stops permanently."""
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
    def test_content_types(self, content_type: str | None, verdict: ResponseDecision) -> None:
        """The type must be text/event-stream; its parameters don't matter."""
        headers = {} if content_type is None else {"content-type": content_type}
        assert self.policy.start().on_response(200, headers, NOW, 0.0)[1] == verdict

    @pytest.mark.parametrize("cause", ENDS)
    def test_ends(self, cause: EndCause) -> None:
        """Any end of a connection leads to a reconnection with the last event ID."""
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
    def test_final_ends(self, cause: EndCause, decision: Decision) -> None:
        """An end that isn't a lost connection doesn't lead to a reconnection."""
        state, decided = answered(self.policy).on_end(cause, 0.0, parser=None)
        assert (decided, state.outcome) == (decision, decision)

    def test_blocks_without_data(self) -> None:
        """`id` and `retry` of a block without data count; an empty id resets the ID."""
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
        """An ID is sent as UTF-8 without blanks around it, unless it has control characters."""
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

    def test_retry_statuses(self) -> None:
        """A policy can retry statuses; it waits as Retry-After requests, up to a limit."""
        policy = ReconnectPolicy(jitter=0, retry_statuses=frozenset({503}))
        state = policy.start("seed")
        state, verdict = state.on_response(503, {"retry-after": "7"}, NOW, 0.0)
        assert verdict == Retry(7.0, headers={b"Last-Event-ID": b"seed"})
        state, verdict = state.on_response(503, {}, NOW, 0.0)
        assert verdict == Retry(2.0, headers={b"Last-Event-ID": b"seed"})
        state, verdict = state.on_response(503, {"retry-after": "121"}, NOW, 0.0)
        assert verdict == Fail("retry_after")

    def test_terminator(self) -> None:
        """The terminal event, found by its data or by a function, ends the stream."""
        for terminator in ("[DONE]", lambda event: event.data == "[DONE]"):
            state = answered(ReconnectPolicy(terminator=terminator))
            state, _ = state.on_event(Event("x"))
            assert state.outcome is None
            state, replayed = state.on_event(Event("[DONE]", id="9"))
            assert (state.outcome, state.last_event_id, replayed) == (Stop("finished"), "9", False)
            assert state.on_event(Event("late", id="10")) == (state, False)
            assert state.on_end(EndCause.TRANSPORT, 0.0, parser=None) == (state, state.outcome)

    def test_attempts(self) -> None:
        """An event resets the number of attempts; without events the policy gives up."""
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
        """With reset_on="response" a response resets the number of attempts."""
        state = ReconnectPolicy(reset_on="response", jitter=0).start()
        for _ in range(3):
            state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=None)
            assert decision == Retry(1.0)
            state, _ = state.on_response(200, STREAM, NOW, 0.0)

    def test_unchanged_state(self) -> None:
        """An event that changes nothing returns the same state."""
        state = answered(self.policy)
        assert state.on_event(Event("x"))[0] is state


class TestResponses:
    """OpenAI's Responses API."""

    policy = ReconnectPolicy(Kind.RESPONSES, jitter=0)

    def test_resume(self) -> None:
        """A lost stream resumes by GET after the highest number; replayed events are reported."""
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
        """A terminal event ends the stream."""
        state, _ = answered(self.policy).on_event(response_event(3, f"response.{kind}"))
        assert state.outcome == Stop("finished")

    def test_error(self) -> None:
        """An error event fails the stream."""
        state, _ = answered(self.policy).on_event(response_event(3, "error"))
        assert state.outcome == Fail("server_error")

    @pytest.mark.parametrize("data", ["", "{", "[]", '{"sequence_number": true}', "[" * 100_000])
    def test_events_without_a_number(self, data: str) -> None:
        """Events without a number keep the position; their type can be the one of the event."""
        state, replayed = answered(self.policy, sequence_number=4).on_event(Event(data))
        assert (state.sequence_number, replayed) == (4, False)
        state, _ = state.on_event(Event(data, "response.completed"))
        assert state.outcome == Stop("finished")

    def test_before_the_first_number(self) -> None:
        """A request without a response is repeated; a response without a number is lost."""
        _, decision = self.policy.start().on_end(EndCause.TRANSPORT, 0.0, parser=None)
        assert decision == Retry(1.0)
        _, decision = answered(self.policy).on_end(EndCause.TRANSPORT, 0.0, parser=None)
        assert decision == Fail("no_cursor")

    def test_statuses(self) -> None:
        """A temporary status leads to another attempt to resume."""
        state, verdict = self.policy.start(sequence_number=4).on_response(503, {}, NOW, 0.0)
        assert verdict == Retry(1.0, "GET", {}, {"stream": "true", "starting_after": "4"})
        assert state.on_response(404, {}, NOW, 0.0)[1] == Fail("status")


class TestMCP:
    """The Model Context Protocol, 2025-11-25."""

    policy = ReconnectPolicy(Kind.MCP_2025_11, jitter=0)

    def test_priming(self) -> None:
        """An id without data is enough to resume; `retry` applies; polling isn't a failure."""
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
    def test_statuses(self, status: int, verdict: ResponseDecision) -> None:
        """Status 404 means that the session is gone, 405 that no stream is offered."""
        assert self.policy.start("a").on_response(status, {}, NOW, 0.0)[1] == verdict

    def test_without_an_id(self) -> None:
        """A request that can be a tool call is never repeated."""
        start = self.policy.start()
        assert start.on_end(EndCause.TRANSPORT, 0.0, parser=None)[1] == Fail("no_cursor")
        assert start.on_response(503, {}, NOW, 0.0)[1] == Fail("status")
        json_body = {"content-type": "application/json"}
        assert start.on_response(200, json_body, NOW, 0.0)[1] == Fail("content_type")


class TestNever:
    """Chat completions."""

    policy = ReconnectPolicy(Kind.NEVER, jitter=0)

    @pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
    def test_temporary_statuses(self, status: int) -> None:
        """A temporary status is retried as the server's headers request."""
        start = self.policy.start()
        assert start.on_response(status, {}, NOW, 0.0)[1] == Retry(1.0)
        headers = {"retry-after-ms": "3000"}
        assert start.on_response(status, headers, NOW, 0.0)[1] == Retry(3.0)
        headers = {"X-Should-Retry": "false"}
        assert start.on_response(status, headers, NOW, 0.0)[1] == Fail("status")

    def test_other_statuses(self) -> None:
        """Other errors aren't retried unless the server requests it; any success is read."""
        start = self.policy.start()
        assert start.on_response(400, {}, NOW, 0.0)[1] == Fail("status")
        assert start.on_response(400, {"x-should-retry": "true"}, NOW, 0.0)[1] == Retry(1.0)
        assert start.on_response(201, {}, NOW, 0.0)[1] == Read()
        assert start.on_response(204, {}, NOW, 0.0)[1] == Stop("no_content")

    def test_connection_failed(self) -> None:
        """An attempt to connect that fails is repeated, up to the maximum."""
        state = self.policy.start("not sent")
        for delay in (1, 2, 4, 8, 16):
            state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=None)
            assert decision == Retry(delay)
        assert state.on_end(EndCause.TIMEOUT, 0.0, parser=None)[1] == Fail("attempts")

    @pytest.mark.parametrize("cause", [EndCause.INCOMPLETE, EndCause.TRANSPORT, EndCause.TIMEOUT])
    def test_mid_stream(self, cause: EndCause) -> None:
        """After the response has begun, the request is never repeated."""
        state = answered(self.policy)
        assert state.on_end(cause, 0.0, parser=None)[1] == Fail("mid_stream")
        state, _ = state.on_event(Event("{}"))
        assert state.on_end(cause, 0.0, parser=None)[1] == Fail("mid_stream")

    def test_finished(self) -> None:
        """A response with its finish reasons is complete."""
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


class FixedCursor:
    """A cursor with a fixed ID."""

    def __init__(self, last_event_id: str) -> None:
        self.last_event_id = last_event_id
        self.retry = None


def event_of(step: Any) -> Event:
    _, last_event_id, retry, number = step
    return Event(json.dumps({"sequence_number": number}), id=last_event_id, retry=retry)


def apply_step(state: ReconnectState, step: Any) -> tuple[ReconnectState, Any]:
    if step[0] == "response":
        return state.on_response(step[1], step[2], NOW, step[3])
    if step[0] == "event":
        return state.on_event(event_of(step))
    cursor = None if step[3] is None else FixedCursor(step[3])
    return state.on_end(step[1], step[2], parser=cursor)


def run(policy: ReconnectPolicy, trace: list[Any]) -> list[tuple[ReconnectState, Any]]:
    state = policy.start()
    steps = []
    for step in trace:
        state, result = apply_step(state, step)
        steps.append((state, result))
    return steps


class TestProperties:
    """Properties of every policy over every trace."""

    @given(POLICIES, TRACES)
    def test_outcomes_are_final(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """After Stop or Fail, every further call returns the same outcome."""
        outcome = None
        for (state, result), step in zip(run(policy, trace), trace, strict=True):
            if outcome is not None:
                assert state.outcome == outcome
                assert result == (False if step[0] == "event" else outcome)
            outcome = state.outcome
            assert not (step[:2] == ("response", 204) and outcome is None)

    @given(POLICIES, TRACES)
    def test_delays(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """No delay is negative or above the largest cap."""
        most = max(policy.cap, policy.retry_cap, policy.honor_retry_after)
        for _, result in run(policy, trace):
            if isinstance(result, Retry):
                assert 0 <= result.delay <= most

    @given(POLICIES, TRACES)
    def test_ids(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """The ID is the one last recorded, and it's sent only if it can be a header."""
        recorded = ""
        ended = False
        for (state, result), step in zip(run(policy, trace), trace, strict=True):
            replayed = step[0] == "event" and result
            if step[0] == "event" and not replayed and not ended:
                recorded = step[1]
            elif step[0] == "end" and step[3] is not None and not ended:
                recorded = step[3]
            ended = state.outcome is not None
            assert state.last_event_id == recorded
            headers = result.headers if isinstance(result, Retry) else state.headers
            for value in headers.values():
                assert value.decode() == recorded.strip(" \t") != ""
                assert not set(value) & {*range(9), *range(10, 32), 127}

    @given(POLICIES, TRACES)
    def test_attempts(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """Between one progress and the next there are at most `max_attempts` retries."""
        retries = 0
        before = policy.start()
        for (state, result), step in zip(run(policy, trace), trace, strict=True):
            event = step[0] == "event" and not result
            answer = policy.reset_on == "response" and isinstance(result, Read)
            if event or answer or state.last_event_id != before.last_event_id:
                retries = 0
            retries += isinstance(result, Retry)
            assert policy.max_attempts is None or retries <= policy.max_attempts
            before = state

    @given(POLICIES, TRACES)
    def test_determinism(self, policy: ReconnectPolicy, trace: list[Any]) -> None:
        """The same trace leads to the same states and decisions."""
        assert run(policy, trace) == run(policy, trace)

    @given(TRACES)
    def test_chat_is_never_repeated(self, trace: list[Any]) -> None:
        """After an event or a response, no further request is sent."""
        begun = False
        for (_, result), step in zip(run(ReconnectPolicy(Kind.NEVER), trace), trace, strict=True):
            assert not (begun and isinstance(result, Retry))
            begun = begun or step[0] == "event" or isinstance(result, Read)

    @given(st.sampled_from(["a", "é", "0"]), st.integers(1, 5))
    def test_drops_before_any_event(self, first_id: str, drops: int) -> None:
        """Each reconnection before a new event sends the first ID."""
        parser = Parser(last_event_id=first_id)
        state = ReconnectPolicy().start(first_id)
        for _ in range(drops):
            state, decision = state.on_end(EndCause.TRANSPORT, 0.0, parser=parser)
            assert isinstance(decision, Retry)
            assert decision.headers == {b"Last-Event-ID": first_id.encode()}
            parser.reset()
