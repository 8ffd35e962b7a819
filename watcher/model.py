"""The values that travel the data path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from watcher.oplog import Oplog

ResumeToken = Mapping[str, Any]
"""A position in MongoDB's change stream, as the server gave it: `{"_data": "82…"}`."""


ANY_PARTITION = -1
"""Leaves the partition to the partitioner."""


def token_seconds(token: ResumeToken) -> int:
    """Return the cluster time in a resume token, in seconds since 1970 (bytes 1 to 4 of `_data`, big-endian)."""
    return int(token["_data"][2:10], 16)


def token_ticks(token: ResumeToken) -> tuple[int, int]:
    """Return the whole cluster time in a resume token: seconds since 1970, and the number of the operation within the second."""
    return token_seconds(token), int(token["_data"][10:18], 16)


@dataclass(frozen=True, slots=True)
class Notice:
    """News from the watcher itself to its consumers, sent as a control message: `gap` or `rewind`."""

    operation: str
    timestamp_ms: int
    fields: Mapping[str, Any]


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
    lack because they were too large for MongoDB itself. `more` means that as many events came as were requested, so the next ones
    are most likely there already. `size` is the number of bytes that came over the network. `token_of` returns the position after
    one of the events.
    """

    events: Sequence[bytes]
    token: ResumeToken
    server_seconds: int
    ended: bool = False
    oplog: Oplog | None = None
    notices: Sequence[Notice] = ()
    missing: Sequence[str] = ()
    more: bool = False
    size: int = 0
    token_of: Callable[[bytes], ResumeToken] = no_token

    def position_after(self, events: int) -> ResumeToken:
        """Return the position after the first `events` of the batch; `events` is at least one."""
        return self.token_of(self.events[events - 1])


class Message(NamedTuple):
    """One Kafka record to be written; `timestamp_ms` is the change event's time, in milliseconds since 1970.

    `operation` is the event's operationType, for counting. It is not written separately: consumers find it in the value. The
    partitioner chooses the partition unless `partition` is given. `reason` says in a word why there is a dead letter, for counting
    too.
    """

    topic: str
    key: bytes | None
    value: bytes
    timestamp_ms: int
    operation: str
    partition: int = ANY_PARTITION
    reason: str = ""

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.value) + len(self.key or b"")


@dataclass(frozen=True, slots=True)
class Owner:
    """The worker that last wrote a position; `instance` is random and new for each process."""

    instance: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """Knowledge of earlier messages: `any` if there were some, the sequence number of the last one as far as it is known, and the
    last time that changes were missed (ISO 8601)."""

    any: bool = False
    sequence: int = 0
    last_gap_at: str | None = None

    def with_those(self, other: Delivered) -> Delivered:
        """Return what both know together: the later number and the later gap."""
        gaps = [gap for gap in (self.last_gap_at, other.last_gap_at) if gap]
        return Delivered(self.any or other.any, max(self.sequence, other.sequence), max(gaps, default=None))


@dataclass(frozen=True, slots=True)
class Position:
    """The progress of a watcher: everything up to `token` is in Kafka, as messages numbered up to `sequence`.

    `token` is None until the change stream has been opened for the first time. `last_gap_at` is the last time that changes were
    missed (ISO 8601), so that it is known on every host.
    """

    database: str
    owner: Owner
    token: ResumeToken | None = None
    sequence: int = 0
    last_gap_at: str | None = None

    def moved(self, token: ResumeToken, messages: int = 0) -> Position:
        """Return the position at `token`, after `messages` more messages."""
        return replace(self, token=token, sequence=self.sequence + messages)
