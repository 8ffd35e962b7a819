"""The search for an event in the oplog, on replies that are made up: no server is slow when it is asked to be."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from watcher.errors import NotPermitted, Outage
from watcher.mongodb import change_stream as module
from watcher.mongodb.change_stream import ChangeStream

TIME = 0x6B084000
TOKEN = {"_data": f"82{TIME:08X}00000005"}
EARLIER, LATER = {"_data": f"82{TIME:08X}00000001"}, {"_data": f"82{TIME:08X}00000009"}


class Replying(ChangeStream):
    """A stream whose replies are given; the last one comes again and again."""

    def __init__(self, *replies: tuple[list[bytes], dict[str, str]], server_seconds: int = TIME + 100) -> None:
        self._replies = list(replies)
        self._operation_time = (server_seconds, 1)
        self._cursor_id = 1
        self._whole = False

    def _aggregate(self, _stages: Any) -> dict[str, str]:
        return EARLIER

    def _read(self, _command: Any) -> tuple[list[bytes], Any]:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def test_the_event_is_found_after_empty_replies() -> None:
    event = bson.encode({"_id": TOKEN})
    assert Replying(([], EARLIER), ([event], TOKEN)).find(TOKEN) == TOKEN


def test_beyond_its_place_it_is_gone() -> None:
    assert Replying(([], EARLIER), ([], LATER)).find(TOKEN) is None


def test_it_may_be_an_event_of_another_database() -> None:
    event = bson.encode({"_id": TOKEN})
    assert Replying(([], LATER), ([event], TOKEN)).find(TOKEN) == TOKEN


def test_without_rights_on_all_no_other_database_is_searched() -> None:
    class Forbidden(Replying):
        def _read(self, command: Any) -> tuple[list[bytes], Any]:
            if self._whole:
                raise NotPermitted("no right to that")
            return super()._read(command)

    stream = Forbidden(([], LATER))
    assert stream.find(TOKEN) is None
    assert not stream._whole


def test_one_of_the_future_is_another_servers() -> None:
    assert Replying(([], EARLIER), server_seconds=TIME - 1).find(TOKEN) is None


def test_a_search_that_does_not_end_in_time_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIND_SECONDS", 0.05)
    with pytest.raises(Outage) as raised:
        Replying(([], EARLIER)).find(TOKEN)
    assert raised.value.code == "SearchUnfinished"
