"""`watcherctl snapshot` on real servers: what it does to a watcher that runs, and to one that is stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.asgi import Answer, ask
from tests.support.background import Background
from tests.support.failing_command import CommandPoint, program
from tests.support.failing_worker import KILLED
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess, environment
from watcher.agent.http.app import create_app
from watcher.agent.view.fleet_view import FleetView
from watcher.cli import run_command_line
from watcher.config import Deployment
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.live_commands.snapshots import ELSEWHERE
from watcher.sandbox.kafka import Broker

pytest_plugins = ["tests.support.worker_fixtures"]

ROOT = Path(__file__).parents[2]
Document = dict[str, Any]
Db = Database[Document]
Run = Callable[..., str]
SLOWLY = {"snapshot_documents_per_second": 80}
MILLION = 1_000_000


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("snapshot", "status", …)` runs watcherctl; what it printed, with errors if it must fail."""

    def run(*arguments: str, code: int = 0) -> str:
        done = run_command_line([*arguments, "--config", str(tmp_path / "conf.d")])
        out, err = capsys.readouterr()
        assert done == code, out + err
        return out if code == 0 else out + err

    return run


@pytest.fixture
def snapshot(run: Run) -> Run:
    """`snapshot("start", …)` for the test's watcher."""
    return lambda action, *options, code=0: run("snapshot", action, "dashboard", *options, code=code)


def present(snapshot: Run) -> Document:
    """The snapshot as `status --json` shows it."""
    [found] = json.loads(snapshot("status", "--json"))["snapshots"]
    assert (found["watcher"], found["fault"]) == ("dashboard", None)
    shown: Document = found["snapshot"]
    return shown


def rows(messages: list[Document]) -> list[Document]:
    return [message for message in messages if "snapshot" in message and "documentKey" in message]


def told(messages: list[Document]) -> list[str]:
    """The control messages."""
    return [message["operationType"] for message in messages if "documentKey" not in message]


def versions(messages: list[Document]) -> dict[Any, int]:
    """The versions of a consumer's copy."""
    return {each["documentKey"]["_id"]: each["fullDocument"]["version"] for each in messages if "documentKey" in each}


def streaming(launch: Launch, settings: Document) -> WorkerProcess:
    worker = launch(settings)
    worker.reached()
    return worker


def until_told(inbox: Inbox, operation: str) -> list[Document]:
    """All messages, in order, once there is a control message of this operation."""
    return inbox.once(lambda messages: operation in told(messages), 60)


def check_order(messages: list[Document]) -> None:
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))


def writing(db: Db) -> Background:
    """Others write meanwhile."""

    def write(stop: threading.Event) -> None:
        number = 0
        while not stop.wait(0.005):
            number += 1
            db.orders.update_one({"_id": number * 7919 % 3000}, {"$set": {"version": number}})

    return Background(write, "writing")


def test_a_chosen_collection_is_copied_once_beside_its_changes(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run, database: str
) -> None:
    db.orders.insert_many([{"_id": number, "version": 0} for number in range(3000)])
    db.users.insert_many([{"_id": number} for number in range(10)])
    worker = streaming(launch, settings)
    assert present(snapshot) is None
    assert snapshot("status") == "dashboard  no snapshot\n"
    with writing(db):
        snapshot("start", "--collection", "ord*", "--wait")
    messages = until_told(inbox, "snapshotCompleted")
    check_order(messages)
    copied = rows(messages)
    assert set(Counter(message["documentKey"]["_id"] for message in copied).values()) == {1}
    assert {message["documentKey"]["_id"] for message in messages if "documentKey" in message} == set(range(3000))
    assert {(each["collection"], each["operationType"]) for each in copied} == {("orders", "replace")}
    assert told(messages) == ["snapshotStarted", "snapshotCollectionCompleted", "snapshotCompleted"]
    started = next(message for message in messages if message["operationType"] == "snapshotStarted")
    assert (started["reason"], started["collections"]) == ("command", ["ord*"])
    last = present(snapshot)
    assert (last["state"], last["documents"], last["id"]) == ("completed", 3000, started["snapshot"])
    assert last["startedSequence"] == started["sequence"]
    assert "completed  " in snapshot("status")
    eventually(lambda: versions(inbox.messages()) == {each["_id"]: each["version"] for each in db.orders.find()}, 20)
    assert not worker.logged("error")
    assert worker.stop() == 0


def test_it_rests_over_a_restart_and_goes_on(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run, run: Run
) -> None:
    db.orders.insert_many([{"_id": number} for number in range(1000)])
    worker = streaming(launch, settings | SLOWLY)
    begun = json.loads(snapshot("start", "--operation", "insert", "--json"))["snapshots"][0]["snapshot"]["id"]
    eventually(lambda: len(rows(inbox.messages())) > 50, 20)
    assert begun in snapshot("start", code=1)
    assert "snapshot stop dashboard" in snapshot("start", code=1)
    assert snapshot("pause") == f"dashboard  paused  {begun}\n"
    assert "already paused" in snapshot("pause")
    rested = len(rows(inbox.messages()))
    shown = present(snapshot)
    assert (shown["state"], shown["documents"], shown["collection"]) == ("paused", rested, "orders")
    assert json.loads(run("position", "show", "dashboard", "--json"))["snapshot"] == shown
    assert begun in run("position", "show", "dashboard")

    assert worker.stop() == 0
    worker.start()
    worker.reached()
    db.orders.insert_one({"_id": "meanwhile"})
    eventually(lambda: any(each.get("documentKey") == {"_id": "meanwhile"} for each in inbox.messages()), 20)
    assert len(rows(inbox.messages())) == rested
    assert present(snapshot)["state"] == "paused"

    snapshot("resume")
    assert "already running" in snapshot("resume")
    messages = until_told(inbox, "snapshotCompleted")
    check_order(messages)
    assert {each["operationType"] for each in rows(messages)} == {"insert"}
    assert set(Counter(message["documentKey"]["_id"] for message in rows(messages)).values()) == {1}
    assert len(rows(messages)) in {1000, 1001}  # the one that came meanwhile sorts behind the numbers
    assert "no snapshot is under way" in snapshot("pause", code=1)


def test_what_is_stopped_does_not_look_complete(launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run) -> None:
    db.orders.insert_many([{"_id": number} for number in range(1000)])
    worker = streaming(launch, settings | SLOWLY)
    assert worker.stop() == 0
    snapshot("start")  # while it is stopped
    worker.start()
    eventually(lambda: rows(inbox.messages()), 20)
    snapshot("stop")
    messages = until_told(inbox, "snapshotAborted")
    end = messages[-1]
    assert (end["operationType"], end["documents"]) == ("snapshotAborted", len(rows(messages)))
    assert end["reason"].startswith("stopped by ")
    assert present(snapshot)["state"] == "stopped"
    eventually(lambda: worker.status["snapshot"]["state"] == "stopped", 20)
    assert "not all was copied" in snapshot("status")
    db.orders.insert_one({"_id": "afterwards"})
    eventually(lambda: inbox.messages()[-1].get("documentKey") == {"_id": "afterwards"}, 20)
    messages = inbox.messages()
    check_order(messages)
    assert end["sequence"] == len(messages) - 1
    assert "no snapshot is under way" in snapshot("stop", code=1)


TOKEN = "a-token-of-the-tests"


def agent_of(worker: WorkerProcess) -> Callable[..., Answer]:
    """`agent("pause")` asks the agent of the worker's deployment for a change of its snapshot."""
    fleet = Fleet(Deployment.locate(worker.conf_dir, worker.state_dir))
    app = create_app(FleetView(fleet, AgentSettings(token=TOKEN)))
    headers = {"authorization": f"Bearer {TOKEN}"}

    def steer(action: str, **choice: Any) -> Answer:
        body = json.dumps(choice).encode() if choice else b""
        return ask(app, f"/api/watchers/dashboard/snapshot/{action}", method="POST", headers=headers, body=body)

    return steer


def test_the_agent_gives_the_same_commands(launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run) -> None:
    db.orders.insert_many([{"_id": number} for number in range(1000)])
    db.users.insert_one({"_id": 1})
    worker = streaming(launch, settings | SLOWLY)
    steer = agent_of(worker)
    assert steer("pause").json == {"error": "no snapshot is under way", "hint": ""}
    refused = steer("start", collections=["order"])
    assert (refused.status, refused.json["hint"]) == (409, "did you mean 'orders'?")
    begun = steer("start", collections=["orders"], operation="insert")
    assert (begun.status, begun.json["note"]) == (200, None)
    shown = present(snapshot)
    assert begun.json["done"] == f"started  {shown['id']}"
    assert (shown["collections"], shown["operation"]) == (["orders"], "insert")
    eventually(lambda: rows(inbox.messages()), 20)
    assert steer("pause").json["done"] == f"paused  {shown['id']}"
    assert steer("pause").json["done"] == f"already paused  {shown['id']}"
    assert worker.stop() == 0
    resumed = steer("resume")  # while it is stopped
    assert (resumed.status, resumed.json["note"]) == (200, ELSEWHERE)
    worker.start()
    worker.reached()
    so_far = len(rows(inbox.messages()))
    eventually(lambda: len(rows(inbox.messages())) > so_far, 20)
    assert steer("stop").json["done"] == f"stopped  {shown['id']}"
    until_told(inbox, "snapshotAborted")
    assert present(snapshot)["state"] == "stopped"
    assert worker.stop() == 0


def test_the_agent_refuses_what_the_command_refuses(launch: Launch, settings: Document, snapshot: Run) -> None:
    worker = streaming(launch, settings | {"delivery": "at-least-once"})
    refused = agent_of(worker)("start")
    assert (refused.status, refused.json["hint"]) == (409, "watcherctl stop dashboard")
    assert refused.json["error"] in snapshot("start", code=1)
    assert worker.stop() == 0


def test_what_is_refused_changes_nothing(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run, run: Run, tmp_path: Path
) -> None:
    db.orders.insert_many([{"_id": number, "paid": number % 2 == 0} for number in range(10)])
    db.create_collection("paid_orders", viewOn="orders", pipeline=[])
    worker = streaming(launch, settings)
    assert "did you mean 'orders'?" in snapshot("start", "--collection", "order", code=1)
    assert "can be copied" in snapshot("start", "--collection", "paid_orders", code=1)
    for query in ('{"a": {"$nothing": 1}}', '{"$nothing": 1}', '{"$expr": {"$nothing": 1}}', '{"$expr": {"$add": {"$cond": 1}}}'):
        assert "does not take the filter (error " in snapshot("start", "--collection", "orders", "--filter", query, code=1)
    assert "not JSON" in snapshot("start", "--collection", "orders", "--filter", "{", code=2)
    assert "Extended JSON" in snapshot("start", "--collection", "orders", "--filter", '{"_id": {"$oid": "x"}}', code=2)
    assert "exactly one --collection" in snapshot("start", "--collection", "ord*", "--filter", "{}", code=2)
    assert "exactly one --collection" in snapshot("start", "--filter", "{}", code=2)
    run("snapshot", "start", code=2)
    assert "no watcher is called" in run("snapshot", "pause", "nobody", code=4)
    assert json.loads(run("position", "show", "dashboard", "--json"))["history"] == []
    snapshot("start", "--collection", "orders", "--filter", '{"paid": true}', "--wait")
    messages = until_told(inbox, "snapshotCompleted")
    assert {message["documentKey"]["_id"] for message in rows(messages)} == {0, 2, 4, 6, 8}
    assert messages[0]["filters"] == {"orders": '{"paid": true}'}
    assert worker.stop() == 0


def test_it_needs_a_position(launch: Launch, settings: Document, snapshot: Run, tmp_path: Path) -> None:
    worker = launch(settings | {"kafka_brokers": "127.0.0.1:1"})
    worker.stop()
    (tmp_path / "conf.d" / "dashboard.toml").write_text(
        "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    )
    assert "has no position yet" in snapshot("start", code=1)


def test_it_is_refused_beside_a_worker_that_nobody_fences(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run
) -> None:
    db.orders.insert_one({"_id": 1})
    worker = streaming(launch, settings | {"delivery": "at-least-once"})
    assert "its snapshot can be changed only while it is stopped" in snapshot("start", code=1)
    assert worker.stop() == 0
    snapshot("start")
    worker.start()
    assert len(rows(until_told(inbox, "snapshotCompleted"))) == 1


def test_a_position_moved_forward_ends_it_and_one_moved_back_does_not(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    db.orders.insert_many([{"_id": number} for number in range(800)])
    worker = streaming(launch, settings | SLOWLY)
    for name in ("a", "b"):
        db.users.insert_one({"_id": name})
    first = inbox.messages(2)[0]
    snapshot("start", "--collection", "orders")
    begun = present(snapshot)["id"]
    run("position", "set", "dashboard", first["eventId"], "--yes")
    messages = until_told(inbox, "snapshotCompleted")
    assert told(messages) == ["snapshotStarted", "rewind", "snapshotCollectionCompleted", "snapshotCompleted"]
    assert Counter(message["documentKey"]["_id"] for message in rows(messages)) == dict.fromkeys(range(800), 1)
    assert [each["documentKey"]["_id"] for each in messages if each.get("collection") == "users"] == ["a", "b", "b"]

    snapshot("start", "--collection", "orders")
    second = present(snapshot)["id"]
    assert second != begun
    assert worker.stop() == 0
    db.users.insert_one({"_id": "left out"})
    done = run_command_line(["position", "reset", "dashboard", "--yes", "--config", str(worker.conf_dir)])
    out, err = capsys.readouterr()
    assert done == 0, out + err
    assert f"Its snapshot {second} is aborted" in err
    assert present(snapshot)["state"] == "aborted"
    worker.start()
    messages = until_told(inbox, "snapshotAborted")
    gap, aborted = messages[-2:]
    assert (gap["operationType"], aborted["snapshot"]) == ("gap", second)
    assert aborted["sequence"] == gap["sequence"] + 1
    assert "moved forward" in aborted["reason"]
    eventually(lambda: "moved forward" in str(worker.status["snapshot"]), 20)


@pytest.mark.parametrize("point", CommandPoint)
def test_a_command_that_dies_has_its_effect_once_or_not_at_all(
    point: CommandPoint, launch: Launch, settings: Document, inbox: Inbox, db: Db, snapshot: Run, run: Run, apache: Broker
) -> None:
    db.orders.insert_many([{"_id": number} for number in range(20)])
    worker = streaming(launch, settings)
    command = ["snapshot", "start", "dashboard", "--config", str(worker.conf_dir), "--state-dir", str(worker.state_dir)]
    python, where = [sys.executable, *program(point)], environment(PYTHONPATH=str(ROOT))
    done = subprocess.run([*python, *command], env=where, capture_output=True, timeout=60, check=False)
    assert done.returncode == KILLED, done.stderr
    db.orders.insert_one({"_id": "afterwards"})
    eventually(lambda: any(each.get("documentKey") == {"_id": "afterwards"} for each in inbox.messages()), 40)
    history = json.loads(run("position", "show", "dashboard", "--json"))["history"]
    begun = told(inbox.messages()).count("snapshotStarted")
    assert len(history) == begun
    assert (present(snapshot) is not None) == (begun == 1)
    if point in {CommandPoint.AFTER_FENCE, CommandPoint.DURING_CLAIM, CommandPoint.AFTER_CLAIM, CommandPoint.BEFORE_COMMIT}:
        assert begun == 0
    if point is CommandPoint.AFTER_COMMIT:
        assert begun == 1
    messages = until_told(inbox, "snapshotCompleted") if begun else inbox.messages()
    check_order(messages)
    assert set(Counter(message["documentKey"]["_id"] for message in rows(messages)).values()) <= {1}
    assert len(rows(messages)) in ({20, 21} if begun else {0})
    assert worker.stop() == 0
