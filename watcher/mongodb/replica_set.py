"""The replica set in which a server is, if mongodb_uri names another one. The driver's own error does not tell that."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from watcher.config import Settings
from watcher.errors import Outage
from watcher.mongodb.driver_errors import ANOTHER_SET
from watcher.mongodb.error_codes import REPLICA_SET_HINT, outage

ANSWER_MS = 2_000
"""Time, in milliseconds, for each of the URI's servers to answer."""


def another_set(settings: Settings) -> Outage | None:
    """Ask the servers of mongodb_uri, one by one, for their replica set, until one answers.

    Returns the error that names it; None if no server answers, or DNS does not.
    """
    try:  # with mongodb+srv:// DNS is asked, and may fail as well
        parts = parse_uri(settings.mongodb_uri.get_secret_value(), validate=False, normalize=False)
    except PyMongoError:
        return None
    options = {name.lower(): value for name, value in parts["options"].items()}
    tls = {name: value for name, value in options.items() if name.startswith(("tls", "ssl"))}
    for host, port in parts["nodelist"]:
        try:
            return _error(options.get("replicaset", ""), f"{host}:{port}", _hello(host, port, tls))
        except PyMongoError:
            continue
    return None


def _hello(host: str, port: int | None, tls: dict[str, Any]) -> dict[str, Any]:
    """Ask one server what it is. That needs no login. Errors: the driver's."""
    limits: dict[str, Any] = {"serverSelectionTimeoutMS": ANSWER_MS, "connectTimeoutMS": ANSWER_MS, "socketTimeoutMS": ANSWER_MS}
    client: MongoClient[dict[str, Any]] = MongoClient(host, port, directConnection=True, **limits, **tls)
    with client:
        return client.admin.command("hello")


def _error(wanted: str, address: str, hello: dict[str, Any]) -> Outage:
    found, where = hello.get("setName"), f"mongodb_uri names the replica set {wanted!r}, and {address}"
    if found is None:
        is_router = hello.get("msg") == "isdbgrid"
        text = f"{where} is {'a router of a sharded cluster' if is_router else 'in none'}."
        hint = "Leave replicaSet out of mongodb_uri, then watcherctl apply." if is_router else REPLICA_SET_HINT
    else:
        text = f"{where} is in {found!r}."
        hint = f"Write replicaSet={found} in mongodb_uri, or leave it out; then watcherctl apply."
    return outage(text, hint, ANOTHER_SET)
