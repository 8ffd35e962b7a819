"""Programs that run twice and stand in for each other: this project on two hosts, and Kafka Connect with two workers."""

from __future__ import annotations

import urllib.error
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from benchmarks.contender import Contender, Running, Task, watchers
from benchmarks.environments import workers_python
from benchmarks.load import Backlog
from benchmarks.peers.debezium import Debezium
from benchmarks.peers.kafka_connect import ConnectWorker, properties
from tests.support.worker import WorkerProcess, watcher_settings
from watcher.config import Settings
from watcher.model import Delivered
from watcher.position.switchover import switch_over
from watcher.sandbox.process import wait_until

KILL, STOP, SWITCHOVER = "kill -9", "SIGTERM", "switchover"

LIMIT_S = 420.0
"""Longer than Kafka Connect waits for a worker that has gone (`scheduled.rebalance.max.delay.ms`, 5 min)."""


class Pair(Running):
    """Two programs, of which one delivers. Errors of all: SystemExit with the reason."""

    ways: ClassVar[Sequence[str]]
    """Ways in which the active one can be taken away."""

    @abstractmethod
    def take_away(self, way: str) -> None:
        """Take the active one away; returns at once after a kill, else when it is done."""

    @abstractmethod
    def wait_for_successor(self) -> None:
        """Wait until the other one is active."""

    @abstractmethod
    def bring_back(self) -> None:
        """Start the one that was taken away, and wait until it stands by."""


class Hosts(Pair):
    """Two workers with a lease."""

    ways = (KILL, STOP, SWITCHOVER)

    def __init__(self, workers: Sequence[WorkerProcess], settings: Mapping[str, Any]) -> None:
        self._active, self._standby = workers
        self._settings = Settings(name=self._active.name, **settings)

    @property
    def pid(self) -> int:
        return self._active.pid

    def check(self) -> None:
        if self._active.ended:
            raise SystemExit(f"the worker has ended: {self._active.output}")

    def take_away(self, way: str) -> None:
        if way == KILL:
            self._active.kill()
        elif way == STOP:
            self._active.stop()
        else:
            switch_over(self._settings, Delivered())

    def wait_for_successor(self) -> None:
        self._standby.reached(timeout_s=LIMIT_S)
        self._active, self._standby = self._standby, self._active

    def bring_back(self) -> None:
        if self._standby.ended:
            self._standby.start()
        self._standby.reached("standby")


class ConnectWorkers(Pair):
    """Two workers of Kafka Connect, one of which has the connector's task."""

    ways = (KILL,)

    def __init__(self, workers: Sequence[ConnectWorker]) -> None:
        self._workers = [*workers]
        self._sort()

    @property
    def pid(self) -> int | None:
        return self._workers[0].pid

    def check(self) -> None:
        self._workers[0].check()

    def take_away(self, way: str) -> None:
        assert way == KILL
        self._sort()
        self._workers[0].kill()

    def wait_for_successor(self) -> None:
        if not wait_until(lambda: _delivers(self._workers[1]), LIMIT_S):
            raise SystemExit(f"the other worker has not got the task within {LIMIT_S:.0f} s")
        self._workers.reverse()

    def bring_back(self) -> None:
        self._workers[1].start()

    def _sort(self) -> None:
        self._workers.sort(key=_delivers, reverse=True)


def _delivers(worker: ConnectWorker) -> bool:
    try:
        return worker.answers() and worker.has_task
    except (OSError, urllib.error.URLError):
        return False


@dataclass(frozen=True)
class WatcherTwice(Contender):
    """This project, on two hosts, exactly once."""

    name: str = "ours, two hosts"

    def version(self) -> str:
        """As installed."""
        return watchers()[0].version()

    @contextmanager
    def deliver(self, task: Task) -> Iterator[Hosts]:
        """One after the other, so that it is known who is active."""
        settings = watcher_settings(task.mongodb_uri, task.brokers, task.prefix) | {
            "kafka_db_changes_topic": f"{task.topics}.{{collection}}",
            "start_from": Backlog(task.database, 0, task.since).start_from,
            "high_availability": True,
        }
        settings = {key: value for key, value in settings.items() if not key.startswith("kafka_topic_")}
        with ExitStack() as stack:
            workers = []
            for host, state in (("a", "streaming"), ("b", "standby")):
                worker = WorkerProcess(task.directory / host, settings, name=task.prefix)
                worker.python = str(workers_python())
                workers.append(stack.enter_context(worker))
                worker.reached(state)
            yield Hosts(workers, settings)


@dataclass(frozen=True)
class DebeziumTwice(Contender):
    """Debezium's connector, at least once, on two workers of Kafka Connect. `settings` are further ones of a worker."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)

    def version(self) -> str:
        """As in its pom."""
        return Debezium().version()

    @contextmanager
    def deliver(self, task: Task) -> Iterator[ConnectWorkers]:
        """One after the other: the first one makes the topics in which both keep what they share."""
        distributed = {**properties("connect-two-workers"), **self.settings, "group.id": f"connect-{task.prefix}"}
        with ExitStack() as stack:
            workers = [
                stack.enter_context(Debezium().worker(replace(task, directory=task.directory / name), distributed))
                for name in ("first", "second")
            ]
            yield ConnectWorkers(workers)


PAIRS: Mapping[str, Contender] = {
    "ours": WatcherTwice(),
    "debezium-no-delay": DebeziumTwice("Debezium, two workers, without the delay", {"scheduled.rebalance.max.delay.ms": "0"}),
    "debezium": DebeziumTwice("Debezium, two workers, as shipped"),
}
