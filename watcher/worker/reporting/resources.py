"""Resources that the worker's process uses, from proc(5); None if they cannot be read, because file descriptors may run out."""

from __future__ import annotations

import os
import time
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SELF = Path("/proc/self")


def resident_bytes() -> int | None:
    """Resident memory, in bytes."""
    try:
        return int((SELF / "statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return None


def cpu_seconds() -> float:
    """CPU time of all threads, user and system, in seconds."""
    return time.process_time()


def open_files() -> int | None:
    """Number of open file descriptors, including the one used for counting."""
    return _entries("fd")


def threads() -> int | None:
    """Number of threads, including those of the libraries."""
    return _entries("task")


def _entries(name: str) -> int | None:
    try:
        return sum(1 for _ in (SELF / name).iterdir())
    except OSError:
        return None
