"""Compares an old watcher's messages with ours, for the time when both run."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from watcher.config import Settings
from watcher.consumer.delivered import decoded
from watcher.consumer.reading.topics import places_of
from watcher.decoding.message import UnknownMessage
from watcher.decoding.places import TopicPlaces
from watcher.kafka.log_reader import Record
from watcher.verification.difference import Difference, changes, is_same, shown
from watcher.verification.errors import NoSuchTopics, NothingDelivered
from watcher.verification.lineage import naming_of
from watcher.verification.normalizing import ABSENT, or_null
from watcher.verification.old_side import NotOfOldSide, OldSide
from watcher.verification.pairing import Pair, Pairing, Told
from watcher.verification.records import TopicReader

VERSION = 1
EXAMPLES = 10
ROWS_AT_ONCE = 5000

OUTCOMES = ("same", "different", "onlyOld", "onlyNew")
FAULTS = OUTCOMES[1:]

Row = tuple[str, str]
"""Collection and operation."""


@dataclass(frozen=True, slots=True)
class ChangeExample:
    """One change on which the two sides disagree. In a `Difference`, `left` is the old side. `topic` is that of the old message."""

    outcome: str
    collection: str
    operation: str
    topic: str | None
    key: str
    time_ms: int
    changes: tuple[Difference, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The example in the form of `--json`."""
        return {
            "outcome": self.outcome,
            "collection": self.collection,
            "operation": self.operation,
            "topic": self.topic,
            "key": self.key,
            "timeMs": self.time_ms,
            "changes": [change.as_json() for change in self.changes],
        }


@dataclass(slots=True)
class Comparison:
    """The outcome of a comparison. `unread` counts messages that could not be brought into the mapping's form. `outside` counts
    messages that have no counterpart yet, or were sent before both sides ran. `absent` are topics that were named and that Kafka
    does not have.
    """

    counts: dict[Row, Counter[str]] = field(default_factory=dict)
    examples: list[ChangeExample] = field(default_factory=list)
    unread: int = 0
    outside: int = 0
    absent: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """True if both sides reported the same changes, and at least one."""
        return any(self.counts.values()) and not any(counts[fault] for counts in self.counts.values() for fault in FAULTS)

    def add(self, outcome: str, told: Told, changes: tuple[Difference, ...] = ()) -> None:
        """Count one change. The first few of each outcome are kept as examples."""
        self.counts.setdefault((told.collection, told.operation), Counter())[outcome] += 1
        if outcome in FAULTS and sum(example.outcome == outcome for example in self.examples) < EXAMPLES:
            topic = None if told.ours else told.topic
            self.examples.append(ChangeExample(outcome, told.collection, told.operation, topic, told.key, told.time_ms, changes))

    def as_json(self) -> dict[str, Any]:
        """The comparison in the form of `--json`; docs/verification.md describes the keys."""
        rows = [
            {"collection": collection, "operation": operation, **{outcome: counts[outcome] for outcome in OUTCOMES}}
            for (collection, operation), counts in sorted(self.counts.items())
        ]
        return {
            "version": VERSION,
            "agrees": self.agrees,
            "rows": rows,
            "examples": [example.as_json() for example in self.examples],
            "unread": self.unread,
            "outside": self.outside,
            "absent": self.absent,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """The two sides to compare. `our_topics` tells which topics are ours, and `named` has their names if they were given. `watcher`
    is the one whose messages count there; None: all.
    """

    settings: Settings
    old: OldSide
    our_topics: Callable[[str], bool]
    watcher: str | None
    since: datetime | None = None
    window_s: float = 60.0
    named: frozenset[str] = frozenset()


def compare(request: Request, directory: Path, progress: Callable[[str, int, int], None]) -> Comparison:
    """Read both sides up to now and compare them.

    Raises NoSuchTopics, NothingDelivered, ReadError, NotPermitted, ConfigurationError.
    """
    result = Comparison()
    pairing = Pairing(directory)
    now_ms = int(time.time() * 1000)
    try:
        for ours in (False, True):
            _read_side(request, pairing, result, progress, ours=ours)
        begin_ms = _begin_ms(request, pairing)
        last_ms = now_ms - int(request.window_s * 1000)
        for pair in pairing.pairs(int(request.window_s * 1000)):
            _judge(pair, result, begin_ms, last_ms)
    finally:
        pairing.close()
    return result


def _read_side(
    request: Request, pairing: Pairing, result: Comparison, progress: Callable[[str, int, int], None], *, ours: bool
) -> None:
    told: list[Told] = []
    phase = "reading our topics" if ours else "reading the old topics"
    numbers, places = itertools.count(1), places_of(request.settings)

    def take(record: Record) -> None:
        try:
            told.extend(_our_record(request, places, record, next(numbers)) if ours else request.old.told(record))
        except NotOfOldSide:
            result.unread += 1
        if len(told) >= ROWS_AT_ONCE:
            pairing.add(told)
            told.clear()

    since_ms = int((request.since.timestamp() - request.window_s) * 1000) if request.since else None
    wanted = request.our_topics if ours else request.old.has
    with TopicReader(request.settings, wanted, since_ms) as reader:
        reader.read(take, lambda done, total: progress(phase, done, total))
        absent = sorted(request.named - reader.topics) if ours else request.old.absent(reader.topics)
        if absent and not reader.topics:
            raise NoSuchTopics(f"Kafka has no topic {' or '.join(absent)}", ours=ours)
        if not reader.topics:
            name = request.settings.name
            raise NothingDelivered(f"Kafka has no topic of '{name}' yet", hint=f"start it first: watcherctl start {name}")
    result.absent += absent
    pairing.add(told)


def _our_record(request: Request, places: TopicPlaces, record: Record, number: int) -> Iterable[Told]:
    """The changes that a record of ours reports; nothing if it is not one of ours."""
    try:
        message = decoded(record, places)
    except UnknownMessage:
        return ()
    if "sequence" not in message or request.watcher not in (None, message["watcher"]):
        return ()
    return request.old.our_told(naming_of(request.settings.scope)(message), number)


def _begin_ms(request: Request, pairing: Pairing) -> int:
    """The time from which both sides ran, in milliseconds since 1970. A message that one side sent earlier has no counterpart."""
    if request.since:
        return int(request.since.timestamp() * 1000)
    firsts = [first for ours in (False, True) if (first := pairing.first_ms(ours=ours)) is not None]
    return max(firsts, default=0)


def _judge(pair: Pair, result: Comparison, begin_ms: int, last_ms: int) -> None:
    told = pair.old or pair.ours
    assert told is not None  # noqa: S101  # for mypy
    if pair.old and pair.ours:
        found = tuple(_changes(pair.old, pair.ours))
        result.add("different" if found else "same", told, found)
    elif begin_ms <= told.time_ms <= last_ms:
        result.add("onlyOld" if pair.old else "onlyNew", told)
    else:
        result.outside += 1


def _changes(old: Told, ours: Told) -> Iterable[Difference]:
    """Yield the mapped fields that differ. Null and a missing field count as equal, as they do for most readers of JSON."""
    for path, value in old.values.items():
        if not is_same(or_null(value), or_null(ours.values.get(path, ABSENT))):
            yield from _differences(path, value, ours.values.get(path, ABSENT))


def _differences(path: str, value: Any, other: Any) -> Iterable[Difference]:
    """The places in a field that differ, if both sides have an object or an array there; else the field."""
    if ABSENT in (value, other) or not isinstance(value, dict | list) or type(value) is not type(other):
        return (Difference(path, _shown(value), _shown(other)),)
    return (each._replace(path=f"{path}.{each.path}") for each in changes(value, other))


def _shown(value: Any) -> str | None:
    return None if value == ABSENT else shown(value)
