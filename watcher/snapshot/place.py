"""Place for a chunk in a reply of the change stream: between which events it goes, and as of which time it is read. Pure.

Each condition stands for an order of events in which a document would go back; docs/snapshots.md tells them.
"""

from __future__ import annotations

from typing import NamedTuple

from watcher.model import Batch, Ticks, token_ticks

OPERATION = b"\x02operationType\0"
STRUCTURAL = frozenset({b"drop", b"rename", b"dropDatabase", b"invalidate"})
"""Events after which a collection's name stands for other documents than before."""


class ChunkPlace(NamedTuple):
    """A chunk goes after so many of a reply's events, and is read as of `at`."""

    events: int
    at: Ticks


def place_in(reply: Batch, delivered: Ticks, before: Ticks, *, looked_up: bool) -> ChunkPlace | None:
    """Find the place for a chunk; None if there is none in this reply.

    `delivered` is the time of the last event before the reply, `before` the greatest operation time of the replies before.
    `looked_up`: an update comes with its document as it was at some moment up to the operation time of its reply.
    """
    if not is_orderly(reply):
        return None
    if not reply.events:
        place = ChunkPlace(0, before)
        reached = token_ticks(reply.token)
    else:
        last = reached = _time_of(reply, len(reply.events))
        cut = next((cut for cut in range(len(reply.events) - 1, 0, -1) if _time_of(reply, cut) < last), 0)
        place = ChunkPlace(cut, tick_before(last))
        delivered = _time_of(reply, cut) if cut else delivered
    if not delivered <= place.at <= reached or (looked_up and place.at < before):
        return None
    return place


def place_later(reply: Batch, at: Ticks) -> ChunkPlace | None:
    """Find the place for a chunk that was read before the reply, and may hold changes up to `at`: after all events up to then.
    None if some of those may be still to come."""
    if not reply.events:
        return ChunkPlace(0, at) if token_ticks(reply.token) >= at else None
    if _time_of(reply, len(reply.events)) <= at:
        return None  # the rest of a transaction may follow, with the same time
    return ChunkPlace(next(cut for cut in range(len(reply.events)) if _time_of(reply, cut + 1) > at), at)


def is_orderly(reply: Batch) -> bool:
    """Return True if the reply holds whole events only, and each collection's name stands for the same documents before and after
    it."""
    return reply.is_whole and not reply.ended and all(operation_of(event) not in STRUCTURAL for event in reply.events)


def operation_of(event: bytes) -> bytes:
    """Return the operationType of a raw change event, without decoding it; servers write it among the first fields."""
    start = event.index(OPERATION) + len(OPERATION)
    return event[start + 4 : start + 3 + int.from_bytes(event[start : start + 4], "little")]


def tick_before(time: Ticks) -> Ticks:
    """Return the last cluster time before `time`."""
    return (time[0], time[1] - 1) if time[1] > 1 else (time[0] - 1, 2**31 - 1)


def _time_of(reply: Batch, number: int) -> Ticks:
    return token_ticks(reply.position_after(number))
