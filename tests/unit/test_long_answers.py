"""A worker that waits for an answer of MongoDB's is not hung, however long the answer takes: after a long pause it searches through
many millions of changes that are no watcher's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument

from tests.support.plain_settings import settings
from tests.support.still_clock import StillClock
from watcher.config import Deployment
from watcher.errors import Outage
from watcher.kafka.lease import Lease
from watcher.kafka.lease_rules import HUNG_SECONDS
from watcher.model import Owner, Position
from watcher.mongodb.client import LONGEST_SECONDS, CommandSession, Questions
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.worker import worker as module
from watcher.worker.previous_run import PreviousRun
from watcher.worker.process import Nudge, StopRequest
from watcher.worker.reporting.progress import Progress
from watcher.worker.worker import Worker

SEARCH_SECONDS = 10 * HUNG_SECONDS


class SlowMongoDB:
    """A client whose every command takes SEARCH_SECONDS, and looks at a lease in the middle."""

    def __init__(self, clock: StillClock, lease: Lease) -> None:
        self.clock = clock
        self.lease = lease
        self.kept: list[bool] = []

    def __getitem__(self, _: str) -> SlowMongoDB:
        return self

    def command(self, *_: Any, **__: Any) -> RawBSONDocument:
        self.clock.now += SEARCH_SECONDS
        self.kept.append(keeps(self.lease))
        return RawBSONDocument(b"\5\0\0\0\0")


def keeps(lease: Lease) -> bool:
    return lease._belongs  # what its thread asks every moment


def test_the_lease_is_kept_while_mongodb_searches() -> None:
    clock = StillClock(0.0)
    questions = Questions(clock)
    lease = Lease(settings(), clock, questions.last_at)
    session = CommandSession(settings())
    session.questions = questions
    session.client = server = SlowMongoDB(clock, lease)  # type: ignore[assignment]  # only what a command needs
    session.command("dashboard", {"getMore": 1})
    assert server.kept == [True]
    clock.now += HUNG_SECONDS - 0.1  # after the answer the main loop has as long as ever
    assert keeps(lease)
    clock.now += 0.1
    assert not keeps(lease)


def test_a_question_that_fails_is_over() -> None:
    clock = StillClock(0.0)
    questions = Questions(clock)
    clock.now = 7.0
    with pytest.raises(Outage), questions.asked():
        raise Outage("MongoDB does not answer.", component="mongodb", code="AutoReconnect")
    clock.now = 9.0
    assert questions.last_at() == 7.0


def test_a_question_without_an_end_is_no_sign_of_life() -> None:
    """A server may answer the driver's heartbeats while its disk stands still."""
    clock = StillClock(0.0)
    questions = Questions(clock)
    with questions.asked():
        clock.now = LONGEST_SECONDS
        assert questions.last_at() == LONGEST_SECONDS
        clock.now += 9.0
        assert questions.last_at() == LONGEST_SECONDS


def test_what_a_worker_asks_is_known_to_its_lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owner, previous, stopping = Owner("9f3c", "host-1", 4711), PreviousRun(), StopRequest()
    questions, made = Questions(), list[Any]()

    def lease_of(*_: Any, waited_at: Any) -> Lease:
        made.append(waited_at)
        return Lease(settings(), waited_at=waited_at)

    def source_of(stream: ResumingStream, *_: Any, **__: Any) -> None:
        made.append(stream.session.questions.last_at)
        raise Outage("MongoDB does not answer.", component="mongodb", code="AutoReconnect")

    monkeypatch.setattr(module, "Lease", lease_of)
    monkeypatch.setattr(module, "source_of", source_of)
    progress = Progress(settings(), owner, previous, lambda: None)
    here = Deployment(tmp_path, tmp_path, tmp_path)
    worker = Worker(settings(high_availability=True), owner, previous, progress, stopping, Nudge(), here, questions)
    monkeypatch.setattr(worker, "_open_sink", lambda: (Position("dashboard", owner), ""))
    with pytest.raises(Outage):
        worker._stream(settings())
    assert made == [questions.last_at, questions.last_at]
