"""The overview of the fleet as the server renders it: the strip, and the choice of rows by the URL."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_agent_page import Elements, Page, names_in_order, row
from watcher.fleet.status import Row, WatcherState


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path)


def streaming(name: str, **changes: Any) -> Row:
    return row(name, WatcherState.STREAMING, **{"oplogFull": True, **changes})


def words(page: Page, path: str = "/") -> str:
    return " ".join(Elements(page.get(path).text).text.split())


def figure(page: Page, title: str, path: str = "/") -> str:
    """The words under a title in the strip."""
    found = re.search(rf"<dt>{title}</dt><dd>(.*?)</dd>", page.get(path).text)
    assert found
    return " ".join(Elements(found[1]).text.split())


def chosen(page: Page, path: str) -> list[str]:
    """The addresses of the links that are marked as the present choice."""
    return [link["href"] for link in Elements(page.get(path).text).of("a") if link.get("aria-current") == "true"]


def test_states_are_counted_and_lead_to_their_watchers(page: Page) -> None:
    page.show(
        streaming("a"),
        streaming("b"),
        row("c", WatcherState.FAILED),
        row("d", WatcherState.NOT_STARTED),
        row("e", WatcherState.WAITING),
    )
    assert "5 all 2 streaming 1 waiting 1 failed 0 standby 0 stopped 1 not started" in words(page)
    links = [link["href"] for link in Elements(page.get().text).of("a") if "state=" in link["href"]]
    assert links == ["/?state=streaming", "/?state=waiting", "/?state=failed", "/?state=not_started"]
    assert names_in_order(page.get("/?state=not_started").text) == ["d"]
    assert names_in_order(page.get("/?state=streaming").text) == ["a", "b"]
    assert "5 all 2 streaming" in words(page, "/?state=failed")


def test_the_chosen_state_leads_back_to_all(page: Page) -> None:
    page.show(streaming("a"), row("c", WatcherState.FAILED))
    assert chosen(page, "/") == ["/"]
    found = re.search(r'<a href="(\S+)" data-in-place aria-current="true">.*?<b>1</b> failed', page.get("/?state=failed").text)
    assert found
    assert found[1] == "/"
    assert len(chosen(page, "/?state=failed")) == 1


def test_a_chosen_state_that_has_gone_stays_to_be_left(page: Page) -> None:
    page.show(streaming("a"))
    assert "No watcher is backing off now." in words(page, "/?state=backing_off")
    assert "0 backing off" in words(page, "/?state=backing_off")
    assert "table" not in {tag for tag, _ in Elements(page.get("/?state=backing_off").text).all}


@pytest.mark.parametrize("query", ["state=none-such", "state=", "state=failed%00", "nothing=at-all"])
def test_a_choice_without_sense_is_left_out(page: Page, query: str) -> None:
    page.show(streaming("a"), row("c", WatcherState.FAILED))
    assert names_in_order(page.get(f"/?{query}").text) == ["c", "a"]


def test_totals_are_of_all_with_the_watcher_that_is_worst_off(page: Page) -> None:
    page.show(
        streaming("a", eventsPerSecond=1200.4, lagSeconds=3.0, headroomSeconds=90_000),
        streaming("b", eventsPerSecond=34.2, lagSeconds=182.0, headroomSeconds=7200),
        row("c", WatcherState.STOPPED, eventsPerSecond=99.0, lagSeconds=999.0, headroomSeconds=8000, oplogFull=True),
    )
    for path in ("/", "/?state=stopped"):
        assert figure(page, "Events/s of all", path) == "1 235"
        assert figure(page, "Worst lag", path) == "3m2s b"
        assert figure(page, "Least headroom", path) == "2h b"


def test_a_headroom_that_is_a_minimum_comes_after_what_is_known(page: Page) -> None:
    page.show(streaming("a", headroomSeconds=90_000), streaming("b", headroomSeconds=30, oplogFull=False))
    assert figure(page, "Least headroom") == "1d1h a"
    page.show(streaming("b", headroomSeconds=30, oplogFull=False))
    assert figure(page, "Least headroom") == "more than 30s b"


def test_of_a_fleet_that_rests_nothing_is_known(page: Page) -> None:
    page.show(row("a", WatcherState.DISABLED, headroomSeconds=10))
    assert [figure(page, title) for title in ("Events/s of all", "Worst lag", "Least headroom")] == ["0.0", "-", "-"]
