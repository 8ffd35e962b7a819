"""What one place that holds settings says: a TOML file, an `.env` file, or the environment."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from watcher.config.fault import Fault, Origin, did_you_mean, nearest
from watcher.config.settings import KEYS

KAFKA_TABLE = "kafka"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as it was read, and where."""

    value: Any
    origin: Origin


@dataclass(slots=True)
class SettingsSource:
    """What one place says. `spell` writes a key as that place does; a property of `[kafka]` has a key like `kafka.linger.ms`.

    `settled` holds the keys about which a fault has been found already, so that nobody reports them as missing as well. `keys` are
    those that may stand here.
    """

    place: Origin
    spell: Callable[[str], str] = str
    entries: dict[str, Entry] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    keys: Collection[str] = KEYS

    def add_entry(self, key: str, value: Any, line: int | None) -> None:
        """Take in a value."""
        self.entries[key] = Entry(value, self.at(line))

    def add_fault(self, key: str, text: str, *, line: int | None = None, hint: str = "") -> None:
        """Record a fault; `key` as it is written here, empty if it is about no single one."""
        self.faults.append(Fault(self.at(line), key, text, hint))

    def add_unknown(self, key: str, line: int | None) -> None:
        """Record that nobody knows `key`, with the key that was probably meant."""
        hint = did_you_mean(key, map(self.spell, self.keys)) or "docs/configuration.md lists all keys"
        if key.lower() == "name":
            hint = "a watcher is named after its file"
        self.add_fault(key, "unknown key", line=line, hint=hint)
        self.settled.add(nearest(key, self.keys))

    def give_up(self, text: str, *, line: int | None = None, hint: str = "") -> None:
        """Record that this place cannot be understood at all, so that nothing can be said about single keys."""
        self.add_fault("", text, line=line, hint=hint)
        self.settled.update(self.keys)

    def at(self, line: int | None) -> Origin:
        """A line of this place."""
        return Origin(self.place.source, line)
