"""Databases that two watchers send: their own, and one of several. It is no fault, since it is so while a database moves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from watcher.config.mongodb.scope import ALL
from watcher.config.mongodb.uri import parse_uri
from watcher.config.settings import Settings


class Overlap(NamedTuple):
    """Two watchers of one database: its own, and one of several."""

    own: str
    shared: str
    database: str

    def __str__(self) -> str:
        return f"{self.own}: {self.shared} watches its database {self.database} too, so both send its changes"

    @property
    def hint(self) -> str:
        """Remedy, if it is not meant so."""
        return f'in {self.shared}: exclude_databases = ["{self.database}"]'


def overlaps(watchers: Iterable[Settings]) -> Iterator[Overlap]:
    """Yield the watchers of one database that another one of the same MongoDB watches too; at most one for each."""
    alone, several = list[Settings](), list[Settings]()
    for settings in watchers:
        (several if settings.scope.is_shared else alone).append(settings)
    for own in alone:
        name = own.scope.place_of(ALL)[0]
        if shared := next((each for each in several if _watches(each, own, name)), None):
            yield Overlap(own.name, shared.name, name)


def _watches(shared: Settings, own: Settings, database: str) -> bool:
    scope = shared.scope
    return scope.has_database(database) and scope.may_watch(f"{database}.{ALL}") and not hosts(shared).isdisjoint(hosts(own))


def hosts(settings: Settings) -> set[str]:
    """Return the addresses in a watcher's `mongodb_uri`."""
    return set(parse_uri(settings.mongodb_uri.get_secret_value()).hosts.split(","))
