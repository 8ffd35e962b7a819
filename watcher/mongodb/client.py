"""The connection to a watcher's MongoDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pymongo
from bson import Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import ConfigurationError as DriverConfigurationError
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.read_preferences import ReadPreference
from pymongo.server_description import ServerDescription
from pymongo.server_type import SERVER_TYPE

from watcher.aws import INSTALL
from watcher.config import Settings
from watcher.config.mongodb.options import driver_options, missing_package
from watcher.errors import ConfigurationError
from watcher.mongodb.driver_errors import NO_SESSIONS, URI_HINT, is_of_another_set
from watcher.mongodb.errors import lacking, translated
from watcher.mongodb.replica_set import another_set

PYMONGO_VERSION: str = pymongo.version

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def connect(settings: Settings) -> MongoClient[dict[str, Any]]:
    """Make a client for the watcher's URI. It connects at the first command.

    Errors: ConfigurationError when the URI cannot be used.
    """
    uri = settings.mongodb_uri.get_secret_value()
    if package := missing_package(uri):  # the driver would say so only when it has reached a server
        raise ConfigurationError(f"mongodb_uri: authMechanism=MONGODB-AWS needs the package {package}.", hint=INSTALL)
    try:
        with translated():
            return MongoClient(
                uri, appname=settings.kafka_client_id, server_selector=SameServer(), connect=False, **driver_options(uri)
            )
    except (OSError, ValueError, LookupError) as error:  # from a file that an option names, a number or an unknown word
        raise ConfigurationError(f"mongodb_uri: {error}", hint=URI_HINT) from error


class SameServer:
    """Server selector for the driver: of the servers that the read preference allows it picks the nearest, and keeps to that one
    for as long as it is available.

    A cursor lives on the server that opened it, whether that is a member or a router of a sharded cluster.
    """

    def __init__(self) -> None:
        self._address: tuple[str, int | None] | None = None

    def __call__(self, servers: list[ServerDescription]) -> list[ServerDescription]:
        if not any(server.address == self._address for server in servers):
            nearest = min(servers, key=lambda server: server.round_trip_time or 0.0, default=None)
            self._address = nearest.address if nearest else None
        return [server for server in servers if server.address == self._address]


LONGEST_SECONDS = 3600.0
"""Limit on the time for which a question counts as a sign of life. Searches take minutes; longer ones have no answer any more."""


class Questions:
    """Account of what is asked of MongoDB, one question at a time. An answer may take minutes: MongoDB searches its oplog for the
    next change of a watcher to the end, and after a long pause there may be many millions of others. Who waits is not hung."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked_at: float | None = None
        self._answered_at = float("-inf")

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Ask within the block."""
        self._asked_at = self._clock()
        try:
            yield
        finally:
            self._answered_at = self._clock()  # first: another thread reads them
            self._asked_at = None

    def last_at(self) -> float:
        """Return the time of the last answer, by the clock; of one that is still to come, it is now, for LONGEST_SECONDS."""
        asked_at = self._asked_at
        return self._answered_at if asked_at is None else min(self._clock(), asked_at + LONGEST_SECONDS)


class CommandSession:
    """Sends commands, in one session and always to the same server; the URI's read preference chooses it."""

    def __init__(self, settings: Settings) -> None:
        """Errors: ConfigurationError when the URI cannot be used."""
        self._settings = settings
        self.client = connect(settings)
        self._preference = self.client.read_preference
        # The server lets no other session use a cursor, so aggregate and getMore share one.
        self._session = self.client.start_session()
        self.questions = Questions()
        """The account of what is asked here; whoever keeps one for several sessions puts it in its place."""

    def command(self, database: str, command: Mapping[str, Any]) -> RawBSONDocument:
        """Run a command; returns the reply. Errors: the driver's; UnsupportedServer; Outage if the URI names another set."""
        try:
            with self.questions.asked():
                return self.client[database].command(
                    dict(command), session=self._session, read_preference=self._preference, codec_options=RAW
                )
        except DriverConfigurationError as error:
            if NO_SESSIONS in str(error) and not self._is_uninitiated():
                raise lacking("it has no sessions") from error
            raise
        except ServerSelectionTimeoutError as error:
            if is_of_another_set(error) and (told := another_set(self._settings)):
                raise told from error
            raise

    @property
    def operation_time(self) -> Timestamp | None:
        """The latest cluster time that a reply of this session had; None before the first."""
        return self._session.operation_time

    def primary_time(self) -> Timestamp:
        """Ask the primary for its time. Everything that this session has read so far is of that time or earlier. Errors: the
        driver's."""
        time: Timestamp = self.client.admin.command("ping", session=self._session)["operationTime"]
        return time

    def turn_to_primary(self) -> bool:
        """Read from the primary from now on. Returns False if the reader already did."""
        if self._preference == ReadPreference.PRIMARY:
            return False
        self._preference = ReadPreference.PRIMARY
        return True

    def close(self) -> None:
        """Close the connection; the server drops the cursor with the session."""
        self._session.end_session()
        self.client.close()

    def _is_uninitiated(self) -> bool:
        servers = self.client.topology_description.server_descriptions().values()
        return any(server.server_type == SERVER_TYPE.RSGhost for server in servers)
