"""Writes messages and position to Kafka, together.

The order of the lines in `open` and `_claim` is half of the guarantee; the writer's transaction is the other half. A position is
never visible without its messages, nor messages without their position. A worker that has lost its watcher to another worker writes
no more, and one that a command has taken over opens again.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from confluent_kafka import KafkaError

from watcher.config import Settings
from watcher.errors import Outage, UndeliverableEvent
from watcher.kafka.destinations import DEFAULT_MESSAGE_MAX_BYTES, Destinations
from watcher.kafka.earlier_messages import earlier_messages
from watcher.kafka.errors import explained
from watcher.kafka.fencing import check_writer
from watcher.kafka.ownership import COMMAND_SECONDS, Ownership
from watcher.kafka.position import CLAIM_KEY, POSITION_KEY, SETTINGS_KEY, SNAPSHOT_KEY, Command, dump_snapshot
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.position_topic import POSITION_PARTITION
from watcher.kafka.properties import ThrottleCallback, limit_transaction, producer_config
from watcher.kafka.refusals import reason
from watcher.kafka.standby import ActiveWorkers, dump_settings
from watcher.kafka.transactions.size import TransactionSize
from watcher.kafka.transactions.writer import IdempotentWriter, TransactionalWriter, Writer
from watcher.model import Active, Delivered, Message, Owner, Position, Snapshot


class KafkaSink:
    """Delivers a watcher's messages. `open` may be called again after any error."""

    def __init__(
        self,
        settings: Settings,
        owner: Owner,
        delivered: Delivered,
        command: Command | None = None,
        on_throttle: ThrottleCallback | None = None,
    ) -> None:
        """`delivered` is what this host knows of earlier messages: if there were any, a missing position is a lost one. A `command`
        takes the watcher over for one change. `on_throttle` is told the seconds for which Kafka holds back the writes."""
        self._settings = settings
        self._owner = owner
        self._command = command
        self._on_throttle = on_throttle
        self._active_workers = ActiveWorkers(settings)
        self._ownership = Ownership(settings, owner, delivered, command)
        self.newest_snapshot: Snapshot | None = None
        """The snapshot under way when the watcher was taken over, or the one that ended a short time before."""
        self._writer: Writer | None = None
        self._troubles: deque[KafkaError] = deque(maxlen=16)
        self._size = TransactionSize()
        self._destinations = Destinations(settings, self._troubles.append)
        self.topic_of = self._destinations.topic_of
        self.ensured = self._destinations.ensured
        self.limit_of = self._destinations.limit_of
        """Questions of the encoder and the pipeline about topics, while the sink is open."""

    @property
    def transaction_bytes(self) -> int:
        """Bytes of messages at which a transaction is full."""
        return self._size.limit

    @property
    def delivered(self) -> Delivered:
        """Knowledge of earlier messages, here and in the position topic."""
        return self._ownership.delivered

    def use(self, settings: Settings) -> None:
        """Use `settings` from the next `open` on. They may differ from the earlier ones only in credentials."""
        self._settings = settings

    def open(self) -> Position:
        """Take over the watcher; returns its last committed position, with this worker as the owner.

        The first call fences an older worker and aborts its open transaction. From then on the position topic must carry our name.
        An error about fencing does not say who did it; without this check two workers would fence each other for ever.

        Errors: Outage, NotOwner, NotPermitted, UnsupportedServer, ConfigurationError, PositionLost, PositionUnsafe; TakenOver while
        a command is at work, and once when it is done.
        """
        with self._opening() as reader:
            self._ownership.before_claim(reader.read_so_far(), time.monotonic())
            self._claim()
            saved = reader.read()
            self._ownership.after_claim(saved)
            if self._ownership.is_first_start(saved):
                self._ownership.learn(earlier_messages(self._settings, self._troubles.append))
        self.newest_snapshot = saved.newest_snapshot
        return self._ownership.position(saved)

    def open_anew(self) -> Position:
        """Take over a watcher whose position is lost; the sequence number jumps. The position holds the snapshot that was under
        way, as far as that is known. Errors: as `open`."""
        self.newest_snapshot = None
        with self._opening() as reader:
            self._claim()
            last = reader.read_last_snapshot()
        return self._ownership.position_anew(last)

    def look(self) -> Active | None:
        """Close, and look which worker has the watcher; for a worker that stands by. Result and errors: as `ActiveWorkers.look`."""
        self.close()
        self._ownership.disown()
        return self._active_workers.look(self._settings, self._ownership)

    def disown(self) -> None:
        """Forget that the watcher was ours: the next `open` takes it over from whoever has it then."""
        self._ownership.disown()

    def deliver(self, messages: Sequence[Message], position: Position) -> None:
        """Write messages and the position after them; returns when both are committed.

        Errors: Outage if that failed or its outcome is unknown (open again); TakenOver by a command (open again), NotOwner by
        another worker; NotPermitted; ConfigurationError; UndeliverableEvent if the position itself is too large; PositionUnsafe.
        """
        self._destinations.check_position_topic()
        self._destinations.prepare({message.topic for message in messages})
        record = self._record(POSITION_KEY, self._ownership.position_text(position))
        if position.snapshot:
            messages = [*messages, self._record(SNAPSHOT_KEY, dump_snapshot(position.snapshot))]
        begun = time.monotonic()
        try:
            self._write(messages, record)
        except Outage:
            self._size.failed()
            raise
        self._size.committed(sum(len(message.value or b"") for message in messages), time.monotonic() - begun)
        self._ownership.committed(position)

    def rest(self, before: float = 0.0) -> None:
        """Wait until Kafka is ready for the next `deliver`, some milliseconds after the last one, or until `before` seconds before
        that."""
        self._opened().rest(before)

    def change(self, messages: Sequence[Message], position: Position, records: Mapping[bytes, bytes]) -> None:
        """Deliver what a command has changed. `records` are further records of the position topic, by their keys. Errors: as
        `deliver`."""
        self._destinations.prepare({message.topic for message in messages})
        further = [self._record(key, value) for key, value in records.items()]
        self._write([*messages, *further], self._record(POSITION_KEY, self._ownership.position_text(position)))
        self._ownership.committed(position)

    def close(self) -> None:
        """Drop everything that is not committed; it will be read from MongoDB again."""
        if self._writer:
            self._writer.close()
        self._writer = None

    @contextlib.contextmanager
    def _opening(self) -> Iterator[PositionReader]:
        """Start afresh with everything of Kafka's, and make sure that the topics with known names exist."""
        self.close()
        self._troubles.clear()
        try:
            self._destinations.open(self._settings)
            yield PositionReader(self._settings, self._troubles.append)
        except Outage as error:
            self._destinations.topics.report_troubles()
            raise explained(error, self._troubles) from error

    def _claim(self) -> None:
        """Fence the previous worker and write the new owner's name, before the position is read.

        A broker that was killed between a commit and its marker may have left a transaction of this watcher open, and reading would
        stop there. This transaction also ends that one.
        """
        self._writer = self._new_writer()
        self._write(self._shown_settings(), self._record(CLAIM_KEY, self._ownership.claim_text(datetime.now(UTC))))
        self._ownership.claimed()

    def _shown_settings(self) -> Sequence[Message]:
        """The record from which other hosts see our settings. It is not worth an error."""
        if self._settings.high_availability and self._command is None:
            with contextlib.suppress(UndeliverableEvent):
                return [self._record(SETTINGS_KEY, dump_settings(self._owner, self._settings, datetime.now(UTC)))]
        return ()

    def _write(self, messages: Sequence[Message], position: Message) -> None:
        try:
            self._opened().write(messages, position)
        except Outage as error:
            self.close()  # first: the questions take seconds, in which it would go on with what has failed
            check_writer(error, self._ownership, PositionReader(self._settings, self._troubles.append))
            raise reason(error, self._destinations.topics, (*messages, position)) from error

    def _new_writer(self) -> Writer:
        config = producer_config(self._settings, self._troubles.append, self._on_throttle)
        if self._command:
            limit_transaction(config, COMMAND_SECONDS)
        config["batch.size"] = min(self._destinations.batch_bytes, int(config.get("batch.size", DEFAULT_MESSAGE_MAX_BYTES)))
        return TransactionalWriter(config) if self._settings.delivery == "exactly-once" else IdempotentWriter(config)

    def _opened(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("the sink is not open")
        return self._writer

    def _record(self, key: bytes, value: bytes) -> Message:
        """Make a record for the position topic. A resume token holds a document's key at twice its length, so even a position may
        be too large. Errors: UndeliverableEvent."""
        time_ms = int(time.time() * 1000)
        record = Message(self._settings.position_topic, key, value, time_ms, "position", POSITION_PARTITION)
        if record.size > self.limit_of(record.topic):
            raise UndeliverableEvent(
                f"The position is {len(value)} bytes, too large for topic {record.topic}: it holds the key of a document.",
                hint=f'Raise max.message.bytes of {record.topic} and "message.max.bytes" in [kafka].',
            )
        return record
