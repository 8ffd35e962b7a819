"""A change stream as it is, and beside it the same one with fields excluded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database

from watcher.mongodb.change_stream import ChangeStream

Document = dict[str, Any]

SECRET = "s3cret-m4rker"
END = "zz_end"
PADDING = {"padding": "x" * 2000}
"""In a document of some size an update is an update: in a small one MongoDB may make it a replace, where that is shorter."""

TIMEOUT_S = 20


class Streams:
    """The change stream as it is, and beside it the same one with fields excluded."""

    def __init__(self, plain: ChangeStream, excluding: ChangeStream, db: Database[Document]) -> None:
        self.plain = plain
        self.excluding = excluding
        self._db = db

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """The events since the last call: as they are, and with the fields excluded."""
        self._db[END].insert_one({})
        plain, excluding = (list(events_to_end(stream)) for stream in (self.plain, self.excluding))
        return list(zip(plain, excluding, strict=True))

    def documents(self) -> list[Document]:
        """The events since the last call, with the fields excluded."""
        return [bson.decode(event) for _, event in self.pairs()]


def events_to_end(stream: ChangeStream) -> Iterator[bytes]:
    """The events up to the next one of the collection `END`, or to that of the stream."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        batch = stream.next()
        for event in batch.events:
            if RawBSONDocument(event).get("ns", {}).get("coll") == END:
                return
            yield event
        if batch.ended:
            return
    raise AssertionError("the last event did not come")


OpenStreams = Callable[..., Streams]


def with_pre_images(db: Database[Document], name: str) -> Collection[Document]:
    return db.create_collection(name, changeStreamPreAndPostImages={"enabled": True})
