"""The steps of docs/migration-from-debezium.md and docs/migration-from-mongodb-connector.md, typed as they stand there.

A real connector and a real watcher run on one database, and tell the same. Then the watcher goes on in the connector's topics where
that has stopped, and at last the connector again.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from bson import ObjectId
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import peers
from tests.support.command_line import ROOT, CommandLine, command_line
from tests.support.kafka_connect import KafkaConnect
from tests.support.peer_writes import write
from tests.support.records import Record, read_topics
from tests.support.waiting import eventually
from tests.support.worker import environment
from watcher.decoding.decoder import decode_peer
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

Document = dict[str, Any]
ARRIVAL_SECONDS = 60.0
COMMAND_SECONDS = 60.0
PROBE = "probe"
LATER = ObjectId("65f0c1a2b3c4d5e6f7a8b9c0")
SHELL = f'set -o pipefail; watcherctl() {{ {sys.executable} -m watcher "$@"; }}; '
SHORT_WINDOW = " --window 0.5"
"""Of `compare`, instead of a minute: what is younger than the window is not judged."""


def debezium(name: str, uri: str, database: str) -> dict[str, str]:
    return peers.debezium(name, uri, database) | {"snapshot.mode": "no_data"}


def mongodb(name: str, uri: str, database: str) -> dict[str, str]:
    return peers.mongodb(name, uri, database) | {"startup.mode": "latest", "offset.partition.name": name}


class Page:
    """A page with its names replaced, one after the other."""

    def __init__(self, name: str, names: Mapping[str, str]) -> None:
        self._text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        for on_page, replacement in names.items():
            self._text = self._text.replace(on_page, replacement)

    def watcher_file(self) -> str:
        """The file of the watcher."""
        (text,) = re.findall(r"^```toml\n(.*?)^```", self._text, re.MULTILINE | re.DOTALL)
        return str(text)

    def commands(self, section: str) -> list[str]:
        """The lines of a section that are to be typed, in order."""
        text = self._text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        blocks = re.findall(r"^ *```bash\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        return [line.strip() for block in blocks for line in block.splitlines()]


def typed(here: CommandLine, line: str, *, code: int = 0) -> str:
    """Output of a line of bash in the directory of conf.d; it must end with `code`."""
    command, variables = ["bash", "-c", SHELL + line], environment(PYTHONPATH=str(ROOT), NO_COLOR="1")
    done = subprocess.run(
        command, cwd=here.base, env=variables, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def edited(here: CommandLine, comment: str) -> None:
    """Do what a comment says: `# in conf.d/shop.toml: key = "value"`."""
    found = re.fullmatch(r"# in (\S+): ((\w+) = .*)", comment)
    assert found, comment
    path = here.base / found[1]
    text, number = re.subn(rf"^{found[3]} = .*$", found[2], path.read_text(), flags=re.MULTILINE)
    assert number == 1
    path.write_text(text)


@dataclass(frozen=True)
class Topics:
    """The topics of a prefix."""

    bootstrap: str
    prefix: str

    def records(self, collection: str) -> list[Record]:
        """All committed records about a collection."""
        return read_topics(self.bootstrap, [f"{self.prefix}.{collection}"])

    def told(self, collection: str) -> list[tuple[str, Any]]:
        """The operations and keys of all changes of a collection, in order."""
        changes = (decode_peer(record.key, record.value) for record in self.records(collection))
        return [(change["operationType"], change["documentKey"]["_id"]) for change in changes if change]

    def count(self, *, without: str) -> int:
        """Number of messages with a value about all collections but one."""
        names = AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=20).topics
        wanted = [name for name in names if name.startswith(f"{self.prefix}.") and not name.endswith(f".{without}")]
        return sum(record.value is not None for record in read_topics(self.bootstrap, wanted))


def token_of_debezium(here: CommandLine, offsets: Document, commands: list[str]) -> str:
    """Take the token out of the offsets with the page's next command."""
    return typed(here, commands.pop(0).replace("awAAAAJf…", offsets["resume_token"])).strip()


def token_of_mongodb(_: CommandLine, offsets: Document, __: list[str]) -> str:
    return str(json.loads(offsets["_id"])["_data"])


class Peer(NamedTuple):
    """A connector: its page, properties and offsets, and the texts of the page in which PEER stands for its topic.prefix."""

    page: str
    connector: Callable[..., dict[str, str]]
    token: Callable[[CommandLine, Document, list[str]], str]
    names: Mapping[str, str]


PEERS = [
    Peer("migration-from-debezium", debezium, token_of_debezium, {"dbserver1": "PEER"}),
    Peer(
        "migration-from-mongodb-connector",
        mongodb,
        token_of_mongodb,
        {"--connector mongo ": "--connector PEER ", '"mongo.{': '"PEER.{'},
    ),
]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.page)
def test_a_parallel_run_the_switch_and_back(
    peer: Peer, connect: KafkaConnect, mongo: ReplicaSet, kafka: Broker, mongo_client: MongoClient[Document],
    db: Database[Document], prefix: str,
) -> None:  # fmt: skip
    """The connector and its topic.prefix are called `peer-<prefix>`."""
    name = f"peer-{prefix}"
    theirs, ours = Topics(kafka.bootstrap, f"{name}.{db.name}"), Topics(kafka.bootstrap, f"{prefix}.{db.name}")
    names = {
        "mongodb://localhost:27017/shop": mongo.uri(db.name),
        "localhost:9092": kafka.bootstrap,
        "localhost:8083/connectors/shop": f"{connect.address}/connectors/{name}",
        "shop-watcher": f"{prefix}-watcher",
        '"watcher.{': f'"{prefix}.{{',
    }
    page = Page(peer.page, {**names, **{text: with_peer.replace("PEER", name) for text, with_peer in peer.names.items()}})
    with command_line() as here:
        (here.conf_dir / "shop.toml").write_text(page.watcher_file())
        compare = run_both(here, page.commands("1. Run both"))
        db.create_collection("images", changeStreamPreAndPostImages={"enabled": True})
        connect.put(name, peer.connector(name, mongo.uri(), db.name))
        eventually(lambda: probed(connect, name, db, theirs), ARRIVAL_SECONDS, interval_s=0.5)
        both_run = datetime.now(UTC).isoformat()  # the connector has missed what was before
        compare = compare.replace("--since 1h", f"--since {both_run}")
        for _ in write(mongo_client, db):
            pass
        db.later.insert_one({"_id": LATER, "n": 1})
        eventually(lambda: theirs.told("later") and ours.told("later"), ARRIVAL_SECONDS, interval_s=0.3)
        assert "both told the same" in typed(here, compare + SHORT_WINDOW)
        result = json.loads(typed(here, f"{compare}{SHORT_WINDOW} --json"))
        assert (result["agrees"], result["unread"], result["examples"]) == (True, 0, [])
        same = sum(row["same"] for row in result["rows"] if row["collection"] != PROBE)
        assert same == ours.count(without=PROBE) > 0

        stop, offsets, *switch = page.commands("2. Switch")
        typed(here, stop)
        db.after.insert_one({"_id": "first"})
        eventually(lambda: "only in new: after insert first" in typed(here, compare + SHORT_WINDOW, code=1), interval_s=0.3)
        token = peer.token(here, json.loads(typed(here, offsets))["offsets"][0]["offset"], switch)
        switch_over(here, [line.replace("8265…", token) for line in switch])
        db.after.insert_one({"_id": "second"})
        db.later.update_one({"_id": LATER}, {"$inc": {"n": 1}})
        both = [("insert", "first"), ("insert", "second")]
        eventually(lambda: theirs.told("after") == both and len(theirs.records("later")) == 2, ARRIVAL_SECONDS, interval_s=0.3)
        of_theirs, of_ours = theirs.records("later")
        assert of_ours.key == of_theirs.key  # so it is in the same partition, and compaction keeps the last of both

        for line in page.commands("3. Roll back"):
            typed(here, line)
        eventually(lambda: connect.runs(name), ARRIVAL_SECONDS, interval_s=0.3)
        db.after.insert_one({"_id": "third"})
        eventually(lambda: theirs.told("after") == [*both, *both, ("insert", "third")], ARRIVAL_SECONDS, interval_s=0.3)
    connect.remove(name)


def run_both(here: CommandLine, commands: list[str]) -> str:
    """Check and start the watcher; returns the command that compares."""
    check, start, tail, compare = commands
    typed(here, check)
    typed(here, start)
    assert tail.endswith(" --follow")  # which does not end by itself
    return compare


def switch_over(here: CommandLine, commands: list[str]) -> None:
    """Do the last steps of the switch; nobody is there who could be asked."""
    for line in commands:
        if line.startswith("#"):
            edited(here, line)
        else:
            asks = line.startswith(("watcherctl position", "watcherctl apply"))
            typed(here, f"{line.partition(' #')[0]}{' --yes' if asks else ''}")


def probed(connect: KafkaConnect, name: str, db: Database[Document], topics: Topics) -> bool:
    """True once the connector sends changes; makes one."""
    assert connect.runs(name)
    db[PROBE].insert_one({})
    return bool(topics.records(PROBE))
