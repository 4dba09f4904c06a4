"""What the user must change before anything can be done."""

from __future__ import annotations


class Misuse(Exception):
    """Say in one line what is wrong with what the command was given."""
