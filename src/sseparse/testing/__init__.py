"""Help for tests: cuts, checks, and a server that replays streams."""

from ._adapter_checks import ADAPTER_CHECKS, check_adapter
from ._checks import Outcome, check_parser, run_stage
from ._replay import Cutting, Fault, Framing, Replay
from ._replay_faults import FAULTS, bomb, faulty
from ._replay_received import Answered, ReceivedConnection, ReceivedRequest
from ._replay_server import ReplayServer
from ._splits import every_split

__all__ = (
    "ADAPTER_CHECKS",
    "FAULTS",
    "Answered",
    "Cutting",
    "Fault",
    "Framing",
    "Outcome",
    "ReceivedConnection",
    "ReceivedRequest",
    "Replay",
    "ReplayServer",
    "bomb",
    "check_adapter",
    "check_parser",
    "every_split",
    "faulty",
    "run_stage",
)
