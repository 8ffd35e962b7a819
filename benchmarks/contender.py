"""Programs that are measured side by side: each follows one database and writes its changes to Kafka."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

from bson import Timestamp

from benchmarks.load import Backlog
from benchmarks.servers import RunningWorker
from watcher.sandbox.sandbox import Sandbox

Delivery = Literal["exactly-once", "at-least-once"]
DELIVERIES: tuple[Delivery, ...] = ("exactly-once", "at-least-once")


@dataclass(frozen=True, slots=True)
class Task:
    """Deliver the changes of `database` since `since` to the topics `<topics>.<collection>`; files go into `directory`."""

    sandbox: Sandbox
    database: str
    since: Timestamp
    prefix: str
    directory: Path

    @property
    def mongodb_uri(self) -> str:
        """With the database."""
        return self.sandbox.mongodb_uri(self.database)

    @property
    def brokers(self) -> str:
        """Kafka's addresses."""
        return self.sandbox.kafka_brokers

    @property
    def topics(self) -> str:
        """Beginning of the topics' names; a collection's name follows after a dot."""
        return f"{self.prefix}.{self.database}"


class Running(Protocol):
    """A contender that delivers."""

    @property
    def pid(self) -> int | None:
        """Its process; what it has started counts as well."""

    def check(self) -> None:
        """Errors: SystemExit with the reason when it has ended or given up."""


class Contender(ABC):
    """One of those that are measured."""

    name: str
    announces_end: bool = True
    """True if it delivers all collections, and so the backlog's end; else messages are counted."""

    @abstractmethod
    def version(self) -> str:
        """Product and version. Errors: SandboxError with the reason when it cannot be had."""

    @abstractmethod
    def deliver(self, task: Task) -> AbstractContextManager[Running]:
        """Started by entering, ended by leaving."""


@dataclass(frozen=True)
class Watcher(Contender):
    """This project: one worker, as supervisord runs it. `settings` are further keys of its file."""

    name: str
    delivery: Delivery = "exactly-once"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def version(self) -> str:
        """As installed."""
        return f"database-watcher {version('database-watcher')}"

    def settings_for(self, task: Task) -> dict[str, Any]:
        """The settings of the worker, with all topics' names as the others have them."""
        return {
            "kafka_client_id": task.prefix,
            "kafka_db_changes_topic": f"{task.topics}.{{collection}}",
            "start_from": Backlog(task.database, 0, task.since).start_from,
            "delivery": self.delivery,
            **self.settings,
        }

    def deliver(self, task: Task) -> AbstractContextManager[Running]:
        """It may have delivered much by the time that it says it streams."""
        return RunningWorker(task.sandbox, task.directory, task.database, wait=False, **self.settings_for(task))


def copying_watcher() -> Watcher:
    """This project, which copies the documents that are there already. Those come before all changes from now on."""
    return Watcher("ours", settings={"start_from": "now", "snapshot_mode": "initial"})


def watchers(deliveries: Sequence[Delivery] = DELIVERIES, settings: Mapping[str, Any] | None = None) -> list[Contender]:
    """This project, once for each guarantee."""
    return [Watcher(f"ours, {delivery.replace('-', ' ')}", delivery, settings or {}) for delivery in deliveries]
