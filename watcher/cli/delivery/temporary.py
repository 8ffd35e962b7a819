"""The temporary directory in which a verification or a comparison keeps what it has read."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watcher.verification.errors import NoRoom

OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
PRIMARY_CODE = 0xFF
"""Bits of an error's code without its details (https://www.sqlite.org/rescode.html)."""


@contextmanager
def temporary_directory(prefix: str) -> Iterator[Path]:
    """Make a directory for the duration of the block. Raises NoRoom if SQLite cannot write to a file in it any more."""
    with tempfile.TemporaryDirectory(prefix=prefix) as directory:
        try:
            yield Path(directory)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE not in OF_THE_DISK:
                raise
            place = Path(directory).parent
            hint = "make space there, or name another directory in $TMPDIR"
            raise NoRoom(f"what was read cannot be kept in {place}: {error}", hint=hint) from error
