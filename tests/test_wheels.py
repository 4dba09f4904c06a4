"""Tests of the wheels, with and without the compiled core."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SETTING = '\nrepository = ""\n'
README = """
See [the tutorial](docs/tutorial.md), [these
guides](docs/how-to/index.md), [below](#errors) and [a site](https://example.org/).
![A timeline](docs/images/timeline.svg) `parts[0](name)`

```python
parser = Parser[Event](comments=False)
```
"""
# The coverage of the copy of the sources in a wheel isn't measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}


def copy_project(tmp_path: Path, repository: str = "", readme: str = "# sseparse") -> Path:
    """Copy what a wheel is built from, with a public address and a README."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.so", "*.pyd"))
    for name in ("hatch_build.py", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    settings = (ROOT / "pyproject.toml").read_text()
    assert settings.count(SETTING) == 1
    settings = settings.replace(SETTING, f'\nrepository = "{repository}"\n')
    (copy / "pyproject.toml").write_text(settings)
    (copy / "README.md").write_text(readme)
    return copy


def run_hatchling(copy: Path, *arguments: str, **environment: str) -> str:
    """Run the build backend without network access, and return its output."""
    return subprocess.run(
        [sys.executable, "-m", "hatchling", *arguments],
        cwd=copy,
        env={**ENVIRONMENT, "SSEPARSE_PURE": "", **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout


def wheel(tmp_path: Path, **environment: str) -> Path:
    """Build a wheel from a copy of the project."""
    run_hatchling(
        copy_project(tmp_path), "build", "-t", "wheel", "-d", str(tmp_path), **environment
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


def read_metadata(tmp_path: Path, repository: str) -> dict[str, Any]:
    """Return the metadata of a project that has README as its README."""
    output = run_hatchling(copy_project(tmp_path, repository, README), "metadata")
    metadata: dict[str, Any] = json.loads(output)
    return metadata


def test_links_without_a_public_address(tmp_path: Path) -> None:
    """Without a public address, links to files become text, and there are no URLs."""
    metadata = read_metadata(tmp_path, "")

    assert metadata["readme"] == {
        "content-type": "text/markdown",
        "text": README.replace("[the tutorial](docs/tutorial.md)", "the tutorial")
        .replace("[these\nguides](docs/how-to/index.md)", "these\nguides")
        .replace("![A timeline](docs/images/timeline.svg)", "A timeline"),
    }
    assert "urls" not in metadata


def test_links_with_a_public_address(tmp_path: Path) -> None:
    """With a public address, links to files are absolute, and there are URLs."""
    address = "https://example.org/owner/sseparse"
    metadata = read_metadata(tmp_path, address + "/")

    assert metadata["readme"]["text"] == (
        README.replace("(docs/images/", f"({address}/raw/HEAD/docs/images/")
        .replace("(docs/tutorial", f"({address}/blob/HEAD/docs/tutorial")
        .replace("(docs/how-to", f"({address}/blob/HEAD/docs/how-to")
    )
    assert metadata["urls"]["Source"] == address
    assert metadata["urls"]["Changelog"] == f"{address}/blob/HEAD/CHANGELOG.md"


@pytest.mark.parametrize("environment", [{"SSEPARSE_PURE": "1"}, {"CC": "/nowhere/cc"}])
def test_pure_wheel(tmp_path: Path, environment: dict[str, str]) -> None:
    """A wheel is pure if that was requested, or if there is no compiler."""
    built = wheel(tmp_path, **environment)

    assert built.name.endswith("-py3-none-any.whl")
    assert unpacked(built) == ["sseparse/sse/_core_c.pyi"]
    assert accelerated(built) == "False"


@pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("cl") is None, reason="no C compiler is installed"
)
def test_wheel_with_compiled_core(tmp_path: Path) -> None:
    """With a compiler, the wheel has a compiled core and a platform tag."""
    built = wheel(tmp_path)

    source, core = sorted(unpacked(built), key=len)
    assert source == "sseparse/sse/_core_c.pyi"
    assert core.endswith((".so", ".pyd"))
    assert not built.name.endswith("-any.whl")
    assert accelerated(built) == "True"
