"""A snapshot's collections, one by one, for the status file. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.model import Snapshot
from watcher.status.snapshot_status import CollectionStatus

MOST_SHOWN = 20
"""Limit on the collections in the status file: a database may have thousands, and the file is written several times a second."""

BEFORE = 5
"""Copied collections that are shown before the one in hand, if not all have room."""


def by_collection(snapshot: Snapshot, estimates: Mapping[str, int], copied: Mapping[str, int]) -> tuple[CollectionStatus, ...]:
    """Tell of each collection, in the order of their names; of those around the one in hand if there are many. None if all is
    copied, or before they are counted.

    `estimates` has all that are to be copied, with about how many documents each has; `copied` how many were, as far as known.
    """
    if not estimates or snapshot.state == "completed":
        return ()
    is_new = snapshot.collection and snapshot.collection not in estimates
    names = sorted([*estimates, snapshot.collection] if is_new else estimates)
    present = next((number for number, name in enumerate(names) if _state(snapshot, name) != "copied"), len(names))
    first = max(0, min(present - BEFORE, len(names) - MOST_SHOWN))
    return tuple(_status(snapshot, name, estimates, copied) for name in names[first : first + MOST_SHOWN])


def _status(snapshot: Snapshot, name: str, estimates: Mapping[str, int], copied: Mapping[str, int]) -> CollectionStatus:
    state, is_in_hand = _state(snapshot, name), name == snapshot.collection
    documents = snapshot.in_collection if is_in_hand else copied.get(name) if state == "copied" else 0
    estimate = None if name in snapshot.filters or state == "copied" else estimates.get(name)
    return CollectionStatus(
        name=name,
        state=state,
        documents=documents,
        estimate=None if estimate is None or documents is None else max(estimate, documents),
    )


def _state(snapshot: Snapshot, name: str) -> str:
    is_in_hand = name == snapshot.collection
    if not is_in_hand and name <= snapshot.reached and name not in snapshot.again:
        return "copied"
    return "incomplete" if snapshot.is_over else "copying" if is_in_hand else "waiting"
