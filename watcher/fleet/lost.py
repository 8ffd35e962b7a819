"""Finding a supervisord that runs and cannot be talked to: its socket was removed, or `run/` as a whole was moved away.

Its files cannot be asked then, and a pid file can name another process by now. Its command line can.
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
"""The field of /proc/<pid>/stat that names the parent (proc_pid_stat(5))."""


def lost_supervisord(config: Path) -> int | None:
    """The process id of the supervisord that was started with the configuration file `config`; None if there is none."""
    found = {pid: _parent(pid) for pid in _pids() if _is_supervisord(command_line(pid), config) and _has_our_files(pid)}
    # A worker that was forked and does not run its program yet looks like its supervisord.
    return next((pid for pid, parent in found.items() if parent not in found and is_alive(pid)), None)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _is_supervisord(arguments: list[str], config: Path) -> bool:
    """Not an editor, or whatever else has the file's name in its command line."""
    if _CONFIGURATION not in arguments:
        return False
    place = arguments.index(_CONFIGURATION)
    return arguments[place + 1 : place + 2] == [str(config)] and any(Path(word).name in _PROGRAMS for word in arguments[:place])


def _has_our_files(pid: int) -> bool:
    """Not one in a container, to which the same path is another file; another user's process does not tell, and counts."""
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
