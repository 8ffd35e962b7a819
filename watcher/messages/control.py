"""Makes the messages of the control topic: events that change no single document, and the watcher's own.

They are the same in every envelope.
"""

from __future__ import annotations

from typing import Any

from watcher.config.topics.name import topic_name
from watcher.iso_time import iso_time
from watcher.messages.headers import Headers, size_of
from watcher.messages.row_values import event_time_ms, record_time_ms
from watcher.messages.serializations.serialization import Serialization
from watcher.model import Message


class ControlMessages:
    """The control messages of one watcher; `topic` is a template."""

    def __init__(
        self, watcher: str, database: str, topic: str, serialization: Serialization, headers: Headers | None = None
    ) -> None:
        self._watcher = watcher
        self._database = database
        self._topic = topic
        self._serialize = serialization.control
        self._headers = headers

    def of_event(self, change: dict[str, Any], sequence: int) -> Message:
        """Make the message of a decoded change event. Errors: LookupError, TypeError or AttributeError if it is damaged."""
        namespace, target = change.get("ns", {}), change.get("to")
        head = {
            "operationType": change["operationType"],
            # An invalidate event names no database.
            "database": namespace.get("db", self._database),
            "collection": namespace.get("coll"),
            "to": target and {"database": target["db"], "collection": target["coll"]},
        }
        return self._message(head, {}, event_time_ms(change), change["_id"]["_data"], sequence)

    def of_watcher(
        self,
        operation: str,
        *,
        timestamp_ms: int,
        sequence: int,
        database: str | None = None,
        collection: str | None = None,
        event_id: str | None = None,
        **fields: Any,
    ) -> Message:
        """Make a message of the watcher's own: a gap, or an event that could not be delivered. Without a `database` it is about all
        that the watcher covers.

        `fields` are written after `timestamp`, in the given order. `timestamp_ms` is in milliseconds since 1970.
        """
        head = {"operationType": operation, "database": database or self._database, "collection": collection}
        return self._message(head, fields, timestamp_ms, event_id, sequence)

    def _message(self, head: dict[str, Any], fields: dict[str, Any], time_ms: int, event_id: str | None, sequence: int) -> Message:
        operation, database = head["operationType"], head["database"]
        tail = {"eventId": event_id, "watcher": self._watcher, "sequence": sequence}
        topic = topic_name(self._topic, operation, database)
        fields = {**present(head), "timestamp": iso_time(time_ms), **fields, **present(tail)}
        headers = self._headers.of(operation, sequence, event_id, time_ms) if self._headers else None
        return Message(
            topic,
            *self._serialize(topic, database, fields),
            record_time_ms(time_ms),
            operation,
            headers=headers,
            header_bytes=size_of(headers),
            database=database,
        )


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is None."""
    return {name: value for name, value in fields.items() if value is not None}
