"""The settings of the fleet's agent, from `conf.d/agent.toml`; without that file they are the built-in ones."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from watcher.config.conf_dir import AGENT_FILE, read_file
from watcher.config.draft import wording
from watcher.config.fault import BUILT_IN, Fault, Origin, Refused
from watcher.config.masking import masked
from watcher.config.settings import WholeNumber, YesOrNo
from watcher.config.source import Entry, Source

TOKEN_CHARACTERS = 16
"""The shortest token that is taken: one that can be guessed would be none."""

SHORTEST_PATIENCE_SECONDS = 30
"""A worker that has not written its status for 20 s counts as hung; less than a little more would restart healthy ones."""

_HOW_TO_MAKE_ONE = "`openssl rand -hex 16` makes one"
_LOOPBACK_NAMES = ("localhost", "ip6-localhost")


def _host(host: str) -> str:
    if not host or any(character.isspace() or character in "/[]" for character in host):
        raise Refused("must be the name or address of an interface of this host", hint="127.0.0.1, or 0.0.0.0 for all of them")
    return host


def _token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if len(text) < TOKEN_CHARACTERS or not (text.isascii() and text.isprintable() and " " not in text):
        raise Refused(f"must be {TOKEN_CHARACTERS} or more printable ASCII characters without a space", hint=_HOW_TO_MAKE_ONE)
    return token


def _patience(seconds: int) -> int:
    if 0 < seconds < SHORTEST_PATIENCE_SECONDS:
        raise Refused(f"must be 0, which is off, or at least {SHORTEST_PATIENCE_SECONDS}")
    return seconds


class AgentSettings(BaseModel):
    """How the agent listens, and what it does by itself. `docs/configuration.md` says what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    enabled: YesOrNo = True
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: Annotated[WholeNumber, Field(ge=0, le=65_535)] = 8085
    token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    restart_hung_after_seconds: Annotated[WholeNumber, Field(ge=0), AfterValidator(_patience)] = 0

    @model_validator(mode="after")
    def _be_closed_to_strangers(self) -> AgentSettings:
        if not self.is_loopback and self.token is None:
            raise Refused(
                f"'{self.host}' can be reached from other hosts, and there is no token", hint=f"set token; {_HOW_TO_MAKE_ONE}"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach the agent."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() in _LOOPBACK_NAMES


AGENT_KEYS = tuple(key for name in AgentSettings.model_fields for key in ((name, "token_file") if name == "token" else (name,)))
"""All keys of `agent.toml`."""


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """What `agent.toml` says. `settings` is None if it has `faults`; `origins` says where each value was set."""

    settings: AgentSettings | None = None
    faults: tuple[Fault, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def wanted(self) -> AgentSettings | None:
        """The settings of an agent that should run."""
        return self.settings if self.settings and self.settings.enabled else None

    def values_in_force(self) -> Iterator[tuple[str, str, Origin]]:
        """Each key with its value, masked, and where it comes from; none where there are faults."""
        for key in AgentSettings.model_fields if self.settings else ():
            value = getattr(self.settings, key)
            yield key, "" if value is None else masked(key, value), self.origins.get(key, BUILT_IN)


def load_agent(conf_dir: Path, environment: Mapping[str, str] | None = None) -> LoadedAgent:
    """`agent.toml` of `conf_dir`; `environment` (the process's own by default) is what `${NAME}` is taken from. Raises nothing."""
    path = conf_dir / AGENT_FILE
    if not os.path.lexists(path):
        return LoadedAgent(AgentSettings())
    source = read_file(path, os.environ if environment is None else environment, AGENT_KEYS)
    _read_token_file(source, conf_dir)
    settings = _checked(source)
    origins = {key: entry.origin for key, entry in source.entries.items()}
    return LoadedAgent(settings, tuple(sorted(source.faults, key=lambda fault: fault.origin.line or 0)), origins)


def _read_token_file(source: Source, conf_dir: Path) -> None:
    """Put the content of `token_file` in the place of `token`. A relative path starts at conf.d."""
    entry = source.entries.pop("token_file", None)
    if entry is None:
        return
    if "token" in source.entries:
        source.add_fault("token_file", "is set beside token", line=entry.origin.line, hint="keep one of them")
        return
    try:
        token = (conf_dir / str(entry.value)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        source.add_fault("token_file", f"cannot read {entry.value}: {reason}", line=entry.origin.line)
        source.settled.add("token")
    else:
        source.entries["token"] = Entry(token, entry.origin)


def _checked(source: Source) -> AgentSettings | None:
    settings = None
    try:
        settings = AgentSettings.model_validate({key: entry.value for key, entry in source.entries.items()})
    except ValidationError as error:
        source.faults.extend(_fault(source, detail) for detail in error.errors(include_url=False) if not _follows(source, detail))
    return None if source.faults else settings


def _follows(source: Source, detail: Any) -> bool:
    """A host without a token is no fault of its own where something is wrong with the token."""
    return not detail["loc"] and bool(source.settled & {"token", "host"})


def _fault(source: Source, detail: Any) -> Fault:
    """What is wrong with the whole is wrong with the host."""
    key = str(detail["loc"][0]) if detail["loc"] else "host"
    entry = source.entries.get(key)
    return Fault(entry.origin if entry else source.place, key, *wording(key, detail))
