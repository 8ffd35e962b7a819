"""The live view, from values to what stands on the terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from watcher.terminal.live_view import WatcherLine, ago, live_view, status_line, time_of_day
from watcher.terminal.picture import COLUMNS, LINES, picture

NOW = datetime(2024, 1, 1, 12, 0, 0, tzinfo=UTC)
STREAMING = WatcherLine("dashboard", "streaming", 12.34, 0.04, NOW - timedelta(seconds=1.5), 12_345)
SVG = "{http://www.w3.org/2000/svg}"
CELL_WIDTH = 12.2
OPENING = WatcherLine("analytics", "opening")


def message(number: int, **others: Any) -> dict[str, Any]:
    return {
        "operationType": "insert",
        "database": "dashboard",
        "collection": "users",
        "documentKey": {"_id": f"65f0c1{number:018x}"},
        "timestamp": "2024-01-01T12:00:00.000Z",
        "fullDocument": {"_id": f"65f0c1{number:018x}", "number": number},
        **others,
    }


def lines(watchers: Sequence[WatcherLine], messages: Sequence[dict[str, Any]], height: int = 24, width: int = 110) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(live_view(watchers, messages, NOW, height))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_the_whole_view() -> None:
    deleted = message(2, operationType="delete", collection="notifications")
    del deleted["fullDocument"]
    assert lines([STREAMING, OPENING], [message(1), deleted]) == [
        "WATCHER     STATE       EVENTS/S     LAG   LAST EVENT   DELIVERED",
        "dashboard   streaming       12.3   0.0 s    1.5 s ago      12,345",
        "analytics   opening          0.0       -            -           0",
        "",
        "TIME (UTC)    OPERATION  COLLECTION               KEY      WHAT",
        "12:00:00.000  insert     dashboard.users          …000001  number: 1",
        "12:00:00.000  delete     dashboard.notifications  …000002",
    ]


@pytest.mark.parametrize("height", [6, 10, 24])
def test_only_the_latest_messages_that_fit(height: int) -> None:
    shown = lines([STREAMING, OPENING], [message(number) for number in range(100)], height)
    assert len(shown) == height
    assert shown[-1].endswith("number: 99")


def test_a_long_document_takes_one_line() -> None:
    shown = lines([STREAMING], [message(1, fullDocument={"text": "x" * 5000})], width=80)
    assert len(shown) == 5
    assert len(shown[-1]) == 80
    assert shown[-1].endswith("x…")


def test_a_database_can_hold_rich_markup() -> None:
    assert lines([STREAMING], [message(1, fullDocument={"a": "[red]b[/red]"})])[-1].endswith('a: "[red]b[/red]"')


def test_columns_stand_still_when_a_wide_message_has_left() -> None:
    wide = message(0, collection="notifications")
    assert lines([STREAMING], [wide, message(1)], height=5)[-1].index("…000001") == lines([STREAMING], [wide], height=5)[-1].index(
        "…"
    )


def test_status_line() -> None:
    assert status_line([STREAMING, OPENING], NOW) == (
        "dashboard: streaming, 12.3 events/s, lag 0.0 s, last event 1.5 s ago, 12,345 delivered | "
        "analytics: opening, 0.0 events/s, lag -, last event -, 0 delivered"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0.0 s ago"), (0.04, "0.0 s ago"), (59.9, "59.9 s ago"), (60, "1 min ago"), (3599, "59 min ago"), (7300, "2 h ago")],
)
def test_ago(seconds: float, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [("2024-01-01T12:00:00.123Z", "12:00:00.123"), ("+012345-01-01T00:00:00.000Z", "00:00:00.000"), ("?", "?")],
)
def test_time_of_day(timestamp: str, time: str) -> None:
    assert time_of_day(timestamp) == time


def test_picture_is_an_svg_that_asks_no_server() -> None:
    svg = picture([STREAMING], [message(1)], NOW)
    texts = {(element.text or "").strip() for element in ElementTree.fromstring(svg).iter(f"{SVG}text")}
    assert {"WATCHER", "dashboard", "streaming", "12,345", "…000001"} <= texts
    assert "url(http" not in svg.replace('"', "")


def test_picture_is_never_larger_than_it_says() -> None:
    messages = [message(number, fullDocument={"t": "x" * 500}) for number in range(100)]
    drawing = ElementTree.fromstring(picture([STREAMING], messages, NOW))
    lines = {element.attrib["y"] for element in drawing.iter(f"{SVG}text") if "textLength" in element.attrib}
    assert len(lines) <= LINES
    assert max(float(element.attrib.get("textLength", 0)) for element in drawing.iter(f"{SVG}text")) <= COLUMNS * CELL_WIDTH
