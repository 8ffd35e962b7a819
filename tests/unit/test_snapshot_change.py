"""Commands about a snapshot: their records, and their refusals; on the position topic in memory of test_takeover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.unit.test_ownership import SETTINGS
from watcher.errors import Outage
from watcher.kafka.position import HISTORY_KEY, SNAPSHOT_KEY, dump_snapshot, load_snapshot, newest_snapshot_of
from watcher.model import Delivered, Message, Owner, Position, Snapshot
from watcher.position import takeover
from watcher.position.change import change
from watcher.position.history import PositionChange, load_history
from watcher.position.snapshot_change import SnapshotRefused, alter, check_can_start, start

EARLIER, NOW, LATER = ({"_data": f"826592A9{second}"} for second in ("40", "50", "60"))
DELIVERED = Delivered()
NEW = Snapshot("snapshot-2", "replace", "command", "2024-01-01T12:00:00.000Z", ("orders",), {"orders": '{"paid": true}'})
UNDER_WAY = replace(NEW, id="snapshot-1", started_sequence=3, collection="orders", documents=1200, in_collection=200, last=b"\5")
OUTAGE = Outage("Kafka: a transaction failed.", component="kafka", code="_TIMED_OUT")


class Topic:
    """A position topic in memory. `lost` transactions are committed, but their answer gets lost."""

    def __init__(self) -> None:
        self.position = Position("dashboard", Owner("worker", "host-1", 1), NOW, 7)
        self.records: dict[bytes, bytes] = {}
        self.messages: list[dict[str, Any]] = []
        self.changes = 0
        self.lost = 0

    def sink(self, _settings: Any, owner: Owner, *_: Any) -> Topic:
        self.position = replace(self.position, owner=owner)
        return self

    def open(self) -> Position:
        return self.position

    def change(self, messages: list[Message], position: Position, records: dict[bytes, bytes]) -> None:
        self.messages += [orjson.loads(message.value) for message in messages]
        self.records.update(records)
        ended = position.snapshot is not None and position.snapshot.is_over
        self.position = replace(position, snapshot=None) if ended else position
        self.changes += 1
        if self.lost:
            self.lost -= 1
            raise OUTAGE

    def close(self) -> None:
        """Nothing is open."""

    def read_history(self) -> bytes | None:
        return self.records.get(HISTORY_KEY)

    @property
    def snapshot(self) -> Snapshot:
        return load_snapshot(self.records[SNAPSHOT_KEY])

    @property
    def history(self) -> tuple[PositionChange, ...]:
        return load_history(self.records.get(HISTORY_KEY))


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    topic = Topic()
    monkeypatch.setattr(takeover, "KafkaSink", topic.sink)
    monkeypatch.setattr(takeover, "PositionReader", lambda *_: topic)
    monkeypatch.setattr(takeover, "WAIT_SECONDS", 0.0)
    return topic


@pytest.fixture
def busy(topic: Topic) -> Topic:
    """With a snapshot under way."""
    topic.position = replace(topic.position, snapshot=UNDER_WAY)
    return topic


def test_a_start_is_announced_with_the_next_number_at_the_same_position(topic: Topic) -> None:
    assert start(SETTINGS, DELIVERED, NEW) == replace(NEW, started_sequence=8)
    [message] = topic.messages
    assert (message["operationType"], message["sequence"], message["snapshot"]) == ("snapshotStarted", 8, "snapshot-2")
    assert (message["reason"], message["snapshotOperation"]) == ("command", "replace")
    assert (topic.position.token, topic.position.sequence) == (NOW, 8)
    assert topic.position.snapshot == topic.snapshot == replace(NEW, started_sequence=8)
    [entry] = topic.history
    assert (entry.what, entry.moves) == ("start of snapshot-2", False)


def test_a_start_whose_answer_gets_lost_happens_once(topic: Topic) -> None:
    topic.lost = 1
    assert start(SETTINGS, DELIVERED, NEW).started_sequence == 8
    assert [message["operationType"] for message in topic.messages] == ["snapshotStarted"]
    assert len(topic.history) == 1


def test_a_start_is_refused_beside_another_which_goes_on(busy: Topic) -> None:
    with pytest.raises(SnapshotRefused, match=r"snapshot-1 is under way in dashboard, running, 1,200 documents") as refused:
        start(SETTINGS, DELIVERED, NEW)
    assert "snapshot stop dashboard" in refused.value.hint
    assert (busy.messages, busy.history, busy.position.snapshot) == ([], (), UNDER_WAY)


def test_what_refuses_after_the_claim_writes_the_position_again(busy: Topic) -> None:
    """Else the worker would wait for the rest of the claim's time."""
    with pytest.raises(SnapshotRefused):
        start(SETTINGS, DELIVERED, NEW)
    assert busy.changes == 1


def test_a_start_needs_a_position() -> None:
    with pytest.raises(SnapshotRefused, match="no position yet") as refused:
        check_can_start(SETTINGS, None, has_begun=False)
    assert "snapshot_mode" in refused.value.hint


def test_pause_and_resume_change_the_state_and_nothing_else(busy: Topic) -> None:
    alter(SETTINGS, DELIVERED, "snapshot-1", "pause")
    assert busy.position.snapshot == busy.snapshot == replace(UNDER_WAY, state="paused")
    alter(SETTINGS, DELIVERED, "snapshot-1", "resume")
    assert busy.position.snapshot == busy.snapshot == UNDER_WAY
    assert (busy.messages, busy.position.sequence) == ([], 7)
    assert [entry.what for entry in busy.history] == ["pause of snapshot-1", "resume of snapshot-1"]


def test_a_stop_is_told_of(busy: Topic) -> None:
    alter(SETTINGS, DELIVERED, "snapshot-1", "stop")
    [message] = busy.messages
    assert (message["operationType"], message["startedSequence"], message["sequence"]) == ("snapshotAborted", 3, 8)
    assert message["reason"] == f"stopped by {busy.history[0].by}"
    assert busy.position.snapshot is None
    assert busy.snapshot == replace(UNDER_WAY, state="stopped", end_reason=message["reason"])


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_another_snapshot_than_the_one_that_was_seen_is_left_alone(busy: Topic, action: Any) -> None:
    with pytest.raises(SnapshotRefused, match="has ended meanwhile"):
        alter(SETTINGS, DELIVERED, "snapshot-0", action)
    assert (busy.history, busy.position.snapshot) == ((), UNDER_WAY)


def test_a_step_forward_aborts_it_in_the_same_transaction(busy: Topic) -> None:
    change(SETTINGS, DELIVERED, LATER, "set")
    gap, aborted = busy.messages
    assert (gap["operationType"], aborted["operationType"]) == ("gap", "snapshotAborted")
    assert (gap["sequence"], aborted["sequence"], busy.position.sequence) == (1_000_001, 1_000_002, 1_000_002)
    assert "moved forward" in aborted["reason"]
    assert busy.position.snapshot is None
    assert busy.snapshot.state == "aborted"
    assert busy.changes == 1


def test_after_a_step_back_it_goes_on(busy: Topic) -> None:
    change(SETTINGS, DELIVERED, EARLIER, "rewind")
    assert [message["operationType"] for message in busy.messages] == ["rewind"]
    assert busy.position.snapshot == UNDER_WAY
    assert SNAPSHOT_KEY not in busy.records


def test_of_a_lost_position_it_is_only_aborted(busy: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = replace(busy.position, token=None, sequence=1_000_000)
    monkeypatch.setattr(takeover, "_opened", lambda sink: (lost, True))
    with pytest.raises(SnapshotRefused, match="has ended meanwhile"):
        alter(SETTINGS, DELIVERED, "snapshot-1", "pause")
    change(SETTINGS, DELIVERED, LATER, "reset")
    gap, aborted = busy.messages
    assert (gap["operationType"], aborted["operationType"], aborted["sequence"]) == ("gap", "snapshotAborted", 1_000_002)
    assert aborted["reason"].startswith("the position was lost, and set anew by ")
    assert busy.snapshot.state == "aborted"


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (dump_snapshot(replace(UNDER_WAY, state="completed")), "completed"),
        (dump_snapshot(replace(UNDER_WAY, state="stopped")), "stopped"),
        (dump_snapshot(UNDER_WAY), "aborted"),
        (b"garbage", None),
        (None, None),
    ],
)
def test_the_newest_snapshot_of_a_position_without_one(record: bytes | None, state: str | None) -> None:
    position = Position("dashboard", Owner("worker", "host-1", 1), NOW, 7)
    for place in (position, None):
        last = newest_snapshot_of(place, record)
        assert (last.state if last else None) == state


def test_the_newest_snapshot_is_the_one_under_way() -> None:
    position = Position("dashboard", Owner("worker", "host-1", 1), NOW, 7, snapshot=UNDER_WAY)
    assert newest_snapshot_of(position, dump_snapshot(UNDER_WAY)) == UNDER_WAY
