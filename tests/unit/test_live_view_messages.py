"""A message as a line."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.terminal.message_line import plain_line, rich_line
from watcher.terminal.message_text import LONGEST_TEXT, message_text, printable, short_key

HEAD = {"database": "dashboard", "collection": "users", "timestamp": "2024-01-01T12:00:00.000Z", "watcher": "w", "sequence": 3}
KEY = {"_id": "65f0c1a2b3c4d5e6f7a8b9c0"}
INSERT = {**HEAD, "operationType": "insert", "documentKey": KEY, "fullDocument": {**KEY, "name": "Ada", "tags": [1, None]}}
UPDATE = {
    **HEAD,
    "operationType": "update",
    "documentKey": KEY,
    "fullDocument": {**KEY, "name": "Ada"},
    "updateDescription": {
        "updatedFields": {"name": "Ada", "a.b": 1},
        "removedFields": ["old"],
        "truncatedArrays": [{"field": "list", "newSize": 2}],
    },
}
DELETE = {**HEAD, "operationType": "delete", "documentKey": KEY}
RENAME = {**HEAD, "operationType": "rename", "to": {"database": "dashboard", "collection": "people"}, "eventId": "82"}


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (INSERT, 'name: "Ada", tags: [1, null]'),
        (UPDATE, 'name = "Ada", a.b = 1, old removed, list shortened'),
        (DELETE, ""),
        ({**INSERT, "snapshot": "s", "eventId": "s.1"}, '[snapshot] name: "Ada", tags: [1, null]'),
        ({**INSERT, "snapshot": "s", "eventId": "s.1", "fullDocument": KEY}, "[snapshot]"),
        ({**HEAD, "operationType": "snapshotStarted", "snapshot": "s", "reason": "initial"}, 'snapshot: "s", reason: "initial"'),
        (RENAME, 'to: {"database": "dashboard", "collection": "people"}'),
        ({**UPDATE, "updateDescription": None}, ""),
        ({"operationType": "gap", "database": "d", "reason": "lost"}, 'reason: "lost"'),
    ],
)
def test_what(message: dict[str, Any], what: str) -> None:
    assert message_text(message).what == what


@pytest.mark.parametrize(("key", "text"), [("abc", "abc"), (7, "7"), ({"a": 1}, '{"a": 1}'), (None, "null")])
def test_key(key: Any, text: str) -> None:
    assert message_text({**DELETE, "documentKey": {"_id": key}}).key == text


def test_only_long_keys_are_shortened() -> None:
    assert short_key("65f0c1a2b3c4d5e6f7a8b9c0") == "…a8b9c0"
    assert short_key("alice@x.org") == "alice@x.org"


def test_lines() -> None:
    assert plain_line(INSERT) == '2024-01-01T12:00:00.000Z insert  dashboard.users …a8b9c0 name: "Ada", tags: [1, null]'
    assert rich_line(DELETE).plain == "2024-01-01T12:00:00.000Z delete  users 65f0c1a2b3c4d5e6f7a8b9c0"
    assert plain_line({"operationType": "dropDatabase", "database": "d"}) == "dropDatabase d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("größe 😀", "größe 😀"), ("\x1b[31m", "\\x1b[31m"), ("a\nb", "a\\nb"), ("\x9b2J", "\\x9b2J"), ("\u202eabc", "\\u202eabc")],
)
def test_data_cannot_drive_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    everywhere = {**INSERT, "collection": text, "documentKey": {"_id": text}, "fullDocument": {text: text}}
    for line in (plain_line(everywhere), rich_line(everywhere).plain):
        assert line.isprintable()


def test_a_huge_document_stays_a_line() -> None:
    assert len(message_text({**INSERT, "fullDocument": {"t": "x" * 10_000_000}}).what) <= LONGEST_TEXT
