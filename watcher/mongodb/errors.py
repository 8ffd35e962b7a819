"""Translation of MongoDB's and its driver's errors into ours, whose type says what to do: keep trying, or stop.

`error_codes.py` has the table of the server's codes, `driver_errors.py` what the driver itself reports.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bson.errors import InvalidBSON
from pymongo.errors import OperationFailure, PyMongoError

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
from watcher.mongodb.driver_errors import BUGS, SASLPREP, from_driver
from watcher.mongodb.error_codes import LARGE, SERVER_HINT, STANDALONE, UNKNOWN, UNSUPPORTED, kind_of, outage

EVENT_NOT_FOUND = {280}

NOT_AT_THIS_TIME = {50: "MaxTimeMSExpired", 72: "InvalidOptions", 239: "SnapshotTooOld", 246: "SnapshotUnavailable"}
"""Codes of a read as of a cluster time, with their names. A time in the future gives 72; a collection that was created, dropped or
renamed since that time gives 246."""

NOT_UNDERSTOOD = {9, 241}
"""Codes of a query that makes no sense, beside those of UNSUPPORTED: FailedToParse, ConversionFailure."""

LOCATIONS = 10_000
"""Codes from here on stand each for one check in the server's source. Those that are outages are in the table."""

NO_AWS_CREDENTIALS = "MONGODB-AWS credentials could not be obtained"
"""Words of the driver's, in an error like a server's without a code."""

ID_TOO_LARGE_HINT = (
    "The `_id` of the document alone is too large: MongoDB tells it twice or more in an event. Leave its collection out with "
    "exclude_collections, or set the position after it with `watcherctl position`."
)
AT_TIME_HINT = "MongoDB keeps the past for minSnapshotHistoryWindowInSeconds, 300 by default. The worker reads at a later time."


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
        raise from_driver(error) from error
    except ValueError as error:
        if SASLPREP not in str(error):
            raise
        raise from_driver(error) from error


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
    return kind.error(f"{kind.says} (error {error.code}): {text}", str((error.details or {}).get("codeName", error.code)))


def _is_about_the_command(error: OperationFailure) -> bool:
    """Return True if the server does not understand the command, and not if something is wrong with itself."""
    kind = kind_of(error.code, _server_text(error))
    return kind is UNSUPPORTED or (kind is UNKNOWN and ((error.code or 0) in NOT_UNDERSTOOD or (error.code or 0) >= LOCATIONS))


def _not_at_this_time(error: OperationFailure) -> NotAtThisTime:
    text = f"MongoDB does not show the data of that time (error {error.code}): {_server_text(error)}"
    return NotAtThisTime(text, hint=AT_TIME_HINT, component="mongodb", code=NOT_AT_THIS_TIME[error.code or 0])


def _server_text(error: OperationFailure) -> str:
    """The server's own sentence. One about a missing right continues with the whole command and its signature; that is cut off."""
    details = error.details or {}
    return str(details.get("errmsg") or error).split(" to execute command ")[0].strip().rstrip(".")
