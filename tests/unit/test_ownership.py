"""Ownership of a watcher, and from where its owner goes on."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.doctoring import as_settings
from watcher.errors import ConfigurationError, NotOwner, PositionLost, TakenOver
from watcher.kafka.ownership import COMMAND_SECONDS, NEW_COUNT, Ownership
from watcher.kafka.position import Command, Saved, Stamp, load_stamp
from watcher.model import Delivered, Owner, Position, Snapshot

SETTINGS = as_settings(
    {"mongodb_uri": "mongodb://127.0.0.1/dashboard", "kafka_brokers": "127.0.0.1:9092", "kafka_client_id": "dashboard-watcher"}
)
OURS, ANOTHER = Owner("ours", "here", 1), Owner("another", "there", 2)
TOKEN = {"_data": "8265"}
NOON, SINCE = datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01T12:00:00.000Z"
REWIND = Command("6f1c", "rewind to noon")
CLAIM, DONE = Stamp(ANOTHER, command=REWIND, wait_seconds=COMMAND_SECONDS), Stamp(ANOTHER, command=REWIND)
UNDER_WAY = Snapshot("snapshot-1", "replace", "command", "2024-01-01T12:00:00.000Z", started_sequence=3)
GAP_AT = "2024-01-01T12:00:00.000Z"


def ownership(delivered: Delivered | None = None, command: Command | None = None) -> Ownership:
    return Ownership(SETTINGS, OURS, delivered or Delivered(), command)


def claimed() -> Ownership:
    worker = ownership()
    worker.claimed()
    return worker


def saved(stamp: Stamp) -> Saved:
    return Saved(stamp=stamp)


def test_only_after_our_claim_is_there_a_name_to_check() -> None:
    worker = ownership()
    worker.before_claim(saved(Stamp(ANOTHER)), 0.0)
    worker.judge(saved(Stamp(ANOTHER)), 0.0)
    worker.claimed()
    worker.check(saved(Stamp(OURS)), 0.0)
    with pytest.raises(NotOwner, match="process 2 on there"):
        worker.before_claim(saved(Stamp(ANOTHER)), 0.0)
    with pytest.raises(PositionLost):
        worker.check(Saved(), 0.0)


def test_a_worker_waits_for_a_command_by_its_own_clock() -> None:
    worker = claimed()
    for now in (1000.0, 1000.0 + COMMAND_SECONDS - 0.1):
        with pytest.raises(TakenOver, match="at work: rewind to noon, by process 2 on there"):
            worker.check(saved(CLAIM), now)
    worker.check(saved(CLAIM), 1000.0 + COMMAND_SECONDS)


@pytest.mark.parametrize("before", [saved(Stamp(ANOTHER)), Saved()], ids=["taking over", "first start"])
def test_a_worker_that_was_fenced_before_its_claim_waits_for_the_command_too(before: Saved) -> None:
    worker = ownership()
    worker.before_claim(before, 0.0)
    for look in (worker.judge, worker.before_claim):
        with pytest.raises(TakenOver, match="at work: rewind to noon"):
            look(saved(CLAIM), 1000.0)
    with pytest.raises(TakenOver, match="is done: rewind to noon"):
        worker.before_claim(saved(DONE), 1001.0)
    worker.before_claim(saved(DONE), 1002.0)


@pytest.mark.parametrize("before", [CLAIM, DONE, Stamp(ANOTHER)])
def test_a_worker_that_was_fenced_before_its_claim_does_not_blame_what_stood_there_before(before: Stamp) -> None:
    worker = ownership()
    worker.before_claim(saved(before), 0.0)
    worker.judge(saved(before), 1.0)
    worker.judge(saved(Stamp(Owner("a third", "there", 3))), 1.0)
    worker.judge(Saved(), 1.0)
    worker.before_claim(saved(before), 2.0)


def test_a_newer_claim_begins_the_wait_anew() -> None:
    worker = claimed()
    with pytest.raises(TakenOver):
        worker.check(saved(CLAIM), 0.0)
    again = Stamp(Owner("again", "there", 2), command=REWIND, wait_seconds=COMMAND_SECONDS)
    for now in (COMMAND_SECONDS, 2 * COMMAND_SECONDS - 0.1):
        with pytest.raises(TakenOver):
            worker.check(saved(again), now)
    worker.check(saved(again), 2 * COMMAND_SECONDS)


def test_a_command_that_is_done_is_told_of_once_and_not_waited_for() -> None:
    worker = claimed()
    with pytest.raises(TakenOver, match="is done: rewind to noon"):
        worker.check(saved(DONE), 0.0)
    worker.check(saved(DONE), 0.0)


def test_a_worker_that_stood_by_takes_over_from_whoever_is_there() -> None:
    worker = claimed()
    worker.disown()
    worker.before_claim(saved(Stamp(ANOTHER)), 0.0)


def test_what_a_standby_has_seen_is_no_first_start_later() -> None:
    standby = ownership()
    standby.learn(Saved(position=Position("dashboard", ANOTHER, TOKEN, 7)).delivered)
    with pytest.raises(PositionLost):
        standby.position(Saved())


def test_a_new_process_waits_for_nobody() -> None:
    ownership().before_claim(saved(CLAIM), 0.0)


def test_a_command_waits_for_another_one_and_for_nobody_else() -> None:
    command = ownership(command=Command("other", "reset"))
    with pytest.raises(TakenOver):
        command.before_claim(saved(CLAIM), 0.0)
    command.before_claim(saved(CLAIM), float(COMMAND_SECONDS))
    command.before_claim(saved(DONE), 0.0)
    command.before_claim(saved(Stamp(ANOTHER)), 0.0)
    command.claimed()
    assert not command.is_a_workers
    ownership(command=REWIND).before_claim(saved(CLAIM), 0.0)


@pytest.mark.parametrize("live", [True, False])
def test_a_command_says_of_the_worker_whether_that_goes_on(live: bool) -> None:
    command = ownership(command=REWIND)
    command.before_claim(saved(Stamp(ANOTHER, live=live)), 0.0)
    claim = json.loads(command.claim_text(NOON))
    assert ("live" in claim, claim["by"], claim["id"], claim["what"]) == (live, "command", "6f1c", "rewind to noon")
    assert claim["waitSeconds"] == COMMAND_SECONDS
    position = json.loads(command.position_text(Position("dashboard", OURS, TOKEN)))
    assert ("live" in position, position["by"], position["id"]) == (live, "command", "6f1c")
    assert "waitSeconds" not in position


def test_a_command_that_came_between_look_and_claim_is_told_once() -> None:
    """A switchover would have no effect otherwise."""
    worker = claimed()
    for told in (True, False):
        worker.before_claim(saved(Stamp(OURS)), 0.0)
        worker.claimed()
        with pytest.raises(TakenOver) if told else nullcontext() as caught:
            worker.after_claim(Saved(stamp=Stamp(OURS), written=DONE))
        assert not caught or caught.value.done == REWIND.what


def test_a_command_that_was_told_before_the_claim_is_not_told_again() -> None:
    worker = claimed()
    with pytest.raises(TakenOver):
        worker.before_claim(saved(DONE), 0.0)
    worker.before_claim(saved(DONE), 0.0)
    worker.claimed()
    worker.after_claim(Saved(stamp=Stamp(OURS), written=DONE))


def test_commands_before_our_first_claim_are_no_news() -> None:
    worker = ownership()
    for _ in range(2):
        worker.before_claim(saved(DONE), 0.0)
        worker.claimed()
        worker.after_claim(Saved(stamp=Stamp(OURS), written=DONE))


def test_a_worker_says_that_it_goes_on() -> None:
    assert json.loads(ownership().claim_text(NOON))["live"] == 1


def test_what_is_known_goes_from_claim_to_claim() -> None:
    """So a host with an empty disk knows it too, when the position is gone."""
    here = ownership(Delivered(any=True, sequence=3, last_gap_at=GAP_AT))
    there = ownership()
    there.before_claim(saved(load_stamp(here.claim_text(NOON))), 0.0)
    assert (there.delivered.any, there.delivered.last_gap_at) == (True, GAP_AT)
    with pytest.raises(PositionLost):
        there.position(saved(Stamp(OURS)))
    assert there.position_anew(None).last_gap_at == GAP_AT


@pytest.mark.parametrize("earlier", ["2023-12-31T12:00:00.000Z", None])
def test_the_later_gap_counts(earlier: str | None) -> None:
    for disk, topic in ((earlier, GAP_AT), (GAP_AT, earlier)):
        worker = ownership(Delivered(last_gap_at=disk))
        position = Position("dashboard", ANOTHER, TOKEN, 7, topic)
        assert worker.position(Saved(position, Stamp(ANOTHER))) == Position("dashboard", OURS, TOKEN, 7, GAP_AT)


def test_a_position_goes_on_in_our_name() -> None:
    saved = Saved(Position("dashboard", ANOTHER, TOKEN, 7), Stamp(ANOTHER))
    assert ownership().position(saved) == Position("dashboard", OURS, TOKEN, 7)


def test_a_first_start_has_none() -> None:
    assert ownership().position(Saved()) == Position("dashboard", OURS)


@pytest.mark.parametrize(("delivered", "emptied"), [(Delivered(any=True), False), (Delivered(), True)])
def test_one_that_must_be_there_is_lost(delivered: Delivered, emptied: bool) -> None:
    with pytest.raises(PositionLost):
        ownership(delivered).position(Saved(emptied=emptied))


def test_another_databases_position_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="belongs to database other"):
        ownership().position(Saved(Position("other", OURS, TOKEN)))


def test_a_lost_one_counts_on_from_a_number_that_was_never_used() -> None:
    worker = ownership(Delivered(any=True, sequence=3))
    worker.committed(Position("dashboard", OURS, TOKEN, NEW_COUNT - 1))
    assert worker.position_anew(None) == Position("dashboard", OURS, None, 2 * NEW_COUNT)


def test_a_lost_one_holds_the_snapshot_that_was_under_way_so_that_its_end_is_told() -> None:
    worker = ownership()
    worker.committed(Position("dashboard", OURS, TOKEN, 3, snapshot=UNDER_WAY))
    assert worker.position_anew(None).snapshot == UNDER_WAY
    assert worker.position_anew(replace(UNDER_WAY, documents=7)).snapshot == replace(UNDER_WAY, documents=7)
    assert worker.position_anew(replace(UNDER_WAY, state="completed")).snapshot is None


def test_what_is_known_of_a_snapshot_is_what_came_last() -> None:
    worker = ownership()
    worker.committed(Position("dashboard", OURS, TOKEN, 3, snapshot=UNDER_WAY))
    worker.before_claim(Saved(Position("dashboard", OURS, TOKEN, 2)), 0.0)
    assert worker.delivered.snapshot == UNDER_WAY
    worker.before_claim(Saved(Position("dashboard", OURS, TOKEN, 3, snapshot=replace(UNDER_WAY, state="paused"))), 0.0)
    assert worker.delivered.snapshot == replace(UNDER_WAY, state="paused")
    worker.before_claim(Saved(Position("dashboard", OURS, TOKEN, 4)), 0.0)
    assert worker.delivered.snapshot is None


def test_with_a_lease_it_says_since_when_it_has_been_active() -> None:
    """It stays the same while the worker has the watcher, whatever interrupts it."""
    worker = Ownership(replace(SETTINGS, high_availability=True), OURS, Delivered())
    position = Position("dashboard", OURS, TOKEN, 7)
    for later in (NOON, NOON + timedelta(minutes=1)):
        assert load_stamp(worker.claim_text(later)).active_since == SINCE
        assert load_stamp(worker.position_text(position)).active_since == SINCE
    worker.disown()
    assert load_stamp(worker.claim_text(NOON + timedelta(minutes=2))).active_since == "2024-01-01T12:02:00.000Z"


def test_without_a_lease_no_record_changes() -> None:
    worker = ownership()
    assert "activeSince" not in json.loads(worker.claim_text(NOON))
    assert "activeSince" not in json.loads(worker.position_text(Position("dashboard", OURS, TOKEN, 7)))


def test_a_command_has_no_lease() -> None:
    command = Ownership(replace(SETTINGS, high_availability=True), OURS, Delivered(), REWIND)
    assert load_stamp(command.claim_text(NOON)).active_since is None


@pytest.mark.parametrize(("active_since", "foreigner"), [(SINCE, ""), (None, "process 2 on there")])
def test_a_worker_without_a_lease_is_named_as_a_foreigner(active_since: str | None, foreigner: str) -> None:
    with pytest.raises(NotOwner) as found:
        claimed().check(saved(Stamp(ANOTHER, active_since=active_since)), 0.0)
    assert found.value.foreigner == foreigner
