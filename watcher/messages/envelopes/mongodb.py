"""The envelope of MongoDB's Kafka source connector, version 2.0, with its StringConverter: the change event itself.

Format: https://www.mongodb.com/docs/manual/reference/change-events/. docs/formats.md lists what differs, and why.
"""

from __future__ import annotations

from watcher.messages.envelopes.layout import Envelope, Layout, Spaced, Value
from watcher.messages.row_values import DOCUMENT_ID
from watcher.operations import ROW_OPERATIONS

FIELDS = (
    "_id", "operationType", "clusterTime", "wallTime", "lsid", "txnNumber", "fullDocument", "ns", "documentKey",
    "updateDescription", "fullDocumentBeforeChange",
)  # fmt: skip
"""The event's fields in the server's order, each under the name of its value."""


def mongodb(watcher: str) -> Envelope:  # noqa: ARG001 - all envelopes are made alike
    """Return the envelope. A document of a snapshot is written as the connector writes those that it copies."""
    event: Layout = {name: Value(name) for name in FIELDS}
    copied: Layout = {"_id": Value(DOCUMENT_ID), "copyingData": True}
    row: Layout = {
        "_id": copied,
        "operationType": "insert",
        "ns": Value("ns"),
        "documentKey": Value("documentKey"),
        "fullDocument": Value("fullDocument"),
    }
    key = Spaced("documentKey")
    return Envelope(
        key=key,
        values=dict.fromkeys(ROW_OPERATIONS, event),
        rows=Envelope(key, dict.fromkeys(("insert", "replace"), row)),
        removable=("fullDocumentBeforeChange",),
    )
