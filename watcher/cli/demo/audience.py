"""The demo's data: the watchers' states from supervisord and the status files, and their messages, read back from Kafka."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from watcher.config import Settings
from watcher.consumer.delivered import DeliveredMessage
from watcher.consumer.reading.reader import MessageReader
from watcher.fleet.control import Fleet
from watcher.fleet.status import Row
from watcher.fleet.survey import survey
from watcher.terminal.live_view import WatcherLine
from watcher.terminal.message_text import Message
from watcher.terminal.picture import picture

POLL_SECONDS = 0.1
SURVEY_SECONDS = 0.5
LATEST = 100


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment: the watchers, the `latest` messages, and those of them that are `fresh`."""

    at: datetime
    watchers: Sequence[WatcherLine]
    latest: Sequence[Message]
    fresh: Sequence[Message]


@dataclass
class _Seat:
    """One watcher's reader, with counts of what it has read."""

    reader: MessageReader
    delivered: int = 0
    changes: int = 0
    is_copied: bool = False
    last_sequence: int = 0
    unbroken: bool = True
    last_event_at: datetime | None = None

    def poll(self) -> list[Message]:
        arrived = self.reader.poll(POLL_SECONDS)
        for delivered in arrived:
            self._count(delivered)
        return [delivered.message for delivered in arrived]

    def _count(self, delivered: DeliveredMessage) -> None:
        self.delivered += 1
        self.changes += "documentKey" in delivered.message
        self.is_copied |= delivered.message["operationType"] == "snapshotCompleted"
        self.unbroken &= delivered.sequence == self.last_sequence + 1
        self.last_sequence = delivered.sequence
        self.last_event_at = datetime.fromisoformat(delivered.message["timestamp"])

    def line(self, row: Row) -> WatcherLine:
        report = row.report if row.is_running else None
        rate, lag = (report.events_per_second, report.lag_seconds) if report else (0.0, None)
        return WatcherLine(
            name=row.name,
            state=row.state,
            events_per_second=rate,
            lag_seconds=lag,
            last_event_at=self.last_event_at,
            delivered=self.delivered,
        )


class Audience:
    """Observes a fleet, and reads its messages from the first one on. It must be closed."""

    def __init__(self, fleet: Fleet, watchers: Sequence[Settings]) -> None:
        self._fleet = fleet
        self._rows: Sequence[Row] = ()
        self._next_survey = 0.0
        self._latest: deque[Message] = deque(maxlen=LATEST)
        with ExitStack() as readers:
            self._seats = {each.name: _Seat(readers.enter_context(MessageReader(each))) for each in watchers}
            self._readers = readers.pop_all()

    def close(self) -> None:
        """Close the connections to Kafka."""
        self._readers.close()

    @property
    def changes(self) -> int:
        """The number of messages about documents that have arrived."""
        return sum(seat.changes for seat in self._seats.values())

    @property
    def is_copied(self) -> bool:
        """True once every watcher has copied the documents that were there before it."""
        return all(seat.is_copied for seat in self._seats.values())

    @property
    def is_unbroken(self) -> bool:
        """True if each watcher's messages arrived in order, with none missing and none repeated."""
        return all(seat.unbroken for seat in self._seats.values())

    def look(self) -> Scene:
        """The present scene. Reading takes up to POLL_SECONDS for each watcher."""
        fresh = [message for seat in self._seats.values() for message in seat.poll()]
        self._latest.extend(fresh)
        if time.monotonic() >= self._next_survey:
            self._rows = survey(self._fleet, self._seats).rows
            self._next_survey = time.monotonic() + SURVEY_SECONDS
        return Scene(datetime.now(UTC), [self._seats[row.name].line(row) for row in self._rows], list(self._latest), fresh)

    def picture(self) -> str:
        """The latest scene as an SVG."""
        scene = self.look()
        return picture(scene.watchers, scene.latest, scene.at)
