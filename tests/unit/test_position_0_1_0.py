"""Positions go both ways between 0.1.0 and this release: each reads what the other has written."""

from __future__ import annotations

from dataclasses import asdict, replace

import orjson
import pytest

from tests.data import position_0_1_0 as old
from watcher.kafka.position import Command, Stamp, dump, dump_claim, load, load_stamp
from watcher.model import Delivered, Owner, Position
from watcher.position.history import PositionChange, dump_history, load_history

OWNER = Owner("0011223344556677", "old-host", 4711)
TOKEN = {"_data": "826592A940000000012B0229296E04"}
POSITION = Position("dashboard", OWNER, TOKEN, 41, "2024-01-01T12:00:00.000Z")
REWIND = Command("6f1c", "rewind to noon")
CHANGE = PositionChange("2024-01-01T13:00:00.000Z", "ada@host-1", "rewind to noon", None, TOKEN, "6f1c")

OLD_POSITION = (
    b'{"version":1,"database":"dashboard","sequence":41,"token":{"_data":"826592A940000000012B0229296E04"},'
    b'"owner":{"instance":"0011223344556677","host":"old-host","pid":4711}}'
)
SINCE = "2024-01-01T12:03:00.000Z"
OLD_CLAIM = b'{"version":1,"owner":{"instance":"0011223344556677","host":"old-host","pid":4711}}'
OLD_HISTORY = (
    b'{"version":1,"changes":[{"at":"2024-01-01T13:00:00.000Z","by":"ada@host-1","what":"rewind to noon","before":null,'
    b'"after":{"_data":"826592A940000000012B0229296E04"}}]}'
)


@pytest.mark.parametrize("command", [None, REWIND])
def test_the_old_release_reads_a_new_position(command: Command | None) -> None:
    read = old.load(dump(POSITION, command=command, active_since=SINCE))
    assert (read.database, asdict(read.owner), read.token, read.sequence) == ("dashboard", asdict(OWNER), TOKEN, 41)


@pytest.mark.parametrize("command", [None, REWIND])
def test_the_old_release_reads_a_new_claim(command: Command | None) -> None:
    claim = Stamp(OWNER, command=command, wait_seconds=10, delivered=Delivered(True, 41, POSITION.last_gap_at), active_since=SINCE)
    assert asdict(old.load_owner(dump_claim(claim))) == asdict(OWNER)


def test_the_old_release_reads_a_new_history() -> None:
    [read] = old.load_history(dump_history([CHANGE]))
    assert asdict(read) | {"id": "6f1c"} == asdict(CHANGE)


def test_an_old_position_is_read() -> None:
    assert load(OLD_POSITION) == replace(POSITION, last_gap_at=None)
    assert load_stamp(OLD_POSITION) == Stamp(OWNER, live=False, delivered=Delivered(True, 41))
    assert load_stamp(OLD_CLAIM) == Stamp(OWNER, live=False)


def test_an_old_history_is_read() -> None:
    assert load_history(OLD_HISTORY) == (replace(CHANGE, id=""),)


@pytest.mark.parametrize("garbage", ["yesterday", 7, {}, None])
def test_what_is_not_a_time_is_no_gap(garbage: object) -> None:
    text = orjson.dumps(orjson.loads(OLD_POSITION) | {"lastGapAt": garbage})
    assert load(text).last_gap_at is load_stamp(text).delivered.last_gap_at is None
    assert load_stamp(orjson.dumps(orjson.loads(OLD_POSITION) | {"activeSince": garbage})).active_since is None


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(("command", "wait_seconds"), [(None, 0), (REWIND, 10)])
@pytest.mark.parametrize("active_since", [None, SINCE])
def test_a_claim_survives_its_text(live: bool, command: Command | None, wait_seconds: float, active_since: str | None) -> None:
    claim = Stamp(OWNER, live, command, wait_seconds, Delivered(any=True, last_gap_at=POSITION.last_gap_at), active_since)
    assert load_stamp(dump_claim(claim)) == claim


@pytest.mark.parametrize("command", [None, REWIND])
@pytest.mark.parametrize("active_since", [None, SINCE])
def test_a_position_says_who_wrote_it(command: Command | None, active_since: str | None) -> None:
    text = dump(POSITION, command=command, active_since=active_since)
    assert load(text) == POSITION
    delivered = Delivered(True, 41, POSITION.last_gap_at)
    assert load_stamp(text) == Stamp(OWNER, command=command, delivered=delivered, active_since=active_since)
