"""Checks this host for the needs of supervisord and the workers."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from watcher.config.conf_dir import AGENT
from watcher.config.deployment import SUPERVISORD
from watcher.config.fault import shown_path
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.configuration import Here
from watcher.fleet.agent_state import read_address
from watcher.fleet.errors import NotRunning
from watcher.fleet.launch import check_run_dir, refuse_a_second
from watcher.fleet.polling import is_still
from watcher.fleet.supervisord import Supervisord
from watcher.private import DIRECTORY_MODE, is_ours, user_name
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


def socket_place(here: Here) -> Finding:
    """Check that supervisord can create its unix socket. Raises FleetError."""
    check_run_dir(here.deployment)
    path = here.deployment.supervisord_socket
    return ok(f"{shown_path(path)}, {len(os.fsencode(path))} bytes long")


def directories(here: Here) -> Finding:
    """Check that run/ and log/ can be written to, or created, and that the existing files in them can be used."""
    wanted = (here.deployment.run_dir, here.deployment.log_dir)
    closed = [path for path in wanted if not os.access(_existing(path), os.W_OK | os.X_OK)]
    if closed := closed or [path for path in (*_logs(here), *_state(here)) if path.is_dir() or not os.access(path, os.W_OK)]:
        return _unusable(closed, "written to")
    if closed := [path for path in _state(here) if not os.access(path, os.R_OK)]:
        return _unusable(closed, "read")
    missing = "" if all(path.is_dir() for path in wanted) else "; `watcherctl start` makes what is missing"
    return ok(f"{' and '.join(map(shown_path, wanted))} can be written to{missing}")


def _unusable(paths: list[Path], use: str) -> Finding:
    names = " ".join(map(shown_path, paths))
    fix = f"chown {user_name(os.geteuid())} {names}, or choose another place with --state-dir"
    return failed(f"{names} cannot be {use}", fix)


def _logs(here: Here) -> Iterator[Path]:
    """The existing logs. One of another user keeps a worker from starting."""
    logs = map(here.deployment.log_file, (SUPERVISORD, AGENT, *here.names))
    return (path for path in logs if path.exists())


def _state(here: Here) -> Iterator[Path]:
    """The existing files in run/ that workers, agent and watcherctl read and write."""
    place = here.deployment
    of_watchers = (path for name in here.names for path in (place.lock_file(name), place.status_file(name)))
    return (path for path in (place.fleet_lock_file, place.key_file, place.address_file, *of_watchers) if path.exists())


def private(here: Here) -> Finding:
    """Check that nobody else can read run/ and log/, or has put anything there."""
    places = [path for path in (here.deployment.run_dir, here.deployment.log_dir) if path.is_dir()]
    if not places:
        return ok("`watcherctl start` makes run/ and log/ for their owner alone")
    if open_places := [path for path in places if stat.S_IMODE(path.stat().st_mode) & ~DIRECTORY_MODE]:
        names = " ".join(map(shown_path, open_places))
        text = f"{names}: open to other users of this host, who can read logs there, or hold a watcher's lock file and keep it down"
        known = {here.deployment.log_file(name).name for name in here.names}
        fix = f"chmod go= {names}"
        if not all(is_ours(path, known) for path in open_places):
            fix = f"choose a place of their own with --state-dir; or, only if nothing else uses {names}: {fix}"
        return warning(text, fix)
    if strange := [path for place in places for path in sorted(place.iterdir()) if _is_strange(path, place)]:
        names = " ".join(map(shown_path, strange))
        return warning(f"{names}: a symbolic link, or not of the same owner as its directory", f"ls -l {names}, then remove it")
    for place in places:
        if roots := [path for path in sorted(place.iterdir()) if _is_left_by_root(path, place)]:
            names, owner = " ".join(map(shown_path, roots)), user_name(place.stat().st_uid)
            return warning(f"{names}: root's, as after `sudo watcherctl`; {owner} cannot use them", f"chown {owner} {names}")
    return ok(f"{' and '.join(map(shown_path, places))}: for their owner alone")


def _is_strange(path: Path, place: Path) -> bool:
    """True for a symbolic link, and for a file of another owner than its directory's. Root is no stranger."""
    status = _status(path)
    return status is not None and (stat.S_ISLNK(status.st_mode) or status.st_uid not in {place.stat().st_uid, 0})


def _is_left_by_root(path: Path, place: Path) -> bool:
    """True for root's file in another user's directory, but not for a log: supervisord, run by root, writes others' logs."""
    status = _status(path)
    return status is not None and status.st_uid == 0 != place.stat().st_uid and ".log" not in path.suffixes


def _status(path: Path) -> os.stat_result | None:
    """Return the file's own status; None if it has gone meanwhile, as temporary ones do."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def disk_space(here: Here) -> Finding:
    """Check that there is space for status files, and for logs of their largest size."""
    path = _existing(here.deployment.log_dir)
    if full := [place for place in (path, _existing(here.deployment.run_dir)) if _files_left(place) == 0]:
        return failed(f"no file can be made at {full[0]}: its inodes are used up", f"remove files: df -i {full[0]}")
    free = min(shutil.disk_usage(place).free for place in (path, _existing(here.deployment.run_dir)))
    text = f"{_megabytes(free)} free at {path}"
    if free < LEAST_BYTES:
        return failed(f"only {text}: status files cannot be written", f"make space: df -h {path}")
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


def supervisord(here: Here) -> Finding:
    """Check that supervisord answers, or may be started. Raises FleetError."""
    try:
        return ok(f"runs as process {Supervisord(here.deployment.supervisord_socket).pid()}")
    except NotRunning:
        refuse_a_second(here.deployment)
        return ok("does not run; `watcherctl start --all` starts it")


def agent_port(here: Here) -> Finding:
    """Check that the port of the fleet's agent is free, or in use by the agent itself."""
    settings = here.agent.wanted if here.agent else None
    if settings is None:
        return not_checked("because no agent is meant to run" if here.agent else "because it is about the whole fleet")
    place = f"{settings.host}:{settings.port}"
    address = read_address(here.deployment.address_file)
    if address and (settings.port == 0 or f":{settings.port}/" in address.url):
        return ok(f"our agent listens: {address.url}")
    try:
        family, *_, free = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.create_server(free[:2], family=family):
            return ok(f"{place} is free")
    except OSError as error:
        why = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror
        text = f"nothing can listen on {place}: {why}; the fleet runs without its page and metrics"
        return warning(text, "in conf.d/agent.toml: port = 8086, or enabled = false; then watcherctl apply")


def _existing(path: Path) -> Path:
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


CHECKS: tuple[Check[Here], ...] = (
    Check("host.python", python),
    Check("host.socket-path", socket_place),
    Check("host.directories", directories),
    Check("host.private", private, needs=("host.directories",)),
    Check("host.disk-space", disk_space),
    Check("host.file-descriptors", file_descriptors),
    Check("host.memory", memory),
    Check("host.clock", clock),
    Check("host.supervisord", supervisord, needs=("host.socket-path",)),
    Check("host.agent-port", agent_port, needs=("host.supervisord",)),
)
