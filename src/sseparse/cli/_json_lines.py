"""JSON, a line for each value."""

from __future__ import annotations

import json
import sys
from typing import Any


def json_line(value: Any) -> str:
    """Return a value as a line that standard output can encode."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # Escaped, it says the same to every reader of JSON.
        line = json.dumps(value)
    return f"{line}\n"
