"""Finding a supervisord that runs but cannot be reached, because its socket was removed or all of `run/` was moved away.

Its files are no help then, and a pid file may name another process by now. So it is found by its command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from watcher.fleet.polling import command_line, is_alive
from watcher.pids import stat_field

_PROC = Path("/proc")
_PROGRAMS = {"supervisord", "supervisor.supervisord"}
_CONFIGURATION = "-c"
_PARENT = 4
"""The number of the field in /proc/<pid>/stat that names the parent (proc_pid_stat(5))."""


def lost_supervisord(config: Path) -> int | None:
    """The process id of the supervisord started with the configuration file `config`; None if there is none."""
    found = {pid: _parent(pid) for pid in _pids() if _is_supervisord(command_line(pid), config) and _has_our_files(pid)}
    # A worker that has been forked but does not run its own program yet looks like its supervisord.
    return next((pid for pid, parent in found.items() if parent not in found and is_alive(pid)), None)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _is_supervisord(arguments: list[str], config: Path) -> bool:
    """True for a supervisord with this configuration; False for an editor or another program with the file on its command line."""
    if _CONFIGURATION not in arguments:
        return False
    place = arguments.index(_CONFIGURATION)
    return arguments[place + 1 : place + 2] == [str(config)] and any(Path(word).name in _PROGRAMS for word in arguments[:place])


def _has_our_files(pid: int) -> bool:
    """False for a process in a container, where the same path is another file. A process of another user, which cannot be checked,
    counts as having our files."""
    try:
        return (_PROC / str(pid) / "root").samefile("/")
    except PermissionError:
        return True
    except OSError:
        return False


def _parent(pid: int) -> int:
    try:
        return int(stat_field(pid, _PARENT))
    except OSError:
        return os.getpid()
