"""A MongoDB in memory whose past can be read at any time, for the random model of snapshots.

Its clock ticks with every write. Transactions give several events one time, lookups may see the future up to the operation time of
their reply, members lag. A collection that was created, dropped or renamed cannot be read at a time before that, and a capped one
at no time but the present.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import bson
from bson.datetime_ms import DatetimeMS

from watcher.model import Batch, Position, ResumeToken, Ticks
from watcher.mongodb.split_events import event_token
from watcher.snapshot.ports import Read, Unreadable

DATABASE = "dashboard"
START = 1_700_000_000
WATCHED = ("a", "b", "c")
UNWATCHED = "elsewhere"
PLACES = {"a": ("one", "x"), "b": ("one", "y"), "c": ("two", "x"), UNWATCHED: (UNWATCHED, "x")}
"""The collections' databases and names in a scope of several databases."""
NAMES = {place: name for name, place in PLACES.items()}

IDS: tuple[Any, ...] = (1, 2, 3, "1", "x", 4.5)

State = dict[str, dict[Any, int]]


def name_of(message: Mapping[str, Any]) -> str:
    """The collection of a message, as `World` knows it; empty if the message names none."""
    collection = message.get("collection", "")
    return NAMES.get((message.get("database", ""), collection), collection)


def ticks(time: int) -> Ticks:
    return START + time // 3, time % 3 + 1


def token_at(time: int, number: int = 0, mark: str = "2B") -> ResumeToken:
    seconds, increment = ticks(time)
    return {"_data": f"82{seconds:08X}{increment:08X}{mark}{number:04X}"}


def order_of(key: Any) -> tuple[int, Any]:
    """MongoDB sorts numbers before text."""
    return (1, key) if isinstance(key, str) else (0, key)


@dataclass(frozen=True)
class Event:
    time: int
    number: int
    operation: str
    collection: str
    key: Any = None
    version: int = 0
    to: str = ""
    identity: int = 0

    @property
    def token(self) -> ResumeToken:
        return token_at(self.time, self.number, "2C")

    @property
    def is_wanted(self) -> bool:
        return self.collection in WATCHED or self.to in WATCHED


@dataclass
class World:
    """The documents, their past, and the oplog."""

    random: Random
    looks_up: bool
    is_shared: bool = False
    """The collections are in several databases of one scope."""
    writes: int = 0
    now: int = 10
    version: int = 0
    state: State = field(default_factory=dict)
    past: list[tuple[int, State]] = field(default_factory=list)
    past_identities: dict[int, dict[str, int]] = field(default_factory=dict)
    oplog: list[Event] = field(default_factory=list)
    named_at: dict[str, int] = field(default_factory=dict)
    renames: float = field(init=False)
    """Share of the renames among the writes."""
    identities: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.renames = self.random.choice((0.05, 0.1, 0.3))
        for collection in (*WATCHED, UNWATCHED):
            if self.random.random() < 0.8:
                self.state[collection] = {key: self._next_version() for key in IDS if self.random.random() < 0.7}
                self.identities[collection] = self._next_version()
        self._remember()

    def write(self) -> None:
        """Do one transaction, or change a collection as a whole, or let something else happen."""
        self.now += self.random.choice((1, 1, 2))
        kind = self.random.random()
        if kind < 0.2:
            pass  # something in another database
        elif kind < 0.27:
            self._drop()
        elif kind < 0.27 + self.renames:
            self._rename()
        else:
            for number in range(self.random.choice((1, 1, 2, 3, 4))):
                self._change(number)
        self._remember()
        self.writes -= 1

    def is_capped(self, collection: str) -> bool:
        """Return True if its past cannot be read. Such collections are left out where updates come without their documents."""
        return self.looks_up and self.identities.get(collection, 1) % 3 == 0

    def place_of(self, collection: str) -> tuple[str, str]:
        """The collection's database, and its name there."""
        return PLACES[collection] if self.is_shared else (DATABASE, collection)

    def named(self, collection: str) -> str:
        """The collection's name within the scope."""
        return ".".join(PLACES[collection]) if self.is_shared else collection

    def meant_by(self, name: str) -> str:
        """The collection of a name within the scope."""
        database, _, collection = name.partition(".")
        return NAMES[database, collection] if self.is_shared else name

    def at(self, time: Ticks) -> State:
        """The state at a cluster time."""
        return next(state for then, state in reversed(self.past) if ticks(then) <= time)

    def _change(self, number: int) -> None:
        collection = self.random.choice((*WATCHED, UNWATCHED))
        if collection not in self.state:
            if number:
                return  # a transaction creates none here
            self.state[collection] = {}
            self.identities[collection] = self._next_version()
            self.named_at[collection] = self.now
        documents = self.state[collection]
        key = self.random.choice(IDS)
        changes = ("delete", "update", "update", "update", "replace")
        operation = self.random.choice(changes) if key in documents else "insert"
        if operation == "delete":
            del documents[key]
            self._log(Event(self.now, number, operation, collection, key))
        else:
            documents[key] = self._next_version()
            self._log(Event(self.now, number, operation, collection, key, documents[key], identity=self.identities[collection]))

    def _drop(self) -> None:
        if self.state:
            collection = self.random.choice(sorted(self.state))
            del self.state[collection]
            self.named_at[collection] = self.now
            self._log(Event(self.now, 0, "drop", collection))

    def _rename(self) -> None:
        if self.state:
            collection = self.random.choice(sorted(self.state))
            to = self.random.choice([name for name in (*WATCHED, UNWATCHED) if name != collection])
            if to in self.state:
                self._log(Event(self.now, 0, "drop", to))
            self.state[to] = self.state.pop(collection)
            self.identities[to] = self.identities.pop(collection)
            self.named_at[to] = self.now
            self.named_at.pop(collection, None)
            self._log(Event(self.now, 1, "rename", collection, to=to))

    def _next_version(self) -> int:
        self.version += 1
        return self.version

    def _log(self, event: Event) -> None:
        if event.is_wanted:
            self.oplog.append(event)

    def _remember(self) -> None:
        self.past.append((self.now, copy.deepcopy(self.state)))
        self.past_identities[self.now] = {**self.identities}


@dataclass
class WorldStream:
    """The change stream of `World` for one worker: one or several events a reply, sometimes a reply that holds all that fits."""

    world: World
    index: int = 0
    token: ResumeToken = field(default_factory=dict)
    looked_at: int = 0
    operation_time: int = 0
    """The greatest of a reply to this session."""

    def open(self, position: Position) -> Batch:
        world, random = self.world, self.world.random
        self.token = position.token or token_at(world.now + 1)
        after = (index for index, event in enumerate(world.oplog) if event.token["_data"] > self.token["_data"])
        self.index = next(after, len(world.oplog))
        # A member that lags may answer, but none that is behind the token.
        known = max([10, *(event.time for event in world.oplog[: self.index])])
        return self._reply([], random.randint(known, world.now))

    def next(self, wait_ms: int | None = None) -> Batch:
        world, random = self.world, self.world.random
        assert wait_ms is None or wait_ms > 0
        for _ in range(min(max(world.writes, 0), random.choice((0, 1, 1, 2, 4)))):
            world.write()
        limit = random.choice((1, 2, 3, 100))
        found = world.oplog[self.index : self.index + limit]
        scanned, self.index = world.now, self.index + len(found)
        if found:
            self.token = found[-1].token
        # Only at the end of the oplog does a token get beyond the last event. It has passed whole transactions then.
        if self.index == len(world.oplog) and (not found or random.random() < 0.5):
            self.token = max(self.token, token_at(scanned, 99, "2C"), key=lambda token: str(token["_data"]))
        if world.writes > 0 and random.random() < 0.3:
            world.write()  # while the reply is being made
        more = len(found) == limit and random.random() < 0.3
        return self._reply([self._raw(event, world.now) for event in found], world.now, more=more)

    def _reply(self, events: Sequence[bytes], now: int, *, more: bool = False) -> Batch:
        self.operation_time = max(self.operation_time, now)
        time = ticks(now)
        return Batch(events, self.token, time[0], more=more, token_of=event_token, operation_time=time)

    def _raw(self, event: Event, now: int) -> bytes:
        database, collection = self.world.place_of(event.collection)
        fields: dict[str, Any] = {
            "_id": event.token,
            "operationType": event.operation,
            "wallTime": DatetimeMS(ticks(event.time)[0] * 1000),
            "ns": {"db": database, "coll": collection},
        }
        if event.operation == "rename":
            fields["to"] = dict(zip(("db", "coll"), self.world.place_of(event.to), strict=True))
        elif event.operation != "drop":
            fields["documentKey"] = {"_id": event.key}
        if event.operation in ("insert", "replace"):
            fields["fullDocument"] = {"_id": event.key, "version": event.version}
        if event.operation == "update":
            fields["updateDescription"] = {
                "updatedFields": {"version": event.version}, "removedFields": [], "truncatedArrays": []
            }  # fmt: skip
            if self.world.looks_up:
                fields["fullDocument"] = self._looked_up(event, now)
        return bson.encode(fields)

    def _looked_up(self, event: Event, now: int) -> dict[str, Any] | None:
        """The document at some time from the event on; a reply's lookups are made in order."""
        times = [then for then, _ in self.world.past if max(event.time, self.looked_at) <= then <= now]
        self.looked_at = self.world.random.choice(times) if times else now
        if self.world.past_identities[self.looked_at].get(event.collection) != event.identity:
            return None  # the name stands for another collection by then
        documents = self.world.at(ticks(self.looked_at)).get(event.collection, {})
        return {"_id": event.key, "version": documents[event.key]} if event.key in documents else None


@dataclass
class WorldDocuments:
    """The documents of `World`, as a snapshot reads them."""

    world: World
    stream: WorldStream

    def collections(self, beside: str = "") -> tuple[dict[str, object], Ticks]:
        named = self.world.identities
        there = {self.world.named(name): named[name] for name in self.world.state if name in WATCHED}
        if beside and self.world.is_shared:
            database = beside.partition(".")[0]
            there = {name: identity for name, identity in there.items() if name.startswith(f"{database}.")}
        return there, ticks(self.world.now)

    def try_out(self, queries: Mapping[str, str]) -> None:
        assert not queries

    def counts(self, chosen: Callable[[str], bool]) -> dict[str, int]:
        return {name: len(documents) for name, documents in self.world.state.items() if chosen(self.world.named(name))}

    def read(self, collection: str, after: bytes, at: Ticks, limit: int, query: str) -> Read:
        world = self.world
        collection = world.meant_by(collection)
        assert not query
        if world.is_capped(collection):
            return self._read_as_it_is(collection, after, at, limit)
        if at > ticks(world.now) or world.random.random() < 0.1:
            raise Unreadable("not at this time")
        if ticks(world.named_at.get(collection, 0)) > at:
            raise Unreadable("created or renamed after that time")
        if collection not in world.state:
            return Read([], complete=True, at=at)
        return self._read(collection, after, at, limit, at)

    def _read_as_it_is(self, collection: str, after: bytes, since: Ticks, limit: int) -> Read:
        """As of some time from `since` and what the session has seen up to the reply's operation time."""
        world, random = self.world, self.world.random
        if since > ticks(world.now):
            raise Unreadable("MongoDB has not come so far")
        earliest = max(since, ticks(self.stream.operation_time), ticks(world.named_at.get(collection, 0)))
        time = random.choice([ticks(then) for then, _ in world.past if ticks(then) >= earliest] or [ticks(world.now)])
        if world.writes > 0 and random.random() < 0.3:
            world.write()  # while the reply is being made
        return self._read(collection, after, time, limit, ticks(world.now))

    def _read(self, collection: str, after: bytes, time: Ticks, limit: int, at: Ticks) -> Read:
        world = self.world
        documents = world.at(time).get(collection, {})
        last = order_of(bson.decode(after)["_id"]) if after else None
        keys = sorted((key for key in documents if last is None or order_of(key) > last), key=order_of)
        limit = min(limit, world.random.choice((1, 2, 3)))
        found = [bson.encode({"_id": key, "version": documents[key]}) for key in keys[:limit]]
        return Read(found, complete=len(keys) < limit, at=at)
