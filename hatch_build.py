"""
Build the compiled core into the wheel, where there is a compiler.

Where there is none the wheel is pure Python, and does the same. SSEPARSE_PURE=1 asks for that
one. An editable install has the compiled core beside its source.
"""

from __future__ import annotations

import os
from pathlib import Path
from sysconfig import get_config_var
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension

SOURCE = Path("src", "sseparse", "_fast.c")


class CompiledCore(BuildHookInterface[Any]):
    """Compile the core for the interpreter that builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """
        Compile, and have the wheel named for the interpreter and the machine.

        Args:
            version: "standard" or "editable".
            build_data: What the builder is told.
        """
        if os.environ.get("SSEPARSE_PURE", "") not in {"", "0"}:
            return
        root = Path(self.root)
        folder = root / "src" if version == "editable" else root / "build" / "core"
        core = compile_core(root, folder)
        if core is None:
            self.app.display_warning("no compiler: sseparse is built in pure Python")
        elif version != "editable":
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            build_data["force_include"][str(core)] = f"sseparse/{core.name}"


def compile_core(root: Path, folder: Path) -> Path | None:
    """Compile the core; return its file, or None where that could not be done."""
    extension = Extension("sseparse._fast", [str(SOURCE)], optional=True)
    here = Path.cwd()
    os.chdir(root)
    try:
        build = Distribution({"name": "sseparse", "ext_modules": [extension]}).get_command_obj(
            "build_ext"
        )
        build.set_undefined_options("build", ("build_temp", "build_temp"))
        build.build_lib = str(folder)
        build.force = True
        build.ensure_finalized()
        core = folder / "sseparse" / f"_fast{get_config_var('EXT_SUFFIX')}"
        core.unlink(missing_ok=True)
        build.run()
    finally:
        os.chdir(here)
    return core if core.exists() else None
