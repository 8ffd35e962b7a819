"""The settings of one source: a TOML file, an `.env` file, or the environment."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from watcher.config.fault import Fault, Origin, did_you_mean, nearest
from watcher.config.settings import KEYS, TABLES

KAFKA_TABLE = "kafka"
TABLES_WITH_SECRETS = (KAFKA_TABLE, "schema_registry")
"""The tables in which any property may be kept in a file of its own."""


def table_of(key: str) -> str:
    """The table that an entry such as `kafka.linger.ms` belongs to; empty for a key of its own."""
    table, dot, _ = key.partition(".")
    return table if dot and table in TABLES else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as it was read, and its origin."""

    value: Any
    origin: Origin


@dataclass(slots=True)
class SettingsSource:
    """The values and faults of one source. An entry of a table has a key like `kafka.linger.ms`.

    `spell` returns a key as this source writes it. `settled` holds the keys that already have a fault, so that they are not also
    reported as missing. `keys` are the keys that are allowed here.
    """

    place: Origin
    spell: Callable[[str], str] = str
    entries: dict[str, Entry] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    keys: Collection[str] = KEYS

    def add_entry(self, key: str, value: Any, line: int | None) -> None:
        """Add a value."""
        self.entries[key] = Entry(value, self.at(line))

    def add_fault(self, key: str, text: str, *, line: int | None = None, hint: str = "") -> None:
        """Record a fault. `key` is spelled as in this source; it is empty if the fault is not about a single key."""
        self.faults.append(Fault(self.at(line), key, text, hint))

    def add_unknown(self, key: str, line: int | None) -> None:
        """Record that `key` is unknown, with the key that was probably meant."""
        hint = did_you_mean(key, map(self.spell, self.keys)) or "docs/configuration.md lists all keys"
        if key.lower() == "name":
            hint = "a watcher is named after its file"
        self.add_fault(key, "unknown key", line=line, hint=hint)
        self.settled.add(nearest(key, self.keys))

    def give_up(self, text: str, *, line: int | None = None, hint: str = "") -> None:
        """Record that this source cannot be read at all, so that its keys are not reported one by one."""
        self.add_fault("", text, line=line, hint=hint)
        self.settled.update(self.keys)

    def at(self, line: int | None) -> Origin:
        """The origin for a line of this source."""
        return Origin(self.place.source, line)
