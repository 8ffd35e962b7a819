"""Writes docs/message.schema.json, those of the peers' envelopes, the schemas of Avro, and docs/asyncapi.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from contract.asyncapi import GENERATED, asyncapi
from contract.json_schema import json_schema
from watcher.messages.peer_schema import ChangeEvent, DebeziumMessage
from watcher.messages.schema import AnyMessage
from watcher.messages.serializations.avro_schemas import SCHEMAS, RecordSchema


def avro_schema(record: RecordSchema) -> str:
    """Write a schema of Avro as it is registered, for people."""
    return json.dumps(record.schema, indent=2) + "\n"


DOCS = Path(__file__).parents[1] / "docs"
FILES: Mapping[str, Callable[[], str]] = {
    "message.schema.json": partial(json_schema, GENERATED, AnyMessage),
    "message.debezium.schema.json": partial(json_schema, GENERATED, DebeziumMessage),
    "message.mongodb.schema.json": partial(json_schema, GENERATED, ChangeEvent),
    **{f"message.{name}.avsc": partial(avro_schema, each.value) for name, each in SCHEMAS.items()},
    **{f"message.{name}.key.avsc": partial(avro_schema, each.key) for name, each in SCHEMAS.items()},
    "asyncapi.yaml": asyncapi,
}

if __name__ == "__main__":
    for name, text in FILES.items():
        (DOCS / name).write_text(text(), encoding="utf-8")
