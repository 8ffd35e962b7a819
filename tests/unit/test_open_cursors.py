"""Cursors that a stream leaves open on the server: one at most. MongoDB keeps those of a session for as long as that lives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
import pytest
from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import AutoReconnect

from tests.support.plain_settings import settings
from watcher.mongodb import change_stream
from watcher.mongodb.resuming_stream import ResumingStream

TIME = Timestamp(1_700_000_000, 1)
TOKEN, LATER = ({"_data": f"82{TIME.time:08X}{inc:08X}2B"} for inc in (TIME.inc, TIME.inc + 1))


class Server:
    """A session with a server of no changes, which counts the cursors that are open."""

    operation_time = TIME

    def __init__(self) -> None:
        self.opened = 0
        self.open: dict[int, str] = {}
        self.is_deaf = False
        """It answers no request to forget a cursor."""

    def command(self, database: str, command: Mapping[str, Any]) -> RawBSONDocument:
        return RawBSONDocument(bson.encode({"operationTime": TIME, **self._answer(database, command)}))

    def _answer(self, database: str, command: Mapping[str, Any]) -> dict[str, Any]:
        if "killCursors" in command:
            if self.is_deaf:
                raise AutoReconnect("connection closed")
            for number in command["cursors"]:
                assert self.open.pop(number) == f"{database}.{command['killCursors']}"
        elif "aggregate" in command:
            self.opened += 1
            self.open[self.opened] = f"{database}.$cmd.aggregate"
            return {"cursor": {"id": Int64(self.opened), "ns": "", "firstBatch": [], "postBatchResumeToken": TOKEN}}
        elif "getMore" in command:
            assert command["getMore"] in self.open
            return {"cursor": {"id": command["getMore"], "ns": "", "nextBatch": [], "postBatchResumeToken": LATER}}
        return {"versionArray": [6, 0, 5, 0]}


def stream_of(server: Server, **changes: Any) -> ResumingStream:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(change_stream, "CommandSession", lambda _: server)  # only what a stream asks
        return ResumingStream(settings(**changes))


@pytest.mark.parametrize("scope", [{}, {"mongodb_uri": "mongodb://localhost:27017/", "watch_databases": ("tenant_*",)}])
def test_a_stream_that_is_opened_again_leaves_no_cursor_behind(scope: dict[str, Any]) -> None:
    """As at each event on which the pipeline fails, or that is too large: a stream is opened for it, and another one after it."""
    server = Server()
    stream = stream_of(server, **scope)
    for _ in range(5):
        stream.open(TOKEN, ("fullDocument",))
        stream.next()
        with stream.bare():
            stream.open(TOKEN)
            stream.next()
    assert stream.find(TOKEN) is None
    stream.open_by_time(TOKEN)
    stream.open_now()
    assert server.opened > 12
    assert len(server.open) == 1


def test_what_the_server_will_not_forget_stops_nothing() -> None:
    server = Server()
    stream = stream_of(server)
    stream.open(TOKEN)
    server.is_deaf = True
    assert stream.open(TOKEN) == TOKEN
