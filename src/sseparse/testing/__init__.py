"""Help for tests: cuts, checks, and a server that replays streams."""

from ._checks import Outcome, check_parser, run_stage
from ._replay import Cutting, Framing, Replay
from ._replay_request import ReceivedRequest
from ._replay_server import ReplayServer
from ._splits import every_split

__all__ = (
    "Cutting",
    "Framing",
    "Outcome",
    "ReceivedRequest",
    "Replay",
    "ReplayServer",
    "check_parser",
    "every_split",
    "run_stage",
)
