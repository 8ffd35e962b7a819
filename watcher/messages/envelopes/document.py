"""The document envelope: the value is the document as it is now, and a tombstone once it is gone.

A compacted topic of such messages is a copy of the collection; tables and caches read it without knowing of MongoDB.
"""

from __future__ import annotations

from watcher.messages.envelopes.layout import Envelope, Value
from watcher.messages.row_values import DOCUMENT_ID


def document(watcher: str) -> Envelope:  # noqa: ARG001 - all envelopes are made alike
    """Return the envelope. A document that a lookup no longer found is null, and so a tombstone. So is one that was removed."""
    whole = Value("fullDocument")
    values = {"insert": whole, "update": whole, "replace": whole, "delete": None}
    return Envelope(Value(DOCUMENT_ID), values, nullable=("fullDocument",))
