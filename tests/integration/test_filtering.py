"""Filters and functions of the user, the whole way: with a snapshot, with `verify`, and tried by `transform test`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.snapshot_messages import completed, operations, rows
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]

TENTH = [
    {"$match": {"fullDocument.n": {"$mod": [10, 0]}, "fullDocument.late": None}},
    {"$set": {"fullDocument.twice": {"$multiply": ["$fullDocument.n", 2]}}},
]
MARKS = "def mark(message):\n    message['fullDocument'] and message['fullDocument'].update(marked=True)\n    return message\n"


def watcherctl(worker: WorkerProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watcher", *arguments, "--config", str(worker.conf_dir)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90)


def test_a_snapshot_and_changes_through_a_pipeline(
    launch: Launch, settings: Document, inbox: Inbox, db: Database[Document]
) -> None:
    """The last thousands of documents do not pass, so that whole chunks of them bring nothing."""
    db.orders.insert_many([{"_id": n, "n": n, **({"late": 1} if n > 2000 else {})} for n in range(12_000)])
    worker = launch(settings | {"snapshot_mode": "initial", "pipeline": json.dumps(TENTH)})
    worker.reached()
    db.orders.update_one({"_id": 30}, {"$set": {"seen": 1}})
    db.orders.update_one({"_id": 31}, {"$set": {"seen": 1}})
    messages = completed(inbox)
    expected = {n: 2 * n for n in range(0, 2001, 10)}
    copied = {each["documentKey"]["_id"]: each["fullDocument"]["twice"] for each in messages if "documentKey" in each}
    assert copied == expected
    assert len(rows(messages)) in (len(expected), len(expected) - 1)  # the changed one needs no row
    [end] = operations(messages, "snapshotCompleted")  # on a busy machine the update may come behind it
    assert end["documents"] == len(expected)
    result = json.loads(watcherctl(worker, "verify", "dashboard", "--json").stdout)
    assert (result["equal"], result["compared"], result["notJudged"]) == (True, {"orders": len(expected)}, 0)
    db.orders.update_one({"_id": 40}, {"$set": {"n": 41}})  # it does not pass any more, and consumers are not told
    db.orders.insert_one({"_id": "end", "n": 0})
    eventually(lambda: inbox.messages()[-1].get("documentKey") == {"_id": "end"})
    result = json.loads(watcherctl(worker, "verify", "dashboard", "--json").stdout)
    assert (result["equal"], result["extra"], result["notJudged"]) == (True, 0, 1)


@pytest.fixture
def marked(launch: Launch, settings: Document, tmp_path: Path) -> WorkerProcess:
    """A worker whose transform marks documents."""
    (tmp_path / "marks.py").write_text(MARKS)
    worker = launch(settings | {"transform": "marks:mark"})
    worker.reached()
    return worker


def test_a_transform_is_tried_on_the_latest_messages(
    marked: WorkerProcess, inbox: Inbox, db: Database[Document], tmp_path: Path
) -> None:
    db.orders.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3}])
    messages = inbox.messages(3)
    assert all(each["fullDocument"]["marked"] for each in messages)
    (tmp_path / "marks.py").write_text(
        "def mark(message):\n    key = message['documentKey']['_id']\n    return {1: message | {'topic': 'far'}, 2: None}[key]\n"
    )
    done = watcherctl(marked, "transform", "test", "dashboard", "--json")
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    first = {name: value for name, value in messages[0].items() if name != "sequence"}
    assert outcomes[0] == {"sequence": 1, "before": first, "after": first | {"topic": "far"}}
    assert (outcomes[1]["sequence"], outcomes[1]["after"]) == (2, None)
    assert outcomes[2]["error"] == "raised KeyError at marks.py:3: 3"
    assert done.returncode == 1
    shown = watcherctl(marked, "transform", "test", "dashboard", "-n", "2").stdout.splitlines()
    assert [line[:10] for line in shown] == ["2 insert o", "  before  ", "  after   ", "3 insert o", "  before  ", "  error   "]
    assert shown[2] == "  after   nothing"


STUCK = """\
import datetime, re, threading, time

def mark(message):
    key = message["documentKey"]["_id"]
    while key == 1: pass
    if key == 2:
        threading.Event().wait()
    if key == 3:
        re.match(r"(a+)+$", "a" * 60 + "b")
    while key == 4:
        try:
            time.sleep(60)
        except Exception:
            pass
    value = {5: {1, 2}, 6: datetime.datetime(2024, 1, 1)}.get(key, key)
    return message | {"fullDocument": {"_id": key, "value": value}}
"""


STUBBORN = """\
import signal

def mark(message):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    while True:
        len(message)
"""


@pytest.fixture
def hurried(launch: Launch, settings: Document, tmp_path: Path) -> WorkerProcess:
    """A worker whose transform changes nothing, and has a second for it."""
    (tmp_path / "marks.py").write_text("def mark(message):\n    return message\n")
    worker = launch(settings | {"transform": "marks:mark", "transform_seconds": 1})
    worker.reached()
    return worker


def test_a_function_that_does_not_return_is_tried_on_all_messages(
    hurried: WorkerProcess, inbox: Inbox, db: Database[Document], tmp_path: Path
) -> None:
    db.orders.insert_many([{"_id": key} for key in range(1, 8)])
    inbox.messages(7)
    (tmp_path / "marks.py").write_text(STUCK)
    done = watcherctl(hurried, "transform", "test", "dashboard", "--json", "-n", "7")
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    errors = [outcome.get("error", "") for outcome in outcomes]
    assert errors == [
        *(f"did not return within 1 s; it was at marks.py:{line}" for line in (5, 7, 9, 12)),
        "returned what cannot be written as JSON (TypeError): Type is not JSON serializable: set",
        "",
        "",
    ]
    assert outcomes[5]["after"]["fullDocument"]["value"] == "2024-01-01T00:00:00"
    assert done.returncode == 1


def test_what_cannot_be_interrupted_ends_the_command_after_the_message_that_it_names(
    hurried: WorkerProcess, inbox: Inbox, db: Database[Document], tmp_path: Path
) -> None:
    db.orders.insert_one({"_id": 1})
    inbox.messages(1)
    (tmp_path / "marks.py").write_text(STUBBORN)
    done = watcherctl(hurried, "transform", "test", "dashboard")
    assert done.returncode == 1
    assert done.stdout.startswith("1 insert orders\n")
    assert 'marks.py", line' in done.stderr


def test_verify_says_what_it_cannot_judge(marked: WorkerProcess) -> None:
    done = watcherctl(marked, "verify", "dashboard")
    assert done.returncode == 1
    assert "have gone through the transform marks:mark" in done.stderr
