"""What a watcher must know of its MongoDB URI before it connects: that it is one, and which database it names.

pymongo's own parser says more, but costs 100 ms to import and asks DNS about `mongodb+srv`. It has the last word when the worker
connects; this one finds what people get wrong, and never repeats credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from watcher.config.fault import Refused

URI = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?)://"
    r"(?:(?P<user>[^/?#:@]*)(?P<password>:[^/?#:@]*)?@)?"
    r"(?P<hosts>[^/?#@]+)"
    r"(?:/(?P<database>[^/?#@]*))?"
    r"(?:\?(?P<options>[^#@]*))?"
)
"""An @ ends the login and may stand nowhere else unescaped: else part of a password with a raw / or ? could pass for a host."""

EXAMPLE = "mongodb://host:27017/<database>"

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:,\s]+)(?::(?P<port>\d{1,5}))?")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_DATABASE_NAMES = re.compile(r'[/\\. "$\0]')
_LONGEST_DATABASE_NAME = 63
_WITHOUT_CHANGE_STREAM = ("admin", "local", "config")
_ESCAPE_HINT = "in the user name and password write @ : / ? # % as %40 %3A %2F %3F %23 %25"


@dataclass(frozen=True, slots=True)
class MongodbUri:
    """The parts of an acceptable URI that others need; `options` by their names in lower case, the last of each."""

    hosts: str
    database: str
    options: Mapping[str, str] = field(default_factory=dict)


def parse_uri(uri: str) -> MongodbUri:
    """The host list and the database that `uri` names; raises `Refused` when it is not a URI that a watcher can use."""
    if not uri:
        raise Refused("is empty", hint=f"write {EXAMPLE}")
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise Refused("must start with mongodb:// or mongodb+srv://", hint=f"write {EXAMPLE}")
    parts = URI.fullmatch(uri)
    if parts is None or _BROKEN_ESCAPE.search(f"{parts['user']}{parts['password']}") or parts["user"] == "":
        raise Refused("is not a valid MongoDB URI", hint=_ESCAPE_HINT if "@" in uri else f"write {EXAMPLE}")
    _check_hosts(parts["hosts"], srv=parts["scheme"].endswith("srv"))
    options = _options(parts["options"] or "")
    return MongodbUri(parts["hosts"], _database(parts["database"] or ""), options)


def _check_hosts(hosts: str, *, srv: bool) -> None:
    for host in hosts.split(","):
        match = _HOST.fullmatch(host)
        if match is None or not 0 < int(match["port"] or 1) < 65536:
            raise Refused("has a host that is not host or host:port", hint=f"write {EXAMPLE}; {_ESCAPE_HINT}")
        if srv and (match["port"] or "," in hosts):
            raise Refused("with mongodb+srv:// names one host, without a port", hint="DNS gives the hosts and ports")


def _options(text: str) -> dict[str, str]:
    options = {}
    for option in filter(None, re.split("[&;]", text)):
        name, _, value = option.partition("=")
        if option.count("=") != 1:
            raise Refused(f"has an option that is not name=value: {name}", hint="options are name=value, joined by &")
        options[name.lower()] = unquote(value)
    return options


def _database(escaped: str) -> str:
    name = unquote(escaped)
    if not name:
        raise Refused("names no database", hint=f"put the database to watch in its path: {EXAMPLE}")
    if _NOT_IN_DATABASE_NAMES.search(name) or len(name.encode()) > _LONGEST_DATABASE_NAME:
        raise Refused(f"names a database that MongoDB cannot have: '{name}'", hint=f"write {EXAMPLE}")
    if name in _WITHOUT_CHANGE_STREAM:
        hint = "put the database to watch in its path; where the login is kept goes into ?authSource=admin"
        raise Refused(f"names '{name}', and MongoDB has no change stream for that database", hint=hint)
    return name
