"""A fleet for `benchmarks.agent`: one real worker, and programs that sleep while their files are written as workers write them."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.background import Background
from tests.support.waiting import eventually
from watcher.config import Deployment, load
from watcher.config.agent_settings import AgentSettings, LoadedAgent
from watcher.fleet.commands import worker_command
from watcher.fleet.control import Fleet
from watcher.log import iso

REAL = "w00"
START_SECONDS = 60
MOST_EVENTS = 400
"""The most events of a busy watcher between two writes of its status."""

SETTINGS = """\
mongodb_uri = "mongodb://localhost:1/{name}"
kafka_brokers = "localhost:1"
kafka_client_id = "{name}"
"""


@contextlib.contextmanager
def fleet_of(names: list[str]) -> Iterator[Fleet]:
    """A fleet with these watchers and the agent, all running."""
    with tempfile.TemporaryDirectory(prefix="wb-") as directory:
        deployment = Deployment.locate(Path(directory) / "conf.d")
        deployment.conf_dir.mkdir()
        (deployment.conf_dir / "agent.toml").write_text("port = 0\n")
        for name in names:
            (deployment.conf_dir / f"{name}.toml").write_text(SETTINGS.format(name=name))
        usual = worker_command(deployment)
        agent = LoadedAgent(AgentSettings(port=0))
        fleet = Fleet(deployment, lambda name: usual(name) if name == REAL else ("sleep", "infinity"), agent)
        try:
            fleet.start(load(deployment.conf_dir).watchers.values())
            yield fleet
        finally:
            fleet.down()


class Files:
    """The status and metrics of the watchers that only sleep: those of the real one under another name, at rest or busy."""

    def __init__(self, fleet: Fleet, names: list[str]) -> None:
        self._run_dir = fleet.deployment.run_dir
        eventually(lambda: all((self._run_dir / f"{REAL}{suffix}").exists() for suffix in (".json", ".prom")), START_SECONDS)
        self._pids = {name: process.pid for name, process in fleet.supervisord.processes().items()}
        self._names = [name for name in names if name != REAL]
        self._random = random.Random(0)  # figures, no secrets
        self._events: dict[str, dict[str, int]] = {}
        self.is_busy = False
        self.seconds = 2.0
        """The time in which each is written once."""

    def kept_fresh(self) -> Background:
        """Write them one after the other."""

        def write(stop: threading.Event) -> None:
            for name in itertools.cycle(self._names):
                self._write(name)
                if stop.wait(self.seconds / len(self._names)):
                    return

        return Background(write, "writing")

    def _write(self, name: str) -> None:
        status = json.loads((self._run_dir / f"{REAL}.json").read_bytes())
        now = time.time()
        status |= {"watcher": name, "pid": self._pids[name], "state": "streaming", "updatedAt": iso(now), "lastError": None}
        status |= {"headroomSeconds": 90_000 + now % 5, "oplogFull": True, "lagSeconds": 0.0, "lastCommitAt": iso(now)}
        metrics = (self._run_dir / f"{REAL}.prom").read_text().replace(f'watcher="{REAL}"', f'watcher="{name}"')
        _put(self._run_dir / f"{name}.json", json.dumps(status | (self._activity(name, now) if self.is_busy else {})))
        _put(self._run_dir / f"{name}.prom", metrics)

    def _activity(self, name: str, now: float) -> dict[str, Any]:
        """Figures that are others each time."""
        events = self._events.setdefault(name, dict.fromkeys(("insert", "update", "replace", "delete"), 0))
        for operation in events:
            events[operation] += self._random.randrange(MOST_EVENTS)
        delivered = sum(events.values())
        return {
            "events": events,
            "messagesCommitted": delivered,
            "sequence": delivered,
            "eventsPerSecond": self._random.uniform(0, 4 * MOST_EVENTS),
            "lagSeconds": self._random.uniform(0, 2),
            "batchSize": self._random.randrange(1, 1000),
            "commitSeconds": self._random.uniform(0.005, 0.05),
            "lastEventAt": iso(now),
        }


def _put(path: Path, text: str) -> None:
    """As a worker does it."""
    new = path.with_suffix(f"{path.suffix}.new")
    new.write_text(text)
    new.replace(path)
