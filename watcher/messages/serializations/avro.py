"""Avro in the wire format of Confluent's schema registry: a zero byte, the schema's id in four bytes, and Avro's binary encoding.

C and Python write the values of a message as JSON text, as they do for JSON, but one behind another: the columns. Here each of
them becomes a field of a record. So a document is text in Avro, and the schema never depends on it.

Format: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from watcher.messages.envelopes.layout import ABSENT, Columns, Envelope, Filled, InString, Layout, Spaced, Value
from watcher.messages.row_values import COLLECTION, DATABASE
from watcher.messages.serializations.avro_binary import (
    NULL_BRANCH,
    NULL_TEXT,
    VALUE_BRANCH,
    WriteText,
    kind_of,
    string,
    writer_of,
)
from watcher.messages.serializations.avro_schemas import GENERIC, SCHEMAS, AvroType, MessageSchemas
from watcher.messages.serializations.bson_json import JsonDialect
from watcher.messages.serializations.serialization import PrefixesOf
from watcher.messages.serializations.template import AvroRecord, Fill, HeadersOf, fast_path

NO_PREFIX = bytes(5)
"""Stands in the place of a prefix until the topic is known."""

CONTROL_FIELDS = "control"
"""The field for what only some control messages have, as a JSON object."""

OPENED: Mapping[str, Layout] = {"ns": {"db": Value(DATABASE), "coll": Value(COLLECTION)}}
"""Values that are records in Avro, by name."""


class AvroSerialization:
    """Messages of one envelope in Avro. The text inside them is that of a JSON dialect."""

    content_type = "application/avro"

    def __init__(self, dialect: JsonDialect, envelope: str, prefixes_of: PrefixesOf) -> None:
        """`prefixes_of` may ask the registry. Its errors are raised where a message is made."""
        self.name = dialect.name
        self._dialect = dialect
        self._schemas = SCHEMAS[envelope]
        self._prefixes_of = prefixes_of
        self._records: list[_Record] = []
        control = _columns(GENERIC.value.schema, {name: Value(name) for name in _names(GENERIC)})
        self._control_names = [name for name in _names(GENERIC) if name != CONTROL_FIELDS]
        self._control_writers = [writer_of(each.schema) for each in control if isinstance(each, _Column)]

    def decode(self, document: bytes, opened: Collection[str] = ()) -> dict[str, Any]:
        """Decode as `JsonDialect.decode` does."""
        return self._dialect.decode(document, opened)

    def dumps(self, value: object) -> bytes:
        """Write a value as JSON text, and filled columns as texts that each end with a zero byte, as C does."""
        if not isinstance(value, Filled):
            return self._dialect.dumps(value)
        texts = (b"" if each is ABSENT else self._dialect.dumps(each) for each in value)
        return b"".join(chain.from_iterable((text, b"\0") for text in texts))

    def fast_path(self, envelope: Envelope, message_type: type[tuple[Any, ...]], headers_of: HeadersOf | None) -> Fill | None:
        """Make the function that fills an arranged envelope in C; None if C was not compiled, or does not know the dialect."""
        return fast_path(envelope, self._dialect.dumps, self.name, message_type, headers_of, self.records)

    @property
    def records(self) -> tuple[AvroRecord, ...]:
        """The records of the envelopes that were arranged, for C."""
        return tuple(record.in_c for record in self._records)

    def arranged(self, envelope: Envelope) -> Envelope:
        """Return the envelope with columns in the place of objects."""
        key = self._arranged(self._schemas.key.schema, envelope.key)
        values = {operation: self._arranged(self._schemas.value.schema, value) for operation, value in envelope.values.items()}
        rows = self.arranged(envelope.rows) if envelope.rows else None
        return envelope._replace(key=key, values=values, rows=rows)

    def prefixes(self, topic: str) -> tuple[bytes, bytes]:
        """Return what stands in front of key and value of a row message for a topic. Errors: those of the registry."""
        return self._prefixes_of(topic, self._schemas)

    def framed(self, topic: str, key: bytes, value: bytes | None) -> tuple[bytes, bytes | None]:
        """Return key and value for Kafka; they are given as columns. Errors: LookupError, TypeError or AttributeError if they do
        not fit the schema; those of the registry."""
        key_prefix, value_prefix = self.prefixes(topic)
        return self._written(key, key_prefix) or b"", None if value is None else self._written(value, value_prefix)

    def control(self, topic: str, database: str, fields: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Return key and value of a control message. Errors: those of the registry."""
        key_prefix, value_prefix = self._prefixes_of(topic, GENERIC)
        told = {name: fields[name] for name in self._control_names if name in fields}
        rest = {name: value for name, value in fields.items() if name not in told}
        texts = [self._dialect.dumps(told[name]) if name in told else b"" for name in self._control_names]
        texts.append(self._dialect.dumps(rest) if rest else b"")
        value = b"".join(write(text) for write, text in zip(self._control_writers, texts, strict=True))
        return key_prefix + string(self._dialect.dumps(database)), value_prefix + value

    def _arranged(self, schema: Mapping[str, Any], layout: Layout) -> Layout:
        """Return a layout as columns: the number of its record, and what varies in it. A layout that is null stays so."""
        if layout is None:
            return None
        if isinstance(layout, Spaced):  # how JSON text looks is of no matter within a record
            layout = Value(layout.value)
        if isinstance(layout, Value):
            [field] = schema["fields"]
            record = _Record(_columns(schema, {field["name"]: layout}), null_is_none=schema is SCHEMAS["document"].value.schema)
        else:
            record = _Record(_columns(schema, layout))
        self._records.append(record)
        return Columns((len(self._records) - 1, *(column.part for column in record.columns)))

    def _written(self, columns: bytes, prefix: bytes) -> bytes | None:
        number, *texts, _ = columns.split(b"\0")
        return self._records[int(number)].written(texts, prefix)


class _Column(NamedTuple):
    """A part of a message that varies, and the schema of its field."""

    part: Layout
    schema: AvroType


class _Record:
    """The encoding of one layout: literals, and a column behind each but the last."""

    def __init__(self, steps: Iterator[bytes | _Column], *, null_is_none: bool = False) -> None:
        self.columns: list[_Column] = []
        self._literals = [b""]
        self._null_is_none = null_is_none
        for step in steps:
            if isinstance(step, _Column):
                self.columns.append(step)
                self._literals.append(b"")
            else:
                self._literals[-1] += step
        forms = [(column.schema, isinstance(column.part, InString)) for column in self.columns]
        writers = (writer_of(schema, is_json=is_json) for schema, is_json in forms)
        self._writers: list[tuple[WriteText, bytes]] = list(zip(writers, self._literals[1:], strict=True))
        kinds = b"".join(kind_of(schema, is_json=is_json) for schema, is_json in forms)
        self.in_c: AvroRecord = kinds, (NO_PREFIX + self._literals[0], *self._literals[1:])
        """The same for C."""

    def written(self, texts: Sequence[bytes], prefix: bytes) -> bytes | None:
        """Return the record behind `prefix`; None for a document that is gone."""
        if self._null_is_none and texts[0] == NULL_TEXT:
            return None
        parts = [prefix, self._literals[0]]
        for (write, literal), text in zip(self._writers, texts, strict=True):
            parts.append(write(text))
            if literal:
                parts.append(literal)
        return b"".join(parts)


def _columns(schema: AvroType, layout: Layout) -> Iterator[bytes | _Column]:
    """Yield the steps that encode a layout: what is always the same, and what varies."""
    if isinstance(layout, Value):
        layout = OPENED.get(layout, layout) if _is_record(schema) else layout
    if isinstance(schema, list):
        if layout is None:
            yield NULL_BRANCH
            return
        if (isinstance(layout, Mapping) and _is_record(schema[1])) or _is_constant(layout):
            yield VALUE_BRANCH
            yield from _columns(schema[1], layout)
            return
    elif _is_record(schema) and isinstance(layout, Mapping):
        for field in schema["fields"]:
            yield from _columns(field["type"], layout.get(field["name"]))
        return
    elif _is_constant(layout):
        yield string(str(layout).encode())
        return
    yield _Column(layout._replace(quoted=False) if isinstance(layout, InString) else layout, schema)


def _is_record(schema: AvroType) -> bool:
    return isinstance(schema, dict) and schema["type"] == "record"


def _is_constant(layout: Layout) -> bool:
    return isinstance(layout, str) and not isinstance(layout, Value)


def _names(schemas: MessageSchemas) -> list[str]:
    return [field["name"] for field in schemas.value.schema["fields"]]
