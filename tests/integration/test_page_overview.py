"""The overview in a browser: chosen, sorted and filtered, by mouse and keyboard. No servers: its requests go to the application."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.integration.test_page import CONTRASTS, PHONE, SMALLEST_CONTRAST
from tests.support.accessibility import accessibility_faults
from tests.support.agent_page import NOW, TOKEN, Page, error, row
from tests.support.page_tabs import tabs
from watcher.fleet.status import Row, WatcherState

MANY = 60


def fleet(count: int) -> list[Row]:
    """Watchers of which every tenth is failed and every seventh waits, and the names, rates and lags have different orders."""
    states = {0: WatcherState.FAILED, 7: WatcherState.WAITING}
    return [
        row(
            f"shop_{number:02}",
            states.get(number % 10, WatcherState.STREAMING),
            database=f"shop_{number:02}_{'eu' if number % 3 else 'us'}",
            eventsPerSecond=float(number * 7 % 61),
            lagSeconds=float(number * 11 % 67),
            headroomSeconds=90_000.0 + number,
            oplogFull=True,
            lastEventAt=NOW - timedelta(seconds=number),
            lastError=error("Kafka is away", "The worker keeps trying.") if number % 10 == 7 else None,
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A fleet of MANY watchers with an hour of history."""
    page = Page(tmp_path_factory.mktemp("fleet"), token=TOKEN, read_without_token=True)
    page.show(*fleet(MANY))
    random = Random(1)  # any course will do, as long as it is the same
    page.view.history.rates = lambda name, steps=720: [  # type: ignore[method-assign]  # a history that nobody has to wait for
        random.uniform(0, 200) for _ in range(steps)
    ]
    return page


@pytest.fixture
def open_tab(browser: Browser, shown: Page) -> Iterator[Callable[..., Tab]]:
    with tabs(browser, shown.app) as opened:
        yield opened


def names(tab: Tab) -> list[str]:
    return [str(body.get_attribute("data-name")) for body in tab.locator("tbody[data-name]").all()]


def test_sixty_watchers_are_filtered_by_keyboard(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/?sort=name")
    expect(tab.locator("tbody[data-name]")).to_have_count(MANY)
    tab.keyboard.press("/")
    expect(tab.get_by_label("Filter")).to_be_focused()
    tab.keyboard.type("_4 us")
    expect(tab.locator("#shown")).to_have_text("3 of 60 watchers shown")
    expect(tab.locator("tbody[data-name]")).to_have_count(3)
    assert names(tab) == ["shop_42", "shop_45", "shop_48"]
    expect(tab.get_by_label("Filter")).to_have_value("_4 us")
    expect(tab.get_by_label("Filter")).to_be_focused()
    expect(tab).to_have_url(re.compile(r"/\?sort=name&q=_4\+us$"))
    tab.keyboard.press("Escape")
    expect(tab.locator("tbody[data-name]")).to_have_count(MANY)
    expect(tab).to_have_url(re.compile(r"/\?sort=name$"))


def test_a_state_is_chosen_and_left_again(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/")
    states = tab.get_by_role("navigation", name="Watchers by state")
    states.get_by_role("link", name="6 failed").click()
    expect(tab.locator("tbody[data-name]")).to_have_count(6)
    expect(tab).to_have_url(re.compile(r"/\?state=failed$"))
    expect(states.get_by_role("link", name="6 failed")).to_have_attribute("aria-current", "true")
    expect(states.get_by_role("link", name="6 failed")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator("tbody[data-name]")).to_have_count(MANY)
    tab.go_back()
    expect(tab.locator("tbody[data-name]")).to_have_count(6)
    tab.reload()
    expect(tab.locator("tbody[data-name]")).to_have_count(6)


def test_a_heading_sorts_and_the_order_outlasts_a_refresh(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/")
    heading = tab.get_by_role("columnheader", name="Lag")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(tab.locator("tbody[data-name]").first).to_have_attribute("data-name", "shop_06")
    heading.get_by_role("link").press("Enter")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(tab.locator("tbody[data-name]").first).to_have_attribute("data-name", "shop_55")
    with tab.expect_response("**/?sort=lag"):
        tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # asks for the page again
    expect(heading).to_have_attribute("aria-sort", "ascending")


def test_a_page_that_nobody_sees_follows_nothing(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("about:blank")
    with tab.expect_request("**/api/stream*"):  # else the page might be hidden before it follows anything
        tab.goto("/")
    expect(tab.locator("tbody[data-name]")).to_have_count(MANY)
    with tab.expect_event("requestfailed", lambda request: "/api/stream" in request.url):
        turn(tab, hidden=True)
    with tab.expect_request("**/api/stream?data=none"), tab.expect_response("**/"):
        turn(tab, hidden=False)


def turn(tab: Tab, *, hidden: bool) -> None:
    """Put the tab into the background, or back, as far as its scripts can tell."""
    tab.evaluate(f"Object.defineProperty(document, 'hidden', {{ value: {str(hidden).lower()}, configurable: true }})")
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_without_javascript_links_and_the_form_do_the_same(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/", java_script_enabled=False)
    tab.get_by_role("link", name="6 failed").click()
    tab.get_by_role("columnheader", name="Watcher").get_by_role("link").click()
    tab.get_by_label("Filter").fill("_2")
    tab.get_by_role("button", name="Filter").click()
    expect(tab.locator("#shown")).to_have_text("1 of 60 watchers shown")
    assert names(tab) == ["shop_20"]
    assert tab.url.endswith("/?state=failed&sort=name&q=_2")


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"color_scheme": "light", "viewport": PHONE}], ids=["dark", "phone"])
def test_it_can_be_read_and_fits(open_tab: Callable[..., Tab], options: dict[str, Any]) -> None:
    tab = open_tab("/?state=waiting&q=shop&sort=-lag", **options)
    expect(tab.locator("tbody[data-name]")).to_have_count(6)
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert tab.evaluate(CONTRASTS)[0][0] >= SMALLEST_CONTRAST
    assert accessibility_faults(tab) == []
    expect(tab.get_by_role("columnheader", name="Lag").get_by_role("link")).to_be_visible()  # a phone sorts too


def test_a_fault_of_accessibility_is_found(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/?q=shop_01")
    tab.evaluate(
        "document.querySelectorAll('#filter, label[for=filter]').forEach((each) => ['for', 'placeholder'].forEach("
        "(name) => each.removeAttribute(name)))"
    )
    assert [fault.partition(":")[0] for fault in accessibility_faults(tab)] == ["label"]
