"""Help for tests: cuts, checks, and a server that replays streams."""

from ._checks import Outcome, check_parser, run_stage
from ._splits import every_split

__all__ = ("Outcome", "check_parser", "every_split", "run_stage")
