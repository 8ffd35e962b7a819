"""A worker's account of itself: states, counters, lag, and an outage told once."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually
from watcher.config import Settings
from watcher.errors import NotPermitted, Outage
from watcher.log import iso
from watcher.model import Active, Batch, Message, Owner, Position
from watcher.oplog import Oplog
from watcher.status.report import StatusReport, WorkerState
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting import lag as module
from watcher.worker.reporting import status_file
from watcher.worker.reporting.other_workers import FOREIGNER_SECONDS
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_file import log_status
from watcher.worker.reporting.status_report import status_report

OWNER = Owner("9f3c", "host-1", 4711)
MONGODB_AWAY = Outage("MongoDB does not answer.", hint="Is it running?", component="mongodb")
KAFKA_AWAY = Outage("Kafka does not answer.", hint="Is it running?", component="kafka")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


@pytest.fixture
def progress(clock: Clock) -> Progress:
    uri = "mongodb://host/dashboard"
    settings = Settings(name="dashboard", mongodb_uri=uri, kafka_brokers="host:9092", kafka_client_id="dashboard-watcher")
    return Progress(settings, OWNER, PreviousRun(restarts=2, fruitless=1), lambda: None)


def token(seconds: int) -> dict[str, str]:
    return {"_data": f"82{seconds:08X}00000001"}


def position(seconds: int, sequence: int = 0) -> Position:
    return Position("dashboard", OWNER, token(seconds), sequence)


def messages(*operations: str, at_ms: int = 0) -> list[Message]:
    return [Message("topic", None, b"{}", at_ms, operation) for operation in operations]


def batch(server: int, events: int = 0, *, at: int | None = None, oldest: int | None = None) -> Batch:
    return Batch([b""] * events, token(server if at is None else at), server, oplog=None if oldest is None else Oplog(oldest))


def shown(progress: Progress) -> dict[str, Any]:
    """The status file's values."""
    return status_report(progress).as_json()


def deliver(progress: Progress, delivered: list[Message], position: Position, *, seconds: float = 0.1) -> None:
    progress.encoded(len(delivered), sum(len(message.value) for message in delivered))
    progress.committed(delivered, position, seconds)


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


def test_the_first_delivery_is_told_at_once_so_that_a_crash_after_it_is_not_fruitless(clock: Clock) -> None:
    told: list[int] = []
    settings = Settings(name="a", mongodb_uri="mongodb://host/a", kafka_brokers="host:9092", kafka_client_id="a-watcher")
    progress = Progress(settings, OWNER, PreviousRun(), lambda: told.append(shown(progress)["messagesCommitted"]))
    deliver(progress, [], position(100))
    deliver(progress, messages("insert", "insert"), position(101, 2))
    deliver(progress, messages("insert"), position(102, 3))
    assert told == [2]


def test_the_buffer_holds_what_was_read_and_is_not_committed(progress: Progress) -> None:
    progress.received(batch(100, events=5))
    deliver(progress, messages("insert", "insert"), position(100))
    assert shown(progress)["bufferSize"] == 3


def test_lag_is_the_servers_time_less_what_is_delivered(progress: Progress) -> None:
    progress.opened(position(90))
    progress.received(batch(100, events=1))
    assert shown(progress)["lagSeconds"] == 10
    deliver(progress, messages("insert"), position(97))
    assert shown(progress)["lagSeconds"] == 3


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
def restarted(clock: Clock) -> Progress:
    """A worker whose predecessor's last event was number 7."""
    settings = Settings(name="d", mongodb_uri="mongodb://host/d", kafka_brokers="host:9092", kafka_client_id="a-watcher")
    first = Progress(settings, OWNER, PreviousRun(), lambda: None)
    deliver(first, messages("insert", at_ms=5_000), position(5, sequence=7))
    return Progress(settings, OWNER, PreviousRun.of(status_report(first), "a-watcher"), lambda: None)


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


def test_an_empty_answer_means_that_all_is_delivered(progress: Progress) -> None:
    progress.opened(position(90))
    progress.received(batch(100))
    assert shown(progress)["lagSeconds"] == 0


def test_lag_grows_while_the_server_is_silent(progress: Progress, clock: Clock) -> None:
    progress.opened(position(90))
    progress.received(batch(100))
    clock.seconds += 60
    assert shown(progress)["lagSeconds"] == 60


def test_the_last_status_tells_of_no_flow_and_no_connection(progress: Progress, clock: Clock) -> None:
    with progress.account_for(threading.Event()):
        progress.opened(position(90))
        progress.streaming()
        status_report(progress)
        deliver(progress, messages(*["insert"] * 30), position(100))
        clock.seconds += 1
        assert shown(progress)["eventsPerSecond"] > 0
    status = shown(progress)
    assert (status["state"], status["eventsPerSecond"]) == ("stopped", 0.0)
    assert not status["mongoConnected"]
    assert not status["kafkaConnected"]


def test_headroom_is_from_the_oldest_oplog_entry_to_the_saved_position(progress: Progress) -> None:
    progress.opened(position(90))
    progress.received(batch(100, oldest=40))
    assert shown(progress)["headroomSeconds"] == 50


def test_headroom_falls_while_the_server_is_silent(progress: Progress, clock: Clock) -> None:
    progress.opened(position(90))
    progress.received(batch(100, oldest=40))
    clock.seconds += 30
    assert shown(progress)["headroomSeconds"] == 20


def left_behind(monkeypatch: pytest.MonkeyPatch, clock: Clock, headroom_s: int, *, full: bool) -> Progress:
    """Make the progress of a worker whose predecessor wrote its status ten minutes ago."""
    monkeypatch.setattr(module.time, "time", clock)
    settings = Settings(name="a", mongodb_uri="mongodb://host/a", kafka_brokers="host:9092", kafka_client_id="a-watcher")
    written = datetime.fromtimestamp(clock.seconds - 600, UTC)
    report = StatusReport(
        pid=1,
        client_id="a-watcher",
        state="stopped",
        started_at=written,
        updated_at=written,
        headroom_seconds=headroom_s,
        oplog_full=full,
    )
    return Progress(settings, OWNER, PreviousRun.of(report, "a-watcher"), lambda: None)


def test_headroom_is_that_of_the_process_before_until_mongodb_answers(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """As when a worker is started while Kafka is away: the time runs on all the same."""
    progress = left_behind(monkeypatch, clock, 3600, full=True)
    assert (shown(progress)["headroomSeconds"], shown(progress)["oplogFull"]) == (3000, True)
    progress.opened(position(90))
    progress.received(batch(100, oldest=40))
    assert (shown(progress)["headroomSeconds"], shown(progress)["oplogFull"]) == (50, False)


def test_nothing_is_known_when_an_oplog_with_room_was_seen_too_long_ago(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    assert shown(left_behind(monkeypatch, clock, 60, full=False))["headroomSeconds"] is None


def test_the_rate_is_that_of_the_last_seconds(progress: Progress, clock: Clock) -> None:
    status_report(progress)
    clock.seconds += 5
    deliver(progress, messages(*["insert"] * 30), position(100))
    status_report(progress)
    clock.seconds += 5
    deliver(progress, messages(*["insert"] * 70), position(101))
    assert shown(progress)["eventsPerSecond"] == 10.0
    for _ in range(10):
        clock.seconds += 2
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


def test_an_outage_is_logged_once_and_its_end_too(progress: Progress, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress.opened(position(90))
    progress.streaming()
    caplog.clear()
    for _ in range(5):
        progress.lost(MONGODB_AWAY)
        clock.seconds += 4
    progress.streaming()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "MongoDB does not answer."),
        ("INFO", "streaming"),
    ]
    assert (caplog.records[0].hint, caplog.records[1].downtimeSeconds) == ("Is it running?", 20.0)


def test_when_the_other_server_goes_away_too_that_is_told(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    for outage in (MONGODB_AWAY, MONGODB_AWAY, KAFKA_AWAY, KAFKA_AWAY):
        progress.lost(outage)
    assert [record.getMessage() for record in caplog.records] == ["MongoDB does not answer.", "Kafka does not answer."]


def test_an_outage_shows_in_the_status(progress: Progress) -> None:
    progress.opened(position(90))
    progress.streaming()
    progress.lost(KAFKA_AWAY)
    status = shown(progress)
    assert (status["state"], status["mongoConnected"], status["kafkaConnected"]) == ("waiting", True, False)
    assert (status["errors"], status["reopens"]) == (1, 1)
    error = status["lastError"]
    assert (error["message"], error["hint"], error["component"]) == ("Kafka does not answer.", "Is it running?", "kafka")
    assert error["exitCode"] is None


def test_after_an_outage_the_last_error_stays(progress: Progress) -> None:
    progress.lost(KAFKA_AWAY)
    progress.opened(position(90))
    progress.streaming()
    status = shown(progress)
    assert (status["state"], status["mongoConnected"], status["kafkaConnected"]) == ("streaming", True, True)
    assert status["lastError"]["message"] == "Kafka does not answer."


def test_a_worker_that_was_told_to_stop_shows_it_until_it_has(progress: Progress) -> None:
    stopping = threading.Event()
    with progress.account_for(stopping):
        progress.enter(WorkerState.STREAMING)
        stopping.set()
        assert shown(progress)["state"] == "stopping"
    assert shown(progress)["state"] == "stopped"


def test_a_worker_that_had_to_stop_says_why(progress: Progress) -> None:
    with pytest.raises(NotPermitted), progress.account_for(threading.Event()):
        raise NotPermitted("MongoDB refuses the credentials.", hint="Check the password.")
    status = shown(progress)
    assert (status["state"], status["lastError"]["exitCode"], status["lastError"]["hint"]) == ("failed", 77, "Check the password.")


def test_a_bug_is_called_one(progress: Progress) -> None:
    with pytest.raises(ZeroDivisionError), progress.account_for(threading.Event()):
        raise ZeroDivisionError("division by zero")
    error = shown(progress)["lastError"]
    assert (error["exitCode"], error["message"]) == (1, "ZeroDivisionError: division by zero")
    assert "bug" in error["hint"]


def debug_lines(progress: Progress, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what a batch of two events and its commit say at level debug."""
    caplog.set_level(logging.DEBUG, "watcher")
    secret = Message("database.insert", b"1", b'{"password": "tiger"}', 0, "insert")
    progress.received(Batch([b"tiger"] * 2, token(100), 100, size=10))
    deliver(progress, [secret, secret], position(100, 7), seconds=0.0123)
    known = vars(logging.makeLogRecord({})).keys() | {"message"}
    return [
        {"event": record.getMessage()} | {key: vars(record)[key] for key in vars(record).keys() - known}
        for record in caplog.records
    ]


def test_at_level_debug_each_batch_and_each_commit_is_told(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    assert debug_lines(progress, caplog) == [
        {"event": "batch", "events": 2, "bytes": 10},
        {"event": "committed", "messages": 2, "bytes": 42, "ms": 12.3, "sequence": 7},
    ]


def test_documents_are_told_when_asked_for(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    progress.settings = replace(progress.settings, log_documents=True)
    told = debug_lines(progress, caplog)
    assert told[2:] == [{"event": "message", "topic": "database.insert", "value": '{"password": "tiger"}'}] * 2


def test_above_level_debug_nothing_of_that_is_told(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "watcher")
    progress.received(batch(100, events=2))
    deliver(progress, messages("insert"), position(100))
    assert caplog.records == []


def test_the_guides_status_line(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "watcher")
    progress.opened(position(90))
    progress.streaming()
    progress.received(batch(100, events=3))
    log_status(progress)
    line = vars(caplog.records[-1])
    assert (line["levelname"], line["msg"]) == ("INFO", "status")
    guides = {key: line[key] for key in ("isRunning", "mongoConnected", "kafkaConnected", "bufferSize", "database")}
    assert guides == {"isRunning": True, "mongoConnected": True, "kafkaConnected": True, "bufferSize": 3, "database": "dashboard"}
    assert {"lagSeconds", "headroomSeconds", "eventsPerSecond"} <= line.keys()


def test_the_status_line_comes_again_and_again(
    progress: Progress, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()  # the clock
    monkeypatch.setattr(status_file, "LOG_SECONDS", 0.05)
    monkeypatch.setattr(status_file, "WRITE_SECONDS", 0.05)
    caplog.set_level(logging.INFO, "watcher")
    with status_file.StatusFile(tmp_path / "dashboard.json", tmp_path / "dashboard.prom").kept(progress):
        eventually(lambda: [record.getMessage() for record in caplog.records].count("status") >= 3)


def test_a_standby_tells_who_is_active_and_no_numbers_of_its_own(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    progress.opened(position(100, sequence=7))
    progress.streaming()
    progress.received(batch(server=130, events=3, oldest=10))
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            progress.standing_by(WorkerState.STANDBY, Active(Owner("5a11", "host-2", 1), "2024-01-01T12:03:00.000Z"), 9)
    told = status_report(progress)
    assert (told.state, told.active_host, told.sequence, told.buffer_size) == (WorkerState.STANDBY, "host-2", 9, 0)
    assert (told.lag_seconds, told.headroom_seconds, told.mongo_connected, told.kafka_connected) == (None, None, False, True)
    assert [record.message for record in caplog.records] == ["standby: active on host-2"]
    assert (told.active_since, told.foreigner) == (datetime(2024, 1, 1, 12, 3, tzinfo=UTC), None)
    progress.streaming()
    assert (status_report(progress).active_host, status_report(progress).active_since) == (None, None)


def test_settings_that_differ_are_told_once(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    differences = ("host-2 has batch_size = 500, this host 1000",)
    active = Active(Owner("5a11", "host-2", 1), "2024-01-01T12:03:00.000Z", differences)
    for _ in range(2):
        progress.standing_by(WorkerState.STANDBY, active, 9)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["not the same settings on all hosts: host-2 has batch_size = 500, this host 1000"]
    assert status_report(progress).settings_differ == differences
    progress.streaming()
    assert status_report(progress).settings_differ == ()


def test_a_worker_without_a_lease_is_named_for_a_minute(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress.standing_by(WorkerState.STANDBY, Active(Owner("f0", "host-3", 7)), 9)
    assert status_report(progress).foreigner == "process 7 on host-3"
    now[0] += FOREIGNER_SECONDS
    assert status_report(progress).foreigner is None
    progress.interrupted("Another worker has taken over", "process 7 on host-3")
    progress.interrupted("a command is at work")
    assert status_report(progress).foreigner == "process 7 on host-3"


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


def test_as_long_as_it_is_not_known_who_has_the_lease_it_is_opening(progress: Progress, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        progress.standing_by(WorkerState.OPENING, Active(Owner("5a11", "host-2", 1)), 9)
    assert (status_report(progress).state, caplog.records) == (WorkerState.OPENING, [])
