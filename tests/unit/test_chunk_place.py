"""Place of a chunk that was read before the reply: after all events up to its time, and never amid a transaction."""

from __future__ import annotations

import bson
import pytest

from tests.support.snapshot_world import Event, ticks, token_at
from watcher.model import Batch
from watcher.mongodb.split_events import event_token
from watcher.snapshot.place import place_later

READ_AT = 20


def reply(*times: int, reached: int) -> Batch:
    """A reply with an event at each of these times; its token is at the last one's, or at `reached` if there are none."""
    tokens = [Event(time, number, "delete", "a").token for number, time in enumerate(times)]
    events = [bson.encode({"_id": token, "operationType": "delete"}) for token in tokens]
    return Batch(events, tokens[-1] if tokens else token_at(reached), 0, token_of=event_token)


@pytest.mark.parametrize(
    ("times", "reached", "events"),
    [
        ((), 19, None),
        ((), 20, 0),
        ((21,), 21, 0),
        ((19, 20, 20, 21), 21, 3),
        ((19, 23, 24), 24, 1),
        ((19,), 19, None),
        ((19, 20), 20, None),  # another event of the same transaction may come
    ],
)
def test_place(times: tuple[int, ...], reached: int, events: int | None) -> None:
    place = place_later(reply(*times, reached=reached), ticks(READ_AT))
    assert (place and place.events) == events
    assert place is None or place.at == ticks(READ_AT)
