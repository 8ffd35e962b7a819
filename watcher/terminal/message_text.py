"""Describes a delivered message in one line: time, operation, collection, key, and its content or changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from watcher.operations import ROW_OPERATIONS

LONGEST_KEY = 14
SHORT_KEY_END = 6
OF_A_SNAPSHOT = "[snapshot]"
"""Mark of a document that a snapshot has copied."""

LONGEST_TEXT = 2000
"""Limit in characters: more than any terminal shows in a line. A document may have millions."""

_HEAD = {"operationType", "database", "collection", "documentKey", "timestamp", "eventId", "watcher", "sequence"}

Message = Mapping[str, Any]


class MessageText(NamedTuple):
    """One message. Every part is printable, and none holds a line break."""

    timestamp: str
    operation: str
    database: str
    collection: str
    key: str
    what: str


def message_text(message: Message) -> MessageText:
    """Return the parts of a line about `message`."""
    return MessageText(
        timestamp=short(message.get("timestamp", "")),
        operation=short(message.get("operationType", "")),
        database=short(message.get("database", "")),
        collection=short(message.get("collection", "")),
        key=_bare((message.get("documentKey") or {}).get("_id", "")),
        what=_what(message),
    )


def namespace(text: MessageText) -> str:
    """Return `database.collection`, or what there is of it."""
    return ".".join(filter(None, (text.database, text.collection)))


def short_key(key: str) -> str:
    """Shorten a long key to `…` and its end. An ObjectId begins with the time, which is much the same for all."""
    return key if len(key) <= LONGEST_KEY else f"…{key[-SHORT_KEY_END:]}"


def short(value: Any) -> str:
    """Return a value as printable text. It is cut to LONGEST_TEXT before unprintable characters are escaped."""
    return printable(str(value)[:LONGEST_TEXT])


def printable(text: str) -> str:
    """Escape the control characters in `text`: data must not be able to control the terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def _what(message: Message) -> str:
    if message.get("operationType") == "update":
        return _changes(message.get("updateDescription") or {})
    if message.get("operationType") in ROW_OPERATIONS:
        fields = _fields({name: value for name, value in (message.get("fullDocument") or {}).items() if name != "_id"})
        return f"{OF_A_SNAPSHOT} {fields}".rstrip() if message.get("snapshot") else fields
    return _fields({name: value for name, value in message.items() if name not in _HEAD})


def _changes(description: Mapping[str, Any]) -> str:
    updated = [f"{printable(name)} = {_json(value)}" for name, value in (description.get("updatedFields") or {}).items()]
    removed = [f"{printable(name)} removed" for name in description.get("removedFields") or ()]
    truncated = [f"{printable(str(each.get('field')))} shortened" for each in description.get("truncatedArrays") or ()]
    return ", ".join([*updated, *removed, *truncated])[:LONGEST_TEXT]


def _fields(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{printable(name)}: {_json(value)}" for name, value in document.items())[:LONGEST_TEXT]


def _bare(value: Any) -> str:
    """Return text as it is, and everything else as JSON."""
    return short(value) if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return printable(json.dumps(value, ensure_ascii=False)[:LONGEST_TEXT])
