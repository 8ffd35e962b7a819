"""The lock file of a watcher, which worker and `watcherctl position` hold, and files that root has left beside it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.test_position_view import SETTINGS
from watcher.config import Deployment
from watcher.errors import WatcherError
from watcher.live_commands.beside_worker import beside_own_worker, delivered_before
from watcher.private import refusal, user_name
from watcher.worker.process import only_one
from watcher.worker.reporting.status_file import StatusFile

NOBODY = 65534

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def test_none_is_made_in_place_of_a_run_directory_that_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker holds the one in the moved directory."""
    monkeypatch.setattr("watcher.fleet.launch.lost_supervisord", lambda _: os.getpid())
    with pytest.raises(WatcherError, match="its socket is gone"), beside_own_worker(Deployment.locate(tmp_path), SETTINGS):
        pass
    assert not (tmp_path / "run").exists()


@contextmanager
def nobody() -> Iterator[None]:
    """Be nobody, by its number."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def here() -> Iterator[Deployment]:
    """Nobody's deployment, in which root has run the watcher once."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        deployment = Deployment.locate(Path(name) / "conf.d")
        deployment.run_dir.mkdir(mode=0o700)
        for file in ("dashboard.lock", "dashboard.json"):
            (deployment.run_dir / file).touch(0o600)
        for path in (Path(name), deployment.run_dir):
            os.chown(path, NOBODY, NOBODY)
        yield deployment


@only_root
def test_position_says_whose_the_lock_file_is_and_what_to_do(here: Deployment) -> None:
    path = here.run_dir / "dashboard.lock"
    with pytest.raises(WatcherError) as refused, nobody(), beside_own_worker(here, SETTINGS):
        pass
    assert str(refused.value) == f"{path}, which belongs to root, cannot be opened"
    assert refused.value.hint == f"chown {user_name(NOBODY)} {path}"


@only_root
def test_position_says_so_of_a_status_file(here: Deployment) -> None:
    """Without it, a position that was lost would look like a watcher that never ran."""
    path = here.run_dir / "dashboard.json"
    with pytest.raises(WatcherError, match="json, which belongs to root") as refused, nobody():
        delivered_before(here, SETTINGS)
    assert refused.value.hint == f"chown {user_name(NOBODY)} {path}"


@only_root
def test_a_worker_goes_on_without_a_lock_and_says_what_to_do(here: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    path = here.run_dir / "dashboard.lock"
    with nobody(), only_one(path, threading.Event()):
        pass
    assert f"no lock file: {path}, which belongs to root, cannot be opened: chown {user_name(NOBODY)} {path}" in caplog.text


@only_root
def test_a_worker_goes_on_without_the_last_status_and_says_what_to_do(here: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    path = here.run_dir / "dashboard.json"
    with nobody():
        assert StatusFile(path, here.metrics_file("dashboard")).previous() is None
    assert f"{path}, which belongs to root, cannot be opened: chown {user_name(NOBODY)} {path}" in caplog.text


@only_root
def test_a_directory_in_which_no_lock_file_can_be_made(here: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(here.run_dir, 0, 0)
    here.run_dir.chmod(0o755)
    with nobody(), only_one(here.run_dir / "new.lock", threading.Event()):
        pass
    assert f"{here.run_dir}, which belongs to root, cannot be opened: chown {user_name(NOBODY)} {here.run_dir}" in caplog.text


def test_nobody_is_told_to_take_a_directory_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "chown" not in refusal(Path("/run/new.lock"))[1]
    assert "--state-dir" in refusal(Path("/run/new.lock"))[1]


@only_root
def test_a_run_directory_that_cannot_be_made(here: Deployment) -> None:
    base = here.run_dir.parent
    os.chown(base, 0, 0)
    base.chmod(0o755)
    elsewhere = Deployment.locate(here.conf_dir, base / "s")
    with pytest.raises(WatcherError, match="cannot write to") as refused, nobody(), beside_own_worker(elsewhere, SETTINGS):
        pass
    assert "--state-dir" in refused.value.hint


@only_root
def test_a_file_of_ours_that_we_have_closed_to_ourselves(here: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    path = here.run_dir / "dashboard.lock"
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o400)
    with nobody(), only_one(path, threading.Event()):
        pass
    assert f"chmod u+rwX {path}" in caplog.text
