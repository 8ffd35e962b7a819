"""The page as the server renders it: without JavaScript, and whatever the texts hold."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from tests.support.asgi import Answer, ask
from tests.support.status_reports import report_of
from watcher.agent.http.app import create_app
from watcher.agent.page.model import (
    HEADROOM_SECONDS,
    LAG_SECONDS,
    Level,
    overall,
    summary,
    watcher_view,
)
from watcher.agent.page.pages import PAGE_DIR
from watcher.agent.page.spark import SPARK_STEPS
from watcher.agent.page.words import count_in_words, rate_in_words
from watcher.agent.view.fleet_view import FleetView
from watcher.config import Deployment
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey
from watcher.operations import ROW_OPERATIONS
from watcher.status.report import StatusReport

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
TOKEN = "a-token-of-the-tests"
EVIL = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202eevil"
FIRST_VIEW_BYTES = 120_000
PASSWORD = "hunter2"

CONF = f"""
mongodb_uri = "mongodb://user:{PASSWORD}@localhost:27017/shop"
kafka_brokers = "localhost:9092"
kafka_client_id = "CLIENT"
"""


def report(**changes: Any) -> StatusReport:
    return report_of(
        {"pid": 4711, "state": "streaming", "startedAt": NOW - timedelta(hours=1), "updatedAt": NOW, "database": "shop", **changes}
    )


def error(message: str, hint: str = "", age: timedelta = timedelta(minutes=2)) -> dict[str, Any]:
    return {"at": NOW - age, "message": message, "hint": hint, "component": "kafka", "exitCode": None}


def row(name: str, state: WatcherState, fault: str = "", **changes: Any) -> Row:
    return Row(name, state, state is not WatcherState.DISABLED, Process(name, "RUNNING", pid=4711), report(**changes), fault)


class Page:
    """A deployment of three watchers, and the application that shows whatever rows a test gives it."""

    def __init__(self, directory: Path, **agent: Any) -> None:
        self.deployment = Deployment(directory / "conf.d", directory / "run", directory / "log")
        for path in (self.deployment.conf_dir, self.deployment.run_dir, self.deployment.log_dir):
            path.mkdir(exist_ok=True)
        for name in ("shop", "crm", "billing"):
            (self.deployment.conf_dir / f"{name}.toml").write_text(CONF.replace("CLIENT", name))
        self.view = FleetView(Fleet(self.deployment), AgentSettings(**agent))
        self.app: Starlette = create_app(self.view)

    def show(self, *rows: Row, supervisord: int | None = 4700) -> None:
        self.view.survey = Survey(NOW, supervisord, rows)

    def get(self, path: str = "/", **headers: str) -> Answer:
        return ask(self.app, path, headers=headers)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path, token=TOKEN, read_without_token=True)


class Elements(HTMLParser):
    """All elements of a document, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.all if name == tag]


def names_in_order(text: str) -> list[str]:
    return re.findall(r'data-name="(\w+)"', text)


def test_the_most_urgent_watcher_comes_first_with_its_error_and_what_to_do(page: Page) -> None:
    page.show(
        row(
            "billing",
            WatcherState.STREAMING,
            eventsPerSecond=12.5,
            lagSeconds=0.4,
            lastEventAt=NOW - timedelta(seconds=3),
            restarts=7,
        ),
        row("crm", WatcherState.WAITING),
        row("shop", WatcherState.FAILED, lastError=error("the position is lost", "reset it")),
    )
    answer = page.get()
    words = " ".join(Elements(answer.text).text.split())
    assert answer.status == 200
    assert names_in_order(answer.text) == ["shop", "crm", "billing"]
    assert "1 of 3 watchers failed, 1 waiting." in words
    assert "the position is lost kafka, 2m ago Hint: reset it" in words
    assert "0.4s" in words
    assert "12.5" in words
    assert "3.0s ago" in words


def test_a_standby_says_where_the_watcher_is_active(page: Page) -> None:
    since = NOW - timedelta(minutes=3)
    page.show(row("crm", WatcherState.STANDBY, activeHost="host-<b>", activeSince=since))
    words = " ".join(Elements(page.get().text).text.split())
    assert f"standby active on host-<b> since {since.astimezone():%H:%M}" in words


def test_the_busiest_databases_are_on_the_page_of_a_watcher_of_several(page: Page) -> None:
    databases = [{"name": EVIL, "eventsPerSecond": 1234.5, "messagesCommitted": 56789, "lagSeconds": 0.25, "lastEventAt": NOW}]
    page.show(row("crm", WatcherState.STREAMING, databases=databases, databaseCount=53), row("shop", WatcherState.STREAMING))
    html = page.get("/watchers/crm").text
    words = " ".join(Elements(html).text.split())
    assert "<img" not in html
    assert "Busiest databases of 53 with messages since the worker was started" in words
    assert "1 234" in words
    assert "0.2s 0.0s ago 56 789" in words
    assert "Busiest databases" not in page.get("/watchers/shop").text


def test_troubles_between_hosts_are_on_the_page_of_the_watcher(page: Page) -> None:
    page.show(row("crm", WatcherState.STANDBY, settingsDiffer=["host-<b> has batch_size = 500, this host 1000"]))
    words = " ".join(Elements(page.get("/watchers/crm").text).text.split())
    assert "Other hosts not the same settings on all hosts: host-<b> has batch_size = 500, this host 1000 Hint: Use" in words


@pytest.mark.parametrize(
    ("states", "sentence", "level"),
    [
        ([WatcherState.STREAMING] * 3, "all 3 watchers are streaming", Level.GOOD),
        ([WatcherState.STREAMING, *[WatcherState.STANDBY] * 2], "1 of 3 watchers streaming, 2 standby", Level.GOOD),
        ([WatcherState.STANDBY] * 2, "all 2 watchers standby", Level.GOOD),
        ([WatcherState.STANDBY], "the watcher is on standby", Level.GOOD),
        ([WatcherState.WAITING, WatcherState.WAITING, WatcherState.STREAMING], "2 of 3 watchers waiting", Level.WARN),
        ([WatcherState.STREAMING, WatcherState.DISABLED], "the watcher is streaming", Level.GOOD),
        ([WatcherState.STALLED, WatcherState.HUNG, WatcherState.STREAMING], "1 of 3 watchers stalled, 1 hung", Level.BAD),
        ([WatcherState.BACKING_OFF], "the watcher is backing off", Level.WARN),
        ([WatcherState.OPENING, WatcherState.STREAMING], "1 of 2 watchers opening", Level.BUSY),
        ([WatcherState.STOPPED], "the watcher is stopped", Level.DOWN),
        ([WatcherState.DISABLED], "no watcher is meant to run", Level.OFF),
        ([], "conf.d holds no watcher", Level.OFF),
    ],
)
def test_the_fleet_in_a_sentence(states: list[WatcherState], sentence: str, level: Level) -> None:
    watchers = [watcher_view(row(f"w{number}", state), NOW) for number, state in enumerate(states)]
    survey = Survey(NOW, 4700, tuple(watcher.row for watcher in watchers))
    assert summary(survey, watchers) == sentence
    assert overall(survey, watchers) is level


def test_workers_that_systemd_or_kubernetes_runs_need_no_supervisord() -> None:
    streaming, stopped = (watcher_view(row("crm", state), NOW) for state in (WatcherState.STREAMING, WatcherState.STOPPED))
    assert summary(Survey(NOW, None, (streaming.row,)), [streaming]) == "the watcher is streaming"
    assert overall(Survey(NOW, None, (streaming.row,)), [streaming]) is Level.GOOD
    assert summary(Survey(NOW, None, (stopped.row,)), [stopped]).startswith("supervisord does not run")


def test_without_supervisord_nothing_is_well() -> None:
    survey = Survey(NOW, None, ())
    assert summary(survey, []).startswith("supervisord does not run")
    assert overall(survey, []) is Level.BAD
    assert "process 4700, but its socket is gone" in summary(replace(survey, lost_pid=4700), [])


def test_each_state_has_its_level_and_its_meaning() -> None:
    for state in WatcherState:
        watcher = watcher_view(row("shop", state), NOW)
        assert watcher.level in Level
        assert watcher.meaning


def test_what_is_over_for_long_is_left_out_of_the_overview() -> None:
    recent, old = (error("oops", age=timedelta(minutes=minutes)) for minutes in (59, 61))
    assert watcher_view(row("shop", WatcherState.STREAMING, lastError=recent), NOW).error is not None
    assert watcher_view(row("shop", WatcherState.STREAMING, lastError=old), NOW).error is None
    assert watcher_view(row("shop", WatcherState.FAILED, lastError=old), NOW).error is not None


@pytest.mark.parametrize(
    ("lag", "headroom", "behind", "near_loss"),
    [
        (LAG_SECONDS - 1, HEADROOM_SECONDS, False, False),
        (LAG_SECONDS, HEADROOM_SECONDS - 1, True, True),
        (30_001, 10_000, True, True),
        (29_999, 10_000, True, False),
        (None, None, False, False),
    ],
)
def test_a_watcher_that_is_behind_or_near_loss_is_marked(lag: int, headroom: int, behind: bool, near_loss: bool) -> None:
    watcher = watcher_view(row("shop", WatcherState.STREAMING, lagSeconds=lag, headroomSeconds=headroom), NOW)
    assert (watcher.is_behind, watcher.is_near_loss) == (behind, near_loss)


def test_an_oplog_that_was_made_just_now_is_given_time() -> None:
    young = {"startedAt": NOW - timedelta(minutes=59), "headroomSeconds": 10}
    assert not watcher_view(row("shop", WatcherState.STREAMING, lagSeconds=0, **young), NOW).is_near_loss
    assert watcher_view(row("shop", WatcherState.STREAMING, lagSeconds=40, **young), NOW).is_near_loss


def test_a_stopped_watcher_has_no_rate_of_now(page: Page) -> None:
    live = {"eventsPerSecond": 7.6, "lagSeconds": 3, "mongoConnected": True}
    page.show(row("shop", WatcherState.STREAMING, **live))
    assert "data-live" in page.get("/watchers/shop").text
    page.show(row("shop", WatcherState.STOPPED, **live))
    stopped = page.get("/watchers/shop").text
    assert "data-live" not in stopped
    assert "7.6" not in stopped
    assert "connected" not in stopped


def snapshot(**changes: Any) -> dict[str, Any]:
    course = {"documents": 12_345, "estimate": 20_000, "collectionDocuments": 12_345, "collectionEstimate": 20_000}
    return {"id": "snapshot-1", "state": "running", "collection": "users", "documentsPerSecond": 810.0, **course, **changes}


@pytest.mark.parametrize("path", ["/", "/watchers/shop"])
def test_a_snapshot_has_a_line_and_a_bar(page: Page, path: str) -> None:
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot()))
    shown = Elements(page.get(path).text)
    assert "Snapshot users 12,345 of about 20,000 · 810/s" in shown.text
    assert [(bar["value"], bar["max"], bar["aria-label"]) for bar in shown.of("progress")] == [("0.6172", "1", "Snapshot of shop")]


@pytest.mark.parametrize("path", ["/", "/watchers/shop"])
def test_a_snapshot_that_failed_is_marked_and_has_no_bar(page: Page, path: str) -> None:
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(state="aborted", endedAt=NOW, error="changes are missing")))
    shown = Elements(page.get(path).text)
    assert "Snapshot aborted 0.0s ago, not complete: after 12,345 documents: changes are missing" in shown.text
    assert [line["class"] for line in shown.of("p") if line.get("class", "").startswith("snapshot")] == ["snapshot bad"]
    assert shown.of("progress") == []


def collections(*states: str, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"name": f"c{number}", "state": state, "documents": 50, "estimate": 200, **changes} for number, state in enumerate(states)
    ]


def test_a_bar_for_each_collection(page: Page) -> None:
    listed = collections("copied", "copying", "waiting") + collections("copying", estimate=None)
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(byCollection=listed, collections=10, collectionsDone=1)))
    shown = Elements(page.get("/watchers/shop").text)
    words = " ".join(shown.text.split())
    assert "c0 copied, 50 documents" in words
    assert "c1 50 of about 200 documents" in words
    assert "c2 waits, about 200 documents" in words
    assert "c0 50 documents" in words
    assert "And 6 more; of all 10 collections 1 are copied." in words
    assert [bar["value"] for bar in shown.of("progress")] == ["0.6172", "1.0000", "0.2500", "0.2500"]
    assert len(Elements(page.get("/").text).of("progress")) == 1


def test_an_aborted_one_stays_until_another_takes_its_place(page: Page) -> None:
    aborted = snapshot(state="aborted", endedAt=NOW - timedelta(days=3), byCollection=collections("copied", "incomplete"))
    page.show(row("shop", WatcherState.STREAMING, snapshot=aborted))
    words = " ".join(Elements(page.get("/watchers/shop").text).text.split())
    assert "Snapshot aborted 3d ago, not complete: after 12,345 documents" in words
    assert "c1 not complete, 50 of about 200 documents" in words


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({}, ["pause", "stop"]),
        ({"state": "paused"}, ["resume", "stop"]),
        *[({"state": state, "endedAt": NOW}, ["start"]) for state in ("completed", "stopped", "aborted")],
    ],
)
def test_what_can_be_done_about_it(tmp_path: Path, page: Page, changes: dict[str, Any], offered: list[str]) -> None:
    page.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(**changes)))
    assert buttons(page) == [f"snapshot/{step}" for step in offered]
    without = Page(tmp_path)
    without.show(row("shop", WatcherState.STREAMING, snapshot=snapshot(**changes)))
    assert buttons(without) == []


def test_where_there_was_none_one_can_be_started(tmp_path: Path, page: Page) -> None:
    page.show(row("shop", WatcherState.STREAMING))
    assert buttons(page) == ["snapshot/start"]
    without = Page(tmp_path)
    without.show(row("shop", WatcherState.STREAMING))
    assert 'id="snapshot"' not in without.get("/watchers/shop").text


def buttons(page: Page) -> list[str]:
    """The commands about snapshots that the watcher's page offers."""
    shown = Elements(page.get("/watchers/shop").text).of("button")
    return [button["data-action"] for button in shown if button.get("data-action", "").startswith("snapshot/")]


def test_what_is_over_has_no_hint(page: Page) -> None:
    page.show(row("shop", WatcherState.STREAMING, lastError=error("Kafka was away", "The worker keeps trying.")))
    for path in ("/", "/watchers/shop"):
        text = page.get(path).text
        assert "Kafka was away" in text
        assert "ago</time>, over" in text
        assert "keeps trying" not in text


def test_the_headroom_of_a_stopped_watcher_is_shown_and_marked(page: Page) -> None:
    hours = {"updatedAt": NOW - timedelta(hours=9, minutes=30), "headroomSeconds": 36_000, "oplogFull": True}
    assert watcher_view(row("shop", WatcherState.STOPPED, **hours), NOW).is_near_loss
    assert not watcher_view(row("shop", WatcherState.DISABLED, **hours), NOW).is_near_loss
    page.show(row("shop", WatcherState.STOPPED, **hours))
    assert 'data-headroom="30m"' in page.get().text


def test_until_the_oplog_is_full_the_headroom_is_more_than_that(page: Page) -> None:
    new = {"headroomSeconds": 12, "oplogFull": False, "lagSeconds": 10}
    assert not watcher_view(row("shop", WatcherState.STREAMING, **new), NOW).is_near_loss
    page.show(row("shop", WatcherState.STREAMING, **new))
    assert 'data-headroom="more than 12s"' in page.get().text


def test_numbers_in_words() -> None:
    assert [rate_in_words(rate) for rate in (None, 0.04, 99.94, 12345.6)] == ["-", "0.0", "99.9", "12\u202f346"]
    assert [count_in_words(count) for count in (None, 0, 1234567)] == ["-", "0", "1\u202f234\u202f567"]


def test_hostile_texts_are_only_ever_text(page: Page) -> None:
    (page.deployment.log_dir / "shop.log").write_text(json.dumps({"event": EVIL, "level": EVIL, EVIL: EVIL}) + f"\n{EVIL}\n")
    of_evil = snapshot(collection=EVIL, byCollection=[{"name": EVIL, "state": EVIL}])
    page.show(
        row("shop", WatcherState.FAILED, fault=EVIL, database=EVIL, lastError=error(EVIL, EVIL), snapshot=of_evil),
        row(EVIL, WatcherState.FAILED),
    )
    for path in ("/", "/watchers/shop", f"/watchers/{EVIL}"):
        elements = Elements(page.get(path.replace(" ", "%20")).text)
        assert elements.of("img") == []
        assert not [name for _, attributes in elements.all for name in attributes if name.startswith("on")]
        assert "onerror=alert(1)" in elements.text


def test_hostile_texts_cannot_turn_the_line_around(page: Page) -> None:
    of_evil = snapshot(collection=EVIL, byCollection=[{"name": EVIL, "state": EVIL}])
    page.show(row("shop", WatcherState.FAILED, lastError=error(EVIL), snapshot=of_evil))
    assert "\u202e" not in page.get("/watchers/shop").text
    text = page.get().text
    assert "\u202e" not in text
    assert "\\u202e" in text


def test_the_page_holds_no_script_and_no_style_of_its_own(page: Page) -> None:
    page.show(row("shop", WatcherState.STREAMING))
    for path in ("/", "/watchers/shop", "/nowhere"):
        answer = page.get(path)
        elements = Elements(answer.text)
        assert all(script.get("src", "").startswith("/static/") for script in elements.of("script"))
        assert elements.of("style") == []
        assert not [attributes for _, attributes in elements.all if "style" in attributes]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_every_file_that_a_page_names_is_there_and_comes_with_the_policy(page: Page) -> None:
    for file in (PAGE_DIR / "static").rglob("*.*"):
        answer = page.get(f"/static/{file.relative_to(PAGE_DIR / 'static')}")
        assert answer.status == 200
        assert answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert page.get("/static/../templates/base.html").status == 404


def test_the_first_view_is_small_without_compression(page: Page) -> None:
    page.show(*(row(f"shop{number}", WatcherState.STREAMING, lastError=error("x" * 80, "y" * 80)) for number in range(20)))
    static = PAGE_DIR / "static"
    scripts = [static / "vendor" / "idiomorph.min.js", *(file for file in static.iterdir() if file.suffix in {".js", ".css"})]
    size = len(page.get().body) + sum(file.stat().st_size for file in scripts)
    assert size < FIRST_VIEW_BYTES


def test_the_first_view_of_sixty_watchers_is_small(page: Page) -> None:
    rates = {operation: [float(step * 7 % 11) for step in range(SPARK_STEPS)] for operation in ROW_OPERATIONS}
    page.view.history.of = lambda name, steps=SPARK_STEPS: rates  # type: ignore[method-assign]  # a history nobody waits for
    page.show(*(row(f"shop{number}", WatcherState.STREAMING, lastError=error("x" * 80, "y" * 80)) for number in range(60)))
    static = PAGE_DIR / "static"
    files = ["vendor/idiomorph.min.js", *(file.name for file in static.iterdir() if file.suffix in {".js", ".css", ".svg"})]
    answers = [page.get(path, **{"accept-encoding": "gzip"}) for path in ("/", *(f"/static/{file}" for file in files))]
    assert all(answer.headers.get("content-encoding") == "gzip" for answer in answers if len(answer.body) > 1000)
    assert sum(len(answer.body) for answer in answers) < FIRST_VIEW_BYTES


def test_tables_headings_and_landmarks(page: Page) -> None:
    page.show(row("shop", WatcherState.STREAMING))
    for path in ("/", "/watchers/shop"):
        elements = Elements(page.get(path).text)
        assert len(elements.of("h1")) == 1
        assert len(elements.of("main")) == len(elements.of("header")) == len(elements.of("footer")) == 1
        assert all(head.get("scope") for head in elements.of("th"))
        assert len(elements.of("table")) == len(elements.of("caption"))
        assert all("alt" in image or "aria-label" in image for image in elements.of("img"))
        ids = [attributes["id"] for _, attributes in elements.all if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert all(of in ids for _, each in elements.all if (of := each.get("aria-labelledby")))


def test_buttons_only_where_there_is_a_token(tmp_path: Path, page: Page) -> None:
    page.show(row("shop", WatcherState.STREAMING), row("crm", WatcherState.STOPPED))
    actions = [button["data-action"] for button in Elements(page.get().text).of("button") if "data-action" in button]
    assert actions == ["start", "restart", "stop"]
    without = Page(tmp_path)
    without.show(row("shop", WatcherState.STREAMING))
    assert "data-action" not in without.get().text
    assert "sets no token" in without.get().text


def test_off_the_loopback_a_browser_is_asked_for_the_token(tmp_path: Path) -> None:
    page = Page(tmp_path, host="192.0.2.1", token=TOKEN)
    page.show(row("shop", WatcherState.STREAMING))
    for path in ("/", "/watchers/shop"):
        answer = page.get(path)
        assert answer.status == 401
        assert "shop" not in Elements(answer.text).text
        assert [field["type"] for field in Elements(answer.text).of("input") if field["id"] == "sign-in-token"] == ["password"]
        assert page.get(path, authorization=f"Bearer {TOKEN}").status == 200
    assert page.get("/static/page.css").status == 200


def test_a_page_for_what_is_not_there(page: Page) -> None:
    page.show()
    answer = page.get("/watchers/nobody")
    assert answer.status == 404
    assert "nobody" in answer.text
    assert "<h1>" in answer.text


def test_settings_are_masked(page: Page) -> None:
    page.show(row("shop", WatcherState.STREAMING))
    for path in ("/api/watchers/shop/settings", "/watchers/shop"):
        text = page.get(path).text
        assert "mongodb://user:***@localhost:27017/shop" in text
        assert PASSWORD not in text
    settings = {each["key"]: each for each in page.get("/api/watchers/shop/settings").json["settings"]}
    assert settings["batch_size"]["from"] == "built-in"
    assert settings["kafka_brokers"]["from"].endswith("shop.toml:3")


def test_a_watcher_with_faults_shows_them(page: Page) -> None:
    (page.deployment.conf_dir / "shop.toml").write_text("batch_sise = 3\n")
    page.view.refresh(ask_anew=True)
    told = page.get("/api/watchers/shop/settings").json
    assert told["settings"] == []
    assert any("batch_sise" in fault["message"] for fault in told["faults"])
    assert "batch_sise" in page.get("/watchers/shop").text
    assert page.get("/api/watchers/shop/messages").status == 409


def test_the_log(page: Page) -> None:
    lines = [json.dumps({"ts": f"2024-01-01T12:00:0{n}.000Z", "level": "info", "event": f"e{n}", "lag": n}) for n in range(3)]
    (page.deployment.log_dir / "shop.log").write_text("\n".join([*lines, "Traceback", ""]))
    page.show(row("shop", WatcherState.STREAMING))
    told = page.get("/api/watchers/shop/log?n=2").json["lines"]
    assert told == [
        {"at": "2024-01-01T12:00:02.000Z", "level": "info", "event": "e2", "rest": "lag=2"},
        {"at": "2024-01-01T12:00:02.000Z", "level": "", "event": "Traceback", "rest": ""},
    ]
    assert "Traceback" in page.get("/watchers/shop").text


@pytest.mark.parametrize("count", ["x", "-1", "9" * 5000, "²"])
def test_a_senseless_count_is_no_error(page: Page, count: str) -> None:
    assert page.get(f"/api/watchers/shop/log?n={count}").status == 200


@pytest.mark.parametrize("what", ["messages", "settings", "log"])
def test_details_of_nobody(page: Page, what: str) -> None:
    answer = page.get(f"/api/watchers/nobody/{what}")
    assert answer.status == 404
    assert "nobody" in answer.json["error"]
