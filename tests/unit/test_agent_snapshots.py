"""Snapshots steered by HTTP, without servers: who may, what is refused, and that nothing else waits."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.asgi import Answer, ask, ask_within
from tests.support.waiting import eventually
from tests.unit.test_agent_http import AUTHORIZED, TOKEN, Agent
from watcher.agent.http import snapshots
from watcher.agent.http.snapshots import ACTIONS, MOST_BYTES
from watcher.agent.lanes import Lane
from watcher.config import Deployment, Settings
from watcher.errors import NotPermitted, Outage, WatcherError
from watcher.live_commands.snapshots import ELSEWHERE, Done
from watcher.position.snapshot_change import PAST
from watcher.snapshot import plan


class Commands:
    """The commands' place: they note what was asked for, and answer as the test wants."""

    def __init__(self) -> None:
        self.given: list[tuple[Any, ...]] = []
        self.error: WatcherError | None = None
        self.note = ""
        self.may_end = threading.Event()
        self.may_end.set()

    def begin(self, _: Deployment, settings: Settings, collections: tuple[str, ...], operation: Any) -> Done[Any]:
        made = plan.begun("command", operation, collections)
        return self._answer((settings.name, "start", collections, operation), made)

    def alter_present(self, _: Deployment, settings: Settings, action: str) -> Done[Any]:
        return self._answer((settings.name, action), f"{PAST[action]}  snapshot-1")

    def _answer(self, given: tuple[Any, ...], result: Any) -> Done[Any]:
        self.given.append(given)
        assert self.may_end.wait(30)
        if self.error:
            raise self.error
        return Done(result, self.note)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path, token=TOKEN, read_without_token=True)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands()
    monkeypatch.setattr(snapshots, "begin", made.begin)
    monkeypatch.setattr(snapshots, "alter_present", made.alter_present)
    return made


def steer(agent: Agent, action: str, body: Any = None, name: str = "a") -> Answer:
    content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    return ask(agent.app, f"/api/watchers/{name}/snapshot/{action}", method="POST", headers=AUTHORIZED, body=content)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_command_needs_the_token(
    agent: Agent, commands: Commands, action: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = f"/api/watchers/a/snapshot/{action}"
    assert agent.post(path).status == 401
    assert agent.post(path, authorization="Bearer wrong").status == 401
    assert Agent(tmp_path_factory.mktemp("open")).post(path, **AUTHORIZED).status == 403
    assert agent.get(path, **AUTHORIZED).status == 405
    assert commands.given == []


@pytest.mark.parametrize(
    ("body", "chosen"),
    [
        (None, ((), "replace")),
        ({}, ((), "replace")),
        ({"collections": ["orders", "visits_*"]}, (("orders", "visits_*"), "replace")),
        ({"collections": [], "operation": "insert"}, ((), "insert")),
    ],
)
def test_a_start_with_its_choice(agent: Agent, commands: Commands, body: Any, chosen: tuple[Any, ...]) -> None:
    answer = steer(agent, "start", body)
    assert (answer.status, answer.json["name"], answer.json["note"]) == (200, "a", None)
    assert answer.json["done"].startswith("started  snapshot-")
    assert commands.given == [("a", "start", *chosen)]


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_the_others_say_what_the_command_says(agent: Agent, commands: Commands, action: str) -> None:
    commands.note = ELSEWHERE
    answer = steer(agent, action)
    assert (answer.status, answer.json) == (200, {"name": "a", "done": f"{PAST[action]}  snapshot-1", "note": ELSEWHERE})
    assert commands.given == [("a", action)]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        ([], "nothing else"),
        ({"query": "{}"}, "nothing else"),
        ({"collections": "orders"}, "list of names"),
        ({"collections": [""]}, "list of names"),
        ({"collections": [1]}, "list of names"),
        ({"operation": "update"}, "insert, replace"),
        ({"operation": ["insert"]}, "insert, replace"),
        ({"operation": None}, "insert, replace"),
    ],
)
def test_a_choice_that_is_none(agent: Agent, commands: Commands, body: Any, error: str) -> None:
    answer = steer(agent, "start", body)
    assert answer.status == 400
    assert error in answer.json["error"]
    assert commands.given == []


def test_what_is_not_there(agent: Agent, commands: Commands) -> None:
    assert steer(agent, "pause", name="nobody").status == 404
    unknown = steer(agent, "jump")
    assert (unknown.status, unknown.json["error"]) == (404, "there is no action 'jump'; there are: start, pause, resume, stop")
    assert steer(agent, "start", b" " * (MOST_BYTES + 1)).status == 413
    assert commands.given == []


@pytest.mark.parametrize(
    ("error", "status", "hint"),
    [
        (WatcherError("no snapshot is under way"), 409, ""),
        (WatcherError("a runs; it must be stopped", hint="watcherctl stop a"), 409, "watcherctl stop a"),
        (NotPermitted("may not write", hint="grant it"), 409, "grant it"),
        (Outage("MongoDB is away.", hint="Is it up? The worker keeps trying.", component="mongodb"), 503, "Is it up?"),
    ],
)
def test_a_refusal_has_the_commands_words(agent: Agent, commands: Commands, error: WatcherError, status: int, hint: str) -> None:
    commands.error = error
    answer = steer(agent, "stop")
    assert (answer.status, answer.json) == (status, {"error": str(error), "hint": hint})


def test_a_watcher_whose_configuration_has_faults(agent: Agent, commands: Commands) -> None:
    (agent.deployment.conf_dir / "b.toml").write_text('kafka_brokers = "localhost:1"\n')
    answer = steer(agent, "start", name="b")
    assert answer.status == 409
    assert "mongodb_uri" in answer.json["error"]
    assert commands.given == []


def test_a_command_that_takes_long_hinders_nobody(agent: Agent, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_commanding", Lane("test", threads=1, most_waiting=1))
    commands.may_end.clear()

    async def meanwhile() -> None:
        path = "/api/watchers/a/snapshot/pause"
        long = [asyncio.create_task(ask_within(agent.app, path, method="POST", headers=AUTHORIZED)) for _ in range(2)]
        await asyncio.to_thread(eventually, lambda: commands.given, 30)
        third = await ask_within(agent.app, path, method="POST", headers=AUTHORIZED)
        assert (third.status, third.json["hint"]) == (503, "try again in some seconds")
        assert (await ask_within(agent.app, "/api/status")).status == 200
        stopped = await ask_within(agent.app, "/api/watchers/a/stop", method="POST", headers=AUTHORIZED)
        assert stopped.json["hint"] == "watcherctl start --all"  # it did not wait: there is no supervisord
        assert not any(task.done() for task in long)
        commands.may_end.set()
        assert [(await task).status for task in long] == [200, 200]

    asyncio.run(meanwhile())
