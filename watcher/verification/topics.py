"""Reads a watcher's messages from Kafka as states of documents, for `verify`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import orjson

from watcher.config import Settings
from watcher.consumer.delivered import parse
from watcher.consumer.reading.topics import places_of
from watcher.kafka.log_reader import Partition, Record, partition_of
from watcher.kafka.topics import Topics
from watcher.operations import DEAD_LETTER, ROW_OPERATIONS
from watcher.verification.copies import COMPLETING, Copies
from watcher.verification.keys import KeyForm
from watcher.verification.lineage import RESHAPING, Lineage, naming_of, touched
from watcher.verification.records import Progress, TopicReader, topics_of
from watcher.verification.result import VerificationResult
from watcher.verification.sequences import SeenNumbers, SequenceReport, report
from watcher.verification.state import ABSENT, Known, StateStore, digest_of

ROWS_AT_ONCE = 5000
JUMPS = ("gap", "rewind")
"""Control messages before which the numbers may jump."""

Row = tuple[str, bytes, Known]
Message = Mapping[str, Any]


class TopicReplay:
    """Reads one watcher's topics into `store`, and keeps account of its messages in `result`. Errors: as TopicReader."""

    def __init__(self, settings: Settings, store: StateStore, result: VerificationResult) -> None:
        self._settings = settings
        self._store = store
        self._result = result
        self._rows: list[Row] = []
        self._seen = SeenNumbers()
        self._repeated = 0
        self._jumps: list[int] = []
        self._followed: dict[tuple[str, bytes], set[bytes | None]] = {}
        self._first_in: dict[Partition, tuple[int, str]] = {}
        self._oldest: tuple[int, str] | None = None
        self._copies = Copies()
        self._places = places_of(settings)
        self._keys = KeyForm.of(settings)
        self._scope = settings.scope
        self._named = naming_of(self._scope)
        self.lineage = Lineage((), self._scope)
        self._reader = TopicReader(settings, topics_of(settings))

    def have_position(self) -> bool:
        """True if the watcher's position topic exists, which means that it has run before."""
        return self._reader.exists(self._settings.position_topic)

    def read(self, progress: Progress = lambda _done, _total: None) -> None:
        """Read everything up to the present end. The next call goes on there."""
        if not self._reader.topics:
            self.lineage = self._read_lineage()
        self._reader.read(self._take, progress)
        self._flush()
        for collection, sequence in self._copies.begun(self._certain_from):
            self._store.remove_older(collection, sequence)

    def follow(self, documents: Iterable[tuple[str, bytes]]) -> None:
        """Remember all states of these documents, by collection and key, that new messages report."""
        for document in documents:
            self._followed.setdefault(document, set())

    def has_told(self, collection: str, key: bytes, digest: bytes) -> bool:
        """True if a message has reported this state of a document that is followed."""
        return digest in self._followed.get((collection, key), ())

    def document(self, known: Known) -> Any:
        """Return the document in the message that `known` came from, parsed; None if it is gone."""
        record = self._reader.record_at(known.partition, known.offset)
        delivered = parse(record, self._settings.kafka_client_id, self._places) if record else None
        return delivered.message.get("fullDocument") if delivered else None

    @property
    def newest(self) -> int:
        """The highest number so far; 0 without messages."""
        return self._seen.highest

    def sequences(self, last: int) -> SequenceReport:
        """Report on the numbers up to `last`."""
        return report(self._seen, repeated=self._repeated, certain_from=self._certain_from, last=last, jumps=self._jumps)

    def are_compacted(self) -> bool:
        """True if any of the topics is compacted, as far as Kafka tells: that needs the right DescribeConfigs."""
        topics = Topics(self._settings, lambda _error: None)
        return any("compact" in topics.config(name).get("cleanup.policy", "") for name in self._reader.topics)

    def is_copied(self, collection: str, *, with_all: bool) -> bool:
        """True if a snapshot has copied the collection, or with all others if `with_all`: then each document has a message."""
        return self._copies.has(collection, self._certain_from, of_all=with_all)

    def begin_seconds(self) -> float | None:
        """Return the time from which every change has its message in the topics, in seconds since 1970; None if there is none.

        If retention has deleted nothing, this is the time of the first message. Otherwise it is the latest of the times at which
        the cut partitions begin.
        """
        if self._oldest is None or any(partition not in self._first_in for partition in self._reader.cut):
            return None
        times = [self._oldest[1], *(self._first_in[partition][1] for partition in self._reader.cut)]
        return max(datetime.fromisoformat(time).timestamp() for time in times)

    def close(self) -> None:
        """Close the connection to Kafka."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read_lineage(self) -> Lineage:
        """Read the control topic. It comes first, because a row's collection depends on drops and renames."""
        found: list[Message] = []

        def take(record: Record) -> None:
            if delivered := parse(record, self._settings.kafka_client_id, self._places):
                found.extend([self._named(delivered.message)] if delivered.message["operationType"] in RESHAPING else [])

        with TopicReader(self._settings, topics_of(self._settings, "control")) as reader:
            reader.read(take)
        return Lineage(found, self._scope)

    def _take(self, record: Record) -> None:
        partition = partition_of(record)
        delivered = parse(record, self._settings.kafka_client_id, self._places)
        if delivered is None:
            return
        message = self._named(delivered.message)
        self._count(partition, message)
        if message["operationType"] in ROW_OPERATIONS:
            self._take_row(message, partition, record.offset() or 0)
        else:
            self._take_control(message)

    def _count(self, partition: Partition, message: Message) -> None:
        number: int = message["sequence"]
        mark = (number, str(message["timestamp"]))
        self._result.messages += 1
        self._repeated += not self._seen.add(number)
        self._first_in.setdefault(partition, mark)
        if self._oldest is None or mark < self._oldest:
            self._oldest = mark

    def _take_row(self, message: Message, partition: Partition, offset: int) -> None:
        collection = self.lineage.current(message["collection"], message["sequence"])
        if collection is None:
            return
        for key, digest in states_of(message, self._keys):
            if (told := self._followed.get((collection, key))) is not None:
                told.add(digest)
            self._rows.append((collection, key, Known(message["sequence"], digest, partition, offset)))
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()

    def _take_control(self, message: Message) -> None:
        operation = message["operationType"]
        if operation in JUMPS:
            self._jumps.append(message["sequence"])
            self._result.gap_messages += operation == "gap"
        elif operation == DEAD_LETTER:
            self._result.dead_letters += 1
        elif operation in COMPLETING:
            self._copies.take(message, self.lineage)
        elif operation in RESHAPING and not self.lineage.knows(message):
            self._result.reshaped |= touched(message, self._scope)

    def _flush(self) -> None:
        self._store.put(self._rows)
        self._rows.clear()

    @property
    def _certain_from(self) -> int:
        """The number from which on retention has deleted nothing: the highest of the first that the cut partitions still hold."""
        return max((self._first_number(partition) for partition in self._reader.cut), default=1)

    def _first_number(self, partition: Partition) -> int:
        first = self._first_in.get(partition)
        return first[0] if first else self._seen.highest + 1


def states_of(message: Message, keys: KeyForm) -> list[tuple[bytes, bytes | None]]:
    """Return the states that the message reports, by key.

    A replace may put another `_id` in place of the old one if MongoDB considers both equal, as with 7 and 7.0. Its message has the
    old `_id` in the key, and later messages have the new one.
    """
    key, digest = orjson.dumps(message["documentKey"]["_id"]), _digest(message)
    document = message.get("fullDocument") or {}
    new_key = keys.of_message(document["_id"]) if "_id" in document else key
    return [(key, digest)] if new_key == key else [(key, ABSENT), (new_key, digest)]


def _digest(message: Message) -> bytes | None:
    """Digest of the state that a row message leaves behind; None if the message does not contain it."""
    if message["operationType"] == "delete":
        return ABSENT
    document = message.get("fullDocument")
    return None if document is None else digest_of(orjson.dumps(document))
