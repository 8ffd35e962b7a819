"""The charts in a browser: their time axis, what is not known, and peaks. No servers: requests go to the application."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.integration.test_page import CONTRASTS, PHONE, SMALLEST_CONTRAST
from tests.support.accessibility import accessibility_faults
from tests.support.agent_page import NOW, Page, row
from tests.support.page_tabs import tabs
from tests.support.waiting import eventually
from watcher.agent.view.history import SERIES, STEP_SECONDS
from watcher.fleet.status import WatcherState

KNOWN_STEPS = 24
"""Two minutes: less than the shortest span."""

COLOUR_AT = """([key, share]) => {
  const canvas = document.querySelector(`figure[data-chart=${key}] canvas`);
  const over = document.querySelector(`figure[data-chart=${key}] .u-over`);
  const scale = canvas.width / canvas.clientWidth;
  const x = (over.offsetLeft + share * over.clientWidth) * scale, y = (over.offsetTop + 3) * scale;
  return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
}"""
COLOUR_NAMED = """(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  .match(/[0-9a-f]{2}/g).map((part) => parseInt(part, 16))"""


@pytest.fixture
def shown(tmp_path: Path) -> Page:
    """A watcher with two minutes of history: five inserts and two updates a second, and once a peak of 4,000."""
    page = Page(tmp_path)
    page.show(row("shop", WatcherState.STREAMING))
    known: dict[str, list[float | None]] = {series: [1.0] * KNOWN_STEPS for series in SERIES}
    known |= {
        "insert": [5.0] * KNOWN_STEPS,
        "update": [2.0] * KNOWN_STEPS,
        "headroomSeconds": [7200.0, 3600.0] * (KNOWN_STEPS // 2),
    }
    known["insert"][10] = 4000.0
    at = [NOW.timestamp() - STEP_SECONDS * step for step in reversed(range(KNOWN_STEPS))]
    page.view.history.of = lambda name, steps=720: {"at": at, **known}  # type: ignore[method-assign]  # a history nobody waits for
    return page


@pytest.fixture
def open_tab(browser: Browser, shown: Page) -> Iterator[Callable[..., Tab]]:
    def opened(query: str = "", **options: Any) -> Tab:
        tab = open_path(f"/watchers/shop{query}", **options)
        expect(tab.locator("#charts canvas")).to_have_count(6)
        return tab

    with tabs(browser, shown.app) as open_path:
        yield opened


def span(tab: Tab, words: str) -> Any:
    return tab.get_by_role("radio", name=words, exact=True)


def words(tab: Tab, key: str) -> Any:
    return tab.locator(f"figure[data-chart={key}] .words")


def test_the_axis_is_fixed_and_what_is_not_known_is_grey(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(color_scheme="dark", timezone_id="Asia/Tokyo")
    expect(tab.locator("#charts-title")).to_have_text("Last hour")
    expect(tab.locator("#zone")).to_have_text("Times are those of Asia/Tokyo, GMT+9.")
    grey = tab.evaluate(COLOUR_NAMED, "--unknown")
    eventually(lambda: tab.evaluate(COLOUR_AT, ["rssBytes", 0.5]) == grey)  # two minutes of an hour are known
    assert tab.evaluate(COLOUR_AT, ["rssBytes", 0.985]) != grey
    span(tab, "5 minutes").check()
    expect(tab.locator("#charts-title")).to_have_text("Last 5 minutes")
    tab.wait_for_function(f"JSON.stringify(({COLOUR_AT})(['rssBytes', 0.7])) !== '{str(grey).replace(' ', '')}'")
    assert tab.evaluate(COLOUR_AT, ["rssBytes", 0.3]) == grey


def test_the_span_is_in_the_url(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("?span=15m")
    expect(tab.locator("#charts-title")).to_have_text("Last 15 minutes")
    span(tab, "15 minutes").press("ArrowLeft")
    expect(tab.locator("#charts-title")).to_have_text("Last 5 minutes")
    expect(tab).to_have_url(re.compile(r"\?span=5m$"))
    span(tab, "1 hour").check()
    expect(tab).to_have_url(re.compile("/watchers/shop$"))


def test_a_peak_is_cut_off_and_said_and_can_be_seen_in_full(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab()
    operations = words(tab, "operations")
    expect(operations).to_have_text("now 9/s, highest 4\u202f004/s, cut off at the top")
    tab.get_by_label("Peaks in full").check()
    expect(operations).to_have_text("now 9/s, highest 4\u202f004/s")
    expect(words(tab, "headroomSeconds")).to_have_text("now 1h, lowest 1h")


def test_the_legend_has_the_total_and_each_operation(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("?span=5m")
    over = tab.locator("figure[data-chart=operations] .u-over")
    box = over.bounding_box()
    assert box
    over.hover(position={"x": box["width"] - 2, "y": 20})
    legend = tab.locator("figure[data-chart=operations] .u-legend")
    for line in ("total", "insert", "update", "replace", "delete"):
        value = {"total": "9/s", "insert": "5/s", "update": "2/s"}.get(line, "1/s")
        expect(legend.locator("tr", has_text=line)).to_contain_text(value)


def test_the_numbers_behind_a_chart(open_tab: Callable[..., Tab]) -> None:
    told = open_tab().evaluate("""async () => {
      const s = await import("/static/series.js");
      return {
        stacked: s.stacked([[1, null, null], [2, 5, null]]),
        total: s.total([[1, null, null], [2, 5, null]]),
        unknown: s.unknown([100, 105, 110, 115, 140, 145], [1, 1, null, 1, 1, 1], 50, 200),
        none: s.unknown([], [], 0, 10),
        peaks: s.peaks([1, 9, 12, 1, 8, null, 9], 5),
        cut: [s.cut([]), s.cut([0, 0, 0, 50]), s.cut([1, 2, 3, 4]), s.cut([...Array(19).fill(2), 100]), s.cut([null, null])],
      };
    }""")
    assert told == {
        "stacked": [[1, 0, None], [3, 5, None]],
        "total": [3, 5, None],
        "unknown": [[50, 95], [105, 110], [115, 135], [145, 200]],
        "none": [[0, 10]],
        "peaks": [2, 4, 6],
        "cut": [None, None, None, 4, None],
    }


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"color_scheme": "light", "viewport": PHONE}], ids=["dark", "phone"])
def test_it_can_be_read_and_fits(open_tab: Callable[..., Tab], options: dict[str, Any]) -> None:
    tab = open_tab(**options)
    expect(words(tab, "lagSeconds")).to_have_text(re.compile("now 1.0s"))
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert tab.evaluate(CONTRASTS)[0][0] >= SMALLEST_CONTRAST
    assert accessibility_faults(tab) == []
