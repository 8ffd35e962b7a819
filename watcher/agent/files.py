"""Caches for files that other processes write. A file is read again only if it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from watcher.config import Loaded, load

T = TypeVar("T")

Mark = tuple[int, int, int]


def mark(path: Path | str) -> Mark | None:
    """A value that changes when a file is rewritten; None if the file is missing."""
    try:
        status = os.stat(path)  # noqa: PTH116  # a path as text takes a third less time, sixty times for each look
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class _Kept(NamedTuple, Generic[T]):
    path: Path
    text: str
    mark: Mark | None
    result: T


class FileCache(Generic[T]):
    """The results of `read` by name, each kept until the file at `path_of(name)` changes."""

    def __init__(self, path_of: Callable[[str], Path], read: Callable[[Path], T]) -> None:
        self._path_of = path_of
        self._read = read
        self._kept: dict[str, _Kept[T]] = {}

    def get(self, name: str) -> T:
        """The result for `name`, from memory unless the file has changed."""
        kept = self._kept.get(name)
        path = kept.path if kept else self._path_of(name)
        text = kept.text if kept else str(path)
        now = mark(text)
        if kept is None or kept.mark != now:
            kept = self._kept[name] = _Kept(path, text, now, self._read(path))
        return kept.result

    def keep_only(self, names: Iterable[str]) -> None:
        """Forget the results for all other names."""
        wanted = set(names)
        self._kept = {name: kept for name, kept in self._kept.items() if name in wanted}


class ConfDirCache:
    """The loaded conf.d. It is loaded again if a file in it, or a file with a secret, has changed."""

    def __init__(self, conf_dir: Path) -> None:
        self._conf_dir = conf_dir
        self._marks: dict[str, Mark | None] = {}
        self._loaded: Loaded | None = None

    def get(self) -> Loaded:
        """The current configuration. The files are looked at before they are read, so that no change in between is missed; those
        with secrets are known only afterwards, so for them it is read once more."""
        marks = self._look()
        if self._loaded is None or marks != self._marks:
            self._loaded, self._marks = load(self._conf_dir), marks
        return self._loaded

    def _look(self) -> dict[str, Mark | None]:
        try:
            with os.scandir(self._conf_dir) as entries:
                files = [entry.path for entry in entries]
        except OSError:
            files = []
        secrets = map(str, self._loaded.secret_files) if self._loaded else ()
        return {path: mark(path) for path in (*files, *secrets)}
