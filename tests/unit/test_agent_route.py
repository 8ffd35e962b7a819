"""The way of a watcher's changes on its page: from where to where, how far, and on which host."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.agent_page import CONF, NOW, PASSWORD, Elements, Page, row
from watcher.fleet.status import Row, WatcherState


@pytest.fixture
def page(tmp_path: Path) -> Page:
    page = Page(tmp_path)
    topics = 'kafka_topic_insert = "{database}.{collection}"\nkafka_topic_update = "{database}.{collection}"\n'
    (page.deployment.conf_dir / "shop.toml").write_text(CONF.replace("CLIENT", "shop") + topics)
    page.view.refresh(ask_anew=True)
    return page


def words(page: Page, shown: Row) -> str:
    page.show(shown)
    return " ".join(Elements(page.get("/watchers/shop").text).text.split())


def test_the_way_from_the_database_to_the_topics(page: Page) -> None:
    shown = words(page, row("shop", WatcherState.STREAMING))
    assert (
        "MongoDB localhost:27017 , database shop → Kafka localhost:9092 , "
        "topics shop.{collection} , database.delete , database.control ."
    ) in shown
    assert PASSWORD not in shown


def test_several_databases_are_named_as_the_settings_choose_them(page: Page) -> None:
    shared = CONF.replace("CLIENT", "shop").replace(":27017/shop", ":27017")
    chosen = 'watch_databases = ["tenant_*", "crm"]\nexclude_databases = ["tenant_test"]\n'
    (page.deployment.conf_dir / "shop.toml").write_text(shared + chosen)
    page.view.refresh(ask_anew=True)
    shown = words(page, row("shop", WatcherState.STREAMING))
    assert "MongoDB localhost:27017 , databases tenant_* , crm without tenant_test → Kafka localhost:9092" in shown


def test_the_position_has_its_time(page: Page) -> None:
    at = NOW - timedelta(minutes=3)
    assert "Position 2024-01-01T11:57:00.000Z , 3m ago" in words(
        page, row("shop", WatcherState.STOPPED, positionTime=int(at.timestamp()))
    )
    for unknown in (None, 10**18, -(10**18), 253_402_300_800):
        assert "Position" not in words(page, row("shop", WatcherState.STREAMING, positionTime=unknown))


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (row("shop", WatcherState.STREAMING, host="host-a"), "Active on host-a, this host."),
        (row("shop", WatcherState.STREAMING, host=""), "Active on this host."),
        (row("shop", WatcherState.STANDBY, host="host-a", activeHost="host-b"), "Active on host-b."),
        (row("shop", WatcherState.STANDBY), "Active on another host."),
        (row("shop", WatcherState.STOPPED, host="host-a"), "Not active on this host."),
    ],
)
def test_it_says_where_the_watcher_is_active(page: Page, shown: Row, said: str) -> None:
    assert said in words(page, shown)


def test_without_settings_there_is_no_way(page: Page) -> None:
    (page.deployment.conf_dir / "shop.toml").write_text("batch_sise = 3\n")
    page.view.refresh(ask_anew=True)
    assert "→" not in words(page, row("shop", WatcherState.FAILED))
