"""Any document in any envelope, read again: what the table of types in docs/message-format.md says of its dialect."""

from __future__ import annotations

import json
from typing import Any

import bson
import pytest
from bson import json_util
from bson.codec_options import DatetimeConversion
from bson.json_util import JSONOptions
from hypothesis import given, settings

from tests.golden_envelopes import ENVELOPES
from tests.unit.change_events import USER_ID, change, encoder
from tests.unit.random_bson import documents, reference

OPTIONS = JSONOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
NATIVE = pytest.mark.parametrize("native", [False, True], ids=["Python", "C"])


def written(envelope: str, document: dict[str, Any], *, native: bool, operation: str = "insert") -> Any:
    event = bson.encode(change(operation, fullDocument=document, updateDescription={"updatedFields": document}))
    messages = encoder(native=native, envelope=envelope, json_format=ENVELOPES[envelope])
    return json.loads(messages.encode(event, 1).value or b"")


def from_extended_json(text: str) -> bytes:
    return bson.encode(json_util.loads(text, json_options=OPTIONS))


@NATIVE
@settings(deadline=None, max_examples=40)
@given(document=documents)
def test_document(native: bool, document: dict[str, Any]) -> None:
    assert json.dumps(written("document", document, native=native)) == json.dumps(reference(document))


@NATIVE
@settings(deadline=None, max_examples=40)
@given(document=documents)
def test_debezium(native: bool, document: dict[str, Any]) -> None:
    value = written("debezium", document, native=native, operation="update")
    assert from_extended_json(value["after"]) == bson.encode(document)
    assert from_extended_json(value["updateDescription"]["updatedFields"]) == bson.encode(document)


@NATIVE
@settings(deadline=None, max_examples=40)
@given(document=documents)
def test_mongodb(native: bool, document: dict[str, Any]) -> None:
    value = written("mongodb", document, native=native)
    assert from_extended_json(json.dumps(value["fullDocument"])) == bson.encode(document)
    assert from_extended_json(json.dumps(value["documentKey"])) == bson.encode({"_id": USER_ID})
