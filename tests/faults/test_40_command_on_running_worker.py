"""Row 40: `watcherctl position` changes the position of a watcher whose worker runs.

Goal: the worker goes on at the new position by itself, without an error, an exit or a restart: within 3 s, or within 12 s if it is
idle on another host, where no signal reaches it. Each change happens once or not at all. From each position on, the changes come
once and in order.
Method: `position set` goes back to an earlier message under load, without load, in a backlog, with another state directory as on
another host, while the worker is frozen by SIGSTOP, twice at once, and killed at each point of its takeover.
"""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.failing_command import CLAIM_SECONDS, CommandPoint, program
from tests.support.failing_worker import KILLED
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.position_commands import SOON_S, PositionCommands, Repositioned
from tests.support.worker import Inbox, Launch
from watcher.kafka.ownership import COMMAND_SECONDS
from watcher.position.history import LIMIT
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

IDLE_ELSEWHERE_S = 12.0
COMMANDS, COMMANDS_LONG = 3, 40
LARGE_DOCUMENTS, LARGE_TEXT = 1000, "x" * 20_000

OUTAGES = {CommandPoint.AFTER_FENCE: (1,), CommandPoint.DURING_CLAIM: (0, 1)}
"""Outages that a worker may count where a command dies before its claim is committed: nothing says then that it was a command."""


@pytest.fixture
def watched(
    launch: Launch,
    settings: dict[str, Any],
    apache: ApacheKafka,
    tmp_path: Path,
    oracle: Oracle,
    inbox: Inbox,
    fault_report: FaultReport,
) -> Repositioned:
    """A worker that streams."""
    worker = launch(settings)
    worker.reached()
    return Repositioned(worker, PositionCommands(worker, tmp_path / "elsewhere"), oracle, inbox, fault_report)


@pytest.fixture
def load(oracle: Oracle, rng: Random) -> Load:
    """A load that a `with` block begins."""
    return Load(oracle, seed=rng.randrange(2**32))


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same host", "another host"])
def test_under_load(elsewhere: bool, watched: Repositioned, load: Load, rng: Random, long_form: bool) -> None:
    with load:
        events = watched.first_events()
        for _ in range(COMMANDS_LONG if long_form else COMMANDS):
            with watched.goes_on():
                watched.commands.set(rng.choice(events), elsewhere=elsewhere)
    watched.check()


@pytest.mark.parametrize(
    ("elsewhere", "within_s"),
    [pytest.param(False, SOON_S, id="same host"), pytest.param(True, IDLE_ELSEWHERE_S, id="another host")],
)
def test_without_load(elsewhere: bool, within_s: float, watched: Repositioned) -> None:
    for number in range(2):
        watched.oracle.insert("users", f"number {number}")
    first, _ = watched.first_events(2)
    with watched.goes_on(within_s):
        watched.commands.set(first, elsewhere=elsewhere)
    watched.check()


def test_a_frozen_worker(watched: Repositioned, load: Load, rng: Random) -> None:
    with load:
        events = watched.first_events()
        with watched.goes_on():
            watched.worker.signal(signal.SIGSTOP)
            watched.commands.set(rng.choice(events))
            watched.worker.signal(signal.SIGCONT)
    watched.check()


def set_both(watched: Repositioned, here: str, there: str) -> None:
    """Give two commands at once, the second as on another host."""
    both = [watched.commands.begin(here), watched.commands.begin(there, elsewhere=True)]
    told = [command.communicate(timeout=90) for command in both]
    assert [command.returncode for command in both] == [0, 0], told


def test_two_at_once(watched: Repositioned, load: Load, rng: Random, long_form: bool) -> None:
    with load:
        events = watched.first_events()
        for _ in range(COMMANDS_LONG // 2 if long_form else 1):
            with watched.goes_on():
                set_both(watched, *rng.sample(events, 2))
    assert len(watched.commands.ids) in (2, LIMIT)
    watched.check()


def test_in_a_backlog(watched: Repositioned) -> None:
    """The second of two commands comes while the worker delivers again what the first wants, many requests to a transaction."""
    for number in range(LARGE_DOCUMENTS):
        watched.oracle.insert("users", f"number {number}", text=LARGE_TEXT)
    first, second, *_ = watched.first_events()
    for _ in range(COMMANDS):
        with watched.goes_on():
            set_both(watched, first, second)
    watched.check()


@pytest.mark.parametrize(
    ("point", "claim_seconds"),
    [(point, CLAIM_SECONDS) for point in CommandPoint] + [(CommandPoint.AFTER_CLAIM, COMMAND_SECONDS)],
)
def test_a_command_is_killed(point: CommandPoint, claim_seconds: int, watched: Repositioned, load: Load, rng: Random) -> None:
    within_s = SOON_S if point is CommandPoint.AFTER_COMMIT else claim_seconds + 2 * SOON_S
    with load:
        events = watched.first_events()
        with watched.goes_on(within_s, measured=False):
            command = watched.commands.begin(rng.choice(events), python=program(point, claim_seconds))
            out, err = command.communicate(timeout=60)
            assert command.returncode == KILLED, out + err
        with watched.goes_on():
            watched.commands.set(rng.choice(events))
    watched.report.remark(f"after a command that died it goes on in {COMMAND_SECONDS + 2 * SOON_S:.0f} s")
    watched.check(outages=OUTAGES.get(point, (0,)))
