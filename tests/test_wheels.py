"""What is built: a wheel with the compiled core, and a pure one where that cannot be."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What a wheel holds is a copy: its coverage is nobody's.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}


def wheel(tmp_path: Path, **environment: str) -> Path:
    """Build a wheel of a copy of the project, without the network."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.so", "*.pyd"))
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=copy,
        env={**ENVIRONMENT, "SSEPARSE_PURE": "", **environment},
        check=True,
        capture_output=True,
        timeout=300,
    )
    (built,) = tmp_path.glob("*.whl")
    return built


def unpacked(built: Path) -> list[str]:
    """Unpack a wheel beside itself; return the names that speak of a core."""
    with zipfile.ZipFile(built) as archive:
        archive.extractall(built.parent / "site")
        return [name for name in archive.namelist() if "/_core_c" in name]


def accelerated(built: Path) -> str:
    """Import what a wheel holds, in a process of its own; return what it says of its core."""
    code = "import sseparse; print(sseparse.__file__, sseparse.ACCELERATED)"
    site = built.parent / "site"
    command = [sys.executable, "-c", code]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(site), "SSEPARSE_PURE": ""}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    file, said = told.stdout.split()
    assert Path(file).is_relative_to(site)
    return said


@pytest.mark.parametrize("environment", [{"SSEPARSE_PURE": "1"}, {"CC": "/nowhere/cc"}])
def test_a_pure_wheel(tmp_path: Path, environment: dict[str, str]) -> None:
    """Where it is asked for, or where there is no compiler, one wheel serves every machine."""
    built = wheel(tmp_path, **environment)

    assert built.name.endswith("-py3-none-any.whl")
    assert unpacked(built) == []
    assert accelerated(built) == "False"


@pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("cl") is None, reason="no C compiler here"
)
def test_a_wheel_with_the_compiled_core(tmp_path: Path) -> None:
    """Where there is a compiler, the wheel holds the core, named for this interpreter."""
    built = wheel(tmp_path)

    (core,) = unpacked(built)
    assert core.endswith((".so", ".pyd"))
    assert not built.name.endswith("-any.whl")
    assert accelerated(built) == "True"
