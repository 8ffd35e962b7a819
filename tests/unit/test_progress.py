"""A worker's account of itself: states, counters, rates, quotas."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.support.still_clock import StillClock
from tests.support.worker_account import account, account_after, batch, deliver, messages, position, shown
from watcher.log import iso
from watcher.status.report import WorkerState
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_report import status_report

pytest_plugins = ["tests.support.worker_account_fixtures"]


def test_a_new_worker_says_who_it_is(progress: Progress) -> None:
    status = shown(progress)
    assert (status["watcher"], status["clientId"], status["database"]) == ("dashboard", "dashboard-watcher", "dashboard")
    assert (status["pid"], status["instance"], status["host"], status["restarts"]) == (4711, "9f3c", "host-1", 2)
    assert status["state"] == "opening"
    assert status["lagSeconds"] is status["headroomSeconds"] is status["lastError"] is status["lastEventAt"] is None


def test_counters_count_by_operation_and_what_is_no_row_is_control(progress: Progress) -> None:
    deliver(progress, messages("insert", "insert", "drop", at_ms=1_704_110_400_000), position(100, 3))
    deliver(progress, messages("replace", "rewind", at_ms=1_704_110_401_500), position(101, 5))
    status = shown(progress)
    assert status["events"] == {"insert": 2, "update": 0, "replace": 1, "delete": 0, "control": 2}
    assert (status["messagesCommitted"], status["sequence"]) == (5, 5)
    assert status["lastEventAt"] == "2024-01-01T12:00:01.500Z"


def test_the_first_delivery_is_told_at_once_so_that_a_crash_after_it_is_not_fruitless(clock: StillClock) -> None:
    told: list[int] = []
    progress = account(on_change=lambda: told.append(shown(progress)["messagesCommitted"]))
    deliver(progress, [], position(100))
    deliver(progress, messages("insert", "insert"), position(101, 2))
    deliver(progress, messages("insert"), position(102, 3))
    assert told == [2]


def test_the_buffer_holds_what_was_read_and_is_not_committed(progress: Progress) -> None:
    progress.received(batch(100, events=5))
    deliver(progress, messages("insert", "insert"), position(100))
    assert shown(progress)["bufferSize"] == 3


def test_a_command_is_told_of_once_and_is_no_trouble(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress.opened(position(90))
    progress.streaming()
    progress.received(batch(100, events=5))
    progress.encoded(5, 100)
    for reason in ("a command is at work", "a command is at work", "a command is done"):
        progress.interrupted(reason)
    told = [(record.levelname, record.message) for record in caplog.records if "command" in record.message]
    assert told == [("INFO", "a command is at work"), ("INFO", "a command is done")]
    status = shown(progress)
    assert (status["state"], status["errors"], status["reopens"], status["lastError"]) == ("streaming", 0, 0, None)
    assert (status["bufferSize"], progress.counters.transactions["aborted"]) == (0, 1)


@pytest.fixture
def restarted(clock: StillClock) -> Progress:
    """A worker whose predecessor's last event was number 7."""
    first = account()
    deliver(first, messages("insert", at_ms=5_000), position(5, sequence=7))
    return account_after(status_report(first))


def test_the_last_event_is_known_after_a_restart(restarted: Progress) -> None:
    assert shown(restarted)["lastEventAt"] == iso(5)
    restarted.opened(position(9, sequence=7))
    assert shown(restarted)["lastEventAt"] == iso(5)


def test_what_another_worker_has_delivered_since_is_not_called_the_last_event(restarted: Progress) -> None:
    restarted.standing_by(WorkerState.STANDBY, None, 8)
    restarted.opened(position(9, sequence=8))
    assert shown(restarted)["lastEventAt"] is None


def test_a_gap_that_the_position_knows_counts(progress: Progress) -> None:
    progress.opened(replace(position(90), last_gap_at=iso(time.time())))
    assert not progress.gaps.allowed


def test_the_last_status_tells_of_no_flow_and_no_connection(progress: Progress, clock: StillClock) -> None:
    with progress.account_for(threading.Event()):
        progress.opened(position(90))
        progress.streaming()
        status_report(progress)
        deliver(progress, messages(*["insert"] * 30), position(100))
        clock.now += 1
        assert shown(progress)["eventsPerSecond"] > 0
    status = shown(progress)
    assert (status["state"], status["eventsPerSecond"]) == ("stopped", 0.0)
    assert not status["mongoConnected"]
    assert not status["kafkaConnected"]


def test_the_rate_is_that_of_the_last_seconds(progress: Progress, clock: StillClock) -> None:
    status_report(progress)
    clock.now += 5
    deliver(progress, messages(*["insert"] * 30), position(100))
    status_report(progress)
    clock.now += 5
    deliver(progress, messages(*["insert"] * 70), position(101))
    assert shown(progress)["eventsPerSecond"] == 10.0
    for _ in range(10):
        clock.now += 2
        status_report(progress)
    assert shown(progress)["eventsPerSecond"] == 0.0


def test_a_report_can_be_made_at_any_moment(progress: Progress) -> None:
    """The status file's thread reads while the worker's thread writes."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            deliver(progress, messages("insert"), position(100))

    with often_interrupted():
        worker = threading.Thread(target=work)
        worker.start()
        try:
            for _ in range(300):
                status_report(progress)
        finally:
            ended.set()
            worker.join()


@contextmanager
def often_interrupted() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_worker_that_was_told_to_stop_shows_it_until_it_has(progress: Progress) -> None:
    stopping = threading.Event()
    with progress.account_for(stopping):
        progress.enter(WorkerState.STREAMING)
        stopping.set()
        assert shown(progress)["state"] == "stopping"
    assert shown(progress)["state"] == "stopped"


def test_a_quota_is_told_for_a_minute_and_logged_when_it_begins(
    progress: Progress, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for told in ((0, 0.03), (0, 19.97), (10, 30.0), (20, 30.0)):
        now[0] = 1000.0 + told[0]
        progress.throttled(told[1])
    assert status_report(progress).throttled_seconds == 60.0
    now[0] = 1065.0
    assert status_report(progress).throttled_seconds == 60.0
    now[0] = 1075.0
    assert status_report(progress).throttled_seconds == 30.0
    now[0] = 1090.0
    assert status_report(progress).throttled_seconds == 0.0
    progress.throttled(0.5)
    assert [record.getMessage() for record in caplog.records] == ["Kafka holds back the writes, because a quota is used up"] * 2
    assert progress.throttling.seconds == 80.5
