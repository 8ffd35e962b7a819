"""The Avro schemas of messages: one of the key and one of the value for each envelope, and one pair for control messages.

They are fixed, so that they are registered once: what depends on the user's data is JSON text within them, in the dialect of
`json_format`. `python -m contract` writes them into docs/.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

AvroType: TypeAlias = Any
"""A schema as JSON has it: a name, a mapping, or a list for a union."""

JSON_TEXT = "json"
"""The `logicalType` of a string that is JSON text; readers that do not know it see a string, as Avro demands."""

JSON: AvroType = {"type": "string", "logicalType": JSON_TEXT}
DEBEZIUM_JSON: AvroType = {"type": "string", "connect.name": "io.debezium.data.Json"}
STRINGS: AvroType = {"type": "array", "items": "string"}


class RecordSchema:
    """The schema of a record."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self.name = f"{schema['namespace']}.{schema['name']}"

    @cached_property
    def text(self) -> str:
        """The schema as it is registered."""
        return json.dumps(self.schema)


class MessageSchemas:
    """The schemas of a message's key and value; `name` is that of the envelope."""

    def __init__(self, name: str, key: Mapping[str, AvroType], value_name: str, value: Mapping[str, AvroType], doc: str) -> None:
        namespace = f"watcher.{name}"
        self.name = name
        self.key = RecordSchema(_record("Key", key, "The key of a message.", namespace))
        self.value = RecordSchema(_record(value_name, value, doc, namespace))


def _record(name: str, fields: Mapping[str, AvroType], doc: str = "", namespace: str = "") -> dict[str, Any]:
    """Return a record's schema. A field that can be null is null by default, so that later versions of the schema may lack it."""
    told = {"namespace": namespace, "doc": doc} if namespace else {}
    listed = [_field(field, of_type) for field, of_type in fields.items()]
    return {"type": "record", "name": name, **told, "fields": listed}


def _field(name: str, of_type: AvroType) -> dict[str, Any]:
    return {"name": name, "type": of_type, **({"default": None} if isinstance(of_type, list) else {})}


def _optional(of_type: AvroType) -> list[AvroType]:
    return ["null", of_type]


GENERIC = MessageSchemas(
    "generic",
    {"id": JSON},
    "Message",
    {
        "operationType": "string",
        "database": "string",
        "collection": _optional("string"),
        "documentKey": _optional(JSON),
        "timestamp": _optional("string"),
        "fullDocument": _optional(JSON),
        "fullDocumentBeforeChange": _optional(JSON),
        "updateDescription": _optional(JSON),
        "eventId": _optional("string"),
        "watcher": "string",
        "sequence": "long",
        "snapshot": _optional("string"),
        "truncated": _optional(STRINGS),
        "control": _optional(JSON),
    },
    "A change of one document, or a control message, whose further fields are in control. Null is what JSON would not have.",
)

DOCUMENT = MessageSchemas("document", {"_id": JSON}, "Document", {"document": JSON}, "A document as it is now.")

DEBEZIUM = MessageSchemas(
    "debezium",
    {"id": "string"},
    "Envelope",
    {
        "before": _optional(DEBEZIUM_JSON),
        "after": _optional(DEBEZIUM_JSON),
        "updateDescription": _optional(
            _record(
                "UpdateDescription",
                {
                    "removedFields": _optional(STRINGS),
                    "updatedFields": _optional(DEBEZIUM_JSON),
                    "truncatedArrays": _optional(
                        {"type": "array", "items": _record("TruncatedArray", {"field": "string", "size": "int"})}
                    ),
                },
            )
        ),
        "source": _record(
            "Source",
            {
                "version": "string",
                "connector": "string",
                "name": "string",
                "ts_ms": _optional("long"),
                "snapshot": _optional("string"),
                "db": "string",
                "sequence": _optional("string"),
                "ts_us": _optional("long"),
                "ts_ns": _optional("long"),
                "collection": "string",
                "ord": _optional("long"),
                "lsid": _optional("string"),
                "txnNumber": _optional("long"),
                "wallTime": _optional("long"),
            },
        ),
        "op": "string",
        "ts_ms": _optional("long"),
        "transaction": _optional(
            _record("Transaction", {"id": "string", "total_order": "long", "data_collection_order": "long"}),
        ),
    },
    "A change of one document, as Debezium's connector for MongoDB describes it.",
)

MONGODB = MessageSchemas(
    "mongodb",
    {"documentKey": JSON},
    "ChangeEvent",
    {
        "_id": JSON,
        "operationType": "string",
        "clusterTime": _optional(JSON),
        "wallTime": _optional(JSON),
        "lsid": _optional(JSON),
        "txnNumber": _optional(JSON),
        "fullDocument": _optional(JSON),
        "ns": _record("Namespace", {"db": "string", "coll": "string"}),
        "documentKey": JSON,
        "updateDescription": _optional(JSON),
        "fullDocumentBeforeChange": _optional(JSON),
    },
    "A change of one document, as MongoDB's change stream tells it.",
)

SCHEMAS: Mapping[str, MessageSchemas] = {each.name: each for each in (GENERIC, DOCUMENT, DEBEZIUM, MONGODB)}
"""The schemas by envelope. Control messages have those of the generic one, whatever the envelope."""


def known_topics(envelope: str, rows: Iterable[str], control: str) -> list[tuple[str, MessageSchemas]]:
    """Return the topics of these templates whose names are known, each with its schemas."""
    used = [*((topic, SCHEMAS[envelope]) for topic in sorted(rows)), (control, GENERIC)]
    return [(topic, schemas) for topic, schemas in used if "{" not in topic]
