"""Rules of the lease: who is active if a watcher runs on several hosts. Pure.

Kafka's group protocol gives the lease to one of them, and a thread keeps that as a level, true or false (`lease.py`). The lease is
for liveness only: somebody is active, and no other worker takes the watcher over from it. That two never both write is the work of
the transactional id, so a level that is out of date does no harm.
"""

from __future__ import annotations

from enum import Enum, auto

HEARTBEAT_SECONDS = 0.5
"""Interval at which a worker tells the group that it lives, and hears that the group decides anew: so a standby knows soon that
another worker has left."""

SESSION_SECONDS = 6.0
"""Time after which Kafka gives a silent worker's lease to another one. Brokers refuse less (`group.min.session.timeout.ms`)."""

DISPLACED_SECONDS = 2 * HEARTBEAT_SECONDS
"""Wait of a worker that finds another one in its place though it has the lease: by then its level has followed the group."""

HUNG_SECONDS = 60.0
"""Time without a turn of the main loop after which a worker gives its lease away. Its own thread would keep it for ever. While the
main loop waits for MongoDB, it counts as turning."""

SWITCHOVER = "switchover"
"""Name of the command after which a worker leaves the lease to another one."""

AWAY_SECONDS = 30.0
"""Time after which a worker that has left it for that asks for it again, because nobody has come."""


class Turn(Enum):
    """A worker's next step."""

    OPEN = auto()
    WAIT = auto()
    STAND_BY = auto()


def next_turn(level: bool, displaced_at: float | None, now: float) -> Turn:
    """Return what a worker with this level does next. `displaced_at` (monotonic, as `now`) is when it found another in its place.

    That is no reason to stand by. The other one may be gone by now, and while this one waited to be given the lease anew, nobody
    would be active. Only the level decides.
    """
    if not level:
        return Turn.STAND_BY
    if displaced_at is not None and now - displaced_at < DISPLACED_SECONDS:
        return Turn.WAIT
    return Turn.OPEN


def belongs_in_group(turned_at: float, left_at: float | None, now: float) -> bool:
    """Return True if a worker may have the lease. All times are monotonic.

    Its main loop last turned at `turned_at`. It has left the lease to another one at `left_at`; None once that one has the watcher.
    """
    return now - turned_at < HUNG_SECONDS and (left_at is None or now - left_at >= AWAY_SECONDS)
