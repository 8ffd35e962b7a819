"""What MongoDB's errors mean for a worker: ride it out, or stop and say what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from pymongo.errors import AutoReconnect, InvalidURI, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.errors import ConfigurationError as DriverConfigurationError

from watcher.errors import (
    ConfigurationError,
    NotPermitted,
    Outage,
    PositionLost,
    UndeliverableEvent,
    UnsupportedServer,
    WatcherError,
)

NOT_AUTHORISED = {13}
AUTHENTICATION_FAILED = {11, 18, 8000}
NOT_A_REPLICA_SET = {20, 40573}
NO_CHANGE_STREAMS = {40324}
NOT_INITIATED = {94}
EVENT_TOO_LARGE = {10334, 7182500}
"""The second is of servers that split: a single field of the event is larger than what its token leaves of a fragment."""
EVENT_NOT_FOUND = {280}
POSITION_LOST = {286, 464, *EVENT_NOT_FOUND}
POSITION_REFUSED = {9, 15, 260, 40647, 40649, 50811}
"""A token that is none of this server's. Only while opening: in mid-stream the saved position is not at fault."""

CERTIFICATE_REFUSED = "CERTIFICATE_VERIFY_FAILED"

NO_SESSIONS = "Sessions are not supported"
NOT_THIS_REPLICA_SET = ("available for replica set name", "configured to connect to a replica set")
"""Of the driver's words for a standalone server, or a member of another replica set."""

REPLICA_SET_HINT = (
    "Change streams need a replica set; one node is enough. Start mongod with --replSet rs0 (or replication.replSetName) and run "
    "rs.initiate() once in mongosh."
)
URI_HINT = "Check its options, and in user and password the characters written as %XX."
CREDENTIALS_HINT = "Check user, password and authSource in mongodb_uri."
RIGHTS_HINT = "The user needs the role `read` on this database."
CERTIFICATE_HINT = "Check tlsCAFile in mongodb_uri, and that the server's certificate is for its host and still valid."
POSITION_HINT = (
    "The changes after it are gone from the oplog, or mongodb_uri leads to another MongoDB. A larger oplog keeps changes longer. "
    'With on_position_lost = "restart" the watcher goes on from now, and tells its consumers of the gap.'
)
LARGE_HINT = (
    'Leave out what makes it large: full_document_before_change, or full_document = "default". MongoDB 6.0.9 and newer split such '
    'events by themselves. on_large_event = "dead-letter" delivers it without its documents.'
)
ID_TOO_LARGE_HINT = (
    "The `_id` of the document alone is too large: MongoDB tells it twice or more in an event. Leave its collection out with "
    "exclude_collections, or set the position after it with `watcherctl position`."
)
CUT_OFF = AutoReconnect.__name__
"""The code of an outage that began with a connection closed by the other end. It's also how mongod answers where an event fits into
a reply, but not the token after it as well, which holds the document's `_id` (of 8 kB and more) twice as long."""
REACH_HINT = "Is mongod running, and are host and port in mongodb_uri right? The worker keeps trying."


class EventTooLarge(UndeliverableEvent):
    """One of the events that were asked for is larger than a BSON document may be, or all together with their token."""


class EventNotFound(PositionLost):
    """The event after which a stream was opened is not in it: it's gone, or the stream's filter leaves it out."""


@contextlib.contextmanager
def translated(*, after_token: bool = False) -> Iterator[None]:
    """Turn pymongo's errors into ours; `after_token` says that a stream is being opened after a saved position."""
    try:
        yield
    except OperationFailure as error:
        raise _from_server(error, after_token=after_token) from error
    except (InvalidURI, DriverConfigurationError, ValueError) as error:
        raise _from_driver(error) from error
    except ServerSelectionTimeoutError as error:
        raise _unreachable(error) from error
    except PyMongoError as error:
        raise _outage(f"MongoDB's connection failed: {_first_sentence(error)}", REACH_HINT, type(error).__name__) from error


def _from_server(error: OperationFailure, *, after_token: bool) -> WatcherError:
    code, text = error.code, _server_text(error)
    if code in AUTHENTICATION_FAILED:
        return NotPermitted(f"MongoDB refuses the credentials: {text}", hint=CREDENTIALS_HINT)
    if code in NOT_AUTHORISED:
        return NotPermitted(f"MongoDB does not permit reading the change stream: {text}", hint=RIGHTS_HINT)
    if code in NOT_A_REPLICA_SET:
        return UnsupportedServer("This MongoDB is a standalone server, without change streams.", hint=REPLICA_SET_HINT)
    if code in NO_CHANGE_STREAMS:
        return UnsupportedServer(
            f"This MongoDB cannot do what the settings ask for: {text}", hint="MongoDB 6.0 or newer is needed."
        )
    if code in EVENT_TOO_LARGE:
        size, *_ = text.split(" First element: ")  # what follows is the beginning of the event, with a user's data
        return EventTooLarge(f"A change event is too large for MongoDB: {size}", hint=LARGE_HINT)
    if code in POSITION_LOST or (after_token and code in POSITION_REFUSED):
        kind = EventNotFound if code in EVENT_NOT_FOUND else PositionLost
        return kind(f"MongoDB cannot continue after the saved position (error {code}): {text}", hint=POSITION_HINT)
    hint = REPLICA_SET_HINT if code in NOT_INITIATED else ""
    return _outage(f"MongoDB answered with error {code}: {text}", hint, str((error.details or {}).get("codeName", code)))


def _from_driver(error: Exception) -> WatcherError:
    """What the driver refuses before it asks a server; only without sessions has it asked one, and found no replica set yet."""
    if NO_SESSIONS in str(error):
        return _not_initiated()
    return ConfigurationError(f"mongodb_uri: {error}", hint=URI_HINT)


def _not_initiated() -> Outage:
    return _outage("MongoDB's replica set is not initiated yet.", REPLICA_SET_HINT, "NotYetInitialized")


def _unreachable(error: ServerSelectionTimeoutError) -> WatcherError:
    """The driver's text names each server with its error and then repeats the topology; the first half is for people."""
    if _no_certificate_is_trusted(str(error)):
        return NotPermitted(f"MongoDB's certificate cannot be trusted: {_first_sentence(error)}", hint=CERTIFICATE_HINT)
    if "RSGhost" in str(error):  # the driver's name for a member of no replica set yet; its sentence says nothing of that
        return _not_initiated()
    if any(words in str(error) for words in NOT_THIS_REPLICA_SET):
        text = f"No server of mongodb_uri is in the replica set that it names: {_first_sentence(error)}"
        return _outage(text, REPLICA_SET_HINT, "NotThisReplicaSet")
    return _outage(f"MongoDB does not answer: {_first_sentence(error)}", REACH_HINT, type(error).__name__)


def _outage(text: str, hint: str, code: str) -> Outage:
    return Outage(text, hint=hint, component="mongodb", code=code)


def _no_certificate_is_trusted(text: str) -> bool:
    """Certificates don't mend themselves; but one member may have a bad one while the good ones are away, which is an outage."""
    _, _, topology = text.partition("Topology Description:")
    servers = topology.split("<ServerDescription")[1:]
    return bool(servers) and all(CERTIFICATE_REFUSED in server for server in servers)


def _server_text(error: OperationFailure) -> str:
    """The server's sentence; one about a missing right goes on with the whole command, signature and all."""
    details = error.details or {}
    return str(details.get("errmsg") or error).split(" to execute command ")[0].strip().rstrip(".")


def _first_sentence(error: PyMongoError) -> str:
    return re.split(r" \(configured timeouts|, Timeout: |\n", str(error))[0]
