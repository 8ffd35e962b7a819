"""The last hour of a watcher."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.status_reports import report_of
from watcher.agent.view.history import SERIES, STEPS, History
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.supervisord import Process
from watcher.status.report import StatusReport

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
START = NOW - timedelta(seconds=100)


def report(seconds: float, inserts: int, **changes: Any) -> StatusReport:
    """Make what a worker writes `seconds` after NOW."""
    values = {"pid": 7, "state": "streaming", "startedAt": START, "updatedAt": NOW + timedelta(seconds=seconds)}
    return report_of({**values, "events": {"insert": inserts}, **changes})


def row(written: StatusReport | None, state: WatcherState = WatcherState.STREAMING, name: str = "a") -> Row:
    return Row(name, state, enabled=True, process=Process(name, "RUNNING", pid=7), report=written)


def history_of(*rows: Row) -> dict[str, list[float | None]]:
    history = History()
    for step, each in enumerate(rows):
        history.add(5.0 * step, [each])
    return history.of("a")


def test_rates_are_by_the_workers_own_clock() -> None:
    """The agent looks every 5 s and the worker writes every 2 s: between two reports are 4 s or 6 s."""
    course = history_of(row(report(0, 1000)), row(report(4, 1040)), row(report(10, 1040)))
    assert course["insert"] == [None, 10.0, 0.0]
    assert course["update"] == [None, 0.0, 0.0]
    assert course["at"] == [0.0, 5.0, 10.0]


def test_nothing_is_known_of_the_time_before_the_first_look() -> None:
    """An agent that is started beside workers which have run for days must not show their average as the present rate."""
    assert history_of(row(report(0, 10**9)))["insert"] == [None]
    assert history_of(row(report(0, 30, startedAt=NOW - timedelta(seconds=3))))["insert"] == [10.0]


def test_a_new_process_counts_from_zero() -> None:
    successor = {"pid": 8, "startedAt": NOW + timedelta(seconds=2)}
    course = history_of(row(report(0, 1000)), row(report(4, 30, **successor)))
    assert course["insert"][1] == 15.0


def test_values_as_they_stand_in_the_status_file() -> None:
    values = {"lagSeconds": 2, "batchSize": 10, "commitSeconds": 0.01, "rssBytes": 54_000_000, "headroomSeconds": 86_400}
    course = history_of(row(report(0, 0, **values)), row(report(5, 0)))
    assert {name: course[name][0] for name in values} == values
    assert course["lagSeconds"][1] is course["commitSeconds"][1] is None


def test_nothing_is_known_of_one_that_is_gone_or_hangs() -> None:
    written = report(0, 5, lagSeconds=1)
    course = history_of(row(written), row(written, WatcherState.HUNG), row(written, WatcherState.STOPPED), row(None))
    assert {len(series) for series in course.values()} == {4}
    assert course["lagSeconds"] == [1.0, None, None, None]
    assert course["insert"][1:] == [None, None, None]


def test_the_rates_of_all_operations_together() -> None:
    history = History()
    for step, events in enumerate(({"insert": 100}, {"insert": 140, "delete": 20}, None)):
        history.add(5.0 * step, [row(report(5 * step, 0, events=events) if events else None)])
    assert history.rates("a") == [None, 12.0, None]
    assert history.rates("a", steps=1) == [None]
    assert history.rates("b") == []


def test_an_hour_and_no_longer() -> None:
    history = History()
    for step in range(STEPS + 3):
        history.add(5.0 * step, [row(report(5 * step, 0))])
    course = history.of("a")
    assert {len(series) for series in course.values()} == {STEPS}
    assert course["at"][0] == 15.0
    assert list(course) == ["at", *SERIES]


def test_steps_that_were_missed_are_not_known() -> None:
    """As while the host was suspended, or the agent could not look."""
    history = History()
    for at in (0.0, 5.0, 14.9, 34.9):
        history.add(at, [row(report(at, 0))])
    assert history.rates("a") == [None, 0.0, 0.0, None, None, None, 0.0]
    assert history.of("a")["at"] == [0.0, 5.0, 14.9, 19.9, 24.9, 29.9, 34.9]
    history.add(10_000.0, [row(report(10_000, 0))])
    assert history.rates("a") == [*[None] * (STEPS - 1), 0.0]


def test_what_lies_ahead_of_a_clock_that_was_set_back_is_dropped() -> None:
    history = History()
    for at in (0.0, 5.0, 10.0, 15.0, 7.0):
        history.add(at, [row(report(at, 0, lagSeconds=at))])
    assert history.of("a")["at"] == [0.0, 5.0, 7.0]
    assert history.of("a")["lagSeconds"] == [0.0, 5.0, 7.0]


def test_watchers_that_are_gone_are_forgotten() -> None:
    history = History()
    history.add(0.0, [row(report(0, 0))])
    history.add(5.0, [row(report(0, 0), name="b")])
    assert history.of("a")["at"] == []
    assert history.of("b")["at"] == [5.0]
