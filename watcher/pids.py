"""Tells processes with the same id apart: after a container's restart a worker often has the id of its predecessor."""

from __future__ import annotations

from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_TIME = 22
"""Number of the field in /proc/<pid>/stat that holds the start of the process, in ticks since the boot (proc_pid_stat(5))."""


def birth_of(pid: int) -> str:
    """Return the boot id and the start of the process within that boot; empty if there is no such process, or no /proc."""
    try:
        return f"{BOOT_ID.read_text().strip()}/{stat_field(pid, START_TIME)}"
    except OSError:
        return ""


def stat_field(pid: int, number: int) -> str:
    """Read a field of /proc/<pid>/stat after the name. Fields are counted from 1 as in the manual page. Errors: OSError."""
    behind_the_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()  # the name may be no text
    return behind_the_name[number - 3].decode()
