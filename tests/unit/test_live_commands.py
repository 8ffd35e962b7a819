"""The note of a command on a watcher whose worker does not hold the lock file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.plain_settings import settings
from watcher.config import Deployment
from watcher.fleet.errors import NotRunning
from watcher.fleet.supervisord import Process, Supervisord
from watcher.kafka.position import Saved
from watcher.live_commands import snapshots
from watcher.live_commands.snapshots import ELSEWHERE, STARTING
from watcher.model import Delivered
from watcher.position.look import Look


@pytest.mark.parametrize(
    ("state", "note"),
    [("RUNNING", STARTING), ("STARTING", STARTING), ("STOPPING", ELSEWHERE), ("STOPPED", ELSEWHERE), (None, ELSEWHERE)],
)
def test_a_worker_that_is_just_starting_is_not_said_to_be_elsewhere(
    state: str | None, note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def processes(_: Supervisord) -> dict[str, Process]:
        if state is None:
            raise NotRunning
        return {"dashboard": Process("dashboard", state, pid=7)}

    monkeypatch.setattr(Supervisord, "processes", processes)
    monkeypatch.setattr(snapshots, "look_at", lambda *_: (Look(Saved(), "", ()), Delivered()))
    monkeypatch.setattr(snapshots, "_alter", lambda *_: "paused  snapshot-1")
    deployment = Deployment(tmp_path / "conf.d", tmp_path / "run", tmp_path / "log")
    assert snapshots.alter_present(deployment, settings(), "pause") == snapshots.Done("paused  snapshot-1", note)
