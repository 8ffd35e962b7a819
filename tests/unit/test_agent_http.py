"""The agent's HTTP interface without a server: who may ask, and what is answered."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import URL
from starlette.requests import HTTPConnection

import watcher.agent
from tests.support.asgi import Answer, ask
from watcher.agent.http import api
from watcher.agent.http.app import create_app
from watcher.agent.http.guard import Guard, is_of_this_host
from watcher.agent.metrics.exposition import CONTENT_TYPE
from watcher.agent.page import pages
from watcher.agent.view import fleet_view
from watcher.agent.view.fleet_view import FleetView
from watcher.config import Deployment
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.fleet.status_json import as_json
from watcher.fleet.survey import Supervised
from watcher.log import iso

TOKEN = "0123456789abcdef"
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}
READ_PATHS = ("/api/status", "/api/watchers/a/history", "/api/watchers/a/settings", "/api/watchers/a/log", "/metrics")
MACHINE_PATHS = ("/api/status", "/api/stream", "/api/watchers/a/history", "/api/watchers/a/log", "/metrics", "/healthz", "/readyz")

HOSTILE_HOSTS = (
    "x/static/",
    "127.0.0.1/static/",
    "x/static/?",
    "x/static/#",
    "x/healthz?",
    "localhost:8085/static/..",
    "[::1]/static/",
    "user@127.0.0.1/static/",
    "evil.example/static/",
    "http://x/static/",
    "\\static/",
)
"""Names that become the beginning of the path where a URL is put together out of Host header and path."""


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
    """On the loopback, with a token that reading does not need."""
    return Agent(tmp_path, token=TOKEN, read_without_token=True)


@pytest.fixture
def closed(tmp_path: Path) -> Agent:
    """On the loopback, with a token, and nothing else."""
    return Agent(tmp_path, token=TOKEN)


@pytest.fixture
def old_starlette(monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs as Starlette up to 1.0.0 makes them: out of the Host header as it is (CVE-2026-48710)."""

    def url(request: HTTPConnection) -> URL:
        return URL(f"http://{request.headers.get('host', '')}{request.scope['path']}")

    monkeypatch.setattr(HTTPConnection, "url", property(url))


@pytest.fixture
def exposed(tmp_path: Path) -> Agent:
    """Address at which others can reach it."""
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


@pytest.mark.usefixtures("old_starlette")
@pytest.mark.parametrize("host", HOSTILE_HOSTS)
@pytest.mark.parametrize("fixture", ["exposed", "closed"])
def test_no_host_header_leads_around_the_token(host: str, fixture: str, request: pytest.FixtureRequest) -> None:
    asked: Agent = request.getfixturevalue(fixture)
    for path in ("/api/watchers/a/stop", "/api/watchers/a/restart", "/static/page.css"):
        assert asked.post(path, host=host).status in {401, 403}
    for path in ("/", "/watchers/a", "/api/status", "/api/watchers/a/messages", "/metrics"):
        assert asked.get(path, host=host).status in {401, 403}


@pytest.mark.usefixtures("old_starlette")
@pytest.mark.parametrize("host", HOSTILE_HOSTS)
@pytest.mark.parametrize("path", ["/api/status/", "/static", "//evil.example/api/status", "/watchers/a/", "/metrics/"])
def test_nobody_is_sent_where_the_host_header_says(path: str, host: str, exposed: Agent) -> None:
    answer = exposed.get(path, host=host, **AUTHORIZED)
    assert (answer.status, "location" in answer.headers) == (404, False)
    assert "evil" not in answer.text


@pytest.mark.usefixtures("old_starlette")
def test_what_is_not_there_is_told_in_the_language_of_the_path_that_was_asked_for(agent: Agent) -> None:
    answer = agent.get("/api/nothing", host="localhost:1/static/")
    assert answer.headers["content-type"] == "application/json"


def test_the_agent_never_asks_for_the_url_of_a_request() -> None:
    """It is made with the Host header; `scope["path"]` is what is routed."""
    names = {"url", "base_url", "url_for"}
    for path in Path(watcher.agent.__file__).parent.rglob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
        assert [node.attr for node in nodes if ast.unparse(node.value) == "request" and node.attr in names] == [], path.name


def test_what_is_no_http_request_ends_at_the_guard(exposed: Agent) -> None:
    async def nothing(*_: Any) -> Any:
        raise AssertionError("a websocket came through")

    guard = Guard(nothing, exposed.view.agent, pages.sign_in)
    asyncio.run(guard({"type": "websocket", "path": "/api/stream", "headers": []}, nothing, nothing))


@pytest.mark.parametrize("path", READ_PATHS)
def test_on_the_loopback_anyone_may_look_until_there_is_a_token(path: str, tmp_path: Path) -> None:
    assert Agent(tmp_path).get(path).status == 200


@pytest.mark.parametrize("path", ["/", "/watchers/a", "/api/stream", *READ_PATHS])
def test_once_there_is_a_token_reading_needs_it(path: str, closed: Agent) -> None:
    refused = closed.get(path)
    assert refused.status == 401
    assert "read_without_token" in refused.text or path in {"/", "/watchers/a"}
    assert ask(closed.app, path, method="HEAD").status == 401
    assert path == "/api/stream" or closed.get(path, **AUTHORIZED).status == 200


@pytest.mark.parametrize("path", READ_PATHS)
def test_a_setting_lets_anyone_look_although_there_is_a_token(path: str, agent: Agent) -> None:
    assert agent.get(path).status == 200
    assert agent.post("/api/watchers/a/stop").status == 401


def test_probes_need_no_token_on_the_loopback_and_learn_no_names(closed: Agent) -> None:
    closed.write("a", state="waiting", lastError={"at": iso(time.time()), "message": "mongo.internal does not answer"})
    closed.view.refresh()
    assert closed.get("/healthz").status == 503
    assert (closed.get("/readyz").status, closed.get("/readyz").json) == (503, {"ready": False})
    assert "mongo.internal" in closed.get("/readyz", **AUTHORIZED).text


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/api/nothing", "/api/watchers/a/settings", "/api/watchers/a/stop", *READ_PATHS, "/readyz"]
)
@pytest.mark.parametrize("headers", [{}, AUTHORIZED], ids=["without the token", "with it"])
def test_nobody_keeps_what_is_not_public(path: str, headers: dict[str, str], closed: Agent) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        answer = ask(closed.app, path, method=method, headers=headers)
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_head_of_the_events_ends(agent: Agent) -> None:
    answer = ask(agent.app, "/api/stream", method="HEAD")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_so_many_may_follow_the_events_and_no_more(agent: Agent) -> None:
    with contextlib.ExitStack() as following:
        for _ in range(api.MOST_STREAMS):
            following.enter_context(agent.view.changes.followed())
        assert agent.get("/api/stream").status == 503
    assert agent.view.changes.followers == 0


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


def test_an_agent_that_cannot_look_is_neither_healthy_nor_believed(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.view, "supervised", Supervised(os.getpid()))
    agent.view.fleet.disabled.add("b")
    agent.view.refresh()
    assert [agent.get(path).status for path in ("/healthz", "/readyz")] == [200, 200]
    monkeypatch.setattr(fleet_view, "BLIND_SECONDS", 0.0)
    said = "the agent has not looked at the fleet for 0 s"
    assert agent.get("/healthz").json == {"healthy": False, "reason": said}
    assert (agent.get("/readyz").status, agent.get("/readyz").json["ready"]) == (503, False)
    for path in ("/", "/watchers/a"):
        assert f"What follows may be old: {said}" in agent.get(path).text


def test_ready_when_all_stream_that_should(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.write("b")
    monkeypatch.setattr("watcher.agent.view.fleet_view.ask", lambda _: Supervised(pid=4700))
    agent.view.refresh(ask_anew=True)
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
