"""The operations are named in one place, and what must spell them again agrees with it."""

from __future__ import annotations

import re
from pathlib import Path

from watcher.agent.page.pages import PAGE_DIR
from watcher.config.settings import TOPIC_KEYS
from watcher.messages.envelopes import ENVELOPES
from watcher.operations import BY_TOPIC, OF_A_DATABASE, OPERATIONS, ROW_OPERATIONS, TOPIC_OF
from watcher.terminal.message_line import OPERATION_STYLES


def test_each_operation_has_one_topic() -> None:
    assert len(set(OPERATIONS)) == len(OPERATIONS)
    assert {f"kafka_topic_{topic}" for topic in BY_TOPIC} == set(TOPIC_KEYS)
    assert {TOPIC_OF[operation] for operation in OF_A_DATABASE} == {"control"}


def test_every_envelope_covers_the_row_changes() -> None:
    assert {envelope("shop").values.keys() == set(ROW_OPERATIONS) for envelope in ENVELOPES.values()} == {True}


def test_the_page_and_the_terminal_show_the_row_changes() -> None:
    script = Path(PAGE_DIR / "static" / "charts.js").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^const OPERATIONS = \[(.*)\];$", script, re.MULTILINE)
    assert re.findall(r'"(\w+)"', listed) == [*ROW_OPERATIONS]
    assert OPERATION_STYLES.keys() == set(ROW_OPERATIONS)
