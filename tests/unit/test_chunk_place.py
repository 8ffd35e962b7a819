"""Place of a chunk that was read before the reply: after all events up to its time, and never amid a transaction."""

from __future__ import annotations

from dataclasses import replace

import bson
import pytest

from tests.support.snapshot_world import Event, ticks, token_at
from watcher.model import Batch
from watcher.mongodb.split_events import event_token
from watcher.snapshot.later_chunk import LaterChunk
from watcher.snapshot.place import place_later
from watcher.snapshot.ports import Read
from watcher.snapshot.rows import namespace_of

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


def test_a_reply_without_all_of_its_events_spoils_the_chunk() -> None:
    """An event that MongoDB could not give whole may have told of any document."""
    row = bson.encode({"_id": 1})
    chunk = LaterChunk(Read([row], True, ticks(READ_AT)), namespace_of("dashboard", "a"))
    assert chunk.place_in(reply(19, reached=19)) is None
    assert not chunk.is_spoilt
    assert chunk.rest.documents == [row]
    assert chunk.place_in(replace(reply(reached=21), is_whole=False)) is None
    assert chunk.is_spoilt
