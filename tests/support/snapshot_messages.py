"""The messages of a snapshot and of the changes meanwhile: whether they lead to what MongoDB holds, and never back.

Each document has a `name`, its own for good, and a `version` that rises with every write.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from pymongo.database import Database

from tests.support.oracle import check_partitions
from tests.support.waiting import eventually
from tests.support.worker import Inbox

Message = dict[str, Any]
Copy = dict[str, int]


def rows(messages: Iterable[Message]) -> list[Message]:
    """The documents that a snapshot has copied."""
    return [message for message in messages if "snapshot" in message and "documentKey" in message]


def operations(messages: Iterable[Message], *names: str) -> list[Message]:
    """The messages with one of these operations."""
    return [message for message in messages if message["operationType"] in names]


def completed(inbox: Inbox, timeout_s: float = 30.0, snapshots: int = 1) -> list[Message]:
    """All messages, in order, once so many snapshots are complete."""
    return inbox.once(lambda messages: len(operations(messages, "snapshotCompleted")) >= snapshots, timeout_s)


def source_of(*dbs: Database[Any]) -> Copy:
    """The versions that MongoDB holds, by name."""
    return {each["name"]: each["version"] for db in dbs for name in db.list_collection_names() for each in db[name].find()}


def copy_of(messages: Iterable[Message]) -> Copy:
    """The versions that a consumer has who goes through the messages in their order, by name."""
    copy: dict[str, dict[str, Message]] = {}
    for message in messages:
        operation, collection = message["operationType"], message.get("collection", "")
        documents = copy.setdefault(collection, {})
        if operation == "drop":
            documents.clear()
        elif operation == "rename":
            copy[message["to"]["collection"]] = copy.pop(collection)
        elif operation == "delete":
            documents.pop(key_of(message), None)
        elif message.get("fullDocument"):
            documents[key_of(message)] = message["fullDocument"]
    return {each["name"]: each["version"] for documents in copy.values() for each in documents.values()}


def steps_back(messages: Iterable[Message], version: str = "version") -> list[Message]:
    """The rows that are older than what came for their documents before, and the events after a row that lead behind it.

    `version` is the field that rises with every write.
    """
    last: dict[str, dict[str, tuple[int, bool]]] = defaultdict(dict)
    back = []
    for message in messages:
        operation, collection, is_row = message["operationType"], message.get("collection", ""), "snapshot" in message
        if operation == "drop":
            last.pop(collection, None)
        elif operation == "rename":
            last[message["to"]["collection"]] = last.pop(collection, {})
        elif operation == "delete":
            last[collection].pop(key_of(message), None)
        elif message.get("fullDocument"):
            now = message["fullDocument"][version]
            known, by_row = last[collection].get(key_of(message), (-1, False))
            if known > now and (is_row or by_row):
                back.append(message)
            last[collection][key_of(message)] = (now, is_row)
    return back


def twice(messages: Sequence[Message]) -> list[str]:
    """The documents that one snapshot has copied more than once."""
    copied = Counter((message["snapshot"], message["collection"], key_of(message)) for message in rows(messages))
    return [f"{collection}: {key}" for (_, collection, key), times in copied.items() if times > 1]


def key_of(message: Message) -> str:
    """The document's `_id`, as text."""
    return json.dumps(message["documentKey"]["_id"], sort_keys=True)


def check(inbox: Inbox, *dbs: Database[Any], timeout_s: float = 30.0) -> list[Message]:
    """Wait until the messages lead to what MongoDB holds, which nobody changes any more; returns all of them.

    Collections of several databases must differ in their names. AssertionError if the messages do not lead there in time, or lead
    back, or are numbered with gaps.
    """
    source = source_of(*dbs)

    def look() -> bool:
        differing = source.items() ^ copy_of(inbox.messages()).items()
        assert not differing, f"{len(differing)} differences to MongoDB, such as {sorted(differing)[:5]}"
        return True

    eventually(look, timeout_s, interval_s=0.3)
    records = inbox.records()
    check_partitions(records)
    messages = [record.json for record in records]
    assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))
    assert steps_back(messages) == []
    return messages
