"""`sseparse --print-completion` prints a script that completes the arguments in a shell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sseparse.cli import main

BASH = shutil.which("bash") or ""
_COMPLETE = """
source "$0"
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_shtab_sseparse
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["--print-completion", shell])
    assert caught.value.code == 0
    return capsys.readouterr().out


@pytest.mark.skipif(not BASH, reason="bash isn't installed")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["p"], {"parse"}),
        (["parse", "--re"], {"--result"}),
        (["parse", "cap"], {"captured.sse"}),
        (["chat", "--save", "cap"], {"captured.sse"}),
    ],
)
def test_bash_completes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, typed: list[str], expected: set[str]
) -> None:
    """bash completes commands, options and files."""
    (tmp_path / "script").write_text(script("bash", capsys), "utf-8")
    (tmp_path / "captured.sse").touch()
    done = subprocess.run(
        [BASH, "-c", _COMPLETE, str(tmp_path / "script"), "sseparse", *typed],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert {*done.stdout.split()} == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """The scripts for zsh and fish have the commands and options."""
    printed = script(shell, capsys)
    assert "serve" in printed
    assert "timeline" in printed


def test_shtab_is_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without shtab, a line says how to install it."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "sseparse: --print-completion needs shtab. Install with: pip install 'sseparse[cli]' "
        "(in a clone of the repository: pip install '.[cli]')\n"
    )
