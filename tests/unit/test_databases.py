"""Databases within a watcher: counted, shown busiest first, and bounded wherever they are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.status_reports import dashboard, survey_of
from watcher.cli.fleet.status_view import plain
from watcher.config import Settings, load_one
from watcher.consumer.reading.filter import Filter
from watcher.model import Message, Owner, Position
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting import databases as module
from watcher.worker.reporting.databases import KEPT, NAMED, Databases
from watcher.worker.reporting.metrics import metrics
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_report import status_report

COMMITTED_MS = 1_704_110_400_000


class Clock:
    """Stands still until it is moved; both the time of day and the monotonic one."""

    def __init__(self) -> None:
        self.passed = 0.0

    def time(self) -> float:
        return COMMITTED_MS / 1000 + self.passed

    def monotonic(self) -> float:
        return 50.0 + self.passed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def messages(database: str, number: int, *, age_ms: int = 0, topic: str = "database.insert") -> list[Message]:
    return [Message(topic, None, b"{}", COMMITTED_MS - age_ms, "insert", database=database)] * number


def shared_settings(**values: Any) -> Settings:
    common = {"name": "tenants", "mongodb_uri": "mongodb://h/", "kafka_brokers": "h:9092", "kafka_client_id": "c"}
    return Settings(**{**common, "watch_databases": ["*"], **values})


def worker(settings: Settings) -> Progress:
    return Progress(settings, Owner("9f3c", "host-1", 4711), PreviousRun(), lambda: None)


def deliver(progress: Progress, delivered: Sequence[Message]) -> None:
    progress.encoded(len(delivered), 2 * len(delivered))
    progress.committed(delivered, Position("*", progress.owner, {"_data": "826592A9400000000100"}, len(delivered)), 0.01)


def test_the_busiest_of_the_last_seconds_come_first(clock: Clock) -> None:
    counted = Databases("*")
    counted.busiest()
    counted.committed([*messages("a", 30, age_ms=250), *messages("b", 10)])
    assert [(each.name, each.events_per_second) for each in counted.busiest().databases] == [("a", 3.0), ("b", 1.0)]
    clock.passed = 11.0
    counted.busiest()
    counted.committed(messages("b", 20, age_ms=-11_000 + 500))
    [first, second] = counted.busiest().databases
    assert (first.name, first.events_per_second, first.messages_committed, first.lag_seconds) == ("b", 2.0, 30, 0.5)
    assert (second.name, second.events_per_second, second.messages_committed, second.lag_seconds) == ("a", 0.0, 30, 0.25)
    assert second.last_event_at is not None
    assert second.last_event_at.timestamp() == COMMITTED_MS / 1000 - 0.25


def test_messages_about_the_whole_watcher_are_of_no_database(clock: Clock) -> None:
    counted = Databases("*")
    counted.committed(messages("*", 3))
    assert counted.busiest().total == 0


def test_a_clock_that_is_behind_mongodbs_makes_no_lag_below_0(clock: Clock) -> None:
    counted = Databases("*")
    counted.committed(messages("a", 1, age_ms=-700))
    assert counted.busiest().databases[0].lag_seconds == 0


def test_however_many_databases_there_are_few_are_named_and_not_all_are_remembered(clock: Clock) -> None:
    counted = Databases("*")
    counted.busiest()
    for number in range(KEPT + 1):
        clock.passed = number / 1000
        counted.committed(messages(f"t{number:04}", 1))
    busiest = counted.busiest()
    assert len(busiest.databases) == NAMED
    assert busiest.total == KEPT - module.ROOM
    assert busiest.others_per_second == (busiest.total - NAMED) / 10
    counted.committed(messages("t0000", 1))
    assert counted.busiest().total == busiest.total + 1, "the oldest was forgotten, and the newest were not"


def test_status_and_metrics_of_a_watcher_of_several_databases(clock: Clock) -> None:
    progress = worker(shared_settings(kafka_db_changes_topic="{database}.{collection}"))
    deliver(progress, [each for number in range(12) for each in messages(f"t{number}", 20 - number, topic=f"t{number}.orders")])
    report = status_report(progress)
    assert report.database == "*"
    assert ([each.name for each in report.databases], report.database_count) == ([f"t{number}" for number in range(10)], 12)
    text = metrics(progress)
    names = re.findall(r'^watcher_database_events_per_second\{.*database="(\w+)"', text, re.MULTILINE)
    assert sorted(names) == sorted([*(f"t{number}" for number in range(10)), "other"])
    assert 'watcher_database_events_per_second{watcher="tenants",database="other"} 1.9' in text, "of 10 and 9 in ten seconds"
    assert text.count("\nwatcher_database_lag_seconds{") == NAMED
    assert re.findall(r"^watcher_messages_committed_total.*", text, re.MULTILINE) == [
        'watcher_messages_committed_total{watcher="tenants",topic="{database}.{collection}"} 174'
    ]


def test_a_database_that_is_called_like_all_others_has_no_series_of_its_own(clock: Clock) -> None:
    progress = worker(shared_settings())
    deliver(progress, messages("other", 10))
    assert 'watcher_database_events_per_second{watcher="tenants",database="other"} 1.0' in metrics(progress)


def test_a_worker_that_has_ended_has_no_busy_databases(clock: Clock) -> None:
    progress = worker(shared_settings())
    deliver(progress, messages("a", 10))
    progress._ended(progress.state.STOPPED)
    assert status_report(progress).databases == ()


def test_a_watcher_of_one_database_tells_of_none(clock: Clock) -> None:
    progress = worker(shared_settings(mongodb_uri="mongodb://h/shop", watch_databases=()))
    deliver(progress, messages("shop", 3))
    report = status_report(progress)
    assert (report.databases, report.database_count) == ((), 0)
    assert "\nwatcher_database_" not in metrics(progress).replace("# ", "")
    assert 'watcher_messages_committed_total{watcher="dashboard"' not in metrics(progress)
    assert 'watcher_messages_committed_total{watcher="tenants",topic="database.insert"} 3' in metrics(progress)


BUSY = {
    "databases": [{"name": f"tenant_{number}", "eventsPerSecond": 90.5 - number, "messagesCommitted": 905} for number in range(10)],
    "databaseCount": 53,
}


def test_status_names_some_of_the_busiest() -> None:
    line = plain(survey_of(dashboard(**BUSY))).splitlines()[2]
    assert line.startswith("dashboard: busiest of 53 databases: tenant_0 90.5/s, tenant_1 89.5/s, ")
    assert line.count("/s") == 5
    few = plain(survey_of(dashboard(databases=BUSY["databases"][:1], databaseCount=1))).splitlines()[2]
    assert few == "dashboard: busiest of its databases: tenant_0 90.5/s"
    assert "busiest" not in plain(survey_of(dashboard()))


MESSAGE = {"operationType": "insert", "database": "tenant_1", "collection": "orders", "timestamp": "2024-01-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("database", "collection", "expected"),
    [
        ("tenant_1", None, True),
        ("tenant_*", "orders", True),
        ("tenant_2", None, False),
        (None, "tenant_1.orders", True),
        (None, "tenant_*.orders", True),
        (None, "tenant_2.orders", False),
        (None, "tenant_1", False),
        (None, "order", False),
    ],
)
def test_tail_chooses_by_database(database: str | None, collection: str | None, expected: bool) -> None:
    assert Filter(collection, database=database)(MESSAGE) is expected


def test_a_message_about_a_whole_database_is_of_no_collection() -> None:
    dropped = {"operationType": "dropDatabase", "database": "tenant_1", "timestamp": "2024-01-01T12:00:00Z"}
    assert Filter(database="tenant_?")(dropped)
    assert not Filter("tenant_1.*")(dropped)


def test_the_settings_of_the_page_about_many_databases_are_good(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "many-databases.md").read_text(encoding="utf-8")
    [whole, topics] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "tenants.toml").write_text(whole + topics)
    settings = load_one(tmp_path, "tenants", {})
    assert settings.scope.has_database("tenant_1")
    assert not settings.scope.has_database("tenant_test_1")
