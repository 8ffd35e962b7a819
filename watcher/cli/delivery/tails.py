"""The messages of one watcher or of several, merged by the time of their arrival in Kafka."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from watcher.cli.delivery.each_watcher import Failures
from watcher.config import Settings
from watcher.consumer.delivered import DeliveredMessage, Message
from watcher.consumer.reading.filter import Filter
from watcher.consumer.reading.reader import MessageReader

POLL_SECONDS = 0.1
AT_ONCE = 16
"""The number of watchers that are read at the same time."""

Found = tuple[str, DeliveredMessage]
"""A watcher's name, and a message of it."""

Shrink = Callable[[DeliveredMessage], DeliveredMessage]
Answers = Callable[[list[str], bool], None]
"""Is told the watchers whose Kafka does not answer any more, or, with True, answers again."""


class Left(Exception):
    """Nobody wants the messages any longer."""


@dataclass
class WatcherTail:
    """One watcher's messages. `collections` are those of all messages that were seen, wanted or not."""

    settings: Settings
    reader: MessageReader
    wants: Filter
    collections: set[str] = field(default_factory=set)
    is_left: bool = False

    @property
    def name(self) -> str:
        """The watcher's name."""
        return self.settings.name

    def wanted(self, message: Message) -> bool:
        """Return True if the message is wanted. Raises Left, so that a long read ends."""
        if self.is_left:
            raise Left
        if name := message.get("collection"):
            self.collections.add(f"{message.get('database')}.{name}" if self.settings.scope.is_shared else name)
        return self.wants(message)

    def arrived(self) -> list[DeliveredMessage]:
        """Return those of the new messages that are wanted."""
        return [delivered for delivered in self.reader.poll(POLL_SECONDS) if self.wanted(delivered.message)]


class Tails:
    """The messages of watchers, to be used in a `with` block. A watcher that fails is left out from then on; see `failures`."""

    def __init__(self, watchers: Iterable[Settings], wants: Filter, topics: Sequence[str], failures: Failures) -> None:
        """`topics` are names and globs of topics to read besides those that the settings tell."""
        self._failures = failures
        self._readers = ExitStack()
        self._tails: list[WatcherTail] = []
        for settings in watchers:
            with failures.of(settings.name):
                reader = self._readers.enter_context(MessageReader(settings, wants.since, topics))
                self._tails.append(WatcherTail(settings, reader, wants))
        self._threads = ThreadPoolExecutor(AT_ONCE)

    @property
    def collections(self) -> list[str]:
        """The collections of all messages that were seen, wanted or not."""
        return sorted(set().union(*(tail.collections for tail in self._tails)))

    @property
    def open(self) -> list[WatcherTail]:
        """The watchers that have not failed."""
        return [tail for tail in self._tails if tail.name not in self._failures.errors]

    def last(self, count: int, shrink: Shrink) -> list[Found]:
        """Return the newest `count` messages of all, oldest first; `shrink` may reduce each one."""
        found = merged(self._each(lambda tail: tail.reader.last(count, tail.wanted, shrink=shrink)))
        return list(found)[-count:] if count else []

    def all(self) -> Iterator[Found]:
        """Yield all messages up to the present ends of the topics, oldest first, while they are read."""
        return merged({tail.name: self._whole(tail) for tail in self.open})

    def follow(self, tell: Answers) -> Iterator[Found]:
        """Yield new messages as they arrive. Ends only when all watchers have failed."""
        away: set[str] = set()
        while self.open:
            yield from merged(self._each(WatcherTail.arrived))
            now = {tail.name for tail in self.open if not tail.reader.answers}
            if gone := sorted(now - away):
                tell(gone, False)
            if back := sorted(away - now - self._failures.errors.keys()):
                tell(back, True)
            away = now

    def _whole(self, tail: WatcherTail) -> Iterator[DeliveredMessage]:
        with self._failures.of(tail.name):
            yield from tail.reader.all(tail.wanted)

    def _each(self, read: Callable[[WatcherTail], list[DeliveredMessage]]) -> dict[str, list[DeliveredMessage]]:
        """Read from several at once, since one whose Kafka does not answer takes seconds to say so. One alone needs no thread."""

        def attempt(tail: WatcherTail) -> list[DeliveredMessage]:
            with self._failures.of(tail.name):
                return read(tail)
            return []

        tails = self.open
        results = self._threads.map(attempt, tails) if len(tails) > 1 else map(attempt, tails)
        return {tail.name: result for tail, result in zip(tails, results, strict=True)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for tail in self._tails:
            tail.is_left = True
        self._threads.shutdown(cancel_futures=True)
        self._readers.close()


def merged(found: dict[str, list[DeliveredMessage]] | dict[str, Iterator[DeliveredMessage]]) -> Iterator[Found]:
    """Merge messages by their time in Kafka. Those of one watcher keep their order, also where it is not that of their times."""
    streams = [_timed(name, messages) for name, messages in found.items()]
    return ((name, delivered) for _, name, delivered in heapq.merge(*streams, key=lambda timed: timed[0]))


def _timed(name: str, messages: Iterable[DeliveredMessage]) -> Iterator[tuple[int, str, DeliveredMessage]]:
    latest = 0
    for delivered in messages:
        latest = max(latest, delivered.time_ms)
        yield latest, name, delivered
