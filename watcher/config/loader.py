"""Loading of conf.d into checked settings. A fault in one watcher never hides the others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from watcher.config.draft import Draft
from watcher.config.fault import Fault, Origin, Refused, configuration_error, did_you_mean
from watcher.config.files.conf_dir import DEFAULTS_FILE, list_conf_dir, name_refusal, read_file, same_name_faults
from watcher.config.files.env_file import read_environment
from watcher.config.files.source import SettingsSource
from watcher.config.mongodb.uri import parse_uri
from watcher.config.settings import Settings
from watcher.config.shared_topics import refuse_shared_topics
from watcher.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A whole conf.d: the good watchers, the broken ones with their faults, and the faults of the directory itself.

    `origins` holds the place where each value of each watcher was set. A key that is missing there has its built-in value.
    `secret_files` are the files named by mongodb_uri_file and similar keys, whether they could be read or not.
    `shared_client_ids` names the watchers of each client id that several watchers have.
    """

    watchers: Mapping[str, Settings] = field(default_factory=dict)
    broken: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    general: tuple[Fault, ...] = ()
    origins: Mapping[str, Mapping[str, Origin]] = field(default_factory=dict)
    secret_files: frozenset[Path] = frozenset()
    shared_client_ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all watchers, good or broken."""
        return tuple(sorted({*self.watchers, *self.broken}))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, each once."""
        return tuple(dict.fromkeys(chain(self.general, *self.broken.values())))

    def one(self, name: str) -> Settings:
        """The settings of the watcher `name`. Raises `ConfigurationError` with all its faults, or if there is no such watcher."""
        if name in self.watchers:
            return self.watchers[name]
        if name in self.broken:
            raise configuration_error(self.broken[name])
        if not self.names and self.general:
            raise configuration_error(self.general)
        raise ConfigurationError(
            f"there is no watcher '{name}'", hint=did_you_mean(name, self.names) or f"there are: {', '.join(self.names)}"
        )


def load(conf_dir: Path, environment: Mapping[str, str] | None = None, *, ask_drivers: bool = False) -> Loaded:
    """Load everything in `conf_dir`. `${NAME}` is taken from `environment`, by default the process's own. Raises nothing.

    With `ask_drivers` pymongo and librdkafka check the values as well. Importing them takes a moment.
    """
    environment = os.environ if environment is None else environment
    listing = list_conf_dir(conf_dir)
    defaults = _read_defaults(conf_dir / DEFAULTS_FILE, environment)
    drafts = [_draft(name, paths, defaults, environment) for name, paths in listing.files.items()]
    shared = _refuse_shared_client_ids(drafts)
    settings = {draft.name: _settings(draft, ask_drivers=ask_drivers) for draft in drafts}
    refuse_shared_topics(drafts, settings)
    return Loaded(
        watchers={draft.name: value for draft in drafts if (value := settings[draft.name]) and not draft.faults},
        broken={draft.name: tuple(sorted(draft.faults, key=_place)) for draft in drafts if draft.faults},
        general=(*listing.faults, *defaults.faults),
        origins={draft.name: draft.origins() for draft in drafts},
        secret_files=frozenset(path for draft in drafts for path in draft.secret_files.values()),
        shared_client_ids=shared,
    )


def load_one(conf_dir: Path, name: str, environment: Mapping[str, str] | None = None) -> Settings:
    """Load the watcher `name` from `conf_dir`. Raises `ConfigurationError` with all its faults, or if there is no such watcher."""
    return load(conf_dir, environment).one(name)


def load_env_file(path: Path, name: str | None = None) -> Settings:
    """Load a single watcher from an `.env` file, without a conf.d. It is called `name`, or by default like its database,
    with several databases like its client id.

    Raises `ConfigurationError` with all faults.
    """
    return _single(read_file(path, os.environ), name)


def load_environment(name: str | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Load a single watcher from `environment`, by default the process's own, for containers. It is named as in `load_env_file`.

    Raises `ConfigurationError` with all faults.
    """
    return _single(read_environment(os.environ if environment is None else environment), name)


def _settings(draft: Draft, *, ask_drivers: bool) -> Settings | None:
    settings = draft.settings()
    if ask_drivers:
        draft.ask_drivers()
    return None if draft.faults else settings


def _place(fault: Fault) -> tuple[str, int]:
    return str(fault.origin.source), fault.origin.line or 0


def _read_defaults(path: Path, environment: Mapping[str, str]) -> SettingsSource:
    return read_file(path, environment) if os.path.lexists(path) else SettingsSource(Origin(path))


def _draft(name: str, paths: list[Path], defaults: SettingsSource, environment: Mapping[str, str]) -> Draft:
    draft = Draft.layered(name, read_file(paths[0], environment), defaults)
    draft.faults.extend(same_name_faults(paths))
    return draft


def _refuse_shared_client_ids(drafts: Iterable[Draft]) -> dict[str, tuple[str, ...]]:
    """Add a fault to each watcher that shares its client id, and return those ids with the names of their watchers.

    Two watchers with the same client id would share a position, and fence each other again and again.
    """
    users: dict[str, list[Draft]] = {}
    for draft in drafts:
        if entry := draft.entries.get("kafka_client_id"):
            users.setdefault(str(entry.value), []).append(draft)
    shared = {client_id: sharing for client_id, sharing in users.items() if len(sharing) > 1}
    for sharing in shared.values():
        for draft in sharing:
            _refuse_client_id(draft, [other for other in sharing if other is not draft])
    return {client_id: tuple(draft.name for draft in sharing) for client_id, sharing in shared.items()}


def _refuse_client_id(draft: Draft, others: list[Draft]) -> None:
    entry = draft.entries["kafka_client_id"]
    places = ", ".join(str(other.entries["kafka_client_id"].origin) for other in others)
    text = f"'{entry.value}' is also the client id of {', '.join(other.name for other in others)} ({places})"
    draft.faults.append(Fault(entry.origin, draft.spell("kafka_client_id"), text, "give each watcher its own"))


def _single(source: SettingsSource, name: str | None) -> Settings:
    draft = Draft.layered("", source, SettingsSource(source.place))
    draft.name = _single_name(draft, name)
    settings = draft.settings()
    if settings is None:
        raise configuration_error(draft.faults)
    return settings


def _single_name(draft: Draft, name: str | None) -> str:
    if name is None and (entry := draft.entries.get("mongodb_uri")):
        try:
            name = parse_uri(str(entry.value)).database or _client_id(draft)
        except Refused:
            name = None  # the URI's own fault will be reported with the others
    if name is not None and (refusal := name_refusal(name)):
        draft.faults.append(Fault(draft.place, "", f"'{name}' cannot be the watcher's name", f"give it another; {refusal}"))
    return name or ""


def _client_id(draft: Draft) -> str | None:
    entry = draft.entries.get("kafka_client_id")
    return str(entry.value) if entry else None
