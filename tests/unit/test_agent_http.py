"""The agent's HTTP interface without a server: who may ask, and what is answered."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.asgi import Answer, ask
from watcher.agent.app import create_app
from watcher.agent.exposition import CONTENT_TYPE
from watcher.agent.guard import is_of_this_host
from watcher.agent.view import FleetView
from watcher.config import Deployment
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.fleet.status_json import as_json
from watcher.fleet.survey import Supervised
from watcher.log import iso

TOKEN = "0123456789abcdef"
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}
MACHINE_PATHS = ("/api/status", "/api/stream", "/api/watchers/a/history", "/api/watchers/a/log", "/metrics", "/healthz", "/readyz")


class Agent:
    """The agent of a fleet without supervisord. `a` runs by hand, as this process; `b` has never run."""

    def __init__(self, base: Path, **settings: Any) -> None:
        self.deployment = Deployment.locate(base / "conf.d")
        for path in (self.deployment.conf_dir, self.deployment.run_dir, self.deployment.log_dir):
            path.mkdir()
        for name in ("a", "b"):
            text = f'mongodb_uri = "mongodb://localhost:1/x"\nkafka_brokers = "localhost:1"\nkafka_client_id = "{name}"\n'
            (self.deployment.conf_dir / f"{name}.toml").write_text(text)
        self.write("a")
        self.view = FleetView(Fleet(self.deployment), AgentSettings(**settings))
        self.app = create_app(self.view)

    def write(self, name: str, **changes: Any) -> None:
        now = iso(time.time())
        status = {"pid": os.getpid(), "state": "streaming", "startedAt": now, "updatedAt": now, **changes}
        (self.deployment.run_dir / f"{name}.json").write_text(json.dumps(status))

    def get(self, path: str, **headers: str) -> Answer:
        return ask(self.app, path, headers=headers)

    def post(self, path: str, **headers: str) -> Answer:
        return ask(self.app, path, method="POST", headers=headers)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    """On the loopback, with a token."""
    return Agent(tmp_path, token=TOKEN)


@pytest.fixture
def exposed(tmp_path: Path) -> Agent:
    """Where others can reach it."""
    return Agent(tmp_path, host="0.0.0.0", token=TOKEN)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8085", True),
        ("localhost:9", True),
        ("LOCALHOST", True),
        ("[::1]:8085", True),
        ("192.0.2.1", True),  # no name, so nothing that a stranger's DNS could point here
        ("mine:8085", True),
        ("evil.example", False),
        ("localhost.evil.example:8085", False),
        ("127.0.0.1.evil.example", False),
        ("[::1].evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_names_of_this_host(host: str, expected: bool) -> None:
    assert is_of_this_host(host, "mine") is expected


@pytest.mark.parametrize("path", ["/", "/watchers/a", "/static/page.css", *MACHINE_PATHS])
def test_another_name_is_refused(path: str, agent: Agent) -> None:
    refused = agent.get(path, host="evil.example", **AUTHORIZED)
    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("path", [path for path in MACHINE_PATHS if path not in ("/api/stream", "/healthz", "/readyz")])
def test_on_the_loopback_anyone_may_look(path: str, agent: Agent) -> None:
    assert agent.get(path).status == 200


@pytest.mark.parametrize("path", MACHINE_PATHS)
@pytest.mark.parametrize("authorization", ["", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"])
def test_off_the_loopback_every_request_needs_the_token(path: str, authorization: str, exposed: Agent) -> None:
    refused = exposed.get(path, authorization=authorization, host="other.example")
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in refused.text


def test_off_the_loopback_with_the_token(exposed: Agent) -> None:
    assert exposed.get("/metrics", host="other.example", **AUTHORIZED).status == 200
    assert exposed.get("/metrics", host="other.example", authorization=f"bearer  {TOKEN}").status == 200


def test_off_the_loopback_a_browser_gets_a_form_and_what_it_needs(exposed: Agent) -> None:
    form = exposed.get("/")
    assert (form.status, "<form" in form.text) == (401, True)
    assert exposed.get("/static/page.css").status == 200
    assert exposed.get("/static/../api/status").status != 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_without_a_token_nothing_can_be_changed(method: str, tmp_path: Path) -> None:
    refused = ask(Agent(tmp_path).app, "/api/watchers/a/stop", method=method, headers=AUTHORIZED)
    assert refused.status == 403
    assert "agent.toml" in refused.json["hint"]


def test_changing_needs_the_token_also_on_the_loopback(agent: Agent) -> None:
    assert agent.post("/api/watchers/a/stop").status == 401
    assert agent.post("/api/watchers/a/stop", authorization="Bearer wrong").status == 401


def test_what_cannot_be_changed(agent: Agent) -> None:
    assert agent.post("/api/watchers/nobody/stop", **AUTHORIZED).status == 404
    unknown = agent.post("/api/watchers/a/jump", **AUTHORIZED)
    assert (unknown.status, unknown.json["error"]) == (404, "there is no action 'jump'; there are: start, stop, restart")
    assert ask(agent.app, "/api/status", method="POST", headers=AUTHORIZED).status == 405
    without_supervisord = agent.post("/api/watchers/a/stop", **AUTHORIZED)
    assert (without_supervisord.status, without_supervisord.json["hint"]) == (409, "watcherctl start --all")


def test_status_is_that_of_the_command(agent: Agent) -> None:
    answer = agent.get("/api/status")
    assert answer.json == json.loads(json.dumps(as_json(agent.view.survey)))
    assert {watcher["name"]: watcher["state"] for watcher in answer.json["watchers"]} == {"a": "streaming", "b": "not_started"}
    assert answer.headers["cache-control"] == "no-store"


def test_metrics(agent: Agent) -> None:
    answer = agent.get("/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
    assert 'watcher_up{watcher="a"} 1.0\nwatcher_up{watcher="b"} 0.0\n' in answer.text


def test_history(agent: Agent) -> None:
    agent.view.history.add(5.0, agent.view.survey.rows)
    assert agent.get("/api/watchers/a/history").json["at"] == [5.0]
    assert agent.get("/api/watchers/nobody/history").status == 404


def test_alive_is_whose_supervisord_answers(agent: Agent) -> None:
    dead = agent.get("/healthz")
    assert (dead.status, dead.json) == (503, {"healthy": False, "reason": "supervisord does not run"})
    agent.view.supervised = Supervised(pid=4700)
    assert (agent.get("/healthz").status, agent.get("/healthz").json["healthy"]) == (200, True)
    agent.view.trouble = "supervisord did not answer within 10 s"
    assert agent.get("/healthz").json["reason"] == agent.view.trouble


def test_ready_says_why_not_for_each_watcher(agent: Agent) -> None:
    error = {"at": iso(time.time()), "message": "MongoDB does not answer", "hint": "start it"}
    agent.write("a", state="waiting", lastError=error)
    (agent.deployment.conf_dir / "b.toml").write_text("batch_sise = 1\n")
    (agent.deployment.conf_dir / "c.toml").write_text(
        'mongodb_uri = "mongodb://h/x"\nkafka_brokers = "h:1"\nkafka_client_id = "c"\n'
    )
    agent.view.fleet.disabled.add("c")
    agent.view.refresh(ask_anew=True)
    answer = agent.get("/readyz")
    assert answer.status == 503
    watchers = answer.json["watchers"]
    assert watchers["a"] == {"ready": False, "state": "waiting", "reason": "MongoDB does not answer"}
    assert "b.toml" in watchers["b"]["reason"]
    assert watchers["c"] == {"ready": True, "state": "disabled", "reason": None}


def test_ready_when_all_stream_that_should(agent: Agent) -> None:
    agent.write("b")
    agent.view.supervised = Supervised(pid=4700)
    agent.view.refresh()
    assert agent.get("/readyz").status == 200


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api/watchers/nobody/history"])
def test_what_is_not_there(path: str, agent: Agent) -> None:
    answer = agent.get(path)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("application/json" if path.startswith("/api/") else "text/html")


def test_conf_d_is_seen_anew_when_it_changes(agent: Agent) -> None:
    before = agent.view.loaded
    agent.view.refresh(ask_anew=True)
    assert agent.view.loaded is before
    (agent.deployment.conf_dir / "b.toml").unlink()
    agent.view.refresh(ask_anew=True)
    assert agent.view.loaded.names == ("a",)
    assert [row.name for row in agent.view.survey.rows] == ["a"]


def test_a_status_file_is_seen_anew_when_it_changes(agent: Agent) -> None:
    agent.write("a", state="waiting")
    agent.view.refresh()
    assert agent.get("/api/status").json["watchers"][0]["state"] == "waiting"
