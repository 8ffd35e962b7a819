"""Checks conf.d: its faults, client ids that are used twice, and who can read the passwords."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from watcher.config import Deployment, Fault, Loaded, Settings, masked_uri
from watcher.config.agent_settings import LoadedAgent
from watcher.config.fault import shown_path, typed
from watcher.config.masking import is_secret
from watcher.config.overlaps import overlaps
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning

KEY_FILES = ("ssl.key.location", "ssl.keystore.location", "sasl.kerberos.keytab")
"""librdkafka's properties that name a file with a secret in it."""


@dataclass(frozen=True, slots=True)
class Here:
    """A deployment, and the watchers of it to be checked. `agent` is set if all of the deployment is."""

    deployment: Deployment
    loaded: Loaded
    names: tuple[str, ...]
    agent: LoadedAgent | None = None

    @property
    def watchers(self) -> tuple[Settings, ...]:
        """The watchers that have no fault."""
        return tuple(self.loaded.watchers[name] for name in self.names if name in self.loaded.watchers)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults of the watchers. If all of the deployment is checked, also those of conf.d itself and of the agent."""
        of_watchers = [fault for name in self.names for fault in self.loaded.broken.get(name, ())]
        return tuple(dict.fromkeys([*self.loaded.general, *of_watchers, *self.agent.faults] if self.agent else of_watchers))


def faults(here: Here) -> Finding:
    """Check that conf.d has no fault."""
    found = here.faults
    if not found:
        count = len(here.watchers)
        return ok(f"{count} watcher{'s' if count != 1 else ''} in {shown_path(here.deployment.conf_dir)}, without a fault")
    if len(found) == 1:
        return failed(found[0].message, found[0].hint or "correct this line; `watcherctl check` looks at it again")
    return failed("\n".join(map(str, found)), "correct these lines; `watcherctl check` looks at them again")


def client_ids(here: Here) -> Finding:
    """Check that each watcher has a client id of its own."""
    shared = {client_id: users for client_id, users in here.loaded.shared_client_ids.items() if set(users) & set(here.names)}
    if shared:
        text = "\n".join(f"{client_id!r} is used by {' and '.join(users)}" for client_id, users in shared.items())
        name = next(iter(shared.values()))[-1]
        return failed(f"{text}; they would fence each other", f'in {name}: kafka_client_id = "{name}-watcher"')
    if not here.names:
        return not_checked("because there is no watcher")
    return ok("each watcher has its own")


def scopes(here: Here) -> Finding:
    """Check that no two watchers send the same changes to the same topics."""
    if found := [each for each in overlaps(here.loaded.watchers.values()) if not {each.watcher, each.other}.isdisjoint(here.names)]:
        return warning("\n".join(map(str, found)), "\n".join(dict.fromkeys(each.hint for each in found)))
    return (
        ok("no two watchers send the same changes to the same topics")
        if here.watchers
        else not_checked("because there is no watcher without faults")
    )


def secrets(here: Here) -> Finding:
    """Check that other users of the host cannot read the files that hold passwords."""
    files = sorted({Path(os.path.normpath(path)) for path in _secret_files(here)})
    if open_files := [path for path in files if path.stat().st_mode & stat.S_IROTH]:
        names = " ".join(map(shown_path, open_files))
        holds = "hold secrets" if len(open_files) > 1 else "holds a secret"
        return warning(f"{names} {holds}, for every user of this host to read", f"chmod o= {typed(open_files)}")
    if not here.watchers:
        return not_checked("because there is no watcher without faults")
    return ok(f"{', '.join(map(shown_path, files))}: not for others to read" if files else "no file holds one")


def _secret_files(here: Here) -> Iterator[Path]:
    """Yield the files that contain a secret, and those of private keys. A file with `${NAME}` in place of the secret does not
    count.
    """
    for settings in here.watchers:
        files = {origin.source for origin in here.loaded.origins[settings.name].values()}
        yield from _holding({*files, *settings.secret_files.values()}, _secrets_of(settings))
        tables: tuple[Mapping[str, object], ...] = (settings.kafka, settings.schema_registry)
        named = [Path(str(table[key])) for table in tables for key in KEY_FILES if key in table]
        yield from (path for path in named if path.exists())
    if here.agent and here.agent.settings and (token := here.agent.settings.token):
        yield from _holding({here.agent.origins["token"].source}, [token.get_secret_value()])


def _holding(places: Iterable[Path | str], secrets: Iterable[str]) -> Iterator[Path]:
    """Yield those of the places that are files and hold one of the secrets."""
    if not (wanted := [re.escape(secret) for secret in secrets]):
        return
    pattern = re.compile("|".join(wanted))
    for place in places:
        if isinstance(place, Path) and pattern.search(place.read_text(encoding="utf-8-sig")):
            yield place


def _secrets_of(settings: Settings) -> Iterator[str]:
    uri = settings.mongodb_uri.get_secret_value()
    if masked_uri(uri) != uri:
        yield uri
    url = str(settings.schema_registry.get("url", ""))
    if masked_uri(url) != url:
        yield url
    properties = (*settings.kafka.items(), *settings.schema_registry.items())
    yield from (str(value) for key, value in properties if is_secret(key) and value != "")


CHECKS: tuple[Check[Here], ...] = (
    Check("configuration.faults", faults),
    Check("configuration.client-ids", client_ids),
    Check("configuration.scopes", scopes),
    Check("configuration.secrets", secrets),
)
