"""The operations of a watcher's messages: the values of `operationType`, and the headers that tell them. The consumer library needs
them too, so this imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DEAD_LETTER = "deadLetter"

TOMBSTONE = "tombstone"
"""A message without a value that follows a delete, in envelopes where the delete has a message of its own; no event."""

SNAPSHOT_STARTED, SNAPSHOT_ABORTED = "snapshotStarted", "snapshotAborted"
SNAPSHOT_COLLECTION_COMPLETED, SNAPSHOT_COMPLETED = "snapshotCollectionCompleted", "snapshotCompleted"
OF_SNAPSHOTS = (SNAPSHOT_STARTED, SNAPSHOT_COLLECTION_COMPLETED, SNAPSHOT_COMPLETED, SNAPSHOT_ABORTED)
"""Control messages about the course of a snapshot."""

WATCHER_HEADER, SEQUENCE_HEADER = "watcher.name", "watcher.sequence"
EVENT_ID_HEADER, OPERATION_HEADER = "watcher.eventId", "watcher.operation"
"""The names of the Kafka headers that identify a message in any envelope; their values are text in UTF-8."""

BY_TOPIC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "insert": ("insert",),
        "update": ("update", "replace"),
        "delete": ("delete",),
        "control": ("rename", "drop", "dropDatabase", "invalidate", "gap", "rewind", *OF_SNAPSHOTS, DEAD_LETTER),
    }
)
"""The operations whose messages go to one topic, by the last part of its setting (`kafka_topic_insert`, …). Servers may send
others; those go to the control topic."""

OPERATIONS = tuple(operation for operations in BY_TOPIC.values() for operation in operations)
ROW_OPERATIONS = tuple(operation for operation in OPERATIONS if operation not in BY_TOPIC["control"])
"""Operations that change one document."""

OF_A_DATABASE = (
    "dropDatabase",
    "invalidate",
    "gap",
    "rewind",
    *(operation for operation in OF_SNAPSHOTS if operation != SNAPSHOT_COLLECTION_COMPLETED),
)
"""Operations whose messages name no collection."""

TOPIC_OF: Mapping[str, str] = MappingProxyType(
    {operation: topic for topic, operations in BY_TOPIC.items() for operation in operations}
)
"""The key of BY_TOPIC for each operation."""
