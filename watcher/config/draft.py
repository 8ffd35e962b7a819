"""One watcher's settings while they are put together: layers, secrets from files, and faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from watcher.config.checked import Missing
from watcher.config.fault import Fault, Invalid, Origin, Refused
from watcher.config.files.secret_file import SUFFIX, read_text, secret_of, secret_path
from watcher.config.files.source import KAFKA_TABLE, TABLES_WITH_SECRETS, Entry, SettingsSource, table_of
from watcher.config.kafka.librdkafka_refusals import refused_by_librdkafka
from watcher.config.kafka_client import producer_properties
from watcher.config.mongodb.pymongo_refusals import refused_by_pymongo
from watcher.config.schema_registry import SCHEMA_REGISTRY, missing_files
from watcher.config.settings import TABLES, Settings
from watcher.config.transform import missing_function

_PROPERTY_PREFIX = f"{KAFKA_TABLE}."

PIPELINE = "pipeline"
PIPELINE_FILE = f"{PIPELINE}{SUFFIX}"

_MISSING_HINTS = {
    "mongodb_uri": "for example mongodb://localhost:27017/dashboard",
    "kafka_brokers": "for example localhost:9092",
    "kafka_client_id": "for example dashboard-watcher; no two watchers may share it",
    "schema_registry": '[schema_registry], and below it url = "http://localhost:8081"',
    "schema_registry.url": "for example http://localhost:8081",
}


@dataclass(slots=True)
class Draft:
    """The values and faults of one watcher before its settings are known to be good."""

    name: str
    place: Origin
    spell: Callable[[str], str]
    entries: dict[str, Entry]
    faults: list[Fault]
    settled: set[str] = field(default_factory=set)
    secret_files: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def layered(cls, name: str, own: SettingsSource, defaults: SettingsSource) -> Draft:
        """Lay the watcher's own source over the defaults, and read the secrets that are kept in files."""
        hidden = {rival for key in own.entries for rival in _rivals(key)}
        entries = {key: entry for key, entry in defaults.entries.items() if key not in hidden}
        draft = cls(
            name, own.place, own.spell, entries | own.entries, [*defaults.faults, *own.faults], own.settled | defaults.settled
        )
        draft._read_secret_files()
        draft._read_pipeline_file()
        return draft

    def origins(self) -> dict[str, Origin]:
        """The place where each value was set."""
        return {key: entry.origin for key, entry in self.entries.items()}

    def settings(self) -> Settings | None:
        """The checked settings; None if there is any fault. `faults` then holds all of them."""
        settings = None
        try:
            settings = Settings(**self._values())
        except Invalid as invalid:
            self.faults.extend(fault for refused in invalid.refusals if (fault := self._fault(refused)))
            self.settled.update(refused.key for refused in invalid.refusals)
        return None if self.faults else settings

    def ask_drivers(self) -> None:
        """Let pymongo and librdkafka check the values in which `settings` found no fault, and add the faults they find."""
        refusals: list[Refused] = []
        if "mongodb_uri" in self.entries and "mongodb_uri" not in self.settled:
            uri = str(self.entries["mongodb_uri"].value)
            refusals += [refused.within("mongodb_uri") for refused in refused_by_pymongo(uri)]
        if (entry := self.entries.get("transform")) and "transform" not in self.settled:
            missing = missing_function(str(entry.value), entry.origin.directory.parent)
            refusals += [refused.within("transform") for refused in missing]
        refusals += [refused.within(SCHEMA_REGISTRY) for refused in missing_files(self._table(SCHEMA_REGISTRY))]
        if KAFKA_TABLE not in self.settled:
            completed = partial(producer_properties, transactional_id=self._transactional_id())
            refusals += [refused.within(KAFKA_TABLE) for refused in refused_by_librdkafka(self._properties_to_ask(), completed)]
        self.faults.extend(fault for refused in refusals if (fault := self._fault(refused)))

    def _properties_to_ask(self) -> dict[str, Any]:
        """The properties without a fault. Those that could not be read get a placeholder, so that they do not count as missing."""
        unread = [key for key in self.settled if key.startswith(_PROPERTY_PREFIX) and key not in self.entries]
        stand_ins = {key.removeprefix(_PROPERTY_PREFIX): "?" for key in unread}
        faulty = {key.removeprefix(_PROPERTY_PREFIX) for key in self.settled}
        return {name: value for name, value in self._table(KAFKA_TABLE).items() if name not in faulty} | stand_ins

    def _transactional_id(self) -> str:
        delivery = self.entries.get("delivery")
        return "" if delivery and delivery.value == "at-least-once" else self.name

    def _read_secret_files(self) -> None:
        for file_key in [key for key in self.entries if _names_file(key)]:
            entry = self.entries.pop(file_key)
            key = file_key.removesuffix(SUFFIX)
            if key in self.entries:
                self._add_fault(file_key, entry.origin, f"is set beside {key.removeprefix(_PROPERTY_PREFIX)}", "keep one of them")
                continue
            try:
                self.entries[key] = Entry(self._read_secret_file(key, entry), entry.origin)
            except Refused as refused:
                self._add_fault(file_key, entry.origin, str(refused), refused.hint)
                self.settled.add(key)

    def _read_secret_file(self, key: str, entry: Entry) -> str:
        path = self.secret_files[key] = secret_path(entry.value, entry.origin.directory)
        return secret_of(key, path, entry.value)

    def _read_pipeline_file(self) -> None:
        """Put the stages in the place of the name of their file."""
        if (entry := self.entries.pop(PIPELINE_FILE, None)) is None:
            return
        if PIPELINE in self.entries:
            self._add_fault(PIPELINE_FILE, entry.origin, f"is set beside {PIPELINE}", "keep one of them")
            return
        try:
            text = read_text(secret_path(entry.value, entry.origin.directory), entry.value)
            self.entries[PIPELINE] = Entry(text, entry.origin)
        except Refused as refused:
            self._add_fault(PIPELINE_FILE, entry.origin, str(refused), refused.hint)
            self.settled.add(PIPELINE)

    def _add_fault(self, key: str, origin: Origin, text: str, hint: str = "") -> None:
        self.faults.append(Fault(origin, self._spelled(key), text, hint))

    def _values(self) -> dict[str, Any]:
        """The entries in the form that `Settings` takes: one mapping, with each table as a mapping inside it."""
        values = {key: entry.value for key, entry in self.entries.items() if not table_of(key)}
        values |= {table: entries for table in TABLES if (entries := self._table(table))}
        return values | {"name": self.name, "secret_files": self.secret_files}

    def _table(self, table: str) -> dict[str, Any]:
        return {key.removeprefix(f"{table}."): entry.value for key, entry in self.entries.items() if table_of(key) == table}

    def _fault(self, refused: Refused) -> Fault | None:
        """The refusal with its place; None if it only follows from another fault."""
        key = refused.key
        if isinstance(refused, Missing):
            return None if key in self.settled else Fault(self.place, self.spell(key), str(refused), _MISSING_HINTS[key])
        if (entry := self.entries.get(key) or self._first_below(key)) is None:
            return None
        return Fault(entry.origin, self._spelled(key), str(refused), refused.hint)

    def _first_below(self, table: str) -> Entry | None:
        """The first entry of a table, which gives the place of a fault that is about the whole table."""
        return next((entry for key, entry in self.entries.items() if key.startswith(f"{table}.")), None)

    def _spelled(self, key: str) -> str:
        return key if key.partition(".")[0] in TABLES else self.spell(key)


def _names_file(key: str) -> bool:
    return key.endswith(SUFFIX) and (key == f"mongodb_uri{SUFFIX}" or table_of(key) in TABLES_WITH_SECRETS)


def _rivals(key: str) -> tuple[str, str]:
    """A key and the key that names a file for it. A layer that sets one of them overrides both."""
    plain = key.removesuffix(SUFFIX)
    return plain, plain + SUFFIX
