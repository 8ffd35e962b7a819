"""The page in a browser: real workers under a real supervisord, the real agent, Debian's Chromium."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, TimeoutError, expect
from pymongo import MongoClient

from tests.support.real_fleet import RealFleet
from tests.support.waiting import eventually
from tests.support.worker import watcher_settings
from watcher.agent.address import find
from watcher.sandbox.kafka import Broker
from watcher.sandbox.mongod import ReplicaSet
from watcher.sandbox.process import free_port
from watcher.terminal.durations import seconds_in_words

TOKEN = "a-token-of-the-tests"
DEADLINE_MS = 30_000.0
FIRST_VIEW_BYTES = 100_000
PHONE = {"width": 390, "height": 844}
HOSTILE = "<img src=x onerror=document.title='taken'>"

SMALLEST_CONTRAST = 4.5
CONTRASTS = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
  const luminance = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest(".unseen, .skip, noscript")) continue;
    const [high, low] = [luminance(parse(getComputedStyle(element).color).rgb), luminance(ground(element))].sort((a, b) => b - a);
    poor.push([(high + 0.05) / (low + 0.05), texts.currentNode.data.trim()]);
  }
  return poor.sort((a, b) => a[0] - b[0]);
}"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Short, for supervisord's socket."""
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def fleet(browser: Browser, directory: Path, mongo: ReplicaSet, kafka: Broker) -> Iterator[RealFleet]:
    """Two watchers and the agent. `browser` comes first, so that nothing is started where there is none."""
    prefix = f"t{uuid.uuid4().hex[:8]}"
    settings = {
        name: watcher_settings(mongo.uri(f"{prefix}_{name}"), kafka.bootstrap, f"{prefix}-{name}")
        for name in ("dashboard", "analytics")
    }
    with RealFleet(directory, settings, agent={"port": free_port(), "token": TOKEN, "read_without_token": True}) as fleet:
        for name in fleet.names:
            fleet.reached(name)
        yield fleet


@pytest.fixture(scope="module")
def url(fleet: RealFleet) -> str:
    return eventually(lambda: find(fleet.directory / "run" / "agent.json"), 30) or ""


@contextmanager
def watched(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A tab of its own; whatever its scripts break fails the test."""
    context: BrowserContext = browser.new_context(base_url=url, **options)
    context.set_default_timeout(DEADLINE_MS)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda message: "Content Security Policy" in message.text and broken.append(message.text))
    try:
        yield page
        assert broken == []
    finally:
        context.close()


@pytest.fixture
def tab(browser: Browser, url: str) -> Iterator[Page]:
    with watched(browser, url) as page:
        yield page


@pytest.fixture
def collection(fleet: RealFleet, mongo_client: MongoClient[dict[str, Any]]) -> Any:
    """A collection that `dashboard` watches."""
    return mongo_client[str(fleet.status("dashboard")["database"])]["users"]


def row(page: Page, name: str) -> Any:
    return page.locator(f"#watcher-{name}")


def cell(page: Page, name: str, label: str) -> Any:
    return row(page, name).locator(f"[data-label='{label}']")


def is_shown(page: Page, name: str, state: str) -> None:
    expect(row(page, name)).to_have_attribute("data-state", state, timeout=DEADLINE_MS)


def test_an_insert_shows_without_anybody_asking(tab: Page, collection: Any) -> None:
    tab.goto("/")
    for name in ("dashboard", "analytics"):
        is_shown(tab, name, "streaming")
    expect(tab.locator("#connection")).to_have_text("live", timeout=DEADLINE_MS)
    expect(tab.locator(".summary")).to_have_text("All 2 watchers are streaming.")
    expect(tab.locator("#icon")).to_have_attribute("href", "/static/icon-good.svg")
    collection.insert_one({"name": "Ada"})
    expect(cell(tab, "dashboard", "Last event")).to_have_text(re.compile(r"^\d.* ago$"), timeout=DEADLINE_MS)
    rate = cell(tab, "dashboard", "Events/s").locator("> span")
    eventually(lambda: collection.insert_one({}) and float(rate.inner_text()) > 0, DEADLINE_MS / 1000, interval_s=0.5)
    expect(cell(tab, "analytics", "Last event")).to_have_text("-")


def test_one_watcher_with_its_charts_messages_log_and_settings(tab: Page, collection: Any) -> None:
    tab.goto("/")
    tab.get_by_role("link", name="dashboard").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("dashboard")
    collection.insert_one({"_id": "hostile", "name": HOSTILE})
    latest = tab.locator("#messages tbody tr").first
    expect(latest).to_contain_text(HOSTILE, timeout=DEADLINE_MS)
    expect(latest.locator(".op")).to_have_text("insert")
    assert int(latest.locator("td").first.inner_text()) >= 1
    assert tab.locator("#messages img").count() == 0
    latest.get_by_role("link").click()
    drawer = tab.get_by_role("dialog", name="Message")
    expect(drawer.get_by_label("Value as JSON")).to_contain_text(HOSTILE)
    link = drawer.get_by_role("link", name="Link to this message").get_attribute("href") or ""
    tab.get_by_role("button", name="Close").click()
    place, offset = link.rsplit("-", 1)
    statuses = [tab.request.get(f"/api{place}-{number}").status for number in (offset, int(offset) + 1, int(offset) + 1000)]
    assert statuses == [200, 404, 404]  # behind it is the marker of its transaction, and then nothing
    assert tab.request.get("/api/watchers/dashboard/messages/__consumer_offsets-0-0").status == 404
    expect(tab.locator("#charts canvas")).to_have_count(6, timeout=DEADLINE_MS)
    expect(tab.locator("figure[data-chart=operations] .words")).to_have_text(re.compile(r"now .*/s, highest"), timeout=DEADLINE_MS)
    expect(tab.locator("figure[data-chart=rssBytes] .words")).to_have_text(re.compile(r"now \d.* MB"), timeout=DEADLINE_MS)
    expect(tab.locator("#log")).to_contain_text("streaming")
    tab.locator("#settings summary").click()
    expect(tab.get_by_role("row", name="mongodb_uri")).to_contain_text("mongodb://")
    expect(tab).to_have_title(re.compile("dashboard: streaming"))


def test_what_the_reader_has_opened_and_focused_stays_when_the_page_changes(tab: Page, collection: Any) -> None:
    tab.goto("/watchers/dashboard")
    expect(tab.locator("#connection")).to_have_text("live", timeout=DEADLINE_MS)
    summary = tab.locator("#settings summary")
    summary.click()
    for _ in range(2):
        before = tab.locator("#sequence").get_attribute("data-sequence") or ""
        collection.insert_one({})
        expect(tab.locator("#sequence")).not_to_have_attribute("data-sequence", before, timeout=DEADLINE_MS)
    expect(tab.get_by_role("row", name="mongodb_uri")).to_be_visible()
    expect(summary).to_be_focused()


def test_a_worker_that_is_killed_while_one_looks(tab: Page, fleet: RealFleet) -> None:
    tab.goto("/")
    is_shown(tab, "dashboard", "streaming")
    restarts = int(cell(tab, "dashboard", "Restarts").inner_text())
    psutil.Process(fleet.process("dashboard").pid).kill()
    expect(cell(tab, "dashboard", "Restarts")).to_have_text(str(restarts + 1), timeout=DEADLINE_MS)
    is_shown(tab, "dashboard", "streaming")


def test_stop_and_start_need_the_token(tab: Page, fleet: RealFleet) -> None:
    tab.goto("/")
    row(tab, "dashboard").get_by_role("button", name="Stop").click()
    confirm = tab.get_by_role("dialog", name="Stop dashboard?")
    expect(confirm).to_contain_text("nothing is lost. It can be away for more than ")  # the oplog of these servers is new
    confirm.get_by_role("button", name="Stop").click()
    tokens = tab.get_by_role("dialog", name="Token of the agent")
    tokens.get_by_label("Token").fill("not-the-token-at-all")
    tokens.get_by_role("button", name="Continue").click()
    expect(tokens).to_contain_text("The agent refused this token.")
    assert fleet.process("dashboard").is_running
    tokens.get_by_label("Token").fill(TOKEN)
    tab.keyboard.press("Enter")
    is_shown(tab, "dashboard", "stopped")
    expect(tab.locator("#notice")).to_have_text("dashboard: stopped")
    expect(tab.locator("#said")).to_contain_text("dashboard: ")
    tab.mouse.click(0, 0)  # rows keep their order while somebody is at a button
    expect(tab.locator("tbody[data-name]").first).to_have_attribute("data-name", "dashboard", timeout=DEADLINE_MS)
    row(tab, "dashboard").get_by_role("button", name="Start").click()
    is_shown(tab, "dashboard", "streaming")
    assert tab.evaluate("sessionStorage.length") == 1
    tab.get_by_role("button", name="Forget token").click()
    expect(tab.get_by_role("button", name="Forget token")).to_be_hidden()
    assert tab.evaluate("sessionStorage.length") == 0


def test_the_charts_of_a_stopped_watcher_tell_of_no_now(tab: Page, fleet: RealFleet) -> None:
    words = tab.locator("figure[data-chart=rssBytes] .words")
    tab.goto("/watchers/dashboard")
    expect(words).to_have_text(re.compile("^now .*, highest"), timeout=DEADLINE_MS)
    fleet.fleet.stop(["dashboard"])
    expect(words).to_have_text(re.compile("^highest"), timeout=DEADLINE_MS)
    fleet.fleet.supervisord.start("dashboard")
    expect(words).to_have_text(re.compile("^now .*, highest"), timeout=DEADLINE_MS)


def test_cancelling_changes_nothing(tab: Page, fleet: RealFleet) -> None:
    pid = fleet.process("analytics").pid
    tab.goto("/")
    row(tab, "analytics").get_by_role("button", name="Restart").click()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_be_hidden()
    row(tab, "analytics").get_by_role("button", name="Restart").click()
    tab.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(tab.get_by_role("dialog")).to_be_hidden()
    assert fleet.process("analytics").pid == pid


LOAD_DETAILS = "Promise.all(['charts', 'log', 'messages'].map((script) => import(`/static/${script}.js`))).then(() => null)"
"""JavaScript that waits for a page's scripts and all that they import. What could not be loaded would be an error of the page."""


def test_the_connection_comes_back_by_itself(tab: Page, fleet: RealFleet) -> None:
    tab.goto("/watchers/dashboard")
    tab.evaluate(LOAD_DETAILS)
    connection = tab.locator("#connection")
    expect(connection).to_have_text("live", timeout=DEADLINE_MS)
    tab.route("**/*", lambda route: route.abort())  # else supervisord may have the agent back before we have looked
    psutil.Process(fleet.process("agent").pid).kill()
    expect(connection).to_have_text("not connected, trying again", timeout=DEADLINE_MS)
    expect(tab.locator("#icon")).to_have_attribute("href", re.compile("icon-off"))
    tab.unroute("**/*")
    expect(connection).to_have_text("live", timeout=DEADLINE_MS)
    expect(tab).to_have_title(re.compile("^dashboard: "), timeout=DEADLINE_MS)


@pytest.mark.parametrize("script", ["uPlot.iife.min.js", "messages.js", "series.js"])
def test_charts_come_when_a_script_could_not_be_loaded_at_first(tab: Page, script: str) -> None:
    """A library, a module, and one that a module imports."""
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    tab.route(f"**/{script}", refuse_once)
    tab.goto("/watchers/dashboard")
    expect(tab.locator("#charts canvas")).to_have_count(6, timeout=DEADLINE_MS)
    assert len(refused) == 1


def test_a_page_without_a_script_that_never_comes_is_left_in_peace(tab: Page) -> None:
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.abort()

    tab.route("**/log.js", refuse)
    tab.goto("/watchers/dashboard")
    for _ in range(3):
        with tab.expect_event("framenavigated", timeout=DEADLINE_MS):
            pass
    expect(tab.locator("#connection")).to_have_text("live", timeout=DEADLINE_MS)
    with pytest.raises(TimeoutError):
        tab.wait_for_event("framenavigated", timeout=2 * 5000)
    assert len(refused) == 4


@pytest.mark.parametrize("path", ["/", "/watchers/dashboard"])
def test_the_first_view_is_small_and_comes_from_the_agent_alone(browser: Browser, url: str, path: str) -> None:
    with watched(browser, url) as tab:
        sizes: dict[str, float] = {}
        foreign: list[str] = []
        network = tab.context.new_cdp_session(tab)
        network.send("Network.enable")
        network.on("Network.loadingFinished", lambda done: sizes.update({done["requestId"]: done["encodedDataLength"]}))
        tab.on("request", lambda request: request.url.startswith(url) or foreign.append(request.url))
        tab.goto(path)
        expect(tab.locator("#connection")).to_have_text("live", timeout=DEADLINE_MS)
        if path != "/":
            expect(tab.locator("#charts canvas")).to_have_count(6, timeout=DEADLINE_MS)
        assert 1000 < sum(sizes.values()) < FIRST_VIEW_BYTES
        assert foreign == []


@pytest.mark.parametrize("path", ["/", "/watchers/dashboard"])
def test_without_javascript_the_numbers_are_there(browser: Browser, url: str, path: str) -> None:
    with watched(browser, url, java_script_enabled=False) as tab:
        tab.goto(path)
        expect(tab.locator("main")).to_contain_text("streaming")
        expect(tab.get_by_role("button", name="Stop")).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/watchers/dashboard"])
def test_a_phone_scrolls_in_one_direction_only(browser: Browser, url: str, path: str) -> None:
    with watched(browser, url, viewport=PHONE, has_touch=True) as tab:
        tab.goto(path)
        expect(tab.locator("#connection")).to_have_text("live", timeout=DEADLINE_MS)
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(browser: Browser, url: str, scheme: Any) -> None:
    with watched(browser, url, color_scheme=scheme) as tab:
        for path in ("/", "/watchers/dashboard"):
            tab.goto(path)
            expect(tab.locator("#connection")).to_have_text("live", timeout=DEADLINE_MS)
            contrasts = tab.evaluate(CONTRASTS)
            assert len(contrasts) > 20
            assert contrasts[0][0] >= SMALLEST_CONTRAST, contrasts[:5]


def test_by_keyboard(tab: Page) -> None:
    tab.goto("/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('nav').getAttribute('aria-label')") == "Watchers by state"
    tab.locator("#by-restarts a").focus()
    tab.keyboard.press("Tab")
    focused = tab.evaluate("document.activeElement.getAttribute('href')")
    assert focused in {"/watchers/analytics", "/watchers/dashboard"}
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    tab.wait_for_url("**" + focused)


def test_durations_are_the_same_words_in_the_browser(tab: Page, rng: Random) -> None:
    seconds = [0, 0.04, 9.94, 10, 59.99, 60, 3600, 86_400, 90_000, *(round(10 ** rng.uniform(-2, 7), 3) for _ in range(200))]
    tab.goto("/")
    shown = tab.evaluate(
        "async (all) => { const w = await import('/static/words.js'); return all.map(w.secondsInWords); }", seconds
    )
    different = [each for each, there in zip(seconds, shown, strict=True) if there != seconds_in_words(each)]
    assert [each for each in different if round(each * 1000) % 100 != 50] == []  # a half may be rounded either way


@pytest.fixture
def closed_agent(browser: Browser, tmp_path: Path) -> Iterator[str]:
    """The URL of an agent that other hosts can reach, of a fleet that does not run."""
    conf_dir = tmp_path / "conf.d"
    for path in (conf_dir, tmp_path / "run"):
        path.mkdir()
    (conf_dir / "agent.toml").write_text(f'host = "0.0.0.0"\nport = 0\ntoken = "{TOKEN}"\n')
    (conf_dir / "shop.toml").write_text(
        'mongodb_uri = "mongodb://localhost/shop"\nkafka_client_id = "shop"\nkafka_brokers = "x:9092"\n'
    )
    command = [sys.executable, "-m", "watcher", "agent", "--config", str(conf_dir)]
    with (tmp_path / "agent.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path) as agent:
        try:
            yield eventually(lambda: find(tmp_path / "run" / "agent.json"), 30) or ""
        finally:
            agent.terminate()


def test_off_the_loopback_the_page_asks_for_the_token(browser: Browser, closed_agent: str) -> None:
    with watched(browser, closed_agent) as tab:
        tab.goto("/watchers/shop")
        expect(tab.get_by_role("heading", level=1)).to_have_text("Token needed")
        assert "streaming" not in tab.content()
        tab.locator("#sign-in-token").fill("not-the-token-at-all")
        tab.keyboard.press("Enter")
        expect(tab.locator("#sign-in-refused")).to_be_visible()
        tab.locator("#sign-in-token").fill(TOKEN)
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("heading", level=1)).to_have_text("shop")
        expect(tab.locator("#connection")).to_have_text("live", timeout=DEADLINE_MS)
        tab.get_by_role("link", name="All watchers").click()
        expect(tab.get_by_role("rowheader", name="shop")).to_be_visible()
