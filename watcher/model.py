"""The three values that travel the data path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from watcher.oplog import Oplog

ResumeToken = Mapping[str, Any]
"""MongoDB's position in a change stream, as the server gave it: `{"_data": "82…"}`."""


ANY_PARTITION = -1
"""The partitioner's choice."""


def token_seconds(token: ResumeToken) -> int:
    """The cluster time inside a resume token, in seconds since 1970 (bytes 1 to 4 of `_data`, big-endian)."""
    return int(token["_data"][2:10], 16)


def token_ticks(token: ResumeToken) -> tuple[int, int]:
    """The whole cluster time inside a resume token: seconds, and which operation within the second."""
    return token_seconds(token), int(token["_data"][10:18], 16)


@dataclass(frozen=True, slots=True)
class Notice:
    """What the watcher itself has to tell its consumers, as a control message: `gap`."""

    operation: str
    timestamp_ms: int
    fields: Mapping[str, Any]


def no_token(event: bytes) -> ResumeToken:
    """For a batch without events."""
    raise LookupError(f"a batch that does not know the positions within it: {len(event)} bytes")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one bounded wait on the change stream gave; without events it is an idle tick.

    `events` are raw BSON documents in stream order. `token` is the position after the last of them. `server_seconds` is the
    server's own operation time at the reply, in seconds since 1970, so that lag needs no client clock, and `oplog` what MongoDB
    told of its oplog lately, None where it doesn't tell. `ended` means that the server has closed the stream (after an
    invalidate): go on by opening it again after `token`. `notices` come before the events. `missing` names the fields that the
    events lack because they were too large for MongoDB itself. `more` means that as many events came as were asked for, so that
    the next ones are most likely there already. `size` is what came over the network, in bytes. `token_of` tells the position after
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
        """The position after the first `events`, which are one at least."""
        return self.token_of(self.events[events - 1])


class Message(NamedTuple):
    """One Kafka record to be written; `timestamp_ms` is the change event's time, in milliseconds since 1970.

    `operation` is the event's operationType, for counting. It isn't written by itself: consumers find it in the value.
    `partition` is the partitioner's choice unless it's given.
    """

    topic: str
    key: bytes | None
    value: bytes
    timestamp_ms: int
    operation: str
    partition: int = ANY_PARTITION


@dataclass(frozen=True, slots=True)
class Owner:
    """The worker that wrote a position last; `instance` is random and new for each process."""

    instance: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is known of the messages before, beyond what Kafka tells: whether there were `any`, and the number of the last one."""

    any: bool = False
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """How far a watcher has come: everything up to `token` is in Kafka, as messages numbered up to `sequence`.

    `token` is None until the change stream has been opened for the first time.
    """

    database: str
    owner: Owner
    token: ResumeToken | None = None
    sequence: int = 0

    def moved(self, token: ResumeToken, messages: int = 0) -> Position:
        """The position after `messages` more messages, at `token`."""
        return replace(self, token=token, sequence=self.sequence + messages)
