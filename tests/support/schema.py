"""Messages against docs/message.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "message.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def faults(message: dict[str, Any]) -> list[str]:
    """List what the schema says against a message; also fields that it does not name, though it allows consumers to meet them."""
    found = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(message)]
    kind = SCHEMA["discriminator"]["mapping"].get(message.get("operationType"), "").rpartition("/")[2]
    named = SCHEMA["$defs"].get(kind, {}).get("properties", {})
    return [*found, *(f"{name} is not in the schema" for name in message if name not in named)]
