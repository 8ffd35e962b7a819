"""Modes of files, as a program leaves them."""

from __future__ import annotations

import stat
from pathlib import Path


def mode(path: Path) -> int:
    """The permissions of a file or directory, with setgid and the like."""
    return stat.S_IMODE(path.lstat().st_mode)
