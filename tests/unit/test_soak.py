"""Checks that `make soak` notices what it is there to notice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import orjson
import pytest
from confluent_kafka import Message
from pymongo.database import Database

from benchmarks.soak import compared
from benchmarks.soak_audience import reduced
from benchmarks.soak_load import SizedOracle
from benchmarks.soak_samples import Memory, Sample, per_second
from tests.support.oracle import Oracle


def samples(*rss_mb: float, peak_mb: float = 100.0) -> list[Sample]:
    return [Sample(at, rss, peak_mb, 0.0, 100 * at) for at, rss in enumerate(rss_mb)]


@pytest.mark.parametrize(
    ("rss_mb", "peak_mb", "complaints"),
    [
        ([10, 20, 60, 62, 60, 60, 65, 60, 66], 100.0, 0),  # what is filled in the first third does not count
        ([60, 60, 60, 60, 60, 60, 67, 67, 67], 100.0, 1),
        ([60, 60, 60, 60, 60, 60, 50, 50, 50], 100.0, 1),
        ([60, 60, 60, 60, 60, 60, 140, 60, 60], 100.0, 0),  # one large document does not make a trend
        ([60, 60, 60, 60, 60, 60, 60, 60, 60], 151.0, 1),
        ([60, 60, 60, 60, 60, 60, 70, 70, 70], 151.0, 2),
    ],
)
def test_memory_must_be_flat_and_bounded(rss_mb: list[float], peak_mb: float, complaints: int) -> None:
    assert len(Memory.of(samples(*rss_mb, peak_mb=peak_mb)).faults()) == complaints


def test_throughput_is_counted_between_samples() -> None:
    assert per_second(samples(1, 1, 1)) == [100, 100]


def message(sequence: int, **value: Any) -> Message:
    """As the consumer gives it."""
    value |= {"sequence": sequence, "collection": "files", "fullDocument": value.get("fullDocument")}
    value = {name: field for name, field in value.items() if field is not None}
    stub = create_autospec(Message, instance=True)
    stub.configure_mock(
        **{"value.return_value": orjson.dumps(value), "topic.return_value": "steady.changes", "partition.return_value": 0}
    )
    stub.configure_mock(**{"offset.return_value": sequence, "key.return_value": b"1", "timestamp.return_value": (1, 0)})
    return stub


def insert(sequence: int, identity: str, **more: Any) -> Message:
    return message(sequence, operationType="insert", eventId=f"82{sequence:04}", documentKey={"_id": identity}, **more)


def dead_letter(sequence: int) -> Message:
    about = {"sequence": sequence - 1, "documentKey": {"_id": "large-1"}}
    return message(sequence, operationType="deadLetter", about=about, truncated=["fullDocument"])


SMALL = insert(1, "small", fullDocument={"n": 1, "payload": "x"})
LARGE = insert(2, "large-1", truncated=["fullDocument"])


@pytest.fixture
def oracle() -> Oracle:
    """One that has written a small and a large document."""
    database = create_autospec(Database, instance=True)
    database.with_options.return_value = {"files": SimpleNamespace(insert_one=lambda document: None)}
    written = SizedOracle(database, rng=SimpleNamespace(random=lambda: 1.0))  # type: ignore[arg-type]
    written.insert("files", "small")
    written.insert("files", "large-1")
    return written


def test_all_is_well_when_everything_has_come(oracle: SizedOracle) -> None:
    assert compared(oracle, [reduced(each) for each in (SMALL, LARGE, dead_letter(3))]) == []


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([SMALL], "lost"),
        ([SMALL, LARGE], "without a dead letter"),
        ([SMALL, LARGE, insert(3, "small", fullDocument={"n": 1})], "doubled"),
        ([LARGE, dead_letter(3)], "sequence"),
    ],
)
def test_what_is_wrong_is_told(oracle: SizedOracle, messages: list[Message], complaint: str) -> None:
    assert complaint in " ".join(compared(oracle, [reduced(each) for each in messages]))


def test_only_what_tells_the_write_is_kept() -> None:
    assert "payload" not in str(reduced(SMALL).json)
