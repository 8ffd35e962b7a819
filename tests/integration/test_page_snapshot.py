"""A snapshot on the page, in a browser: dark, light, on a phone, and steered. No servers: its requests go to the application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect
from playwright.sync_api import Page as Tab

from tests.integration.test_page import CONTRASTS, PHONE, SMALLEST_CONTRAST
from tests.support.agent_page import NOW, TOKEN, Page, collections, row, snapshot
from tests.support.page_tabs import tabs
from tests.unit.test_agent_snapshots import Commands, commands  # noqa: F401  # the last is a fixture
from watcher.errors import WatcherError
from watcher.fleet.status import WatcherState

LONG = "a-collection-with-a-name-that-is-far-too-long-for-the-width-of-a-telephone." * 2


@pytest.fixture
def shown(tmp_path: Path) -> Page:
    page = Page(tmp_path, token=TOKEN, read_without_token=True)
    listed = collections("copied", "waiting") + collections("copying", name=LONG)
    page.show(
        row("shop", WatcherState.STREAMING, snapshot=snapshot(collection=LONG, byCollection=listed)),
        row("crm", WatcherState.STREAMING, snapshot=snapshot(state="aborted", endedAt=NOW, error="changes are missing")),
        row("billing", WatcherState.STREAMING, snapshot=snapshot(waitsFor="the stream is behind")),
    )
    return page


@pytest.fixture
def open_tab(browser: Browser, shown: Page) -> Iterator[Callable[..., Tab]]:
    """`open_tab("/", **options of a context)`: a tab of its own; whatever its scripts break fails the test."""
    with tabs(browser, shown.app) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/", "/watchers/shop", "/watchers/crm"])
@pytest.mark.parametrize(
    "options", [{"color_scheme": "dark"}, {"color_scheme": "light"}, {"viewport": PHONE}], ids=["dark", "light", "phone"]
)
def test_it_can_be_read_and_fits(open_tab: Callable[..., Tab], path: str, options: dict[str, Any]) -> None:
    tab = open_tab(path, **options)
    expect(tab.locator(".snapshot").first).to_be_visible()
    for bar in tab.locator("progress").all():
        box = bar.bounding_box()
        assert box
        assert box["height"] >= 4
        assert box["width"] >= 100
    assert tab.locator("progress").count() == {"/": 2, "/watchers/shop": 4, "/watchers/crm": 0}[path]
    can_be_read(tab)


def can_be_read(tab: Tab) -> None:
    """Nothing leads out of the window, and all text has contrast."""
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert tab.evaluate(CONTRASTS)[0][0] >= SMALLEST_CONTRAST


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": PHONE}], ids=["dark", "phone"])
def test_a_start_is_chosen_by_keyboard(
    open_tab: Callable[..., Tab],
    commands: Commands,  # noqa: F811  # the fixture
    options: dict[str, Any],
) -> None:
    tab = open_tab("/watchers/crm", **options)
    tab.get_by_role("button", name="Start snapshot").press("Enter")
    dialog = tab.get_by_role("dialog", name="Start a snapshot of crm?")
    expect(dialog.get_by_label("Collections")).to_be_focused()
    can_be_read(tab)
    tab.keyboard.type("orders\n visits_* \n\n")
    tab.keyboard.press("Tab")
    expect(dialog.get_by_role("radio", name="replace")).to_be_checked()
    tab.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("radio", name="insert")).to_be_checked()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    give_token(tab)
    said(tab, "crm: started  snapshot-")
    assert commands.given == [("crm", "start", ("orders", "visits_*"), "insert")]
    tab.get_by_role("button", name="Start snapshot").click()  # what was typed before is gone
    with tab.expect_response("**/snapshot/start"):
        dialog.get_by_role("button", name="Start").click()
    assert commands.given[1:] == [("crm", "start", (), "replace")]


def test_pause_and_stop(open_tab: Callable[..., Tab], commands: Commands) -> None:  # noqa: F811  # the fixture
    tab = open_tab("/watchers/shop")
    commands.note = "no worker of it runs on this host"
    tab.get_by_role("button", name="Pause snapshot").click()
    give_token(tab)
    said(tab, "shop: paused  snapshot-1; no worker of it runs on this host")
    tab.get_by_role("button", name="Stop snapshot").click()
    confirm = tab.get_by_role("dialog", name="Stop the snapshot of shop?")
    expect(confirm).to_contain_text("it will not be complete")
    can_be_read(tab)
    tab.keyboard.press("Escape")
    expect(confirm).to_be_hidden()
    assert commands.given == [("shop", "pause")]
    tab.get_by_role("button", name="Stop snapshot").click()
    confirm.get_by_role("button", name="Stop").click()
    said(tab, "shop: stopped  snapshot-1")
    assert commands.given[1:] == [("shop", "stop")]


def test_what_is_refused_is_said_in_the_commands_words(
    open_tab: Callable[..., Tab],
    commands: Commands,  # noqa: F811  # the fixture
) -> None:
    tab = open_tab("/watchers/shop")
    commands.error = WatcherError("shop runs; its snapshot can be changed only while it is stopped", hint="watcherctl stop shop")
    button = tab.get_by_role("button", name="Pause snapshot")
    button.click()
    give_token(tab, "not-the-token-at-all")
    expect(tab.locator("#token-refused")).to_be_visible()
    give_token(tab)
    said(tab, "shop: snapshot pause failed. shop runs; its snapshot can be changed only while it is stopped watcherctl stop shop")
    expect(button).to_be_enabled()


def give_token(tab: Tab, token: str = TOKEN) -> None:
    tokens = tab.get_by_role("dialog", name="Token of the agent")
    tokens.get_by_label("Token").fill(token)
    tab.keyboard.press("Enter")


def said(tab: Tab, text: str) -> None:
    notice: Locator = tab.locator("#notice")
    expect(notice).to_contain_text(text)
