"""Refused credentials: files are read again for a while, and what is no better is not taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.still_clock import StillClock
from watcher.config import Deployment, Settings
from watcher.errors import CredentialsRefused, ExitCode
from watcher.model import Owner
from watcher.mongodb.client import Questions
from watcher.status.report import WorkerState
from watcher.worker.credentials import PATIENCE_SECONDS, Credentials
from watcher.worker.previous_run import PreviousRun
from watcher.worker.process import Nudge, StopRequest
from watcher.worker.reporting.progress import Progress
from watcher.worker.worker import Worker

REFUSED = CredentialsRefused("MongoDB refuses the credentials", hint="Check them.", component="mongodb")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """As `Settings.secret_files`, with credentials that were good once."""
    paths = {"mongodb_uri": tmp_path / "uri", "kafka.sasl.password": tmp_path / "password"}
    paths["mongodb_uri"].write_text("mongodb://u:old@h/db\n")
    paths["kafka.sasl.password"].write_text("old\n")
    return paths


def settings(files: dict[str, Path]) -> Settings:
    return Settings(
        name="a",
        mongodb_uri="mongodb://u:old@h/db",
        kafka_brokers="h",
        kafka_client_id="a",
        kafka_db_changes_topic="x",
        kafka={"sasl.password": "old", "linger.ms": 7},
        secret_files=files,
    )


def test_what_the_files_hold_now_is_used(files: dict[str, Path]) -> None:
    before = settings(files)
    credentials = Credentials(before, StillClock())
    files["mongodb_uri"].write_text("mongodb://u:new@h/db\n")
    files["kafka.sasl.password"].write_text(" new \r\n")
    outage = credentials.refused(REFUSED)
    assert (outage.component, str(outage)) == ("mongodb", str(REFUSED))
    assert str(files["mongodb_uri"]) in outage.hint
    now = credentials.settings
    assert now.mongodb_uri.get_secret_value() == "mongodb://u:new@h/db"
    assert now.kafka == {"sasl.password": " new ", "linger.ms": 7}
    assert (now.secret_files, now.topic_templates) == (before.secret_files, before.topic_templates)


@pytest.mark.parametrize("content", ["", "\n", "no uri", "mongodb://u:new@h/another", None])
def test_a_file_that_is_being_replaced_changes_nothing(files: dict[str, Path], content: str | None) -> None:
    credentials = Credentials(settings(files), StillClock())
    if content is None:
        files["mongodb_uri"].unlink()
    else:
        files["mongodb_uri"].write_text(content)
    credentials.refused(REFUSED)
    assert credentials.settings == settings(files)


def test_patience_ends_and_begins_again_when_they_were_accepted(files: dict[str, Path]) -> None:
    clock = StillClock()
    credentials = Credentials(settings(files), clock)
    clock.now = 100.0
    credentials.refused(REFUSED)
    clock.now += PATIENCE_SECONDS - 1
    credentials.refused(REFUSED)
    credentials.accepted()
    clock.now += 1000
    credentials.refused(REFUSED)
    clock.now += PATIENCE_SECONDS
    with pytest.raises(CredentialsRefused) as caught:
        credentials.refused(REFUSED)
    assert caught.value.exit_code is ExitCode.NOT_PERMITTED


def test_without_a_file_there_is_nothing_to_wait_for() -> None:
    with pytest.raises(CredentialsRefused):
        Credentials(settings({}), StillClock()).refused(REFUSED)


def test_a_file_that_is_renewed_at_last_is_taken(files: dict[str, Path]) -> None:
    """An outage may lie between two refusals, and the file may have changed in it."""
    clock = StillClock()
    credentials = Credentials(settings(files), clock)
    credentials.refused(REFUSED)
    clock.now += PATIENCE_SECONDS + 10
    files["kafka.sasl.password"].write_text("new\n")
    credentials.refused(REFUSED)
    assert credentials.settings.kafka["sasl.password"] == "new"
    clock.now += PATIENCE_SECONDS
    with pytest.raises(CredentialsRefused):
        credentials.refused(REFUSED)


class PlayedWorker(Worker):
    """A worker whose turns are played, one after the other; then it is told to stop."""

    def __init__(self, settings: Settings, run_dir: Path, clock: StillClock) -> None:
        owner, previous = Owner("9f3c", "host-1", 4711), PreviousRun()
        self.stopping, self.progress = StopRequest(), Progress(settings, owner, previous, lambda: None)
        here = Deployment(run_dir, run_dir, run_dir)
        super().__init__(settings, owner, previous, self.progress, self.stopping, Nudge(), here, Questions())
        self._credentials = Credentials(settings, clock)
        self.turns: list[Callable[[], None]] = []

    def _take_turn(self, settings: Settings) -> None:
        turn = self.turns.pop(0)
        if not self.turns:
            self.stopping.set()
        turn()


@pytest.mark.parametrize("state", [WorkerState.STREAMING, WorkerState.STANDBY])
def test_who_was_let_in_is_patient_again_a_month_later(state: WorkerState, files: dict[str, Path], tmp_path: Path) -> None:
    """Passwords are replaced every month, and a worker may stand by all the time."""

    def refused() -> None:
        raise REFUSED

    def let_in() -> None:
        if state is WorkerState.STREAMING:
            worker.progress.streaming()
        else:
            worker.progress.standing_by(state, None, 7)
        clock.now += 30 * 86_400

    clock = StillClock()
    worker = PlayedWorker(settings(files), tmp_path, clock)
    worker.turns = [refused, let_in, refused, let_in]
    worker.run()
    assert worker.progress.state is state
