"""Whatever the envelope, a record says the same change as in the generic one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from watcher.config.topics.name import topic_name
from watcher.decoding.decoder import decode, decode_peer
from watcher.decoding.message import UnknownMessage
from watcher.decoding.places import TopicPlaces
from watcher.operations import TOMBSTONE

Message = dict[str, Any]
Headers = list[tuple[str, bytes | str | None]]

NOON = "2024-01-01T12:00:00.756Z"
NOON_MS = 1_704_110_400_756
TOKEN = "826592A940000000132B022C0100296E5A1004"
TOPIC = "dashboard.users"
DOCUMENT = {"_id": "k", "name": "Ada", "tags": ["a"]}
UPDATE = {"updatedFields": {"name": "Ada"}, "removedFields": ["old"], "truncatedArrays": [{"field": "tags", "newSize": 1}]}

CHANGES: dict[str, Message] = {
    "insert": {"fullDocument": DOCUMENT},
    "update": {"fullDocument": DOCUMENT, "updateDescription": UPDATE},
    "update of a document that is gone": {"fullDocument": None, "updateDescription": UPDATE},
    "replace": {"fullDocument": DOCUMENT, "fullDocumentBeforeChange": {"_id": "k", "name": "A"}},
    "delete": {},
    "insert by a snapshot": {"fullDocument": DOCUMENT, "eventId": "20240101T120000Z.17", "snapshot": "20240101T120000Z"},
}


def generic(name: str) -> Message:
    """The message in the generic envelope."""
    head = {"operationType": name.split(maxsplit=1)[0], "database": "dashboard", "collection": "users", "documentKey": {"_id": "k"}}
    return {**head, "timestamp": NOON, "eventId": TOKEN, "watcher": "w", "sequence": 7, **CHANGES[name]}


def headers(message: Message) -> Headers:
    told = {"name": "watcher", "sequence": "sequence", "eventId": "eventId", "operation": "operationType"}
    ours = {header: str(message[field]) for header, field in told.items()}
    return [(f"watcher.{name}", text.encode()) for name, text in ours.items()]


def as_debezium(message: Message) -> tuple[bytes, bytes]:
    operation = {"insert": "c", "update": "u", "replace": "u", "delete": "d"}[message["operationType"]]
    update = message.get("updateDescription")
    value = {
        "before": _text(message.get("fullDocumentBeforeChange")),
        "after": _text(message.get("fullDocument")),
        "updateDescription": update
        and {
            "removedFields": update["removedFields"],
            "updatedFields": _text(update["updatedFields"]),
            "truncatedArrays": [{"field": each["field"], "size": each["newSize"]} for each in update["truncatedArrays"]],
        },
        "source": {"db": "dashboard", "collection": "users", "ts_ms": 1_704_110_400_000, "wallTime": NOON_MS},
        "op": "r" if "snapshot" in message else operation,
        "ts_ms": 1,
    }
    return json.dumps({"id": '"k"'}).encode(), json.dumps(value).encode()


def as_mongodb(message: Message) -> tuple[bytes, bytes]:
    kept = ("operationType", "documentKey", "fullDocument", "fullDocumentBeforeChange", "updateDescription")
    value = {
        "_id": {"_data": message["eventId"]},
        "wallTime": {"$date": NOON_MS},
        "clusterTime": {"$timestamp": {"t": 1_704_110_400, "i": 3}},
        "ns": {"db": "dashboard", "coll": "users"},
        **{name: message[name] for name in kept if name in message},
    }
    return json.dumps(value["_id"]).encode(), json.dumps(value).encode()


def as_document(message: Message) -> tuple[bytes, bytes | None]:
    document = message.get("fullDocument")
    return b'"k"', None if document is None else json.dumps(document).encode()


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


@pytest.mark.parametrize("name", CHANGES)
def test_the_generic_envelope_is_itself(name: str) -> None:
    text = json.dumps(generic(name)).encode()
    assert decode(b'"k"', text) == generic(name)
    assert decode(b'"k"', text, headers(generic(name))) == generic(name)  # kafka_headers = true


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("envelope", [as_debezium, as_mongodb])
def test_the_peers_envelopes(envelope: Any, name: str) -> None:
    key, value = envelope(generic(name))
    assert decode(key, value, headers(generic(name)), topic=TOPIC) == generic(name)


@pytest.mark.parametrize("name", CHANGES)
def test_documents_alone(name: str) -> None:
    message = generic(name)
    key, value = as_document(message)
    left_out = {"updateDescription", "fullDocumentBeforeChange"}
    expected = {field: content for field, content in message.items() if field not in left_out}
    assert decode(key, value, headers(message), topic=TOPIC, time_ms=NOON_MS) == expected


def test_the_watchers_own_messages_are_generic_everywhere() -> None:
    gap = {"operationType": "gap", "database": "dashboard", "timestamp": NOON, "reason": "lost", "watcher": "w", "sequence": 8}
    assert decode(None, json.dumps(gap).encode(), topic="w.control") == gap


def test_an_id_that_is_null() -> None:
    _, value = as_debezium(generic("insert"))
    for key in (b'{"id":"null"}', b'{"id":null}'):
        assert decode(key, value, headers(generic("insert")))["documentKey"] == {"_id": None}


@pytest.mark.parametrize("key", [b'{"id":"\\"k\\""}', b'"k"'])
def test_a_tombstone_beside_a_delete_is_told_apart_from_it(key: bytes) -> None:
    found = decode(key, None, headers({**generic("delete"), "operationType": TOMBSTONE}), topic=TOPIC, time_ms=NOON_MS)
    assert found == {**generic("delete"), "operationType": TOMBSTONE}


@pytest.mark.parametrize(
    "document",
    [
        {"_id": "k", "operationType": "insert", "watcher": "other", "sequence": 7, "database": "x"},
        {"_id": {"_data": "82AB"}, "operationType": "insert", "ns": {"db": "x", "coll": "y"}, "documentKey": {"_id": 1}},
        {"_id": "k", "op": []},
        {"_id": "k", "op": "c", "source": {"db": "x", "collection": "y", "ts_ms": 1}, "after": "{}"},
    ],
)
def test_a_document_that_looks_like_a_message_of_another_format_is_a_document(document: Message) -> None:
    key = json.dumps(document["_id"]).encode()
    found = decode(key, json.dumps(document).encode(), headers(generic("insert")), topic=TOPIC)
    assert (found["fullDocument"], found["collection"]) == (document, "users")


@pytest.mark.parametrize("at_noon", [{"$date": NOON_MS}, {"$date": NOON}, {"$date": {"$numberLong": str(NOON_MS)}}, NOON, NOON_MS])
def test_times_in_every_dialect(at_noon: Any) -> None:
    key, value = as_mongodb(generic("insert"))
    changed = json.dumps({**json.loads(value), "wallTime": at_noon}).encode()
    assert decode(key, changed, headers(generic("insert")))["timestamp"] == NOON


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, []),
        (b"", None),
        (b"{", []),
        (b"[1]", []),
        (b"{}", []),
        (b"{", headers(generic("insert"))),
        (None, [("watcher.sequence", b"7")]),
        (None, [("watcher.name", b"w"), ("watcher.operation", b"delete"), ("watcher.sequence", b"seven")]),
        (
            as_mongodb(generic("insert"))[1].replace(b'"$timestamp"', b'"$other"').replace(b"wallTime", b"w"),
            headers(generic("insert")),
        ),
        (as_debezium(generic("insert"))[1], []),
        (as_mongodb(generic("insert"))[1], [("other", b"x")]),
    ],
)
def test_what_no_watcher_has_written(value: bytes | None, told: Headers | None) -> None:
    with pytest.raises(UnknownMessage):
        decode(b'{"id":"1"}', value, told)


@pytest.mark.parametrize(
    ("template", "topic", "place"),
    [
        ("{database}.{collection}", "dashboard.users", ("dashboard", "users")),
        ("{database}.{collection}", "dashboard.app.users", ("dashboard", "app.users")),
        ("dbz.{database}.{collection}", "dbz.dashboard.users", ("dashboard", "users")),
        ("{collection}-of-{database}", "users-of-dashboard", ("dashboard", "users")),
        ("w.{collection}", "w.app.users", ("known", "app.users")),
        ("w", "w", ("known", "w")),
        ("{database}.{collection}", "other", ("known", "other")),
        ("{database}.{database}_{collection}", "shop.shop_users", ("shop", "users")),
        ("{database}.{database}_{collection}", "shop.other_users", ("known", "shop.other_users")),
    ],
)
def test_the_topic_names_the_collection(template: str, topic: str, place: tuple[str, str]) -> None:
    assert TopicPlaces(template, "known").of(topic) == place


@pytest.mark.parametrize("collection", ["users", "app.users", "Zoë", "a_x", "_x5f_", "a b$", "x" * 200])
def test_names_that_a_topic_cannot_have_are_found_again(collection: str) -> None:
    template = "w.{database}.{collection}"
    assert TopicPlaces(template).of(topic_name(template, "insert", "dash board", collection)) == ("dash board", collection)
    apart = topic_name(template, "insert", "dash board", collection, apart=True)
    assert TopicPlaces(template).of(apart) == ("dash board", collection)


def test_a_topic_of_its_own_for_a_collection() -> None:
    assert TopicPlaces("w", "dashboard", "users").of("w") == ("dashboard", "users")


def _with_schema(key: bytes, value: bytes) -> tuple[bytes, bytes]:
    return json.dumps({"schema": {}, "payload": json.loads(key)}).encode(), json.dumps(
        {"schema": {"type": "struct"}, "payload": json.loads(value)}
    ).encode()


@pytest.mark.parametrize("name", [name for name in CHANGES if "snapshot" not in name])
def test_what_the_peers_themselves_write(name: str) -> None:
    message = {field: content for field, content in generic(name).items() if field not in ("watcher", "sequence")}
    assert decode_peer(*as_mongodb(message)) == message
    del message["eventId"]
    assert decode_peer(*as_debezium(message)) == message
    assert decode_peer(*_with_schema(*as_debezium(message))) == message


def test_numbers_that_json_does_not_have() -> None:
    """Both peers write them so, beside their own dialects."""
    key, value = as_debezium(generic("insert"))
    changed = json.dumps({**json.loads(value), "after": '{"_id": "k", "x": [NaN, -Infinity, Infinity]}'}).encode()
    message = decode_peer(key, changed)
    assert message is not None
    assert [str(number) for number in message["fullDocument"]["x"]] == ["nan", "-inf", "inf"]


def test_the_peers_copies_are_known_as_such() -> None:
    assert (decode_peer(*as_debezium(generic("insert by a snapshot"))) or {})["snapshot"]
    copied = {"_id": {"_id": "k", "copyingData": True}, "operationType": "insert", "ns": {"db": "d", "coll": "c"}}
    row = decode_peer(
        b"{}", json.dumps({**copied, "documentKey": {"_id": "k"}, "fullDocument": DOCUMENT}).encode(), time_ms=NOON_MS
    )
    assert row is not None
    assert (row["snapshot"], row["timestamp"], row["fullDocument"]) == ("copyingData", NOON, DOCUMENT)


def test_what_is_of_neither_peer() -> None:
    assert decode_peer(b"{}", None) is None
    for value in (b"{", b"{}", b"[]", b'{"op":"c","source":{"collection":1}}', json.dumps(generic("insert")).encode()):
        with pytest.raises(UnknownMessage):
            decode_peer(b"{}", value)
