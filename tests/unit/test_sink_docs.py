"""The schemas that docs/formats.md gives to Kafka Connect are those that Debezium itself writes into each message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.sink_docs import SCHEMAS
from tests.unit.test_peer_messages import lines

NAMES = {"key": "watcher.Key", "value": "watcher.Envelope"}
"""The transform looks at how they end."""


@pytest.mark.parametrize("part", NAMES)
def test_a_schema_is_debeziums(part: str) -> None:
    written = (line[part] for line in lines("debezium") if line["connector"] == "debezium-schemas" and line["value"])
    (schema,) = {json.dumps(json.loads(text)["schema"]) for text in written}
    ours: Any = json.loads(SCHEMAS[f"{part}.converter.schema.content"].read_text(encoding="utf-8"))
    assert ours == {**json.loads(schema), "name": NAMES[part]}
