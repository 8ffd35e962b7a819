"""Joins the fragments into which `$changeStreamSplitLargeEvent` has cut a change event.

A fragment holds some of the event's top-level fields, an `_id` of its own, and `splitEvent: {fragment: 1, of: 2}`. A position
between two fragments would be refused at every later start. So the token stays at the last whole event until the next is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from watcher.bson_elements import native
from watcher.model import ResumeToken

MARK = b"\x03splitEvent\x00"
"""Type and name of the embedded document `splitEvent` in BSON. All servers that split events put it right after `_id`. Looking for
it there is far cheaper than searching the event or parsing its top level (docs/performance.md)."""

ID_START = 9
"""Bytes before the document `_id`, which is an event's first field: the event's length, the field's type and its name."""


class FragmentJoiner:
    """Joins the fragments of one stream's events, even across batches."""

    def __init__(self, token: ResumeToken) -> None:
        """`token` is the position of the stream."""
        self._token = token
        self._fragments: list[RawBSONDocument] = []

    @property
    def is_waiting(self) -> bool:
        """True if an event's first fragments have come, and its last has not."""
        return bool(self._fragments)

    def join(self, events: Sequence[bytes], token: ResumeToken) -> tuple[Sequence[bytes], ResumeToken]:
        """Return the events that are now whole, and the position after them. `token`: the server's position after all `events`."""
        if not self._fragments and not any_fragment(events):
            self._token = token
            return events, token
        whole: list[bytes] = []
        for event in events:
            if not is_fragment(event):
                whole.append(event)
            elif joined := self._add(event):
                whole.append(joined)
        if not self._fragments:
            self._token = token
        elif whole:
            self._token = event_token(whole[-1])
        return whole, self._token

    def _add(self, part: bytes) -> bytes | None:
        fragment = RawBSONDocument(part)
        self._fragments.append(fragment)
        number = fragment["splitEvent"]
        if number["fragment"] < number["of"]:
            return None
        event: dict[str, Any] = {}
        for each in self._fragments:
            event.update(each.items())
        del event["splitEvent"]
        self._fragments.clear()
        return bson.encode(event)  # its `_id` is the last fragment's


def can_split(version: Sequence[int]) -> bool:
    """Return True if this version of the server knows `$changeStreamSplitLargeEvent`: 7.0 and newer, and 6.0 from 6.0.9 on."""
    major, minor, patch = version[:3]
    return major >= 7 or ((major, minor) == (6, 0) and patch >= 9)


def is_fragment(event: bytes) -> bool:
    """Return True if a raw change event is one fragment of several."""
    id_bytes = int.from_bytes(event[ID_START : ID_START + 4], "little")
    return event.startswith(MARK, ID_START + id_bytes)


def any_fragment(events: Sequence[bytes]) -> bool:
    """Return True if one of the raw change events is a fragment."""
    return native.any_has(events, MARK) if native else any(map(is_fragment, events))


def event_token(event: bytes) -> ResumeToken:
    """Return the resume token of a raw change event."""
    token: ResumeToken = dict(RawBSONDocument(event)["_id"])
    return token
