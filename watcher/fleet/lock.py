"""A lock that lets only one `watcherctl` at a time change a fleet."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watcher.fleet.errors import FleetError, closed_to_us
from watcher.fleet.polling import wait_for
from watcher.private import open_file

_PATIENCE_SECONDS = 60


@contextmanager
def fleet_lock(path: Path, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock file. The kernel frees it if we die. Raises FleetError if another process holds it for `patience_seconds`."""
    descriptor = _open(path)
    try:
        if not wait_for(lambda: _taken(descriptor), patience_seconds):
            raise FleetError("another watcherctl is changing this fleet", hint="try again when it is done")
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return open_file(path, os.O_RDWR)
    except PermissionError as error:
        raise closed_to_us(path) from error
    except OSError as error:
        raise FleetError(f"cannot open {path}: {error.strerror}") from error


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
