"""Change events that `$changeStreamSplitLargeEvent` has cut into fragments, made whole again.

A fragment holds some of the event's top-level fields, an `_id` of its own, and `splitEvent: {fragment: 1, of: 2}`. A position
between two fragments would be refused at every later start, so the token stays at the last whole event until the next is complete.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from watcher.stream.model import ResumeToken

MARK = b"\x03splitEvent\x00"
"""An embedded document of that name, as BSON writes it; looking for it is cheaper than parsing every event."""


class FragmentJoiner:
    """Joins the fragments of one stream's events, also over several batches."""

    def __init__(self, token: ResumeToken) -> None:
        """`token` is where the stream stands."""
        self._token = token
        self._fragments: list[RawBSONDocument] = []

    def join(self, events: Iterable[RawBSONDocument], token: ResumeToken) -> tuple[list[bytes], ResumeToken]:
        """The whole events among `events`, and the position after them; `token` is the server's own position after all of them."""
        whole: list[bytes] = []
        for event in events:
            if MARK in event.raw and "splitEvent" in event:
                if joined := self._add(event):
                    whole.append(joined)
            else:
                self._token = event["_id"]
                whole.append(bytes(event.raw))
        if not self._fragments:
            self._token = token
        return whole, dict(self._token)

    def _add(self, fragment: RawBSONDocument) -> bytes | None:
        self._fragments.append(fragment)
        number = fragment["splitEvent"]
        if number["fragment"] < number["of"]:
            return None
        event: dict[str, Any] = {}
        for part in self._fragments:
            event.update(part.items())
        del event["splitEvent"]
        self._fragments.clear()
        self._token = event["_id"]  # the last fragment's
        return bson.encode(event)
