"""The page as the server renders it: without JavaScript, and in words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.agent_page import (
    EVIL,
    NOW,
    PASSWORD,
    Elements,
    Page,
    error,
    names_in_order,
    row,
)
from watcher.agent.page.model import (
    HEADROOM_SECONDS,
    LAG_SECONDS,
    Level,
    overall,
    summary,
    watcher_view,
)
from watcher.agent.page.words import capitalize_first, count_in_words, rate_in_words
from watcher.agent.view.settings_changes import SettingsChanges
from watcher.config import load
from watcher.fleet.status import WatcherState
from watcher.fleet.survey import Survey
from watcher.fleet.troubles import DISABLED, UNAPPLIED

pytest_plugins = ["tests.support.agent_page_fixtures"]


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


def test_a_quota_that_is_used_up_is_on_the_page_of_the_watcher(page: Page) -> None:
    page.show(row("crm", WatcherState.STREAMING, throttledSeconds=41.3))
    words = " ".join(Elements(page.get("/watchers/crm").text).text.split())
    assert (
        "Quota of Kafka Kafka held its writes back for 41 s of the last minute, because a quota is used up Hint: Kafka's" in words
    )


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


def test_how_a_watcher_would_come_back_is_on_both_pages(page: Page) -> None:
    changed = replace(row("shop", WatcherState.STREAMING), is_unapplied=True)
    disabled = replace(row("crm", WatcherState.STREAMING), enabled=False)
    page.show(changed, disabled, row("billing", WatcherState.STREAMING), row("old", WatcherState.DISABLED))
    words = Elements(page.get().text).text
    assert words.count("changed, not applied") == 1
    assert [watcher_view(each, NOW).remarks for each in (changed, disabled)] == [(UNAPPLIED,), (DISABLED,)]
    shop, crm = (Elements(page.get(f"/watchers/{name}").text).text for name in ("shop", "crm"))
    assert f"{capitalize_first(UNAPPLIED.text)}. Hint:  watcherctl apply" in shop
    assert f"{capitalize_first(DISABLED.text)}. Hint:  watcherctl enable crm" in crm
    assert "watcherctl apply" not in page.get("/watchers/billing").text


def test_a_running_watcher_with_a_fault_in_its_file_is_said_to_run(page: Page) -> None:
    (page.deployment.conf_dir / "shop.toml").write_text("batch_sise = 3\n")
    page.view.refresh(ask_anew=True)
    page.show(row("shop", WatcherState.STREAMING, "shop.toml:1 batch_sise"))
    assert "Runs with its old settings, for its file has a fault: shop.toml:1" in Elements(page.get().text).text
    assert "Runs with its old settings, for its file has a fault:" in Elements(page.get("/watchers/shop").text).text


def test_what_is_not_applied_is_worked_out_again_only_after_a_change(page: Page) -> None:
    wanted = page.view.loaded.watchers.values()
    page.view.fleet.prepare(wanted)
    changes = SettingsChanges(page.view.fleet)
    assert changes.get(page.view.loaded) == set()
    with (page.deployment.conf_dir / "shop.toml").open("a") as file:
        file.write("batch_size = 7\n")
    changed = load(page.deployment.conf_dir)
    assert changes.get(changed) == {"shop"}
    (page.deployment.programs_dir / "shop.conf").unlink()
    assert changes.get(changed) == set()
    page.deployment.key_file.unlink()
    assert changes.get(changed) == set()


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
