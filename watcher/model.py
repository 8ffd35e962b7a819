"""The values that travel the data path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from watcher.oplog import Oplog

ResumeToken = Mapping[str, Any]
"""A position in MongoDB's change stream, as the server gave it: `{"_data": "82…"}`."""


Ticks = tuple[int, int]
"""A cluster time of MongoDB: seconds since 1970, and the number of the operation within the second."""

HeaderList = list[tuple[str, bytes]]
"""Names and values of a record's headers, in the order in which they are written; values are UTF-8."""

ANY_PARTITION = -1
"""Leaves the partition to the partitioner."""


def token_seconds(token: ResumeToken) -> int:
    """Return the cluster time in a resume token, in seconds since 1970 (bytes 1 to 4 of `_data`, big-endian)."""
    return int(token["_data"][2:10], 16)


def token_ticks(token: ResumeToken) -> Ticks:
    """Return the whole cluster time in a resume token."""
    return token_seconds(token), int(token["_data"][10:18], 16)


@dataclass(frozen=True, slots=True)
class Notice:
    """News from the watcher itself to its consumers, sent as a control message: `gap`, `rewind`, or one about a snapshot."""

    operation: str
    timestamp_ms: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot, and how far it has come: all documents up to here are in Kafka.

    `operation` is the operationType of its messages. `collections` are names and globs, none for all that are watched. `filters`
    holds a query for some collections, as MongoDB Extended JSON. `started_sequence` is the sequence number of `snapshotStarted`.

    Collections are read in the order of their names: `reached` is the last that was begun so. `collection` is the one in hand,
    empty between two. `last` is the BSON document `{_id: …}` of the last document that was read of it, empty at its beginning.
    `again` are collections to be read once more, because another has been renamed onto them. `documents` counts what was read
    altogether, and `in_collection` of the collection in hand. `seen` is the greatest operation time of MongoDB's replies whose
    events were delivered. `end_reason` says why it ended before it was complete.
    """

    id: str
    operation: Literal["insert", "replace"]
    reason: str
    started_at: str
    collections: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    started_sequence: int = 0
    state: Literal["running", "paused", "completed", "stopped", "aborted"] = "running"
    reached: str = ""
    collection: str = ""
    last: bytes = b""
    again: tuple[str, ...] = ()
    documents: int = 0
    in_collection: int = 0
    seen: Ticks = (0, 0)
    end_reason: str = ""

    @property
    def is_over(self) -> bool:
        """Return True if nothing more will come of it."""
        return self.state in ("completed", "stopped", "aborted")


def no_token(event: bytes) -> ResumeToken:
    """The `token_of` of a batch that does not know the positions within it, because it has no events."""
    raise LookupError(f"a batch that does not know the positions within it: {len(event)} bytes")


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of one bounded wait on the change stream; without events it is an idle tick.

    `events` are raw BSON documents in stream order. `token` is the position after the last of them. `server_seconds` is the
    server's own operation time at the reply, in seconds since 1970, so that lag needs no client clock. `oplog` is the last known
    state of MongoDB's oplog, None if MongoDB does not tell. `ended` means that the server has closed the stream (after an
    invalidate event): open it again after `token`. `notices` come before the events. `missing` names the fields that the events
    lack because they were too large for MongoDB itself. `failed` says that the user's pipeline fails on the events. `more` means
    that as many events came as were requested, so the next ones are most likely there already. `size` is the number of bytes that
    came over the network. `token_of` returns the position after one of the events.

    `rows` of the events are documents of a snapshot, and so many as are `behind` follow them. `rows_token` is the position at which
    they stand. `snapshot` is the state before them, and `snapshot_at` gives it after some of them. `superseded` maps the number of
    an event to that of a row which needs no message of its own, once the event has one with the whole document.
    """

    events: Sequence[bytes]
    token: ResumeToken
    server_seconds: int
    ended: bool = False
    oplog: Oplog | None = None
    notices: Sequence[Notice] = ()
    missing: Sequence[str] = ()
    failed: bool = False
    more: bool = False
    size: int = 0
    token_of: Callable[[bytes], ResumeToken] = no_token
    operation_time: Ticks = (0, 0)
    is_whole: bool = True
    snapshot: Snapshot | None = None
    rows: int = 0
    behind: int = 0
    rows_token: ResumeToken = field(default_factory=dict)
    snapshot_at: Callable[[int], Snapshot] | None = None
    superseded: Mapping[int, int] = field(default_factory=dict)

    @property
    def before(self) -> int:
        """Number of events before the rows; of all if there are none."""
        return len(self.events) - self.rows - self.behind

    def position_after(self, events: int) -> ResumeToken:
        """Return the position after the first `events` of the batch; `events` is at least one."""
        return self.rows_token if 0 < events - self.before <= self.rows else self.token_of(self.events[events - 1])

    def snapshot_after(self, events: int) -> Snapshot | None:
        """Return the snapshot after the first `events` of the batch."""
        rows = min(events - self.before, self.rows)
        return self.snapshot_at(rows) if self.snapshot_at and rows > 0 else self.snapshot


class Message(NamedTuple):
    """One Kafka record to be written; `timestamp_ms` is the change event's time, in milliseconds since 1970.

    `operation` is the event's operationType, for counting. It is not written separately: consumers find it in the value. The
    partitioner chooses the partition unless `partition` is given. `reason` says in a word why there is a dead letter, for counting
    too. Without a value the message is a tombstone. `header_bytes` is what its headers take, at most. `database` is
    the one that the message is about, for counting.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    operation: str
    partition: int = ANY_PARTITION
    reason: str = ""
    headers: HeaderList | None = None
    header_bytes: int = 0
    database: str = ""

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        return len(self.value or b"") + len(self.key or b"") + self.header_bytes


@dataclass(frozen=True, slots=True)
class Owner:
    """The worker that last wrote a position; `instance` is random and new for each process."""

    instance: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class Active:
    """The worker that has a watcher, as another host sees it. `since` (ISO 8601, by its own clock) is when it took over; None for a
    worker without a lease. `differences` says how its settings differ from those of the host that looks."""

    owner: Owner
    since: str | None = None
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """Knowledge of earlier messages: `any` if there were some, the sequence number of the last one as far as it is known, the last
    time that changes were missed (ISO 8601), and the snapshot that was under way after the last one, as far as that is known."""

    any: bool = False
    sequence: int = 0
    last_gap_at: str | None = None
    snapshot: Snapshot | None = None

    def with_those(self, other: Delivered) -> Delivered:
        """Return what both know together: the later number and the later gap. `other` is what was learnt later."""
        gaps = [gap for gap in (self.last_gap_at, other.last_gap_at) if gap]
        snapshot = other.snapshot if other.sequence >= self.sequence else self.snapshot
        return Delivered(self.any or other.any, max(self.sequence, other.sequence), max(gaps, default=None), snapshot)


@dataclass(frozen=True, slots=True)
class Position:
    """The progress of a watcher: everything up to `token` is in Kafka, as messages numbered up to `sequence`.

    `token` is None until the change stream has been opened for the first time. `snapshot` is the snapshot under way, and
    `last_snapshot` the id of the last one that ended. `last_gap_at` is the last time that changes were missed (ISO 8601): so it is
    known on every host.
    """

    database: str
    owner: Owner
    token: ResumeToken | None = None
    sequence: int = 0
    last_gap_at: str | None = None
    snapshot: Snapshot | None = None
    last_snapshot: str = ""

    def moved(self, token: ResumeToken, messages: int = 0, snapshot: Snapshot | None = None) -> Position:
        """Return the position at `token`, after `messages` more messages."""
        last = snapshot.id if snapshot and snapshot.is_over else self.last_snapshot
        return replace(self, token=token, sequence=self.sequence + messages, snapshot=snapshot, last_snapshot=last)
