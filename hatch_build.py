"""
Build hook that compiles the C core into the wheel.

Without a C compiler, or with SSEPARSE_PURE=1, the wheel is pure Python and works the same. In an
editable install the compiled core is next to its source.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from sysconfig import get_config_var
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

NAME = f"_core_c{get_config_var('EXT_SUFFIX')}"


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
        extension = Extension("sseparse.sse._core_c", [source], optional=True)
        command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
        command.build_lib = command.build_temp = self._folder.name
        command.ensure_finalized()
        command.run()
        core = Path(self._folder.name, "sseparse", "sse", NAME)
        if not core.exists():
            self.app.display_warning("The C core wasn't compiled: this wheel is pure Python.")
            return None
        return core
