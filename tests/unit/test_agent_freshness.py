"""The agent's looks at the fleet: what it asks again, and what it tells the pages that follow."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.status_reports import written
from watcher.agent import files
from watcher.agent.http.api import HEARTBEAT_SECONDS, events
from watcher.agent.view import fleet_view, freshness
from watcher.agent.view.fleet_view import FleetView
from watcher.agent.view.freshness import CALM_SECONDS, _Keeper
from watcher.config import Deployment, Loaded, load
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.fleet.status import Row
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Supervised
from watcher.pids import birth_of
from watcher.private import replace_file

NOW = datetime.now(UTC)
DEADLINE_S = 60
SETTINGS = 'mongodb_uri = "mongodb://h/{name}"\nkafka_brokers = "h:1"\nkafka_client_id = "{name}"\n'


class Seen:
    """A view of the watchers `a` and `b`, and how often supervisord was asked. `pids` are their processes."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here = Deployment(directory / "conf.d", directory / "run", directory / "log")
        self.asked = 0
        self.pids = {"a": os.getpid(), "b": os.getpid()}
        self.supervisord_pid: int | None = os.getpid()
        self.at_rest = "EXITED"
        for path in (self.here.conf_dir, self.here.run_dir, self.here.log_dir):
            path.mkdir()
        for name in self.pids:
            (self.here.conf_dir / f"{name}.toml").write_text(SETTINGS.format(name=name))
            self.write(name)
        monkeypatch.setattr(fleet_view, "ask", self._ask)
        self.view = FleetView(Fleet(self.here), AgentSettings())

    def _ask(self, _: Fleet) -> Supervised:
        self.asked += 1
        started = int((NOW - timedelta(hours=1)).timestamp())
        processes = {
            name: Process(name, "RUNNING", pid, started, birth=birth_of(pid)) if pid else Process(name, self.at_rest)
            for name, pid in self.pids.items()
        }
        return Supervised(self.supervisord_pid, processes)

    def write(self, name: str, **changes: Any) -> None:
        """Write a watcher's status."""
        values = {"pid": self.pids[name], "startedAt": NOW - timedelta(hours=1), "updatedAt": datetime.now(UTC), "lastError": None}
        replace_file(self.here.status_file(name), written(**{**values, **changes}).content())

    def look_at(self, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look again, as if so much time had passed since supervisord was asked and conf.d was read."""
        passed = timedelta(seconds=seconds)
        monkeypatch.setattr(self.view, "_asked_at", self.view._asked_at - passed)
        monkeypatch.setattr(self.view, "_read_at", self.view._read_at - passed)
        self.view.refresh()


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seen:
    return Seen(tmp_path, monkeypatch)


def test_supervisord_is_asked_every_ten_seconds(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen.asked == 1
    seen.look_at(5, monkeypatch)
    assert seen.asked == 1
    seen.look_at(6, monkeypatch)
    assert seen.asked == 2


def test_it_is_asked_at_once_when_a_process_has_ended(seen: Seen) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        seen.pids["b"] = process.pid
        seen.write("b")
        seen.view.refresh(ask_anew=True)
        seen.view.refresh()
        assert seen.asked == 2
        process.kill()
    seen.pids["b"] = 0
    seen.view.refresh()
    assert seen.asked == 3
    assert not seen.view.survey.rows[1].is_running


def test_it_is_asked_at_once_when_it_has_ended_itself(seen: Seen) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        seen.supervisord_pid = process.pid
        seen.view.refresh(ask_anew=True)
        process.kill()
    seen.supervisord_pid = None
    seen.view.refresh()
    assert seen.view.survey.supervisord_pid is None


@pytest.mark.parametrize(("state", "asked"), [("STARTING", 3), ("BACKOFF", 3), ("STOPPING", 3), ("FATAL", 2), ("EXITED", 2)])
def test_it_is_asked_again_soon_while_a_process_changes(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, state: str, asked: int
) -> None:
    seen.pids["b"], seen.at_rest = 0, state
    seen.view.refresh(ask_anew=True)
    seen.look_at(3, monkeypatch)
    assert seen.asked == asked


def test_it_is_asked_at_once_when_a_worker_has_started(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        seen.pids["b"] = process.pid
        seen.write("b", startedAt=datetime.now(UTC) - timedelta(seconds=0.5))
        seen.look_at(1, monkeypatch)
        assert seen.asked == 2
        seen.view.refresh()
        assert seen.asked == 2
        process.kill()


def test_it_is_not_asked_again_and_again_when_the_clock_was_set_back(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    seen.write("b", startedAt=datetime.now(UTC) + timedelta(hours=1))
    seen.look_at(1, monkeypatch)
    assert seen.asked == 1


def test_one_that_does_not_run_is_asked_again_soon(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen.view, "supervised", Supervised())
    seen.look_at(3, monkeypatch)
    assert seen.asked == 2


def test_conf_d_is_read_again_without_asking_supervisord(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    (seen.here.conf_dir / "c.toml").write_text(SETTINGS.format(name="c"))
    seen.look_at(3, monkeypatch)
    assert [row.name for row in seen.view.survey.rows] == ["a", "b", "c"]
    assert seen.asked == 1


def test_what_changes_while_conf_d_is_read_is_seen_at_the_next_look(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_and_change(conf_dir: Path) -> Loaded:
        loaded = load(conf_dir)
        (conf_dir / "a.toml").write_text(SETTINGS.format(name="a") + "batch_size = 7\n")
        return loaded

    (seen.here.conf_dir / "a.toml").write_text(SETTINGS.format(name="a") + "batch_size = 66\n")
    with monkeypatch.context() as patch:
        patch.setattr(files, "load", read_and_change)
        seen.look_at(3, monkeypatch)
    assert seen.view.settings["a"].batch_size == 66
    seen.look_at(3, monkeypatch)
    assert seen.view.settings["a"].batch_size == 7


def test_a_disabled_watcher_is_seen_at_the_next_look(seen: Seen) -> None:
    seen.view.fleet.disabled.add("b")
    seen.view.refresh()
    assert [row.enabled for row in seen.view.survey.rows] == [True, False]


def test_states_are_told_at_once_and_figures_now_and_then(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    announced: list[float] = []
    monkeypatch.setattr(freshness, "time", SimpleNamespace(monotonic=lambda: clock[0], time=time.time))
    monkeypatch.setattr(seen.view.changes, "followers", 1)
    keeper = _Keeper(seen.view, lambda: announced.append(clock[0]))

    def look_after(seconds: float, **changes: Any) -> None:
        seen.write("a", **changes)
        clock[0] += seconds
        keeper.look()

    look_after(0)
    look_after(CALM_SECONDS)  # nothing but the time of the report
    look_after(0.5, sequence=1)
    look_after(0.5, sequence=2)
    look_after(0.5, sequence=2, state="waiting")
    look_after(0.5, sequence=3, state="waiting")
    look_after(CALM_SECONDS, sequence=3, state="waiting")
    look_after(0.5, sequence=3, state="waiting", lastError=away(0))
    look_after(0.5, sequence=3, state="waiting", lastError=away(1))  # the same once more
    look_after(CALM_SECONDS, sequence=3, state="waiting", lastError=away(2))
    assert announced == [1000.0, 1002.5, 1003.5, 1006.0, 1006.5, 1009.0]


def away(seconds: float) -> dict[str, Any]:
    return {"at": NOW + timedelta(seconds=seconds), "message": "Kafka is away", "hint": "", "component": "kafka", "exitCode": None}


def with_rows(seen: Seen, change: Callable[[Row], Row]) -> None:
    seen.view.survey = replace(seen.view.survey, rows=tuple(map(change, seen.view.survey.rows)))


def unapplied(seen: Seen) -> None:
    with_rows(seen, lambda row: replace(row, is_unapplied=True))


def not_spawned(seen: Seen) -> None:
    with_rows(seen, lambda row: replace(row, process=row.process and replace(row.process, spawn_error="no such command")))


def without_supervisord(seen: Seen) -> None:
    seen.view.survey = replace(seen.view.survey, supervisord_pid=None)


def unwritable(seen: Seen) -> None:
    seen.view.survey = replace(seen.view.survey, unwritable="run/ is full")


def unanswered(seen: Seen) -> None:
    seen.view.trouble = "supervisord does not answer"


@pytest.mark.parametrize("change", [unapplied, not_spawned, without_supervisord, unwritable, unanswered])
def test_what_the_page_shows_beside_figures_is_told_at_once(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, change: Callable[[Seen], None]
) -> None:
    announced: list[bool] = []
    monkeypatch.setattr(seen.view.changes, "followers", 1)
    keeper = _Keeper(seen.view, lambda: announced.append(True))
    keeper._tell()
    keeper._tell()
    assert len(announced) == 1
    change(seen)
    keeper._tell()
    assert len(announced) == 2


def test_whoever_begins_to_look_and_the_end_cut_the_pause_short(seen: Seen) -> None:
    """The pause would last for minutes, and each way out of it is waited for with a deadline."""
    changes = seen.view.changes

    class Arrivals(threading.Event):
        """Tells when the pause waits for somebody."""

        def __init__(self) -> None:
            super().__init__()
            self.are_waited_for = threading.Event()

        def wait(self, timeout: float | None = None) -> bool:
            self.are_waited_for.set()
            return super().wait(timeout)

    async def paused() -> asyncio.Task[None]:
        changes._arrived = arrivals = Arrivals()
        pausing = asyncio.create_task(asyncio.to_thread(changes.pause, 0.0, 600.0))
        assert await asyncio.to_thread(arrivals.are_waited_for.wait, DEADLINE_S)
        return pausing

    async def look_after_a_pause() -> None:
        pausing = await paused()
        following = asyncio.create_task(changes.wait(600, changes.count))
        await asyncio.wait_for(pausing, DEADLINE_S)
        changes.announce()
        await asyncio.wait_for(following, DEADLINE_S)
        pausing = await paused()
        changes.close()
        await asyncio.wait_for(pausing, DEADLINE_S)

    asyncio.run(look_after_a_pause())
    changes.pause(600.0, 600.0)
    assert changes.is_closed


def test_looks_end_with_the_view_and_one_that_fails_is_told_once(
    seen: Seen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[bool] = []

    def fail() -> None:
        looks.append(seen.view.changes.is_closed)
        if len(looks) == 3:
            asyncio.run(close())
        raise OSError("no more files")

    async def close() -> None:
        seen.view.changes.close()

    monkeypatch.setattr(seen.view, "refresh", fail)
    monkeypatch.setattr(freshness, "WATCHED_SECONDS", 0.0)
    monkeypatch.setattr(freshness, "UNWATCHED_SECONDS", 0.0)
    freshness.keep_fresh(seen.view, lambda: None)
    assert looks == [False] * 3
    assert [record.getMessage() for record in caplog.records] == ["the agent could not look at the fleet"]


def test_a_page_is_told_that_there_is_something_new_and_not_what(seen: Seen) -> None:
    async def first(*, is_empty: bool) -> bytes:
        return await anext(events(seen.view, is_empty=is_empty))

    assert asyncio.run(first(is_empty=True)) == b"event: status\ndata: {}\n\n"
    assert asyncio.run(first(is_empty=False)) == b"event: status\ndata: " + seen.view.document() + b"\n\n"


def test_a_page_is_told_what_changes_while_it_takes_the_last_event(seen: Seen) -> None:
    async def follow() -> None:
        following = events(seen.view, is_empty=True)
        await anext(following)  # here it is sent, which may take long
        seen.view.changes.announce()
        await asyncio.wait_for(anext(following), HEARTBEAT_SECONDS / 2)

    asyncio.run(follow())


def test_the_document_is_made_once_for_all_who_ask(seen: Seen) -> None:
    assert seen.view.document() is seen.view.document()
    seen.write("a", sequence=77)
    before = seen.view.document()
    seen.view.refresh()
    assert b'"sequence":77' in seen.view.document()
    assert b'"sequence":77' not in before
