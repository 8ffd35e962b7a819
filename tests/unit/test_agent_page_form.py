"""The page's form: hostile texts, what it loads, its size, its landmarks, and who may do something."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.agent_page import (
    EVIL,
    TOKEN,
    Elements,
    Page,
    error,
    row,
    snapshot,
)
from watcher.agent.page.pages import PAGE_DIR
from watcher.agent.page.spark import SPARK_STEPS
from watcher.fleet.status import WatcherState

pytest_plugins = ["tests.support.agent_page_fixtures"]


FIRST_VIEW_BYTES = 120_000


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
    rates: list[float | None] = [float(step * 28 % 44) for step in range(SPARK_STEPS)]
    page.view.history.rates = lambda name, steps=SPARK_STEPS: rates  # type: ignore[method-assign]  # a history nobody waits for
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
