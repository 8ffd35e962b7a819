"""Reads a watcher's position, and what has been changed by hand, without disturbing its worker."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from confluent_kafka import KafkaError

from watcher.config import Settings
from watcher.errors import ConfigurationError, Outage, PositionLost
from watcher.kafka.errors import explained
from watcher.kafka.ownership import check_database, position_gone
from watcher.kafka.position import Saved
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.topics import Topics
from watcher.model import Delivered, ResumeToken, Snapshot
from watcher.position.history import PositionChange, load_history


@dataclass(frozen=True, slots=True)
class Look:
    """A watcher's position as Kafka holds it. `history` is oldest first.

    If no worker could go on from it, `fault` says why and `hint` what to do; otherwise both are empty.
    """

    saved: Saved
    fault: str
    history: tuple[PositionChange, ...]
    hint: str = ""

    @property
    def token(self) -> ResumeToken | None:
        """The resume token of the position; None if there is no position."""
        return self.saved.position.token if self.saved.position else None

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot under way; None if there is none."""
        return self.saved.position.snapshot if self.saved.position else None

    @property
    def goes_on_by_itself(self) -> bool:
        """True if the worker, once a command has taken it over, opens again instead of ending."""
        return self.saved.stamp is not None and self.saved.stamp.live


def look(settings: Settings, delivered: Delivered) -> Look:
    """Read the position; `delivered` tells whether there must be one. Errors: Outage, NotPermitted."""
    troubles: deque[KafkaError] = deque(maxlen=16)
    topics = Topics(settings, troubles.append)
    try:
        if not topics.exists(settings.position_topic):
            return _judged(settings, delivered, Saved(), ())
        partitions = topics.partitions(settings.position_topic)
        looks = [_look_at(settings, delivered, PositionReader(settings, troubles.append, partition)) for partition in partitions]
    except Outage as error:
        topics.report_troubles()
        raise explained(error, troubles) from error
    return max(looks, key=_newness, default=_judged(settings, delivered, Saved(), ()))


def _look_at(settings: Settings, delivered: Delivered, reader: PositionReader) -> Look:
    history = load_history(reader.read_history())
    try:
        return _judged(settings, delivered, reader.read_so_far(newest_snapshot=True), history)
    except PositionLost as error:
        return Look(Saved(), str(error), history, error.hint)


def _newness(seen: Look) -> tuple[int, str, str]:
    """Sort key, newest last, for what the partitions of the topic hold; there is one partition unless somebody has added some."""
    return (seen.saved.position.sequence if seen.saved.position else -1, str((seen.token or {}).get("_data", "")), seen.fault)


def _judged(settings: Settings, delivered: Delivered, saved: Saved, history: tuple[PositionChange, ...]) -> Look:
    """Add the fault that a worker would find if it opened there."""
    try:
        if saved.has_lost_position(delivered):
            raise position_gone(settings)
        if saved.position:
            check_database(settings, saved.position)
    except (PositionLost, ConfigurationError) as error:
        return Look(saved, str(error), history, error.hint)
    return Look(saved, "", history)
