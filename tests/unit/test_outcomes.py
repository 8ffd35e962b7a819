"""`--json` of the commands that change a fleet, and of health and version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import watcher
from watcher.cli import run_command_line
from watcher.fleet.arrival import Arrival, StartResult
from watcher.fleet.changes.config_changes import ConfigChanges
from watcher.fleet.changes.formats import FormatChange
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Supervised

SHOP = """
mongodb_uri = "mongodb://localhost:27017/{name}"
kafka_brokers = "localhost:9092"
kafka_client_id = "{name}-watcher"
"""
BOTH = [FormatChange("envelope", "its topics will hold messages in both envelopes")]
NO_AGENT = {"trouble": None, "hint": None}

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run(*arguments)`: the exit code and the document, in a fleet whose watcher `shop` streams, `books` does not in time, and
    `broken` has a fault."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "agent.toml").write_text("enabled = false\n")
    for name in ("shop", "books", "broken"):
        (tmp_path / "conf.d" / f"{name}.toml").write_text(SHOP.format(name=name))
    with (tmp_path / "conf.d" / "broken.toml").open("a") as file:
        file.write('batch_size = "many"\n')

    def arrived(_: Fleet, names: list[str], *__: Any) -> Iterator[Arrival]:
        for name in names:
            if name == "shop":
                yield Arrival(name, StartResult.STREAMING, 1.24)
            else:
                yield Arrival(name, StartResult.TIMED_OUT, 60.0, "MongoDB does not answer", "start it")

    monkeypatch.setattr("watcher.cli.fleet.arrivals.arrivals", arrived)
    for operation in ("start", "restart", "stop"):
        monkeypatch.setattr(Fleet, operation, lambda *_: None)

    def run(*arguments: str) -> tuple[int, Any]:
        code = run_command_line([*arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("command", ["start", "restart"])
def test_starting_tells_what_became_of_each(command: str, run: Run) -> None:
    code, document = run(command, "--all")
    assert code == document["exitCode"] == 78
    (fault,) = document["watchers"][1].pop("faults")
    assert "batch_size" in fault
    assert document == {
        "version": 1,
        "exitCode": 78,
        "watchers": [
            {
                "name": "books",
                "result": "timedOut",
                "seconds": 60.0,
                "message": "MongoDB does not answer",
                "hint": "start it",
            },
            {"name": "broken", "result": "misconfigured", "running": False},
            {"name": "shop", "result": "streaming", "seconds": 1.2, "message": None, "hint": None},
        ],
        "faults": [],
        "agent": NO_AGENT,
    }


def test_a_rolling_restart_ends_at_the_first_that_does_not_stream(run: Run) -> None:
    code, document = run("restart", "--rolling", "shop", "books")
    assert code == document["exitCode"] == 124
    assert [each["name"] for each in document["watchers"]] == ["books"]


def test_without_waiting(run: Run) -> None:
    assert run("start", "shop", "--wait", "0")[1]["watchers"] == [{"name": "shop", "result": "started"}]


SENT_TWICE = "shop: books watches its database shop too, so both send its changes to the same topics; give shop topics of its own"


@pytest.mark.parametrize("command", ["start", "restart", "apply"])
def test_what_is_sent_twice_is_told(
    command: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by a file of conf.d that was copied. If the other one is down, there is nothing to tell."""
    copied = SHOP.format(name="books").replace("27017/books", "27017/shop")
    (tmp_path / "conf.d" / "books.toml").write_text(copied)
    changes = ConfigChanges(("shop",), (), (), (), started=("shop",))
    monkeypatch.setattr(Fleet, "apply", lambda *_, **__: changes)
    running = dict.fromkeys(("books",), Process("books", "STOPPED"))
    monkeypatch.setattr("watcher.cli.fleet.control.ask", lambda _: Supervised(1, running))
    arguments = [command, *(["shop"] * (command != "apply")), "--wait", "0"]
    run_command_line(arguments)
    assert "shop too" not in capsys.readouterr().err
    running["books"] = Process("books", "RUNNING", pid=7)
    run_command_line(arguments)
    assert SENT_TWICE in capsys.readouterr().err
    told = {each["name"]: each.get("sentBy") for each in run(*arguments)[1]["watchers"]}
    assert (told["shop"], told.get("books")) == (["books"], None)


def test_a_group_that_cannot_be_given_anything_is_a_fault_of_no_watcher(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if `apply` finds nothing to start."""
    refused = FleetError("no group is called ops", hint="correct group")
    monkeypatch.setattr(Fleet, "not_shared", property(lambda _: refused, lambda *_: None), raising=False)
    monkeypatch.setattr(Fleet, "apply", lambda *_, **__: ConfigChanges(("shop",), (), (), ()))
    for command in (["start", "shop"], ["apply"]):
        _, document = run(*command)
        assert "no group is called ops" in document["faults"]
        assert "agent" not in {each["name"] for each in document["watchers"]}
        run_command_line(command)
        assert "no group is called ops; correct group\n" in capsys.readouterr().err


def test_stopping(run: Run) -> None:
    code, document = run("stop", "--all")
    assert code == 0
    assert {each["name"]: each["result"] for each in document["watchers"]} == dict.fromkeys(("books", "broken", "shop"), "stopped")


def test_applying_tells_what_changed_and_what_it_means(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ConfigChanges(
        ("books",), ("shop",), (), (), started=("books", "shop"), admitted={"shop": ["users"]}, formats={"shop": BOTH}
    )
    monkeypatch.setattr(Fleet, "apply", lambda *_, **__: changes)
    code, document = run("apply", "--yes")
    assert code == document["exitCode"] == 78
    books, _, shop = document["watchers"]
    assert (books["change"], books["result"]) == ("added", "timedOut")
    assert (shop["change"], shop["result"]) == ("changed", "streaming")
    assert (shop["formats"], shop["newlyWatched"]) == (["envelope"], ["users"])


def test_health(run: Run) -> None:
    code, document = run("health", "shop", "books")
    assert code == document["exitCode"] == 7
    assert document["ok"] is False
    assert document["states"] == {"books": "not_started", "shop": "not_started"}
    assert "shop not started" in document["text"]


def test_version(run: Run) -> None:
    code, document = run("version")
    assert code == 0
    assert document["versions"]["watcherctl"] == watcher.__version__
    assert {"Python", "pymongo", "confluent-kafka"} <= document["versions"].keys()


@pytest.mark.parametrize("command", ["start", "restart"])
def test_who_comes_back_writing_in_another_format_is_told(
    command: str, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Fleet, "formats_of", lambda _, watchers: {each.name: BOTH for each in watchers})
    _, document = run(command, "shop")
    assert document["watchers"][0]["formats"] == ["envelope"]
    assert run_command_line([command, "shop"]) == 0
    assert "shop: envelope changes: its topics will hold messages in both envelopes" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["start", "--all"], ["restart", "--all"], ["apply"]])
def test_a_watcher_with_a_fault_in_its_file_runs_on(
    command: list[str], run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Supervised(1, {"broken": Process("broken", "RUNNING", pid=7, started_at=1)})
    monkeypatch.setattr("watcher.cli.fleet.control.ask", lambda _: running)
    monkeypatch.setattr(Fleet, "apply", lambda *_, **__: ConfigChanges((), (), (), ()))
    code, document = run(*command)
    assert code == 78
    assert {each["name"]: each.get("running") for each in document["watchers"]}["broken"] is True
    run_command_line(command)
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("broken  running  with its old settings, for its file has a fault:")
    assert "batch_size" in lines[at + 1]
    assert not any("broken  failed" in line for line in lines)


def test_start_tells_of_disabled_watchers(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["disable", "shop"]) == 0
    capsys.readouterr()
    _, document = run("start", "--all")
    assert document["watchers"][-1] == {"name": "shop", "result": "leftOut", "enabled": False}
    _, document = run("start", "shop")
    assert (document["watchers"][0]["result"], document["watchers"][0]["enabled"]) == ("streaming", False)
    run_command_line(["start", "--all"])
    assert "shop: left out, as it is disabled\n" in capsys.readouterr().err
    run_command_line(["start", "shop"])
    assert "shop: disabled, so not started again with supervisord; watcherctl enable shop\n" in capsys.readouterr().err


def test_start_tells_of_changes_that_are_not_applied(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Supervised(1, {name: Process(name, "RUNNING", pid=7, started_at=1) for name in ("shop", "books")})
    monkeypatch.setattr("watcher.cli.fleet.control.ask", lambda _: running)
    monkeypatch.setattr(Fleet, "unapplied", lambda *_: frozenset({"shop"}))
    _, document = run("start", "shop", "books")
    assert [each.get("unapplied") for each in document["watchers"]] == [None, True]
    run_command_line(["start", "shop"])
    assert "shop: changed in conf.d since the start, and not applied; watcherctl apply\n" in capsys.readouterr().err
