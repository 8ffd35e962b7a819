"""What the worker's process takes of the machine, from proc(5). None where that can't be read: file descriptors may run out."""

from __future__ import annotations

import os
import time
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SELF = Path("/proc/self")


def resident_bytes() -> int | None:
    """Memory in RAM."""
    try:
        return int((SELF / "statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return None


def cpu_seconds() -> float:
    """CPU time, user's and system's, of all threads."""
    return time.process_time()


def open_files() -> int | None:
    """Open file descriptors; that of the looking is one of them."""
    return _entries("fd")


def threads() -> int | None:
    """Threads, those of the libraries too."""
    return _entries("task")


def _entries(name: str) -> int | None:
    try:
        return sum(1 for _ in (SELF / name).iterdir())
    except OSError:
        return None
