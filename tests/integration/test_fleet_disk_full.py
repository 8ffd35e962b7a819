"""Behaviour of `watcherctl` when the disk of `run/` and `log/` is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disk import filled, small_disk
from tests.support.stand_in_fleet import StandIns, settings
from watcher.cli import run_command_line
from watcher.fleet.arrival import StartResult
from watcher.fleet.changes.digest import load_or_make_key
from watcher.fleet.errors import FleetError

DISK_FULL = "No space left on device"


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("d")) as disk:
        yield disk


@pytest.fixture
def fleet(disk: Path) -> Iterator[StandIns]:
    fleet = StandIns(disk)
    try:
        yield fleet
    finally:
        fleet.down()


def test_disabling_says_so_and_changes_nothing(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    before = [path.name for path in (fleet.base / "run" / "programs").iterdir()]
    with filled(fleet.base), pytest.raises(FleetError, match=f"programs/a.conf: {DISK_FULL}"):
        fleet.disable(["a"])
    assert "a" not in fleet.disabled
    assert [path.name for path in (fleet.base / "run" / "programs").iterdir()] == before


def test_a_restart_that_could_not_start_again_does_not_stop(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    pid = fleet.pid("a")
    with filled(fleet.base), pytest.raises(FleetError, match=DISK_FULL):
        fleet.restart([settings("a", batch_size=7)])
    assert fleet.pid("a") == pid


def test_whoever_waits_for_a_worker_that_cannot_write_is_told(fleet: StandIns) -> None:
    fleet.start([settings("a")])
    fleet.streaming("a")
    with filled(fleet.base):
        fleet.restart([settings("a")])
        arrival = fleet.wait("a", seconds=2)["a"]
        assert (arrival.result, DISK_FULL in arrival.message) == (StartResult.TIMED_OUT, True)
    fleet.streaming("a")


def test_a_key_that_a_full_disk_cut_short_is_made_again(disk: Path) -> None:
    """An empty one would let everybody compute the digests."""
    key = disk / ".key"
    with filled(disk), pytest.raises(OSError, match=DISK_FULL):
        load_or_make_key(key)
    assert not key.exists()
    key.touch()
    made = load_or_make_key(key)
    assert (len(made), load_or_make_key(key)) == (32, made)
    assert key.stat().st_mode & 0o777 == 0o600


def test_what_init_could_not_write_does_not_count_as_written(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = disk / "new"
    new.mkdir()
    with filled(disk):
        assert run_command_line(["init", str(new)]) == 1
    assert DISK_FULL in capsys.readouterr().err
    assert [path for path in new.rglob("*") if path.is_file()] == []
    assert run_command_line(["init", str(new)]) == 0
