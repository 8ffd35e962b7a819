"""The agent as a process: with a real supervisord and stand-ins for the workers, and by itself on a port."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import stand_in_worker
from tests.support.waiting import eventually
from watcher.agent import server
from watcher.agent.address import find
from watcher.agent.client import get
from watcher.agent.server import serve
from watcher.agent.view import freshness
from watcher.agent.view.fleet_view import FleetView
from watcher.config import Deployment, load
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.fleet.status import HUNG_AFTER
from watcher.log import iso

TOKEN = "0123456789abcdef"
DEADLINE_S = 60
SETTINGS = 'mongodb_uri = "mongodb://localhost:1/x"\nkafka_brokers = "localhost:1"\nkafka_client_id = "{name}"\n'


class Served:
    """A fleet of stand-ins, `a` and `b`, and its agent in a thread of this process."""

    def __init__(self, base: Path) -> None:
        self.deployment = Deployment.locate(base / "conf.d")
        self.deployment.conf_dir.mkdir()
        for name in ("a", "b"):
            (self.deployment.conf_dir / f"{name}.toml").write_text(SETTINGS.format(name=name))
        (base / "behaviour").mkdir()
        self.base = base
        self.fleet = Fleet(self.deployment, lambda name: (sys.executable, stand_in_worker.__file__, name, str(base)))

    def behave(self, name: str, behaviour: str) -> None:
        (self.base / "behaviour" / name).write_text(behaviour)

    def pid(self, name: str) -> int:
        return self.fleet.supervisord.processes()[name].pid

    @contextlib.contextmanager
    def agent(self, **settings: Any) -> Iterator[str]:
        """Its URL, while it runs."""
        view = FleetView(self.fleet, AgentSettings(**{"port": 0, "token": TOKEN, "read_without_token": True, **settings}))
        loop, stopping = asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(serve(view, stopping),))
        thread.start()
        try:
            yield eventually(lambda: find(self.deployment.address_file), DEADLINE_S)
        finally:
            loop.call_soon_threadsafe(stopping.set)
            thread.join(DEADLINE_S)
            loop.close()
        assert not thread.is_alive()
        assert find(self.deployment.address_file) is None


@pytest.fixture
def served() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="ag-", dir="/tmp") as directory:
        here = Served(Path(directory))
        try:
            yield here
        finally:
            here.fleet.down()


def states(url: str) -> dict[str, str]:
    return {watcher["name"]: watcher["state"] for watcher in json.loads(get(url, "/api/status", None))["watchers"]}


def post(url: str, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=DEADLINE_S)
    try:
        connection.request("POST", path, headers={"Authorization": f"Bearer {TOKEN}"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


class Events:
    """Yield what `/api/stream` sends."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.split("/")[2], timeout=DEADLINE_S)
        self._connection.request("GET", "/api/stream")
        self._response = self._connection.getresponse()
        assert self._response.headers["Content-Type"].startswith("text/event-stream")

    def next(self) -> dict[str, str]:
        """The states in the next event."""
        lines = [self._response.readline().decode().rstrip() for _ in range(3)]
        assert (lines[0], lines[2]) == ("event: status", "")
        return {watcher["name"]: watcher["state"] for watcher in json.loads(lines[1].removeprefix("data: "))["watchers"]}

    def close(self) -> None:
        self._connection.close()


def test_who_looks_is_told_at_once_and_can_act(served: Served) -> None:
    served.fleet.start(load(served.deployment.conf_dir).watchers.values())
    with served.agent() as url, contextlib.closing(Events(url)) as events:
        eventually(lambda: events.next() == {"a": "streaming", "b": "streaming"}, DEADLINE_S)
        assert json.loads(get(url, "/healthz", None)) == {"healthy": True, "reason": None}
        assert json.loads(get(url, "/readyz", None))["ready"]
        pid = served.pid("b")
        assert post(url, "/api/watchers/b/stop") == (202, {"name": "b", "state": "stopped"})
        eventually(lambda: events.next() == {"a": "streaming", "b": "stopped"}, DEADLINE_S)
        with pytest.raises(OSError, match="503"):
            get(url, "/readyz", None)
        assert post(url, "/api/watchers/b/start")[0] == 202
        eventually(lambda: states(url)["b"] == "streaming", DEADLINE_S)
        restarted = served.pid("b")
        assert restarted != pid
        assert post(url, "/api/watchers/b/restart")[0] == 202
        eventually(lambda: served.pid("b") not in {0, restarted}, DEADLINE_S)
        assert 'watcher_up{watcher="a"} 1.0' in get(url, "/metrics", None)


def test_a_hung_worker_is_restarted_and_counted(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """The stand-in writes one status, as old as that of a worker which hangs, and then no more."""
    served.behave("a", f"hang {HUNG_AFTER.total_seconds() + 100}")
    served.fleet.start([load(served.deployment.conf_dir).watchers["a"]])
    pid = eventually(lambda: (served.deployment.run_dir / "a.json").exists() and served.pid("a"), DEADLINE_S)
    served.behave("a", "stream")  # from its next start on; before the agent can see that it hangs
    with caplog.at_level(logging.INFO), served.agent(restart_hung_after_seconds=30) as url:
        eventually(lambda: served.pid("a") not in {0, pid}, DEADLINE_S)
        eventually(lambda: states(url)["a"] == "streaming", DEADLINE_S)
        eventually(lambda: 'watcher_hung_restarts_total{watcher="a"} 1.0' in get(url, "/metrics", None), DEADLINE_S)
    assert "a hangs and is restarted" in caplog.messages


def test_a_taken_port_is_said_once_and_waited_for(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(freshness, "WATCHED_SECONDS", 0.02)
    monkeypatch.setattr(freshness, "UNWATCHED_SECONDS", 0.05)
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]

    def give_back() -> None:
        eventually(lambda: "another program has it" in caplog.text, DEADLINE_S)
        time.sleep(0.3)  # some more attempts, about which nothing shall be said
        taken.close()

    freeing = threading.Thread(target=give_back)
    freeing.start()
    with caplog.at_level(logging.INFO), served.agent(port=port) as url:
        assert url == f"http://127.0.0.1:{port}/"
        assert json.loads(get(url, "/api/status", None))["supervisord"] == {"running": False, "pid": None}
    freeing.join()
    complaints = [record for record in caplog.records if "cannot listen" in record.getMessage()]
    assert len(complaints) == 1
    assert "agent.toml" in vars(complaints[0])["hint"]


def test_the_history_grows(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "STEP_SECONDS", 0.1)
    monkeypatch.setattr(freshness, "WATCHED_SECONDS", 0.02)
    monkeypatch.setattr(freshness, "UNWATCHED_SECONDS", 0.05)
    now = iso(time.time())
    served.deployment.run_dir.mkdir(exist_ok=True)
    status = {"pid": os.getpid(), "state": "streaming", "startedAt": now, "updatedAt": now, "lagSeconds": 2}
    (served.deployment.run_dir / "a.json").write_text(json.dumps(status))
    with served.agent() as url:

        def lags() -> list[float]:
            return json.loads(get(url, "/api/watchers/a/history", None))["lagSeconds"]

        eventually(lambda: len(lags()) > 2, DEADLINE_S)
        assert set(lags()) == {2.0}
