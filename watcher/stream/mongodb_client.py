"""The connection to a watcher's MongoDB."""

from __future__ import annotations

from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.server_description import ServerDescription
from pymongo.server_type import SERVER_TYPE
from pymongo.uri_parser import parse_uri

from watcher.config import Settings
from watcher.errors import ConfigurationError
from watcher.stream.mongodb_errors import translated

PYMONGO_VERSION: str = pymongo.version

CLIENT_OPTIONS = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,  # a network that swallows packets must not hold the worker for ever
    "maxPoolSize": 2,
}
"""What we set where the URI does not."""


def connect(settings: Settings) -> MongoClient[dict[str, Any]]:
    """A client for the watcher's URI; it connects at the first command.

    Errors: ConfigurationError when the URI cannot be used.
    """
    uri = settings.mongodb_uri.get_secret_value()
    with translated():
        given = {option.lower() for option in parse_uri(uri, validate=False)["options"]}
        ours: dict[str, Any] = {option: value for option, value in CLIENT_OPTIONS.items() if option.lower() not in given}
        try:
            # Not a URI's minPoolSize: it may be for an application, and more than our maxPoolSize.
            return MongoClient(uri, appname=settings.kafka_client_id, server_selector=one_router, minPoolSize=0, **ours)
        except OSError as error:
            hint = "Its options tls…File name files in PEM, which the worker must be allowed to read."
            raise ConfigurationError(f"mongodb_uri names a file that cannot be used: {error}", hint=hint) from error


def one_router(servers: list[ServerDescription]) -> list[ServerDescription]:
    """On a sharded cluster always the same router while it's there: a cursor lives on the one that opened it."""
    routers = [server for server in servers if server.server_type == SERVER_TYPE.Mongos]
    return sorted(routers, key=lambda server: server.address)[:1] or servers
