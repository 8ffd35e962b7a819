"""Compiles `watcher/stream/_row.c` beside its source, and puts the result into the wheel.

It is an optional part: where there is no C compiler, or Python's headers are missing, the package is built without it, and a worker
makes its messages in Python, the same ones at a quarter of the speed. `watcherctl version` tells.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CompileError, LinkError

STABLE_ABI = "0x030B0000"
"""Python 3.11's: one build serves that and all later ones."""


class NativePart(BuildHookInterface[Any]):
    """Hatchling calls `initialize` before it builds."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version` is `standard` for a wheel; an editable install finds the result where it is."""
        try:
            built = self._compile()
        except (BaseError, CompileError, LinkError, OSError) as error:
            self.app.display_warning(f"Without its native part, since that did not compile; workers will be slower: {error}")
            return
        if version == "standard":
            build_data["force_include"][str(built)] = f"watcher/stream/{built.name}"
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{next(platform_tags())}"

    def _compile(self) -> Path:
        extension = Extension(
            "watcher.stream._row",
            ["watcher/stream/_row.c"],
            define_macros=[("Py_LIMITED_API", STABLE_ABI)],
            extra_compile_args=["-O2"],
            py_limited_api=True,
        )
        command = build_ext(Distribution({"name": "database-watcher", "ext_modules": [extension]}))
        command.inplace = True
        command.force = True
        command.ensure_finalized()
        built = Path(self.root, command.get_ext_fullpath(extension.name))
        built.unlink(missing_ok=True)  # an old one would be taken for the result of a failure
        command.run()
        return built
