"""docs/message.schema.json and docs/asyncapi.yaml: current, and true of what the encoder writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import bson
import fastavro
import pytest
import yaml
from bson.raw_bson import RawBSONDocument
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from contract.__main__ import DOCS, FILES
from contract.asyncapi import CHANNELS
from tests.golden_envelopes import CONTROL_TOPIC, file_of
from tests.support.schema import VALIDATOR, faults
from tests.unit.bson_types import TYPES
from tests.unit.change_events import change, encoder
from tests.unit.test_message_docs import examples
from watcher.messages.peer_schema import ChangeEvent, DebeziumMessage, DebeziumSource, DebeziumUpdate, ShortenedArray
from watcher.messages.schema import CONTROL, ROW_CHANGES
from watcher.messages.serializations.avro_schemas import SCHEMAS
from watcher.model import Message

ASYNCAPI = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
EXAMPLES = examples()


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_what_the_generator_makes(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == FILES[name](), "run `python -m contract`"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize(("kind", "message"), EXAMPLES.items(), ids=EXAMPLES)
def test_every_kind_of_message(kind: str, message: Message) -> None:
    assert faults(json.loads(message.value)) == []


@pytest.mark.parametrize("dialect", ["plain", "extended"])
def test_every_type_of_value(dialect: str) -> None:
    for sample in TYPES:
        event = bson.encode(change("insert", fullDocument=RawBSONDocument(sample.document)))
        assert faults(json.loads(encoder(json_format=dialect).encode(event, 1).value)) == []


def test_optional_fields() -> None:
    description = {"updatedFields": {}, "removedFields": [], "truncatedArrays": [{"field": "a", "newSize": 1}]}
    for fields in ({"fullDocument": None}, {"fullDocumentBeforeChange": None}, {"fullDocumentBeforeChange": {"_id": 1}}, {}):
        event = bson.encode(change("update", updateDescription=description, **fields))
        assert faults(json.loads(encoder().encode(event, 1).value)) == []


PEERS = {name: Draft202012Validator(json.loads(FILES[f"message.{name}.schema.json"]())) for name in ("debezium", "mongodb")}


@pytest.mark.parametrize("envelope", PEERS)
def test_every_message_in_a_peers_envelope(envelope: str) -> None:
    lines = map(json.loads, file_of(envelope).read_text(encoding="utf-8").splitlines())
    values = [value for line in lines for topic, _, value, *_ in line["messages"] if value and topic != CONTROL_TOPIC]
    assert len(values) > len(TYPES)
    for value in values:
        assert [error.message for error in PEERS[envelope].iter_errors(json.loads(value))] == []


@pytest.mark.parametrize("envelope", PEERS)
def test_the_peers_schemas_know_their_own(envelope: str) -> None:
    other = "mongodb" if envelope == "debezium" else "debezium"
    made = encoder(envelope=other, json_format="strict").encode(bson.encode(change("insert", fullDocument={})), 1)
    assert not PEERS[envelope].is_valid(json.loads(made.value or b""))


def wrong() -> Iterator[Any]:
    """The insert with one thing wrong at a time."""
    insert = json.loads(EXAMPLES["insert"].value)
    for name in sorted(set(insert) - {"fullDocument"}):
        yield pytest.param({key: value for key, value in insert.items() if key != name}, id=f"without {name}")
    for name, value in {
        "operationType": "upsert", "sequence": 0, "timestamp": "2024-01-01T12:00:00Z", "documentKey": {}, "eventId": "x",
        "fullDocument": None, "truncated": ["everything"], "unheardOf": 1,
    }.items():  # fmt: skip
        yield pytest.param({**insert, name: value}, id=f"{name} = {value}")


@pytest.mark.parametrize("message", list(wrong()))
def test_what_is_wrong_is_found(message: Any) -> None:
    assert faults(message)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(ASYNCAPI))
    assert len(found) > 20
    for reference in found:
        value = ASYNCAPI
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]


@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if kind != "truncated"])
def test_each_kind_is_on_its_channel(kind: str) -> None:
    (channel,) = [c for c in ASYNCAPI["channels"].values() if kind in c["messages"]]
    assert channel["address"] == EXAMPLES[kind].topic
    payload = ASYNCAPI["components"]["messages"][kind]["payload"]
    schema = {"$ref": payload["$ref"], "components": ASYNCAPI["components"]}
    assert list(Draft202012Validator(schema).iter_errors(json.loads(EXAMPLES[kind].value))) == []


def test_the_channels_are_the_default_topics() -> None:
    assert {c["address"] for c in ASYNCAPI["channels"].values()} == {address for address, _ in CHANNELS.values()}


def aliases(model: type[BaseModel]) -> set[str]:
    """Names of a model's fields as messages have them."""
    return {field.alias or name for name, field in model.model_fields.items()}


def needed(*models: type[BaseModel]) -> set[str]:
    """Fields that are in each message of all models, and never null."""
    return set.intersection(
        *({f.alias or n for n, f in m.model_fields.items() if f.is_required() and not _can_be_null(f)} for m in models)
    )


def _can_be_null(field: FieldInfo) -> bool:
    return field.annotation is None or type(None) in get_args(field.annotation)


def avro_fields(schema: Any) -> dict[str, Any]:
    return {field["name"]: field["type"] for field in schema["fields"]}


def inner(schema: Any) -> Any:
    """The record in a union with null, or the items of an array."""
    while isinstance(schema, list) or schema["type"] == "array":
        schema = schema[1] if isinstance(schema, list) else schema["items"]
    return schema


AVRO_MODELS = {
    "generic": ROW_CHANGES,
    "debezium": (DebeziumMessage,),
    "mongodb": (ChangeEvent,),
}


@pytest.mark.parametrize("envelope", AVRO_MODELS)
def test_avro_has_the_fields_of_the_model(envelope: str) -> None:
    models, fields = AVRO_MODELS[envelope], avro_fields(SCHEMAS[envelope].value.schema)
    assert fields.keys() - {"control"} == set.union(*map(aliases, models))
    controls = CONTROL if envelope == "generic" else ()
    always = {name for name, of_type in fields.items() if not isinstance(of_type, list)}
    assert always <= needed(*models, *controls)


def test_avro_has_the_fields_of_debeziums_records() -> None:
    fields = avro_fields(SCHEMAS["debezium"].value.schema)
    assert avro_fields(fields["source"]).keys() == aliases(DebeziumSource)
    update = avro_fields(inner(fields["updateDescription"]))
    assert update.keys() == aliases(DebeziumUpdate)
    assert avro_fields(inner(update["truncatedArrays"])).keys() == aliases(ShortenedArray)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".avsc")])
def test_avro_takes_the_schema(name: str) -> None:
    fastavro.parse_schema(json.loads(FILES[name]()))
