"""The lock file that `watcherctl position` holds while it changes a position."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.test_position_view import SETTINGS
from watcher.cli.position import _while_stopped
from watcher.config import Deployment
from watcher.errors import WatcherError


def test_none_is_made_in_place_of_a_run_directory_that_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker holds the one in the moved directory."""
    monkeypatch.setattr("watcher.fleet.launch.lost_supervisord", lambda _: os.getpid())
    with pytest.raises(WatcherError, match="its socket is gone"), _while_stopped(Deployment.locate(tmp_path), SETTINGS):
        pass
    assert not (tmp_path / "run").exists()
