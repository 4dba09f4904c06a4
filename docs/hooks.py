"""Hooks of mkdocs: files outside docs that pages link to, and the links of llms.txt."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, InclusionLevel

LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]+)")


def on_files(files: Any, *, config: Any) -> Any:
    """Add the files outside docs that pages link to."""
    root = Path(config.config_file_path).parent
    for page in list(files.documentation_pages()):
        for link in LINK.findall(Path(page.abs_src_path).read_text("utf-8")):
            _add(files, root, _outside(page.src_uri, link), config)
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Any, **_: Any) -> str:
    """Let links that leave docs point to the copies, and links of the copies to docs."""
    here = posixpath.dirname(page.file.src_uri)
    if here.startswith("files"):
        return markdown.replace("](docs/", f"]({posixpath.relpath('.', here)}/")

    def replace(match: re.Match[str]) -> str:
        path = _outside(page.file.src_uri, match[1])
        known = path and files.get_file_from_path(f"files/{path}")
        return posixpath.relpath(f"files/{path}", here) if known else match[1]

    return LINK.sub(replace, markdown)


def on_post_build(*, config: Any) -> None:
    """Let the links of llms.txt point to the pages of the site."""
    path = Path(config.site_dir) / "llms.txt"
    text = path.read_text("utf-8")
    text = re.sub(r"(?<=\]\()([^)]+)\.md(?=\))", r"\1/", text)
    path.write_text(text.replace("](index/)", "](./)").replace("/index/)", "/)"), "utf-8")


def _outside(page: str, link: str) -> str:
    """Return the path of a linked file in the repository, or "" for a file in docs."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return "" if path.startswith(("docs/", "../")) else path


def _add(files: Any, root: Path, path: str, config: Any) -> None:
    source = root / path
    if not path or not source.is_file() or files.get_file_from_path(f"files/{path}"):
        return
    target = f"files/{path}"
    files.append(
        File.generated(
            config, target, abs_src_path=str(source), inclusion=InclusionLevel.NOT_IN_NAV
        )
    )
    if path.endswith(".md"):
        for picture in re.findall(r"!\[[^]]*\]\(([^)/:]+)\)", source.read_text("utf-8")):
            _add(files, root, posixpath.join(posixpath.dirname(path), picture), config)
