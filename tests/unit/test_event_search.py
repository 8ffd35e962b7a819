"""The search for an event in the oplog, on replies that are made up: no server is slow when it is asked to be."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from watcher.errors import Outage
from watcher.model import ResumeToken
from watcher.mongodb import event_search as module
from watcher.mongodb.client import CommandSession
from watcher.mongodb.event_search import find_event

TIME = 0x6B084000
TOKEN = {"_data": f"82{TIME:08X}00000005"}
EARLIER, LATER = {"_data": f"82{TIME:08X}00000001"}, {"_data": f"82{TIME:08X}00000009"}
EVENT = {"_id": TOKEN}
UNAUTHORIZED = 13


class Replying(CommandSession):
    """A session whose replies to `getMore` are given, as events and token; the last one comes again and again."""

    def __init__(self, *replies: tuple[list[Any], ResumeToken], server_seconds: int = TIME + 100, sees_all: bool = True) -> None:
        self._replies = list(replies)
        self._time = Timestamp(server_seconds, 1)
        self._sees_all = sees_all
        self.searched: list[str] = []
        """The databases that streams were opened over."""

    def command(self, database: str, command: Any) -> RawBSONDocument:
        if "buildInfo" in command:
            return reply({"versionArray": [7, 0, 0, 0]})
        if "killCursors" in command:
            return reply({})
        if "aggregate" in command:
            self.searched.append(database)
            return self._cursor("firstBatch", [], EARLIER)
        if database == "admin" and not self._sees_all:
            raise OperationFailure("not authorized", UNAUTHORIZED)
        return self._cursor("nextBatch", *(self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]))

    def _cursor(self, batch: str, events: list[Any], token: ResumeToken) -> RawBSONDocument:
        return reply({"cursor": {batch: events, "id": Int64(1), "postBatchResumeToken": token}, "operationTime": self._time})


def reply(content: dict[str, Any]) -> RawBSONDocument:
    return RawBSONDocument(bson.encode(content))


def test_the_event_is_found_after_empty_replies() -> None:
    session = Replying(([], EARLIER), ([EVENT], TOKEN))
    assert find_event(session, "shop", TOKEN) == TOKEN
    assert session.searched == ["shop"]


def test_beyond_its_place_it_is_gone() -> None:
    assert find_event(Replying(([], EARLIER), ([], LATER)), "shop", TOKEN) is None


def test_it_may_be_an_event_of_another_database() -> None:
    session = Replying(([], LATER), ([EVENT], TOKEN))
    assert find_event(session, "shop", TOKEN) == TOKEN
    assert session.searched == ["shop", "admin"]


def test_a_stream_over_all_databases_is_searched_once() -> None:
    session = Replying(([], LATER))
    assert find_event(session, None, TOKEN) is None
    assert session.searched == ["admin"]


def test_without_rights_on_all_no_other_database_is_searched() -> None:
    assert find_event(Replying(([], LATER), sees_all=False), "shop", TOKEN) is None


def test_one_of_the_future_is_another_servers() -> None:
    assert find_event(Replying(([], EARLIER), server_seconds=TIME - 1), "shop", TOKEN) is None


def test_a_search_that_does_not_end_in_time_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIND_SECONDS", 0.05)
    with pytest.raises(Outage) as raised:
        find_event(Replying(([], EARLIER)), "shop", TOKEN)
    assert raised.value.code == "SearchUnfinished"
