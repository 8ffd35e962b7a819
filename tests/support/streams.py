"""Change streams read in the test's own process, without Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import bson

from watcher.config import Settings
from watcher.model import Batch, Owner, Position, ResumeToken
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.sandbox.mongod import ReplicaSet
from watcher.stream.gaps import Gaps
from watcher.stream.loss_policies import TolerantStream

READ_TIMEOUT_S = 60.0


def stream_settings(mongo: ReplicaSet, database: str, **values: Any) -> Settings:
    """Settings of a watcher that never meets a Kafka."""
    return Settings(name="w", mongodb_uri=mongo.uri(database), kafka_brokers="host:9092", kafka_client_id=f"{database}-w", **values)


@contextmanager
def opened(settings: Settings, token: ResumeToken | None, *, cut_off: bool = False) -> Iterator[TolerantStream]:
    """A worker's own stream, opened after `token`; `cut_off`: as after a connection that was closed."""
    with closing(ResumingStream(settings)) as stream:
        tolerant = TolerantStream(stream, settings, Gaps(None), cut_off=cut_off)
        tolerant.open(Position(settings.database, Owner("test", "host", 1), token))
        yield tolerant


def read_until(stream: TolerantStream, last: Any) -> list[dict[str, Any]]:
    """The events up to one of the document whose `_id` is `last`, as `decoded`."""
    events: list[dict[str, Any]] = []
    deadline = time.monotonic() + READ_TIMEOUT_S
    while time.monotonic() < deadline:
        events += decoded(stream.next())
        if any(id_of(event) == last for event in events):
            return events
    raise AssertionError(f"{last!r} has not come after {[id_of(event) for event in events]}")


def decoded(batch: Batch) -> list[dict[str, Any]]:
    """Its events, each with `missing` where it lacks something."""
    missing = {"missing": [*batch.missing]} if batch.missing else {}
    return [bson.decode(event) | missing for event in batch.events]


def read_after(settings: Settings, token: ResumeToken | None, last: Any, *, cut_off: bool = False) -> list[dict[str, Any]]:
    """As `read_until`, from a stream opened after `token`."""
    with opened(settings, token, cut_off=cut_off) as stream:
        return read_until(stream, last)


def id_of(event: dict[str, Any]) -> Any:
    """Of its document; None where it's about none."""
    return event.get("documentKey", {}).get("_id")
