"""MongoDB's errors: each code is an outage, a stop, or a lost position."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from pymongo.errors import (
    AutoReconnect,
    InvalidURI,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.errors import ConfigurationError as DriverConfigurationError

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
from watcher.mongodb.driver_errors import ANOTHER_SET, BUGS, CUT_OFF
from watcher.mongodb.error_codes import BY_CODE, KINDS, LARGE, POSITION, STANDALONE, TOKEN, UNKNOWN, UNKNOWN_HINT, Kind
from watcher.mongodb.errors import EventNotFound, EventTooLarge, QueryRefused, translated


def translation(error: Exception, *, after_token: bool = False) -> WatcherError:
    with pytest.raises(WatcherError) as caught, translated(after_token=after_token):
        raise error
    return caught.value


def from_server(code: int, text: str = "words of the server.", *, after_token: bool = False) -> WatcherError:
    return translation(OperationFailure(text, code, {"errmsg": text, "code": code}), after_token=after_token)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (11, CredentialsRefused),
        (13, NotPermitted),
        (18, CredentialsRefused),
        (8000, Outage),
        (20, UnsupportedServer),
        (40573, UnsupportedServer),
        (40324, UnsupportedServer),
        (280, EventNotFound),
        (286, PositionLost),
        (464, PositionLost),
        (43, Outage),
        (94, Outage),
        (189, Outage),
        (11600, Outage),
        (10334, EventTooLarge),
        (7182500, EventTooLarge),
        (13436, Outage),
    ],
)
def test_each_code_has_its_kind(code: int, kind: type[WatcherError]) -> None:
    assert type(from_server(code)) is kind
    assert type(from_server(code, after_token=True)) is kind


@pytest.mark.parametrize("code", [11, 13, 18, 20, 40573, 40324, 94, 286])
def test_whoever_has_to_act_is_told_how(code: int) -> None:
    assert from_server(code).hint


def test_what_the_server_said_is_quoted() -> None:
    assert "words of the server" in str(from_server(11600))


@pytest.mark.parametrize("error", [AutoReconnect("connection closed"), NetworkTimeout("timed out"), PyMongoError("something")])
def test_a_failing_connection_is_an_outage_of_mongodb(error: PyMongoError) -> None:
    outage = translation(error)
    assert isinstance(outage, Outage)
    assert (outage.component, bool(outage.hint)) == ("mongodb", True)
    assert (outage.code == CUT_OFF) == (type(error) is AutoReconnect)  # not where the network swallows what is sent


def test_of_a_large_event_its_beginning_is_not_told() -> None:
    size = "BSONObj size: 18000486 (0x112AA66) is invalid. Size must be between 0 and 16793600(16MB)"
    words = f'{size} First element: cursor: {{ nextBatch: [ {{ _id: {{ _data: "82" }}, fullDocument: {{ secret: 1 }} }} ] }}'
    error = translation(OperationFailure(words, 10334, {"errmsg": words}))
    assert str(error) == f"A change event is too large for MongoDB: {size}"


@pytest.mark.parametrize("error", [InvalidURI("no hosts"), DriverConfigurationError("unknown option"), ValueError("SASLprep")])
def test_a_uri_that_the_driver_refuses_is_a_configuration_error(error: Exception) -> None:
    fault = translation(error)
    assert isinstance(fault, ConfigurationError)
    assert fault.hint


def test_of_the_drivers_long_text_people_get_the_first_sentence() -> None:
    text = "h:1: [Errno 111] Connection refused (configured timeouts: connectTimeoutMS: 5000.0ms), Timeout: 5s, Topology Descr…"
    assert str(translation(ServerSelectionTimeoutError(text))) == "MongoDB does not answer: h:1: [Errno 111] Connection refused"


GHOST = ServerSelectionTimeoutError("No servers found yet, Timeout: 5.0s, Topology Description: <… server_type: RSGhost, rtt: 1>")
WITHOUT_SESSIONS = DriverConfigurationError("Sessions are not supported by this MongoDB deployment")


@pytest.mark.parametrize("error", [GHOST, WITHOUT_SESSIONS], ids=["discovered", "direct"])
def test_a_replica_set_that_nobody_has_initiated_is_told_from_a_server_that_is_away(error: PyMongoError) -> None:
    outage = translation(error)
    assert isinstance(outage, Outage)
    assert "not initiated" in str(outage)
    assert "rs.initiate()" in outage.hint


@pytest.mark.parametrize(
    "text",
    [
        'No replica set members available for replica set name "rs0", Timeout: 1.0s',
        "client is configured to connect to a replica set named 'rs0' but this node belongs to a set named 'None', Timeout: 1.0s",
    ],
)
def test_a_server_of_no_or_another_replica_set_is_told_from_one_that_is_away(text: str) -> None:
    outage = translation(ServerSelectionTimeoutError(text))
    assert isinstance(outage, Outage)
    assert "in the replica set" in str(outage)
    assert outage.code == ANOTHER_SET
    assert "Correct replicaSet in mongodb_uri" in outage.hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(
            OperationFailure("words", 189, {"codeName": "PrimarySteppedDown"}), "PrimarySteppedDown", id="named by the server"
        ),
        pytest.param(OperationFailure("words", 43), "43", id="without a name"),
        pytest.param(NetworkTimeout("10.0.0.1:27017: timed out"), "NetworkTimeout", id="the driver's"),
        pytest.param(ServerSelectionTimeoutError("No servers found yet"), "ServerSelectionTimeoutError", id="nobody answers"),
        pytest.param(ServerSelectionTimeoutError("server_type: RSGhost"), "NotYetInitialized", id="not initiated"),
    ],
)
def test_an_outage_is_counted_by_a_name_and_not_by_its_text(error: PyMongoError, code: str) -> None:
    outage = translation(error)
    assert isinstance(outage, Outage)
    assert outage.code == code


ALL_CODES = sorted({*range(1, 500), *BY_CODE, *TOKEN.codes, 16500, 31082, 51091, 4662500, 10171600})
"""Those that servers have, and more: 16500 is Cosmos DB's."""

OUR_ERRORS = (
    Outage,
    CredentialsRefused,
    NotPermitted,
    UnsupportedServer,
    PositionLost,
    EventNotFound,
    EventTooLarge,
    UndeliverableEvent,
)


@pytest.mark.parametrize("after_token", [False, True])
def test_every_code_is_one_of_ours_with_a_hint(after_token: bool) -> None:
    for code in ALL_CODES:
        error = from_server(code, after_token=after_token)
        assert type(error) in OUR_ERRORS, code
        assert error.hint, code
        assert "words of the server" in str(error) or code in STANDALONE.codes, code


def test_no_code_is_in_two_kinds() -> None:
    assert sum(len(kind.codes) for kind in KINDS) == len(BY_CODE)


def test_an_unknown_code_blames_nobody_and_is_told_with_its_number() -> None:
    outage = from_server(4242)
    assert type(outage) is Outage
    assert outage.hint == UNKNOWN_HINT
    assert "4242" in str(outage)


def test_a_missing_image_stops_with_the_settings_that_ask_for_it() -> None:
    error = from_server(47)
    assert type(error) is UndeliverableEvent
    assert "full_document" in error.hint


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (8000, "bad auth : authentication failed", CredentialsRefused),
        (8000, "user is not allowed to do action [changeStream] on [shop.]", NotPermitted),
        (8000, "$changeStream is not allowed in this atlas tier", UnsupportedServer),
        (8000, "Internal atlas error checking things", Outage),
        (13, "not authorized on dashboard to execute command", NotPermitted),
        (13, "Command getMore requires authentication", CredentialsRefused),
        (13, "cursor id 7 was not created by the authenticated user", CredentialsRefused),
        (303, "Feature not supported: 'startAfter'", UnsupportedServer),
        (303, "Connection closed since the horizon has changed", Outage),
        (20, "Transaction numbers are only allowed on a replica set member or mongos", UnsupportedServer),
        (20, "aggregate on a database", UnsupportedServer),
        (9999, "this stage is not yet supported", UnsupportedServer),
        (None, "no such command: 'getMore'", UnsupportedServer),
        (None, "something", Outage),
    ],
)
def test_where_a_code_means_several_things_the_words_decide(code: int | None, text: str, kind: type[WatcherError]) -> None:
    assert type(translation(OperationFailure(text, code, {"errmsg": text}))) is kind


@pytest.mark.parametrize("code", TOKEN.codes)
def test_a_strange_token_is_a_lost_position_only_while_opening(code: int) -> None:
    assert type(from_server(code, after_token=True)) is PositionLost
    assert not isinstance(from_server(code), PositionLost)


def exceptions(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for kind in base.__subclasses__():
        yield from exceptions(kind)


DRIVERS = sorted({*exceptions(PyMongoError)} - {*exceptions(OperationFailure)}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", [kind for kind in DRIVERS if not issubclass(kind, BUGS)], ids=lambda kind: kind.__name__)
def test_each_of_the_drivers_exceptions_is_ours_with_a_hint(kind: type[Exception]) -> None:
    error = translation(kind("words of the driver"))
    assert isinstance(error, (Outage, ConfigurationError))
    assert error.hint
    assert "words of the driver" in str(error)


@pytest.mark.parametrize("kind", BUGS)
def test_calls_that_make_no_sense_stay_bugs(kind: type[Exception]) -> None:
    with pytest.raises(kind), translated():
        raise kind("Cannot use MongoClient after close")


def test_an_election_is_told_as_one() -> None:
    words = {"errmsg": "not primary", "code": 10107, "codeName": "NotWritablePrimary"}
    outage = translation(NotPrimaryError("not primary", words))
    assert isinstance(outage, Outage)
    assert "election" in outage.hint
    assert str(outage).endswith(": not primary")


def test_a_server_that_is_older_than_the_driver_is_unsupported() -> None:
    text = "Server at h:1 reports wire version 6, but this version of PyMongo requires at least 8 (MongoDB 4.2)."
    assert type(translation(DriverConfigurationError(text))) is UnsupportedServer


def test_the_page_of_errors_shows_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    section = page.partition("\n## MongoDB\n")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("|")] == [*HEAD, *map(row, SHOWN)]


HEAD = ("| error of MongoDB | what it means | the worker |", "|---|---|---|")
SHOWN = (*KINDS, TOKEN, UNKNOWN)


def row(kind: Kind) -> str:
    names = "; ".join(f"{code} {name}" for code, name in sorted(kind.codes.items()) if not name.startswith("Location"))
    locations = ", ".join(ranges(sorted(code for code, name in kind.codes.items() if name.startswith("Location"))))
    codes = "; ".join(filter(None, [names, locations])) or "any other"
    if kind is TOKEN:
        codes = f"while opening: {codes}"
    does = "keeps trying" if kind.becomes is Outage else f"stops with {int(kind.becomes.exit_code)}"
    hint = kind.hint.replace("The worker keeps trying.", "").strip()
    return f"| {codes} | {kind.says}. {hint} | {does}{POLICIES.get(kind.says, '')} |"


POLICIES = {POSITION.says: ", or `on_position_lost`", LARGE.says: ", or `on_large_event`"}


def ranges(numbers: list[int]) -> Iterator[str]:
    for _, group in groupby(enumerate(numbers), lambda item: item[1] - item[0]):
        run = [number for _, number in group]
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2, QueryRefused), (9, QueryRefused), (14, QueryRefused), (168, QueryRefused), (51091, QueryRefused),
        (13, NotPermitted), (18, CredentialsRefused), (43, Outage), (189, Outage), (11600, Outage), (13435, Outage), (4242, Outage),
    ],
)  # fmt: skip
def test_only_what_is_wrong_with_a_query_is_blamed_on_it(code: int, kind: type[WatcherError]) -> None:
    with pytest.raises(WatcherError) as caught, translated(query=True):
        raise OperationFailure("words of the server.", code, {"errmsg": "words of the server.", "code": code})
    assert type(caught.value) is kind


def test_a_server_that_hangs_up_may_want_a_certificate() -> None:
    closed = ServerSelectionTimeoutError(
        "h:1: connection closed (configured timeouts: connectTimeoutMS: 5000.0ms), Timeout: 5.0s, …"
    )
    outage = translation(closed)
    assert isinstance(outage, Outage)
    assert (str(outage), outage.code) == ("MongoDB does not answer: h:1: connection closed", "ServerSelectionTimeoutError")
    assert "tlsCertificateKeyFile" in outage.hint
