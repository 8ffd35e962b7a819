"""Recorder of the messages that both peers write. `python -m tests.peer_messages` runs both, and records them anew.

`tests/data/peer_messages/` then has, one JSON object a line:

* `debezium.jsonl`, `mongodb.jsonl`: the peers' messages as they lie in Kafka, in the order of each topic. `connector` is the name
  in `tests/support/peers.py`; key, value and headers are text, or null.
* `events.jsonl`: the change events of the same writes, as BSON in hexadecimal, as a watcher reads them. So they have the same
  tokens and times, and our messages of them can be held against the peers' field by field.
* `documents.jsonl`: the documents that were there already, as BSON in hexadecimal, by collection.

All is raw. What differs from run to run is time: tokens, clusterTime, wallTime, lsid, and the peers' own times.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from bson.raw_bson import RawBSONDocument
from confluent_kafka import Consumer, KafkaError
from confluent_kafka import Message as Record
from pymongo import MongoClient
from pymongo.change_stream import ChangeStream
from pymongo.database import Database

from tests.support import apache_kafka
from tests.support.kafka_connect import KafkaConnect
from tests.support.peer_writes import END, Documents, prepare, write
from tests.support.peers import VARIANTS, connectors
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet

DIRECTORY = Path(__file__).parent / "data" / "peer_messages"
DATABASE = "shop"
START_SECONDS = 240.0
END_SECONDS = 120.0
MARKS = "marks"
"""Collection with a document for each time that everybody has come so far."""

Line = dict[str, Any]
Client = MongoClient[Any]


def main() -> None:
    """Record everything."""
    with tempfile.TemporaryDirectory(prefix="peer-messages-") as scratch, ExitStack() as servers:
        directory = Path(scratch)
        mongo = servers.enter_context(ReplicaSet(directory / "mongo"))
        kafka = servers.enter_context(ApacheKafka(directory / "kafka", home=apache_kafka.obtain()))
        connect = servers.enter_context(KafkaConnect(directory / "connect", kafka.bootstrap))
        _record(servers.enter_context(mongo.client()), mongo.uri(), connect, Inbox(kafka.bootstrap))


def _record(client: Client, uri: str, connect: KafkaConnect, inbox: Inbox) -> None:
    db = client[DATABASE]
    prepare(db)
    documents = list(_documents(db))
    for name, config in connectors(uri, DATABASE).items():
        connect.put(name, config)
    everybody = list(connectors(uri, DATABASE))
    inbox.wait(lambda: all(connect.runs(name) and inbox.count(name) >= len(documents) for name in everybody), START_SECONDS)
    events = list[Line]()
    with _raw(db).watch(full_document="updateLookup", full_document_before_change="whenAvailable") as stream:
        for number, _ in enumerate(write(client, db)):
            db[MARKS].insert_one({"_id": number})
            events += _events_until(stream, MARKS)
            inbox.wait(lambda: all(inbox.count(name, MARKS) > number for name in everybody), END_SECONDS)  # noqa: B023  # at once
        events += _events_until(stream, END)
    inbox.wait(lambda: all(inbox.count(name, END) for name in everybody), END_SECONDS)
    client.drop_database(DATABASE)
    inbox.wait(lambda: all(inbox.count(name, f"{name}.{DATABASE}") for name in VARIANTS["mongodb"]), END_SECONDS)  # dropDatabase
    _save("documents", documents)
    _save("events", events)
    for peer, variants in VARIANTS.items():
        _save(peer, inbox.lines(*variants))


class Inbox:
    """All messages of all topics, in the order of each."""

    def __init__(self, brokers: str) -> None:
        properties = {"bootstrap.servers": brokers, "group.id": "record", "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**properties, "topic.metadata.refresh.interval.ms": 500, "enable.auto.commit": False})
        self._consumer.subscribe(["^(debezium|mongodb).*"])
        self._found: dict[tuple[str, int | None], Line] = {}

    def wait(self, is_over: Callable[[], bool], timeout_s: float) -> None:
        """Read until `is_over`. Raises SystemExit if that takes longer."""
        deadline = time.monotonic() + timeout_s
        while not is_over():
            if time.monotonic() > deadline:
                raise SystemExit(f"not complete after {timeout_s:.0f} s: {len(self._found)} messages")
            for record in self._consumer.consume(500, 0.2):
                self._take(record)

    def count(self, connector: str, collection: str = "") -> int:
        """Number of messages of a connector, and with `collection` of that alone."""
        return sum(line["connector"] == connector and line["topic"].endswith(collection) for line in self._found.values())

    def lines(self, *wanted: str) -> list[Line]:
        """The messages of these connectors, topic by topic. With schemas, which are long, those of one collection are enough."""
        chosen = [line for line in self._found.values() if line["connector"] in wanted]
        chosen = [line for line in chosen if line["connector"] != "debezium-schemas" or line["topic"].endswith(".people")]
        return sorted(chosen, key=lambda line: (wanted.index(line["connector"]), line["topic"], line["offset"]))

    def _take(self, record: Record) -> None:
        if (error := record.error()) is not None:
            assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART, error
            return
        topic = record.topic() or ""
        headers = cast("list[tuple[str, bytes | None]]", record.headers() or [])
        # A topic that is new makes the consumer read all from the beginning again.
        self._found[topic, record.offset()] = {
            "connector": topic.partition(".")[0],
            "topic": topic,
            "offset": record.offset(),
            "timestamp": record.timestamp()[1],
            "key": _text(record.key()),
            "value": _text(record.value()),
            "headers": [[name, _text(value)] for name, value in headers],
        }


def _raw(db: Documents) -> Database[RawBSONDocument]:
    return db.with_options(codec_options=db.codec_options.with_options(document_class=RawBSONDocument))


def _documents(db: Documents) -> Iterator[Line]:
    for name in sorted(db.list_collection_names()):
        for document in _raw(db)[name].find().sort("_id"):
            yield {"collection": name, "document": document.raw.hex()}


def _events_until(stream: ChangeStream[RawBSONDocument], last: str) -> Iterator[Line]:
    """The next events, up to the first of the collection `last`."""
    for event in stream:
        yield {"event": event.raw.hex()}
        if event["ns"]["coll"] == last:
            return


def _save(name: str, lines: Iterable[Line]) -> None:
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / f"{name}.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _text(raw: bytes | str | None) -> str | None:
    return raw.decode() if isinstance(raw, bytes) else raw


if __name__ == "__main__":
    main()
