"""Kafka headers of messages: what identifies a message in any envelope, and CloudEvents 1.0 in the binary content mode.

Format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from watcher.messages.iso_time import iso_time
from watcher.model import HeaderList
from watcher.operations import EVENT_ID_HEADER, OPERATION_HEADER, OPERATIONS, SEQUENCE_HEADER, TOMBSTONE, WATCHER_HEADER

TYPE_PREFIX = "watcher."
"""The beginning of a CloudEvent's type; the operation follows."""

LARGEST = 2**63 - 1
LENGTHS = 8
"""More bytes than the lengths of a header's name and value take."""

SEQUENCE_DIGITS = 19
"""Digits of a CloudEvent's `sequence`, which is compared as text; as many as the largest number has."""


class Headers:
    """The headers of one watcher's messages: its own, those of CloudEvents, or both."""

    def __init__(self, watcher: str, *, own: bool, cloud_events: bool, content_type: str = "application/json") -> None:
        self._content_type = ("content-type", content_type)
        self._name = (WATCHER_HEADER, watcher)
        self._own = own
        self._cloud_events = cloud_events
        self._source = ("ce_source", f"/{watcher}")
        longest = self.of(max(OPERATIONS, key=len), LARGEST, "-", 0)
        self._bytes = sum(len(name) + len(value.encode()) + LENGTHS for name, value in longest) + len(TOMBSTONE)
        self._event_ids = sum(value == "-" for _, value in longest)

    def size(self, event_id: str | None) -> int:
        """Return the bytes that the headers of a message take, at most. Event ids are ASCII."""
        return self._bytes + self._event_ids * len(event_id or "")

    def of(self, operation: str, sequence: int, event_id: str | None, time_ms: int) -> HeaderList:
        """Return the headers of a message; `time_ms` is in milliseconds since 1970."""
        headers: HeaderList = []
        if self._own:
            headers = [self._name, (SEQUENCE_HEADER, str(sequence)), (OPERATION_HEADER, operation)]
            if event_id:
                headers.append((EVENT_ID_HEADER, event_id))
        return headers + self._cloud_event(operation, sequence, event_id, time_ms) if self._cloud_events else headers

    def with_size(self, operation: str, sequence: int, event_id: str, time_ms: int) -> tuple[HeaderList, int]:
        """Return the headers of a message, and the bytes that they take, at most."""
        return self.of(operation, sequence, event_id, time_ms), self.size(event_id)

    def of_tombstone(self, headers: HeaderList, sequence: int) -> HeaderList:
        """Return the headers of the tombstone after a message with these ones."""
        given = dict(headers)
        changed = {
            OPERATION_HEADER: TOMBSTONE,
            SEQUENCE_HEADER: str(sequence),
            "ce_id": f"{given.get('ce_id')}.{TOMBSTONE}",
            "ce_type": TYPE_PREFIX + TOMBSTONE,
            "ce_sequence": _sortable(sequence),
        }
        return [(name, changed.get(name, value)) for name, value in headers]

    def _cloud_event(self, operation: str, sequence: int, event_id: str | None, time_ms: int) -> HeaderList:
        """Return a CloudEvent's attributes. Its id is unique within its source: a tombstone has not that of its event's message."""
        time = iso_time(time_ms)
        return [
            ("ce_specversion", "1.0"),
            ("ce_id", event_id or str(sequence)),
            self._source,
            ("ce_type", TYPE_PREFIX + operation),
            *([("ce_time", time)] if time and len(time) == len("2024-01-01T12:00:00.000Z") else []),  # RFC 3339 has four digits
            ("ce_sequence", _sortable(sequence)),
            self._content_type,
        ]


def _sortable(sequence: int) -> str:
    return str(sequence).zfill(SEQUENCE_DIGITS)
