"""Test tools: checks of parsers and adapters, and a server that replays streams."""

from ._adapters import ADAPTER_CHECKS, check_adapter
from ._replay import FAULTS, Cutting, Fault, Framing, Replay, bomb, faulty
from ._server import Answered, ReceivedConnection, ReceivedRequest, ReplayServer
from ._stages import Outcome, check_parser, every_split, run_stage

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
