"""A worker's stream has a snapshot around it where documents are to be copied, or may be, and else it is alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.plain_settings import settings
from watcher.model import Owner, Position, Snapshot
from watcher.snapshot.interleaver import Interleaver
from watcher.stream.loss_policies import TolerantStream
from watcher.worker.source import source_of

NEW = Position("dashboard", Owner("9f3c", "host-1", 4711))
STREAMED = Position("dashboard", NEW.owner, {"_data": "8265F0C10000000001"}, 7)
COPYING = STREAMED.moved({"_data": "8265F0C10000000001"}, snapshot=Snapshot("s", "insert", "command", "2026-11-26T12:00:00Z"))


@pytest.mark.parametrize(
    ("position", "values", "kind"),
    [
        (NEW, {}, TolerantStream),
        (NEW, {"snapshot_mode": "initial"}, Interleaver),
        (STREAMED, {"snapshot_mode": "initial"}, TolerantStream),
        (COPYING, {}, Interleaver),
        (STREAMED, {"on_position_lost": "restart"}, TolerantStream),
        (STREAMED, {"on_position_lost": "snapshot"}, Interleaver),
    ],
)
def test_a_snapshot_stands_around_the_stream_where_there_may_be_one(position: Position, values: dict[str, Any], kind: type) -> None:
    stream: Any = SimpleNamespace(session=None)  # nothing reads from it
    progress: Any = SimpleNamespace(gaps=None)  # nothing happens that it could hear of
    assert type(source_of(stream, settings(**values), position, progress, loss="", cut_off=False)) is kind
