"""The integration guide's profession service: keeps a copy of the dashboard's users and organizations, in SQLite.

    watcherctl demo                                                    # in one terminal; it shows the address of its Kafka
    python examples/profession_service.py --brokers localhost:9092 --database copy.sqlite

A message can come again after a crash, so writing is idempotent: every row keeps the `version` of the message that wrote it, and
an older message changes nothing. For the same reason a deleted document leaves a row without a document behind. `sequence` alone
would not do: those of another watcher, or of one whose position was deleted, begin with 1 again.

With `snapshot_mode = "initial"` the watcher sends the documents that are there already, and the copy is whole from the beginning.
With `on_position_lost = "snapshot"` it sends them again where changes are missing. What was deleted in between is not among them:
what the watcher's messages have not touched since the snapshot began is gone.
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3

from watcher.consumer import Change, DatabaseChangeConsumer, Gap, Reject, SnapshotCompleted

TABLES = ("users", "organizations")
TOPICS = ("database.insert", "database.update", "database.delete", "database.control")

CREATE = "CREATE TABLE IF NOT EXISTS {} (key TEXT PRIMARY KEY, document TEXT, version TEXT, watcher TEXT, sequence INTEGER)"
WRITE = """INSERT INTO {} VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
           SET document = excluded.document, version = excluded.version, watcher = excluded.watcher, sequence = excluded.sequence
           WHERE excluded.version > version"""
CLEAR = "UPDATE {} SET document = NULL, version = ?, watcher = ?, sequence = ? WHERE version < ?"
REMOVE = "UPDATE {} SET document = NULL WHERE watcher = ? AND sequence < ?"

log = logging.getLogger("profession-service")


class Copy:
    """The copy of some collections of one database: a table for each, whose `document` is NULL after a delete."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path)
        with self._db:
            for table in TABLES:
                self._db.execute(CREATE.format(table))

    def write(self, changes: list[Change]) -> None:
        """Take over changes of one collection, in one transaction."""
        rows = [row(change) for change in changes if not is_superseded(change)]
        with self._db:
            self._db.executemany(WRITE.format(changes[0].collection), rows)

    def clear(self, change: Change) -> None:
        """A collection is gone."""
        with self._db:
            self._db.execute(CLEAR.format(change.collection), (change.version, change.watcher, change.sequence, change.version))

    def remove_older(self, snapshot: SnapshotCompleted) -> None:
        """Remove what a snapshot has not found any more."""
        with self._db:
            for table in filter(snapshot.covers, TABLES):
                self._db.execute(REMOVE.format(table), (snapshot.watcher, snapshot.started_sequence))


def row(change: Change) -> tuple[str, str | None, str, str, int]:
    """Apply a change to its row."""
    if "fullDocument" in change.truncated:
        raise Reject("the document was too large for Kafka: it must be read from MongoDB")
    document = None if change.operation == "delete" else json.dumps(change.full_document)
    return json.dumps(change.key), document, change.version, change.watcher, change.sequence


def is_superseded(change: Change) -> bool:
    """An update whose document was gone by the time it was looked up: its delete follows."""
    return change.operation == "update" and change.full_document is None and not change.truncated


def make_consumer(copy: Copy, brokers: str, group_id: str, topics: list[str], source: str) -> DatabaseChangeConsumer:
    """Connect the topics to the copy. `source` is the MongoDB database: others may share the topics."""
    consumer = DatabaseChangeConsumer(brokers, group_id, topics)
    for table in TABLES:
        consumer.on_batch(table, database=source)(copy.write)
        consumer.on(table, "drop", "rename", database=source)(copy.clear)

    @consumer.on_gap
    def missed(gap: Gap) -> None:
        log.error("changes of %s are missing; only a snapshot makes the copy right again: %s", gap.database, gap.reason)

    @consumer.on_snapshot_completed
    def completed(snapshot: SnapshotCompleted) -> None:
        if snapshot.database == source:
            copy.remove_older(snapshot)
            log.info("copied %s: %d documents", snapshot.collection or "everything", snapshot.documents)

    return consumer


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep a copy of users and organizations in SQLite.")
    parser.add_argument("--brokers", default="localhost:9092", help="Kafka's addresses (default: %(default)s)")
    parser.add_argument("--database", default="copy.sqlite", help="the SQLite file (default: %(default)s)")
    parser.add_argument("--source", default="dashboard", help="the MongoDB database to copy (default: %(default)s)")
    parser.add_argument("--group", default="profession-service", help="the consumer group (default: %(default)s)")
    parser.add_argument("--topics", nargs="+", default=TOPICS, help="default: %(default)s", metavar="TOPIC")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    consumer = make_consumer(Copy(arguments.database), arguments.brokers, arguments.group, list(arguments.topics), arguments.source)
    log.info("copying %s of %s into %s; Ctrl-C ends it", " and ".join(TABLES), arguments.source, arguments.database)
    consumer.run()
    log.info("stopped: %s", consumer.counts)


if __name__ == "__main__":
    main()
