"""A fleet of real workers under a real supervisord."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.waiting import eventually
from tests.support.worker import as_toml, toml_value
from watcher.config import Deployment, load
from watcher.config.agent_settings import LoadedAgent, load_agent
from watcher.config.files.conf_dir import AGENT_FILE
from watcher.fleet.commands import CommandOf, worker_command
from watcher.fleet.control import Fleet
from watcher.fleet.polling import is_alive
from watcher.fleet.supervisord import Process

START_TIMEOUT_S = 60.0


class RealFleet:
    """The watchers of `directory`/conf.d, one for each of `settings`; started and ended with the `with` block.

    `directory` must be short: supervisord's socket lies in it. `commands` has other programs for some watchers. With `agent`, the
    settings in `agent.toml`, it has an agent too. `python` is an interpreter for the workers other than ours.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Mapping[str, Any]],
        commands: Mapping[str, tuple[str, ...]] | None = None,
        agent: Mapping[str, Any] | None = None,
        python: Path | None = None,
    ) -> None:
        self.directory = directory
        self.conf_dir = directory / "conf.d"
        self.conf_dir.mkdir()
        for name, values in settings.items():
            (self.conf_dir / f"{name}.toml").write_text(as_toml(values))
        deployment = Deployment(self.conf_dir, directory / "run", directory / "log")
        self.fleet = Fleet(deployment, _command_of(deployment, commands or {}, python), _agent(self.conf_dir, agent))
        self.names = [*settings]

    def start(self) -> None:
        """As `watcherctl start --all`."""
        self.fleet.start(load(self.conf_dir).watchers.values())

    def reached(self, name: str, state: str = "streaming", timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
        """The status of the worker that supervisord runs now, as soon as that is in `state`; AssertionError at the deadline."""

        def look() -> dict[str, Any] | None:
            status = self.status(name)
            assert status.get("state") == state, f"{name} is {status.get('state')}"
            assert status["pid"] == self.process(name).pid, f"{name}: the status is that of an older process"
            return status

        return eventually(look, timeout_s, interval_s=0.1) or {}

    def status(self, name: str) -> dict[str, Any]:
        """A watcher's status file; empty while there is none."""
        path = self.directory / "run" / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def log(self, name: str) -> str:
        """Return what a watcher's workers have logged."""
        return (self.directory / "log" / f"{name}.log").read_text()

    def process(self, name: str) -> Process:
        """Return what supervisord says of a watcher's worker."""
        return self.fleet.supervisord.processes()[name]

    @property
    def supervisord_pid(self) -> int:
        """The process id of supervisord."""
        return int((self.directory / "run" / "supervisord.pid").read_text())

    def workers(self) -> list[int]:
        """The process ids of all workers of this deployment, whoever started them."""
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if {"run", str(self.conf_dir)} <= set(process.info["cmdline"] or ()) and is_alive(process.pid)
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for pid in self.workers():
            psutil.Process(pid).resume()
        self.fleet.down()


def _agent(conf_dir: Path, settings: Mapping[str, Any] | None) -> LoadedAgent | None:
    if settings is None:
        return None
    (conf_dir / AGENT_FILE).write_text("".join(f"{key} = {toml_value(value)}\n" for key, value in settings.items()))
    return load_agent(conf_dir)


def _command_of(deployment: Deployment, commands: Mapping[str, tuple[str, ...]], python: Path | None) -> CommandOf:
    usual = worker_command(deployment)

    def command(name: str) -> tuple[str, ...]:
        ours, dash_m, watcher, *arguments = usual(name)
        return (str(python or ours), *commands.get(name, (dash_m, watcher)), *arguments)

    return command
