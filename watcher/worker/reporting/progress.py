"""A worker's account of itself. The pipeline and the worker report to it, and each subject of the account is kept by a part of it.

`status_report.py` writes it for the fleet, and `metrics.py` for Prometheus. News goes to the log.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from watcher.config import Settings
from watcher.errors import QUOTA_HINT, Outage
from watcher.model import Active, Batch, Message, Owner, Position, Snapshot
from watcher.operations import TOMBSTONE
from watcher.pids import birth_of
from watcher.status.report import WorkerState
from watcher.stream.gaps import Gaps
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting.counters import Counters, Rate
from watcher.worker.reporting.databases import Busiest, Databases
from watcher.worker.reporting.in_flight import InFlight
from watcher.worker.reporting.lag import Lag
from watcher.worker.reporting.other_workers import OtherWorkers
from watcher.worker.reporting.outages import Outages
from watcher.worker.reporting.snapshots import COLLECTION_COMPLETED, Snapshots
from watcher.worker.reporting.throttling import Throttling

logger = logging.getLogger("watcher")


class Progress:
    """One worker's account of itself. The worker's threads write it and the status file's thread reads it; each field is
    independent of the others."""

    def __init__(
        self,
        settings: Settings,
        owner: Owner,
        previous_run: PreviousRun,
        on_change: Callable[[], None],
        on_delivery: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change` is called when others should know at once, `on_delivery` after messages. Both must return soon."""
        shared = settings.scope.is_shared
        self.settings = settings
        self.owner = owner
        self.birth = birth_of(owner.pid)
        self.previous_run = previous_run
        self.gaps = Gaps(previous_run.last_gap_at)
        self.counters = Counters({**settings.topic_templates, TOMBSTONE: settings.topic_templates["delete"]} if shared else None)
        self.databases = Databases(settings.database) if shared else None
        self.rate = Rate()
        self.lag = Lag(previous_run.report)
        self.in_flight = InFlight()
        self.throttling = Throttling()
        self.outages = Outages()
        self.others = OtherWorkers()
        self.snapshots = Snapshots(previous_run.report.snapshot if previous_run.report else None, settings.scope.name_of)
        self.started_at = time.time()
        self.state = WorkerState.OPENING
        self.mongo_connected = False
        self.kafka_connected = False
        before = previous_run.report
        self.sequence = previous_run.sequence
        self.last_event_at = before.last_event_at.timestamp() if before and before.last_event_at else None
        self.batch_size = 0
        self.commit_seconds: float | None = None
        self.last_commit_at = previous_run.last_commit_at.timestamp() if previous_run.last_commit_at else None
        self._on_change = on_change
        self._on_delivery = on_delivery
        self._stopping = threading.Event()
        self._interruption = ""
        self.stands_by = False
        """True from standby on until this worker has the watcher again."""

    @contextlib.contextmanager
    def account_for(self, stopping: threading.Event) -> Iterator[None]:
        """Span the worker's whole work: note that it is stopping, and in the end how it went."""
        self._stopping = stopping
        try:
            yield
        except BaseException as error:
            self._failed(error)
            raise
        self._ended(WorkerState.STOPPED)

    @property
    def shown_state(self) -> WorkerState:
        """State as others should see it: a worker that was told to stop is stopping until it has stopped."""
        return WorkerState.STOPPING if self._stopping.is_set() and not self.has_ended else self.state

    @property
    def has_ended(self) -> bool:
        """Return True if the worker's state is final."""
        return self.state in (WorkerState.STOPPED, WorkerState.FAILED)

    @property
    def events_per_second(self) -> float:
        """Recent events a second; 0 after the worker has ended. Only one thread may ask."""
        return 0.0 if self.has_ended else self.rate.at(self.counters.messages)

    def busiest(self) -> Busiest:
        """Return the busiest databases of a watcher of several; none after the worker has ended. Only one thread may ask."""
        return self.databases.busiest() if self.databases and not self.has_ended else Busiest()

    def enter(self, state: WorkerState) -> None:
        """Change the state."""
        self.state = state
        self._on_change()

    def opened(self, position: Position, newest_snapshot: Snapshot | None = None) -> None:
        """Note that the sink is open, at its last committed position, and which snapshot was the last one, if that is known."""
        self.kafka_connected = True
        self.stands_by = False
        self._is_at(position.sequence)
        self.lag.saved(position.token)
        self.gaps.learn(position.last_gap_at)
        self.snapshots.opened(position.snapshot, newest_snapshot)

    def interrupted(self, reason: str, foreigner: str = "") -> None:
        """Note that a command has taken the watcher over for a moment, or another worker, named if it is a `foreigner`. What was
        under way is read again. The same reason is logged once, until the worker streams again."""
        if foreigner:
            self.others.saw_foreigner(foreigner)
        self.counters.transactions["aborted"] += self.in_flight.dropped()
        if reason != self._interruption:
            logger.info(reason)
        self._interruption = reason

    def standing_by(self, state: WorkerState, active: Active | None, sequence: int) -> None:
        """Note that this worker does not have the lease, and who has the watcher, as far as is known. What was under way is read
        again. The `state` is `opening` until it is known that another one has the lease."""
        known = active if state is WorkerState.STANDBY else None
        host, before = (worker.owner.host if worker else None for worker in (known, self.others.active))
        downtime = self.outages.over()
        if state is WorkerState.STANDBY and (state, host) != (self.state, before):
            logger.info("standby: active on %s", host or "another host", extra=downtime)
        self.stands_by |= state is WorkerState.STANDBY
        self.others.saw_active(known)
        self.counters.transactions["aborted"] += self.in_flight.dropped()
        self.snapshots.lost("worker")
        self.lag = Lag()
        self.mongo_connected, self.kafka_connected = False, True
        self._is_at(sequence)
        self.enter(state)

    def streaming(self) -> None:
        """Note that the change stream is open too."""
        self.others.saw_active(None)
        self._interruption = ""
        self.mongo_connected = True
        logger.info("streaming", extra={"sequence": self.sequence, **self.outages.over()})
        self.enter(WorkerState.STREAMING)

    def received(self, batch: Batch) -> None:
        """Note an answer of the source."""
        self.lag.answered(batch)
        self.counters.received(batch)
        self.in_flight.received(len(batch.events))
        if batch.notices:
            self.snapshots.received(batch.notices)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("batch", extra={"events": len(batch.events), "bytes": batch.size})

    def encoded(self, messages: int, size: int) -> None:
        """Note that the messages of one transaction, of `size` bytes, now wait for their delivery to Kafka."""
        self.in_flight.encoded(messages, size)

    def committed(self, messages: Sequence[Message], position: Position, seconds: float) -> None:
        """Note that messages and position are in Kafka; their delivery took so many seconds."""
        first = messages and self.counters.messages == 0
        self.last_commit_at = time.time()
        self.sequence = position.sequence
        self.commit_seconds = seconds
        self.lag.saved(position.token)
        self.in_flight.committed()
        operations = self.counters.committed(messages, seconds)
        if self.databases:
            self.databases.committed(messages)
        self.gaps.count(operations["gap"])
        if position.snapshot:
            self.snapshots.delivered(position.snapshot, operations[COLLECTION_COMPLETED])
        if messages:
            self.batch_size = len(messages)
            self.last_event_at = messages[-1].timestamp_ms / 1000
            self._on_delivery()
        if first:
            self._on_change()  # if we crash in a moment, our successor should know that we delivered something, and not hold back
        if logger.isEnabledFor(logging.DEBUG):
            self._log_commit(messages, seconds)

    def waited(self, seconds: float) -> None:
        """Note that the source was held back for so many seconds, because the sink is behind."""
        self.counters.backpressure_seconds += seconds

    def throttled(self, seconds: float) -> None:
        """Note that Kafka holds back the writes for so many seconds, because a quota is used up. It is logged when it begins."""
        if not self.throttling.recent():
            logger.warning("Kafka holds back the writes, because a quota is used up", extra={"hint": QUOTA_HINT})
        self.throttling.add(seconds)

    def snapshot_counted(self, documents: Mapping[str, int]) -> None:
        """Note about how many documents each of the collections has that a snapshot copies."""
        self.snapshots.counted(documents)

    def snapshot_waits(self, reason: str) -> None:
        """Note why a snapshot does not go on."""
        self.snapshots.waits(reason)

    def lost(self, error: Outage) -> None:
        """Note that MongoDB, Kafka or the schema registry is unavailable. This is logged once, until the worker streams again or
        until it is another one."""
        component = error.component
        unanswered_seconds = self.in_flight.waiting_seconds if component == "kafka" else 0.0
        self.counters.lost(error, self.in_flight.dropped())
        self.snapshots.lost(component)
        self.mongo_connected &= component != "mongodb"
        self.kafka_connected &= component != "kafka"
        self.outages.lost(error, unanswered_seconds)
        self.enter(WorkerState.WAITING)

    def _is_at(self, sequence: int) -> None:
        """Note the last message's number. If another worker has written that message, nobody here knows the time of its event."""
        if sequence != self.sequence:
            self.last_event_at = None
        self.sequence = sequence

    def _failed(self, error: BaseException) -> None:
        self.counters.failed(error, self.in_flight.dropped())
        self.outages.failed(error)
        self._ended(WorkerState.FAILED)

    def _ended(self, state: WorkerState) -> None:
        """Enter the final state, which stays written down: nothing is connected, and nothing flows any more."""
        self.mongo_connected = self.kafka_connected = False
        self.snapshots.lost("worker")
        self.enter(state)

    def _log_commit(self, messages: Sequence[Message], seconds: float) -> None:
        size = sum(len(message.value or b"") for message in messages)
        told = {"messages": len(messages), "bytes": size, "ms": round(seconds * 1000, 1), "sequence": self.sequence}
        logger.debug("committed", extra=told)
        if self.settings.log_documents:
            for message in messages:
                value = None if message.value is None else message.value.decode(errors="replace")
                logger.debug("message", extra={"topic": message.topic, "value": value})
