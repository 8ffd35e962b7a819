"""What the pipeline needs of the world: its two ends, and who watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watcher.model import Batch, Message, Position, ResumeToken


class Source(Protocol):
    """Where batches come from. One thread uses it at a time, but not always the same one."""

    def open(self, token: ResumeToken | None) -> Batch:
        """Open after `token`; a batch without events says at which position the stream stands."""

    def next(self) -> Batch:
        """The next batch, after a bounded wait; empty when nothing has happened."""


class Sink(Protocol):
    """Where messages go. One thread delivers at a time, but not always the same one; the rest is asked meanwhile."""

    @property
    def transaction_bytes(self) -> int:
        """With so many bytes of messages a transaction is full."""

    def deliver(self, messages: Sequence[Message], position: Position) -> None:
        """Write both or neither."""

    def rest(self) -> None:
        """Return when it is ready for more, after `deliver`."""

    def takes(self, message: Message) -> bool:
        """Whether the message is small enough."""


class Observer(Protocol):
    """Who wants to know how it goes. May be called from several threads at once."""

    def streaming(self) -> None:
        """The source is open."""

    def received(self, batch: Batch) -> None:
        """The source has answered."""

    def encoded(self, messages: int, size: int) -> None:
        """So many messages, of `size` bytes, now wait to be in Kafka."""

    def committed(self, messages: Sequence[Message], position: Position, seconds: float) -> None:
        """Messages and position are in Kafka; delivering them took so long."""

    def waited(self, seconds: float) -> None:
        """The source was held back for so long, because the sink is behind."""
