"""One sample or more of every BSON type, and what becomes of it in all JSON dialects."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import bson
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp


@dataclass(frozen=True)
class Sample:
    """A document with the one field `v`, and the JSON of the field."""

    name: str
    document: bytes
    plain: str
    extended: str
    strict: str


def raw(type_byte: int, payload: bytes) -> bytes:
    """The BSON document `{v: payload}`, for what pymongo cannot encode."""
    return raw_document(bytes([type_byte]) + b"v\0" + payload)


def raw_document(elements: bytes) -> bytes:
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


def raw_string(text: bytes) -> bytes:
    return struct.pack("<i", len(text) + 1) + text + b"\0"


def sample(name: str, value: Any, plain: str, extended: str | None = None) -> Sample:
    document = value if type(value) is bytes else bson.encode({"v": value})
    return Sample(name, document, plain, extended or plain, STRICT.get(name, extended or plain))


OID = ObjectId("65f0c1a2b3c4d5e6f7a8b9c0")
UUID_BYTES = UUID("c8edabc3-f738-4ca3-b68d-ab92a91478a3").bytes
UUID_BASE64 = "yO2rw/c4TKO2jauSqRR4ow=="

STRICT = {
    "binary": '{"$binary":"YWJj","$type":"00"}',
    "binary, UUID (subtype 4)": f'{{"$binary":"{UUID_BASE64}","$type":"04"}}',
    "binary, subtype 4, not of 16 bytes": '{"$binary":"YWJj","$type":"04"}',
    "binary, old UUID (subtype 3)": f'{{"$binary":"{UUID_BASE64}","$type":"03"}}',
    "binary, encrypted (subtype 6)": '{"$binary":"YWJj","$type":"06"}',
    "binary, any other subtype": '{"$binary":"YWJj","$type":"80"}',
    "date": '{"$date":1704110400000}',
    "date, with milliseconds": '{"$date":1704110400120}',
    "date, before 1970": '{"$date":-1}',
    "date, year below 0": '{"$date":-62167219200001}',
    "date, year above 9999": '{"$date":253402300800000}',
    "date, beyond JavaScript's": '{"$date":8640000000000001}',
    "regular expression": '{"$regex":"^a/b","$options":"ix"}',
    "int64": '{"$numberLong":"42"}',
    "int64, beyond 2^53": '{"$numberLong":"9007199254740993"}',
}
"""Texts that the strict dialect makes of samples that it does not write as the extended one."""

TYPES = [
    sample("double", 5.0, "5.0"),
    sample("double, negative zero", -0.0, "-0.0"),
    sample("double, NaN", float("nan"), "null", '{"$numberDouble":"NaN"}'),
    sample("double, Infinity", float("inf"), "null", '{"$numberDouble":"Infinity"}'),
    sample("double, -Infinity", float("-inf"), "null", '{"$numberDouble":"-Infinity"}'),
    sample("string", 'Zoë "Z"', r'"Zoë \"Z\""'),
    sample("string, invalid UTF-8", raw(0x02, raw_string(b"Zo\xeb")), '"Zo\ufffd"'),
    sample("object", {"b": 1, "a": {}}, '{"b":1,"a":{}}'),
    sample("array", [1, "two", []], '[1,"two",[]]'),
    sample("binary", raw(0x05, b"\x03\0\0\0\0abc"), '"YWJj"', '{"$binary":{"base64":"YWJj","subType":"00"}}'),
    sample(
        "binary, UUID (subtype 4)",
        Binary(UUID_BYTES, 4),
        '"c8edabc3-f738-4ca3-b68d-ab92a91478a3"',
        f'{{"$binary":{{"base64":"{UUID_BASE64}","subType":"04"}}}}',
    ),
    sample("binary, subtype 4, not of 16 bytes", Binary(b"abc", 4), '"YWJj"', '{"$binary":{"base64":"YWJj","subType":"04"}}'),
    sample(
        "binary, old UUID (subtype 3)",
        Binary(UUID_BYTES, 3),
        f'"{UUID_BASE64}"',
        f'{{"$binary":{{"base64":"{UUID_BASE64}","subType":"03"}}}}',
    ),
    sample("binary, encrypted (subtype 6)", Binary(b"abc", 6), '"YWJj"', '{"$binary":{"base64":"YWJj","subType":"06"}}'),
    sample("binary, any other subtype", Binary(b"abc", 0x80), '"YWJj"', '{"$binary":{"base64":"YWJj","subType":"80"}}'),
    sample("undefined (deprecated)", raw(0x06, b""), "null"),
    sample("objectId", OID, '"65f0c1a2b3c4d5e6f7a8b9c0"', '{"$oid":"65f0c1a2b3c4d5e6f7a8b9c0"}'),
    sample("bool", True, "true"),
    sample("date", DatetimeMS(1_704_110_400_000), '"2024-01-01T12:00:00.000Z"', '{"$date":"2024-01-01T12:00:00Z"}'),
    sample(
        "date, with milliseconds",
        DatetimeMS(1_704_110_400_120),
        '"2024-01-01T12:00:00.120Z"',
        '{"$date":"2024-01-01T12:00:00.120Z"}',
    ),
    sample("date, before 1970", DatetimeMS(-1), '"1969-12-31T23:59:59.999Z"', '{"$date":{"$numberLong":"-1"}}'),
    sample(
        "date, year below 0",
        DatetimeMS(-62_167_219_200_001),
        '"-000001-12-31T23:59:59.999Z"',
        '{"$date":{"$numberLong":"-62167219200001"}}',
    ),
    sample(
        "date, year above 9999",
        DatetimeMS(253_402_300_800_000),
        '"+010000-01-01T00:00:00.000Z"',
        '{"$date":{"$numberLong":"253402300800000"}}',
    ),
    sample("date, beyond JavaScript's", DatetimeMS(8_640_000_000_000_001), "null", '{"$date":{"$numberLong":"8640000000000001"}}'),
    sample("null", None, "null"),
    sample(
        "regular expression",
        Regex("^a/b", "ix"),
        '{"$regularExpression":{"pattern":"^a/b","options":"ix"}}',
    ),
    sample(
        "DBPointer (deprecated)",
        raw(0x0C, raw_string(b"users") + OID.binary),
        '{"$ref":"users","$id":"65f0c1a2b3c4d5e6f7a8b9c0"}',
        '{"$ref":"users","$id":{"$oid":"65f0c1a2b3c4d5e6f7a8b9c0"}}',
    ),
    sample("JavaScript", Code("f()"), '{"code":"f()"}', '{"$code":"f()"}'),
    sample(
        "JavaScript with scope",
        Code("f()", {"a": OID}),
        f'{{"code":"f()","scope":{{"a":"{OID}"}}}}',
        f'{{"$code":"f()","$scope":{{"a":{{"$oid":"{OID}"}}}}}}',
    ),
    sample("symbol (deprecated)", raw(0x0E, raw_string(b"red")), '"red"'),
    sample("int32", 42, "42"),
    sample("timestamp", Timestamp(1_704_110_400, 7), '{"$timestamp":{"t":1704110400,"i":7}}'),
    sample("int64", Int64(42), "42"),
    sample("int64, beyond 2^53", Int64(9_007_199_254_740_993), "9007199254740993"),
    sample("decimal128", Decimal128("1.10"), '"1.10"', '{"$numberDecimal":"1.10"}'),
    sample("decimal128, NaN", Decimal128("NaN"), '"NaN"', '{"$numberDecimal":"NaN"}'),
    sample("minKey", MinKey(), '{"$minKey":1}'),
    sample("maxKey", MaxKey(), '{"$maxKey":1}'),
    sample(
        "DBRef",
        DBRef("users", OID, "dashboard"),
        '{"$ref":"users","$id":"65f0c1a2b3c4d5e6f7a8b9c0","$db":"dashboard"}',
        '{"$ref":"users","$id":{"$oid":"65f0c1a2b3c4d5e6f7a8b9c0"},"$db":"dashboard"}',
    ),
]
