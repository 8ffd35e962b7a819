"""Messages and log of a watcher in a browser: drawer, filters, pausing, the link. Kafka is stood in for; test_page has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.integration.test_page import CONTRASTS, PHONE, SMALLEST_CONTRAST
from tests.support.accessibility import accessibility_faults
from tests.support.agent_page import Page, row
from tests.support.page_tabs import tabs
from tests.unit.test_agent_single import UPDATE, message
from watcher.consumer.delivered import DeliveredMessage, Message
from watcher.consumer.reading import reader, single
from watcher.consumer.reading.single import SingleMessage
from watcher.fleet.status import WatcherState

LONG = "a-name-that-is-far-too-long-for-the-width-of-a-telephone." * 3


class Kafka:
    """Messages of one partition, the newest last; `readings` counts how often they were read."""

    def __init__(self) -> None:
        self.readings = 0
        self.found: list[dict[str, Any]] = []
        for number, operation in enumerate(("insert", "update", "delete")):
            self.add(operation, users=number)

    def add(self, operation: str, **fields: Any) -> None:
        collection, key = next(iter(fields.items()))
        number = len(self.found) + 1
        self.found.append(
            {**UPDATE, "operationType": operation, "collection": collection, "documentKey": {"_id": key}, "sequence": number}
        )

    def last(
        self, count: int, wants: Callable[[Message], bool], *, shrink: Callable[..., DeliveredMessage], most_bytes: int
    ) -> list[Any]:
        self.readings += 1
        places = enumerate(self.found)
        return [shrink(DeliveredMessage(("shop.users", 0), b"", each, place)) for place, each in places if wants(each)][-count:]

    def single(self, settings: Any, partition: Any, offset: int) -> SingleMessage | None:
        return message({**self.found[offset], "long": LONG}) if offset < len(self.found) else None


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    stand_in = Kafka()

    class Reader:
        found_all = True
        last = staticmethod(stand_in.last)

        def __init__(self, settings: Any) -> None:
            pass

        def __enter__(self) -> Reader:
            return self

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(reader, "MessageReader", Reader)
    monkeypatch.setattr(single, "read_single", stand_in.single)
    return stand_in


@pytest.fixture
def shown(tmp_path: Path, kafka: Kafka) -> Page:
    page = Page(tmp_path)
    page.show(row("shop", WatcherState.STREAMING, sequence=len(kafka.found)))
    return page


@pytest.fixture
def open_tab(browser: Browser, shown: Page) -> Iterator[Callable[..., Tab]]:
    with tabs(browser, shown.app, has_kafka=True) as opened:
        yield opened


def rows(tab: Tab) -> Any:
    return tab.locator("#messages tbody tr")


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"color_scheme": "light", "viewport": PHONE}], ids=["dark", "phone"])
def test_a_row_opens_into_a_drawer_by_keyboard(open_tab: Callable[..., Tab], options: dict[str, Any]) -> None:
    tab = open_tab("/watchers/shop", **options)
    link = rows(tab).nth(1).get_by_role("link")
    link.press("Enter")
    drawer = tab.get_by_role("dialog", name="Message")
    expect(drawer.get_by_role("heading", level=2)).to_have_text("update in users")
    expect(drawer).to_contain_text('address.city"Lodz""Łódź"')
    shown = orjson.loads(drawer.get_by_label("Value as JSON").inner_text())
    assert shown["documentKey"] == {"_id": 1}
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert tab.evaluate("(drawer) => drawer.scrollWidth <= drawer.clientWidth", drawer.element_handle())
    assert tab.evaluate(CONTRASTS)[0][0] >= SMALLEST_CONTRAST
    assert accessibility_faults(tab) == []
    tab.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(link).to_be_focused()


def test_its_link_leads_to_the_same_without_javascript(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/watchers/shop")
    rows(tab).nth(1).locator("td.what").click()
    href = tab.get_by_role("dialog").get_by_role("link", name="Link to this message").get_attribute("href") or ""
    plain = open_tab(href, java_script_enabled=False)
    expect(plain.locator("article h2")).to_have_text("update in users")
    expect(plain.get_by_role("link", name="shop", exact=True)).to_have_attribute("href", "/watchers/shop")
    again = open_tab(href)
    asked: list[str] = []
    again.on("request", lambda request: asked.append(request.url))
    again.reload()
    expect(again.locator("html")).to_have_class("js")
    assert accessibility_faults(again) == []
    assert not [url for url in asked if "/api/" in url]  # what is in Kafka does not change
    tab.get_by_role("button", name="Close").click()
    expect(tab.get_by_role("dialog")).to_be_hidden()


def test_the_json_is_copied(open_tab: Callable[..., Tab]) -> None:
    tab = open_tab("/watchers/shop")
    rows(tab).first.get_by_role("link").click()
    tab.evaluate("document.addEventListener('copy', (event) => (window.copied = getSelection().toString() || event.target.value))")
    tab.get_by_role("button", name="Copy JSON").click()
    expect(tab.locator("#notice")).to_have_text("Copied.")
    assert orjson.loads(tab.evaluate("window.copied"))["operationType"] == "delete"


def test_messages_are_filtered(open_tab: Callable[..., Tab], kafka: Kafka) -> None:
    kafka.add("insert", orders="x-7")
    tab = open_tab("/watchers/shop")
    expect(rows(tab)).to_have_count(4)
    assert tab.locator("#message-collections option").evaluate_all("all => all.map(each => each.value)") == ["orders", "users"]
    tab.get_by_label("Operation", exact=True).select_option("insert")
    expect(rows(tab)).to_have_count(2)
    tab.get_by_label("Key", exact=True).fill("x-7")
    expect(rows(tab)).to_have_count(1)
    tab.get_by_label("Collection", exact=True).fill("nowhere")
    expect(tab.locator("#messages-note")).to_have_text("No message matches.")
    tab.get_by_label("Key", exact=True).fill("")
    tab.get_by_label("Collection", exact=True).fill("users")
    expect(rows(tab)).to_have_count(1)


def test_whoever_pauses_is_told_of_newer_ones_and_gets_them_later(open_tab: Callable[..., Tab], shown: Page, kafka: Kafka) -> None:
    tab = open_tab("/watchers/shop")
    expect(rows(tab)).to_have_count(3)
    tab.locator("#follow-messages").uncheck()
    kafka.add("insert", users=99)
    shown.show(row("shop", WatcherState.STREAMING, sequence=4))
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # asks for the page again
    expect(tab.locator("#messages-note")).to_have_text("Paused; 1 newer.")
    expect(rows(tab)).to_have_count(3)
    assert kafka.readings == 1
    rows(tab).nth(1).get_by_role("link").focus()
    tab.locator("#follow-messages").evaluate("(box) => box.click()")  # leaves the focus where it is
    expect(rows(tab)).to_have_count(4)
    expect(rows(tab).nth(2).get_by_role("link")).to_be_focused()  # the same message as before
    expect(tab.locator("#messages-note")).to_be_hidden()


def test_the_log_is_searched_and_followed(open_tab: Callable[..., Tab], shown: Page) -> None:
    log = shown.deployment.log_dir / "shop.log"
    log.write_text('{"level": "info", "event": "started"}\n{"level": "warning", "event": "Kafka is away"}\n')
    tab = open_tab("/watchers/shop")
    tab.keyboard.press("/")
    tab.keyboard.type("kafka")
    lines = tab.locator("#log tbody tr")
    expect(lines).to_have_count(1)
    expect(tab).to_have_url(re.compile(r"/watchers/shop\?search=kafka$"))
    tab.locator("#follow-log").uncheck()
    log.write_text(log.read_text() + '{"level": "error", "event": "Kafka is still away"}\n')
    with tab.expect_response("**/watchers/shop?search=kafka"):
        tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # asks for the page again
    expect(lines).to_have_count(1)
    tab.locator("#follow-log").check()
    expect(lines).to_have_count(2)
    tab.get_by_label("Level").select_option("error")
    expect(lines).to_have_text([re.compile("Kafka is still away")])
