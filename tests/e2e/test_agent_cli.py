"""The agent as users meet it: the real watcherctl and supervisord; workers that have no servers to talk to."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.command_line import CommandLine, command_line
from tests.support.waiting import eventually
from watcher.agent.address import find
from watcher.config import Deployment
from watcher.fleet.control import Fleet
from watcher.fleet.polling import is_alive
from watcher.fleet.supervisord import Process

DEADLINE_S = 90
TOKEN = "0123456789abcdef"
NO_SERVERS = {"mongodb_uri": "mongodb://localhost:1/x", "kafka_brokers": "localhost:1", "kafka_client_id": "a"}


@pytest.fixture
def here() -> Iterator[CommandLine]:
    """A deployment with the watcher `a`, whose agent takes any free port."""
    with command_line() as here:
        here.configure("a", NO_SERVERS)
        set_agent(here, "port = 0")
        yield here


def set_agent(here: CommandLine, *lines: str) -> None:
    (here.conf_dir / "agent.toml").write_text("\n".join(lines) + "\n")


def state(here: CommandLine) -> str:
    """Return what the worker of `a` says that it does; empty before it says anything."""
    return here.status("a")["state"] if (here.base / "run" / "a.json").exists() else ""


def processes(here: CommandLine) -> dict[str, Process]:
    return Fleet(Deployment.locate(here.conf_dir)).supervisord.processes()


def url(here: CommandLine) -> str:
    """Return the address of the agent that supervisord runs now."""

    def look() -> str | None:
        path = here.base / "run" / "agent.json"
        told = json.loads(path.read_text()) if path.exists() else {}
        return find(path) if told.get("pid") == processes(here)["agent"].pid else None

    return eventually(look, DEADLINE_S) or ""


def test_the_agent_comes_and_goes_with_the_fleet_and_is_no_watcher(here: CommandLine) -> None:
    assert here.run("console").returncode == 7
    here.run("start", "--all", "--wait", "0")
    assert processes(here).keys() == {"a", "agent"}
    address = url(here)
    assert here.run("console").stdout == f"{address}\n"
    eventually(lambda: state(here) == "waiting", DEADLINE_S)
    with urllib.request.urlopen(f"{address}healthz", timeout=DEADLINE_S) as answer:
        assert answer.status == 200

    shown = here.run("status", "--json")
    assert [watcher["name"] for watcher in json.loads(shown.stdout)["watchers"]] == ["a"]
    assert shown.returncode == 5
    health = here.run("health")
    assert (health.returncode, health.stdout.count("\n")) == (5, 1)
    assert health.stdout.startswith("a waiting: ")
    assert 'watcher_up{watcher="a"} 1.0' in here.run("metrics").stdout
    assert here.run("restart", "agent").returncode == 4

    agent = processes(here)["agent"].pid
    here.run("stop", "--all")
    assert processes(here)["agent"].pid == agent
    assert "a stopped: it was stopped" in here.run("health", "a").stdout
    here.run("down")
    assert not is_alive(agent)
    assert here.run("health").returncode == 7
    assert "watcher_supervisor_up 0.0" in here.run("metrics").stdout


def test_apply_restarts_the_agent_when_its_settings_changed_and_ends_it_when_it_is_switched_off(here: CommandLine) -> None:
    here.run("start", "--all", "--wait", "0")
    before, address = processes(here), url(here)
    assert "agent  unchanged" in here.run("apply", "--wait", "0").stdout

    set_agent(here, "port = 0", f'token = "{TOKEN}"', "restart_hung_after_seconds = 60")
    assert "agent  changed" in here.run("apply", "--wait", "0").stdout
    after = processes(here)
    assert after["agent"].pid not in {0, before["agent"].pid}
    assert after["a"].pid == before["a"].pid
    address = url(here)
    assert here.run("console").stdout == f"{address}\n"
    assert TOKEN not in "".join(path.read_text() for path in (here.base / "run").rglob("*.conf"))

    set_agent(here, "port = 0", "prot = 1")
    faulty = here.run("apply", "--wait", "0")
    assert (faulty.returncode, "did you mean 'port'" in faulty.stderr) == (78, True)
    assert here.run("start", "a", "--wait", "0").returncode == 78
    assert processes(here)["agent"].pid == after["agent"].pid

    set_agent(here, "enabled = false")
    assert "agent  removed" in here.run("apply", "--wait", "0").stdout
    assert processes(here).keys() == {"a"}
    assert "enabled = false" in here.run("console").stderr


def test_a_taken_port_hinders_no_watcher(here: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        set_agent(here, f"port = {taken.getsockname()[1]}")
        here.run("start", "--all", "--wait", "0")
        eventually(lambda: state(here) == "waiting", DEADLINE_S)
        log = here.base / "log" / "agent.log"
        eventually(lambda: log.exists() and "another program has it" in log.read_text(), DEADLINE_S)
        said = f"agent: cannot listen on 127.0.0.1 port {taken.getsockname()[1]}: another program has it"
        for command in (("status",), ("status", "--check"), ("start", "--all", "--wait", "1"), ("restart", "a", "--wait", "1")):
            assert said in here.run(*command).stderr, command
        assert json.loads(here.run("status", "--json").stdout)["agent"]["trouble"] in said
        doctor = json.loads(here.run("doctor", "--json", "--timeout", "2").stdout)["checks"]
        [port] = [check for check in doctor if check["check"] == "host.agent-port"]
        assert (port["outcome"], "another program has it" in port["found"]) == ("warning", True)
        assert "watcherctl logs agent" in here.run("console").stderr
        assert "another program has it" in here.run("logs", "agent").stdout
        assert "watcher_up" in here.run("metrics").stdout
        assert processes(here)["agent"].is_running


def test_agent_with_a_faulty_configuration(here: CommandLine) -> None:
    set_agent(here, 'host = "0.0.0.0"')
    done = here.run("agent")
    assert (done.returncode, "there is no token" in done.stderr) == (78, True)
