"""Translation of the driver's own errors: by their class, or by their words where classes do not tell errors apart."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bson.errors import InvalidBSON
from pymongo.errors import (
    AutoReconnect,
    CollectionInvalid,
    ConnectionFailure,
    EncryptionError,
    InvalidName,
    InvalidOperation,
    InvalidURI,
    NotPrimaryError,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.errors import ConfigurationError as DriverConfigurationError

from watcher.errors import ConfigurationError, NotPermitted, Outage, UnsupportedServer, WatcherError
from watcher.mongodb.error_codes import ELECTION, REPLICA_SET_HINT, SERVER_HINT, UNKNOWN, Kind, outage

CERTIFICATE_REFUSED = "CERTIFICATE_VERIFY_FAILED"

NO_SESSIONS = "Sessions are not supported"
SASLPREP = "SASLprep"
"""The driver's word for a password that no server could accept, in a plain ValueError."""

TOO_OLD = "wire version"
"""Words of the driver's error about a server whose protocol is too old for the driver."""

NOT_THIS_REPLICA_SET = ("available for replica set name", "configured to connect to a replica set")
"""Words of the driver's error about a standalone server, or a member of another replica set."""

NO_SUCH_MEMBER = "match selector"
"""Words of the driver's error about a read preference that no available member satisfies."""

URI_HINT = "Check its options, and in user and password the characters written as %XX."
CERTIFICATE_HINT = "Check tlsCAFile in mongodb_uri, and that the server's certificate is for its host and still valid."
PREFERENCE_HINT = (
    "mongodb_uri's readPreference, with its tags and maxStalenessSeconds, allows no member that is there. secondaryPreferred reads "
    "from the primary where there is no other. The worker keeps trying."
)
CUT_OFF = AutoReconnect.__name__
"""Code of an outage that began when the other end closed the connection. mongod also does this when an event fits into a reply but
the token after it does not: the token holds the document's `_id` at twice its length, which matters from 8 kB on."""
ANOTHER_SET = "NotThisReplicaSet"
"""Code of an outage that lasts until replicaSet in mongodb_uri is corrected, or a server joins that set."""
ANOTHER_SET_HINT = "Correct replicaSet in mongodb_uri, or leave it out. The worker keeps trying."
CLOSED = ": connection closed"
CLOSED_HINT = (
    "The server takes connections and closes them; its log says why. It may want TLS, or a client's certificate by a CA that it "
    "trusts: see tls and tlsCertificateKeyFile in docs/logins.md. The worker keeps trying."
)
REACH_HINT = "Is mongod running, and are host and port in mongodb_uri right? The worker keeps trying."

URI_REFUSED = Kind(ConfigurationError, "mongodb_uri", URI_HINT, {})
UNREACHABLE = Kind(Outage, "MongoDB does not answer", REACH_HINT, {})
CONNECTION_FAILED = Kind(Outage, "MongoDB's connection failed", REACH_HINT, {})
REPLY_UNREADABLE = Kind(Outage, "MongoDB's reply cannot be read", UNKNOWN.hint, {})

DRIVER_ERRORS: Mapping[type[Exception], Kind] = {
    InvalidURI: URI_REFUSED,
    DriverConfigurationError: URI_REFUSED,
    ValueError: URI_REFUSED,
    ServerSelectionTimeoutError: UNREACHABLE,
    NotPrimaryError: ELECTION,
    ConnectionFailure: CONNECTION_FAILED,
    ProtocolError: REPLY_UNREADABLE,
    InvalidBSON: REPLY_UNREADABLE,
    PyMongoError: Kind(Outage, "MongoDB's driver failed", UNKNOWN.hint, {}),
}
"""Meaning of the driver's exceptions, by the nearest class. An answer of the server (`OperationFailure`) goes by its code."""

BUGS = (InvalidOperation, InvalidName, CollectionInvalid, EncryptionError)
"""The driver's exceptions for calls that make no sense. They are bugs of ours."""


def from_driver(error: Exception) -> WatcherError:
    """Make our error of one of the driver's, which need not be a PyMongoError."""
    text = str(error)
    if isinstance(error, ServerSelectionTimeoutError) and (known := _unreachable(error)):
        return known
    if type(error.__cause__).__module__.startswith("dns."):  # the driver blames the URI, which leaves the hosts to DNS
        return outage(f"DNS does not tell where MongoDB is: {_first_sentence(error)}", REACH_HINT, "DNS")
    if TOO_OLD in text:
        return UnsupportedServer(f"This MongoDB is too old: {_first_sentence(error)}", hint=SERVER_HINT)
    if NO_SESSIONS in text:  # a configuration error to the driver, though it has asked a server, which is in no replica set yet
        return _not_initiated()
    kind = next(DRIVER_ERRORS[of] for of in type(error).__mro__ if of in DRIVER_ERRORS)
    return kind.error(f"{kind.says}: {_first_sentence(error)}", type(error).__name__)


def _not_initiated() -> Outage:
    return outage("MongoDB's replica set is not initiated yet.", REPLICA_SET_HINT, "NotYetInitialized")


def _unreachable(error: ServerSelectionTimeoutError) -> WatcherError | None:
    """Translate a failed server selection, None if it is of no known kind.

    The driver's text names each server with its error and then repeats the topology. The first half is for people.
    """
    if _no_certificate_is_trusted(str(error)):
        return NotPermitted(f"MongoDB's certificate cannot be trusted: {_first_sentence(error)}", hint=CERTIFICATE_HINT)
    if "RSGhost" in str(error):  # the driver's name for a server in no replica set yet; its sentence does not mention that
        return _not_initiated()
    if is_of_another_set(error):
        text = f"No server of mongodb_uri is in the replica set that it names: {_first_sentence(error)}"
        return outage(text, ANOTHER_SET_HINT, ANOTHER_SET)
    if CLOSED in _first_sentence(error):
        return outage(f"{UNREACHABLE.says}: {_first_sentence(error)}", CLOSED_HINT, type(error).__name__)
    if NO_SUCH_MEMBER in str(error) and "Primary()" not in _first_sentence(error):
        return outage(f"No member of MongoDB may be read from: {_first_sentence(error)}", PREFERENCE_HINT, "NoSuchMember")
    return None


def is_of_another_set(error: Exception) -> bool:
    """Return True for the driver's error about servers that are not in the replica set that the URI names."""
    return any(words in str(error) for words in NOT_THIS_REPLICA_SET)


def _no_certificate_is_trusted(text: str) -> bool:
    """Return True if every server's certificate is refused. Certificates do not mend themselves. But one member may have a bad
    certificate while the members with good ones are down: that is an outage."""
    _, _, topology = text.partition("Topology Description:")
    servers = topology.split("<ServerDescription")[1:]
    return bool(servers) and all(CERTIFICATE_REFUSED in server for server in servers)


def _first_sentence(error: Exception) -> str:
    return re.split(r" \(configured timeouts|, Timeout: |, full error: |\n", str(error))[0]
