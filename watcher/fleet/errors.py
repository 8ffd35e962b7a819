"""Errors of the fleet itself, as opposed to those of its workers."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from watcher.errors import DISK_FULL, NotPermitted, WatcherError
from watcher.private import user_name

DISK_REFUSES = DISK_FULL | {errno.EROFS}
"""Numbers of the errors of a disk that nothing can be written to."""


class FleetError(WatcherError):
    """The fleet cannot do what was asked."""


class NotRunning(FleetError):
    """No supervisord runs in this deployment."""

    def __init__(self) -> None:
        super().__init__("supervisord is not running here", hint="watcherctl start --all")


class NotReachable(FleetError, NotPermitted):
    """The fleet belongs to another user."""


@contextlib.contextmanager
def in_time(what: str) -> Iterator[None]:
    """Raise FleetError if the child process inside does not end in time. `what` is the subject of its sentence."""
    try:
        yield
    except subprocess.TimeoutExpired as error:
        raise FleetError(f"{what} takes longer than {error.timeout:.0f} s", hint="if this machine is too busy, try again") from None


def closed_to_us(place: Path) -> NotReachable:
    """Make the error for a file or directory of a fleet that only its owner may use as we wanted to."""
    owner = user_name(_owner(place))
    return NotReachable(
        f"{place} belongs to {owner}, and you are {user_name(os.geteuid())}: only {owner} may start, stop and change this fleet",
        hint=f"sudo -u {owner} watcherctl …; to let a group read status and logs: group in conf.d/agent.toml",
    )


def _owner(place: Path) -> int:
    """Return the user id of the owner, or that of the nearest directory around it that can be seen."""
    for each in (place, *place.parents):
        with contextlib.suppress(OSError):
            return each.stat().st_uid
    return 0  # for the types: everybody can see /
