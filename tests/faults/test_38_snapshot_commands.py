"""Row 38: a snapshot is started, paused, resumed and stopped while the worker is killed.

Goal: each command has its effect once, or it is refused. While the snapshot rests, nothing is copied. After a command that died,
its effect is there once or not at all, and the next one works. In the end a snapshot is complete, and the messages lead to what
MongoDB holds.
Method: commands at random, and SIGKILL to the worker at some moment of each, under a load with transactions. Commands are killed at
each point of their takeover.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.doctoring import as_settings
from tests.support.failing_command import CommandPoint, program
from tests.support.failing_worker import KILLED
from tests.support.fault_matrix import FaultReport
from tests.support.load import STEADY_S
from tests.support.snapshot_messages import check, completed, operations, twice
from tests.support.versioned_load import TOLD_APART, VersionedLoad
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess, environment
from watcher.model import Delivered, Snapshot
from watcher.position import snapshot_change
from watcher.position.history import LIMIT
from watcher.position.look import Look, look
from watcher.position.snapshot_change import SnapshotRefused
from watcher.sandbox.kafka import ApacheKafka
from watcher.snapshot import plan

pytest_plugins = ["tests.support.worker_fixtures"]

ROOT = Path(__file__).parents[2]
Settings = dict[str, Any]
COLLECTIONS = ("organizations", "users")
DOCUMENTS = 600
SLOWLY = {"snapshot_documents_per_second": 20}
"""So that no snapshot comes to its end before the last one."""
COMMANDS, COMMANDS_LONG = 8, 300
LONGEST_COMMAND_S = 1.0
REACHED_TIMEOUT_S = 120.0
ALTERATIONS = {"pause": "paused", "resume": "running", "stop": None}
"""State after each command; after a stop no snapshot is under way."""
UNFINISHED_S = 60.0
"""Longest time until the effect of a command that died is known."""


class SnapshotCommands:
    """`watcherctl snapshot` for one watcher, and the effects that its commands must have had."""

    def __init__(self, settings: Settings) -> None:
        self._settings = as_settings(settings)
        self.starts = self.stops = self.done = 0
        self.state: str | None = None

    def give(self, action: str) -> None:
        """Give a command; it must be done or refused as the state wants it."""
        try:
            self._start() if action == "start" else self._alter(action)
        except SnapshotRefused:
            assert (self.state is None) != (action == "start"), f"{action} was refused, {self.state}"
        else:
            assert (self.state is None) == (action == "start"), f"{action} was done, {self.state}"
            self.note(action)

    def note(self, action: str) -> None:
        """Count a command that was done."""
        self.done += 1
        self.starts += action == "start"
        self.stops += action == "stop"
        self.state = "running" if action == "start" else ALTERATIONS[action]

    def check(self) -> Look:
        """All that was done is there once."""
        seen = look(self._settings, Delivered())
        assert (seen.snapshot.state if seen.snapshot else None) == self.state
        assert len(seen.history) == min(self.done, LIMIT)
        assert len({entry.id for entry in seen.history}) == len(seen.history)
        return seen

    def check_rest(self, before: Look, after: Look) -> None:
        """Between the two looks, if the snapshot was and is paused, nothing was copied. The stream goes on, and what the snapshot
        has seen of its time."""
        if self.state == "paused" and before.snapshot and before.snapshot.state == "paused":
            assert after.snapshot
            assert after.snapshot.seen >= before.snapshot.seen
            assert replace(after.snapshot, seen=before.snapshot.seen) == before.snapshot

    @property
    def snapshot(self) -> Snapshot | None:
        """The one under way."""
        return look(self._settings, Delivered()).snapshot

    def _start(self) -> None:
        snapshot_change.start(self._settings, Delivered(), plan.begun("command", "replace"))

    def _alter(self, action: Any) -> None:
        under_way = self.snapshot
        snapshot_change.alter(self._settings, Delivered(), under_way.id if under_way else "none", action)


@pytest.fixture
def load(db: Database[Any], rng: Random) -> VersionedLoad:
    """Two collections of documents."""
    ids = [*TOLD_APART, *(f"d{number}" for number in range(DOCUMENTS))]
    load = VersionedLoad(db, ids, COLLECTIONS, seed=rng.randrange(2**32), pause_s=STEADY_S)
    load.fill()
    return load


@pytest.fixture
def worker(launch: Launch, settings: Settings, load: VersionedLoad) -> WorkerProcess:
    """A worker that copies slowly what is there."""
    worker = launch(settings | SLOWLY)
    worker.reached()
    return worker


@pytest.fixture
def commands(settings: Settings) -> SnapshotCommands:
    """Commands for it."""
    return SnapshotCommands(settings)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """A thread for commands."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


Settle = Callable[[], None]


@pytest.fixture
def settle(
    worker: WorkerProcess,
    launch: Launch,
    settings: Settings,
    inbox: Inbox,
    db: Database[Any],
    load: VersionedLoad,
    commands: SnapshotCommands,
    fault_report: FaultReport,
) -> Settle:
    """`settle()`: kill the worker, have another one bring the last snapshot to its end, and compare everything."""

    def settle() -> None:
        worker.kill()
        if commands.state == "paused":
            commands.give("resume")
        elif commands.state is None:
            commands.give("start")
        last = launch(settings)
        last.reached(timeout_s=REACHED_TIMEOUT_S)
        completed(inbox, 60)
        messages = check(inbox, db)
        assert twice(messages) == []
        assert len(operations(messages, "snapshotStarted")) == commands.starts
        assert len(operations(messages, "snapshotAborted")) == commands.stops == commands.starts - 1
        fault_report.measure(last.pid)
        fault_report.count(writes=load.writes, messages=len(messages))
        assert last.stop() == 0, last.output
        assert not last.logged("error")

    return settle


@pytest.mark.timeout(300)
def test_commands_at_random_while_the_worker_is_killed(
    worker: WorkerProcess,
    commands: SnapshotCommands,
    load: VersionedLoad,
    settle: Settle,
    pool: ThreadPoolExecutor,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    with load:
        for _ in range(COMMANDS_LONG if long_form else COMMANDS):
            before = commands.check()
            given = pool.submit(commands.give, likely(commands.state, rng))
            time.sleep(rng.uniform(0, LONGEST_COMMAND_S))
            worker.kill()
            worker.start()
            given.result()
            after = commands.check()
            commands.check_rest(before, after)
            if rng.random() < 0.5:
                worker.reached(timeout_s=REACHED_TIMEOUT_S)
            fault_report.count(faults=1)
    settle()


def likely(state: str | None, rng: Random) -> str:
    """Choose a command, mostly one that makes sense."""
    sensible = {None: ["start"], "running": ["pause", "pause", "stop"], "paused": ["resume", "resume", "stop"]}[state]
    return rng.choice([*sensible * 3, "start", *ALTERATIONS])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", CommandPoint)
def test_commands_that_die(
    point: CommandPoint,
    worker: WorkerProcess,
    commands: SnapshotCommands,
    inbox: Inbox,
    apache: ApacheKafka,
    load: VersionedLoad,
    settle: Settle,
    fault_report: FaultReport,
) -> None:
    with load:
        commands.give("start")
        for action, state in ALTERATIONS.items():
            die(action, point, worker)
            if eventually_known(commands, inbox, state):
                commands.note(action)
            assert commands.state == state or point is not CommandPoint.AFTER_COMMIT
            assert commands.state != state or point in (CommandPoint.DURING_COMMIT, CommandPoint.AFTER_COMMIT)
            commands.check()
            if commands.state != state:
                commands.give(action)
                commands.check()
            fault_report.count(faults=1)
    settle()


def die(action: str, point: CommandPoint, worker: WorkerProcess) -> None:
    """Give a command that dies at the point."""
    where = ["--config", str(worker.conf_dir), "--state-dir", str(worker.state_dir)]
    command = [sys.executable, *program(point), "snapshot", action, worker.name, *where]
    done = subprocess.run(command, env=environment(PYTHONPATH=str(ROOT)), capture_output=True, timeout=60, check=False)
    assert done.returncode == KILLED, done.stderr


def eventually_known(commands: SnapshotCommands, inbox: Inbox, state: str | None) -> bool:
    """Wait until the worker delivers again; return True if the command has had its effect."""
    before = len(inbox.messages())
    eventually(lambda: len(inbox.messages()) > before, UNFINISHED_S, interval_s=0.3)
    snapshot = commands.snapshot
    return (snapshot.state if snapshot else None) == state
