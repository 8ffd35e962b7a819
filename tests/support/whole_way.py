"""Random lives of a database: what is done to it, the messages that must come of that, and what a consumer makes of them.

A script is data: hypothesis draws and shrinks it. What an operation leads to is taken from MongoDB's own answers, so that any
script makes sense in any state: an upsert is an insert or an update, and a delete that finds nothing is no event at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.results import UpdateResult

Document = dict[str, Any]
Group = list["Event"]
"""Events in an order that MongoDB is free to choose."""

UPDATE_OR_REPLACE = "update or replace"
"""An update by a pipeline is told as a replace where the difference would be larger than the document."""

COLLECTIONS = ("users", "organizations", "schedules")
IDS = (1, 2, "three")
CHANGES = {"replace": "replace", "set": "update", "unset": "update", "push": "update", "trim": UPDATE_OR_REPLACE}
"""Effect of each kind of write on a document that is there."""


class Event(NamedTuple):
    """Content of a message. `number` is the write's, in its document; a delete and a control message have none."""

    operation: str
    collection: str | None = None
    id: Any = None
    number: int | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A change of one document: `kind` is delete, or else replace, set, unset, push or trim, which insert it if it isn't there."""

    kind: str
    collection: str
    id: Any
    value: Any = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """Writes to several collections, all or nothing."""

    writes: tuple[Write, ...]
    commits: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """Of a collection."""

    collection: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Of a collection, over another one if that is there."""

    collection: str
    to: str


@dataclass(frozen=True, slots=True)
class DropDatabase:
    """Of the database; what comes next makes it anew."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A snapshot that a command asks for, of these collections, or of all; if `ids` are given, only of the documents with those."""

    collections: tuple[str, ...] = ()
    ids: tuple[Any, ...] | None = None

    def holds(self, collection: str, _id: Any) -> bool:
        """Return True if a document is to be copied."""
        return (not self.collections or collection in self.collections) and (self.ids is None or _id in self.ids)


Step = Write | Transaction | Drop | Rename | DropDatabase | Copy


class Aborted(Exception):
    """A transaction of the script's ends so."""


class Author:
    """Carries steps out, and collects the events that MongoDB's answers announce, in `expected`, and the snapshots that begin, in
    `copies`. `start_copy` asks for one; it returns False if one is under way."""

    def __init__(self, client: MongoClient[Document], name: str, start_copy: Callable[[Copy], bool]) -> None:
        self._client = client
        self._database: Database[Document] = client.get_database(name, write_concern=WriteConcern("majority"))
        self._numbers = count(1)
        self._start_copy = start_copy
        self.expected: list[Group] = []
        self.copies: list[Copy] = []

    @property
    def events(self) -> int:
        """Return how many messages must come."""
        return sum(len(group) for group in self.expected)

    def do(self, step: Step) -> None:
        """Carry one step out."""
        match step:
            case Write():
                self._expect(*self._write(step))
            case Transaction():
                self._transact(step)
            case Drop(collection):
                self._drop(collection)
            case Rename(collection, to):
                self._rename(collection, to)
            case DropDatabase():
                self._drop_database()
            case Copy():
                self.copies += [step] if self._start_copy(step) else []

    def state(self) -> dict[str, dict[Any, Document]]:
        """All documents, by collection and id; no empty collections."""
        found = {name: {document["_id"]: document for document in self._database[name].find()} for name in self._existing()}
        return {name: documents for name, documents in found.items() if documents}

    def _expect(self, *events: Event) -> None:
        self.expected.extend([event] for event in events)

    def _existing(self) -> list[str]:
        return self._database.list_collection_names()

    def _write(self, write: Write, session: ClientSession | None = None) -> list[Event]:
        """The event of a write, if it has one."""
        number = next(self._numbers)
        collection = self._database[write.collection]
        if write.kind == "delete":
            deleted = collection.delete_one({"_id": write.id}, session=session).deleted_count
            return [Event("delete", write.collection, write.id)] * deleted
        result = put(collection, write, number, session)
        operation = "insert" if result.upserted_id is not None else CHANGES[write.kind]
        return [Event(operation, write.collection, write.id, number)]

    def _transact(self, transaction: Transaction) -> None:
        def body(session: ClientSession) -> list[Event]:
            events = [event for write in transaction.writes for event in self._write(write, session)]
            if not transaction.commits:
                raise Aborted
            return events

        with self._client.start_session() as session, contextlib.suppress(Aborted):
            self._expect(*session.with_transaction(body, write_concern=WriteConcern("majority")))

    def _drop(self, collection: str) -> None:
        if collection in self._existing():
            self._database.drop_collection(collection)
            self._expect(Event("drop", collection))

    def _rename(self, collection: str, to: str) -> None:
        if collection != to and collection in self._existing():
            self._database[collection].rename(to, dropTarget=True)
            self._expect(Event("rename", collection, to=to))

    def _drop_database(self) -> None:
        if existing := self._existing():
            self._client.drop_database(self._database.name)
            self.expected.append([Event("drop", collection) for collection in existing])
            self._expect(Event("dropDatabase"), Event("invalidate"))


def put(collection: Collection[Document], write: Write, number: int, session: ClientSession | None) -> UpdateResult:
    """A write that leaves a document, with `number` in its field `n`."""
    identity = {"_id": write.id}
    options: dict[str, Any] = {"upsert": True, "session": session}
    match write.kind:
        case "replace":
            return collection.replace_one(identity, {"n": number, **write.value}, **options)
        case "set":
            return collection.update_one(identity, {"$set": {"n": number, **write.value}}, **options)
        case "unset":
            return collection.update_one(identity, {"$set": {"n": number}, "$unset": {write.value: ""}}, **options)
        case "push":
            return collection.update_one(identity, {"$set": {"n": number}, "$push": {"list": write.value}}, **options)
        case "trim":  # by a pipeline: such an update tells of truncated arrays
            trimmed = {"$slice": [{"$ifNull": ["$list", []]}, write.value]}
            return collection.update_one(identity, [{"$set": {"n": number, "list": trimmed}}], **options)
    raise ValueError(write.kind)


def check_events(expected: Sequence[Group], messages: Sequence[Document]) -> None:
    """Raise AssertionError unless the messages, in order of their `sequence`, tell of the expected events in their order."""
    seen = iter(event_in(message) for message in messages)
    for place, group in enumerate(expected):
        came = [loosely(event, wanted) for wanted, event in zip(group, seen, strict=False)]
        assert sorted(came, key=repr) == sorted(group, key=repr), f"event {place}: expected {group}, and there came {came}"
    assert not (more := list(seen)), f"events that never were, or come twice: {more}"


def loosely(event: Event, wanted: Event) -> Event:
    """The event, in the words of the one that is wanted where that leaves a choice."""
    leaves_choice = wanted.operation == UPDATE_OR_REPLACE and event.operation in ("update", "replace")
    return event._replace(operation=UPDATE_OR_REPLACE) if leaves_choice else event


def event_in(message: Document) -> Event:
    """The event that a message tells of."""
    operation, collection = message["operationType"], message.get("collection")
    if "documentKey" not in message:
        return Event(operation, collection, to=message.get("to", {}).get("collection"))
    changed = message["updateDescription"]["updatedFields"] if operation == "update" else message.get("fullDocument", {})
    return Event(operation, collection, message["documentKey"]["_id"], changed.get("n"))
