"""A snapshot on the page, in a browser: dark, light and on a phone. No servers: the browser's requests go to the application."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.integration.test_page import CONTRASTS, PHONE, SMALLEST_CONTRAST
from tests.support.chromium import chromium, chromium_or_skip
from tests.unit.test_agent_page import NOW, Page, row, snapshot
from watcher.fleet.status import WatcherState

LONG = "a-collection-with-a-name-that-is-far-too-long-for-the-width-of-a-telephone." * 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(chromium_or_skip()) as browser:
        yield browser


@pytest.fixture
def shown(tmp_path: Path) -> Page:
    page = Page(tmp_path, read_without_token=True)
    page.show(
        row("shop", WatcherState.STREAMING, snapshot=snapshot(collection=LONG)),
        row("crm", WatcherState.STREAMING, snapshot=snapshot(state="aborted", endedAt=NOW, error="changes are missing")),
        row("billing", WatcherState.STREAMING, snapshot=snapshot(waitsFor="the stream is behind")),
    )
    return page


@pytest.mark.parametrize("path", ["/", "/watchers/shop", "/watchers/crm"])
@pytest.mark.parametrize(
    "options", [{"color_scheme": "dark"}, {"color_scheme": "light"}, {"viewport": PHONE}], ids=["dark", "light", "phone"]
)
def test_it_can_be_read_and_fits(browser: Browser, shown: Page, path: str, options: dict[str, Any]) -> None:
    context = browser.new_context(base_url="http://agent", **options)
    try:
        tab = context.new_page()
        tab.set_default_timeout(30_000)
        tab.route("**/*", lambda route: answer(shown, route))
        tab.goto(path)
        expect(tab.locator(".snapshot").first).to_be_visible()
        for bar in tab.locator("progress").all():
            box = bar.bounding_box()
            assert box
            assert box["height"] >= 4
            assert box["width"] >= 100
        assert tab.locator("progress").count() == {"/": 2, "/watchers/shop": 1, "/watchers/crm": 0}[path]
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert tab.evaluate(CONTRASTS)[0][0] >= SMALLEST_CONTRAST
    finally:
        context.close()


def answer(page: Page, route: Route) -> None:
    """Answer a request for a page or a file. What scripts ask for goes on without an end, so they get nothing."""
    path = route.request.url.removeprefix("http://agent")
    if path.startswith("/api"):
        route.abort()
        return
    with ThreadPoolExecutor() as beside:  # Playwright's own loop runs in this thread
        found = beside.submit(page.get, path).result()
    route.fulfill(status=found.status, headers=dict(found.headers), body=found.body)
