"""`watcherctl` that dies at a named point of its takeover, as by kill -9: `python failing_command.py POINT SECONDS position set …`.

As `failing_worker.py` does, this puts a producer of its own in the place of confluent_kafka's. SECONDS is how long others leave its
claim alone; its claim says so.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from enum import StrEnum
from typing import Any

from confluent_kafka import Producer

from tests.support.failing_worker import FLUSH_SECONDS, KILLED
from watcher.kafka import ownership, sink
from watcher.kafka.transactions import writer as kafka_writer

CLAIM_SECONDS = 2
"""Long enough to see that the claim is left alone, and not to wait longer than that."""

CLAIM, CHANGE = 1, 2
"""The transactions of a command, in their order."""


class CommandPoint(StrEnum):
    """Point in a takeover where it happens."""

    AFTER_FENCE = "after-fence"
    DURING_CLAIM = "during-claim"
    AFTER_CLAIM = "after-claim"
    BEFORE_COMMIT = "before-commit"
    DURING_COMMIT = "during-commit"
    AFTER_COMMIT = "after-commit"


def program(point: CommandPoint, claim_seconds: int = CLAIM_SECONDS) -> tuple[str, ...]:
    """Make the arguments for Python; -P keeps the modules beside this one off the path."""
    return ("-P", __file__, point, str(claim_seconds))


class DyingProducer(Producer):
    """A producer that ends the process."""

    point: CommandPoint
    _transactions = 0

    def init_transactions(self, *arguments: Any) -> None:
        super().init_transactions(*arguments)
        DyingProducer._transactions = 0  # a command that was fenced by a starting worker begins again
        _die_at(CommandPoint.AFTER_FENCE)

    def commit_transaction(self, *arguments: Any) -> None:
        DyingProducer._transactions += 1
        during, after = DURING_AND_AFTER[DyingProducer._transactions]
        self.flush(FLUSH_SECONDS)
        if self._transactions == CHANGE:
            _die_at(CommandPoint.BEFORE_COMMIT)
        if self.point is during:
            threading.Thread(target=_die_in_a_moment).start()
        super().commit_transaction(*arguments)
        _die_at(after)


DURING_AND_AFTER = {
    CLAIM: (CommandPoint.DURING_CLAIM, CommandPoint.AFTER_CLAIM),
    CHANGE: (CommandPoint.DURING_COMMIT, CommandPoint.AFTER_COMMIT),
}


def _die_at(point: CommandPoint) -> None:
    if DyingProducer.point is point:
        os._exit(KILLED)


def _die_in_a_moment() -> None:
    """A commit takes some milliseconds; how many of them pass is up to the process id, so that it differs from time to time."""
    time.sleep(os.getpid() % 8 / 1000)
    os._exit(KILLED)


def main() -> None:
    """Take our own arguments away, and be `watcherctl`."""
    _, point, claim_seconds, *arguments = sys.argv
    DyingProducer.point = CommandPoint(point)
    ownership.COMMAND_SECONDS = sink.COMMAND_SECONDS = int(claim_seconds)
    kafka_writer.Producer = DyingProducer  # type: ignore[misc]  # the point of this module
    sys.argv = ["watcherctl", *arguments]

    from watcher.cli import main as watcherctl

    watcherctl()


if __name__ == "__main__":
    main()
