"""Changes that two watchers send to the same topics. It is no fault, since it is so while a database moves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

from watcher.config.mongodb.collections import is_glob
from watcher.config.mongodb.globs import lies_in, may_meet
from watcher.config.mongodb.scope import ALL, WITHOUT_CHANGE_STREAM, Pattern, Scope
from watcher.config.mongodb.uri import parse_uri
from watcher.config.settings import Settings
from watcher.config.topics.name import topic_name
from watcher.operations import ROW_OPERATIONS


class Overlap(NamedTuple):
    """Two watchers that send changes of the same databases, given by name or glob, to the same topics; and the remedy, if it is not
    meant so."""

    watcher: str
    other: str
    databases: str
    hint: str

    def __str__(self) -> str:
        return f"{self.watcher}: {self.text}"

    @property
    def reversed(self) -> Overlap:
        """The same, said of the other watcher."""
        return self._replace(watcher=self.other, other=self.watcher)

    @property
    def text(self) -> str:
        """The sentence without the name of the watcher."""
        what = f"databases {self.databases}" if is_glob(self.databases) else f"its database {self.databases}"
        whose = "their" if is_glob(self.databases) else "its"
        return f"{self.other} watches {what} too, so both send {whose} changes to the same topics"


def overlaps(watchers: Iterable[Settings]) -> Iterator[Overlap]:
    """Yield the pairs of watchers that send the same changes to the same topics; each once."""
    for one, other in _of_one_mongodb(watchers):
        for pattern in _common(one.scope, other.scope):
            if _share_topics(one, other, pattern):
                yield Overlap(one.name, other.name, pattern, _remedy(one, other, pattern))
                break


def _of_one_mongodb(watchers: Iterable[Settings]) -> Iterator[tuple[Settings, Settings]]:
    """Yield the pairs that could overlap: hundreds of watchers of a database each make no pair, unless it is the same database."""
    alone: dict[str, list[Settings]] = {}
    several: list[Settings] = []
    for each in watchers:
        (several if each.scope.is_shared else alone.setdefault(each.scope.name, [])).append(each)
    pairs = [pair for group in alone.values() for pair in combinations(group, 2)]
    pairs += [(own, shared) for group in alone.values() for own in group for shared in several]
    for one, other in (*pairs, *combinations(several, 2)):
        if not hosts(one).isdisjoint(hosts(other)):
            yield one, other


def _common(one: Scope, other: Scope) -> Iterator[str]:
    """Yield the names and globs of databases of which both watch the same collections, the narrower one of two globs."""
    for ours in _areas(one):
        for theirs in _areas(other):
            meet = may_meet(ours.database, theirs.database) and may_meet(ours.collection, theirs.collection)
            if meet and not any(_leaves_out(scope, area) for scope in (one, other) for area in (ours, theirs)):
                yield ours.database if lies_in(ours.database, theirs.database) else theirs.database


def _areas(scope: Scope) -> Iterator[Pattern]:
    """Yield what the scope watches, as patterns."""
    for text in scope.watch_collections or (ALL,):
        pattern = scope.pattern_of(text)
        for database in (scope.single,) if scope.single is not None else scope.databases:
            if may_meet(database, pattern.database):
                yield pattern if lies_in(pattern.database, database) else pattern._replace(database=database)


def _leaves_out(scope: Scope, area: Pattern) -> bool:
    """Return True if the scope excludes all of an area."""
    if scope.is_shared and any(lies_in(area.database, each) for each in (*WITHOUT_CHANGE_STREAM, *scope.exclude_databases)):
        return True
    excluded = map(scope.pattern_of, scope.exclude_collections)
    return any(lies_in(area.database, each.database) and lies_in(area.collection, each.collection) for each in excluded)


def _share_topics(one: Settings, other: Settings, databases: str) -> bool:
    """Return True if some operation goes to one topic from both. What different pipelines let through cannot be told."""
    if one.pipeline != other.pipeline or set(one.kafka_brokers.split(",")).isdisjoint(other.kafka_brokers.split(",")):
        return False
    database = None if is_glob(databases) else databases
    left_out = {*one.exclude_operations, *other.exclude_operations}
    sent = [operation for operation in ROW_OPERATIONS if operation not in left_out]
    topics = ([topic_name(each.topic_templates[operation], operation, database) for operation in sent] for each in (one, other))
    return any(ours == theirs for ours, theirs in zip(*topics, strict=True))


def _remedy(one: Settings, other: Settings, databases: str) -> str:
    for wide in (other, one):
        if wide.scope.is_shared and databases not in wide.scope.databases:
            return f'in {wide.name}: exclude_databases = ["{databases}"]'
    return f"give {other.name} topics of its own, or other collections, or remove it"


def hosts(settings: Settings) -> set[str]:
    """Return the addresses in a watcher's `mongodb_uri`."""
    return set(parse_uri(settings.mongodb_uri.get_secret_value()).hosts.split(","))
