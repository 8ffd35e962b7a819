"""The generic envelope, the one that docs/message-format.md describes."""

from __future__ import annotations

from watcher.messages.envelopes.layout import Envelope, Layout, Value
from watcher.messages.row_values import DOCUMENT_ID
from watcher.operations import ROW_OPERATIONS

FIELDS = (
    "operationType", "database", "collection", "documentKey", "timestamp", "fullDocument", "fullDocumentBeforeChange",
    "updateDescription", "eventId", "watcher", "sequence", "snapshot", "truncated",
)  # fmt: skip
"""The fields in their order, each under the name of its value."""

REMOVABLE = ("fullDocumentBeforeChange", "fullDocument", "updateDescription")
"""Fields that may be left out; a consumer can read the document by its key."""


def generic(watcher: str) -> Envelope:
    """Return the envelope of the watcher's messages."""
    value: dict[str, Layout] = {**{name: Value(name) for name in FIELDS}, "watcher": watcher}
    return Envelope(Value(DOCUMENT_ID), dict.fromkeys(ROW_OPERATIONS, value), removable=REMOVABLE)
