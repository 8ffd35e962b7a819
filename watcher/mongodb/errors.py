"""Translation of MongoDB's and its driver's errors into ours, whose type says what to do: keep trying, or stop.

`error_codes.py` has the table of the server's codes.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

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
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.errors import ConfigurationError as DriverConfigurationError

from watcher.aws import CREDENTIALS_HINT as AWS_HINT
from watcher.errors import (
    ConfigurationError,
    CredentialsRefused,
    NotPermitted,
    Outage,
    PositionLost,
    UndeliverableEvent,
    UnsupportedServer,
    WatcherError,
)
from watcher.mongodb.error_codes import (
    ELECTION,
    LARGE,
    REPLICA_SET_HINT,
    SERVER_HINT,
    STANDALONE,
    UNKNOWN,
    UNSUPPORTED,
    Kind,
    kind_of,
)

EVENT_NOT_FOUND = {280}

NOT_AT_THIS_TIME = {50: "MaxTimeMSExpired", 72: "InvalidOptions", 239: "SnapshotTooOld", 246: "SnapshotUnavailable"}
"""Codes of a read as of a cluster time, with their names. A time in the future gives 72; a collection that was created, dropped or
renamed since that time gives 246."""

NOT_UNDERSTOOD = {9, 241}
"""Codes of a query that makes no sense, beside those of UNSUPPORTED: FailedToParse, ConversionFailure."""

LOCATIONS = 10_000
"""Codes from here on stand each for one check in the server's source. Those that are outages are in the table."""

CERTIFICATE_REFUSED = "CERTIFICATE_VERIFY_FAILED"

NO_SESSIONS = "Sessions are not supported"
SASLPREP = "SASLprep"
"""The driver's word for a password that no server could accept, in a plain ValueError."""

NO_AWS_CREDENTIALS = "MONGODB-AWS credentials could not be obtained"
"""Words of the driver's, in an error like a server's without a code."""

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
ID_TOO_LARGE_HINT = (
    "The `_id` of the document alone is too large: MongoDB tells it twice or more in an event. Leave its collection out with "
    "exclude_collections, or set the position after it with `watcherctl position`."
)
CUT_OFF = AutoReconnect.__name__
"""Code of an outage that began when the other end closed the connection. mongod also does this when an event fits into a reply but
the token after it does not: the token holds the document's `_id` at twice its length, which matters from 8 kB on."""
AT_TIME_HINT = "MongoDB keeps the past for minSnapshotHistoryWindowInSeconds, 300 by default. The worker reads at a later time."
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


class EventTooLarge(UndeliverableEvent):
    """One of the requested events is larger than a BSON document may be, or all of them are together with their token."""


class NotAtThisTime(Outage):
    """MongoDB cannot show a collection as it was at the time asked for, or not within the time allowed: ask for a later time."""


class QueryRefused(ConfigurationError):
    """MongoDB does not take a query that a user wrote."""


class StagesFailed(UndeliverableEvent):
    """The user's stages fail on a change event, or MongoDB fails in a way that looks like it."""


class EventNotFound(PositionLost):
    """The event after which a stream was opened is not in it: it is gone, or the stream's filter leaves it out."""


@contextlib.contextmanager
def translated(*, after_token: bool = False, at_time: bool = False, query: bool = False) -> Iterator[None]:
    """Turn pymongo's errors into ours. `after_token`: a stream is being opened after a saved position. `at_time`: a collection is
    read as of a cluster time. `query`: a user wrote the query that MongoDB is to take."""
    try:
        yield
    except BUGS:
        raise
    except OperationFailure as error:
        if at_time and error.code in NOT_AT_THIS_TIME:
            raise _not_at_this_time(error) from error
        if query and _is_about_the_command(error):
            raise QueryRefused(f"MongoDB does not take it (error {error.code}): {_server_text(error)}") from error
        raise _from_server(error, after_token=after_token) from error
    except (PyMongoError, InvalidBSON) as error:
        raise _from_driver(error) from error
    except ValueError as error:
        if SASLPREP not in str(error):
            raise
        raise _from_driver(error) from error


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Raise UnsupportedServer if a reply lacks something that MongoDB's own replies always have; the error names it."""
    try:
        yield
    except KeyError as error:
        raise lacking(f"its replies have no {error.args[0]}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise lacking(f"its replies are none of a change stream: {error}") from error


def lacking(what: str) -> UnsupportedServer:
    """Make the error for a server that lacks something every MongoDB has; `what` completes the sentence."""
    return UnsupportedServer(f"This is no MongoDB that watchers can read: {what}.", hint=SERVER_HINT)


def _from_server(error: OperationFailure, *, after_token: bool) -> WatcherError:
    text = _server_text(error)
    if error.code is None and NO_AWS_CREDENTIALS in text:
        return outage(f"AWS gives no credentials for MongoDB: {text}", f"{AWS_HINT} The worker keeps trying.", "aws")
    kind = kind_of(error.code, text, after_token=after_token)
    if kind is LARGE:
        size, *_ = text.split(" First element: ")  # the rest is the beginning of the event, with a user's data
        return EventTooLarge(f"{kind.says}: {size}", hint=kind.hint)
    if error.code in EVENT_NOT_FOUND:
        return EventNotFound(f"{kind.says} (error {error.code}): {text}", hint=kind.hint)
    if kind is STANDALONE:
        return kind.becomes(f"{kind.says}.", hint=kind.hint)
    if kind.becomes is CredentialsRefused:
        return CredentialsRefused(f"{kind.says}: {text}", hint=kind.hint, component="mongodb")
    if issubclass(kind.becomes, NotPermitted):
        return kind.becomes(f"{kind.says}: {text}", hint=kind.hint)
    return _made(kind, f"{kind.says} (error {error.code}): {text}", str((error.details or {}).get("codeName", error.code)))


def _is_about_the_command(error: OperationFailure) -> bool:
    """Return True if the server does not understand the command, and not if something is wrong with itself."""
    kind = kind_of(error.code, _server_text(error))
    return kind is UNSUPPORTED or (kind is UNKNOWN and ((error.code or 0) in NOT_UNDERSTOOD or (error.code or 0) >= LOCATIONS))


def _not_at_this_time(error: OperationFailure) -> NotAtThisTime:
    text = f"MongoDB does not show the data of that time (error {error.code}): {_server_text(error)}"
    return NotAtThisTime(text, hint=AT_TIME_HINT, component="mongodb", code=NOT_AT_THIS_TIME[error.code or 0])


def _from_driver(error: Exception) -> WatcherError:
    """Translate an error of the driver's own: by its class, or by its words where classes do not tell errors apart."""
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
    return _made(kind, f"{kind.says}: {_first_sentence(error)}", type(error).__name__)


def _made(kind: Kind, text: str, code: str) -> WatcherError:
    return outage(text, kind.hint, code) if kind.becomes is Outage else kind.becomes(text, hint=kind.hint)


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


def outage(text: str, hint: str, code: str) -> Outage:
    """Make the error for an outage of MongoDB."""
    return Outage(text, hint=hint, component="mongodb", code=code)


def _no_certificate_is_trusted(text: str) -> bool:
    """Return True if every server's certificate is refused. Certificates do not mend themselves. But one member may have a bad
    certificate while the members with good ones are down: that is an outage."""
    _, _, topology = text.partition("Topology Description:")
    servers = topology.split("<ServerDescription")[1:]
    return bool(servers) and all(CERTIFICATE_REFUSED in server for server in servers)


def _server_text(error: OperationFailure) -> str:
    """The server's own sentence. One about a missing right continues with the whole command and its signature; that is cut off."""
    details = error.details or {}
    return str(details.get("errmsg") or error).split(" to execute command ")[0].strip().rstrip(".")


def _first_sentence(error: Exception) -> str:
    return re.split(r" \(configured timeouts|, Timeout: |, full error: |\n", str(error))[0]
