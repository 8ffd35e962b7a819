"""Messages in Avro, in the wire format of Confluent's schema registry: read to what JSON would have held.

Format: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from watcher.decoding.message import UnknownMessage, parsed

SchemaOf: TypeAlias = Callable[[int], Any]
"""Returns the schema of an id, as JSON has it. It raises LookupError for an id that the registry does not know."""

MAGIC = b"\0"
HEAD = 5
"""Bytes before the record: a zero byte and the schema's id."""

ABSENT = object()
"""A null of Avro. Where JSON leaves out what is absent, JSON's own null is text."""

MESSAGE = "watcher.generic.Message"
LEAN = (MESSAGE, "watcher.mongodb.ChangeEvent")
"""Records from which JSON leaves out what is absent."""

SINGLE = ("watcher.generic.Key", "watcher.document.Key", "watcher.document.Document", "watcher.mongodb.Key")
"""Records whose only field is the whole of the JSON."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

BROKEN = (LookupError, TypeError, ValueError, AttributeError, struct.error, RecursionError)


def content_of(data: bytes | str | None, schema_of: SchemaOf | None) -> Any:
    """Return the content of a key or a value, in Avro or JSON, as parsed JSON.

    Raises UnknownMessage, and the errors of the registry that `schema_of` raises.
    """
    if not isinstance(data, bytes) or data[:1] != MAGIC:
        return parsed(data)
    if schema_of is None:
        raise UnknownMessage("Avro, for which no schema registry is named")
    try:
        return _Reader(data, HEAD).whole(schema_of(int.from_bytes(data[1:HEAD])))
    except BROKEN as error:
        raise UnknownMessage(f"Avro that cannot be read: {error}") from None


class _Reader:
    """Reads values one after another. All methods raise one of BROKEN if the data is not of the schema."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._named: dict[str, tuple[Any, str]] = {}

    def whole(self, schema: Any) -> Any:
        """Read the only value."""
        value = _present(self._value(schema, ""))
        if self._at != len(self._data):
            raise ValueError("there is more than one value")
        return value

    def _value(self, schema: Any, namespace: str) -> Any:
        if isinstance(schema, list):
            return self._value(schema[self._index(len(schema))], namespace)
        if isinstance(schema, str):
            return self._primitive(schema) if schema in PRIMITIVES else self._value(*self._named[full_name(schema, namespace)])
        kind = schema["type"]
        if "name" in schema:
            name = full_name(schema["name"], schema.get("namespace", namespace))
            namespace = name.rpartition(".")[0]
            self._named[name] = schema, namespace
            if kind == "record":
                return self._record(schema, name, namespace)
            return schema["symbols"][self._index(len(schema["symbols"]))] if kind == "enum" else self._bytes(schema["size"]).hex()
        if kind == "array":
            return [_present(self._value(schema["items"], namespace)) for _ in self._counted()]
        if kind == "map":
            return {self._primitive("string"): _present(self._value(schema["values"], namespace)) for _ in self._counted()}
        value = self._value(kind, namespace)
        return parsed(value) if schema.get("logicalType") == "json" else value

    def _record(self, schema: Mapping[str, Any], name: str, namespace: str) -> Any:
        fields = {field["name"]: self._value(field["type"], namespace) for field in schema["fields"]}
        if name in SINGLE:
            [only] = fields.values()
            return _present(only)
        if name in LEAN:
            fields = {field: value for field, value in fields.items() if value is not ABSENT or field == "timestamp"}
        if name == MESSAGE:
            fields |= fields.pop("control", {})
        return {field: _present(value) for field, value in fields.items()}

    def _counted(self) -> Any:
        """Yield once for each item of an array or a map, which are in blocks; a negative count is followed by the block's size."""
        while count := self._long():
            if count < 0:
                count = -count
                self._long()
            if count > len(self._data):
                raise ValueError("a block has more items than the record has bytes")
            yield from range(count)

    def _primitive(self, kind: str) -> Any:
        if kind == "null":
            return ABSENT
        if kind == "boolean":
            return self._bytes(1) == b"\1"
        if kind in ("int", "long"):
            return self._long()
        if kind in ("float", "double"):
            return struct.unpack("<f" if kind == "float" else "<d", self._bytes(4 if kind == "float" else 8))[0]
        data = self._bytes(self._long())
        return data.decode() if kind == "string" else data.hex()

    def _long(self) -> int:
        shift = number = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
            shift += 7
            if shift > 63:
                raise ValueError("a number has more than 64 bits")

    def _index(self, count: int) -> int:
        index = self._long()
        if not 0 <= index < count:
            raise ValueError("there is no such branch")
        return index

    def _bytes(self, count: int) -> bytes:
        data = self._data[self._at : self._at + count]
        if len(data) != count:
            raise ValueError("it ends too early")
        self._at += count
        return data


def _present(value: Any) -> Any:
    return None if value is ABSENT else value


def full_name(name: str, namespace: str) -> str:
    """Return the full name of a type that a schema names within a namespace."""
    return name if "." in name or not namespace else f"{namespace}.{name}"
