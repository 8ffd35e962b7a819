"""Kafka headers of messages: what identifies a message in any envelope, and CloudEvents 1.0 in the binary content mode.

Format: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from functools import lru_cache

from watcher.iso_time import iso_time
from watcher.messages.envelopes.layout import ALL_DIGITS, HEADER_LENGTHS, Bare, HeaderLayout
from watcher.messages.row_values import EVENT_ID, SEQUENCE, TIMESTAMP
from watcher.model import HeaderList
from watcher.operations import EVENT_ID_HEADER, OPERATION_HEADER, SEQUENCE_HEADER, TOMBSTONE, WATCHER_HEADER

TYPE_PREFIX = "watcher."
"""The beginning of a CloudEvent's type; the operation follows."""

RFC_3339_TIME = len("2024-01-01T12:00:00.000Z")
"""Length of a time whose year has four digits, as all have there."""


class Headers:
    """The headers of one watcher's messages: its own, those of CloudEvents, or both."""

    def __init__(self, watcher: str, *, own: bool, cloud_events: bool, content_type: str = "application/json") -> None:
        self._watcher = watcher
        self._own = own
        self._cloud_events = cloud_events
        self._content_type = content_type
        self.layout = lru_cache(maxsize=64)(self._layout)
        """Returns what `_layout` does, which depends on the operation alone."""

    def of(self, operation: str, sequence: int, event_id: str | None, time_ms: int) -> HeaderList:
        """Return the headers of a message; `time_ms` is in milliseconds since 1970."""
        texts = {SEQUENCE: str(sequence), EVENT_ID: event_id, TIMESTAMP: _rfc_3339(time_ms)}
        made = ((name, value if isinstance(value, bytes) else _filled(value, texts)) for name, value in self.layout(operation))
        return [(name, value) for name, value in made if value]

    def of_tombstone(self, headers: HeaderList, sequence: int) -> HeaderList:
        """Return the headers of the tombstone after a message with these ones."""
        changed = {
            OPERATION_HEADER: TOMBSTONE.encode(),
            SEQUENCE_HEADER: str(sequence).encode(),
            "ce_id": dict(headers).get("ce_id", b"") + f".{TOMBSTONE}".encode(),
            "ce_type": f"{TYPE_PREFIX}{TOMBSTONE}".encode(),
            "ce_sequence": str(sequence).zfill(ALL_DIGITS).encode(),
        }
        return [(name, changed.get(name, value)) for name, value in headers]

    def _layout(self, operation: str) -> HeaderLayout:
        """Return the names and values of the headers that messages of an operation have, in their order."""
        return (*(self._own_layout(operation) if self._own else ()), *(self._cloud_event(operation) if self._cloud_events else ()))

    def _own_layout(self, operation: str) -> HeaderLayout:
        return (
            (WATCHER_HEADER, self._watcher.encode()),
            (SEQUENCE_HEADER, Bare(SEQUENCE)),
            (OPERATION_HEADER, operation.encode()),
            (EVENT_ID_HEADER, Bare(EVENT_ID)),
        )

    def _cloud_event(self, operation: str) -> HeaderLayout:
        """Return a CloudEvent's attributes. Its id is unique within its source: a tombstone has not that of its event's message."""
        return (
            ("ce_specversion", b"1.0"),
            ("ce_id", Bare(EVENT_ID, instead=SEQUENCE)),
            ("ce_source", f"/{self._watcher}".encode()),
            ("ce_type", f"{TYPE_PREFIX}{operation}".encode()),
            ("ce_time", Bare(TIMESTAMP)),
            ("ce_sequence", Bare(SEQUENCE, all_digits=True)),
            ("content-type", self._content_type.encode()),
        )


def size_of(headers: HeaderList | None) -> int:
    """Return the bytes that headers take in a record, at most."""
    return sum(len(name) + len(value) + HEADER_LENGTHS for name, value in headers or ())


def _filled(bare: Bare, texts: dict[str, str | None]) -> bytes:
    """Return the text that stands there; an empty one is no header."""
    text = texts[bare.value] or texts.get(bare.instead) or ""
    return (text.zfill(ALL_DIGITS) if bare.all_digits else text).encode()


def _rfc_3339(time_ms: int) -> str | None:
    time = iso_time(time_ms)
    return time if time and len(time) == RFC_3339_TIME else None
