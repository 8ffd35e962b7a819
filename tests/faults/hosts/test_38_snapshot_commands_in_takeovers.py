"""Row 38: a snapshot is started, paused, resumed and stopped while the worker is killed.

Goal: as without a lease, also while another host takes over: each command has its effect once, or it is refused, and in the end a
snapshot is complete.
Method: commands at random, and at some moment of each SIGKILL or SIGTERM to the active one of two workers, under a load with
transactions. It comes back once the other one streams. In the end a third host, which knows nothing, brings the last snapshot to
its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.test_38_snapshot_commands import COLLECTIONS, DOCUMENTS, LONGEST_COMMAND_S, SLOWLY, SnapshotCommands, likely
from tests.support.fault_matrix import FaultReport
from tests.support.hosts import TAKEOVER_TIMEOUT_S
from tests.support.load import STEADY_S
from tests.support.snapshot_messages import check, completed, operations, twice
from tests.support.versioned_load import TOLD_APART, VersionedLoad
from tests.support.worker import Inbox, WorkerProcess

pytest_plugins = ["tests.support.worker_fixtures"]

COMMANDS, COMMANDS_LONG = 4, 100
LEASE = {"high_availability": True}
ENDS: tuple[Callable[[WorkerProcess], object], ...] = (WorkerProcess.kill, WorkerProcess.stop)


@pytest.fixture
def load(db: Database[Any], rng: Random) -> VersionedLoad:
    """Two collections of documents."""
    ids = [*TOLD_APART, *(f"d{number}" for number in range(DOCUMENTS))]
    load = VersionedLoad(db, ids, COLLECTIONS, seed=rng.randrange(2**32), pause_s=STEADY_S)
    load.fill()
    return load


@pytest.fixture
def workers(settings: dict[str, Any], load: VersionedLoad, tmp_path: Path) -> Iterator[list[WorkerProcess]]:
    """The active one, which copies slowly what is there, and the standby."""
    with ExitStack() as stack:
        workers = []
        for host, state in (("a", "streaming"), ("b", "standby")):
            worker = WorkerProcess(tmp_path / host, settings | SLOWLY | LEASE)
            workers.append(stack.enter_context(worker))
            worker.reached(state)
        yield workers


@pytest.mark.timeout(300)
def test_commands_at_random_while_another_host_takes_over(
    workers: list[WorkerProcess],
    settings: dict[str, Any],
    load: VersionedLoad,
    db: Database[Any],
    inbox: Inbox,
    tmp_path: Path,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    commands = SnapshotCommands(settings)
    active, standby = workers
    with load, ThreadPoolExecutor(1) as pool:
        for _ in range(COMMANDS_LONG if long_form else COMMANDS):
            before = commands.check()
            given = pool.submit(commands.give, likely(commands.state, rng))
            time.sleep(rng.uniform(0, LONGEST_COMMAND_S))
            begun = time.monotonic()
            rng.choice(ENDS)(active)
            standby.reached(timeout_s=TAKEOVER_TIMEOUT_S)
            fault_report.recovered(time.monotonic() - begun)
            given.result()
            after = commands.check()
            commands.check_rest(before, after)
            fault_report.count(faults=1)
            active.start().reached("standby")
            active, standby = standby, active
    active.kill()
    standby.kill()
    with WorkerProcess(tmp_path / "c", settings | LEASE) as last:
        last.reached()
        finish(commands, inbox)
        messages = check(inbox, db)
        assert twice(messages) == []
        assert len(operations(messages, "snapshotStarted")) == commands.starts
        assert len(operations(messages, "snapshotAborted")) == commands.stops == commands.starts - 1
        fault_report.measure(last.pid)
        assert last.stop() == 0, last.output
        assert not last.logged("error")
    fault_report.count(writes=load.writes, messages=len(messages))


def finish(commands: SnapshotCommands, inbox: Inbox) -> None:
    """Bring the last snapshot to its end."""
    if commands.state == "paused":
        commands.give("resume")
    elif commands.state is None:
        commands.give("start")
    completed(inbox, 60)
