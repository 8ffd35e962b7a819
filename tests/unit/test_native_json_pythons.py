"""The part in C serves each Python, whichever Python's headers it was compiled with.

Headers are not the same: those of 3.12 and 3.13 take None for immortal, and 3.11 counts it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Decimal128
from hypothesis import given, seed, settings

import hatch_build
from tests.support import native_probe
from tests.support.fault_matrix import SEED_VARIABLE
from tests.support.native_part import NEEDS_C
from tests.support.pythons import Python, claimed, find_python
from tests.unit.change_events import change, encoder, prefixes_of, recorded
from tests.unit.random_bson import documents
from watcher.messages.envelopes.generic import generic
from watcher.messages.headers import Headers
from watcher.messages.serializations.avro import AvroSerialization
from watcher.messages.serializations.bson_json import DIALECTS
from watcher.messages.serializations.template import fast_path, template_parts
from watcher.model import Message

pytestmark = pytest.mark.one_python  # it runs all of them itself

ROOT = Path(__file__).parents[2]
DUMPS = DIALECTS["plain"].dumps
GENERIC = generic("dashboard-watcher")
HEADERS = Headers("dashboard-watcher", own=True, cloud_events=True)
ROWS = ("insert", "update", "replace", "delete")

Answer = tuple[Any, ...]


@cache
def python_or_skip(version: str) -> Python:
    python = find_python(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    return python


@pytest.fixture(scope="module", params=claimed())
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part in C, compiled with the headers of each Python in turn."""
    python = python_or_skip(request.param)
    if python.headers is None:
        pytest.skip(f"Python {python.version} has no headers here")
    *_, part = hatch_build.compile_native(ROOT, tmp_path_factory.mktemp("native"), str(python.headers))
    return part


@pytest.fixture(scope="module")
def questions() -> list[tuple[bytes, Answer | None]]:
    """Events and what is to be answered: by Python's own code, or None where the part in C here leaves them to it."""
    events = [recorded()[operation] for operation in ROWS]
    events.append(bson.encode(change("insert", fullDocument={"n": Decimal128("1.1")})))

    @seed(int(os.environ[SEED_VARIABLE]))
    @settings(max_examples=200, deadline=None, database=None)
    @given(documents, documents)
    def draw(document: dict[str, Any], other: dict[str, Any]) -> None:
        update = {"updatedFields": other, "removedFields": [*document]}
        events.append(bson.encode(change("update", fullDocument=document, updateDescription=update)))

    draw()
    return [(event, answer(event)) for event in events]


def answer(event: bytes) -> Answer | None:
    fill = fast_path(GENERIC, DUMPS, "plain", Message)
    if fill is None or not fill([event], 0, 1, 7, 1, native_probe.topic_of)[0]:
        return None
    message = encoder(native=False).encode(event, 7)
    topic, *_ = native_probe.topic_of(message.operation, "dashboard", bson.decode(event)["ns"]["coll"])
    return tuple(message._replace(topic=topic))


@NEEDS_C
@pytest.mark.parametrize("version", claimed())
def test_compiled_with_one_runs_on_the_others(version: str, compiled: Path, questions: list[tuple[bytes, Answer | None]]) -> None:
    command = [python_or_skip(version).path, "-I", native_probe.__file__, compiled]
    avro = AvroSerialization(DIALECTS["plain"], "generic", prefixes_of)
    with_headers = template_parts(GENERIC, DUMPS, headers_of=HEADERS.layout)
    in_avro = template_parts(avro.arranged(GENERIC), DUMPS, headers_of=HEADERS.layout, records=avro.records)
    given = template_parts(GENERIC, DUMPS), [with_headers, in_avro], questions
    done = subprocess.run(command, input=pickle.dumps(given, protocol=4), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (0, "")
