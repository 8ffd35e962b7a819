"""Calls the handlers with messages, one by one or in batches, and keeps account of the messages that are done."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass

from confluent_kafka import Message as Record

from watcher.consumer.change import NO_OFFSET, Change, Gap, gap_before
from watcher.consumer.delivered import Partition
from watcher.consumer.delivery.attempts import TURN_SECONDS, Attempts, Call
from watcher.consumer.delivery.batches import Batches, HandlerBatch
from watcher.consumer.delivery.dead_letters import DeadLetters
from watcher.consumer.delivery.redelivery import RedeliveryWindow
from watcher.consumer.errors import ForeignMessage, HandlerFailed
from watcher.consumer.offsets.handled import Offsets
from watcher.consumer.options import ConsumerOptions
from watcher.consumer.registration.routes import REMEMBERED, Routes
from watcher.decoding.message import UnknownMessage
from watcher.operations import TOMBSTONE

_log = logging.getLogger("watcher.consumer")


@dataclass(slots=True)
class ConsumerCounts:
    """ConsumerCounts of the messages since the start, by what was done with them."""

    handled: int = 0
    repeated: int = 0
    unrouted: int = 0
    foreign: int = 0
    dead_lettered: int = 0


class Dispatcher:
    """Takes a message when it is its turn, up to the point where its offset may be committed."""

    def __init__(
        self,
        routes: Routes,
        options: ConsumerOptions,
        offsets: Offsets,
        dead_letters: DeadLetters,
        attempts: Attempts,
    ) -> None:
        self.counts = ConsumerCounts()
        self._routes = routes
        self._options = options
        self._offsets = offsets
        self._dead_letters = dead_letters
        self._attempts = attempts
        self._redeliveries = RedeliveryWindow(options.redelivery_window)
        self._batches = Batches()
        self._missing: dict[tuple[Partition, int], str] = {}
        self._passed_over: set[tuple[str | None, str]] = set()

    def is_repeated(self, change: Change) -> bool:
        """True if the same message was handled already, or waits in a batch."""
        return self._redeliveries.has(change) or self._batches.has(change)

    def missing_before(self, change: Change, reason: str) -> None:
        """Report a gap before this message when its turn comes."""
        place = (change.source, change.offset)
        self._missing[place] = f"{self._missing[place]}; {reason}" if place in self._missing else reason

    def take(self, change: Change) -> None:
        """Take a message whose turn it is. Raises HandlerFailed, DeadLetterFailed or Stopped, and passes on an exception with which
        a handler ends the process, such as SystemExit.
        """
        if self._missing and (reason := self._missing.pop((change.source, change.offset), None)):
            self._tell(gap_before(change, reason))
            if not self._offsets.ours([change]):
                return
        if change.operation == TOMBSTONE:  # handlers have had the delete
            self._offsets.handled(change.source, change.offset)
            return
        if self.is_repeated(change):
            self.counts.repeated += 1
            self._offsets.handled(change.source, change.offset)
            return
        route = self._routes.find(change)
        if (earlier := self._batches.before(change, route)) and not self._flush_before(earlier, change):
            return
        if change.operation == "gap":
            _log.warning("%s: changes are missing: %s", change.watcher, Gap.of(change).reason)
        if route is None:
            self._pass_over(change)
        elif not route.batch_size:
            self._call(route.handler, [change])
        elif (batch := self._batches.add(route, change, time.monotonic())).is_full:
            self._flush(batch)

    def take_foreign(self, record: Record, partition: Partition, reason: UnknownMessage) -> None:
        """Take a record that no watcher has written. Raises ForeignMessage or DeadLetterFailed."""
        self.counts.foreign += 1
        where = f"{partition[0]}, partition {partition[1]}, offset {record.offset()}"
        if not record.value():
            _log.debug("an empty record is passed over: %s", where)
        elif self._options.on_foreign == "stop":
            raise ForeignMessage(f"{where}: {reason}.", hint='Set on_foreign to "skip" or "dead-letter" to go on.')
        else:
            _log.warning("not a watcher's message (%s): %s", self._options.on_foreign, f"{where}: {reason}")
            if self._options.on_foreign == "dead-letter":
                self._dead_letters.send(record, str(reason))
        self._offsets.handled(partition, record.offset() or 0)

    def flush_due(self) -> None:
        """Hand over the batches that have waited long enough."""
        for batch in self._batches.due(time.monotonic()):
            self._flush(batch)

    def next_due_s(self) -> float | None:
        """Time at which the next batch is due, by time.monotonic(); None without batches."""
        return self._batches.next_due_s()

    def revoke(self, partitions: Collection[Partition]) -> None:
        """Forget partitions that were assigned to another member."""
        self._batches.revoke(partitions)
        self._missing = {place: reason for place, reason in self._missing.items() if place[0] not in partitions}

    def _tell(self, gap: Change) -> None:
        """Report a gap that this consumer has found; it is already in the log. It goes alone, so also what its own handler collects
        comes before it."""
        route = self._routes.find(gap)
        if not self._flush_before(self._batches.before(gap, None), gap):
            return
        if route is None:
            self._done(gap)
        else:
            self._call(route.handler, [gap])

    def _pass_over(self, change: Change) -> None:
        """Pass over a message that no handler takes.

        This is logged once for each collection and operation, because a name may have been misspelled.
        """
        self.counts.unrouted += 1
        kind = (change.collection, change.operation)
        if kind not in self._passed_over and len(self._passed_over) < REMEMBERED:
            self._passed_over.add(kind)
            about = f" of {change.collection}" if change.collection else ""
            near = self._routes.similar(change)
            hint = f"; there is one for {near!r}" if near else ""
            _log.warning("no handler takes %s%s, so such messages are passed over%s", change.operation, about, hint)
        self._done(change)

    def _flush_before(self, batches: list[HandlerBatch], change: Change) -> bool:
        """Hand over these batches. True if the change is still ours afterwards: between two attempts its partition may go to
        another member.
        """
        for batch in batches:
            self._flush(batch)
        return bool(self._offsets.ours([change]))

    def _flush(self, batch: HandlerBatch) -> None:
        self._batches.close(batch)
        if batch.changes:  # empty if all were revoked while another batch was tried again
            self._call(batch.route.handler, batch.changes)

    def _call(self, handler: Call, changes: list[Change]) -> None:
        changes, error = self._attempts.call(handler, changes)
        if error is None:
            self.counts.handled += len(changes)
            for change in changes:
                self._done(change)
        elif len(changes) > 1:
            self._call_one_by_one(handler, changes)
        else:
            self._give_up(changes[0], error)

    def _call_one_by_one(self, handler: Call, changes: list[Change]) -> None:
        """Call the handler with each change alone, so that one bad message does not affect the others of its batch. What takes a
        moment for all of them may take minutes this way."""
        turn_ends = time.monotonic() + TURN_SECONDS
        for change in changes:
            if time.monotonic() >= turn_ends:
                self._attempts.poll()
                turn_ends = time.monotonic() + TURN_SECONDS
            if self._offsets.ours([change]):
                self._call(handler, [change])

    def _give_up(self, change: Change, error: Exception) -> None:
        if self._options.on_error == "stop":
            raise HandlerFailed(
                f"The handler failed with {change!r}: {error!r}",
                hint="Its offset is not committed: the next start begins with it.",
            ) from error
        _log.error("%r goes to %s: %r", change, self._dead_letters.topic, error)
        self._dead_letters.send(change.record, repr(error), error)
        self.counts.dead_lettered += 1
        self._done(change)

    def _done(self, change: Change) -> None:
        if change.offset != NO_OFFSET:
            self._redeliveries.add(change)
        self._offsets.handled(change.source, change.offset)
