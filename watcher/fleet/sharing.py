"""Sharing `run/` and `log/` with a group of the host, whose members may look but change nothing.

The directories carry it themselves, by mode and group: so workers, the agent and supervisord need no setting. The socket, locks and
keys stay closed, and members learn from the workers' files what supervisord would say.
"""

from __future__ import annotations

import contextlib
import grp
import os
from collections.abc import Iterator
from pathlib import Path

from watcher.config.deployment import Deployment
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.errors import FleetError
from watcher.private import DIRECTORY_MODE, SHARED_DIRECTORY_MODE, change_mode, is_shared, readable_mode

_READABLE = ("*.json", "*.prom", "*.log", "*.log.*")


def share(deployment: Deployment, group: str | None) -> None:
    """Let the members of a group read `run/` and `log/`, or nobody else if it is None. Errors: FleetError."""
    directories = [path for path in (deployment.run_dir, deployment.log_dir) if group or is_shared(path)]
    number, added = (_number(group), SHARED_DIRECTORY_MODE) if group else (-1, 0)
    try:
        for directory in directories:
            change_mode(directory, DIRECTORY_MODE, deployment.logs_of_conf_dir, added=added, group=number)
            for path in _readable(directory):
                _give(path, readable_mode(directory), number)
            if (marks := deployment.disabled_dir).parent == directory and marks.is_dir():
                _give(marks, SHARED_DIRECTORY_MODE if group else DIRECTORY_MODE, number)
    except PermissionError as error:
        raise FleetError(
            f"{error.filename or deployment.run_dir} cannot be given to the group {group!r}: {error.strerror}",
            hint=f"the user who starts the fleet must be a member of {group}: usermod -aG {group} USER, then log in anew",
        ) from error


def is_open_to_us(deployment: Deployment) -> bool:
    """Tell whether the fleet is another user's, who lets a group of ours read."""
    run_dir = deployment.run_dir
    return is_shared(run_dir) and os.access(run_dir, os.R_OK | os.X_OK) and not os.access(run_dir, os.W_OK)


def watchers_seen(deployment: Deployment) -> list[str]:
    """Return the names of the watchers that have a status file, for those who may not read conf.d."""
    return sorted(path.stem for path in deployment.run_dir.glob("*.json") if path.stem != AGENT)


def _number(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise FleetError(f"there is no group {group!r} on this host", hint=f"groupadd {group}, or correct it") from None


def _readable(directory: Path) -> Iterator[Path]:
    for pattern in _READABLE:
        yield from (path for path in directory.glob(pattern) if not path.is_symlink())


def _give(path: Path, mode: int, group: int) -> None:
    with contextlib.suppress(OSError):  # gone meanwhile, or left by root
        os.chown(path, -1, group, follow_symlinks=False)
        path.chmod(mode)
