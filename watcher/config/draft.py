"""One watcher's settings while they are put together: layers, secrets from files, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watcher.config.checked import Missing
from watcher.config.fault import Fault, Invalid, Origin, Refused, why_unread
from watcher.config.settings import Settings
from watcher.config.source import KAFKA_TABLE, Entry, Source

URI_KEYS = ("mongodb_uri", "mongodb_uri_file")
_PROPERTY_PREFIX = f"{KAFKA_TABLE}."

_MISSING_HINTS = {
    "mongodb_uri": "for example mongodb://localhost:27017/dashboard",
    "kafka_brokers": "for example localhost:9092",
    "kafka_client_id": "for example dashboard-watcher; no two watchers may share it",
}


@dataclass(slots=True)
class Draft:
    """What is known of a watcher before it is known to be good."""

    name: str
    place: Origin
    spell: Callable[[str], str]
    entries: dict[str, Entry]
    faults: list[Fault]
    settled: set[str] = field(default_factory=set)
    uri_file: Path | None = None

    @classmethod
    def layered(cls, name: str, own: Source, defaults: Source) -> Draft:
        """The watcher's own source over the defaults, with the URI read from its file if it lies in one."""
        entries = dict(defaults.entries)
        if any(key in own.entries for key in URI_KEYS):
            entries = {key: entry for key, entry in entries.items() if key not in URI_KEYS}
        draft = cls(
            name, own.place, own.spell, entries | own.entries, [*defaults.faults, *own.faults], own.settled | defaults.settled
        )
        draft._read_uri_file()
        return draft

    def origins(self) -> dict[str, Origin]:
        """Where each value was set."""
        return {key: entry.origin for key, entry in self.entries.items()}

    def settings(self) -> Settings | None:
        """The checked settings; None if there is any fault, in which case `faults` holds them all."""
        settings = None
        try:
            settings = Settings(**self._values())
        except Invalid as invalid:
            self.faults.extend(fault for refused in invalid.refusals if (fault := self._fault(refused)))
        return None if self.faults else settings

    def _read_uri_file(self) -> None:
        entry = self.entries.pop("mongodb_uri_file", None)
        if entry is None:
            return
        if "mongodb_uri" in self.entries:
            self._add_fault("mongodb_uri_file", entry.origin, "is set beside mongodb_uri", "keep one of them")
            return
        base = entry.origin.source.parent if isinstance(entry.origin.source, Path) else Path()
        path = base / str(entry.value)
        try:
            uri = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason, hint = why_unread(error)
            self._add_fault("mongodb_uri_file", entry.origin, f"cannot read {entry.value}: {reason}", hint)
            self.settled.add("mongodb_uri")
        else:
            self.uri_file = path
            self.entries["mongodb_uri"] = Entry(uri, entry.origin)

    def _add_fault(self, key: str, origin: Origin, text: str, hint: str = "") -> None:
        self.faults.append(Fault(origin, self.spell(key), text, hint))

    def _values(self) -> dict[str, Any]:
        """The entries as the settings want them: one mapping, with the Kafka properties in one of their own."""
        values = {key: entry.value for key, entry in self.entries.items() if not key.startswith(_PROPERTY_PREFIX)}
        properties = {
            key.removeprefix(_PROPERTY_PREFIX): entry.value
            for key, entry in self.entries.items()
            if key.startswith(_PROPERTY_PREFIX)
        }
        return values | ({KAFKA_TABLE: properties} if properties else {}) | {"name": self.name}

    def _fault(self, refused: Refused) -> Fault | None:
        """The refusal with its place; None if it only follows from another one."""
        key = refused.key
        if isinstance(refused, Missing):
            return None if key in self.settled else Fault(self.place, self.spell(key), str(refused), _MISSING_HINTS[key])
        if (entry := self.entries.get(key)) is None:
            return None
        return Fault(entry.origin, key if key.startswith(_PROPERTY_PREFIX) else self.spell(key), str(refused), refused.hint)
