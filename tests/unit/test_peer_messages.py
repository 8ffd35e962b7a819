"""What Debezium and MongoDB's connector have written of the recorded writes is read as the change that it was."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson
import pytest
from bson.codec_options import CodecOptions, DatetimeConversion

from tests.peer_messages import DIRECTORY
from tests.support.peers import VARIANTS
from tests.unit.change_events import encoder
from watcher.decoding.decoder import decode_peer
from watcher.operations import ROW_OPERATIONS
from watcher.verification.plain_json import plain

Line = dict[str, Any]
Message = dict[str, Any]

CONNECTORS = [name for variants in VARIANTS.values() for name in variants if name != "mongodb-documents"]
CODEC: CodecOptions[Any] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS, unicode_decode_error_handler="replace")


def lines(name: str) -> Iterator[Line]:
    """The lines of a recorded file."""
    with (DIRECTORY / f"{name}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


@cache
def events() -> Mapping[str, list[Message]]:
    """The generic messages of all changes of documents, in order, by collection."""
    found = defaultdict(list)
    for line in lines("events"):
        message = orjson.loads(encoder(json_format="plain").encode(bytes.fromhex(line["event"]), 1).value)
        if message["operationType"] in ROW_OPERATIONS:
            found[message["collection"]].append(message)
    return found


@cache
def documents() -> Mapping[str, list[Any]]:
    """The documents that were there already, as the generic messages have them, by collection."""
    found = defaultdict(list)
    for line in lines("documents"):
        event = {"operationType": "insert", "ns": {"db": "shop", "coll": line["collection"]}}
        found[line["collection"]].append((event, bytes.fromhex(line["document"])))
    return found


@cache
def peers(connector: str) -> Mapping[str, list[Message]]:
    """The peer's messages about changes of documents, in order, by collection."""
    found = defaultdict(list)
    peer = next(peer for peer, variants in VARIANTS.items() if connector in variants)
    for line in lines(peer):
        if line["connector"] == connector:
            message = decode_peer(line["key"], line["value"], time_ms=line["timestamp"])
            if message and message["operationType"] in ROW_OPERATIONS:
                found[message["collection"]].append(message)
    return found


def changes(messages: list[Message]) -> list[Message]:
    return [message for message in messages if "snapshot" not in message]


@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_peers_tell_of_the_same_changes(connector: str) -> None:
    ours, theirs = events(), peers(connector)
    assert {name: len(changes(theirs[name])) for name in ours} == {name: len(ours[name]) for name in ours}
    for collection, messages in ours.items():
        for our, their in zip(messages, changes(theirs[collection]), strict=True):
            for field in ("operationType", "database", "collection", "documentKey", "fullDocument", "timestamp"):
                assert plain(their.get(field)) == our.get(field), (collection, our["documentKey"], field)
