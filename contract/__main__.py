"""Writes docs/message.schema.json, those of the peers' envelopes, and docs/asyncapi.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from contract.asyncapi import GENERATED, asyncapi
from watcher.messages.peer_schema import ChangeEvent, DebeziumMessage
from watcher.messages.schema import json_schema

DOCS = Path(__file__).parents[1] / "docs"
FILES: Mapping[str, Callable[[], str]] = {
    "message.schema.json": partial(json_schema, GENERATED),
    "message.debezium.schema.json": partial(json_schema, GENERATED, DebeziumMessage),
    "message.mongodb.schema.json": partial(json_schema, GENERATED, ChangeEvent),
    "asyncapi.yaml": asyncapi,
}

if __name__ == "__main__":
    for name, text in FILES.items():
        (DOCS / name).write_text(text(), encoding="utf-8")
