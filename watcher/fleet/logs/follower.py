"""Following the workers' logs as they grow, also while supervisord rotates them."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from watcher.fleet.logs.lines import NO_TIME, Line, parse


class Follower:
    """New lines of the logs, from the moment this object is made."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = [_GrowingFile(watcher, path) for watcher, path in files.items()]

    def read(self) -> list[Line]:
        """The lines added since the last call, in order of time. Does not wait."""
        return list(heapq.merge(*(file.read() for file in self._files), key=lambda line: line.at))

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class _GrowingFile:
    """One log. A file that did not exist yet is read from its beginning once it exists."""

    def __init__(self, watcher: str, path: Path) -> None:
        self._watcher = watcher
        self._path = path
        self._unfinished = b""
        self._at: datetime = NO_TIME
        self._file = self._open()
        if self._file:
            self._file.seek(0, os.SEEK_END)

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except OSError:  # missing, or not readable for us: then supervisord cannot write to it either
            return None

    def read(self) -> list[Line]:
        lines = list(self._lines(self._read_on()))
        if lines:
            self._at = lines[-1].at
        return lines

    def _read_on(self) -> bytes:
        """The new data in the open file, and in the one that has replaced it."""
        data = self._file.read() if self._file else b""
        if self._was_replaced():
            self.close()
            self._file = self._open()
            data += self._file.read() if self._file else b""
        return data

    def _was_replaced(self) -> bool:
        try:
            there = self._path.stat()
        except OSError:
            return False
        if self._file is None:
            return True
        open_one = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) != (open_one.st_dev, open_one.st_ino) or there.st_size < self._file.tell()

    def _lines(self, data: bytes) -> Iterator[Line]:
        *whole, self._unfinished = (self._unfinished + data).split(b"\n")
        return parse(self._watcher, (text.decode(errors="replace") for text in whole if text), self._at)

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
