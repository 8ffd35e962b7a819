"""Messages of the envelope `document`: the value is the document alone, and none at all once it is gone."""

from __future__ import annotations

from typing import Any

from watcher.decoding.message import Message
from watcher.decoding.places import CollectionName

WITHOUT_DOCUMENT = ("delete",)


def read(operation: str, place: CollectionName, key: Any, value: Any) -> Message:
    """Return the change of an operation to a document of `place`, a database and a collection."""
    where = {"database": place.database, "collection": place.collection}
    message: Message = {"operationType": operation, **where, "documentKey": {"_id": key}}
    return message if operation in WITHOUT_DOCUMENT else {**message, "fullDocument": value}
