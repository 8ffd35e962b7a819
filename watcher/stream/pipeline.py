"""The loop: change events in, messages and position out, in the order in which they happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from bson.raw_bson import RawBSONDocument

from watcher.errors import UndeliverableEvent
from watcher.stream.message import Encoder
from watcher.stream.model import Batch, Message, Position, ResumeToken

IDLE_COMMIT_SECONDS = 10.0
"""How often a position that moved without events is saved; else a quiet database's position would fall off the oplog."""


KEY_SHOWN = 100
"""Bytes of a document's key in an error's text."""


class Source(Protocol):
    """Where batches come from."""

    def open(self, token: ResumeToken | None) -> Batch:
        """Open after `token`; a batch without events says at which position the stream stands."""

    def next(self) -> Batch:
        """The next batch, after a bounded wait; empty when nothing has happened."""


class Sink(Protocol):
    """Where messages go."""

    @property
    def transaction_bytes(self) -> int:
        """With so many bytes of messages a transaction is full."""

    def deliver(self, messages: Sequence[Message], position: Position) -> None:
        """Write both or neither."""

    def takes(self, message: Message) -> bool:
        """Whether the message is small enough."""


class Observer(Protocol):
    """Who wants to know how it goes."""

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


class Pipeline:
    """Moves changes from the source to the sink until told to stop."""

    def __init__(self, source: Source, encoder: Encoder, sink: Sink, observer: Observer, *, fail_on_large: bool) -> None:
        self._source = source
        self._encoder = encoder
        self._sink = sink
        self._observer = observer
        self._fail_on_large = fail_on_large
        self._last_commit = time.monotonic()

    def run(self, position: Position, stopping: Callable[[], bool]) -> None:
        """Go on after `position`, an opened sink's. Returns between two transactions once `stopping()`.

        Errors: what source and sink raise; UndeliverableEvent.
        """
        batch = self._source.open(position.token)
        position = self._deliver(batch, position, stopping)
        self._observer.streaming()
        while not stopping():
            batch = self._source.open(position.token) if batch.ended else self._source.next()
            self._observer.received(batch)
            position = self._deliver(batch, position, stopping)

    def _deliver(self, batch: Batch, position: Position, stopping: Callable[[], bool]) -> Position:
        for messages, after in self._transactions(batch, position):
            self._observer.encoded(len(messages), sum(len(message.value) for message in messages))
            begun = time.monotonic()
            self._sink.deliver(messages, after)
            self._last_commit = time.monotonic()
            self._observer.committed(messages, after, self._last_commit - begun)
            position = after
            if stopping():
                break
        return position

    def _transactions(self, batch: Batch, position: Position) -> Iterator[tuple[list[Message], Position]]:
        """The batch cut at the size of a transaction; without events its position alone, when it's time for that."""
        messages = [
            self._encoder.control(notice.operation, timestamp_ms=notice.timestamp_ms, sequence=sequence, **notice.fields)
            for sequence, notice in enumerate(batch.notices, position.sequence + 1)
        ]
        size = 0
        for event in batch.events:
            for message in self._encode(event, position.sequence + len(messages) + 1, batch.missing):
                messages.append(message)
                size += len(message.value)
            if size >= self._sink.transaction_bytes:
                position = position.moved(event_token(event), len(messages))
                yield messages, position
                messages, size = [], 0
        if messages or batch.ended or self._position_is_due(batch.token, position):
            yield messages, position.moved(batch.token, len(messages))

    def _position_is_due(self, token: ResumeToken, position: Position) -> bool:
        idle_seconds = time.monotonic() - self._last_commit
        return position.token is None or (token != position.token and idle_seconds >= IDLE_COMMIT_SECONDS)

    def _encode(self, event: bytes, sequence: int, missing: Sequence[str]) -> list[Message]:
        """One message; two for an event that is too large: what is left of it, and a control message that tells."""
        if missing:
            return self._truncated(event, sequence, missing)
        message = self._encoder.encode(event, sequence)
        if self._sink.takes(message):
            return [message]
        if self._fail_on_large:
            raise _too_large(message, 'or on_large_event = "dead-letter" delivers it without its document')
        size = len(message.value)
        del message  # of 10 MB or more, while the event is decoded once more
        return self._truncated(event, sequence, size=size)

    def _truncated(self, event: bytes, sequence: int, missing: Sequence[str] = (), size: int | None = None) -> list[Message]:
        messages = self._encoder.encode_truncated(event, sequence, self._sink.takes, missing, size)
        for message in messages:
            if not self._sink.takes(message):  # the id of an event holds the document's key, so a dead letter has a size too
                raise _too_large(message, "the key of the document alone is too large")
        return messages


def _too_large(message: Message, remark: str) -> UndeliverableEvent:
    return UndeliverableEvent(
        f"A message of {len(message.value)} bytes is too large for topic {message.topic}: {(message.key or b'')[:KEY_SHOWN]!r}.",
        hint=f'Raise max.message.bytes of the topic and "message.max.bytes" in [kafka]; {remark}.',
    )


def event_token(event: bytes) -> ResumeToken:
    """The resume token of a raw change event."""
    token: ResumeToken = dict(RawBSONDocument(event)["_id"])
    return token
