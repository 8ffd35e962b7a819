"""`watcher` with a fault at a named point of its n-th transaction: `python failing_worker.py POINT N ACTION run NAME …`.

Production code has no fail points; this puts a producer of its own in the place of confluent_kafka's. Only transactions that carry
messages count. POINT is one of `Point`, ACTION is `die` (as by kill -9) or `pause` (as by SIGSTOP).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from enum import StrEnum
from typing import Any

from confluent_kafka import Producer

from watcher.kafka.position import CLAIM_KEY, POSITION_KEY
from watcher.kafka.transactions import writer as kafka_writer

KILLED = 137
FLUSH_SECONDS = 10.0
SCRIPT = __file__


class Point(StrEnum):
    """Point in a transaction where it happens. At each point, all that was produced before has reached the broker."""

    AFTER_PRODUCE = "after-produce"
    BEFORE_POSITION = "before-position"
    AFTER_POSITION = "after-position"
    DURING_COMMIT = "during-commit"
    AFTER_COMMIT = "after-commit"


def program(point: Point, transaction: int, action: str = "die") -> tuple[str, ...]:
    """For `WorkerProcess.program`: -P keeps the modules beside this one off the path."""
    return ("-P", SCRIPT, point, str(transaction), action)


class FailingProducer(Producer):
    """A producer that fails once."""

    point: Point
    transaction: int
    action: str
    _seen = 0
    _messages = 0

    def begin_transaction(self, *arguments: Any) -> None:
        super().begin_transaction(*arguments)
        FailingProducer._messages = 0

    def produce(self, topic: str, value: bytes, key: bytes | None = None, *options: Any) -> None:
        is_position = key == POSITION_KEY and FailingProducer._messages > 0
        if is_position:
            FailingProducer._seen += 1
            self._reach(Point.BEFORE_POSITION)
        super().produce(topic, value, key, *options)
        if is_position:
            self._reach(Point.AFTER_POSITION)
        elif key not in (POSITION_KEY, CLAIM_KEY):
            FailingProducer._messages += 1
            self._reach(Point.AFTER_PRODUCE, ahead=1)

    def commit_transaction(self, *arguments: Any) -> None:
        if self._is_due(Point.DURING_COMMIT):
            self.flush(FLUSH_SECONDS)
            threading.Thread(target=self._fail_in_a_moment).start()
        super().commit_transaction(*arguments)
        self._reach(Point.AFTER_COMMIT)

    def _reach(self, point: Point, ahead: int = 0) -> None:
        """`ahead` transactions are not counted yet."""
        if self._is_due(point, ahead):
            self.flush(FLUSH_SECONDS)
            self._fail()

    def _is_due(self, point: Point, ahead: int = 0) -> bool:
        return self.point == point and FailingProducer._messages > 0 and FailingProducer._seen + ahead == self.transaction

    def _fail_in_a_moment(self) -> None:
        """A commit takes some milliseconds; how many of them pass is up to the process id, so that it differs from time to time."""
        time.sleep(os.getpid() % 8 / 1000)
        self._fail()

    def _fail(self) -> None:
        if self.action == "die":
            os._exit(KILLED)
        FailingProducer.transaction = 0  # once
        os.kill(os.getpid(), signal.SIGSTOP)


def main() -> None:
    """Take our own arguments away, and be `watcher`."""
    _, point, transaction, action, *arguments = sys.argv
    FailingProducer.point, FailingProducer.transaction, FailingProducer.action = Point(point), int(transaction), action
    kafka_writer.Producer = FailingProducer  # type: ignore[misc]  # the point of this module
    sys.argv = ["watcher", *arguments]

    from watcher.cli import main as watcher

    watcher()


if __name__ == "__main__":
    main()
