"""Compiles the parts in C, and puts the results into the wheel.

They are optional: where there is no C compiler, or Python's headers are missing, the package is built without them. A worker then
does the same in Python, and makes its messages at a quarter of the speed. `watcherctl version` tells.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CompileError, LinkError

PARTS = (
    "watcher/_bson_elements.c",
    "watcher/kafka/transactions/_enqueue.c",
    "watcher/messages/serializations/_bson_json.c",
)
HEADERS = "watcher/messages/serializations/native"
STABLE_ABI = "0x030B0000"
"""Python 3.11's: one build serves that and all later ones."""

SUFFIX = ".abi3.so"


class NativePart(BuildHookInterface[Any]):
    """Hatchling calls `initialize` before it builds, and `finalize` afterwards."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile for `version`: `standard` is a wheel, `editable` an install that runs from this directory.

        A wheel is compiled elsewhere: workers may run from this directory, under another Python.
        """
        in_place = [_compiled(Path(self.root), part) for part in PARTS]
        sources = [Path(__file__), *(Path(self.root, part) for part in PARTS), *Path(self.root, HEADERS).iterdir()]
        self._directory = TemporaryDirectory(prefix="database-watcher-")
        if version == "editable" and all(_is_newer(file, sources) for file in in_place):
            return
        try:
            built = compile_native(Path(self.root), Path(self._directory.name))
        except (BaseError, CompileError, LinkError, OSError) as error:
            self.app.display_warning(f"Without its native parts, since they did not compile; workers will be slower: {error}")
            if version == "editable":
                for file in in_place:
                    file.unlink(missing_ok=True)  # it is of another source
            return
        for file, place in zip(built, in_place, strict=True):
            if version == "editable":
                _put(file, place)
            else:
                build_data["force_include"][str(file)] = str(place.relative_to(self.root))
        if version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{next(platform_tags())}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was compiled; the wheel has it."""
        self._directory.cleanup()


def _compiled(directory: Path, part: str) -> Path:
    return (directory / part).with_suffix(SUFFIX)


def _is_newer(file: Path, others: Iterable[Path]) -> bool:
    return file.exists() and file.stat().st_mtime > max(other.stat().st_mtime for other in others)


def _put(file: Path, place: Path) -> None:
    """Copy in one step, so that who imports it meanwhile gets the old one or the new one."""
    beside = place.with_name(f".{place.name}")
    shutil.copy(file, beside)
    beside.replace(place)


def compile_native(root: Path, directory: Path, headers: str | None = None) -> list[Path]:
    """Compile PARTS of the project at `root` into `directory`, with the running Python's headers or those in the directory
    `headers`. Returns where they are.

    Errors: setuptools' BaseError, CompileError and LinkError; OSError.
    """
    extensions = [
        Extension(
            ".".join(Path(part).with_suffix("").parts),
            [str(root / part)],
            include_dirs=[headers] if headers else [],  # they come before the running Python's
            define_macros=[("Py_LIMITED_API", STABLE_ABI)],
            extra_compile_args=["-O3"],  # a tenth faster than -O2
            py_limited_api=True,
        )
        for part in PARTS
    ]
    command = build_ext(Distribution({"name": "database-watcher", "ext_modules": extensions}))
    command.build_lib = command.build_temp = str(directory)
    command.ensure_finalized()
    command.run()
    return [_compiled(directory, part) for part in PARTS]
