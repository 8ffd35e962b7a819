"""A quota of Kafka's holds a watcher back: it says so, loses nothing, and is quick again without the quota."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.command_line import CommandLine, command_line
from tests.support.waiting import eventually
from tests.support.worker import Inbox
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

BYTES_PER_SECOND = 10_000
DOCUMENTS = 100
PADDING = "x" * 2_000
COMMAND_TIMEOUT_S = 60


@pytest.fixture
def here() -> Iterator[CommandLine]:
    """A deployment directory."""
    with command_line() as here:
        yield here


@contextmanager
def quota(apache: ApacheKafka, client_id: str) -> Iterator[None]:
    """Allow a client id no more than BYTES_PER_SECOND of writes."""
    alter_quota(apache, client_id, f"--add-config=producer_byte_rate={BYTES_PER_SECOND}")
    try:
        yield
    finally:
        alter_quota(apache, client_id, "--delete-config=producer_byte_rate")


def alter_quota(apache: ApacheKafka, client_id: str, change: str) -> None:
    """Do as `kafka-configs.sh`; librdkafka has no such request."""
    program = [
        apache.home.java,
        "-cp",
        f"{apache.home.libs}/*",
        "kafka.admin.ConfigCommand",
        "--bootstrap-server",
        apache.bootstrap,
    ]
    command = [*program, "--alter", "--entity-type", "clients", "--entity-name", client_id, change]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(180)
def test_a_quota_is_a_metric_and_a_reason_for_lag(
    here: CommandLine, apache: ApacheKafka, settings: Document, db: Database[Document], inbox: Inbox
) -> None:
    here.configure("dashboard", settings)
    assert here.run("start", "--all").returncode == 0
    with quota(apache, settings["kafka_client_id"]):
        for number in range(DOCUMENTS):
            db.users.insert_one({"_id": number, "padding": PADDING})
        eventually(lambda: here.status("dashboard")["throttledSeconds"] >= 1, timeout_s=30)
        shown = here.run("status", "dashboard").stdout
        assert re.search(
            r"^dashboard: Kafka held its writes back for \d+ s of the last minute, because a quota is used up$", shown, re.M
        )
        assert "hint: Kafka's quota for this principal or client id is used up; kafka-configs.sh" in shown
        doctor = here.run("doctor", "dashboard", "--problems", "--timeout", "40").stdout
        assert "Kafka held its writes back for " in doctor
    messages = inbox.messages(DOCUMENTS, timeout_s=60)
    assert [(message["documentKey"]["_id"], message["sequence"]) for message in messages] == [(n, n + 1) for n in range(DOCUMENTS)]
    metrics = eventually(lambda: (here.base / "run" / "dashboard.prom").read_text())
    told = re.search(r"^watcher_kafka_throttle_seconds_total.* ([0-9.]+)$", metrics, re.M)
    assert told
    assert float(told[1]) >= 1
    [warned] = [line for line in here.run("logs", "dashboard").stdout.splitlines() if "holds back the writes" in line]
    assert "WARN" in warned.upper()
