"""Checks this machine for what supervisord and the workers use of it: Python, disk, open files, memory and clock."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import shutil
import sys
from pathlib import Path

from watcher.config.fault import typed
from watcher.doctor.check import Finding, failed, not_checked, ok, warning
from watcher.doctor.configuration import Here
from watcher.fleet.polling import is_still
from watcher.status.report import read_report

OLDEST_PYTHON = (3, 11)

MB = 1_000_000
LOG_BYTES = 60 * MB
"""Largest size of one watcher's logs: a file of 10 MB and five older ones."""
LEAST_BYTES = 10 * MB
"""Free space, in bytes, below which it may soon be impossible to write a status file."""

SUPERVISORD_FILES = 1024
"""supervisord's `minfds`: it refuses to start if it may not open that many files."""
FILES_PER_WATCHER = 4
"""Files that supervisord keeps open for a worker: its pipes and its log."""
FILES_BESIDES = 50

IDLE_BYTES = 60 * MB
BUSY_BYTES = 150 * MB
"""Memory of a worker at rest, and of one under load, in bytes; docs/reliability.md has the measurements."""

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
TIME_ERROR = 5
"""Result of ntp_adjtime(3) for a clock that is not synchronised."""


def python(_here: Here) -> Finding:
    """Check that Python is new enough and runs on Linux, the system that workers are made for."""
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return failed(f"Python {version} is too old", "install it with Python 3.11 or newer")
    if sys.platform != "linux":
        return warning(f"Python {version} on {sys.platform}: workers would outlive a killed supervisord", "use Linux in production")
    return ok(f"Python {version} on Linux")


def disk_space(here: Here) -> Finding:
    """Check that there is space for status files, and for logs of their largest size."""
    path = nearest_existing(here.deployment.log_dir)
    if full := [place for place in (path, nearest_existing(here.deployment.run_dir)) if _files_left(place) == 0]:
        return failed(f"no file can be made at {full[0]}: its inodes are used up", f"remove files: df -i {typed(full[:1])}")
    free = min(shutil.disk_usage(place).free for place in (path, nearest_existing(here.deployment.run_dir)))
    text = f"{_megabytes(free)} free at {path}"
    if free < LEAST_BYTES:
        return failed(f"only {text}: status files cannot be written", f"make space: df -h {typed([path])}")
    needed = LOG_BYTES * len(here.watchers)
    if free < needed:
        return warning(f"{text}, and the logs may grow to {_megabytes(needed)}", "make space, or choose a disk with --state-dir")
    return ok(text)


def file_descriptors(here: Here) -> Finding:
    """Check that supervisord and the workers may open as many files as they need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(SUPERVISORD_FILES, FILES_BESIDES + FILES_PER_WATCHER * len(here.watchers))
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return ok("without a limit" if hard == resource.RLIM_INFINITY else f"up to {hard}; {needed} are needed")
    fix = f"ulimit -Hn {needed} as root, LimitNOFILE={needed} in a systemd unit, or nofile in /etc/security/limits.conf"
    return failed(f"a process may have {hard} files open, and supervisord needs {needed}", fix)


def memory(here: Here) -> Finding:
    """Check that there is memory for the workers that do not run yet."""
    available = _available_memory()
    if available is None:
        return not_checked(f"because there is no {MEMINFO}")
    count = sum(not _runs(here, settings.name) for settings in here.watchers)
    text = f"{_megabytes(available)} available"
    if available < IDLE_BYTES * count:
        return failed(
            f"{text}, and {count} more workers need {_megabytes(IDLE_BYTES * count)}",
            "add memory, or spread the watchers over hosts",
        )
    if available < BUSY_BYTES * count:
        text = f"{text}; under load {count} more workers may take {_megabytes(BUSY_BYTES * count)}"
        return warning(text, "add memory, or lower batch_size")
    return ok(f"{text}; a worker takes {_megabytes(IDLE_BYTES)} at rest")


def clock(_here: Here) -> Finding:
    """Check that the kernel considers its clock synchronised."""
    state = _clock_state()
    if state < 0:
        return not_checked("because the kernel does not tell")
    if state == TIME_ERROR:
        return warning("the kernel's clock is not synchronised", "timedatectl set-ntp true (in a container: on its host)")
    return ok("the kernel's clock is synchronised")


def nearest_existing(path: Path) -> Path:
    """Return the path itself, or the nearest directory above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _files_left(place: Path) -> int | None:
    """Return the number of further files that the file system can hold; None if it has no fixed limit (statvfs(3))."""
    told = os.statvfs(place)
    return told.f_favail if told.f_files else None


def _megabytes(count: int) -> str:
    return f"{count / (1000 * MB):.1f} GB" if count >= 1000 * MB else f"{count // MB} MB"


def _runs(here: Here, name: str) -> bool:
    report = read_report(here.deployment.status_file(name))
    return report is not None and is_still(report.pid, report.birth)


def _available_memory() -> int | None:
    """Return the available memory in bytes: the kernel's figure, or what is left of our container's limit if that is less."""
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    except FileNotFoundError:
        return None
    available = int(lines["MemAvailable"].split()[0]) * 1024
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return available
    return available if limit == "max" else min(available, int(limit) - int(used))


def _clock_state() -> int:
    """Call ntp_adjtime(3) with nothing to adjust. Return 0 to 5, or a negative number if that is not allowed."""
    adjust = getattr(ctypes.CDLL(None), "ntp_adjtime", None)
    return int(adjust(ctypes.create_string_buffer(1024))) if adjust else -1
