"""Messages of the envelope `document`: the value is the document alone, and none at all once it is gone."""

from __future__ import annotations

from typing import Any

from watcher.decoding.message import Message

WITHOUT_DOCUMENT = ("delete",)


def read(operation: str, place: tuple[str, str], key: Any, value: Any) -> Message:
    """Return the change of an operation to a document of `place`, a database and a collection."""
    message: Message = {"operationType": operation, "database": place[0], "collection": place[1], "documentKey": {"_id": key}}
    return message if operation in WITHOUT_DOCUMENT else {**message, "fullDocument": value}


def place_in(topic: str) -> tuple[str, str]:
    """Return database and collection as the usual topics have them: `prefix.database.collection`, or less from the left."""
    *rest, last = topic.split(".", 2)
    return (rest[-1] if rest else "", last)
