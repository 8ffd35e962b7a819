"""The envelope of Debezium's connector for MongoDB, version 3.6, with its JsonConverter and `schemas.enable=false`.

Format: https://debezium.io/documentation/reference/3.6/connectors/mongodb.html. docs/formats.md lists what differs, and why.
"""

from __future__ import annotations

from collections.abc import Mapping

from watcher.messages.envelopes.layout import Envelope, InString, Layout, Listed, Number, Value
from watcher.messages.row_values import DOCUMENT_ID, REMOVED_FIELDS, TRUNCATED_ARRAYS, UPDATED_FIELDS

VERSION = "3.6.1.Final"
"""The version whose messages these are; `source.version` tells it."""

STRICT, RELAXED = "strict", "extended"
"""Debezium writes documents in one dialect of Extended JSON, and keys and updated fields in the other."""

UPDATE: Mapping[str, Layout] = {
    "removedFields": Listed(REMOVED_FIELDS),
    "updatedFields": InString(UPDATED_FIELDS, RELAXED),
    "truncatedArrays": Listed(TRUNCATED_ARRAYS, {"field": "field", "newSize": "size"}),
}

BEFORE, AFTER = InString("fullDocumentBeforeChange", STRICT), InString("fullDocument", STRICT)


def debezium(watcher: str) -> Envelope:
    """Return the envelope of the watcher's messages; the watcher stands where Debezium has its `topic.prefix`."""
    return Envelope(
        key={"id": InString(DOCUMENT_ID, RELAXED, spaced=True)},
        values={
            "insert": _value(watcher, "c", after=AFTER),
            "update": _value(watcher, "u", before=BEFORE, after=AFTER, update=UPDATE),
            "replace": _value(watcher, "u", before=BEFORE, after=AFTER),
            "delete": _value(watcher, "d", before=BEFORE),
        },
        rows=Envelope(
            key={"id": InString(DOCUMENT_ID, RELAXED, spaced=True)},
            values=dict.fromkeys(("insert", "replace"), _value(watcher, "r", after=AFTER, snapshot="true")),
        ),
        tombstones=("delete",),
        removable=("fullDocumentBeforeChange",),
        dialect=RELAXED,
    )


def _value(
    watcher: str, op: str, *, before: Layout = None, after: Layout = None, update: Layout = None, snapshot: str = "false"
) -> Layout:
    return {
        "before": before,
        "after": after,
        "updateDescription": update,
        "source": _source(watcher, snapshot),
        "op": op,
        "ts_ms": Number("wallTime", "milliseconds"),
        "transaction": None,
    }


def _source(watcher: str, snapshot: str) -> Layout:
    return {
        "version": VERSION,
        "connector": "mongodb",
        "name": watcher,
        "ts_ms": Number("wallTime", "milliseconds"),
        "snapshot": snapshot,
        "db": Value("database"),
        "sequence": None,
        "ts_us": Number("wallTime", "milliseconds", "000"),
        "ts_ns": Number("wallTime", "milliseconds", "000000"),
        "collection": Value("collection"),
        "ord": Number("clusterTime", "increment"),
        "lsid": InString("lsid", STRICT),
        "txnNumber": Number("txnNumber", "integer"),
        "wallTime": Number("wallTime", "milliseconds"),
    }
