"""A password is replaced under a worker that streams: it reads the file again, and goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.support.security import GuardedKafka
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.security_fixtures"]

Document = dict[str, Any]
NEW = "new-password-that-is-in-nothing-else"
BACK_TIMEOUT_S = 60.0


@pytest.fixture
def secret(tmp_path: Path, guarded_settings: Document, side: str) -> Path:
    """The file in which one side's secret lies; `guarded_settings` name it from then on."""
    path = tmp_path / "secret"
    if side == "mongodb":
        path.write_text(guarded_settings.pop("mongodb_uri") + "\n")
        guarded_settings["mongodb_uri_file"] = str(path)
    else:
        path.write_text(guarded_settings["kafka"].pop("sasl.password") + "\n")
        guarded_settings["kafka"]["sasl.password_file"] = str(path)
    return path


@pytest.mark.parametrize("side", ["mongodb", "kafka"])
def test_a_password_is_replaced_while_a_watcher_streams(
    side: str,
    secret: Path,
    launch: Launch,
    guarded_settings: Document,
    guarded_inbox: Inbox,
    guarded_mongo_client: MongoClient[Document],
    guarded_kafka: GuardedKafka,
    passwords: dict[str, str],
    prefix: str,
) -> None:
    worker: WorkerProcess = launch(guarded_settings)
    worker.reached()
    users = guarded_mongo_client[prefix].users
    users.insert_one({"_id": 1})
    guarded_inbox.messages(1)

    if side == "mongodb":
        guarded_mongo_client.admin.command("updateUser", prefix, pwd=NEW)
    else:
        guarded_kafka.add_user(prefix, NEW)
    guarded_mongo_client.admin.command("killAllSessions", [])  # connections stay logged in, so the worker has to open anew
    users.insert_one({"_id": 2})

    error = eventually(lambda: refusal(worker), BACK_TIMEOUT_S)
    assert error is not None
    assert error["component"] == side
    assert str(secret) in error["hint"]
    secret.write_text(secret.read_text().replace(passwords[side], NEW))

    worker.reached(timeout_s=BACK_TIMEOUT_S)
    users.insert_one({"_id": 3})
    messages = guarded_inbox.messages(3)
    assert [(message["documentKey"]["_id"], message["sequence"]) for message in messages] == [(1, 1), (2, 2), (3, 3)]
    assert NEW not in worker.output + str(worker.status)
    assert worker.stop() == 0


def refusal(worker: WorkerProcess) -> Document | None:
    """The last error of a worker that waits because its credentials are refused."""
    error: Document = worker.status["lastError"] or {}
    return error if worker.status["state"] == "waiting" and "refuses" in error.get("message", "") else None
