"""A worker as a process of its own, on a conf.d that is written for it, and what arrived in Kafka."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from confluent_kafka import KafkaException

from tests.support.records import Record, TopicReader
from tests.support.waiting import eventually

OPERATIONS = ("insert", "update", "delete", "control")
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0

Launch = Callable[..., "WorkerProcess"]


class WorkerProcess:
    """`watcher run NAME` for the watcher NAME of `directory`/conf.d; ended with the `with` block.

    With another `state_dir` it is a second instance of the same watcher, as on another host.
    """

    def __init__(
        self, directory: Path, settings: Mapping[str, Any], *, name: str = "dashboard", state_dir: Path | None = None
    ) -> None:
        self.name = name
        self.conf_dir = directory / "conf.d"
        self.state_dir = state_dir or directory
        self.process: subprocess.Popen[bytes] | None = None
        self.python = sys.executable
        """Of which environment; a benchmark may name another."""
        self.program: Sequence[str] = ("-m", "watcher")
        """Arguments of Python; a test may have another program start the worker."""
        for path in (self.conf_dir, self.state_dir):
            path.mkdir(parents=True, exist_ok=True)
        (self.conf_dir / f"{name}.toml").write_text(as_toml(settings))

    def start(self) -> Self:
        """Start it, again if it has ended; does not wait."""
        command = [self.python, *self.program, "run", self.name, "--config", str(self.conf_dir), "--state-dir"]
        with self._stdout.open("ab") as stdout, self._stderr.open("ab") as stderr:
            self.process = subprocess.Popen([*command, str(self.state_dir)], stdout=stdout, stderr=stderr, cwd=self.state_dir)
        return self

    def reached(self, state: str = "streaming", timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
        """The status of this process, as soon as its state is `state`; AssertionError at the deadline, or when it has ended."""

        def look() -> dict[str, Any] | None:
            status = self.status
            if status.get("pid") == self.pid and status.get("state") == state:
                return status
            if self._running.poll() is not None:
                pytest.fail(f"the worker ended with {self._running.returncode}:\n{self.output}")
            return None

        return eventually(look, timeout_s) or {}

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """Its exit code, when it ends. It may still have to start."""
        return self._running.wait(timeout_s)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Ask it to end; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.wait()

    @property
    def ended(self) -> bool:
        """True once it has ended."""
        return self._running.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running.send_signal(number)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    @property
    def status(self) -> dict[str, Any]:
        """Its status file; empty while there is none."""
        path = self.state_dir / "run" / f"{self.name}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def output(self) -> str:
        """All that it has printed, on both streams."""
        return self._stdout.read_text() + self._stderr.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self._stdout.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def logged(self, level: str) -> list[dict[str, Any]]:
        """The lines of `level` in its log."""
        return [line for line in self.log if line["level"] == level]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "not started"
        return self.process

    @property
    def _stdout(self) -> Path:
        return self.state_dir / f"{self.name}.stdout"

    @property
    def _stderr(self) -> Path:
        return self.state_dir / f"{self.name}.stderr"


class Inbox:
    """Messages that have arrived on a watcher's topics."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        self.bootstrap = bootstrap
        self.topics = topics
        self._reader = TopicReader(bootstrap, topics)

    def records(self, count: int = 0, timeout_s: float = 30.0) -> list[Record]:
        """All committed records, in the order of their `sequence`, once there are `count`."""

        def read() -> list[Record]:
            try:
                records = self.read(timeout_s)
            except KafkaException as error:  # such as a topic that was made a moment ago and has no leader yet
                raise AssertionError from error
            assert len(records) >= count, f"{len(records)} of {count} messages have arrived"
            return [*sorted(records, key=lambda record: record.json["sequence"])]

        return eventually(lambda: (read(),), timeout_s, interval_s=0.1)[0]

    def once(
        self, seen: Callable[[list[dict[str, Any]]], object], timeout_s: float = 30.0, interval_s: float = 0.3
    ) -> list[dict[str, Any]]:
        """All messages, in order, read once more after `seen` was true of them. At the first look the rest of that transaction may
        not have come to the other partitions; at the second it has, or is waited for."""
        eventually(lambda: seen(self.messages()), timeout_s, interval_s)
        return self.messages()

    def read(self, timeout_s: float) -> list[Record]:
        """Read all committed records. Errors: KafkaException."""
        return self._reader.read(timeout_s)

    def messages(self, count: int = 0, timeout_s: float = 30.0) -> list[dict[str, Any]]:
        """As `records`, their values parsed."""
        return [record.json for record in self.records(count, timeout_s)]


def as_toml(settings: Mapping[str, Any]) -> str:
    """`settings` as the text of a watcher's file; tables come last, as TOML wants it."""
    plain = [f"{key} = {toml_value(value)}" for key, value in settings.items() if not isinstance(value, Mapping)]
    tables = [
        "\n".join([f"[{key}]", *(f'"{name}" = {toml_value(value)}' for name, value in table.items())])
        for key, table in settings.items()
        if isinstance(table, Mapping)
    ]
    return "\n".join([*plain, *tables, ""])


def toml_value(value: Any) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's as well."""
    return json.dumps(value)


def watcher_settings(mongodb_uri: str, kafka_brokers: str, prefix: str) -> dict[str, Any]:
    """Settings of a watcher whose topics all begin with `prefix`."""
    topics = {f"kafka_topic_{operation}": f"{prefix}.{operation}" for operation in OPERATIONS}
    return {"mongodb_uri": mongodb_uri, "kafka_brokers": kafka_brokers, "kafka_client_id": f"{prefix}-watcher", **topics}


def environment(**variables: str) -> dict[str, str]:
    """This process' environment without anything that configures a watcher."""
    ours = ("WATCHER_", "MONGODB_", "KAFKA_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)} | variables
