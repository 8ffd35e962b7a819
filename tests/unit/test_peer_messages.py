"""Messages that Debezium and MongoDB's connector have written, read as the changes that they were."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson
import pytest

from tests.peer_messages import DIRECTORY
from tests.support.peers import VARIANTS
from tests.unit.change_events import encoder
from watcher.decoding.decoder import decode_peer
from watcher.decoding.plain_json import plain
from watcher.operations import ROW_OPERATIONS
from watcher.verification.old_side import NO_UPDATE

Line = dict[str, Any]
Message = dict[str, Any]

CONNECTORS = [name for variants in VARIANTS.values() for name in variants if name != "mongodb-documents"]
FIELDS = ("operationType", "database", "collection", "documentKey", "fullDocument", "timestamp")

SIMPLIFIED = {
    "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "binary, UUID (subtype 4)",
    "date, year below 0",
    "date, year above 9999",
    "date, beyond JavaScript's",
}
"""Documents that cannot be told from MongoDB's `SimplifiedJson`: it writes a UUID as any other bytes, and years as Java does."""


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


def update_of(message: Message) -> Any:
    """Changes that an update has made, and None in other messages."""
    update = message.get("updateDescription")
    return None if update is None else plain({**NO_UPDATE, **update})


def differing(our: Message, their: Message) -> list[str]:
    """The fields of a change that differ, as the plain dialect has them."""
    same = [name for name in FIELDS if plain(their.get(name)) == our.get(name)]
    return [name for name in FIELDS if name not in same] + ["updateDescription"] * (update_of(our) != update_of(their))


@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_peers_tell_of_the_same_changes(connector: str) -> None:
    ours, theirs = events(), peers(connector)
    collections = {"people"} if connector == "debezium-schemas" else set(ours)
    assert {name: len(changes(theirs[name])) for name in collections} == {name: len(ours[name]) for name in collections}
    found = {
        str(our["documentKey"]["_id"]): fields
        for name in sorted(collections)
        for our, their in zip(ours[name], changes(theirs[name]), strict=True)
        if (fields := differing(our, their))
    }
    assert found.keys() == (SIMPLIFIED if connector == "mongodb-simplified" else set()), found
