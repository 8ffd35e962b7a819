"""Waiting for something that has no notification: bounded, in small steps. And asking whether a process lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from watcher.pids import birth_of, stat_field

STEP_SECONDS = 0.1

_STATE = 3
"""The field of /proc/<pid>/stat that says whether it runs (proc_pid_stat(5))."""


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
        return stat_field(pid, _STATE) not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_still(pid: int, birth: str) -> bool:
    """Whether this very process runs, and not another one that was given its id; `birth` is empty where nobody noted it."""
    return is_alive(pid) and (not birth or birth == birth_of(pid))


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; empty if there is none of this id."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
