"""Messages as Node reads them: the plain dialect is written for it."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

import bson
import pytest
from bson import DatetimeMS
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings

from tests.support.javascript import as_doubles
from tests.support.programs import find_program
from tests.unit.bson_types import TYPES
from tests.unit.change_events import change, encoder, recorded
from tests.unit.random_bson import documents
from watcher.iso_time import LATEST_MS, iso_time
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.model import Message

pytestmark = pytest.mark.one_python  # Node's view

READ_LINES = "require('fs').readFileSync(0, 'utf8').trimEnd().split('\\n')"


@pytest.fixture(scope="module")
def node() -> str:
    return find_program("node")


def run(node: str, expression: str, lines: list[str]) -> list[str]:
    """One line of output for each of `lines`, made by the JavaScript `expression` over `line`."""
    script = f"console.log({READ_LINES}.map(line => {expression}).join('\\n'))"
    done = subprocess.run(
        [node, "-e", script], input="\n".join(lines), capture_output=True, encoding="utf-8", check=True, timeout=60
    )
    return done.stdout.removesuffix("\n").split("\n")


def test_dates_are_those_of_to_iso_string(node: str) -> None:
    chance = random.Random(1)
    dates = [chance.randint(-LATEST_MS, LATEST_MS) for _ in range(10_000)]
    dates += [chance.randint(-(10**14), 10**14) for _ in range(10_000)]
    dates += [LATEST_MS, -LATEST_MS, 0, -1, -62_167_219_200_000, -62_167_219_200_001, 253_402_300_799_999, 253_402_300_800_000]
    assert run(node, "new Date(+line).toISOString()", [str(ms) for ms in dates]) == [iso_time(ms) for ms in dates]


def test_dates_beyond_javascript_are_null_there_too(node: str) -> None:
    lines = [str(LATEST_MS + 1), str(-LATEST_MS - 1)]
    assert run(node, "JSON.stringify(new Date(+line))", lines) == [json.dumps(iso_time(int(line))) for line in lines]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_json_parse_reads_every_type(node: str, dialect: str) -> None:
    events = [bson.encode(change("insert", fullDocument=RawBSONDocument(sample.document))) for sample in TYPES]
    assert_json_parse_reads(node, [encoder(json_format=dialect).encode(event, 1) for event in [*events, *recorded().values()]])


def test_json_parse_reads_random_documents(node: str) -> None:
    messages: list[Message] = []

    @settings(deadline=None, max_examples=300, database=None)
    @given(documents)
    def collect(document: dict[str, Any]) -> None:
        messages.append(encoder().encode(bson.encode(change("insert", fullDocument=document)), 1))

    collect()
    assert_json_parse_reads(node, messages)


def test_date_reads_back(node: str) -> None:
    ms = 1_704_110_400_123
    line = DIALECTS["plain"].dumps({"at": DatetimeMS(ms)}).decode()
    assert run(node, "new Date(JSON.parse(line).at).getTime()", [line]) == [str(ms)]


def assert_json_parse_reads(node: str, messages: list[Message]) -> None:
    lines = [message.value.decode() for message in messages]
    written = run(node, "JSON.stringify(JSON.parse(line))", lines)
    assert [as_doubles(json.loads(line)) for line in written] == [as_doubles(json.loads(line)) for line in lines]
