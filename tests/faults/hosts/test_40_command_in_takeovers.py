"""Row 40: `watcherctl position` changes the position of a watcher whose worker runs.

Goal: as without a lease, also from the host that stands by, while the active worker is frozen, and while another host takes over:
each change happens once, and from each position on the changes come once and in order. A worker that wakes stands by.
Method: `position set` goes back to an earlier message under load, with two workers that have a lease.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.fault_matrix import FaultReport
from tests.support.hosts import TAKEOVER_TIMEOUT_S
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.position_commands import PositionCommands, Repositioned
from tests.support.worker import Inbox, WorkerProcess
from watcher.kafka.lease_rules import SESSION_SECONDS

pytest_plugins = ["tests.support.worker_fixtures"]

Watched = Callable[[WorkerProcess, WorkerProcess], Repositioned]


@pytest.fixture
def workers(settings: dict[str, Any], tmp_path: Path) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    """The active one, and the standby."""
    with ExitStack() as stack:
        active, standby = (WorkerProcess(tmp_path / host, settings | {"high_availability": True}) for host in "ab")
        stack.enter_context(active).reached()
        stack.enter_context(standby).reached("standby")
        yield active, standby


@pytest.fixture
def watched(oracle: Oracle, inbox: Inbox, fault_report: FaultReport) -> Watched:
    """`watched(here, there)`: the worker whose host the commands are given on, unless they are given elsewhere, which is there."""

    def watched(here: WorkerProcess, there: WorkerProcess) -> Repositioned:
        return Repositioned(here, PositionCommands(here, there.state_dir), oracle, inbox, fault_report)

    return watched


def test_from_the_host_that_stands_by(
    workers: tuple[WorkerProcess, WorkerProcess], watched: Watched, load: Load, rng: Random
) -> None:
    active, standby = workers
    scene = watched(active, standby)
    with load:
        event = rng.choice(scene.first_events())
        with scene.goes_on():
            scene.commands.set(event, elsewhere=True)
        assert standby.status["state"] == "standby"
    scene.check()


def test_while_the_active_worker_is_frozen(
    workers: tuple[WorkerProcess, WorkerProcess], watched: Watched, load: Load, rng: Random
) -> None:
    active, standby = workers
    scene = watched(standby, active)
    with load:
        event = rng.choice(scene.first_events())
        with scene.goes_on(TAKEOVER_TIMEOUT_S):
            active.signal(signal.SIGSTOP)
            scene.commands.set(event)
        active.signal(signal.SIGCONT)
        active.reached("standby")
    scene.check()
    assert not active.ended


def test_while_another_host_takes_over(
    workers: tuple[WorkerProcess, WorkerProcess], watched: Watched, load: Load, rng: Random
) -> None:
    active, standby = workers
    scene = watched(standby, active)
    with load:
        event = rng.choice(scene.first_events())
        with scene.goes_on(TAKEOVER_TIMEOUT_S):
            active.kill()
            time.sleep(rng.uniform(0, SESSION_SECONDS + 2))
            scene.commands.set(event)
    scene.check()
