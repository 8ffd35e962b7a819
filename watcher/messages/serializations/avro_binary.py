"""Avro's binary encoding of values that are there as JSON text.

Format: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import orjson

from watcher.messages.serializations.avro_schemas import JSON, JSON_TEXT, STRINGS, AvroType

WriteText: TypeAlias = Callable[[bytes], bytes]
"""Encodes a JSON text; an empty one stands for what is absent. Errors: LookupError if nothing may be absent there, TypeError or
ValueError if the text is of another type."""

NULL_TEXT = b"null"
NULL_BRANCH, VALUE_BRANCH = b"\x00", b"\x02"
"""Tags of the branches of a union of null and something else."""


def long(number: int) -> bytes:
    """Encode a whole number of 64 bits."""
    left = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


SHORT = 4096
"""Lengths whose encoding is at hand, since most texts are that short."""

_LENGTHS = [long(length) for length in range(SHORT)]
_TAGGED = [VALUE_BRANCH + length for length in _LENGTHS]


def string(text: bytes) -> bytes:
    """Encode UTF-8 text."""
    size = len(text)
    return (_LENGTHS[size] if size < SHORT else long(size)) + text


def writer_of(schema: AvroType, *, is_json: bool = False) -> WriteText:
    """Return the function that encodes a JSON text for a schema. `is_json` says that a string gets the text itself."""
    if not isinstance(schema, list):
        return _required(_plain_writer(schema, is_json=is_json))
    [_, inner] = schema
    if _is_json(inner):
        return _optional_json
    write = _plain_writer(inner, is_json=is_json)
    return lambda text: NULL_BRANCH if not text or text == NULL_TEXT else VALUE_BRANCH + write(text)


KINDS: Sequence[tuple[bytes, AvroType]] = (
    (b"j", JSON), (b"s", "string"), (b"l", "long"), (b"l", "int"), (b"a", STRINGS),
)  # fmt: skip
"""Letters of the schemas that C knows."""


def kind_of(schema: AvroType, *, is_json: bool = False) -> bytes:
    """Return the letter by which C knows what `writer_of` writes; see `native/avro.h`."""
    inner = schema[1] if isinstance(schema, list) else schema
    kind = b"t" if is_json else next((letter for letter, known in KINDS if inner == known), b"o")
    return kind.upper() if isinstance(schema, list) else kind


def _is_json(schema: AvroType) -> bool:
    return isinstance(schema, dict) and schema.get("logicalType") == JSON_TEXT


def _optional_json(text: bytes) -> bytes:
    """Encode JSON text, null too: what is absent is another thing than what is null."""
    size = len(text)
    if 0 < size < SHORT:
        return _TAGGED[size] + text
    return VALUE_BRANCH + long(size) + text if size else NULL_BRANCH


def _required(write: WriteText) -> WriteText:
    def checked(text: bytes) -> bytes:
        if not text:
            raise LookupError("a field is absent that each message has")
        return write(text)

    return checked


def _plain_writer(schema: AvroType, *, is_json: bool) -> WriteText:
    if _is_json(schema) or is_json:
        return string
    if schema == "string":
        return _unquoted
    if schema in ("long", "int"):
        return lambda text: long(int(text))
    return lambda text: _value(schema, orjson.loads(text))


def _unquoted(text: bytes) -> bytes:
    if b"\\" in text or text[:1] != b'"':
        return string(orjson.loads(text).encode())
    return string(text[1:-1])


def _value(schema: AvroType, value: Any) -> bytes:
    """Encode a value for the schema of an array, of a record or of what is in them."""
    if schema == "string":
        return string(value.encode())
    if schema in ("long", "int"):
        return long(value)
    if schema["type"] == "array":
        items = b"".join(_value(schema["items"], item) for item in value)
        return (long(len(value)) + items if value else b"") + long(0)
    return b"".join(_value(field["type"], value[field["name"]]) for field in schema["fields"])
