"""Comparison of Avro schemas by what decides over their bytes.

Source: https://avro.apache.org/docs/1.12.0/specification/#parsing-canonical-form-for-schemas
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


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
        return schema if schema in PRIMITIVES else _full(schema, namespace)
    kind = schema["type"]
    if "name" in schema:
        name = _full(schema["name"], schema.get("namespace", namespace))
        return [kind, name, *_parts(schema, name.rpartition(".")[0])]
    if kind in ("array", "map"):
        return [kind, _essence(schema["items" if kind == "array" else "values"], namespace)]
    return _essence(kind, namespace)


def _parts(schema: dict[str, Any], namespace: str) -> Iterator[Any]:
    yield schema.get("symbols"), schema.get("size")
    for field in schema.get("fields", ()):
        yield field["name"], _essence(field["type"], namespace)


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
