"""The values of a row change that a message can be made of, each under a name.

An envelope says where they stand in a message. Most are fields of MongoDB's change event; PLACES says which, for Python's way from
the event to the message and for the template in C alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bson.datetime_ms import DatetimeMS

from watcher.bson_elements import DATE, DOCUMENT, STRING
from watcher.iso_time import LATEST_MS, iso_time

ANY_TYPE = 0
TIMESTAMP_TYPE = 0x11


class Place(NamedTuple):
    """A field of the change event, or the field `inner` of the document that it holds. `type` is the value's BSON type. Only an
    `optional` field may be absent, and a field within one that may be."""

    field: str
    inner: str = ""
    type: int = ANY_TYPE
    optional: bool = False


OPERATION, DATABASE, COLLECTION, DOCUMENT_ID, TIMESTAMP = "operationType", "database", "collection", "documentId", "timestamp"
EVENT_ID, SNAPSHOT = "eventId", "snapshot"

UPDATED_FIELDS, REMOVED_FIELDS, TRUNCATED_ARRAYS = UPDATE_PARTS = ("updatedFields", "removedFields", "truncatedArrays")

PLACES = {
    OPERATION: Place("operationType", type=STRING),
    DATABASE: Place("ns", "db", STRING),
    COLLECTION: Place("ns", "coll", STRING),
    "documentKey": Place("documentKey", type=DOCUMENT),
    DOCUMENT_ID: Place("documentKey", "_id"),
    TIMESTAMP: Place("wallTime", type=DATE),
    "fullDocument": Place("fullDocument", optional=True),
    "fullDocumentBeforeChange": Place("fullDocumentBeforeChange", optional=True),
    "updateDescription": Place("updateDescription", optional=True),
    EVENT_ID: Place("_id", "_data", STRING),
    SNAPSHOT: Place("snapshot", type=STRING, optional=True),
    "_id": Place("_id", type=DOCUMENT),
    "ns": Place("ns", type=DOCUMENT),
    "clusterTime": Place("clusterTime", type=TIMESTAMP_TYPE),
    "wallTime": Place("wallTime", type=DATE),
    "lsid": Place("lsid", type=DOCUMENT, optional=True),
    "txnNumber": Place("txnNumber", optional=True),
    **{name: Place("updateDescription", name, optional=True) for name in UPDATE_PARTS},
}
"""The values that are in the change event. One that is a field of its own has the field's name; but TIMESTAMP is the time as text,
in every dialect."""

SEQUENCE = "sequence"
"""Name of a value that the watcher adds: the number of the message."""

TRUNCATED = "truncated"
"""Name of a value that the watcher adds to a message that was too large: the names of the fields that it lacks."""

_WITHIN = [(name, place.field, place.inner) for name, place in PLACES.items() if place.inner and not place.optional]


def name_values(change: dict[str, Any], sequence: int, time_ms: int) -> None:
    """Give a decoded row change its values by name; most of its own fields have their names already.

    Errors: LookupError, TypeError or AttributeError if the event is damaged.
    """
    for name, field, inner in _WITHIN:
        change[name] = change[field][inner]
    change[TIMESTAMP] = iso_time(time_ms)
    change[SEQUENCE] = sequence
    change.pop(TRUNCATED, None)  # no field of MongoDB's


def name_update_parts(change: dict[str, Any]) -> None:
    """Give a decoded row change the parts of its update by name, None for what is not there. Errors: as `name_values`."""
    update = change.get("updateDescription") or {}
    for name in UPDATE_PARTS:
        change[name] = update.get(name)


def event_time_ms(change: dict[str, Any]) -> int:
    """Return the time of the change, in milliseconds since 1970; servers before 6.0 give only whole seconds."""
    wall_time = change.get("wallTime")
    return int(wall_time) if isinstance(wall_time, DatetimeMS) else change["clusterTime"].time * 1000


def record_time_ms(time_ms: int) -> int:
    """Return the nearest time that a Kafka record can have, which is never negative. No server whose clock is set gives a time that
    this would change."""
    if 0 <= time_ms <= LATEST_MS:
        return time_ms
    return 0 if time_ms < 0 else LATEST_MS
