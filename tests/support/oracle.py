"""Knows every write that was made, and so what Kafka must hold: proves that nothing is lost, doubled or out of order."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from pymongo import WriteConcern
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tests.support.records import Record

Message = dict[str, Any]


class Write(NamedTuple):
    """A write to one document, the `number`-th of those; a delete carries no number in its message, so that it is None there."""

    operation: str
    number: int | None


@dataclass(slots=True)
class Expected:
    """A write that was tried; `certain` once MongoDB has acknowledged it. Another may be missing, but not be doubled."""

    write: Write
    certain: bool = False


class Oracle:
    """Writes documents with a number `n` in them, counted per document, and remembers each. Ids must be strings or numbers.

    Several threads may write, as long as each keeps to documents of its own.
    """

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        # Only what a majority has can be in a change stream, and is never rolled back.
        self._database = database.with_options(write_concern=WriteConcern("majority"))
        self._numbers: defaultdict[tuple[str, Any], int] = defaultdict(int)
        self._expected: defaultdict[tuple[str, Any], list[Expected]] = defaultdict(list)
        self._lock = threading.Lock()

    @property
    def certain_writes(self) -> int:
        """Count the writes that MongoDB has acknowledged: at least so many messages must come."""
        with self._lock:
            return sum(each.certain for expected in self._expected.values() for each in expected)

    def insert(self, collection: str, _id: Any, **fields: Any) -> None:
        """Insert a document that is not there."""
        attempt, number = self._attempt("insert", collection, _id)
        self._database[collection].insert_one({"_id": _id, "n": number, **fields})
        attempt.certain = True

    def update(self, collection: str, _id: Any, **fields: Any) -> None:
        """Set fields of a document that is there."""
        attempt, number = self._attempt("update", collection, _id)
        result = self._database[collection].update_one({"_id": _id}, {"$set": {"n": number, **fields}})
        self._settle(attempt, result.modified_count)

    def replace(self, collection: str, _id: Any, **fields: Any) -> None:
        """Replace a document that is there."""
        attempt, number = self._attempt("replace", collection, _id)
        result = self._database[collection].replace_one({"_id": _id}, {"n": number, **fields})
        self._settle(attempt, result.modified_count)

    def delete(self, collection: str, _id: Any) -> None:
        """Delete a document that is there."""
        attempt, _ = self._attempt("delete", collection, _id)
        result = self._database[collection].delete_one({"_id": _id})
        self._settle(attempt, result.deleted_count)

    def check(self, records: Iterable[Record]) -> None:
        """Raise AssertionError unless `records`, all that one watcher ever wrote, are exactly the writes."""
        records = list(records)
        messages = sorted((record.json for record in records), key=lambda message: message["sequence"])
        check_sequence(messages)
        check_partitions(records)
        self.check_documents(messages)

    def check_documents(self, messages: Sequence[Message]) -> None:
        """Raise AssertionError unless the messages of each document, in this order, are the writes to it."""
        seen: defaultdict[tuple[str, Any], list[Write]] = defaultdict(list)
        for message in messages:
            if "documentKey" in message:  # else it's on the control topic
                seen[message["collection"], message["documentKey"]["_id"]].append(write_in(message))
        assert not (strange := seen.keys() - self._expected.keys()), f"messages for documents that were never written: {strange}"
        for document, expected in self._expected.items():
            check_document(document, expected, seen[document])

    def _attempt(self, operation: str, collection: str, _id: Any) -> tuple[Expected, int]:
        with self._lock:
            self._numbers[collection, _id] += 1
            number = self._numbers[collection, _id]
            attempt = Expected(Write(operation, None if operation == "delete" else number))
            self._expected[collection, _id].append(attempt)
        return attempt, number

    @staticmethod
    def _settle(attempt: Expected, changed: int) -> None:
        """A write that found nothing is an error of the test, unless one of unknown fate had removed the document."""
        if changed != 1:
            raise PyMongoError(f"{attempt.write} changed {changed} documents")
        attempt.certain = True


def write_in(message: Message) -> Write:
    """The write that a message tells of."""
    operation = message["operationType"]
    if operation == "delete":
        return Write(operation, None)
    source = message["updateDescription"]["updatedFields"] if operation == "update" else message["fullDocument"]
    return Write(operation, source["n"])


def check_document(document: tuple[str, Any], expected: Sequence[Expected], seen: Sequence[Write]) -> None:
    """The writes seen of one document are those expected, each once and in order; one of unknown fate may be missing."""
    remaining = list(seen)
    for each in expected:
        if remaining and remaining[0] == each.write:
            remaining.pop(0)
        elif each.certain:
            raise AssertionError(f"{document}: {each.write} is lost or out of order; then came {remaining[:5]}")
    assert not remaining, f"{document}: doubled, out of order or never written: {remaining[:5]}"


def check_sequence(messages: Sequence[Message]) -> None:
    """The numbers are 1, 2, 3 … without a gap or a repetition, and the event ids rise with them, but for those of rows."""
    numbers = [message["sequence"] for message in messages]
    wrong = next(((place, number) for place, number in enumerate(numbers, start=1) if place != number), None)
    assert wrong is None, f"(expected, found) in the sequence of {len(numbers)}: {wrong}"
    events = [message["eventId"] for message in messages if "eventId" in message and "snapshot" not in message]
    assert all(earlier < later for earlier, later in pairwise(events)), "event ids repeat, or are out of order"


def check_partitions(records: Sequence[Record]) -> None:
    """In each partition the numbers rise with the offsets."""
    last: dict[tuple[str, int], int] = {}
    for record in sorted(records, key=lambda each: each.offset):
        partition, number = (record.topic, record.partition), record.json["sequence"]
        assert last.get(partition, 0) < number, f"{partition}: sequence {number} lies after {last[partition]}"
        last[partition] = number
