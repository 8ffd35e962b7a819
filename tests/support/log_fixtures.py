"""A deployment whose logs are written by the test, and what is read of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watcher.fleet.logs.backwards import pieces


@pytest.fixture
def log_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the logs in a deployment with the watcher `shop`, which has never run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "shop.toml").touch()
    (tmp_path / "log").mkdir(mode=0o700)
    return tmp_path / "log"


@pytest.fixture
def read_pieces(monkeypatch: pytest.MonkeyPatch) -> list[list[bytes]]:
    """The pieces of logs that are read from now on."""
    read: list[list[bytes]] = []

    def counted(*arguments: Any) -> Iterator[list[bytes]]:
        for piece in pieces(*arguments):
            read.append(piece)
            yield piece

    monkeypatch.setattr("watcher.fleet.logs.lines.pieces", counted)
    return read
