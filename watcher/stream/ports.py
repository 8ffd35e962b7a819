"""Interfaces that the pipeline needs: its two ends, and an observer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watcher.model import Batch, Message, Position


class Source(Protocol):
    """The origin of the batches. One thread uses it at a time, but not always the same one."""

    def open(self, position: Position) -> Batch:
        """Open after `position`; returns a batch without events that holds the position of the stream."""

    def next(self) -> Batch:
        """Read the next batch, after a bounded wait; it is empty if nothing has happened."""


class Sink(Protocol):
    """The destination of the messages. One thread delivers at a time, but not always the same one; another thread may use the other
    methods meanwhile."""

    @property
    def transaction_bytes(self) -> int:
        """Bytes of messages at which a transaction is full."""

    def deliver(self, messages: Sequence[Message], position: Position) -> None:
        """Write both or neither."""

    def rest(self, before: float = 0.0) -> None:
        """Wait, after `deliver`, until the sink is ready for more, or until `before` seconds before that."""

    def limit_of(self, topic: str) -> int:
        """Return the most bytes that key and value of a message for `topic` may have."""


class Observer(Protocol):
    """An object that is told of the pipeline's progress. Several threads may call it at once."""

    def streaming(self) -> None:
        """The source is open."""

    def received(self, batch: Batch) -> None:
        """The source has answered."""

    def encoded(self, messages: int, size: int) -> None:
        """So many messages, of `size` bytes together, now wait for their delivery to Kafka."""

    def committed(self, messages: Sequence[Message], position: Position, seconds: float) -> None:
        """Messages and position are in Kafka; their delivery took so many seconds."""

    def waited(self, seconds: float) -> None:
        """The source was held back for so many seconds, because the sink is behind."""
