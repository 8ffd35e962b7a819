"""Messages of Debezium's MongoDB connector, and of the envelope `debezium`: documents are JSON text inside the value's JSON.

Source: https://debezium.io/documentation/reference/stable/connectors/mongodb.html#mongodb-events
"""

from __future__ import annotations

from typing import Any

from watcher.decoding.message import Message, iso_of, parsed, without_schema

OPERATIONS = {"c": "insert", "r": "insert", "u": "update", "d": "delete"}
READ = "r"
"""The `op` of a document that was there already."""


def is_change(value: Any) -> bool:
    """True if the value has the shape of Debezium's."""
    value = without_schema(value)
    return (
        isinstance(value, dict)
        and isinstance(value.get("op"), str)
        and value["op"] in OPERATIONS
        and isinstance(value.get("source"), dict)
        and "collection" in value["source"]
    )


def is_key(key: Any) -> bool:
    """True if the key has the shape of Debezium's."""
    key = without_schema(key)
    return isinstance(key, dict) and key.keys() == {"id"} and isinstance(key["id"], str | None)


def document_key(key: Any) -> dict[str, Any]:
    """Return the `documentKey` that a key holds. Raises UnknownMessage, LookupError or TypeError if it is none."""
    return {"_id": parsed(without_schema(key)["id"])}


def read(key: Any, value: Any) -> Message:
    """Return the change in a message. Raises UnknownMessage, LookupError, TypeError or ValueError if it is damaged."""
    value = without_schema(value)
    source, update = value["source"], _update(value.get("updateDescription"))
    operation = OPERATIONS[value["op"]]
    if value["op"] == "u" and update is None:
        operation = "replace"
    message: Message = {
        "operationType": operation,
        "database": source["db"],
        "collection": source["collection"],
        "documentKey": document_key(key),
        "timestamp": iso_of(source.get("wallTime") or source["ts_ms"]),
    }
    if operation != "delete":
        message["fullDocument"] = parsed(value.get("after"))
    if value.get("before") is not None:
        message["fullDocumentBeforeChange"] = parsed(value["before"])
    if update is not None:
        message["updateDescription"] = update
    if value["op"] == READ:
        message["snapshot"] = str(source.get("snapshot"))
    return message


def _update(told: Any) -> dict[str, Any] | None:
    """The description of an update, with the names that MongoDB gives."""
    if told is None:
        return None
    truncated = [{"field": array["field"], "newSize": array["size"]} for array in told.get("truncatedArrays") or ()]
    return {
        "updatedFields": parsed(told.get("updatedFields")) or {},
        "removedFields": told.get("removedFields") or [],
        "truncatedArrays": truncated,
    }
