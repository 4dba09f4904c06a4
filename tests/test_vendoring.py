"""The event parser can be vendored: a few files, attrs, and no other package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sseparse

SRC = Path(sseparse.__file__).parent
GROUND_FILES = ("_errors.py", "_end.py", "_response.py", "_stage.py", "_options.py")
# Coverage of a process would import this library's own modules and others.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
PARSE = """
import sys

sys.modules["msgspec"] = None  # importing it raises ImportError
before = set(sys.modules)

from vendored.sse._event import Comment, Event, encode
from vendored.sse._parser import ACCELERATED, Parser
from vendored._errors import LimitExceeded

parser = Parser(comments=True)
items = parser.feed(encode(Comment(" ping")) + b"id: 7\\ndata: a\\n\\ndata: b\\n\\n")
assert items == [Comment(" ping"), Event("a", id="7"), Event("b", id="7")], items
assert parser.close() == []
assert parser.end.complete

named = Parser().iter([b"event: message\\ndata: a\\n\\n", b"data: b\\n\\n"])
assert [event.named for event in named] == [True, False]

limited = Parser(max_line_bytes=8)
assert limited.feed(b"data: too long\\n") == []
assert isinstance(limited.error, LimitExceeded)

packages = {name.partition(".")[0] for name in set(sys.modules) - before}
print(ACCELERATED, *sorted(packages - sys.stdlib_module_names))
"""


@pytest.fixture
def vendored(tmp_path: Path) -> Path:
    """Return a folder with a package that contains only the files to vendor."""
    package = tmp_path / "vendored"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SRC / "sse", package / "sse", ignore=ignored)
    (package / "__init__.py").touch()
    for name in GROUND_FILES:
        shutil.copy(SRC / name, package)
    return tmp_path


@pytest.mark.parametrize("pure", ["1", "0"])
def test_events_are_parsed_with_attrs_alone(vendored: Path, pure: str) -> None:
    """A copy under another name parses events, with either core, and imports only attrs."""
    run = subprocess.run(
        [sys.executable, "-c", PARSE],
        cwd=vendored,
        env={**ENVIRONMENT, "PYTHONPATH": str(vendored), "SSEPARSE_PURE": pure},
        check=False,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stderr
    accelerated, *packages = run.stdout.split()
    assert accelerated == str(pure == "0" and any((vendored / "vendored/sse").glob("_core_c.*")))
    assert packages == ["attr", "attrs", "vendored"]
