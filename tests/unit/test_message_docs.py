"""docs/message-format.md says what the encoder does: its examples, its table of types and its topic names."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import bson
import pytest

from tests.unit.bson_types import TYPES
from tests.unit.change_events import EVENT_ID, NOON_MS, change, encoder, recorded
from watcher.config.mongodb.scope import Scope
from watcher.config.topics.name import escape
from watcher.messages.dead_letters import FOR_KAFKA, REASONS
from watcher.messages.envelopes.generic import FIELDS
from watcher.model import Message, Notice
from watcher.position.change import notice_of
from watcher.position.history import PositionChange
from watcher.snapshot import plan
from watcher.stream.loss_policies import gap_notice

TEXT = (Path(__file__).parents[2] / "docs" / "message-format.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^### (\w+)\n.*?```json\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL))
ORDER = ("insert", "update", "replace", "delete", "rename", "drop", "dropDatabase", "invalidate")
TOO_MUCH = 1000
NOON = {"_data": "826592A940000000012B0229296E04"}
AN_HOUR_LATER = {"_data": "826592B750000000012B0229296E04"}
REWIND = PositionChange("2024-01-01T14:00:00.000Z", "ada@host-1", "rewind to 2024-01-01T12:00:00.000Z", AN_HOUR_LATER, NOON)


def examples() -> dict[str, Message]:
    """The recorded events in their order, then a gap, a rewind, a snapshot and an event that was too large."""
    events = recorded()
    messages = {operation: encoder().encode(events[operation], 1042 + number) for number, operation in enumerate(ORDER)}
    gap = gap_notice("MongoDB no longer has the changes after the saved position.", {"_data": EVENT_ID}, AN_HOUR_LATER)
    messages["gap"] = encoder().control(gap.operation, timestamp_ms=gap.timestamp_ms, sequence=1050, **gap.fields)
    rewind = notice_of(REWIND)
    messages["rewind"] = encoder().control(rewind.operation, timestamp_ms=rewind.timestamp_ms, sequence=1_000_001, **rewind.fields)
    for number, notice in enumerate(snapshot_notices()):
        messages[notice.operation] = encoder().control(notice.operation, timestamp_ms=NOON_MS, sequence=1 + number, **notice.fields)
    large = bson.encode(change("insert", fullDocument={"text": "x" * TOO_MUCH}))
    messages["truncated"], messages["deadLetter"] = encoder().messages_for(large, 1051, lambda topic: TOO_MUCH)
    return messages


def snapshot_notices() -> list[Notice]:
    """The control messages of a snapshot, and that of another one that is aborted."""
    filters = {"orders": '{"open": true}'}
    begun = replace(plan.begun("initial", "insert", ["users", "orders"], filters), id="snapshot-20240101T120000Z-0a1b2c")
    snapshot, started = plan.announced(begun, 1)
    snapshot = replace(snapshot, collection="users", in_collection=1200, documents=1200)
    _, collection_completed = plan.collection_completed(snapshot, Scope("dashboard"))
    _, completed = plan.ended(replace(snapshot, documents=1250), "completed")
    _, aborted = plan.ended(snapshot, "aborted", "changes are missing")
    return [started, collection_completed, completed, aborted]


def cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under `heading`, without its own."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [cells(line) for line in section.splitlines() if line.startswith("|")][2:]


def test_there_is_one_example_for_each_kind() -> None:
    assert EXAMPLES.keys() == examples().keys()


@pytest.mark.parametrize(("kind", "message"), examples().items())
def test_example(kind: str, message: Message) -> None:
    assert EXAMPLES[kind] == json.dumps(json.loads(message.value), indent=2, ensure_ascii=False) + "\n"


def test_types() -> None:
    rows = {name: texts for name, *texts in table("Types")}
    assert rows == {sample.name: [sample.plain, sample.extended, sample.strict] for sample in TYPES}


def test_fields_in_the_order_of_the_table() -> None:
    documented = [name for name, *_ in table("Fields")]
    for message in examples().values():
        if message.topic != "database.control":
            written = list(json.loads(message.value))
            assert written == [name for name in documented if name in written]
    assert [*FIELDS] == documented


def test_escapes() -> None:
    rows = {name: escaped for name, escaped in table("Topics") if escaped != "written as"}
    assert rows
    assert rows == {name: escape(name) for name in rows}


def test_the_reason_of_a_dead_letter_is_told_as_it_is() -> None:
    assert REASONS[FOR_KAFKA] in TEXT
