"""Every BSON type in both JSON dialects, by table and by chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Code, DatetimeMS, DBRef, json_util
from bson.codec_options import DatetimeConversion
from bson.json_util import JSONOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.bson_types import TYPES, Sample, raw, raw_document, raw_string
from tests.unit.random_bson import documents, reference, reference_date
from watcher.iso_time import LATEST_MS
from watcher.messages.rows import spaced
from watcher.messages.serializations.bson_json import DIALECTS

DEEPEST = 200
"""MongoDB's own limit for nesting; documentation promises 100."""

PLAIN, EXTENDED, STRICT = DIALECTS["plain"], DIALECTS["extended"], DIALECTS["strict"]
JAVA = {
    line["name"]: line
    for line in map(json.loads, (Path(__file__).parents[1] / "data" / "java_driver_json.jsonl").read_text().splitlines())
}
"""Texts that `JsonWriter` of MongoDB's Java driver (bson 5.6.2) makes of each sample, in its modes STRICT and RELAXED, with empty
indentation: what Debezium 3.6 writes."""

UNLIKE_JAVA = {
    "double, NaN": "Java's strict mode writes NaN, which no JSON parser reads",
    "double, Infinity": "likewise",
    "double, -Infinity": "likewise",
    "undefined (deprecated)": "null, as in all dialects",
    "symbol (deprecated)": "a string, as in all dialects",
    "date, with milliseconds": "three digits; Java's relaxed mode leaves out zeros at the end",
}
BY_NAME = pytest.mark.parametrize("sample", TYPES, ids=lambda sample: sample.name)
BOTH = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def strict(text: bytes) -> Any:
    """The JSON as any other parser reads it: no NaN, no Infinity. An int32 is a number in the canonical dialect too."""

    def refuse(token: str) -> Any:
        raise AssertionError(f"{token} is not JSON")

    def read(value: dict[str, Any]) -> Any:
        return int(value["$numberInt"]) if value.keys() == {"$numberInt"} else value

    return json.loads(text, parse_constant=refuse, object_hook=read)


@BY_NAME
def test_plain(sample: Sample) -> None:
    assert PLAIN.dumps(PLAIN.decode(sample.document)).decode() == f'{{"v":{sample.plain}}}'


@BY_NAME
def test_extended(sample: Sample) -> None:
    assert EXTENDED.dumps(EXTENDED.decode(sample.document)).decode() == f'{{"v":{sample.extended}}}'


@BY_NAME
def test_strict(sample: Sample) -> None:
    assert STRICT.dumps(STRICT.decode(sample.document)).decode() == f'{{"v":{sample.strict}}}'


@BY_NAME
@pytest.mark.parametrize(("dialect", "mode"), [(STRICT, "strict"), (EXTENDED, "relaxed")], ids=["strict", "extended"])
def test_as_the_java_driver(sample: Sample, dialect: Any, mode: str) -> None:
    """So a consumer of Debezium's or of MongoDB's connector reads the same values."""
    java = JAVA[sample.name][mode]
    ours = dialect.dumps(dialect.decode(sample.document))
    if sample.name in UNLIKE_JAVA:
        strict(ours)
    else:
        assert spaced(ours).decode() == java


@BOTH
def test_every_type_also_inside_arrays_and_documents(dialect: Any) -> None:
    values = [dialect.decode(sample.document)["v"] for sample in TYPES]
    direct = [strict(dialect.dumps(value)) for value in values]
    documents = b"".join(b"\x03" + str(number).encode() + b"\0" + sample.document for number, sample in enumerate(TYPES))
    nested = dialect.decode(raw(0x04, raw_document(documents)))
    assert strict(dialect.dumps(nested)) == {"v": [{"v": value} for value in direct]}


@BOTH
@pytest.mark.parametrize("key", ["", "a.b", "$set", "$", "ключ", '"', "\n", "_id"])
def test_odd_keys(dialect: Any, key: str) -> None:
    assert strict(dialect.dumps(dialect.decode(bson.encode({key: 1})))) == {key: 1}


@BOTH
def test_of_duplicate_keys_the_last_wins(dialect: Any) -> None:
    document = raw_document(b"\x08a\0\x00" + b"\x08b\0\x00" + b"\x08a\0\x01")
    assert dialect.dumps(dialect.decode(document)) == b'{"a":true,"b":false}'


@BOTH
def test_keys_with_invalid_utf8(dialect: Any) -> None:
    assert strict(dialect.dumps(dialect.decode(raw_document(b"\x08\xff\0\x01")))) == {"\ufffd": True}


@BOTH
def test_utf16_surrogates_in_utf8_are_invalid(dialect: Any) -> None:
    text = strict(dialect.dumps(dialect.decode(raw(0x02, raw_string(b"\xed\xa0\x80")))))["v"]
    assert set(text) == {"\ufffd"}


@BOTH
@pytest.mark.parametrize("type_byte", [0x03, 0x04], ids=["documents", "arrays"])
def test_deep_nesting(dialect: Any, type_byte: int) -> None:
    document = raw_document(b"")
    for _ in range(DEEPEST):
        document = raw_document(bytes([type_byte]) + b"0\0" + document)
    opened = dialect.dumps(dialect.decode(document)).count(b"{" if type_byte == 0x03 else b"[")
    assert opened == DEEPEST + (type_byte == 0x03)


@BOTH
def test_deep_dbrefs_and_scopes(dialect: Any) -> None:
    value: Any = 1
    for _ in range(DEEPEST // 4):
        value = DBRef("c", Code("f", {"s": value}))
    text = dialect.dumps(dialect.decode(bson.encode({"v": value})))
    assert text.count(b'"$ref"') == DEEPEST // 4
    assert strict(text)


@BOTH
def test_wide_and_large_documents(dialect: Any) -> None:
    document = {f"field{number}": number for number in range(10_000)} | {"text": "ü" * 2_000_000}
    assert strict(dialect.dumps(dialect.decode(bson.encode(document)))) == document


@BOTH
@pytest.mark.parametrize("value", [{"$ref": 5, "$id": 1}, {"$ref": "c"}, {"$id": 1}, {"$ref": "c", "$id": 1, "$db": 5}])
def test_what_only_looks_like_a_dbref_stays_as_it_is(dialect: Any, value: dict[str, Any]) -> None:
    assert strict(dialect.dumps(dialect.decode(bson.encode({"v": value})))) == {"v": value}


@settings(deadline=None)
@given(documents)
def test_plain_is_what_the_table_says(document: dict[str, Any]) -> None:
    written = strict(PLAIN.dumps(PLAIN.decode(bson.encode(document))))
    # As text: Python holds 1 and 1.0 and True for equal, and 0.0 and -0.0.
    assert json.dumps(written) == json.dumps(reference(document))


@settings(deadline=None)
@given(documents)
@pytest.mark.parametrize("dialect", [EXTENDED, STRICT, DIALECTS["canonical"]], ids=["extended", "strict", "canonical"])
def test_reads_back_as_the_same_bson(dialect: Any, document: dict[str, Any]) -> None:
    original = bson.encode(document)
    text = dialect.dumps(dialect.decode(original))
    strict(text)
    options = JSONOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
    assert bson.encode(json_util.loads(text, json_options=options)) == original


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
@BOTH
def test_any_bytes_decode_or_are_invalid(dialect: Any, noise: bytes, position: int) -> None:
    original = bson.encode({"v": [sample.document for sample in TYPES[:3]], "w": {"x": "text", "y": 1.5}})
    damaged = original[:position] + noise + original[position + len(noise) :]
    try:
        document = dialect.decode(damaged)
    except bson.errors.InvalidBSON:
        return
    strict(dialect.dumps(document))


@settings(deadline=None)
@given(st.integers(-LATEST_MS - 10**6, LATEST_MS + 10**6))
def test_dates(ms: int) -> None:
    assert strict(PLAIN.dumps(DatetimeMS(ms))) == reference_date(ms)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
        (LATEST_MS, "+275760-09-13T00:00:00.000Z"),
        (-LATEST_MS, "-271821-04-20T00:00:00.000Z"),
        (LATEST_MS + 1, None),
        (-LATEST_MS - 1, None),
        (951_825_600_000, "2000-02-29T12:00:00.000Z"),
    ],
)
def test_dates_at_the_edges(ms: int, text: str | None) -> None:
    assert strict(PLAIN.dumps(DatetimeMS(ms))) == text
