"""Comparison of Avro schemas by what decides over their bytes.

Source: https://avro.apache.org/docs/1.12.0/specification/#parsing-canonical-form-for-schemas
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from watcher.decoding.avro import PRIMITIVES, full_name


def canonical(text: str) -> Any:
    """Return names, types and their order, without documentation, defaults and the like; None if the text is no schema."""
    try:
        return _essence(json.loads(text), "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _essence(schema: Any, namespace: str) -> Any:
    if isinstance(schema, list):
        return [_essence(branch, namespace) for branch in schema]
    if not isinstance(schema, dict):
        return schema if schema in PRIMITIVES else full_name(schema, namespace)
    kind = schema["type"]
    if "name" in schema:
        name = full_name(schema["name"], schema.get("namespace", namespace))
        return [kind, name, *_parts(schema, name.rpartition(".")[0])]
    if kind in ("array", "map"):
        return [kind, _essence(schema["items" if kind == "array" else "values"], namespace)]
    return _essence(kind, namespace)


def _parts(schema: dict[str, Any], namespace: str) -> Iterator[Any]:
    yield schema.get("symbols"), schema.get("size")
    for field in schema.get("fields", ()):
        yield field["name"], _essence(field["type"], namespace)
