"""The settings of the fleet's agent, from `conf.d/agent.toml`. Without that file the built-in defaults apply."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from watcher.config.addresses import is_loopback
from watcher.config.checked import Checked
from watcher.config.checks import at_least, at_most, secret, text, whole_number, yes_or_no
from watcher.config.fault import BUILT_IN, Fault, Invalid, Origin, Refused
from watcher.config.files.conf_dir import AGENT_FILE, read_file
from watcher.config.files.secret_file import read_text, secret_path
from watcher.config.files.source import Entry, SettingsSource
from watcher.config.masking import Secret, masked

DEFAULT_PORT = 8085

TOKEN_CHARACTERS = 16
"""The least number of characters in a token. A token that can be guessed protects nothing."""

SHORTEST_PATIENCE_SECONDS = 30
"""A worker that has not written its status for 20 s counts as hung. A limit close to that would restart healthy workers."""

_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*\$?")

_HOW_TO_MAKE_ONE = "`openssl rand -hex 16` makes one"


def _host(host: str) -> str:
    if not host or any(character.isspace() or character in "/[]" for character in host):
        raise Refused("must be the name or address of an interface of this host", hint="127.0.0.1, or 0.0.0.0 for all of them")
    return host


def _token(token: Secret) -> Secret:
    text = token.get_secret_value()
    if len(text) < TOKEN_CHARACTERS or not (text.isascii() and text.isprintable() and " " not in text):
        raise Refused(f"must be {TOKEN_CHARACTERS} or more printable ASCII characters without a space", hint=_HOW_TO_MAKE_ONE)
    return token


def _group(name: str) -> str:
    if not _GROUP.fullmatch(name):
        raise Refused(f"is no name of a group: {name!r}", hint="`getent group` lists those of this host")
    return name


def _patience(seconds: int) -> int:
    if 0 < seconds < SHORTEST_PATIENCE_SECONDS:
        raise Refused(f"must be 0, which is off, or at least {SHORTEST_PATIENCE_SECONDS}")
    return seconds


@dataclass(frozen=True, slots=True, init=False)
class AgentSettings(Checked):
    """The agent's address, its access rules, and what it does on its own. `docs/configuration.md` explains each setting."""

    enabled: Annotated[bool, yes_or_no] = True
    host: Annotated[str, text, _host] = "127.0.0.1"
    port: Annotated[int, whole_number, at_least(0), at_most(65_535)] = DEFAULT_PORT
    token: Annotated[Secret | None, secret, _token] = None
    read_without_token: Annotated[bool, yes_or_no] = False
    restart_hung_after_seconds: Annotated[int, whole_number, at_least(0), _patience] = 0
    group: Annotated[str | None, text, _group] = None

    @classmethod
    def _contradictions(cls, good: Mapping[str, Any]) -> Iterator[Refused]:
        """Refuse an address that other hosts can reach unless a token is set and is also needed to read."""
        if "host" not in good or is_loopback(good["host"]):
            return
        reached = f"'{good['host']}' can be reached from other hosts"
        if "token" in good and good["token"] is None:
            yield Refused(f"{reached}, and there is no token", hint=f"set token; {_HOW_TO_MAKE_ONE}")
        if good.get("read_without_token"):
            yield Refused(f"{reached}, so nothing is read without the token", key="read_without_token", hint="remove this line")

    @property
    def is_loopback(self) -> bool:
        """True if only this host can reach the agent."""
        return is_loopback(self.host)

    @property
    def reading_is_open(self) -> bool:
        """True if anybody who can reach the agent may read without a token."""
        return self.is_loopback and (self.token is None or self.read_without_token)


FIELDS = tuple(setting.name for setting in fields(AgentSettings))

AGENT_KEYS = tuple(key for name in FIELDS for key in ((name, "token_file") if name == "token" else (name,)))
"""All keys that `agent.toml` may hold."""


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """The content of `agent.toml`. `settings` is None if there are `faults`; `origins` holds the place where each value was set."""

    settings: AgentSettings | None = None
    faults: tuple[Fault, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def wanted(self) -> AgentSettings | None:
        """The settings if the agent should run; None if it is disabled or its settings have faults."""
        return self.settings if self.settings and self.settings.enabled else None

    def values_in_force(self) -> Iterator[tuple[str, str, Origin]]:
        """Yield each key with its masked value and its origin; nothing if there are faults."""
        for key in FIELDS if self.settings else ():
            value = getattr(self.settings, key)
            yield key, "" if value is None else masked(key, value), self.origins.get(key, BUILT_IN)


def load_agent(conf_dir: Path, environment: Mapping[str, str] | None = None) -> LoadedAgent:
    """Load `agent.toml` from `conf_dir`. `${NAME}` is taken from `environment`, by default the process's own. Raises nothing."""
    path = conf_dir / AGENT_FILE
    if not os.path.lexists(path):
        return LoadedAgent(AgentSettings())
    source = read_file(path, os.environ if environment is None else environment, AGENT_KEYS)
    _read_token_file(source, conf_dir)
    settings = _checked(source)
    origins = {key: entry.origin for key, entry in source.entries.items()}
    return LoadedAgent(settings, tuple(sorted(source.faults, key=lambda fault: fault.origin.line or 0)), origins)


def _read_token_file(source: SettingsSource, conf_dir: Path) -> None:
    """Replace `token_file` by a `token` with the file's content. A relative path starts at conf.d."""
    entry = source.entries.pop("token_file", None)
    if entry is None:
        return
    if "token" in source.entries:
        source.add_fault("token_file", "is set beside token", line=entry.origin.line, hint="keep one of them")
        return
    try:
        token = read_text(secret_path(entry.value, conf_dir), entry.value).strip()
    except Refused as refused:
        source.add_fault("token_file", str(refused), line=entry.origin.line, hint=refused.hint)
        source.settled.add("token")
    else:
        source.entries["token"] = Entry(token, entry.origin)


def _checked(source: SettingsSource) -> AgentSettings | None:
    settings = None
    try:
        settings = AgentSettings(**{key: entry.value for key, entry in source.entries.items()})
    except Invalid as invalid:
        source.faults.extend(_fault(source, refused) for refused in invalid.refusals if not _follows(source, refused))
    return None if source.faults else settings


def _follows(source: SettingsSource, refused: Refused) -> bool:
    """True if the refusal only follows from a fault already found in `token` or `host`."""
    return not refused.key and bool(source.settled & {"token", "host"})


def _fault(source: SettingsSource, refused: Refused) -> Fault:
    """The refusal with its place. One that names no key is reported for `host`."""
    key = refused.key or "host"
    entry = source.entries.get(key)
    return Fault(entry.origin if entry else source.place, key, str(refused), refused.hint)
