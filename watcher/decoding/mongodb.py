"""Messages of MongoDB's Kafka source connector, and of the envelope `mongodb`: the change event itself, as JSON in any dialect.

Source: https://www.mongodb.com/docs/manual/reference/change-events/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watcher.decoding.message import Message, iso_of, parsed, without_schema

SAME = ("fullDocument", "fullDocumentBeforeChange", "updateDescription")
"""Fields that the generic envelope has under the same names."""

COPIED = "copyingData"
"""Field of the `_id` of a document that was there already."""


IN_STRINGS = ("_id", "fullDocument", "fullDocumentBeforeChange", "documentKey", "clusterTime", "wallTime")
"""Fields that are strings with JSON in the connector's own schema (`output.format.value=schema`), as is `updatedFields`."""


def unwrapped(value: Any) -> Any:
    """Return the change event in what a converter of Kafka Connect's has written, and any other value as it is.

    JsonConverter may put `{"schema", "payload"}` around it, and makes a JSON string of text, which the event is by default. The
    connector's own schema has all fields in each message, most of them null. Raises UnknownMessage if a field is no JSON.
    """
    value = _of_text(without_schema(value))
    if not (isinstance(value, Mapping) and isinstance(value.get("_id"), str) and "operationType" in value):
        return value
    event = {name: _of_text(field) if name in IN_STRINGS else field for name, field in value.items() if field is not None}
    if isinstance(update := event.get("updateDescription"), Mapping):
        event["updateDescription"] = {name: _of_text(field) for name, field in update.items() if field is not None}
    return event


def _of_text(value: Any) -> Any:
    """Return the object in a text of JSON, and any other value as it is. Raises UnknownMessage."""
    return parsed(value) if isinstance(value, str) and value.lstrip().startswith("{") else value


def is_change(value: Any) -> bool:
    """True if the value has the shape of a change event."""
    return (
        isinstance(value, dict)
        and "operationType" in value
        and isinstance(value.get("ns"), dict)
        and isinstance(value.get("_id"), dict)
    )


def is_event(value: Any, event_id: str) -> bool:
    """True if the value is the change event of that id, and not a document that merely looks like one."""
    return is_change(value) and (value["_id"].get("_data") == event_id or COPIED in value["_id"])


def read(value: Any) -> Message:
    """Return the change in a message. Raises LookupError, TypeError or ValueError if it is damaged."""
    message: Message = {
        "operationType": value["operationType"],
        "database": value["ns"]["db"],
        "collection": value["ns"].get("coll"),
        "timestamp": _time(value),
        **{name: value[name] for name in ("documentKey", "to", *SAME) if name in value},
    }
    if "_data" in value["_id"]:
        message["eventId"] = value["_id"]["_data"]
    if COPIED in value["_id"]:
        message["snapshot"] = COPIED
    return message


def _time(value: Any) -> str | None:
    """The time of the change; None for a document that was there already: only the record has one."""
    if "wallTime" in value:
        return iso_of(value["wallTime"])
    return iso_of(value["clusterTime"]["$timestamp"]["t"] * 1000) if "clusterTime" in value else None
