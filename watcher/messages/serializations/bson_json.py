"""BSON values as JSON text, in the dialects of `json_format`. The table of all types is in docs/message-format.md.

Each dialect is one `bson.decode` and one `orjson.dumps`, because this is the hot path. orjson writes most values itself and
asks the dialect's `default` for the rest. `benchmarks/encode.py` measures the choices made here.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import bson
import orjson
from bson import json_util
from bson.binary import UUID_SUBTYPE, Binary, UuidRepresentation
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex

from watcher.iso_time import iso_time
from watcher.messages.envelopes.layout import Envelope
from watcher.messages.serializations.large_json import PIECE, LargeJson
from watcher.messages.serializations.template import Fill, HeadersOf, fast_path

ORJSON_BYTES = 4096
"""Bytes that orjson's result holds on to, however short the text is. A transaction's keys and values would take several times their
size, and the page faults would cost more than copying the short ones does (docs/performance.md)."""

Convert = Callable[[Any], Any]
"""Turns a value that orjson cannot write into one that it can."""


@dataclass(frozen=True, slots=True)
class JsonDialect:
    """One way of writing BSON as JSON: `codec` decodes it, `default` converts the values for which JSON has no type.
    `_bson_json.c` writes the same, but for the canonical one."""

    name: str
    codec: CodecOptions[dict[str, Any]]
    default: Convert
    content_type = "application/json"

    def decode(self, document: bytes, opened: Collection[str] = ()) -> dict[str, Any]:
        """Decode a BSON document to a dict for `dumps`. Errors: bson.errors.InvalidBSON.

        In a document of more than PIECE bytes, large values are already JSON, except those of the fields in `opened`, which are
        dicts too.
        """
        if len(document) <= PIECE:
            return bson.decode(document, self.codec)
        return LargeJson(partial(bson.decode, codec_options=self.codec), self.dumps).decode(document, opened)

    def dumps(self, value: object) -> bytes:
        """Write `value` as compact UTF-8 JSON. Errors: orjson.JSONEncodeError if it is nested deeper than orjson writes (254
        levels)."""
        text = orjson.dumps(value, self.default)
        return text if len(text) >= ORJSON_BYTES else bytes(memoryview(text))

    def fast_path(self, envelope: Envelope, message_type: type[tuple[Any, ...]], headers_of: HeadersOf | None) -> Fill | None:
        """Make the function that fills the envelope in C; None if C was not compiled. The rest as for `template.fast_path`."""
        return fast_path(envelope, self.dumps, self.name, message_type, headers_of)

    def control(self, topic: str, database: str, fields: Mapping[str, Any]) -> tuple[bytes, bytes]:  # noqa: ARG002 - as others
        """Return key and value of a control message."""
        return self.dumps(database), self.dumps(fields)


class _Replaced(TypeDecoder):
    """Replaces the values of one type while decoding. It serves the types that orjson would write itself, but not as the dialect
    wants."""

    def __init__(self, bson_type: type, replacement: Convert) -> None:
        self._bson_type = bson_type
        self._replacement = replacement

    @property
    def bson_type(self) -> type:
        return self._bson_type

    def transform_bson(self, value: Any) -> Any:
        return self._replacement(value)


def _codec(replacements: Mapping[type, Convert]) -> CodecOptions[dict[str, Any]]:
    return CodecOptions(
        document_class=dict,
        # A binary of subtype 4 need not have 16 bytes; decoding one of another size to uuid.UUID would raise.
        uuid_representation=UuidRepresentation.UNSPECIFIED,
        unicode_decode_error_handler="replace",
        # The only form that holds every BSON date; it is no slower than datetime.
        datetime_conversion=DatetimeConversion.DATETIME_MS,
        type_registry=TypeRegistry([_Replaced(kind, replacement) for kind, replacement in replacements.items()]),
    )


def _plain_code(code: Code) -> dict[str, Any]:
    return {"code": str(code)} if code.scope is None else {"code": str(code), "scope": code.scope}


def _plain_binary(data: bytes) -> str:
    return b64encode(data).decode()


def _plain_typed_binary(data: Binary) -> str:
    if data.subtype == UUID_SUBTYPE and len(data) == 16:
        return str(data.as_uuid(UuidRepresentation.STANDARD))
    return _plain_binary(data)


_extended_form = partial(json_util.default, json_options=json_util.RELAXED_JSON_OPTIONS)

_PLAIN: dict[type, Convert] = {
    ObjectId: str,
    Decimal128: str,
    bytes: _plain_binary,
    Binary: _plain_typed_binary,
    DBRef: DBRef.as_doc,
}


def _plain_default(value: Any) -> Any:
    kind = type(value)
    if kind is DatetimeMS:
        return iso_time(int(value))
    return _PLAIN.get(kind, _extended_form)(value)


def _extended_code(code: Code) -> dict[str, Any]:
    return {"$code": str(code)} if code.scope is None else {"$code": str(code), "$scope": code.scope}


def _extended_float(value: float) -> Any:
    return value if math.isfinite(value) else _extended_form(value)


def _extended_default(value: Any) -> Any:
    # json_util walks a DBRef's fields itself, on Python's stack; orjson goes deeper.
    return value.as_doc() if type(value) is DBRef else _extended_form(value)


def _strict_int64(value: int) -> dict[str, str]:
    return {"$numberLong": str(int(value))}


def _strict_binary(data: bytes) -> dict[str, str]:
    return {"$binary": b64encode(data).decode(), "$type": f"{getattr(data, 'subtype', 0):02X}"}


def _strict_regex(regex: Regex[str]) -> dict[str, str]:
    form = _extended_form(regex)["$regularExpression"]
    return {"$regex": form["pattern"], "$options": form["options"]}


_STRICT: dict[type, Convert] = {
    DatetimeMS: lambda time: {"$date": int(time)},
    bytes: _strict_binary,
    Binary: _strict_binary,
    Regex: _strict_regex,
    DBRef: DBRef.as_doc,
}


def _strict_default(value: Any) -> Any:
    return _STRICT.get(type(value), _extended_form)(value)


def _canonical_int32(value: int) -> dict[str, str]:
    return {"$numberInt": str(value)}


def _canonical_float(value: float) -> Any:
    return {"$numberDouble": repr(value)} if math.isfinite(value) else _extended_form(value)


_CANONICAL: dict[type, Convert] = {
    DatetimeMS: lambda time: {"$date": {"$numberLong": str(int(time))}},
    DBRef: DBRef.as_doc,
}


def _canonical_default(value: Any) -> Any:
    return _CANONICAL.get(type(value), _extended_form)(value)


_DIALECTS = (
    JsonDialect("plain", _codec({Code: _plain_code}), _plain_default),
    JsonDialect("extended", _codec({Code: _extended_code, float: _extended_float}), _extended_default),
    JsonDialect("strict", _codec({Code: _extended_code, float: _extended_float, Int64: _strict_int64}), _strict_default),
    JsonDialect(
        "canonical",
        _codec({Code: _extended_code, float: _canonical_float, Int64: _strict_int64, int: _canonical_int32}),
        _canonical_default,
    ),
)
DIALECTS = {dialect.name: dialect for dialect in _DIALECTS}
"""The dialects by the value of `json_format`."""
