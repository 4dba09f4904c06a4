"""
Hooks of the build: the C core in the wheel, and the links in the metadata.

Without a C compiler, or with SSEPARSE_PURE=1, the wheel is pure Python and works the same. In an
editable install the compiled core is next to its source.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from sysconfig import get_config_var
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface
from setuptools import Distribution, Extension

NAME = f"_core_c{get_config_var('EXT_SUFFIX')}"
# Code, or a link to a file of the repository: an image's `!`, the label, the file.
CODE_OR_LINK = re.compile(
    r"```.*?```|`[^`]*`|(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)", re.DOTALL
)


class Links(MetadataHookInterface):
    """
    Hook that sets the project's URLs and makes the links of its README absolute.

    A package index shows the README without the files that it links to. If `repository` isn't set
    in pyproject.toml, the labels remain as text.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `readme` and `urls` of the `project` table."""
        repository = str(self.config["repository"]).rstrip("/")
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": replace_links(readme, repository),
        }
        metadata["urls"] = urls_of(repository) if repository else {}


def replace_links(text: str, repository: str) -> str:
    """Return Markdown whose links to files are absolute, or its labels without a repository."""

    def replace(match: re.Match[str]) -> str:
        image, label, file = match.groups()
        if file is None:
            return match[0]
        view = "raw" if image else "blob"
        return f"{image}[{label}]({repository}/{view}/HEAD/{file})" if repository else label

    return CODE_OR_LINK.sub(replace, text)


def urls_of(repository: str) -> dict[str, str]:
    """Return the links that a package index shows next to the description."""
    files = f"{repository}/blob/HEAD"
    return {
        "Source": repository,
        "Documentation": f"{files}/docs/index.md",
        "Changelog": f"{files}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


class CompiledCore(BuildHookInterface[Any]):
    """Hook that compiles the C core for the running interpreter."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tag the wheel for the interpreter and the machine."""
        self._folder = TemporaryDirectory()
        core = self._compile()
        if version == "editable":
            installed = Path(self.root, "src", "sseparse", "sse", NAME)
            installed.unlink(missing_ok=True)
            if core is not None:
                shutil.copy(core, installed)
        elif core is not None:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"][str(core)] = f"sseparse/sse/{NAME}"

    def finalize(self, *_: object) -> None:
        """Remove the temporary folder."""
        self._folder.cleanup()

    def _compile(self) -> Path | None:
        if os.environ.get("SSEPARSE_PURE", "") not in {"", "0"}:
            return None
        source = str(Path(self.root, "src", "sseparse", "sse", "_core.c"))
        # Debug information would hold the path of the build, and be two thirds of the file.
        flags = ["-g0"] if os.name == "posix" else []
        extension = Extension(
            "sseparse.sse._core_c", [source], extra_compile_args=flags, optional=True
        )
        command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
        command.build_lib = command.build_temp = self._folder.name
        command.ensure_finalized()
        command.run()
        core = Path(self._folder.name, "sseparse", "sse", NAME)
        if not core.exists():
            self.app.display_warning("The C core wasn't compiled: this wheel is pure Python.")
            return None
        return core
