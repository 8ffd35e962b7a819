"""MongoDB's errors: each code is an outage, a stop, or a lost position."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, InvalidURI, NetworkTimeout, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.errors import ConfigurationError as DriverConfigurationError

from watcher.errors import ConfigurationError, NotPermitted, Outage, PositionLost, UnsupportedServer, WatcherError
from watcher.stream.mongodb_errors import CUT_OFF, EventNotFound, EventTooLarge, translated


def translation(error: Exception, *, after_token: bool = False) -> WatcherError:
    with pytest.raises(WatcherError) as caught, translated(after_token=after_token):
        raise error
    return caught.value


def from_server(code: int, text: str = "words of the server.", *, after_token: bool = False) -> WatcherError:
    return translation(OperationFailure(text, code, {"errmsg": text, "code": code}), after_token=after_token)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (11, NotPermitted),
        (13, NotPermitted),
        (18, NotPermitted),
        (8000, NotPermitted),
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


@pytest.mark.parametrize("code", [9, 15, 260, 40647, 40649, 50811])
def test_a_refused_token_is_the_positions_fault_only_while_opening(code: int) -> None:
    assert type(from_server(code, after_token=True)) is PositionLost
    assert type(from_server(code)) is Outage


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
    assert "--replSet" in outage.hint


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
