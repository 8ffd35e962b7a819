"""The reading side: DatabaseChangeConsumer calls functions with a watcher's messages, and `reading.reader` shows them.

Importing this package needs nothing but confluent-kafka and orjson. What its users import stands at the top, and the parts of a
consumer belong in the rooms, in the order of a message: reading, ordering, registration, delivery, offsets.
"""

from watcher.consumer.asynchronous import AsyncDatabaseChangeConsumer
from watcher.consumer.change import Change, Gap
from watcher.consumer.consumer import DatabaseChangeConsumer
from watcher.consumer.errors import DeadLetterFailed, ForeignMessage, HandlerFailed, ReadError, Reject
from watcher.consumer.options import ConsumerOptions
from watcher.consumer.snapshots import SnapshotAborted, SnapshotCompleted, SnapshotStarted

__all__ = [
    "AsyncDatabaseChangeConsumer",
    "Change",
    "ConsumerOptions",
    "DatabaseChangeConsumer",
    "DeadLetterFailed",
    "ForeignMessage",
    "Gap",
    "HandlerFailed",
    "ReadError",
    "Reject",
    "SnapshotAborted",
    "SnapshotCompleted",
    "SnapshotStarted",
]
