"""Waiting with a time limit, by polling, for something that sends no notification; and checks that a process is alive."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from watcher.pids import birth_of, stat_field

STEP_SECONDS = 0.1

_STATE = 3
"""The number of the field in /proc/<pid>/stat that holds the state of the process (proc_pid_stat(5))."""


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition()` holds. Returns False if it did not hold within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(STEP_SECONDS)
    return True


def is_alive(pid: int) -> bool:
    """True if a process with this id runs. One that has ended but has not been reaped does not count."""
    try:
        return stat_field(pid, _STATE) not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_there(pid: int) -> bool:
    """True if a process with this id is there, also one that has ended but has not been reaped. Costs next to nothing."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_still(pid: int, birth: str) -> bool:
    """True if this very process still runs, not another one with the same id. `birth` is empty if it was not recorded."""
    return is_alive(pid) and (not birth or birth == birth_of(pid))


def command_line(pid: int) -> list[str]:
    """The arguments with which a process was started; empty if there is no such process or it may not be read."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
