"""Files and directories that only their owner may open: all parts keep theirs so in `run/` and `log/`.

An open file is enough to lock it (flock(2)), so others could hold a lock file that they may read.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
UMASK = 0o077
"""The same for files that other programs make; see umask(2)."""

_OTHERS = ~DIRECTORY_MODE & 0o777


def make_directory(path: Path) -> None:
    """Make the directory; missing parents get the usual mode. A directory of ours that is open to others is closed to them. Errors:
    OSError."""
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid == os.geteuid() and status.st_mode & _OTHERS:
        path.chmod(stat.S_IMODE(status.st_mode) & DIRECTORY_MODE)


def open_file(path: Path, flags: int) -> int:
    """Open a file as open(2) does, but refuse a symbolic link as the last part. Make it if it is missing; if it is ours, close it
    to others.

    Errors: OSError.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    status = os.fstat(descriptor)
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != FILE_MODE:
        os.fchmod(descriptor, FILE_MODE)
    return descriptor


def replace_file(path: Path, content: bytes, mode: int = FILE_MODE) -> None:
    """Write a file. Readers find the old content or the new; a full disk leaves the old. Errors: OSError about `path`."""
    temporary = path.with_name(f"{path.name}.{threading.get_native_id()}.new")
    with naming(path):
        try:
            with os.fdopen(open_file(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make the system's errors name `path`; that of a full disk would name no file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise
