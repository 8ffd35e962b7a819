"""Compiles `watcher/messages/serializations/_bson_json.c`, and puts the result into the wheel.

It is an optional part: where there is no C compiler, or Python's headers are missing, the package is built without it, and a worker
makes its messages in Python, the same ones at a quarter of the speed. `watcherctl version` tells.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CompileError, LinkError

SOURCE = "watcher/messages/serializations/_bson_json.c"
INCLUDED = "watcher/messages/serializations/_avro.h"
STABLE_ABI = "0x030B0000"
"""Python 3.11's: one build serves that and all later ones."""

SUFFIX = ".abi3.so"


class NativePart(BuildHookInterface[Any]):
    """Hatchling calls `initialize` before it builds, and `finalize` afterwards."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile for `version`: `standard` is a wheel, `editable` an install that runs from this directory.

        A wheel is compiled elsewhere: workers may run from this directory, under another Python.
        """
        in_place = Path(self.root, SOURCE).parent / f"_bson_json{SUFFIX}"
        self._directory = TemporaryDirectory(prefix="database-watcher-")
        if version == "editable" and _is_newer(in_place, Path(self.root, SOURCE), Path(self.root, INCLUDED), Path(__file__)):
            return
        try:
            built = compile_native(Path(self.root), Path(self._directory.name))
        except (BaseError, CompileError, LinkError, OSError) as error:
            self.app.display_warning(f"Without its native part, since that did not compile; workers will be slower: {error}")
            if version == "editable":
                in_place.unlink(missing_ok=True)  # it is of another source
            return
        if version == "editable":
            _put(built, in_place)
        else:
            build_data["force_include"][str(built)] = f"{Path(SOURCE).parent}/{built.name}"
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{next(platform_tags())}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was compiled; the wheel has it."""
        self._directory.cleanup()


def _is_newer(file: Path, *others: Path) -> bool:
    return file.exists() and file.stat().st_mtime > max(other.stat().st_mtime for other in others)


def _put(file: Path, place: Path) -> None:
    """Copy in one step, so that who imports it meanwhile gets the old one or the new one."""
    beside = place.with_name(f".{place.name}")
    shutil.copy(file, beside)
    beside.replace(place)


def compile_native(root: Path, directory: Path, headers: str | None = None) -> Path:
    """Compile the project at `root` into `directory`, with the running Python's headers or those in the directory `headers`.

    Errors: setuptools' BaseError, CompileError and LinkError; OSError.
    """
    extension = Extension(
        "watcher.messages.serializations._bson_json",
        [str(root / SOURCE)],
        include_dirs=[headers] if headers else [],  # they come before the running Python's
        define_macros=[("Py_LIMITED_API", STABLE_ABI)],
        extra_compile_args=["-O2"],
        py_limited_api=True,
    )
    command = build_ext(Distribution({"name": "database-watcher", "ext_modules": [extension]}))
    command.build_lib = command.build_temp = str(directory)
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath(extension.name))
