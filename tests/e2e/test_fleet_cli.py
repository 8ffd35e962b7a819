"""The commands about a fleet: the real watcherctl, the real supervisord; with servers where workers must stream."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import switch_off_agent
from tests.support.waiting import eventually
from watcher.fleet.polling import is_alive
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 90
NOBODY = "localhost:1"


class Directory:
    """A deployment, and watcherctl in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        (base / "conf.d").mkdir()
        switch_off_agent(base / "conf.d")

    def configure(self, name: str, *, uri: str = f"mongodb://{NOBODY}/x", brokers: str = NOBODY, **others: object) -> None:
        values = {"mongodb_uri": uri, "kafka_brokers": brokers, "kafka_client_id": f"{self.base.name}-{name}", **others}
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        (self.base / "conf.d" / f"{name}.toml").write_text(text)

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            watcherctl(*arguments), cwd=self.base, env=environment(), capture_output=True, text=True, timeout=DEADLINE_SECONDS
        )
        assert result.returncode == code, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return result

    def watchers(self, code: int = 0) -> dict[str, dict[str, Any]]:
        document = json.loads(self.run("status", "--json", code=code).stdout)
        return {watcher["name"]: watcher for watcher in document["watchers"]}


def watcherctl(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "watcher", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@pytest.fixture
def deployment() -> Iterator[Directory]:
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as directory:
        here = Directory(Path(directory))
        yield here
        here.run("down")


def test_nothing_runs_yet(deployment: Directory) -> None:
    deployment.configure("dashboard")
    assert "not started" in deployment.run("status", code=7).stdout
    assert "watcherctl start --all" in deployment.run("apply", code=7).stderr
    deployment.run("ctl", "status", code=7)
    deployment.run("stop", "--all")
    assert "nothing was running" in deployment.run("down").stderr


def test_wrong_names_and_no_names(deployment: Directory) -> None:
    deployment.configure("dashboard")
    assert "did you mean 'dashboard'" in deployment.run("start", "dashbord", code=4).stderr
    deployment.run("status", "x*", code=4)
    assert "--all" in deployment.run("start", code=2).stderr


def test_a_faulty_file_keeps_nobody_else_from_starting(deployment: Directory) -> None:
    deployment.configure("dashboard")
    deployment.configure("broken", batch_size="many")
    shown = deployment.run("start", "--all", "--wait", "0", code=78).stdout
    assert "broken  failed" in shown
    assert "batch_size" in shown
    assert "dashboard  started" in shown
    watchers = deployment.watchers(code=3)
    assert watchers["dashboard"]["running"]
    assert "batch_size" in watchers["broken"]["fault"]
    assert "dashboard" not in deployment.run("status", "broken", "--check", code=3).stdout


def test_waiting_times_out_with_what_is_known(deployment: Directory) -> None:
    deployment.configure("dashboard")
    assert "dashboard  timed out" in deployment.run("start", "dashboard", "--wait", "1", code=124).stdout
    deployment.run("status", code=5)


def test_a_worker_outlives_the_command_but_not_supervisord(deployment: Directory) -> None:
    deployment.configure("dashboard")
    deployment.run("start", "--all", "--wait", "0")
    worker = eventually(lambda: deployment.watchers(code=5)["dashboard"]["pid"])
    supervisord = int((deployment.base / "run" / "supervisord.pid").read_text())
    # The worker asks the kernel for a signal when its parent dies; it writes its first status after that.
    eventually(lambda: (deployment.base / "run" / "dashboard.json").exists())
    os.kill(supervisord, signal.SIGKILL)
    eventually(lambda: not is_alive(worker), 20)
    deployment.run("status", code=7)


def test_foreground_ends_with_sigterm(deployment: Directory) -> None:
    deployment.configure("dashboard")
    with subprocess.Popen(watcherctl("run"), cwd=deployment.base, env=environment(), stdout=subprocess.PIPE, text=True) as fleet:
        assert fleet.stdout
        assert json.loads(fleet.stdout.readline())["watcher"] == "dashboard"
        assert deployment.watchers(code=5)["dashboard"]["running"]
        deployment.run("run", code=1)
        fleet.terminate()
        fleet.communicate(timeout=DEADLINE_SECONDS)
    assert fleet.returncode == 0
    assert not deployment.watchers(code=7)["dashboard"]["running"]


@pytest.mark.parametrize("arguments", [("status", "--watch", "--json"), ("status", "--watch"), ("logs", "-f")])
def test_what_goes_on_ends_well_with_ctrl_c(arguments: tuple[str, ...], deployment: Directory) -> None:
    deployment.configure("dashboard")
    (deployment.base / "log").mkdir()
    (deployment.base / "log" / "dashboard.log").write_text("first line\n")
    with subprocess.Popen(
        watcherctl(*arguments), cwd=deployment.base, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if "dashboard" in line)
        if arguments[0] == "status":
            assert next(line for line in lines if "dashboard" in line)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize(("arguments", "code"), [(("start", "--all", "--wait", "1"), 124), (("status",), 7)])
def test_on_a_terminal(arguments: tuple[str, ...], code: int, deployment: Directory) -> None:
    deployment.configure("dashboard")
    ours, theirs = pty.openpty()
    with subprocess.Popen(watcherctl(*arguments), cwd=deployment.base, env=environment(), stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = _read_terminal(ours)
    os.close(ours)
    assert process.returncode == code
    assert "dashboard" in shown
    assert "Traceback" not in shown


def _read_terminal(descriptor: int) -> str:
    """Everything until the last process has let go of the terminal, which shows as an error."""
    parts = []
    with contextlib.suppress(OSError):
        while data := os.read(descriptor, 4096):
            parts.append(data)
    return b"".join(parts).decode()


def test_a_life_with_servers(deployment: Directory, mongo: ReplicaSet, kafka: Broker, prefix: str) -> None:
    for name in ("dashboard", "analytics"):
        deployment.configure(name, uri=mongo.uri(f"{prefix}{name}"), brokers=kafka.bootstrap, kafka_topic_insert=prefix)
    started = deployment.run("start", "--all")
    assert {line.split()[1] for line in started.stdout.splitlines()} == {"streaming"}
    assert "opening" in started.stderr
    before = deployment.watchers()

    changed = {"uri": mongo.uri(f"{prefix}analytics"), "brokers": kafka.bootstrap, "kafka_topic_insert": prefix, "batch_size": 7}
    deployment.configure("analytics", **changed, exclude_collections="x")
    assert "newly watched" not in deployment.run("apply", "--dry-run").stderr
    applied = deployment.run("apply").stdout
    assert "analytics  changed" in applied
    assert "analytics  streaming" in applied
    assert "dashboard  unchanged" in applied
    after = deployment.watchers()
    assert after["dashboard"]["pid"] == before["dashboard"]["pid"]
    assert after["analytics"]["pid"] != before["analytics"]["pid"]

    deployment.configure("analytics", **changed)
    told = deployment.run("apply").stderr
    assert "analytics: x: newly watched" in told
    assert "watcherctl snapshot start analytics --collection x\n" in told

    restarted = deployment.run("restart", "--all", "--rolling").stdout.splitlines()
    assert [line.split()[:2] for line in restarted] == [["analytics", "streaming"], ["dashboard", "streaming"]]

    deployment.run("disable", "analytics")
    deployment.run("stop", "--all")
    assert [watcher["state"] for watcher in deployment.watchers(code=3).values()] == ["disabled", "stopped"]
    assert "analytics" not in deployment.run("start", "--all").stdout
    assert "dashboard" in deployment.run("status").stdout
    assert "RUNNING" in deployment.run("ctl", "status", "dashboard").stdout

    entries = [json.loads(line) for line in deployment.run("logs", "dashboard", "--json").stdout.splitlines()]
    assert {entry["watcher"] for entry in entries} == {"dashboard"}
