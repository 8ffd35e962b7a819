"""Ends of a worker: asked to, taken over, kept out. After each, the next one goes on without loss or repetition."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.load import BUSY_S, Load
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import START_TIMEOUT_S, STOP_TIMEOUT_S, Inbox, Launch

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
STOP_WITHIN_S = 15.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_ends_with_0_and_says_so(number: signal.Signals, launch: Launch, settings: Document) -> None:
    worker = launch(settings)
    worker.reached()
    worker.signal(number)
    assert worker.wait(STOP_TIMEOUT_S) == 0
    assert worker.status["state"] == "stopped"
    assert worker.log[-1]["event"] == "stopped"


def test_stopped_under_load_it_loses_and_doubles_nothing(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings | {"batch_size": 20})
    worker.reached()
    oracle = Oracle(db)
    with Load(oracle, pause_s=0):
        for _ in range(4):
            inbox.records(len(inbox.records()) + 20)
            assert worker.stop() == 0
            assert worker.status["state"] == "stopped"
            worker.start().reached()
    inbox.records(oracle.certain_writes)
    oracle.check(inbox.records())


def test_stopped_before_it_has_opened_it_ends_at_once(launch: Launch, settings: Document) -> None:
    worker = launch(settings)
    eventually(lambda: worker.log)
    assert worker.stop() == 0
    assert worker.status["state"] == "stopped"


def test_stopped_while_kafka_swallows_everything_it_still_ends(
    launch: Launch, settings: Document, kafka_proxy: TcpProxy, inbox: Inbox, db: Database[Document]
) -> None:
    worker = launch(settings | {"kafka_brokers": kafka_proxy.address})
    worker.reached()
    db.users.insert_one({"_id": 1})
    inbox.records(1)
    kafka_proxy.behave(swallow=True)
    db.users.insert_many([{"_id": number} for number in range(2, 100)])
    eventually(lambda: worker.status["bufferSize"] > 0)
    began = time.monotonic()
    assert worker.stop(STOP_WITHIN_S) == 0
    assert time.monotonic() - began < STOP_WITHIN_S
    kafka_proxy.heal()
    worker.start()
    assert [message["documentKey"]["_id"] for message in inbox.messages(99)] == [*range(1, 100)]
    assert worker.reached()["restarts"] == 0, "a stop that had to be forced is no crash"


def test_stopped_while_mongodb_swallows_everything_a_second_signal_ends_it(
    launch: Launch, settings: Document, mongo_proxy: TcpProxy, database: str
) -> None:
    """Sooner than the status file is written by the clock, and yet it says that this was no crash."""
    worker = launch(settings | {"mongodb_uri": f"mongodb://{mongo_proxy.address}/{database}?directConnection=true"})
    worker.reached()
    mongo_proxy.behave(swallow=True)
    eventually(lambda: worker.signal(signal.SIGTERM) or worker.ended, STOP_WITHIN_S, interval_s=0.2)
    assert worker.wait() == 0
    assert worker.status["state"] == "stopping"


def test_an_instance_elsewhere_takes_over_and_the_first_stays_down(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], tmp_path: Path
) -> None:
    first = launch(settings)
    first.reached()
    db.users.insert_one({"_id": 1})
    inbox.records(1)
    second = launch(settings, state_dir=tmp_path / "elsewhere")
    second.reached()
    db.users.insert_one({"_id": 2})
    assert first.wait(30) == 81
    db.users.insert_one({"_id": 3})
    assert [message["sequence"] for message in inbox.messages(3)] == [1, 2, 3]
    error = first.status["lastError"]
    assert first.status["state"] == "failed"
    assert f"process {second.pid} on" in error["message"]
    assert error["exitCode"] == 81
    assert second.reached()["state"] == "streaming"


def test_of_two_instances_that_start_at_once_one_stays(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], tmp_path: Path
) -> None:
    workers = [launch(settings), launch(settings, state_dir=tmp_path / "elsewhere")]
    oracle = Oracle(db)
    eventually(lambda: any(worker.status.get("state") == "streaming" for worker in workers), START_TIMEOUT_S)
    with Load(oracle, pause_s=BUSY_S):
        ended = eventually(lambda: [worker for worker in workers if worker.process and worker.process.poll() is not None], 40)
    assert [worker.wait() for worker in ended] == [81]
    [left] = set(workers) - set(ended)
    left.reached()
    inbox.records(oracle.certain_writes)
    messages = inbox.messages()
    assert [message["sequence"] for message in messages] == [*range(1, len(messages) + 1)]


def test_a_zombie_that_wakes_up_writes_no_more(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document], tmp_path: Path
) -> None:
    zombie = launch(settings | {"batch_size": 5})
    zombie.reached()
    oracle = Oracle(db)
    with Load(oracle, pause_s=0.001):
        inbox.records(50)
        zombie.signal(signal.SIGSTOP)
        second = launch(settings, state_dir=tmp_path / "elsewhere")
        second.reached()
        inbox.records(len(inbox.records()) + 50)
        zombie.signal(signal.SIGCONT)
        assert zombie.wait(30) == 81
    inbox.records(oracle.certain_writes)
    oracle.check(inbox.records())


def test_on_the_same_host_the_second_waits_and_then_stays_out(launch: Launch, settings: Document) -> None:
    first = launch(settings)
    status = first.reached()
    second = launch(settings)
    assert second.wait(40) == 81
    [error] = first.logged("error")  # both write to one file here
    assert f"process {first.pid}" in error["event"]
    assert error["hint"]
    assert first.status["instance"] == status["instance"]
    assert first.stop() == 0


def test_on_the_same_host_the_next_waits_for_one_that_is_still_draining(launch: Launch, settings: Document) -> None:
    first = launch(settings)
    first.reached()
    second = launch(settings)
    assert first.stop() == 0
    second.reached()


def test_after_a_crash_the_restart_is_counted_and_after_a_stop_it_is_not(launch: Launch, settings: Document) -> None:
    worker = launch(settings)
    worker.reached()
    worker.kill()
    worker.start()
    assert worker.reached()["restarts"] == 1
    assert worker.stop() == 0
    worker.start()
    assert worker.reached()["restarts"] == 0


def test_a_worker_that_crashes_again_and_again_holds_back(launch: Launch, settings: Document) -> None:
    worker = launch(settings)
    for _ in range(4):
        worker.reached()
        worker.kill()
        worker.start()
    worker.reached("backing_off")
    worker.reached()
    [held_back] = [line for line in worker.logged("warning") if "delivered nothing; waiting" in line["event"]]
    streams = eventually(lambda: [line for line in worker.log if line["event"] == "streaming" and line["ts"] > held_back["ts"]])
    assert (at(streams[0]) - at(held_back)).total_seconds() > 1  # by its own log: whoever looks at its status may look late


def at(line: Document) -> datetime:
    return datetime.fromisoformat(line["ts"])
