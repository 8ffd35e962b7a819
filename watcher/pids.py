"""Telling apart processes that had the same id: after a container's restart a worker often has that of its predecessor."""

from __future__ import annotations

from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
START_TIME = 22
"""The field of /proc/<pid>/stat that says when the process was started, in ticks since the boot (proc_pid_stat(5))."""


def birth_of(pid: int) -> str:
    """The boot and the moment in it at which the process was started; empty if there is none of this id, or no /proc."""
    try:
        return f"{BOOT_ID.read_text().strip()}/{stat_field(pid, START_TIME)}"
    except OSError:
        return ""


def stat_field(pid: int, number: int) -> str:
    """A field of /proc/<pid>/stat, counted from 1 as in its manual page; one behind the name. Errors: OSError."""
    behind_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return behind_the_name[number - 3]
