"""What a worker knows about itself: state, counters, position, last error. The status file and the log show it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from watcher.config import ROW_OPERATIONS, Settings
from watcher.errors import Outage, WatcherError
from watcher.log import iso
from watcher.stream.gaps import Gaps
from watcher.stream.model import Batch, Message, Owner, Position, ResumeToken, token_seconds
from watcher.stream.past import Past

VERSION = 1
RATE_SECONDS = 10.0
"""Events per second are those of this long."""

SERVER_SILENT_SECONDS = 5.0
"""A stream that is read answers every second; after this long the server's time is reckoned on from its last answer."""

logger = logging.getLogger("watcher")


class State(StrEnum):
    """What a worker is doing."""

    BACKING_OFF = "backing_off"
    OPENING = "opening"
    STREAMING = "streaming"
    WAITING = "waiting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Progress:
    """One worker's account of itself. Written by the worker's thread and read by the status file's; each field stands alone."""

    def __init__(self, settings: Settings, owner: Owner, past: Past, on_change: Callable[[], None]) -> None:
        self._settings = settings
        self._owner = owner
        self._past = past
        self.gaps = Gaps(past.last_gap_at)
        self._on_change = on_change
        self._started_at = time.time()
        self.state = State.OPENING
        self._stopping = threading.Event()
        self.mongo_connected = False
        self.kafka_connected = False
        self.buffer_size = 0
        self._events: Counter[str] = Counter(dict.fromkeys((*ROW_OPERATIONS, "control"), 0))
        self._committed = 0
        self._samples = deque([(time.monotonic(), 0)])
        self._errors = 0
        self._reopens = 0
        self._sequence = past.sequence
        self._last_event_ms: int | None = None
        self._last_commit_at = past.last_commit_at
        self._commit_seconds: float | None = None
        self._last_error: dict[str, Any] | None = None
        self._away_since: float | None = None
        self._server: tuple[int, float] | None = None
        self._delivered_seconds: int | None = None
        self._saved_seconds: int | None = None
        self._oldest_oplog_seconds: int | None = None

    @contextlib.contextmanager
    def account_for(self, stopping: threading.Event) -> Iterator[None]:
        """For the worker's whole work: tells that it's stopping, and in the end how it went."""
        self._stopping = stopping
        try:
            yield
        except BaseException as error:
            self._failed(error)
            raise
        self.enter(State.STOPPED)

    def enter(self, state: State) -> None:
        """The worker does something else now."""
        self.state = state
        self._on_change()

    def opened(self, position: Position) -> None:
        """The sink is open, at its last committed position."""
        self.kafka_connected = True
        self._sequence = position.sequence
        self._save(position.token)

    def streaming(self) -> None:
        """The change stream is open too."""
        self.mongo_connected = True
        logger.info("streaming", extra={"sequence": self._sequence, **self._downtime()})
        self._away_since = None
        self.enter(State.STREAMING)

    def received(self, batch: Batch) -> None:
        """The source has answered."""
        self.buffer_size = len(batch.events)
        self._server = (batch.server_seconds, time.monotonic())
        self._oldest_oplog_seconds = batch.oldest_oplog_seconds
        if not batch.events:
            self._delivered_seconds = token_seconds(batch.token)

    def encoded(self, messages: int, size: int) -> None:
        """So many messages, of `size` bytes, now wait to be in Kafka."""

    def committed(self, messages: Sequence[Message], position: Position, seconds: float) -> None:
        """Messages and position are in Kafka; delivering them took so long."""
        self._commit_seconds = seconds
        self._last_commit_at = iso(time.time())
        self._sequence = position.sequence
        self._save(position.token)
        if messages:
            first = self._committed == 0
            self._committed += len(messages)
            self._events.update(_kind(message) for message in messages)
            self.gaps.count(sum(message.operation == "gap" for message in messages))
            self._last_event_ms = messages[-1].timestamp_ms
            self.buffer_size = max(0, self.buffer_size - len(messages))
            if first:
                self._on_change()  # if we crash in a moment, our successor shall know that we were of use, and not hold back

    def waited(self, seconds: float) -> None:
        """The source was held back for so long, because the sink is behind."""

    def lost(self, error: Outage) -> None:
        """MongoDB or Kafka is away: said once, until streaming again or until it's the other one."""
        self._errors += 1
        self._reopens += 1
        self.buffer_size = 0
        component = error.component
        self.mongo_connected &= component != "mongodb"
        self.kafka_connected &= component != "kafka"
        known = self._away_since is not None and self._last_error is not None and self._last_error["component"] == component
        logger.log(logging.DEBUG if known else logging.WARNING, str(error), extra={"component": component, "hint": error.hint})
        self._away_since = self._away_since or time.monotonic()
        self._remember(error, component, None)
        self.enter(State.WAITING)

    def snapshot(self) -> dict[str, Any]:
        """The status file's content; `docs/status-json.md` has the fields."""
        return {
            "version": VERSION,
            "watcher": self._settings.name,
            "clientId": self._settings.kafka_client_id,
            "database": self._settings.database,
            "pid": self._owner.pid,
            "instance": self._owner.instance,
            "host": self._owner.host,
            "startedAt": iso(self._started_at),
            "updatedAt": iso(time.time()),
            "state": self._shown_state().value,
            "mongoConnected": self.mongo_connected,
            "kafkaConnected": self.kafka_connected,
            "events": dict(self._events),
            "messagesCommitted": self._committed,
            "eventsPerSecond": self._rate(),
            "bufferSize": self.buffer_size,
            "sequence": self._sequence,
            "lagSeconds": self._lag(),
            "headroomSeconds": self._headroom(),
            "lastEventAt": None if self._last_event_ms is None else iso(self._last_event_ms / 1000),
            "lastCommitAt": self._last_commit_at,
            "commitSeconds": self._commit_seconds,
            "errors": self._errors,
            "reopens": self._reopens,
            "restarts": self._past.restarts,
            "fruitless": self._past.fruitless,
            "gaps": self.gaps.total,
            "lastGapAt": self.gaps.last_at,
            "lastError": self._last_error,
        }

    def _failed(self, error: BaseException) -> None:
        self._errors += 1
        exit_code = error.exit_code if isinstance(error, WatcherError) else 1
        self._remember(error, "worker", int(exit_code))
        self.enter(State.FAILED)

    def _shown_state(self) -> State:
        ended = self.state in (State.STOPPED, State.FAILED)
        return State.STOPPING if self._stopping.is_set() and not ended else self.state

    def _save(self, token: ResumeToken | None) -> None:
        if token:
            self._saved_seconds = token_seconds(token)
            self._delivered_seconds = max(self._delivered_seconds or 0, self._saved_seconds)

    def _remember(self, error: BaseException, component: str, exit_code: int | None) -> None:
        hint = error.hint if isinstance(error, WatcherError) else "This is a bug; the traceback is in the log."
        message = str(error) if isinstance(error, WatcherError) else f"{type(error).__name__}: {error}"
        self._last_error = {"at": iso(time.time()), "message": message, "hint": hint, "component": component, "exitCode": exit_code}

    def _downtime(self) -> dict[str, float]:
        return {} if self._away_since is None else {"downtimeSeconds": round(time.monotonic() - self._away_since, 1)}

    def _rate(self) -> float:
        """From samples that the reader takes itself: what the worker's thread appends to cannot be iterated over meanwhile."""
        now, committed = time.monotonic(), self._committed
        self._samples.append((now, committed))
        while now - self._samples[0][0] > RATE_SECONDS:
            self._samples.popleft()
        return round((committed - self._samples[0][1]) / RATE_SECONDS, 1)

    def _lag(self) -> int | None:
        """Server's time less the time up to which everything is delivered: no clock of ours, but for a server that is silent."""
        if self._server is None or self._delivered_seconds is None:
            return None
        seconds, answered = self._server
        silent = time.monotonic() - answered
        reckoned = int(silent) if silent > SERVER_SILENT_SECONDS else 0
        return max(0, seconds + reckoned - self._delivered_seconds)

    def _headroom(self) -> int | None:
        """How much older the saved position may become before MongoDB forgets what follows it."""
        if self._oldest_oplog_seconds is None or self._saved_seconds is None:
            return None
        return self._saved_seconds - self._oldest_oplog_seconds


def _kind(message: Message) -> str:
    return message.operation if message.operation in ROW_OPERATIONS else "control"
