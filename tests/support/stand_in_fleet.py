"""A fleet under a real supervisord, with a stand-in for the worker."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support import stand_in_worker
from watcher.config import Deployment, Settings
from watcher.fleet.arrival import Arrival, StartResult, arrivals
from watcher.fleet.control import Fleet
from watcher.fleet.status import Row
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import survey

DEADLINE_SECONDS = 20


def settings(name: str, **changes: object) -> Settings:
    return Settings(
        **{
            "name": name,
            "mongodb_uri": f"mongodb://user:hunter2@localhost/{name}",
            "kafka_brokers": "localhost:9092",
            "kafka_client_id": name,
            **changes,
        }
    )


class StandIns(Fleet):
    """A fleet whose workers are stand-ins."""

    def __init__(self, base: Path) -> None:
        deployment = Deployment(base / "conf.d", base / "run", base / "log")
        super().__init__(deployment, lambda name: (sys.executable, stand_in_worker.__file__, name, str(base)))
        self.base = base

    def behave(self, name: str, behaviour: str) -> None:
        (self.base / "behaviour").mkdir(exist_ok=True)
        (self.base / "behaviour" / name).write_text(behaviour)

    def wait(self, *names: str, seconds: float = DEADLINE_SECONDS) -> dict[str, Arrival]:
        return {arrival.name: arrival for arrival in arrivals(self, names, seconds, _quiet)}

    def streaming(self, *names: str) -> None:
        assert {arrival.result for arrival in self.wait(*names).values()} == {StartResult.STREAMING}

    def process(self, name: str) -> Process:
        return self.supervisord.processes()[name]

    def pid(self, name: str) -> int:
        return self.process(name).pid

    def row(self, name: str) -> Row:
        return survey(self, [name]).rows[0]


def _quiet(_rows: list[Row]) -> None:
    pass
