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
from shlex import quote

from watcher.config.deployment import Deployment
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.errors import DISK_REFUSES, FleetError
from watcher.private import DIRECTORY_MODE, SHARED_DIRECTORY_MODE, change_mode, group_name, is_shared, naming, readable_mode

_READABLE = ("*.json", "*.prom", "*.log", "*.log.*")


def share(deployment: Deployment, group: str | None) -> None:
    """Let the members of a group read `run/` and `log/`, or nobody else if it is None. If one fails, the other is still done.

    Errors: FleetError about the first that failed; OSError of a full or read-only disk.
    """
    number = _number(group) if group else None
    failed = []
    for directory in (deployment.run_dir, deployment.log_dir):
        if group or is_shared(directory):
            try:
                _share_one(directory, deployment, number)
            except FleetError as error:
                failed.append(error)
    if failed:
        raise failed[0]


def _share_one(directory: Path, deployment: Deployment, group: int | None) -> None:
    mode, number = (DIRECTORY_MODE, -1) if group is None else (SHARED_DIRECTORY_MODE, group)
    try:
        with naming(directory):  # an error about a descriptor names no file
            place = directory.resolve()  # of a symbolic link, to another disk
            if not change_mode(place, DIRECTORY_MODE, deployment.logs_of_conf_dir, added=mode, group=number):
                raise _not_ours(directory, group)
            for path in _readable(place):
                _give(path, readable_mode(place), number)
            if (marks := deployment.disabled_dir).parent == directory and marks.is_dir():
                _give(marks, mode, number)
    except OSError as error:
        if error.errno in DISK_REFUSES:
            raise
        raise _refused(directory, group, error) from error


def _not_ours(directory: Path, group: int | None) -> FleetError:
    left = "is not given to" if group is not None else "stays open to"
    number = directory.stat().st_gid if group is None else group
    return FleetError(
        f"{directory} {left} the group {group_name(number)!r}, for it may hold files of other programs or users",
        hint=f"ls -lA {quote(str(directory))}; if others use it, choose another place with --state-dir",
    )


def _refused(directory: Path, group: int | None, error: OSError) -> FleetError:
    path = quote(str(directory))
    if group is None:
        return FleetError(
            f"{directory} cannot be closed to its group: {error.strerror}", hint=f"chmod -R g= {quote(str(directory))}"
        )
    name = group_name(group)
    hint = f"choose a group that this host lets you use there (chgrp {name} {path}), or another place with --state-dir"
    if isinstance(error, PermissionError):
        hint = f"the user who starts the fleet must be a member of {name}: usermod -aG {name} USER, then log in anew"
    return FleetError(f"{directory} cannot be given to the group {name!r}: {error.strerror}", hint=hint)


def is_open_to_us(deployment: Deployment) -> bool:
    """Tell whether the fleet is another user's, who lets a group of ours read. Root may change any fleet.

    The right to write does not tell: on a read-only disk nobody has it.
    """
    run_dir = deployment.run_dir
    return (
        is_shared(run_dir)
        and os.geteuid() not in {0, run_dir.stat().st_uid}
        and os.access(run_dir, os.R_OK | os.X_OK, effective_ids=True)
    )


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
