"""Outages of a worker, each told once, and the error that ends it."""

from __future__ import annotations

import logging
import threading

import pytest

from tests.support.still_clock import StillClock
from tests.support.worker_account import position, shown
from watcher.errors import NotPermitted, Outage
from watcher.worker.reporting.progress import Progress

pytest_plugins = ["tests.support.worker_account_fixtures"]

MONGODB_AWAY = Outage("MongoDB does not answer.", hint="Is it running?", component="mongodb")
KAFKA_AWAY = Outage("Kafka does not answer.", hint="Is it running?", component="kafka")


def test_an_outage_is_logged_once_and_its_end_too(progress: Progress, clock: StillClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress.opened(position(90))
    progress.streaming()
    caplog.clear()
    for _ in range(5):
        progress.lost(MONGODB_AWAY)
        clock.now += 4
    progress.streaming()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "MongoDB does not answer."),
        ("INFO", "streaming"),
    ]
    assert (caplog.records[0].hint, caplog.records[1].downtimeSeconds) == ("Is it running?", 20.0)


@pytest.mark.parametrize(("error", "downtime"), [(KAFKA_AWAY, 34.0), (MONGODB_AWAY, 4.0)])
def test_an_outage_of_kafka_began_with_the_write_that_it_did_not_answer(
    error: Outage, downtime: float, progress: Progress, clock: StillClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    progress.opened(position(90))
    progress.encoded(1, 10)
    clock.now += 30
    assert shown(progress)["deliveringSeconds"] == 30
    progress.lost(error)
    assert shown(progress)["deliveringSeconds"] == 0
    clock.now += 4
    progress.streaming()
    assert caplog.records[-1].downtimeSeconds == downtime


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
