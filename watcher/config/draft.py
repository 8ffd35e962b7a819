"""One watcher's settings while they are put together: layers, secrets from files, and the checks with texts of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from watcher.config.fault import Fault, Origin, Refused, did_you_mean
from watcher.config.masking import is_secret
from watcher.config.settings import Settings
from watcher.config.source import KAFKA_TABLE, Entry, Source

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

URI_KEYS = ("mongodb_uri", "mongodb_uri_file")
_PROPERTY_PREFIX = f"{KAFKA_TABLE}."
_LONGEST_QUOTE = 60

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
            settings = Settings.model_validate(self._values())
        except ValidationError as error:
            details = error.errors(include_url=False)
            self.faults.extend(fault for detail in details if (fault := self._fault(detail)))
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
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self._add_fault("mongodb_uri_file", entry.origin, f"cannot read {entry.value}: {reason}")
            self.settled.add("mongodb_uri")
        else:
            self.uri_file = path
            self.entries["mongodb_uri"] = Entry(uri, entry.origin)

    def _add_fault(self, key: str, origin: Origin, text: str, hint: str = "") -> None:
        self.faults.append(Fault(origin, self.spell(key), text, hint))

    def _values(self) -> dict[str, Any]:
        """The entries as the model wants them: one mapping, with the Kafka properties in one of their own."""
        values = {key: entry.value for key, entry in self.entries.items() if not key.startswith(_PROPERTY_PREFIX)}
        properties = {
            key.removeprefix(_PROPERTY_PREFIX): entry.value
            for key, entry in self.entries.items()
            if key.startswith(_PROPERTY_PREFIX)
        }
        return values | ({KAFKA_TABLE: properties} if properties else {}) | {"name": self.name}

    def _fault(self, detail: ErrorDetails) -> Fault | None:
        """The fault that pydantic's `detail` stands for; None if it only follows from another one."""
        key = _key(detail)
        entry = self.entries.get(key)
        if detail["type"] == "missing":
            if key in self.settled:
                return None
            return Fault(self.place, self.spell(key), "is missing", _MISSING_HINTS[key])
        if entry is None:
            return None
        text, hint = wording(key, detail)
        return Fault(entry.origin, key if key.startswith(_PROPERTY_PREFIX) else self.spell(key), text, hint)


def _key(detail: ErrorDetails) -> str:
    """The key a detail is about; one about the whole model is about the client id."""
    if not detail["loc"]:
        return "kafka_client_id"
    first, *rest = map(str, detail["loc"])
    return f"{first}.{rest[0]}" if first == KAFKA_TABLE and rest else first


def wording(key: str, detail: ErrorDetails) -> tuple[str, str]:
    """Text and hint for a value that the model does not take."""
    context = detail.get("ctx", {})
    if isinstance(refused := context.get("error"), Refused):
        return str(refused), refused.hint
    value = "" if is_secret(key) or key in URI_KEYS else _quoted(detail["input"])
    match detail["type"]:
        case "literal_error":
            choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ",").split(",")]
            return f"must be one of {', '.join(choices)}{value}", did_you_mean(str(detail["input"]), choices)
        case "greater_than_equal":
            return f"must be at least {context['ge']}{value}", ""
        case "less_than_equal":
            return f"must be at most {context['le']}{value}", ""
        case "tuple_type":
            return f"must be a list, or names separated by commas{value}", ""
        case "mapping_type" | "dict_type":
            return "must be a table", "write a [kafka] line, and the properties below it"
    return f"must be text{value}", ""


def _quoted(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return f", not {text}" if len(text) <= _LONGEST_QUOTE else ""
