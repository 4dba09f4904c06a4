"""The demo as plain lines, for pipes and files."""

from __future__ import annotations

import json

from ._demo_record import Arrival, Listen
from ._demo_script import Ask


def show_plain(title: str, ask: Ask, listen: Listen) -> None:
    """
    Print each chunk as it comes, then the whole and its times.

    Args:
        title: What is shown.
        ask: The request.
        listen: Sends it, and hands over the chunks.
    """
    _say(f"{title}: POST {ask.path}")
    _say(f"Asked: {ask.prompt}")
    record = listen(_say_arrival)
    _say(f"Whole text: {record.result.text}")
    _say(f"First token received {record.first_token:.3f} seconds after the request")
    _say(f"Whole answer received {record.total:.3f} seconds after the request")
    _say(f"The first word came {record.sooner:.3f} seconds sooner than the whole")
    _say("result(), as the API answers without streaming:")
    _say(json.dumps(record.result.to_dict(), indent=2))
    _say("")


def _say_arrival(arrival: Arrival) -> None:
    _say(f"Received {arrival.seconds:.3f} seconds after the request: {arrival.news}")


def _say(line: str) -> None:
    print(line, flush=True)
