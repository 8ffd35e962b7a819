"""`watcherctl tail` on what a real worker has delivered."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from tests.support.consuming import Writer
from tests.support.fault_matrix import peak_rss_mb
from tests.support.records import QUIET
from tests.support.waiting import eventually
from tests.support.worker import WorkerProcess, as_toml
from watcher.sandbox.kafka import Broker, NoidaBroker
from watcher.sandbox.mongod import ReplicaSet

Settings = dict[str, Any]


@pytest.fixture
def settings(mongo: ReplicaSet, kafka: Broker, prefix: str) -> Settings:
    """A watcher with topics of its own; rows by collection, so that there is something to look for."""
    return {
        "mongodb_uri": mongo.uri(prefix),
        "kafka_brokers": kafka.bootstrap,
        "kafka_client_id": prefix,
        "kafka_topic_insert": prefix + ".{collection}.{operation}",
        "kafka_topic_update": f"{prefix}.update",
        "kafka_topic_delete": f"{prefix}.delete",
        "kafka_topic_control": f"{prefix}.control",
        "topic_partitions": 3,
    }


@pytest.fixture
def worker(tmp_path: Path, settings: Settings, db: Database[Any]) -> Iterator[WorkerProcess]:
    """A worker that streams."""
    with WorkerProcess(tmp_path, settings) as process:
        process.reached()
        yield process


def command(directory: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "watcher", "tail", *arguments, "--config", str(directory / "conf.d")]


def tail(directory: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(directory, *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def messages(directory: Path, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in tail(directory, *arguments).stdout.splitlines()]


def sequences(directory: Path, *arguments: str) -> list[int]:
    return [message["sequence"] for message in messages(directory, *arguments)]


def write_sixty(db: Database[Any]) -> None:
    """20 inserts into users, 20 into orders, 20 updates of users; then users is dropped: one control message."""
    for number in range(20):
        db.users.insert_one({"_id": number})
        db.orders.insert_one({"_id": number})
        db.users.update_one({"_id": number}, {"$set": {"name": "Ada"}})
    db.users.drop()


@contextmanager
def following(directory: Path, *arguments: str) -> Iterator[list[dict[str, Any]]]:
    """Run `tail -f`, and collect what it shows; it is ended by Ctrl-C, which must succeed."""
    shown: list[dict[str, Any]] = []
    with subprocess.Popen(command(directory, "-f", *arguments), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        reading = threading.Thread(target=lambda: shown.extend(json.loads(line) for line in process.stdout or ()))
        reading.start()
        try:
            yield shown
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            reading.join()


def has_shown(shown: list[dict[str, Any]], expected: list[int]) -> bool:
    found = [message["sequence"] for message in shown]
    assert found == expected
    return True


def test_the_last_ones_in_order_from_all_topics(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    write_sixty(db)
    eventually(lambda: sequences(tmp_path, "dashboard", "-n", "1") == [61])
    assert sequences(tmp_path, "dashboard") == list(range(52, 62))
    assert sequences(tmp_path, "dashboard", "-n", "1000") == list(range(1, 62))
    assert tail(tmp_path, "dashboard", "-n", "0").stdout == ""
    last = messages(tmp_path, "dashboard", "-n", "2")
    assert [(message["operationType"], message["collection"]) for message in last] == [("update", "users"), ("drop", "users")]


def test_only_one_collection(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    write_sixty(db)
    eventually(lambda: sequences(tmp_path, "dashboard", "-n", "1") == [61])
    orders = messages(tmp_path, "dashboard", "-n", "3", "--collection", "orders")
    assert [message["documentKey"]["_id"] for message in orders] == [17, 18, 19]
    assert messages(tmp_path, "dashboard", "--collection", "nobody") == []


def test_topics_that_the_settings_do_not_tell(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    """As those that a transform names."""
    db.users.insert_many([{"_id": number} for number in range(3)])
    eventually(lambda: sequences(tmp_path, "dashboard") == [1, 2, 3])
    file = tmp_path / "conf.d" / "dashboard.toml"
    file.write_text(file.read_text().replace(".{collection}.{operation}", ".elsewhere"))
    assert sequences(tmp_path, "dashboard") == []
    assert sequences(tmp_path, "dashboard", "--topic", f"{db.name}.users.*") == [1, 2, 3]


def test_only_one_operation_or_key(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    write_sixty(db)
    db.users.insert_one({"_id": "7"})
    eventually(lambda: sequences(tmp_path, "dashboard", "-n", "1") == [62])
    updates = messages(tmp_path, "dashboard", "-n", "2", "--operation", "update")
    assert [message["documentKey"]["_id"] for message in updates] == [18, 19]
    assert {
        m["operationType"] for m in messages(tmp_path, "dashboard", "--operation", "drop", "--operation", "insert", "-n", "99")
    } == {
        "drop",
        "insert",
    }
    seven = messages(tmp_path, "dashboard", "--key", "7", "--collection", "users")
    assert [(m["operationType"], m["documentKey"]["_id"]) for m in seven] == [("insert", 7), ("update", 7), ("insert", "7")]
    assert [m["documentKey"]["_id"] for m in messages(tmp_path, "dashboard", "--key", '"7"')] == ["7"]
    assert "'updates' is not one of" in tail(tmp_path, "dashboard", "--operation", "updates", code=2).stderr


def test_since_a_moment(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    db.users.insert_many([{"_id": number} for number in range(200)])
    eventually(lambda: sequences(tmp_path, "dashboard", "-n", "1") == [200])
    db.users.insert_many([{"_id": 1000 + number} for number in range(20)])
    eventually(lambda: sequences(tmp_path, "dashboard", "-n", "1") == [220])
    moment = messages(tmp_path, "dashboard", "-n", "20")[0]["timestamp"]
    later = messages(tmp_path, "dashboard", "--since", moment)
    assert [message["documentKey"]["_id"] for message in later] == [1000 + number for number in range(20)]
    assert sequences(tmp_path, "dashboard", "--since", moment, "-n", "3") == [218, 219, 220]
    assert sequences(tmp_path, "dashboard", "--since", "1h") == list(range(1, 221))
    assert messages(tmp_path, "dashboard", "--since", "2999-01-01") == []


def test_more_than_memory_holds(tmp_path: Path, settings: Settings, kafka: Broker, prefix: str) -> None:
    """The updates come before all deletes, in topics that are read side by side."""
    write_conf(tmp_path, as_toml(settings))
    writer = Writer(kafka.bootstrap, prefix)
    count, text = 40_000, "x" * 4000
    for first in range(0, count, 2000):
        writer.write(
            writer.message(("update", "delete")[number * 2 // count], number, text=text, timestamp=datetime.now(UTC).isoformat())
            for number in range(first, first + 2000)
        )
    found, peak_mb = [], 0.0
    with subprocess.Popen(command(tmp_path, "dashboard", "--since", "1h", "--json"), stdout=subprocess.PIPE) as process:
        assert process.stdout
        for line in process.stdout:
            found.append(orjson.loads(line)["sequence"])
            if len(found) % 1000 == 0:  # of the living process: getrusage counts what pytest's own process held when it forked
                peak_mb = max(peak_mb, peak_rss_mb(process.pid))
    assert (process.returncode, found) == (0, list(range(1, count + 1)))
    assert 0 < peak_mb < 150, "MiB, of messages that are 165"


def test_a_neighbour_on_the_same_topics_does_not_show(
    worker: WorkerProcess, tmp_path: Path, settings: Settings, db: Database[Any], mongo: ReplicaSet, prefix: str
) -> None:
    other = {**settings, "mongodb_uri": mongo.uri(f"{prefix}other"), "kafka_client_id": f"{prefix}-other"}
    with WorkerProcess(tmp_path, other, name="other") as neighbour:
        neighbour.reached()
        db.users.insert_one({"_id": "mine"})
        with mongo.client() as client:
            client[f"{prefix}other"].users.insert_many({"_id": number} for number in range(300))
            eventually(lambda: sequences(tmp_path, "other", "-n", "1") == [300])
            client.drop_database(f"{prefix}other")
    assert [message["documentKey"]["_id"] for message in messages(tmp_path, "dashboard")] == ["mine"]


def has_come(directory: Path, name: str, sequence: int) -> bool:
    """Return True if the last message of a watcher has this number."""
    return sequences(directory, name, "-n", "1") == [sequence]


def test_several_watchers_of_which_one_cannot_be_read(
    worker: WorkerProcess, tmp_path: Path, settings: Settings, db: Database[Any], mongo: ReplicaSet, prefix: str
) -> None:
    """In the end the database of one is dropped, so that `verify` has nothing of it to compare."""
    other = {**settings, "mongodb_uri": mongo.uri(f"{prefix}other"), "kafka_client_id": f"{prefix}-other"}
    with WorkerProcess(tmp_path, other, name="other") as neighbour, mongo.client() as client:
        neighbour.reached()
        for number in range(3):
            for name, database in (("dashboard", db), ("other", client[f"{prefix}other"])):
                database.users.insert_one({"_id": number})
                eventually(partial(has_come, tmp_path, name, number + 1))
        away = {**settings, "kafka_brokers": "127.0.0.1:1", "kafka_client_id": f"{prefix}-away"}
        (tmp_path / "conf.d" / "away.toml").write_text(as_toml(away))
        done = tail(tmp_path, "--all", "-n", "4", code=1)
        found = [(line["watcher"], line["message"]["documentKey"]["_id"]) for line in map(json.loads, done.stdout.splitlines())]
        assert found == [("dashboard", 1), ("other", 1), ("dashboard", 2), ("other", 2)]
        assert "away: Kafka at 127.0.0.1:1 does not answer" in done.stderr
        with following(tmp_path, "dashboard", "other", "-n", "1") as shown:
            eventually(lambda: shown)
            db.users.delete_one({"_id": 0})
            eventually(lambda: [line["watcher"] for line in shown] == ["other", "dashboard"])
        client.drop_database(f"{prefix}other")
        eventually(lambda: messages(tmp_path, "other", "-n", "1")[0]["operationType"] == "invalidate")
        verified = subprocess.run(
            [sys.executable, "-m", "watcher", "verify", "[do]*", "--config", str(tmp_path / "conf.d")],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert "  MongoDB has no collection that other watches, and the topics have none either\n" in verified.stdout
    assert verified.stdout.endswith("\n2 of 2 equal\n"), verified


def test_follow_also_into_topics_that_are_new(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    db.users.insert_one({"_id": 1})
    eventually(lambda: sequences(tmp_path, "dashboard"))
    with following(tmp_path, "dashboard", "-n", "1") as shown:
        eventually(lambda: has_shown(shown, [1]))
        db.users.update_one({"_id": 1}, {"$set": {"a": 1}})
        db.brand_new.insert_one({"_id": 2})
        db.users.delete_one({"_id": 1})
        eventually(lambda: has_shown(shown, [1, 2, 3, 4]))
    assert shown[2]["collection"] == "brand_new"


def test_follow_from_now_on(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    db.users.insert_one({"_id": "before"})
    eventually(lambda: sequences(tmp_path, "dashboard"))

    def write_until_shown(shown: list[dict[str, Any]]) -> bool:
        db.users.insert_one({})
        return bool(shown)

    with following(tmp_path, "dashboard", "-n", "0", "--collection", "users") as shown:
        eventually(lambda: write_until_shown(shown))
    assert "before" not in [message["documentKey"]["_id"] for message in shown]


def test_on_a_terminal_in_colours_and_cut_to_its_width(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    db.users.insert_one({"_id": "a", "text": "x" * 500})
    eventually(lambda: sequences(tmp_path, "dashboard"))
    assert "x…" in on_terminal(tmp_path, COLUMNS="100", TERM="xterm-256color").replace("\x1b[0m", "")
    assert "\x1b[32minsert" in on_terminal(tmp_path, COLUMNS="100", TERM="xterm-256color")
    assert "\x1b[3" not in on_terminal(tmp_path, COLUMNS="100", TERM="xterm-256color", NO_COLOR="1")


def on_terminal(directory: Path, **environment: str) -> str:
    """Return what is written to a terminal."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            command(directory, "dashboard"), stdout=theirs, check=True, timeout=60, env={**_without_colour(), **environment}
        )
        return os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def _without_colour() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")}


def test_whoever_reads_may_leave(worker: WorkerProcess, tmp_path: Path, db: Database[Any]) -> None:
    db.users.insert_many({"_id": number, "text": "x" * 1000} for number in range(200))
    eventually(lambda: sequences(tmp_path, "dashboard", "-n", "1") == [200])
    with subprocess.Popen(
        command(tmp_path, "dashboard", "-n", "200"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(20)) == ("", 0)


def write_conf(directory: Path, text: str) -> None:
    (directory / "conf.d").mkdir(exist_ok=True)
    (directory / "conf.d" / "dashboard.toml").write_text(text)


def test_nothing_delivered_yet(tmp_path: Path, kafka: Broker, prefix: str) -> None:
    conf = f'mongodb_uri = "mongodb://nobody/{prefix}"\nkafka_brokers = "{kafka.bootstrap}"\nkafka_client_id = "{prefix}"\n'
    write_conf(tmp_path, f'{conf}kafka_db_changes_topic = "{prefix}"\nkafka_topic_control = "{prefix}.control"\n')
    done = tail(tmp_path, "dashboard")
    assert (done.stdout, done.stderr) == ("", "nothing has been delivered yet\n")
    assert tail(tmp_path, "dashboard", "--collection", "users").stderr == "no such message has been delivered\n"
    assert prefix not in AdminClient(kafka.admin_properties(), logger=QUIET).list_topics(timeout=10).topics


def test_kafka_does_not_answer(tmp_path: Path) -> None:
    write_conf(tmp_path, 'mongodb_uri = "mongodb://h/d"\nkafka_brokers = "127.0.0.1:1"\nkafka_client_id = "x"\n')
    assert "Kafka at 127.0.0.1:1 does not answer" in tail(tmp_path, "dashboard", code=1).stderr


def test_kafka_goes_away_and_comes_back(tmp_path: Path) -> None:
    with NoidaBroker(tmp_path / "kafka") as broker:
        write_conf(tmp_path, f'mongodb_uri = "mongodb://h/d"\nkafka_brokers = "{broker.bootstrap}"\nkafka_client_id = "x"\n')
        log = tmp_path / "stderr"
        with log.open("w") as stderr, subprocess.Popen(command(tmp_path, "dashboard", "-f"), stderr=stderr) as process:
            eventually(lambda: "nothing has been delivered yet" in log.read_text())
            broker.stop()
            eventually(lambda: "Kafka does not answer; waiting for it" in log.read_text())
            broker.start()
            eventually(lambda: "Kafka answers again" in log.read_text())
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert log.read_text().count("Kafka") == 2


def test_wrong_names_and_broken_configurations(tmp_path: Path) -> None:
    assert "dashboard" in tail(tmp_path, "dashboard", code=78).stderr or "conf.d" in tail(tmp_path, "dashboard", code=78).stderr
    write_conf(tmp_path, 'mongodb_ury = "mongodb://h/d"\n')
    assert "did you mean 'mongodb_uri'" in tail(tmp_path, "dashboard", code=78).stderr
    assert "no watcher is called 'dashbord'; did you mean 'dashboard'?" in tail(tmp_path, "dashbord", code=4).stderr
    (tmp_path / "conf.d" / "other.toml").write_text("")
    assert "say either names or --all" in tail(tmp_path, code=2).stderr
