"""Lag and headroom of the stream, by MongoDB's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.support.still_clock import StillClock
from tests.support.worker_account import account_after, batch, deliver, messages, position, shown
from watcher.status.report import StatusReport
from watcher.worker.reporting.progress import Progress

pytest_plugins = ["tests.support.worker_account_fixtures"]


def test_lag_is_the_servers_time_less_what_is_delivered(progress: Progress) -> None:
    progress.opened(position(90))
    progress.received(batch(100, events=1))
    assert shown(progress)["lagSeconds"] == 10
    deliver(progress, messages("insert"), position(97))
    assert shown(progress)["lagSeconds"] == 3


def test_an_empty_answer_means_that_all_is_delivered(progress: Progress) -> None:
    progress.opened(position(90))
    progress.received(batch(100))
    assert shown(progress)["lagSeconds"] == 0


def test_lag_grows_while_the_server_is_silent(progress: Progress, clock: StillClock) -> None:
    progress.opened(position(90))
    progress.received(batch(100))
    clock.now += 60
    assert shown(progress)["lagSeconds"] == 60


def test_headroom_is_from_the_oldest_oplog_entry_to_the_saved_position(progress: Progress) -> None:
    progress.opened(position(90))
    progress.received(batch(100, oldest=40))
    assert shown(progress)["headroomSeconds"] == 50


def test_headroom_falls_while_the_server_is_silent(progress: Progress, clock: StillClock) -> None:
    progress.opened(position(90))
    progress.received(batch(100, oldest=40))
    clock.now += 30
    assert shown(progress)["headroomSeconds"] == 20


def left_behind(monkeypatch: pytest.MonkeyPatch, clock: StillClock, headroom_s: int, *, full: bool) -> Progress:
    """Make the progress of a worker whose predecessor wrote its status ten minutes ago."""
    monkeypatch.setattr(time, "time", clock)
    written = datetime.fromtimestamp(clock.now - 600, UTC)
    report = StatusReport(
        pid=1,
        client_id="dashboard-watcher",
        state="stopped",
        started_at=written,
        updated_at=written,
        headroom_seconds=headroom_s,
        oplog_full=full,
    )
    return account_after(report)


def test_headroom_is_that_of_the_process_before_until_mongodb_answers(monkeypatch: pytest.MonkeyPatch, clock: StillClock) -> None:
    """As when a worker is started while Kafka is away: the time runs on all the same."""
    progress = left_behind(monkeypatch, clock, 3600, full=True)
    assert (shown(progress)["headroomSeconds"], shown(progress)["oplogFull"]) == (3000, True)
    progress.opened(position(90))
    progress.received(batch(100, oldest=40))
    assert (shown(progress)["headroomSeconds"], shown(progress)["oplogFull"]) == (50, False)


def test_nothing_is_known_when_an_oplog_with_room_was_seen_too_long_ago(monkeypatch: pytest.MonkeyPatch, clock: StillClock) -> None:
    assert shown(left_behind(monkeypatch, clock, 60, full=False))["headroomSeconds"] is None


def test_a_command_that_sets_the_position_back_sets_the_lag_back_too(progress: Progress) -> None:
    """The changes of the last hour come again, and nothing of that time counts as delivered."""
    progress.opened(position(1000))
    progress.received(batch(server=5000))
    progress.interrupted("a command is at work: rewind")
    progress.opened(position(1400))
    assert shown(progress)["lagSeconds"] == 0  # nothing happened between the last position and the server's time
    progress.interrupted("a command is done: rewind")
    progress.opened(position(1300))
    progress.received(batch(server=5000, events=1, at=1301))
    assert shown(progress)["lagSeconds"] == 3700
