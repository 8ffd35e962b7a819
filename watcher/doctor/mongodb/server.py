"""Checks that a watcher's MongoDB can be reached, and has change streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from pymongo import MongoClient
from pymongo.server_description import ServerDescription
from pymongo.uri_parser import parse_uri

from watcher.config import Origin, Settings
from watcher.config.fault import BUILT_IN
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.clocks import judge_skew
from watcher.errors import Outage, WatcherError
from watcher.mongodb.client import connect
from watcher.mongodb.driver_errors import ANOTHER_SET, REACH_HINT
from watcher.mongodb.error_codes import CREDENTIALS_HINT, REPLICA_SET_HINT
from watcher.mongodb.errors import translated
from watcher.mongodb.replica_set import another_set
from watcher.mongodb.split_events import can_split
from watcher.terminal.durations import seconds_in_words

OLDEST_VERSION = 6
MEMBERS_SECONDS = 2.0
"""Time, in seconds, that the driver may take to hear of every member after the first has answered."""
MAJORITY_SECONDS = 10

Document = Mapping[str, Any]


@dataclass
class Mongodb:
    """One watcher's MongoDB. `now` is this host's clock, in seconds since 1970."""

    settings: Settings
    origins: Mapping[str, Origin] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    trouble: WatcherError | None = None
    """Reason why the driver accepts no command although a server answers: no replica set yet, another one than the URI names (both
    an Outage), or a wrong login."""

    @cached_property
    def client(self) -> MongoClient[dict[str, Any]]:
        """A connection like the worker's own. Raises ConfigurationError."""
        return connect(self.settings)

    def admin(self, command: str) -> Document:
        """Run a command on the database `admin`, on a server that the worker reads from. Errors: as `translated`."""
        return self.ask("admin", command)

    def ask(self, database: str, command: str, value: object = 1) -> Document:
        """Run a command on any database. Errors: as `translated`."""
        with translated():
            return self.client[database].command(command, value, read_preference=self.client.read_preference)

    @property
    def uri_key(self) -> str:
        """The name of the setting that holds the URI, and the place where it is set."""
        return f"mongodb_uri ({self.origins.get('mongodb_uri', BUILT_IN)})"

    @property
    def servers(self) -> Mapping[tuple[str, int | None], ServerDescription]:
        """The driver's knowledge of each server, by its address."""
        return self.client.topology_description.server_descriptions()

    def server_types(self) -> dict[str, str]:
        """Return the driver's type of each server, by its address. `Unknown` has not answered."""
        return {f"{host}:{port}": server.server_type_name for (host, port), server in self.servers.items()}

    def close(self) -> None:
        """Close the connection."""
        if "client" in self.__dict__:
            self.client.close()


def reachable(mongodb: Mongodb) -> Finding:
    """Check that a server answers the driver."""
    try:
        mongodb.admin("ping")
    except WatcherError as error:
        if isinstance(error, Outage) and error.code == ANOTHER_SET:
            mongodb.trouble = another_set(mongodb.settings) or error
            return ok("a server answers")  # the driver has forgotten which
        if error.hint not in (REPLICA_SET_HINT, CREDENTIALS_HINT):
            return failed(str(error), _way_there(mongodb) if error.hint == REACH_HINT else error.hint)
        mongodb.trouble = error
    answering = [address for address, kind in mongodb.server_types().items() if kind != "Unknown"]
    return ok(f"{', '.join(sorted(answering))} answer{'s' if len(answering) == 1 else ''}")


def _way_there(mongodb: Mongodb) -> str:
    """Return the remedy if no server answers. Drivers replace the addresses that they were given by those that the members
    advertise.
    """
    uri = mongodb.settings.mongodb_uri.get_secret_value()
    if uri.startswith("mongodb+srv"):
        return f"start it, or correct the host in {mongodb.uri_key}, or its records in DNS"
    given = parse_uri(uri, validate=False)["nodelist"]
    if followed := [f"{host}:{port}" for host, port in mongodb.servers if (host, port) not in given]:
        return (
            f"the members call themselves {', '.join(followed)}, and drivers go there: make these names reachable from this host, "
            "or change them with rs.reconfig()"
        )
    return f"start it (systemctl start mongod), or correct host and port in {mongodb.uri_key}"


def replica_set(mongodb: Mongodb) -> Finding:
    """Check for a replica set that has been initiated, or a sharded cluster: only these have change streams."""
    if isinstance(mongodb.trouble, Outage):
        raise mongodb.trouble
    servers = mongodb.server_types()
    if "Standalone" in servers.values():
        return failed("it is a standalone server, without change streams", REPLICA_SET_HINT)
    if "Mongos" in servers.values():
        return ok("a sharded cluster")
    primary = next((address for address, kind in servers.items() if kind == "RSPrimary"), "not known")
    names = {server.replica_set_name for server in mongodb.servers.values()}
    return ok(f"{next(filter(None, names), '')}, primary {primary}")


def authentication(mongodb: Mongodb) -> Finding:
    """Check that the login is right."""
    if mongodb.trouble:
        return failed(str(mongodb.trouble), f"correct user, password and authSource in {mongodb.uri_key}")
    user = user_of(mongodb)
    return ok(f"as {user['user']}, of {user['db']}" if user else "without a login: mongodb_uri names no user")


def user_of(mongodb: Mongodb) -> Mapping[str, str]:
    """Return the user who is logged in; empty if nobody is."""
    users = mongodb.admin("connectionStatus")["authInfo"]["authenticatedUsers"]
    return users[0] if users else {}


def grant(mongodb: Mongodb, role: str, database: str) -> str:
    """Return the command that grants a role, or what to do first if nobody is logged in."""
    user = user_of(mongodb)
    if not user:
        path = mongodb.settings.scope.single or ""
        return f"name a user in {mongodb.uri_key}: mongodb://user:password@host/{path}?authSource=admin"
    roles = f'[{{role: "{role}", db: "{database}"}}]'
    return f'mongosh: db.getSiblingDB("{user["db"]}").grantRolesToUser("{user["user"]}", {roles})'


def version(mongodb: Mongodb) -> Finding:
    """Check that the server is new enough."""
    info = mongodb.admin("buildInfo")
    return judge_version(info["version"], info["versionArray"])


def judge_version(text: str, numbers: list[int]) -> Finding:
    """Judge the version. MongoDB 6.0 has what watchers need; from 6.0.9 on it splits large events."""
    if numbers[0] < OLDEST_VERSION:
        return failed(
            f"MongoDB {text} is too old", "upgrade to MongoDB 6.0 or newer; imitations of it, such as DocumentDB, are not supported"
        )
    splits = "" if can_split(numbers) else "; events over 16 MB come without documents, which 6.0.9 or newer would split"
    return ok(f"MongoDB {text}{splits}")


def majority(mongodb: Mongodb) -> Finding:
    """Check that all members answer, and that writes soon reach most of them. Change streams show no write before that."""
    hello = mongodb.admin("hello")
    deadline = time.monotonic() + MEMBERS_SECONDS
    while silent := _silent(mongodb):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return judge_majority(hello, silent)


def _silent(mongodb: Mongodb) -> list[str]:
    return sorted(address for address, kind in mongodb.server_types().items() if kind == "Unknown")


def judge_majority(hello: Document, silent: list[str]) -> Finding:
    """Judge the replica set by the primary's own report, and by the members that do not answer."""
    write = hello.get("lastWrite", {})
    if "majorityOpTime" not in write:
        return not_checked("because it is a sharded cluster, and its router does not tell")
    behind = write["opTime"]["ts"].time - write["majorityOpTime"]["ts"].time
    if behind > MAJORITY_SECONDS:
        text = f"writes have waited {seconds_in_words(behind)} for a majority of the members, and change streams with them"
        return failed(text, f"bring back {', '.join(silent) or 'the members that lag; rs.status() shows which'}")
    if silent:
        return warning(f"no answer from {', '.join(silent)}", "start these members: without a majority the changes stop")
    members = len(hello.get("hosts", ())) + len(hello.get("arbiters", ()))
    return ok("one member, and so no spare" if members == 1 else f"all {members} members answer")


def clock(mongodb: Mongodb) -> Finding:
    """Check that MongoDB's clock and this host's agree."""
    before = mongodb.now()
    local: datetime = mongodb.admin("hello")["localTime"]
    after = mongodb.now()
    return judge_skew(local.replace(tzinfo=UTC).timestamp() - (before + after) / 2, "MongoDB", (after - before) / 2)


REACHED, MEMBER, LOGGED_IN = "mongodb.reachable", "mongodb.replica-set", "mongodb.authentication"

CHECKS: tuple[Check[Mongodb], ...] = (
    Check(REACHED, reachable),
    Check(MEMBER, replica_set, needs=(REACHED,)),
    Check(LOGGED_IN, authentication, needs=(MEMBER,)),
    Check("mongodb.version", version, needs=(LOGGED_IN,)),
    Check("mongodb.majority", majority, needs=(LOGGED_IN,)),
    Check("mongodb.clock", clock, needs=(LOGGED_IN,)),
)
