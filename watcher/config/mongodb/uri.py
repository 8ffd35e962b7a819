"""Checking a MongoDB URI and finding the database that it names, before a watcher connects.

pymongo's own parser is more thorough, but it is slow to import and asks DNS about `mongodb+srv`. It has the last word when the
worker connects. This parser finds common mistakes, and never repeats credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from watcher.config.addresses import is_ipv6
from watcher.config.fault import Refused
from watcher.config.mongodb.scope import WITHOUT_CHANGE_STREAM

URI = re.compile(
    r"(?P<scheme>mongodb(?:\+srv)?)://"
    r"(?:(?P<user>[^/?#:@]*)(?P<password>:[^/?#:@]*)?@)?"
    r"(?P<hosts>[^/?#@]+)"
    r"(?:/(?P<database>[^/?#@]*))?"
    r"(?:\?(?P<options>(?(database)(?:[^#@]|@(?![^&;]*[/?]))*|[^#@]*)))?"
)
"""An @ ends the login. An unescaped @ may also be in an option's value, as in Azure's `appName=@account@`, but only if no / or ?
follows in that value. Otherwise part of a password with an unescaped / or ? could be taken for a host."""

EXAMPLE = "mongodb://host:27017/<database>"

_HOST = re.compile(
    r"(?:\[(?P<address>[^\[\]]+)\]|[^\[\]:,\s%]+)(?::(?P<port>[0-9]{1,5}))?|(?P<socket>[^\[\]:,\s]+\.sock)", re.IGNORECASE
)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SEPARATOR = re.compile(r"[&;]")
NOT_IN_DATABASE_NAMES = re.compile(r'[/\\. "$\0\ufffd]')
"""U+FFFD stands for bytes that are not UTF-8."""
LONGEST_DATABASE_NAME = 63
_ESCAPE_HINT = "in the user name and password write @ : / ? # % as %40 %3A %2F %3F %23 %25"


@dataclass(frozen=True, slots=True)
class MongodbUri:
    """The parts of an acceptable URI that are needed elsewhere. `database` is None if the path names none. `options` has lower-case
    names; of repeated options the last."""

    hosts: str
    database: str | None
    options: Mapping[str, str] = field(default_factory=dict)


def parse_uri(uri: str) -> MongodbUri:
    """Parse `uri`. Raises `Refused` if it is not a URI that a watcher can use."""
    for refused in uri_refusals(uri):
        raise refused
    parts = URI.fullmatch(uri)
    if parts is None:
        raise RuntimeError("a URI that is not refused has its parts")
    options = {name.lower(): unquote_plus(value) for name, value in uri_options(uri)}
    return MongodbUri(parts["hosts"], unquote_plus(parts["database"] or "") or None, options)


def uri_refusals(uri: str) -> Iterator[Refused]:
    """Yield everything that is wrong with `uri`, as far as it can be parsed."""
    if not uri:
        yield Refused("is empty", hint=f"write {EXAMPLE}")
    elif not uri.startswith(("mongodb://", "mongodb+srv://")):
        yield Refused("must start with mongodb:// or mongodb+srv://", hint=f"write {EXAMPLE}")
    elif _CONTROL.search(uri):
        yield Refused("holds a line break or another control character", hint="it is one line")
    else:
        parts = URI.fullmatch(uri)
        if parts is None or _BROKEN_ESCAPE.search(f"{parts['user']}{parts['password']}") or parts["user"] == "":
            yield Refused("is not a valid MongoDB URI", hint=_ESCAPE_HINT if "@" in uri else f"write {EXAMPLE}")
            return
        yield from _refused_hosts(parts["hosts"], srv=parts["scheme"].endswith("srv"))
        yield from _refused_options(parts["options"] or "")
        yield from _refused_database(parts["database"] or "")


def uri_options(uri: str) -> list[tuple[str, str]]:
    """Name and value of each option of a URI that is not refused. The values are still escaped."""
    parts = URI.fullmatch(uri)
    options = _split(parts["options"] or "") if parts else []
    return [(name, value) for name, _, value in (option.partition("=") for option in options)]


def _split(options: str) -> list[str]:
    """Split options as pymongo does: at blanks, if there are no other separators."""
    if _SEPARATOR.search(options):
        return _SEPARATOR.split(options)
    return options.split() or [options] if options else []


def _refused_hosts(hosts: str, *, srv: bool) -> Iterator[Refused]:
    for host in hosts.split(","):
        match = _HOST.fullmatch(host)
        if match is None or not 0 < int(match["port"] or 1) < 65536 or not _is_address(match["address"]):
            yield Refused("has a host that is not host or host:port", hint=f"write {EXAMPLE}; {_ESCAPE_HINT}")
        elif srv and match["port"]:
            yield Refused("with mongodb+srv:// names one host, without a port", hint="DNS gives the hosts and ports")
    if srv and "," in hosts:
        yield Refused("with mongodb+srv:// names one host, without a port", hint="DNS gives the hosts and ports")


def _is_address(text: str | None) -> bool:
    """True if the text in brackets is an IPv6 address, or if there is none. A zone is escaped (RFC 6874)."""
    return text is None or is_ipv6(text.replace("%25", "%"))


def _refused_options(options: str) -> Iterator[Refused]:
    if "&" in options and ";" in options:
        yield Refused("has & and ; between its options", hint="join all of them by &")
    for option in _split(options):
        if not option:
            yield Refused("has an empty option", hint="remove the & that nothing follows")
        elif option.count("=") != 1 and option != options and not _SEPARATOR.search(options):
            yield Refused("has a blank in an option", hint="write it as %20")  # what follows it may be part of a secret
        elif option.count("=") != 1:
            name = option.partition("=")[0]
            yield Refused(f"has an option that is not name=value: {name}", hint="options are name=value, joined by &")


def _refused_database(escaped: str) -> Iterator[Refused]:
    name = unquote_plus(escaped)
    if NOT_IN_DATABASE_NAMES.search(name) or len(name.encode()) > LONGEST_DATABASE_NAME:
        hint = "a + in the path is a blank; write %2B" if "+" in escaped else f"write {EXAMPLE}"
        yield Refused(f"names a database that MongoDB cannot have: '{name}'", hint=hint)
    elif name in WITHOUT_CHANGE_STREAM:
        hint = "put the database to watch in its path (nothing for watch_databases); a login kept elsewhere needs ?authSource=admin"
        yield Refused(f"names '{name}', and MongoDB has no change stream for that database", hint=hint)
