"""Findings of `doctor` about other hosts of a watcher, by what the active worker has told."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.doctoring import as_settings, check_fix
from watcher.config import Deployment, Settings
from watcher.doctor import hosts
from watcher.doctor.check import Finding, Outcome
from watcher.doctor.hosts import active_clock, same_settings
from watcher.doctor.position import SavedPosition, owner
from watcher.kafka.position import Saved, Stamp
from watcher.kafka.standby import dump_settings
from watcher.model import Owner
from watcher.status.report import StatusReport

SETTINGS = as_settings(
    {
        "mongodb_uri": "mongodb://127.0.0.1/dashboard",
        "kafka_brokers": "127.0.0.1:9092",
        "kafka_client_id": "dashboard-watcher",
        "high_availability": True,
    }
)
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
THERE, HERE = Owner("b0", "host-b", 7), Owner("a0", socket.gethostname(), os.getpid())


class ToldOnce:
    """Stands in for a PositionReader: what the active worker has told, and when Kafka received it."""

    text: bytes = b""
    received_at: float | None = None

    def __init__(self, *_: Any) -> None: ...

    def read_settings(self) -> tuple[bytes, float | None]:
        return self.text, self.received_at


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "PositionReader", ToldOnce)
    monkeypatch.setattr(ToldOnce, "text", dump_settings(THERE, SETTINGS, NOON))
    monkeypatch.setattr(ToldOnce, "received_at", NOON.timestamp() + 0.2)


def position(run_dir: Path, stamp: Stamp | None, settings: Settings = SETTINGS) -> SavedPosition:
    saved = SavedPosition(settings, Deployment(run_dir, run_dir, run_dir))
    saved.__dict__["saved"] = Saved(stamp=stamp)  # a cached property: nothing is asked
    return saved


ACTIVE = Stamp(THERE, active_since="2024-01-01T12:00:00.000Z")


def test_the_same_settings_are_good(tmp_path: Path) -> None:
    assert same_settings(position(tmp_path, ACTIVE)).text == "the same as on host-b"


def test_what_differs_is_named(tmp_path: Path) -> None:
    found = same_settings(position(tmp_path, ACTIVE, replace(SETTINGS, batch_size=1000)))
    check_fix(found, Outcome.WARNING, "host-b has batch_size = 2000, this host 1000", "watcherctl apply")


@pytest.mark.parametrize("check", [same_settings, active_clock])
def test_nothing_is_compared_where_nothing_is_told(check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(position(tmp_path, ACTIVE, replace(SETTINGS, high_availability=False))).outcome is Outcome.OK
    assert check(position(tmp_path, None)).outcome is Outcome.NOT_CHECKED
    monkeypatch.setattr(ToldOnce, "text", dump_settings(HERE, SETTINGS, NOON))
    found: Finding = check(position(tmp_path, ACTIVE))
    assert (found.outcome, found.text) == (Outcome.NOT_CHECKED, "because process 7 on host-b has not told its settings")


def test_our_own_active_worker_is_not_compared_with_conf_d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToldOnce, "text", dump_settings(HERE, SETTINGS, NOON))
    report = StatusReport(pid=HERE.pid, started_at=NOON, updated_at=NOON, state="streaming")
    (tmp_path / "dashboard.json").write_bytes(report.content())
    seen = position(tmp_path, Stamp(HERE, active_since=ACTIVE.active_since), replace(SETTINGS, batch_size=1000))
    assert same_settings(seen).text.startswith("our worker is active")
    assert owner(seen).text.endswith("our worker")


@pytest.mark.parametrize(("ahead_seconds", "outcome"), [(0, Outcome.OK), (60, Outcome.WARNING), (-60, Outcome.WARNING)])
def test_the_active_host_has_the_right_time(
    ahead_seconds: int, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToldOnce, "text", dump_settings(THERE, SETTINGS, NOON + timedelta(seconds=ahead_seconds)))
    assert active_clock(position(tmp_path, ACTIVE)).outcome is outcome


def test_a_time_that_kafka_has_not_stamped_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToldOnce, "received_at", None)
    assert active_clock(position(tmp_path, ACTIVE)).outcome is Outcome.NOT_CHECKED


def test_the_active_worker_of_another_host_is_no_stranger(tmp_path: Path) -> None:
    assert owner(position(tmp_path, ACTIVE)).outcome is Outcome.OK
    check_fix(owner(position(tmp_path, Stamp(THERE))), Outcome.WARNING, "process 7 on host-b", "without a lease")


def test_a_worker_that_had_no_lease_and_has_ended_here_is_no_stranger(tmp_path: Path) -> None:
    assert owner(position(tmp_path, Stamp(replace(HERE, pid=2**22 + 1)))).outcome is Outcome.OK
