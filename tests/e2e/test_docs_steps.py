"""The steps of pages as typed: the quick start, a database more, a release and back, another Kafka cluster, a restored MongoDB."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from release.quick_start import ENVIRONMENT, PAGE, Servers, commands, follow
from tests.support.waiting import eventually
from tests.support.watcherctl import WatcherctlDirectory
from tests.support.worker import Inbox
from watcher.sandbox.kafka import Broker, NoidaBroker
from watcher.sandbox.mongod import ReplicaSet

ROOT = Path(__file__).parents[2]
MOVING = (ROOT / "docs" / "moving.md").read_text(encoding="utf-8")
ADDING = (ROOT / "docs" / "adding-a-database.md").read_text(encoding="utf-8")
UPGRADING = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
INSTALLING = 3
"""Commands of the quick start that clone and install; `make dist` and `make quick-start` run those."""
GAP = 1_000_000

Document = dict[str, Any]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of the module's own: the pages' topics have fixed names."""
    directory = tmp_path_factory.mktemp("own")
    with ReplicaSet(directory / "mongo") as mongo, NoidaBroker(directory / "kafka") as kafka:
        yield Servers(mongo, kafka)


@pytest.fixture
def here() -> Iterator[WatcherctlDirectory]:
    with WatcherctlDirectory() as directory:
        yield directory


def install(here: WatcherctlDirectory, environment: str) -> None:
    """Our own environment under that name, instead of one that pip has filled."""
    (here.path / environment).mkdir()
    (here.path / environment / "bin").symlink_to(Path(sys.prefix) / "bin")


def write_conf(
    here: WatcherctlDirectory, mongo: ReplicaSet, kafka: Broker, name: str = "dashboard", database: str | None = None
) -> None:
    """Write the watcher's file, of a database that is named like it unless said otherwise."""
    settings = {
        "mongodb_uri": mongo.uri(database or name),
        "kafka_brokers": kafka.bootstrap,
        "kafka_client_id": f"{name}-watcher",
    }
    here.write_toml(name, settings)


def change(mongo: ReplicaSet, first: int, database: str = "dashboard") -> None:
    """Insert ten users, from `first` on."""
    with mongo.client() as client:
        client[database].users.insert_many([{"_id": number} for number in range(first, first + 10)])


def inserted(kafka: Broker, count: int) -> list[Document]:
    """The messages on the topic of inserts, as soon as there are `count`."""
    return Inbox(kafka.bootstrap, ["database.insert"]).messages(count)


def shown(here: WatcherctlDirectory) -> Document:
    """Return the document of `position show`."""
    found: Document = json.loads(here.run("position", "show", "dashboard", "--json").stdout)
    return found


def shell(here: WatcherctlDirectory, page: str, containing: str) -> None:
    """Run the page's block that has `containing`: `watcherctl` in our own environment, everything else in bash."""
    [block] = [block for block in re.findall(r"^ *```bash\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL) if containing in block]
    for line in map(str.strip, block.splitlines()):
        program, *arguments = shlex.split(line, comments=True)
        if program == "watcherctl":
            here.run(*arguments)
        else:
            subprocess.run(["bash", "-c", line], check=True, cwd=here.path)


def test_the_quick_start(own: Servers, here: WatcherctlDirectory) -> None:
    install(here, ENVIRONMENT)
    follow(here.path, own, commands(PAGE.read_text(encoding="utf-8"))[INSTALLING:])
    assert here.status("shop")["state"] == "streaming"


def test_a_database_is_added_and_removed(own: Servers, here: WatcherctlDirectory) -> None:
    write_conf(here, own.mongo, own.kafka, "dashboard")
    here.run("start", "--all")
    pid = here.status("dashboard")["pid"]
    shell(here, ADDING, "cp conf.d")
    shell(here, ADDING, "watcherctl doctor billing")
    change(own.mongo, 0, "billing")
    eventually(lambda: here.status("billing").get("sequence") == 10, 20)
    assert here.status("dashboard")["pid"] == pid
    shell(here, ADDING, "rm conf.d")
    assert "billing" not in here.run("status").stdout


def test_an_upgrade_and_the_way_back(own: Servers, here: WatcherctlDirectory) -> None:
    install(here, "watcher-new")
    write_conf(here, own.mongo, own.kafka, "upgraded")
    here.run("start", "--all")
    shell(here, UPGRADING, "watcher-new/bin/watcherctl doctor")
    change(own.mongo, 0, "upgraded")
    shell(here, UPGRADING, "watcher-new/bin/watcherctl start")
    change(own.mongo, 10, "upgraded")
    shell(here, UPGRADING, "watcher-new/bin/watcherctl down")
    eventually(lambda: here.status("upgraded").get("sequence") == 20, 20)


def test_another_kafka_cluster_goes_on_with_the_next_number(own: Servers, here: WatcherctlDirectory, tmp_path: Path) -> None:
    [script] = re.findall(r"^```python\n(.*?)^```", MOVING, re.MULTILINE | re.DOTALL)
    (tmp_path / "copy_position.py").write_text(script)
    with NoidaBroker(tmp_path / "old") as old, NoidaBroker(tmp_path / "new") as new:
        write_conf(here, own.mongo, old)
        here.run("start", "--all")
        change(own.mongo, 100)
        assert [each["sequence"] for each in inserted(old, 10)] == list(range(1, 11))
        here.run("stop", "dashboard")
        change(own.mongo, 200)
        before = shown(here)

        copy = [sys.executable, "copy_position.py", "dashboard-watcher.position", old.bootstrap, new.bootstrap]
        subprocess.run(copy, check=True, cwd=tmp_path, timeout=60)
        write_conf(here, own.mongo, new)
        after = shown(here)
        assert (after["sequence"], after["position"]) == (before["sequence"], before["position"])
        here.run("apply", "--yes")
        here.run("start", "dashboard")
        change(own.mongo, 300)
        messages = inserted(new, 20)
        assert [each["sequence"] for each in messages] == list(range(11, 31))
        assert [each["documentKey"]["_id"] for each in messages] == [*range(200, 210), *range(300, 310)]

        here.run("down")
        done = subprocess.run(copy, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert "TOPIC_ALREADY_EXISTS" in done.stderr


def test_a_restored_mongodb_begins_anew_and_is_copied(own: Servers, here: WatcherctlDirectory, tmp_path: Path) -> None:
    with NoidaBroker(tmp_path / "kafka") as kafka, ReplicaSet(tmp_path / "restored") as restored:
        write_conf(here, own.mongo, kafka, database="lost")
        here.run("start", "--all")
        change(own.mongo, 0, "lost")
        inserted(kafka, 10)
        here.run("stop", "dashboard")
        _restore(own.mongo, restored)
        write_conf(here, restored, kafka, database="lost")
        shell(here, MOVING, "position reset")
        copies = Inbox(kafka.bootstrap, ["database.update"]).messages(9)
        assert {each["operationType"] for each in copies} == {"replace"}
        assert sorted(each["documentKey"]["_id"] for each in copies) == list(range(9))
        assert all(each["sequence"] > GAP for each in copies)
        [first, *_] = Inbox(kafka.bootstrap, ["database.control"]).messages(1)
        assert first["operationType"] == "gap"
        change(restored, 500, "lost")
        assert len(inserted(kafka, 20)) == 20
        here.run("down")  # while its servers are there: without them it takes longer


def _restore(source: ReplicaSet, target: ReplicaSet) -> None:
    """Bring back all documents but the last, as an older backup would."""
    with source.client() as old, target.client() as new:
        new.lost.users.insert_many(old.lost.users.find().sort("_id").limit(9))
