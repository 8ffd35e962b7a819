"""The log on a watcher's page and in the API: which lines are chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_page import Elements, Page, row
from watcher.agent.page import details
from watcher.agent.page.pages import LOG_LEVELS
from watcher.fleet.logs import lines
from watcher.fleet.logs.lines import LEVELS
from watcher.fleet.status import WatcherState
from watcher.terminal.message_text import LONGEST_TEXT

LINES = (
    {"level": "info", "event": "started", "version": "1"},
    {"level": "info", "event": "status", "lag": 1},
    {"level": "warning", "event": "Kafka is away", "broker": "Kafka-1:9092"},
    {"level": "error", "event": "failed", "text": "status"},
)
TRACEBACK = "Traceback: ValueError"


def written(page: Page, *lines: dict[str, Any], more: str = TRACEBACK) -> None:
    texts = [json.dumps({"ts": f"2024-01-01T12:00:{number:02}.000Z", **line}) for number, line in enumerate(lines)]
    (page.deployment.log_dir / "shop.log").write_text("\n".join([*texts, more, ""]))


@pytest.fixture
def page(tmp_path: Path) -> Page:
    page = Page(tmp_path)
    page.show(row("shop", WatcherState.STREAMING))
    written(page, *LINES)
    return page


def events(page: Page, query: str = "") -> list[str]:
    return [line["event"] for line in page.get(f"/api/watchers/shop/log?{query}").json["lines"]]


def shown(page: Page, query: str = "") -> str:
    text = page.get(f"/watchers/shop?{query}").text
    start = text.index('<div id="log">')
    return " ".join(Elements(text[start : text.index('id="settings-title"', start)]).text.split())


def test_status_lines_are_hidden_on_the_page_until_they_are_asked_for(page: Page) -> None:
    assert "lag=1" not in shown(page)
    assert "text=status" in shown(page)  # what only speaks of a status is no status line
    assert TRACEBACK in shown(page)
    assert "lag=1" in shown(page, "status=1")
    assert "status" in events(page)  # programs get what they always got
    assert "status" not in events(page, "status=0")


def test_status_lines_that_are_hidden_are_not_parsed(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes | str] = []
    read = lines.json_object
    monkeypatch.setattr(lines, "json_object", lambda text: parsed.append(text) or read(text))
    written(page, LINES[0], *[LINES[1]] * 30, LINES[2], LINES[1], more=TRACEBACK)
    found = page.get("/api/watchers/shop/log?status=0").json["lines"]
    assert [each["event"] for each in found] == ["started", "Kafka is away", TRACEBACK]
    assert found[2]["at"] == "2024-01-01T12:00:32.000Z"  # of the line before it
    assert len(parsed) < 6


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("level=warning", ["Kafka is away", "failed", TRACEBACK]),
        ("level=error&n=2", ["failed", TRACEBACK]),
        ("search=KAFKA-1", ["Kafka is away"]),
        ("search=valueerror", [TRACEBACK]),
        ("search=kafka&level=error", []),
        ("level=none-such&search=%20", ["started", "status", "Kafka is away", "failed", TRACEBACK]),
    ],
)
def test_level_and_text(page: Page, query: str, found: list[str]) -> None:
    assert events(page, query) == found
    assert all(event in shown(page, f"{query}&status=1") for event in found)


def test_the_form_has_what_was_chosen(page: Page) -> None:
    fields = Elements(page.get("/watchers/shop?level=warning&search=%22%3E%3Cb%3E&status=1").text)
    search, status = (next(each for each in fields.of("input") if each.get("name") == name) for name in ("search", "status"))
    assert search["value"] == '"><b>'
    assert "checked" in status
    assert [option["value"] for option in fields.of("option") if "selected" in option] == ["warning"]
    assert "checked" not in next(
        each for each in Elements(page.get("/watchers/shop").text).of("input") if each.get("name") == "status"
    )
    assert shown(page, "search=nowhere") == "No line of the log matches."


def test_the_log_is_read_again_only_when_it_has_changed(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    before = details.last_lines
    monkeypatch.setattr(details, "last_lines", lambda *arguments: read.append(arguments) or before(*arguments))
    for _ in range(3):
        shown(page, "search=started")
    assert len(read) == 1
    written(page, *LINES, {"level": "info", "event": "started again"})
    assert "started again" in shown(page, "search=started")
    assert len(read) == 2


def test_each_level_can_be_chosen() -> None:
    assert tuple(LOG_LEVELS) == LEVELS


HOSTILE = {
    "half a character in the level": b'{"ts": "2024-01-01T12:00:00Z", "level": "\\ud800", "event": "x"}',
    "a level of any length and kind": b'{"level": {"x": "' + b"x" * 100_000 + b'"}, "event": ["<script>"]}',
    "lists in lists without an end": b"[" * 100_000,
    "objects in objects without an end": b'{"a":' * 100_000,
    "a time beyond the last year": b'{"ts": "9999-12-31T23:59:59-14:00", "level": "info", "event": "x"}',
    "a time before the first year": b'{"ts": "0001-01-01T00:00:00+14:00", "level": "info", "event": "x"}',
    "a number that is none": b'{"ts": 1e400, "event": NaN}',
    "no UTF-8": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_line_keeps_others_from_being_shown(page: Page, line: bytes) -> None:
    usual = b'{"ts": "2024-01-01T12:00:00Z", "level": "info", "event": "usual"}'
    (page.deployment.log_dir / "shop.log").write_bytes(b"\n".join([usual, line, usual, b""]))
    lines = page.get("/api/watchers/shop/log").json["lines"]
    assert [lines[0]["event"], lines[2]["event"]] == ["usual"] * 2
    assert all(len(each["level"]) <= LONGEST_TEXT for each in lines)
    assert shown(page).count("usual") == 2
    assert page.get("/api/watchers/shop/log?level=error").status == 200


def test_a_log_that_cannot_be_read_is_said_to_be(page: Page) -> None:
    log = page.deployment.log_dir / "shop.log"
    log.unlink()
    assert events(page) == []
    log.mkdir()
    assert events(page) == ["the log cannot be read: Is a directory"]
    assert "the log cannot be read: Is a directory" in shown(page)
