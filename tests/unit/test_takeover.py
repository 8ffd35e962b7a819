"""A command's attempts, on a position topic in memory whose answers get lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.unit.test_ownership import SETTINGS
from watcher.errors import Outage, PositionLost, TakenOver
from watcher.kafka.position import HISTORY_KEY, Command
from watcher.model import Delivered, Message, Owner, Position
from watcher.position import takeover as module
from watcher.position.history import PositionChange, dump_history, load_history
from watcher.position.takeover import ATTEMPTS, ATTEMPTS_SECONDS, CommandChange, Taken, is_tried_again, run_command

TOKEN, TARGET = {"_data": "826592A940"}, {"_data": "826592A000"}
OUTAGE = Outage("Kafka: a transaction failed: Local: Timed out.", component="kafka", code="_TIMED_OUT")
AT_LEAST_ONCE = replace(SETTINGS, delivery="at-least-once")


@dataclass
class Topic:
    """State that all sinks share. `claims` and `changes` say how each goes: "made", "lost" if there is no answer, or "failed"."""

    claims: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    token: Any = field(default_factory=lambda: TOKEN)
    busy: int = 0
    is_garbage: bool = False
    records: dict[bytes, bytes] = field(default_factory=dict)
    written: list[tuple[Sequence[Message], Position]] = field(default_factory=list)
    commands: list[Command | None] = field(default_factory=list)
    owners: list[Owner] = field(default_factory=list)


TOPIC = Topic()


class Sink:
    """One attempt's."""

    def __init__(self, _settings: Any, owner: Owner, _delivered: Delivered, command: Command | None) -> None:
        self._owner = owner
        TOPIC.commands.append(command)
        TOPIC.owners.append(owner)

    def open(self) -> Position:
        if TOPIC.busy:
            TOPIC.busy -= 1
            raise TakenOver("another command")
        if TOPIC.is_garbage:
            raise PositionLost("garbage")
        _go(TOPIC.claims)
        return Position("dashboard", self._owner, TOPIC.token, 7)

    def open_anew(self) -> Position:
        return Position("dashboard", self._owner, None, 1_000_000)

    def change(self, messages: Sequence[Message], position: Position, records: Mapping[bytes, bytes]) -> None:
        outcome = TOPIC.changes.pop(0) if TOPIC.changes else "made"
        if outcome != "failed":
            TOPIC.records.update(records)
            TOPIC.written.append((messages, position))
            TOPIC.token = position.token
        if outcome != "made":
            raise OUTAGE

    def close(self) -> None:
        """Nothing is open."""


def _go(outcomes: list[str]) -> None:
    if outcomes and outcomes.pop(0) != "made":
        raise OUTAGE


class Reader:
    """Of the history."""

    def __init__(self, *_: Any) -> None:
        """It reads TOPIC."""

    def read_history(self) -> bytes | None:
        return TOPIC.records.get(HISTORY_KEY)


@pytest.fixture(autouse=True)
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    monkeypatch.setattr(module, "KafkaSink", Sink)
    monkeypatch.setattr(module, "PositionReader", Reader)
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.0)
    fresh = Topic()
    monkeypatch.setitem(globals(), "TOPIC", fresh)
    return fresh


def make(taken: Taken) -> CommandChange:
    entry = taken.entry(TARGET)
    return CommandChange(entry, replace(taken.position, token=TARGET), records={b"snapshot": b"progress"})


def run(settings: Any = SETTINGS) -> PositionChange:
    return run_command(settings, Delivered(), "rewind", make)


def history(topic: Topic) -> tuple[PositionChange, ...]:
    return load_history(topic.records.get(HISTORY_KEY))


def test_all_of_a_change_is_written_at_once(topic: Topic) -> None:
    earlier = PositionChange("2024-01-01T12:00:00.000Z", "ada@host-1", "set", None, TOKEN, "0f")
    topic.records[HISTORY_KEY] = dump_history([earlier])
    made = run()
    assert history(topic) == (earlier, made)
    assert (made.what, made.before, made.after) == ("rewind", TOKEN, TARGET)
    assert topic.records[b"snapshot"] == b"progress"
    assert [position.token for _, position in topic.written] == [TARGET]
    assert topic.commands == [Command(made.id, "rewind")]


@pytest.mark.parametrize("answers", [["lost"], ["failed"], ["failed", "lost"], ["failed", "failed"]])
def test_whatever_was_answered_it_is_made_once(topic: Topic, answers: list[str]) -> None:
    topic.changes[:] = answers
    made = run()
    assert history(topic) == (made,)
    assert {command.id for command in topic.commands if command} == {made.id}
    assert len({owner.instance for owner in topic.owners}) == len(topic.owners)  # so that each claim is a newer one


def test_what_was_made_after_all_is_found_and_the_worker_let_go(topic: Topic) -> None:
    topic.changes[:] = ["lost"]
    run()
    assert [position.token for _, position in topic.written] == [TARGET, TARGET]
    assert topic.written[1][0] == ()


def test_that_the_worker_could_not_be_let_go_changes_nothing(topic: Topic) -> None:
    topic.changes[:] = ["lost", "failed"]
    made = run()
    assert history(topic) == (made,)
    assert len(topic.owners) == 2


def test_a_takeover_that_fails_is_tried_again(topic: Topic) -> None:
    topic.claims[:] = ["failed", "failed"]
    made = run()
    assert history(topic) == (made,)


def test_it_says_that_nothing_was_changed_only_if_that_is_known(topic: Topic) -> None:
    topic.claims[:] = ["failed"] * ATTEMPTS
    with pytest.raises(Outage, match=r"Timed out\. Nothing was changed\.$"):
        run()
    topic.changes[:] = ["failed"]
    topic.claims[:] = ["made"] + ["failed"] * (ATTEMPTS - 1)
    with pytest.raises(Outage, match=r"Kafka has not said .* `watcherctl position show dashboard`"):
        run()


def test_it_waits_for_another_command_without_giving_up(topic: Topic) -> None:
    topic.busy = 50
    assert run().after == TARGET


def test_a_position_that_is_lost_is_set_anew(topic: Topic) -> None:
    topic.is_garbage = True
    made = run()
    assert (made.before, topic.written[0][1].sequence) == (None, 1_000_000)


@pytest.mark.parametrize(
    ("settings", "attempts", "seconds", "again"),
    [
        (SETTINGS, 1, 0.0, True),
        (SETTINGS, ATTEMPTS - 1, ATTEMPTS_SECONDS - 1, True),
        (SETTINGS, ATTEMPTS, 0.0, False),
        (SETTINGS, 1, ATTEMPTS_SECONDS, False),
        (AT_LEAST_ONCE, 1, 0.0, False),
    ],
)
def test_when_it_tries_again(settings: Any, attempts: int, seconds: float, again: bool) -> None:
    assert is_tried_again(settings, attempts, seconds) is again


def test_without_transactions_parts_of_a_change_do_not_come_twice(topic: Topic) -> None:
    topic.changes[:] = ["lost"]
    with pytest.raises(Outage, match="has not said"):
        run(AT_LEAST_ONCE)
    assert len(topic.written) == 1
