"""
Tests that run every code block of the README and of docs/.

`python`
    The blocks of a page run in order, in one namespace, which no other page shares. Each block
    of the README has a namespace of its own, because readers copy single blocks. The output of
    a block is compared with the `text` block that follows it, if there is one.

    tiktoken has no vocabularies and can't download any, as on a new machine. A page that counts
    tokens must run then, and say what to do. It runs a second time with vocabularies, and only
    then is its output compared.
`sh`, `console`
    A shell runs the commands. Their output is compared with the `text` block that follows, or
    with the output shown in the console block. `pip install` and `make` don't run: the tests
    check that the project has the extra or the target.
`text title="NAME"`
    A file of that name, which the tests write to the directory of the page's examples.

A block of another language fails, so that the documentation has no untested block.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import model
from sseparse.messages import MessageStream
from sseparse.responses import ResponseStream
from sseparse.testing import ReplayServer

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHELL = shutil.which("bash")

LINK = re.compile(r"\]\(([^)\s]+)\)")

RUN = ("python", "sh", "console")
FENCE = re.compile(r"(?P<indent> *)```(?P<language>\S*)(?: title=\"(?P<title>[^\"]+)\")?\s*")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    title: str | None
    code: str
    printed: str | None = None

    def __str__(self) -> str:
        return f"{page_name(self.page)}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, each with its expected output."""
    blocks: list[Block] = []
    lines = page.read_text().splitlines()
    number, adjacent = 0, False
    while number < len(lines):
        fence = FENCE.fullmatch(lines[number])
        number += 1
        if fence is None:
            adjacent = adjacent and not lines[number - 1].strip()
            continue
        start, indent = number, len(fence["indent"])
        while lines[number].strip() != "```":
            number += 1
        code = "".join(f"{line[indent:]}\n" for line in lines[start:number])
        number += 1
        if fence["language"] == "text" and fence["title"] is None and adjacent:
            blocks[-1] = replace(blocks[-1], printed=code)
            adjacent = False
        else:
            blocks.append(Block(page, start, fence["language"], fence["title"], code))
            adjacent = fence["language"] in RUN
    return blocks


BLOCKS = [block for page in PAGES for block in read_blocks(page)]
COUNTING = [
    page
    for page in PAGES
    if any(
        re.search(r'TokenCounter|usage="estimate"', block.code)
        for block in BLOCKS
        if block.page == page and block.language == "python"
    )
]
"""The pages whose Python counts tokens."""


def as_printed(expected: str) -> re.Pattern[str]:
    """Return a pattern for an output: any times and ids match, `...` alone any lines."""
    pattern = re.escape(expected)
    pattern = re.sub(r"\d+\\\.\d+(?=\\ seconds)", r"\\d+\\.\\d+", pattern)
    pattern = re.sub(r"(?<=stream\\ )[0-9a-f]{8,}", "[0-9a-f]+", pattern)
    pattern = re.sub(r"^\\\.\\\.\\\.\\\n", r"(?:.*\\n)*?", pattern, flags=re.MULTILINE)
    return re.compile(pattern)


def check_printed(block: Block, printed: str) -> None:
    expected = block.printed or ""
    if not as_printed(expected).fullmatch(printed):
        # This comparison always fails; pytest shows the difference.
        assert printed == expected, f"{block}: the output differs from the page"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Create the environment of the examples: a model server and the `sseparse` command."""
    command = tmp_path / "bin" / "sseparse"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sseparse "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(folder)
    with ReplayServer(model.answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url.rstrip("/"))
        yield folder
    logging.getLogger("sseparse").setLevel(logging.NOTSET)  # an example sets it


def write_files(page: Path, directory: Path) -> None:
    for block in BLOCKS:
        if block.page == page and block.title is not None:
            (directory / block.title).write_text(block.code)


def test_blocks_are_found() -> None:
    """The search finds the main pages and blocks of each language."""
    assert {page.name for page in PAGES} >= {"README.md", "tutorial.md", "deadlines.md"}
    assert {block.language for block in BLOCKS} >= {"python", "sh", "console"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_languages(block: Block) -> None:
    """Each block has a language that these tests run, or is a file with a title."""
    assert block.language in RUN or (block.language == "text" and block.title is not None)
    # A missing closing fence or a misspelt title would hide blocks.
    assert "```" not in block.code


def run_python(page: Path, directory: Path) -> Iterator[tuple[Block, str]]:
    """Run the Python blocks of a page and yield each with what it printed."""
    write_files(page, directory)
    namespace: dict[str, Any] = {}
    for block in BLOCKS:
        if block.page == page and block.language == "python":
            if page == README:
                namespace = {}
            namespace["__name__"] = "__main__"
            # The empty lines make the line numbers of tracebacks match the page.
            code = compile("\n" * block.line + block.code, page, "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(code, namespace)  # noqa: S102 - our own pages
            yield block, printed.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python(page: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a page run without vocabularies and print what the page shows."""
    (directory / "empty").mkdir()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(directory / "empty"))
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})
    monkeypatch.setattr("tiktoken.load.read_file", refuse_download)
    printed = ""
    for block, output in run_python(page, directory):
        printed += output
        if page not in COUNTING:
            check_printed(block, output)
    assert page not in COUNTING or "download=True" in printed


def refuse_download(address: str) -> bytes:
    raise AssertionError(f"an example downloads {address}")


@pytest.mark.parametrize("page", COUNTING, ids=page_name)
def test_python_with_vocabularies(page: Path, directory: Path, vocabularies: Path) -> None:
    """The Python blocks of a page that counts tokens print what the page shows."""
    for block, output in run_python(page, directory):
        check_printed(block, output)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language in ("sh", "console")], ids=str
)
def test_commands(block: Block, directory: Path) -> None:
    """The commands of a block succeed and print the output that the page shows."""
    write_files(block.page, directory)
    commands, shown = split_console(block) if block.language == "console" else (block.code, None)
    for command in commands.replace("\\\n", " ").splitlines():
        check_declared(command.split("#")[0].split())
    script = "".join(
        f"{line}\n" for line in commands.splitlines() if not line.startswith(("pip ", "make "))
    )
    if not script.strip():
        return
    if SHELL is None:
        pytest.skip("bash is not installed")
    if re.search(r"\bcurl\b", script) and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(
        [SHELL, "-o", "pipefail", "-c", script],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if shown is not None else subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    if shown is not None:
        check_printed(replace(block, printed=shown), done.stdout)
    else:
        assert done.returncode == 0, done.stderr
        check_printed(block, done.stdout)


def split_console(block: Block) -> tuple[str, str]:
    """Return the commands of a console block, and its output."""
    typed, shown = [], []
    continued = False
    for line in block.code.splitlines(keepends=True):
        if line.startswith("$ ") or continued:
            typed.append(line.removeprefix("$ "))
            continued = line.endswith("\\\n")
        else:
            shown.append(line)
    return "".join(typed), "".join(shown)


def check_declared(words: list[str]) -> None:
    """Check that the project has the extras or targets that a command names."""
    if words[:2] == ["pip", "install"]:
        for word in words[2:]:
            match = re.fullmatch(r"'?(\.|[a-z0-9]+)(?:\[([a-z0-9,]+)\])?'?", word)
            assert match, f"{word} isn't a requirement"
            if match[1] in (PROJECT["name"], "."):
                assert set((match[2] or "all").split(",")) <= {*PROJECT["optional-dependencies"]}
    elif words[:1] == ["make"]:
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links(page: Path) -> None:
    """Each relative link names an existing file, and a heading of it if it has an anchor."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in LINK.findall(text):
        name, _, anchor = link.partition("#")
        if name.startswith("https:"):
            continue
        target = (page.parent / name) if name else page
        assert target.exists(), link
        # Anchors of the reference are the names of its objects, which MkDocs checks.
        assert not anchor or "reference" in target.parts or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    }


def test_recorded_answer() -> None:
    """The recorded answer for examples without a key is that of the tests' server."""
    body = model.chat_body(model.pieces_of("Count to 5, separated by commas."))
    assert (ROOT / "examples" / "answer.sse").read_bytes() == body


@pytest.mark.parametrize(
    ("name", "stream"), [("response", ResponseStream), ("message", MessageStream)]
)
def test_recordings_of_other_apis(name: str, stream: type[Any]) -> None:
    """The recorded answers of the other APIs are complete streams of the same answer."""
    body = (ROOT / "examples" / f"{name}.sse").read_bytes()
    result = stream([body]).result()
    module = importlib.import_module(stream.__module__.rpartition(".")[0])
    events = module.to_events(result, pieces=1)
    assert body == b"".join(map(module.encode_event, events))
    assert (result.text, result.notes) == ("1, 2, 3, 4, 5", ())


def test_typed_code() -> None:
    """The guide to typed code shows the example, which type checkers check."""
    block = next(block for block in BLOCKS if block.page.name == "typed-code.md" and block.printed)
    assert block.code == (ROOT / "examples" / "typed_client.py").read_text()


def test_length_of_the_readme() -> None:
    """The README has at most 700 words."""
    assert len(README.read_text().split()) <= 700


def test_reference_is_complete() -> None:
    """The reference lists each public name once."""
    pages = [page.read_text() for page in PAGES if "reference" in page_name(page)]
    listed = re.findall(r"^::: (\S+)$", "\n".join(pages), re.MULTILINE)
    assert len(listed) == len(set(listed))
    names: dict[int, str] = {}
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in module.__all__:
            # A name that two modules export is listed under the shorter module name.
            if not name.startswith("__"):
                names.setdefault(id(getattr(module, name)), f"{module_name}.{name}")
    assert set(listed) == set(names.values())


def public_modules() -> list[str]:
    """Return the names of the public modules, the shorter ones first."""
    adapters = importlib.import_module("sseparse.adapters")
    found = [module.name for module in pkgutil.iter_modules(adapters.__path__)]
    packages = (
        "adapters",
        "chunks",
        "responses",
        "messages",
        "streams",
        "tokens",
        "timing",
        "moderation",
        "reconnect",
        "testing",
    )
    return [
        "sseparse",
        *(f"sseparse.{name}" for name in packages),
        *(f"sseparse.adapters.{name}" for name in found if not name.startswith("_")),
    ]
