"""Tests of the wheels, with and without the compiled core."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The coverage of the copy of the sources in a wheel isn't measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}


def wheel(tmp_path: Path, **environment: str) -> Path:
    """Build a wheel from a copy of the project, without network access."""
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
    """Unpack a wheel into its folder and return the names of the compiled cores in it."""
    with zipfile.ZipFile(built) as archive:
        archive.extractall(built.parent / "site")
        return [name for name in archive.namelist() if "/_core_c" in name]


def accelerated(built: Path) -> str:
    """Import the package of a wheel in a new process and return its ACCELERATED."""
    code = "import sseparse; print(sseparse.__file__, sseparse.ACCELERATED)"
    site = built.parent / "site"
    command = [sys.executable, "-c", code]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(site), "SSEPARSE_PURE": ""}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    file, value = done.stdout.split()
    assert Path(file).is_relative_to(site)
    return value


@pytest.mark.parametrize("environment", [{"SSEPARSE_PURE": "1"}, {"CC": "/nowhere/cc"}])
def test_pure_wheel(tmp_path: Path, environment: dict[str, str]) -> None:
    """A wheel is pure if that was requested, or if there is no compiler."""
    built = wheel(tmp_path, **environment)

    assert built.name.endswith("-py3-none-any.whl")
    assert unpacked(built) == []
    assert accelerated(built) == "False"


@pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("cl") is None, reason="no C compiler is installed"
)
def test_wheel_with_compiled_core(tmp_path: Path) -> None:
    """With a compiler, the wheel has a compiled core and a platform tag."""
    built = wheel(tmp_path)

    (core,) = unpacked(built)
    assert core.endswith((".so", ".pyd"))
    assert not built.name.endswith("-any.whl")
    assert accelerated(built) == "True"
