"""Waiting for something that has no notification: bounded, in small steps. And asking whether a process lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

STEP_SECONDS = 0.1


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition()` holds; False if it did not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(STEP_SECONDS)
    return True


def is_alive(pid: int) -> bool:
    """Whether a process of this id runs; one that has ended but was not yet reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; empty if there is none of this id."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
