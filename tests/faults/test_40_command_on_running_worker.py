"""Row 40: `watcherctl position` changes the position of a watcher whose worker runs.

Goal: the worker goes on at the new position by itself, without an error, an exit or a restart: within 3 s, or within 12 s if it is
idle on another host, where no signal reaches it. Each change happens once or not at all. From each position on, the changes come
once and in order.
Method: `position set` goes back to an earlier message under load, without load, in a backlog, with another state directory as on
another host, while the worker is frozen by SIGSTOP, twice at once, and killed at each point of its takeover.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.failing_command import CommandPoint, program
from tests.support.failing_worker import KILLED
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess, environment
from watcher.kafka.ownership import COMMAND_SECONDS, NEW_COUNT
from watcher.position.history import LIMIT
from watcher.sandbox.kafka import ApacheKafka

pytest_plugins = ["tests.support.worker_fixtures"]

ROOT = Path(__file__).parents[2]
SOON_S, IDLE_ELSEWHERE_S = 3.0, 12.0
UNFINISHED_S = COMMAND_SECONDS + 2 * SOON_S
"""After a command that has died with a claim."""

COMMANDS, COMMANDS_LONG = 3, 40
LARGE_DOCUMENTS, LARGE_TEXT = 1000, "x" * 20_000
HEALTHY = ("-m", "watcher")
LAST = "the last one"
CHANGES = ("rewind", "gap")
"""Control messages about a change. Of two commands at once, the second may skip what the first wanted again."""


class Commands:
    """`watcherctl position` for the test's watcher, as processes."""

    def __init__(self, worker: WorkerProcess, elsewhere: Path) -> None:
        self._worker = worker
        self._elsewhere = elsewhere

    def begin(self, event_id: str, *, elsewhere: bool = False, python: Sequence[str] = HEALTHY) -> subprocess.Popen[str]:
        """Begin to set the position to a message."""
        return self._begin("set", event_id, "--yes", elsewhere=elsewhere, python=python)

    def set(self, event_id: str, *, elsewhere: bool = False) -> None:
        """Set the position to a message."""
        command = self.begin(event_id, elsewhere=elsewhere)
        out, err = command.communicate(timeout=60)
        assert command.returncode == 0, out + err

    @property
    def ids(self) -> list[str]:
        """The ids of the changes in the history, the oldest first."""
        out, err = self._begin("show", "--json").communicate(timeout=60)
        return [entry["id"] for entry in reversed(json.loads(out)["history"])] if out else pytest.fail(err)

    def _begin(self, action: str, *options: str, elsewhere: bool = False, python: Sequence[str] = HEALTHY) -> subprocess.Popen[str]:
        state_dir = self._elsewhere if elsewhere else self._worker.state_dir
        where = ["--config", str(self._worker.conf_dir), "--state-dir", str(state_dir)]
        command = [sys.executable, *python, "position", action, self._worker.name, *options, *where]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(PYTHONPATH=str(ROOT))
        )


@pytest.fixture
def worker(launch: Launch, settings: dict[str, Any], apache: ApacheKafka) -> WorkerProcess:
    """A worker that streams."""
    worker = launch(settings)
    worker.reached()
    return worker


@pytest.fixture
def commands(worker: WorkerProcess, tmp_path: Path) -> Commands:
    """Commands on it."""
    return Commands(worker, tmp_path / "elsewhere")


Check = Callable[..., None]

OUTAGES = {CommandPoint.AFTER_FENCE: (1,), CommandPoint.DURING_CLAIM: (0, 1)}
"""Outages that a worker may count where a command dies before its claim is committed: nothing says then that it was a command."""


@pytest.fixture
def check(worker: WorkerProcess, oracle: Oracle, inbox: Inbox, commands: Commands, fault_report: FaultReport) -> Check:
    """`check()`: the worker has noticed no more than a line in its log, and from each position on each change came once. With so
    many `outages`, it has taken commands for that."""

    def check(outages: Collection[int] = (0,)) -> None:
        oracle.insert("users", LAST)
        messages = eventually(lambda: streams_up_to_the_last(inbox), 30)[-1]
        ids = commands.ids
        assert len(set(ids)) == len(ids)
        assert min(LIMIT, sum(message["operationType"] in CHANGES for message in messages)) == len(ids)
        check_order(messages)
        oracle.check_documents([*{message["eventId"]: message for message in messages if "eventId" in message}.values()])
        fault_report.measure(worker.pid)
        status = worker.status
        assert (status["state"], status["restarts"]) == ("streaming", 0)
        assert status["errors"] in outages, status["lastError"]
        assert len(worker.logged("warning")) == status["errors"]
        assert worker.logged("error") + worker.logged("critical") == []
        assert worker.stop() == 0, worker.output
        fault_report.count(writes=oracle.certain_writes, messages=len(messages), faults=len(ids))

    return check


def streams_up_to_the_last(inbox: Inbox) -> list[list[dict[str, Any]]]:
    """All messages, as a list of one list, once the last write has come after the last change; else nothing."""
    messages = inbox.messages()
    came = [message.get("documentKey", {}).get("_id") for message in messages[-1:]]
    return [messages] if came == [LAST] else []


def check_order(messages: Sequence[dict[str, Any]]) -> None:
    """From each position on the numbers run without a gap, and so do the events, up to where the next change was made."""
    events = sorted({message["eventId"] for message in messages if "eventId" in message})
    runs = split(messages)
    for run in runs:
        numbers = [message["sequence"] for message in run]
        assert numbers == [*range(numbers[0], numbers[0] + len(run))]
        ids = [message["eventId"] for message in run if "eventId" in message]
        begin = events.index(ids[0]) if ids else 0
        assert ids == events[begin : begin + len(ids)]
    assert [run[0]["sequence"] % NEW_COUNT for run in runs] == [1] * len(runs)
    assert events[-1] == runs[-1][-1]["eventId"]


def split(messages: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Begin a new run at each change of the position."""
    runs: list[list[dict[str, Any]]] = [[]]
    for message in messages:
        if message["operationType"] in CHANGES:
            runs.append([])
        runs[-1].append(message)
    return list(filter(None, runs))


def first_events(inbox: Inbox) -> list[str]:
    """The ids of the first hundred changes, once they are there."""
    return [message["eventId"] for message in inbox.messages(100)[:100]]


def streams(worker: WorkerProcess) -> int:
    """Count how often the worker has begun to stream."""
    return sum(line["event"] == "streaming" for line in worker.log)


def goes_on(worker: WorkerProcess, before: int, within_s: float, report: FaultReport) -> None:
    """Wait for the worker, which has begun to stream so often before."""
    begun = time.monotonic()
    eventually(lambda: streams(worker) > before, within_s)
    report.recovered(time.monotonic() - begun)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same host", "another host"])
def test_under_load(
    elsewhere: bool,
    worker: WorkerProcess,
    commands: Commands,
    oracle: Oracle,
    inbox: Inbox,
    check: Check,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    with Load(oracle, seed=rng.randrange(2**32), pause_s=0.005):
        events = first_events(inbox)
        for _ in range(COMMANDS_LONG if long_form else COMMANDS):
            before = streams(worker)
            commands.set(rng.choice(events), elsewhere=elsewhere)
            goes_on(worker, before, SOON_S, fault_report)
    check()


@pytest.mark.parametrize(
    ("elsewhere", "within_s"),
    [pytest.param(False, SOON_S, id="same host"), pytest.param(True, IDLE_ELSEWHERE_S, id="another host")],
)
def test_without_load(
    elsewhere: bool,
    within_s: float,
    worker: WorkerProcess,
    commands: Commands,
    oracle: Oracle,
    inbox: Inbox,
    check: Check,
    fault_report: FaultReport,
) -> None:
    for number in range(2):
        oracle.insert("users", f"number {number}")
    before = streams(worker)
    commands.set(inbox.messages(2)[0]["eventId"], elsewhere=elsewhere)
    goes_on(worker, before, within_s, fault_report)
    check()


def test_a_frozen_worker(
    worker: WorkerProcess,
    commands: Commands,
    oracle: Oracle,
    inbox: Inbox,
    check: Check,
    rng: Random,
    fault_report: FaultReport,
) -> None:
    with Load(oracle, seed=rng.randrange(2**32), pause_s=0.005):
        events = first_events(inbox)
        before = streams(worker)
        worker.signal(signal.SIGSTOP)
        commands.set(rng.choice(events))
        worker.signal(signal.SIGCONT)
        goes_on(worker, before, SOON_S, fault_report)
    check()


def test_two_at_once(
    worker: WorkerProcess,
    commands: Commands,
    oracle: Oracle,
    inbox: Inbox,
    check: Check,
    rng: Random,
    fault_report: FaultReport,
    long_form: bool,
) -> None:
    with Load(oracle, seed=rng.randrange(2**32), pause_s=0.005):
        events = first_events(inbox)
        for _ in range(COMMANDS_LONG // 2 if long_form else 1):
            before = streams(worker)
            here, there = rng.sample(events, 2)
            both = [commands.begin(here), commands.begin(there, elsewhere=True)]
            told = [command.communicate(timeout=90) for command in both]
            assert [command.returncode for command in both] == [0, 0], told
            goes_on(worker, before, SOON_S, fault_report)
    assert len(commands.ids) in (2, LIMIT)
    check()


def test_in_a_backlog(
    worker: WorkerProcess, commands: Commands, oracle: Oracle, inbox: Inbox, check: Check, fault_report: FaultReport
) -> None:
    """The second of two commands comes while the worker delivers again what the first wants, many requests to a transaction."""
    for number in range(LARGE_DOCUMENTS):
        oracle.insert("users", f"number {number}", text=LARGE_TEXT)
    first, second, *_ = first_events(inbox)
    for _ in range(COMMANDS):
        before = streams(worker)
        both = [commands.begin(first), commands.begin(second, elsewhere=True)]
        told = [command.communicate(timeout=90) for command in both]
        assert [command.returncode for command in both] == [0, 0], told
        goes_on(worker, before, SOON_S, fault_report)
    check()


@pytest.mark.parametrize("point", [*CommandPoint])
def test_a_command_is_killed(
    point: CommandPoint,
    worker: WorkerProcess,
    commands: Commands,
    oracle: Oracle,
    inbox: Inbox,
    check: Check,
    rng: Random,
    fault_report: FaultReport,
) -> None:
    with Load(oracle, seed=rng.randrange(2**32), pause_s=0.005):
        events = first_events(inbox)
        before = streams(worker)
        command = commands.begin(rng.choice(events), python=program(point))
        out, err = command.communicate(timeout=60)
        assert command.returncode == KILLED, out + err
        within_s = SOON_S if point is CommandPoint.AFTER_COMMIT else UNFINISHED_S
        eventually(lambda: streams(worker) > before, within_s)
        fault_report.remark(f"after a command that died it goes on in {UNFINISHED_S:.0f} s")
        before = streams(worker)
        commands.set(rng.choice(events))
        goes_on(worker, before, SOON_S, fault_report)
    check(outages=OUTAGES.get(point, (0,)))
