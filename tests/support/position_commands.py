"""`watcherctl position` on a watcher whose worker runs, and the messages that must come of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fault_matrix import FaultReport
from tests.support.oracle import Oracle
from tests.support.waiting import eventually
from tests.support.worker import Inbox, WorkerProcess, environment
from watcher.kafka.ownership import NEW_COUNT
from watcher.position.history import LIMIT

ROOT = Path(__file__).parents[2]
HEALTHY = ("-m", "watcher")
SOON_S = 3.0
LAST = "the last one"
CHANGES = ("rewind", "gap")
"""Control messages about a change. Of two commands at once, the second may skip what the first wanted again."""


class PositionCommands:
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
        """Ids of the changes in the history, the oldest first."""
        out, err = self._begin("show", "--json").communicate(timeout=60)
        return [entry["id"] for entry in reversed(json.loads(out)["history"])] if out else pytest.fail(err)

    def _begin(self, action: str, *options: str, elsewhere: bool = False, python: Sequence[str] = HEALTHY) -> subprocess.Popen[str]:
        state_dir = self._elsewhere if elsewhere else self._worker.state_dir
        where = ["--config", str(self._worker.conf_dir), "--state-dir", str(state_dir)]
        command = [sys.executable, *python, "position", action, self._worker.name, *options, *where]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(PYTHONPATH=str(ROOT))
        )


class Repositioned:
    """A worker that streams, and whose position is changed meanwhile."""

    def __init__(
        self, worker: WorkerProcess, commands: PositionCommands, oracle: Oracle, inbox: Inbox, report: FaultReport
    ) -> None:
        self.worker = worker
        self.commands = commands
        self.oracle = oracle
        self.inbox = inbox
        self.report = report

    def first_events(self, count: int = 100) -> list[str]:
        """Wait for so many changes; return the ids of the first ones."""
        return [message["eventId"] for message in self.inbox.messages(count)[:count]]

    @contextmanager
    def goes_on(self, within_s: float = SOON_S, *, measured: bool = True) -> Iterator[None]:
        """Wait, after what is done in the `with` block, until the worker has begun to stream once more."""
        before = self._streams
        yield
        begun = time.monotonic()
        eventually(lambda: self._streams > before, within_s)
        if measured:
            self.report.recovered(time.monotonic() - begun)

    def check(self, outages: Collection[int] = (0,)) -> None:
        """End the worker. It has noticed no more than a line in its log, and from each position on each change came once. It may
        have taken a command for an outage, as often as one of `outages` says."""
        self.oracle.insert("users", LAST)
        messages = self.inbox.once(_ends_with_the_last)
        ids = self.commands.ids
        assert len(set(ids)) == len(ids)
        assert min(LIMIT, sum(message["operationType"] in CHANGES for message in messages)) == len(ids)
        _check_order(messages)
        self.oracle.check_documents([*{message["eventId"]: message for message in messages if "eventId" in message}.values()])
        self.report.measure(self.worker.pid)
        self._check_worker(outages)
        self.report.count(writes=self.oracle.certain_writes, messages=len(messages), faults=len(ids))

    def _check_worker(self, outages: Collection[int]) -> None:
        status = self.worker.status
        assert (status["state"], status["restarts"]) == ("streaming", 0)
        assert status["errors"] in outages, status["lastError"]
        assert len(self.worker.logged("warning")) == status["errors"]
        assert self.worker.logged("error") + self.worker.logged("critical") == []
        assert self.worker.stop() == 0, self.worker.output

    @property
    def _streams(self) -> int:
        return sum(line["event"] == "streaming" for line in self.worker.log)


def _ends_with_the_last(messages: Sequence[dict[str, Any]]) -> bool:
    """Return True once the last write has come after the last change."""
    return [message.get("documentKey", {}).get("_id") for message in messages[-1:]] == [LAST]


def _check_order(messages: Sequence[dict[str, Any]]) -> None:
    """Check that numbers and events run without a gap from each position on, up to where the next change was made."""
    events = sorted({message["eventId"] for message in messages if "eventId" in message})
    runs = _split(messages)
    for run in runs:
        numbers = [message["sequence"] for message in run]
        assert numbers == [*range(numbers[0], numbers[0] + len(run))]
        ids = [message["eventId"] for message in run if "eventId" in message]
        begin = events.index(ids[0]) if ids else 0
        assert ids == events[begin : begin + len(ids)]
    assert [run[0]["sequence"] % NEW_COUNT for run in runs] == [1] * len(runs)
    assert events[-1] == runs[-1][-1]["eventId"]


def _split(messages: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Begin a new run at each change of the position."""
    runs: list[list[dict[str, Any]]] = [[]]
    for message in messages:
        if message["operationType"] in CHANGES:
            runs.append([])
        runs[-1].append(message)
    return list(filter(None, runs))
