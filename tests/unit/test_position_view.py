"""`watcherctl position`, as far as it needs no servers: tokens as they are typed, the question, and what is shown."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

from tests.support.terminal import Terminal
from watcher.cli import options
from watcher.cli.delivery.position_choice import Token
from watcher.cli.delivery.position_view import as_document, as_text, plan_as_text
from watcher.config import Settings
from watcher.kafka.position import Saved, Stamp
from watcher.model import Owner, Position
from watcher.oplog import Oplog
from watcher.position.history import PositionChange
from watcher.position.look import Look

NOON = {"_data": "826592A940000000012B0229296E04"}
ONE = {"_data": "826592B750000000012B0229296E04"}
NOON_SECONDS = 1_704_110_400
A_DAY = Oplog(NOON_SECONDS - 86_400, size=100, max_size=100)
OWNER = Owner("9f3c", "host-1", 4711)
SETTINGS = Settings(
    name="dashboard", mongodb_uri="mongodb://h/dashboard", kafka_brokers="h:9092", kafka_client_id="dashboard-watcher"
)
UNDONE = PositionChange("2024-01-01T13:00:00.000Z", "ada@host-1", "rewind to 2024-01-01T12:00:00.000Z", ONE, NOON)
SEEN = Look(Saved(Position("dashboard", OWNER, NOON, 1_000_001), Stamp(OWNER)), "", (UNDONE,))


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (NOON["_data"], NOON),
        (json.dumps(NOON), NOON),
        ('{"_data": "8265F0C1A2", "_typeBits": {"$binary": "", "$type": "0"}}', None),
    ],
)
def test_a_token_as_it_is_typed(text: str, token: dict[str, str] | None) -> None:
    assert Token().convert(text, None, None) == (token or {"_data": "8265F0C1A2", "_typeBits": b""})


@pytest.mark.parametrize("text", ["", "noon", "abc", "abcd", "{", "{}", '{"_data": 5}', '{"_data": "xyz"}', "[1]"])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(click.BadParameter, match="eventId"):
        Token().convert(text, None, None)


def test_the_event_id_of_a_copied_document_is_no_token() -> None:
    with pytest.raises(click.BadParameter, match="a snapshot has copied"):
        Token().convert("snapshot-20240101T120000Z-0a1b2c.17", None, None)


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_it_asks(answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert options.agreed() is agreed


def test_elsewhere_it_wants_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(click.UsageError, match="--yes"):
        options.agreed()


def test_what_is_shown() -> None:
    document = as_document(SETTINGS, SEEN, NOON_SECONDS + 60, A_DAY)
    assert (document["headroomSeconds"], document["behindSeconds"], document["sequence"]) == (86_400, 60, 1_000_001)
    assert document["history"][0]["before"] == {"time": "2024-01-01T13:00:00.000Z", "token": ONE}
    text = as_text(SETTINGS, SEEN, NOON_SECONDS + 60, A_DAY)
    for words in (
        "headroom  1d\n",
        "behind    1m\n",
        "process 4711 on host-1",
        "ada@host-1",
        NOON["_data"],
        "dashboard-watcher.position",
    ):
        assert words in text


def test_until_the_oplog_is_full_the_headroom_is_more_than_that() -> None:
    roomy = replace(A_DAY, size=10)
    assert "headroom  more than 1d\n" in as_text(SETTINGS, SEEN, NOON_SECONDS + 60, roomy)
    assert as_document(SETTINGS, SEEN, NOON_SECONDS + 60, roomy)["oplogFull"] is False


def test_what_is_wrong_with_a_position_stands_beside_it_with_what_to_do() -> None:
    lost = replace(SEEN, fault="MongoDB no longer holds it.", hint="Reset it.")
    text = as_text(SETTINGS, lost, None, None)
    for words in (NOON["_data"], "fault     MongoDB no longer holds it.\n", "hint      Reset it.\n"):
        assert words in text


def test_every_key_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "position.md").read_text(encoding="utf-8")
    document = as_document(SETTINGS, SEEN, NOON_SECONDS, A_DAY)
    assert {key for key in (*document, *document["history"][0], *document["owner"]) if f"`{key}`" not in text} == set()


def test_what_is_not_known_is_shown_as_that() -> None:
    nothing = Look(Saved(), "", ())
    document = as_document(SETTINGS, nothing, None, None)
    assert [document[key] for key in ("position", "sequence", "headroomSeconds", "behindSeconds", "owner")] == [None] * 5
    assert "none yet" in as_text(SETTINGS, nothing, None, None)
    assert "gibberish" in as_text(SETTINGS, Look(Saved(), "gibberish", ()), None, None)


@pytest.mark.parametrize(
    ("seen", "target", "words"),
    [(SEEN, ONE, "not delivered"), (Look(Saved(Position("d", OWNER, ONE, 1), Stamp(OWNER)), "", ()), NOON, "delivered again"),
     (Look(Saved(), "", ()), NOON, "not begun yet"), (Look(Saved(), "gibberish", ()), NOON, "an unknown place: gibberish"),
     (Look(Saved(), "gone", ()), NOON, "What came after it is delivered, also what was delivered before")],
)  # fmt: skip
def test_the_plan_says_what_it_means(seen: Look, target: dict[str, str], words: str) -> None:
    assert words in plan_as_text(SETTINGS, seen, target, "set")
