"""Servers that speak MongoDB's protocol and lack parts of it: a stop that names what is missing, and not an endless wait."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from bson import Int64, Timestamp

from tests.support.imitation import Imitation
from watcher.config import Settings
from watcher.errors import ExitCode, UnsupportedServer, WatcherError
from watcher.mongodb.change_stream import ChangeStream

Document = dict[str, Any]

VERSION: Document = {"ok": 1, "version": "7.0.0", "versionArray": [7, 0, 0, 0]}
TOKEN = {"_data": "826B08404D0000733D2B0229296E04"}
CURSOR: Document = {"id": Int64(1), "ns": "shop.$cmd.aggregate", "firstBatch": [], "postBatchResumeToken": TOKEN}
OPENED: Document = {"ok": 1, "cursor": CURSOR, "operationTime": Timestamp(1, 1)}


def refused(code: int | None, text: str) -> Document:
    return {"ok": 0, "errmsg": text} | ({} if code is None else {"code": code})


def without(reply: Document, field: str) -> Document:
    return {name: value for name, value in reply.items() if name != field}


def opening(aggregate: Document, token: Any = None, **hello: Any) -> WatcherError:
    """Return what a change stream says of a server that answers `aggregate` so."""
    with Imitation({"buildInfo": VERSION, "aggregate": aggregate}, hello) as server:
        settings = Settings(
            name="shop", mongodb_uri=server.uri("shop"), kafka_brokers="host:9092", kafka_client_id="shop", start_from="now"
        )
        with closing(ChangeStream(settings)) as stream, pytest.raises(WatcherError) as caught:
            stream.open(token)
    return caught.value


REFUSALS = {
    "DocumentDB": refused(304, "Aggregation stage not supported: '$changeStream'"),
    "DocumentDB, an option": refused(303, "Feature not supported: 'startAfter'"),
    "Cosmos DB": refused(2, "Change stream must be followed by a match and then a project stage"),
    "Cosmos DB, a database": refused(2, "Expected type string but found int."),
    "Cosmos DB, old": refused(40324, "Unrecognized pipeline stage name: '$changeStream'"),
    "FerretDB": refused(238, '`aggregate` stage "$changeStream" is not implemented yet'),
    "another code": refused(9999, "the stage is not supported"),
    "no code": refused(None, "change streams are not enabled on this cluster"),
}


@pytest.mark.parametrize("server", REFUSALS)
@pytest.mark.parametrize("token", [None, TOKEN], ids=["first start", "after a position"])
def test_what_it_refuses_is_named(server: str, token: Any) -> None:
    error = opening(REFUSALS[server], token)
    assert error.exit_code == ExitCode.UNSUPPORTED
    assert REFUSALS[server]["errmsg"].rstrip(".") in str(error)
    assert "not supported" in error.hint


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (without(OPENED, "operationTime"), "operationTime"),
        (without(OPENED, "cursor"), "cursor"),
        (OPENED | {"cursor": without(CURSOR, "postBatchResumeToken")}, "postBatchResumeToken"),
        (OPENED | {"cursor": without(CURSOR, "firstBatch")}, "batch"),
        (OPENED | {"cursor": CURSOR | {"postBatchResumeToken": {"_data": b"..."}}}, "resume token"),
        (OPENED | {"cursor": CURSOR | {"postBatchResumeToken": {"_data": "0166f2"}}}, "resume token"),
        (OPENED | {"cursor": 1}, "change stream"),
    ],
)
def test_what_its_replies_lack_is_named(reply: Document, named: str) -> None:
    error = opening(reply)
    assert isinstance(error, UnsupportedServer)
    assert named in str(error)
    assert "DocumentDB" in error.hint


@pytest.mark.parametrize(
    ("hello", "named"),
    [
        ({"maxWireVersion": 6}, "wire version"),
        ({"logicalSessionTimeoutMinutes": None}, "sessions"),
        ({"logicalSessionTimeoutMinutes": None, "setName": None}, "sessions"),
    ],
)
def test_what_it_says_of_itself_is_enough(hello: dict[str, Any], named: str) -> None:
    error = opening(OPENED, **hello)
    assert isinstance(error, UnsupportedServer)
    assert named in str(error)


def test_one_that_has_all_of_it_is_not_refused() -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        opening(OPENED)
